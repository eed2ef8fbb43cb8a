//! Acknowledgements and errors (`NLMSG_ERROR`) and ends of dumps (`NLMSG_DONE`), with what the kernel adds when
//! `NETLINK_EXT_ACK` is set.

use crate::{Attribute, Attributes, DecodeError, Flags, Header, Message, Writer, kind};

/// `NLMSGERR_ATTR_MSG`: what is wrong, in words.
const MSG: u16 = 1;
/// `NLMSGERR_ATTR_OFFS`: which attribute of the request is at fault.
const OFFS: u16 = 2;
/// `NLMSGERR_ATTR_MISS_TYPE`: which attribute is missing.
const MISS_TYPE: u16 = 5;
/// `NLMSGERR_ATTR_MISS_NEST`: in which nest it is missing.
const MISS_NEST: u16 = 6;

/// What becomes of a request. `struct nlmsgerr`: error (4 bytes, negative errno, host order), header of the request
/// (16), the request itself unless [`Flags::CAPPED`], attributes if [`Flags::ACK_TLVS`]
/// (`net/netlink/af_netlink.c, netlink_ack`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ack<'a> {
    /// 0 or an errno, positive.
    pub errno: i32,
    /// Header of the request.
    pub request: Header,
    /// What is known besides.
    pub extended: Extended<'a>,
}

/// What an extended acknowledgement tells (`enum nlmsgerr_attrs`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extended<'a> {
    /// In words.
    pub message: Option<&'a str>,
    /// Where the attribute at fault begins, in bytes from the first of the request.
    pub offset: Option<u32>,
    /// Type of the attribute that is missing.
    pub missing: Option<u32>,
    /// Where the nest begins in which it is missing; `None` for the message itself.
    pub missing_nest: Option<u32>,
}

/// The end of a dump: error (4 bytes), attributes if [`Flags::ACK_TLVS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done<'a> {
    /// 0 or an errno, positive.
    pub errno: i32,
    /// What is known besides.
    pub extended: Extended<'a>,
    /// The dump saw changes meanwhile and must be repeated ([`Flags::DUMP_INTR`]).
    pub interrupted: bool,
}

