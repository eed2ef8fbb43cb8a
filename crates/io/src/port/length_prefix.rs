//! Frames in a stream of bytes, each behind its length: 4 bytes, big-endian, as `-netdev stream` of QEMU (`net/stream.c`),
//! its older `-netdev socket`, and passt have it. The peer is a guest's, so hostile: what it says is believed within
//! [`MAX_FRAME`] bytes only, and never costs memory beforehand.

use super::MAX_FRAME;

/// Bytes of the length before a frame.
pub const PREFIX: usize = 4;

/// Bytes that are read at once, at the most.
const ROOM: usize = 4 * (PREFIX + MAX_FRAME);

/// A length that no frame has. There is no way to find where the next one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the peer announces a frame of {0} bytes")]
pub struct TooLong(pub u32);

/// What was read and is not yet handed over.
#[derive(Debug)]
pub struct Reassembly {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Default for Reassembly {
    fn default() -> Reassembly {
        Reassembly { buffer: vec![0; ROOM].into(), start: 0, end: 0 }
    }
}

impl Reassembly {
    /// Where the next bytes go; never empty once [`Reassembly::next_frame`] gave nothing. [`Reassembly::received`] says how
    /// many there were.
    pub fn room(&mut self) -> &mut [u8] {
        if self.start > 0 && self.buffer.len() - self.end < PREFIX + MAX_FRAME {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }

    /// So many bytes came into the [`Reassembly::room`].
    pub fn received(&mut self, count: usize) {
        self.end = (self.end + count).min(self.buffer.len());
    }

    /// Takes the next frame, if it is there whole. It may be empty.
    ///
    /// # Errors
    /// [`TooLong`], now and for ever.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, TooLong> {
        let Some(len) = self.announced() else { return Ok(None) };
        let len = match usize::try_from(len) {
            Ok(len) if len <= MAX_FRAME => len,
            _ => return Err(TooLong(len)),
        };
        let at = self.start + PREFIX;
        if self.end - at < len {
            return Ok(None);
        }
        self.start = at + len;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        Ok(self.buffer.get(at..at + len))
    }

    /// Whether [`Reassembly::next_frame`] would give something, an error too.
    pub fn is_ready(&self) -> bool {
        self.announced()
            .is_some_and(|len| len as usize > MAX_FRAME || self.end - self.start - PREFIX >= len as usize)
    }

    fn announced(&self) -> Option<u32> {
        self.buffer.get(self.start..self.end)?.first_chunk().map(|len| u32::from_be_bytes(*len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds bytes in pieces of these lengths, over and over; gives the frames, and whether one was too long.
    fn feed(mut bytes: &[u8], pieces: &[usize]) -> (Vec<Vec<u8>>, bool) {
        let (mut reassembly, mut frames) = (Reassembly::default(), Vec::new());
        let mut pieces = pieces.iter().cycle();
        loop {
            loop {
                let ready = reassembly.is_ready();
                match reassembly.next_frame() {
                    Ok(Some(frame)) => frames.push(frame.to_vec()),
                    Ok(None) => {
                        assert!(!ready);
                        break;
                    }
                    Err(_) => {
                        assert!(ready);
                        return (frames, true);
                    }
                }
                assert!(ready);
            }
            if bytes.is_empty() {
                return (frames, false);
            }
            let room = reassembly.room();
            assert!(!room.is_empty());
            let count = (*pieces.next().unwrap()).clamp(1, room.len()).min(bytes.len());
            let (piece, rest) = bytes.split_at(count);
            room[..count].copy_from_slice(piece);
            reassembly.received(count);
            bytes = rest;
        }
    }

    #[test]
    fn a_length_beyond_a_frame_ends_it() {
        let bytes = [&[0, 0, 0, 2, 7, 8][..], &u32::MAX.to_be_bytes(), &[0, 0, 0, 1, 9]].concat();
        assert_eq!(feed(&bytes, &[100]), (vec![vec![7, 8]], true));
        let longest = [&(MAX_FRAME as u32).to_be_bytes()[..], &vec![1; MAX_FRAME]].concat();
        assert_eq!(feed(&longest, &[MAX_FRAME]), (vec![vec![1; MAX_FRAME]], false));
        assert!(feed(&(MAX_FRAME as u32 + 1).to_be_bytes(), &[1]).1);
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_frames_are_the_same(
            lens in prop::collection::vec(prop_oneof![0..100_usize, 0..=MAX_FRAME], 0..20),
            pieces in prop::collection::vec(prop_oneof![1..10_usize, 1..100_000_usize], 1..5),
        ) {
            let frames: Vec<Vec<u8>> = lens.iter().enumerate().map(|(at, len)| vec![at as u8; *len]).collect();
            let mut bytes = Vec::new();
            for frame in &frames {
                bytes.extend((frame.len() as u32).to_be_bytes());
                bytes.extend(frame);
            }
            prop_assert_eq!(feed(&bytes, &pieces), (frames, false));
        }

        #[test]
        fn no_bytes_do_harm(
            bytes in prop::collection::vec(prop_oneof![3 => Just(0), 1 => any::<u8>()], 0..3000),
            pieces in prop::collection::vec(1..50_usize, 1..5),
        ) {
            let (frames, _) = feed(&bytes, &pieces);
            prop_assert!(frames.iter().map(|frame| frame.len() + PREFIX).sum::<usize>() <= bytes.len());
        }
    }
}
