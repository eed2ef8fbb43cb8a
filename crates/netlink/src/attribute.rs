//! Attributes, read without copying.

use crate::{DecodeError, align};

/// Attributes of a message or a nest, in order. Ends behind the first error.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
    offset: usize,
    nest: usize,
}

/// An attribute (`struct nlattr`): length with its header (2 bytes), type (2), value, all headers in host order, the
/// next one at a multiple of 4 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its type, without the flags of the high two bits.
    pub kind: u16,
    /// Whether it is marked as holding attributes (`NLA_F_NESTED`). Older senders do not mark, so do not depend on it.
    pub nested: bool,
    /// Its value, without padding.
    pub value: &'a [u8],
    /// Where its header begins, in bytes from the first of the message.
    pub offset: usize,
}

/// `NLA_F_NESTED`.
pub(crate) const NESTED: u16 = 1 << 15;
/// `NLA_F_NET_BYTEORDER`, which nobody sets or reads.
const NET_BYTEORDER: u16 = 1 << 14;

impl<'a> Attributes<'a> {
    /// Bytes of an attribute's header.
    pub const HEADER: usize = 4;

    /// Of bytes that stand alone, such as what was kept of an unknown expression; offsets count from their first byte.
    pub fn new(bytes: &'a [u8]) -> Attributes<'a> {
        Attributes { rest: bytes, offset: 0, nest: 0 }
    }

    /// Of bytes that begin at this offset of a message.
    pub fn at(bytes: &'a [u8], offset: usize) -> Attributes<'a> {
        Attributes { rest: bytes, offset, nest: 0 }
    }

    /// The bytes of what has not been read yet.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.rest
    }

    /// The bytes of the attributes that have not been read yet, without up to 3 bytes behind the last, which readers pass
    /// over (`nla_parse` of the kernel).
    pub fn whole(&self) -> &'a [u8] {
        let (bytes, mut whole) = (self.rest, 0);
        while let Some([low, high]) = bytes.get(whole..).and_then(<[u8]>::first_chunk)
            && bytes.len() - whole >= Self::HEADER
        {
            let len = usize::from(u16::from_ne_bytes([*low, *high])).max(Self::HEADER);
            whole = (whole + align(len)).min(bytes.len());
        }
        &bytes[..whole]
    }

    /// Where the nest's own header begins in the message; 0 for a message's own attributes.
    pub fn nest_offset(&self) -> usize {
        self.nest
    }

    /// The error that says that an attribute is missing here.
    pub fn missing(&self, kind: u16) -> DecodeError {
        DecodeError::Missing { kind, nest: self.nest }
    }

    /// The first attribute of a type among what has not been read yet.
    pub fn find(&self, kind: u16) -> Result<Option<Attribute<'a>>, DecodeError> {
        for attribute in self.clone() {
            let attribute = attribute?;
            if attribute.kind == kind {
                return Ok(Some(attribute));
            }
        }
        Ok(None)
    }

    /// The first attribute of a type, or the error that it is missing.
    pub fn require(&self, kind: u16) -> Result<Attribute<'a>, DecodeError> {
        self.find(kind)?.ok_or_else(|| self.missing(kind))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        // As the kernel's nla_ok: fewer bytes than a header behind the last attribute are no attribute.
        let (&[l0, l1, k0, k1], _) = self.rest.split_first_chunk::<4>()?;
        let offset = self.offset;
        let len = usize::from(u16::from_ne_bytes([l0, l1]));
        let Some(value) = self.rest.get(Self::HEADER..len) else {
            self.rest = &[];
            return Some(Err(DecodeError::Truncated { offset }));
        };
        let kind = u16::from_ne_bytes([k0, k1]);
        self.rest = self.rest.get(align(len)..).unwrap_or_default();
        self.offset += align(len);
        Some(Ok(Attribute {
            kind: kind & !(NESTED | NET_BYTEORDER),
            nested: kind & NESTED != 0,
            value,
            offset,
        }))
    }
}