impl<'a> Ack<'a> {
    /// Reads an `NLMSG_ERROR` message; its type has been looked at.
    pub fn decode(message: &Message<'a>) -> Result<Ack<'a>, DecodeError> {
        let (errno, rest) = errno(message)?;
        let request = Header::decode(rest).map_err(|_| DecodeError::Truncated { offset: Header::LEN + 4 })?;
        let repeated = match message.header.flags.contains(Flags::CAPPED) {
            true => Header::LEN,
            // An acknowledgement without error never repeats more than the header.
            false if errno == 0 => Header::LEN,
            false => crate::align(request.len as usize),
        };
        let mut ack = Ack { errno, request, extended: Extended::default() };
        if message.header.flags.contains(Flags::ACK_TLVS) {
            let bytes = rest.get(repeated..).ok_or(DecodeError::Truncated { offset: Header::LEN + 4 })?;
            ack.extended = Extended::decode(Attributes::at(bytes, Header::LEN + 4 + repeated))?;
        }
        Ok(ack)
    }

    /// Appends the answer to a request, without repeating the request behind its header.
    pub fn encode(&self, buffer: &mut Vec<u8>) {
        let start = buffer.len();
        let mut flags = Flags::CAPPED;
        if self.extended != Extended::default() {
            flags |= Flags::ACK_TLVS;
        }
        let header =
            Header { len: 0, kind: kind::ERROR, flags, seq: self.request.seq, port: self.request.port };
        buffer.extend_from_slice(&header.encode());
        buffer.extend_from_slice(&self.errno.wrapping_neg().to_ne_bytes());
        buffer.extend_from_slice(&self.request.encode());
        self.extended.encode(&mut Writer::new(buffer));
        patch_length(buffer, start);
    }
}

impl<'a> Done<'a> {
    /// Reads an `NLMSG_DONE` message; its type has been looked at. Some kernels end it behind the header.
    pub fn decode(message: &Message<'a>) -> Result<Done<'a>, DecodeError> {
        let interrupted = message.header.flags.contains(Flags::DUMP_INTR);
        if message.payload.is_empty() {
            return Ok(Done { interrupted, ..Done::default() });
        }
        let (errno, rest) = errno(message)?;
        let extended = match message.header.flags.contains(Flags::ACK_TLVS) {
            true => Extended::decode(Attributes::at(rest, Header::LEN + 4))?,
            false => Extended::default(),
        };
        Ok(Done { errno, extended, interrupted })
    }

    /// Appends the end of the dump that this request asked for.
    pub fn encode(&self, request: &Header, buffer: &mut Vec<u8>) {
        let start = buffer.len();
        let mut flags = Flags::MULTI;
        if self.extended != Extended::default() {
            flags |= Flags::ACK_TLVS;
        }
        if self.interrupted {
            flags |= Flags::DUMP_INTR;
        }
        let header = Header { len: 0, kind: kind::DONE, flags, seq: request.seq, port: request.port };
        buffer.extend_from_slice(&header.encode());
        buffer.extend_from_slice(&self.errno.wrapping_neg().to_ne_bytes());
        self.extended.encode(&mut Writer::new(buffer));
        patch_length(buffer, start);
    }
}

impl<'a> Extended<'a> {
    fn decode(attributes: Attributes<'a>) -> Result<Extended<'a>, DecodeError> {
        let mut extended = Extended::default();
        for attribute in attributes {
            let attribute: Attribute<'a> = attribute?;
            match attribute.kind {
                MSG => extended.message = Some(attribute.str()?),
                OFFS => extended.offset = Some(attribute.u32_host()?),
                MISS_TYPE => extended.missing = Some(attribute.u32_host()?),
                MISS_NEST => extended.missing_nest = Some(attribute.u32_host()?),
                _ => {}
            }
        }
        Ok(extended)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        if let Some(message) = self.message {
            writer.put_str(MSG, message);
        }
        let numbers = [(OFFS, self.offset), (MISS_TYPE, self.missing), (MISS_NEST, self.missing_nest)];
        for (kind, number) in numbers {
            if let Some(number) = number {
                writer.put_u32_host(kind, number);
            }
        }
    }
}

impl From<DecodeError> for Extended<'_> {
    /// What tells a peer which part of its request could not be read.
    fn from(error: DecodeError) -> Self {
        let offset = |offset: usize| u32::try_from(offset).ok().filter(|offset| *offset != 0);
        match error {
            DecodeError::Missing { kind, nest } => {
                Extended { missing: Some(kind.into()), missing_nest: offset(nest), ..Extended::default() }
            }
            other => Extended { offset: offset(other.offset()), ..Extended::default() },
        }
    }
}

/// The error and what follows it.
fn errno<'a>(message: &Message<'a>) -> Result<(i32, &'a [u8]), DecodeError> {
    let (code, rest) =
        message.payload.split_first_chunk::<4>().ok_or(DecodeError::Truncated { offset: Header::LEN })?;
    Ok((i32::from_ne_bytes(*code).wrapping_neg(), rest))
}

fn patch_length(buffer: &mut [u8], start: usize) {
    let len = (buffer.len() - start) as u32;
    buffer[start..start + 4].copy_from_slice(&len.to_ne_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Messages;

    #[test]
    fn an_extended_error_comes_back() {
        let request = Header { len: 60, kind: 0x0a06, flags: Flags::REQUEST, seq: 7, port: 9 };
        let extended = Extended { message: Some("no such chain"), offset: Some(44), ..Extended::default() };
        let ack = Ack { errno: 2, request, extended };
        let mut buffer = Vec::new();
        ack.encode(&mut buffer);
        let message = Messages::new(&buffer).next().unwrap().unwrap();
        assert_eq!(message.header.kind, kind::ERROR);
        assert_eq!(Ack::decode(&message), Ok(ack));
    }

    #[test]
    fn a_repeated_request_is_passed_over() {
        // As the kernel answers without NETLINK_CAP_ACK: -ENOENT, the whole request (24 bytes), NLMSGERR_ATTR_OFFS 20.
        let request = Header { len: 24, kind: 0x0a06, flags: Flags::REQUEST, seq: 1, port: 0 };
        let mut buffer = Vec::new();
        let header =
            Header { len: 16 + 4 + 24 + 8, kind: kind::ERROR, flags: Flags::ACK_TLVS, seq: 1, port: 5 };
        buffer.extend(header.encode());
        buffer.extend((-2i32).to_ne_bytes());
        buffer.extend(request.encode());
        buffer.extend([2, 0, 0, 0, 1, 2, 3, 4]);
        Writer::new(&mut buffer).put_u32_host(2, 20);
        let ack = Ack::decode(&Messages::new(&buffer).next().unwrap().unwrap()).unwrap();
        assert_eq!((ack.errno, ack.extended.offset), (2, Some(20)));
    }

    #[test]
    fn an_end_of_dump_tells_that_it_was_interrupted() {
        let done = Done { interrupted: true, ..Done::default() };
        let mut buffer = Vec::new();
        done.encode(&Header::default(), &mut buffer);
        assert_eq!(Done::decode(&Messages::new(&buffer).next().unwrap().unwrap()), Ok(done));
    }
}
