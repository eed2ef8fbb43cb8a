//! Messages over TCP: a header of four bytes, 3, 0 and the length with the header, before each (RFC 1006 §6; `get_tpkt_data`).
//!
//! A header may come in a segment of its own, its message in the next.

const HEADER: usize = 4;
const VERSION: [u8; 2] = [3, 0];

/// The messages of a segment: where each begins, and its length.
pub(super) struct Messages<'p> {
    payload: &'p [u8],
    /// Where the next header is; `None` before the first.
    next: Option<usize>,
}

impl<'p> Messages<'p> {
    pub(super) fn new(payload: &'p [u8]) -> Messages<'p> {
        Messages { payload, next: None }
    }

    /// The next message that is wholly there, and where in the segment. `separate` is how many bytes without a header are to
    /// come.
    pub(super) fn next(&mut self, separate: &mut u16) -> Option<(usize, &'p [u8])> {
        let awaited = std::mem::take(separate);
        let at = self.next.unwrap_or(0);
        let rest = self.payload.get(at..)?;
        let header = rest.first_chunk::<HEADER>().filter(|header| header.starts_with(&VERSION));
        let Some(&[_, _, high, low]) = header else {
            let len = usize::from(awaited);
            if self.next.is_some() || len == 0 || len > rest.len() {
                return None;
            }
            self.next = Some(len);
            return Some((at, rest.get(..len)?));
        };
        if self.next.is_some() && rest.len() == HEADER {
            return None;
        }
        let len = usize::from(u16::from_be_bytes([high, low]));
        if let Some(message) = rest.get(HEADER..len) {
            self.next = Some(at + len);
            return Some((at + HEADER, message));
        }
        if rest.len() == HEADER && len > HEADER {
            *separate = (len - HEADER) as u16;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(payload: &[u8], separate: &mut u16) -> Vec<Vec<u8>> {
        let mut messages = Messages::new(payload);
        std::iter::from_fn(|| messages.next(separate))
            .map(|(at, message)| {
                assert_eq!(payload.get(at..at + message.len()), Some(message));
                message.to_vec()
            })
            .collect()
    }

    /// RFC 1006 §6: version 3, reserved 0, the length of the whole packet.
    #[test]
    fn every_message_that_is_whole_is_found() {
        for (payload, expected, left) in [
            (&b"\x03\0\0\x06ab"[..], &[&b"ab"[..]][..], 0),
            (b"\x03\0\0\x06ab\x03\0\0\x05c", &[b"ab", b"c"], 0),
            (b"\x03\0\0\x06ab\x03\0\0\x06c", &[b"ab"], 0),
            (b"\x03\0\0\x06ab\x03\0\0\x06", &[b"ab"], 0),
            (b"\x03\0\0\x04", &[b""], 0),
            (b"\x03\0\0\x03", &[], 0),
            (b"\x03\0\0\x09", &[], 5),
            (b"\x02\0\0\x05a", &[], 0),
            (b"\x03\0\0", &[], 0),
            (b"", &[], 0),
        ] {
            let mut separate = 0;
            assert_eq!(all(payload, &mut separate), expected, "{payload:?}");
            assert_eq!(separate, left, "{payload:?}");
        }
    }

    #[test]
    fn a_message_may_come_behind_its_header() {
        let mut separate = 0;
        assert!(all(b"\x03\0\0\x07", &mut separate).is_empty());
        assert_eq!(all(b"abc\x03\0\0\x05d", &mut separate), [&b"abc"[..], b"d"]);
        assert_eq!(separate, 0);
        assert!(all(b"\x03\0\0\x07", &mut separate).is_empty());
        assert!(all(b"ab", &mut separate).is_empty());
        assert!(all(b"abc", &mut separate).is_empty());
        let mut separate = 3;
        assert_eq!(all(b"\x03\0\0\x05z", &mut separate), [b"z"]);
        assert_eq!(separate, 0);
    }

    proptest! {
        #[test]
        fn no_segment_makes_it_panic(payload: Vec<u8>, mut separate: u16) {
            let all = all(&payload, &mut separate);
            prop_assert!(all.iter().map(Vec::len).sum::<usize>() <= payload.len());
        }
    }
}
