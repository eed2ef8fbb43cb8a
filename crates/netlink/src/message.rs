//! Messages of a datagram.

use crate::{Attributes, DecodeError, GenMsg, Header, align};

/// Messages of a datagram, in order. Ends behind the first error, whose offset counts from the datagram's first byte.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
    offset: usize,
}

/// A message, borrowed from the datagram.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Its header.
    pub header: Header,
    /// What follows the header, without padding.
    pub payload: &'a [u8],
    /// Where its header begins in the datagram.
    pub offset: usize,
}

impl<'a> Messages<'a> {
    /// Of a datagram.
    pub fn new(datagram: &'a [u8]) -> Messages<'a> {
        Messages { rest: datagram, offset: 0 }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let offset = self.offset;
        let split = || {
            let header = Header::decode(self.rest).ok()?;
            let len = header.len as usize;
            let payload = self.rest.get(Header::LEN..len)?;
            // The last one need not be padded.
            let rest = self.rest.get(align(len)..).unwrap_or_default();
            Some((Message { header, payload, offset }, rest))
        };
        match split() {
            Some((message, rest)) => {
                self.offset += self.rest.len() - rest.len();
                self.rest = rest;
                Some(Ok(message))
            }
            None => {
                self.rest = &[];
                Some(Err(DecodeError::Truncated { offset }))
            }
        }
    }
}

impl<'a> Message<'a> {
    /// nfnetlink's header and the attributes behind it.
    pub fn nfgen(&self) -> Result<(GenMsg, Attributes<'a>), DecodeError> {
        let Some((&[family, version, high, low], rest)) = self.payload.split_first_chunk::<4>() else {
            return Err(DecodeError::Truncated { offset: Header::LEN });
        };
        let genmsg = GenMsg { family, version, res_id: u16::from_be_bytes([high, low]) };
        Ok((genmsg, Attributes::at(rest, Header::LEN + GenMsg::LEN)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Flags, message};

    #[test]
    fn messages_are_told_apart_and_a_cut_one_is_an_error() {
        let mut buffer = Vec::new();
        for seq in 0..3 {
            message(&mut buffer, 0x0a00, Flags::REQUEST, seq, GenMsg::of(2), |w| w.put_str(1, "filter"))
                .unwrap();
        }
        let seqs: Vec<_> = Messages::new(&buffer).map(|m| m.unwrap().header.seq).collect();
        assert_eq!(seqs, [0, 1, 2]);
        let last = Messages::new(&buffer[..buffer.len() - 4]).last().unwrap();
        assert_eq!(last.unwrap_err(), DecodeError::Truncated { offset: 64 });
    }

    #[test]
    fn a_length_below_the_header_is_no_endless_loop() {
        let zeros = [0; 64];
        assert_eq!(Messages::new(&zeros).count(), 1);
    }
}