impl<'a> Attribute<'a> {
    /// A byte.
    pub fn u8(&self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// 2 bytes in network order.
    pub fn u16_be(&self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    /// 4 bytes in network order.
    pub fn u32_be(&self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    /// 8 bytes in network order.
    pub fn u64_be(&self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }

    /// 2 bytes in host order.
    pub fn u16_host(&self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_ne_bytes)
    }

    /// 4 bytes in host order.
    pub fn u32_host(&self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_ne_bytes)
    }

    /// 8 bytes in host order.
    pub fn u64_host(&self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_ne_bytes)
    }

    /// Exactly `N` bytes.
    pub fn array<const N: usize>(&self) -> Result<[u8; N], DecodeError> {
        self.value.try_into().map_err(|_| self.wrong_length())
    }

    /// A string up to its zero byte, or to the end where there is none (`NLA_STRING`, `NLA_NUL_STRING`). Must be UTF-8.
    pub fn str(&self) -> Result<&'a str, DecodeError> {
        let end = self.value.iter().position(|byte| *byte == 0).unwrap_or(self.value.len());
        std::str::from_utf8(self.value.get(..end).unwrap_or_default()).map_err(|_| self.bad_value())
    }

    /// The attributes within.
    pub fn nested(&self) -> Attributes<'a> {
        Attributes { rest: self.value, offset: self.offset + Attributes::HEADER, nest: self.offset }
    }

    /// The error that its value is none that it may have.
    pub fn bad_value(&self) -> DecodeError {
        DecodeError::Value { kind: self.kind, offset: self.offset }
    }

    /// The error that its length is not right.
    pub fn wrong_length(&self) -> DecodeError {
        DecodeError::Length { kind: self.kind, offset: self.offset, len: self.value.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_with_its_offset_in_the_message() {
        // nla_len 6, nla_type 2, two bytes and padding; then a nest (0x8003) that holds an attribute 1 of four bytes.
        let bytes = [
            6u16.to_ne_bytes(),
            2u16.to_ne_bytes(),
            [1, 2],
            [0, 0],
            12u16.to_ne_bytes(),
            0x8003u16.to_ne_bytes(),
        ];
        let inner = [8u16.to_ne_bytes(), 1u16.to_ne_bytes(), [0, 0], [1, 0]];
        let bytes: Vec<u8> = bytes.iter().chain(&inner).flatten().copied().collect();
        let mut attributes = Attributes::at(&bytes, 20);
        let first = attributes.next().unwrap().unwrap();
        assert_eq!((first.kind, first.nested, first.u16_be(), first.offset), (2, false, Ok(0x0102), 20));
        assert_eq!(first.u32_be(), Err(DecodeError::Length { kind: 2, offset: 20, len: 2 }));
        let nest = attributes.next().unwrap().unwrap();
        assert!(nest.nested && nest.kind == 3 && nest.offset == 28);
        let within = nest.nested().require(1).unwrap();
        assert_eq!((within.offset, within.u32_be()), (32, Ok(256)));
        assert_eq!(nest.nested().require(9), Err(DecodeError::Missing { kind: 9, nest: 28 }));
        assert_eq!(attributes.next(), None);
    }

    #[test]
    fn a_length_of_zero_or_beyond_the_end_is_an_error() {
        for len in [0u16, 3, 9] {
            let [a, b] = len.to_ne_bytes();
            let bytes = [a, b, 1, 0, 0, 0, 0, 0];
            assert_eq!(
                Attributes::new(&bytes).collect::<Vec<_>>(),
                [Err(DecodeError::Truncated { offset: 0 })]
            );
        }
    }

    #[test]
    fn a_string_ends_at_its_zero_byte() {
        let attribute = |value| Attribute { kind: 1, nested: false, value, offset: 0 };
        assert_eq!(attribute(b"eth0\0".as_slice()).str(), Ok("eth0"));
        assert_eq!(attribute(b"eth0".as_slice()).str(), Ok("eth0"));
        assert!(attribute(&[0xff, 0]).str().is_err());
    }
}
