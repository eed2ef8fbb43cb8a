//! Letters, digits and addresses.

use ironweir_wire::{Address, L3};

use crate::helper::number::address;

/// Some bytes of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) at: usize,
    pub(super) len: usize,
}

impl Span {
    pub(super) fn end(self) -> usize {
        self.at + self.len
    }
}

pub(super) fn newline(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

pub(super) fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Case does not matter.
pub(super) fn same(text: &[u8], word: &[u8]) -> bool {
    text.eq_ignore_ascii_case(word)
}

/// Whether a text begins with a word, in whatever case.
pub(super) fn begins(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len()).is_some_and(|start| same(start, word))
}

pub(super) fn digits_len(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// More digits than these are no number, be they zeros.
const MOST_DIGITS: usize = 11;

/// The decimal number at the start and its length; both 0 without digits, and beyond 32 bits (`sip_strtouint`).
pub(super) fn number(text: &[u8]) -> (u32, usize) {
    let len = digits_len(text);
    let digits = text.get(..len).filter(|_| len <= MOST_DIGITS).unwrap_or_default();
    let value = digits.iter().try_fold(0u32, |value, digit| {
        value.checked_mul(10)?.checked_add(u32::from(digit.saturating_sub(b'0')))
    });
    value.map_or((0, 0), |value| (value, digits.len()))
}

/// The address at the start and its length (`sip_parse_addr`, `sdp_parse_addr`). Where it is `delimited`, one of IPv6 stands in
/// brackets.
pub(super) fn host(text: &[u8], l3: L3, delimited: bool) -> Option<(Address, usize)> {
    let opening = usize::from(l3 == L3::V6 && text.first() == Some(&b'['));
    if l3 == L3::V6 && delimited && opening == 0 {
        return None;
    }
    let inside = text.get(opening..)?;
    let part = |byte: &u8| match l3 {
        // Letters of hexadecimal numbers end no address: what they stand in is none.
        L3::V4 => byte.is_ascii_hexdigit() || *byte == b'.',
        _ => byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'),
    };
    // The longest address of either family is shorter than this.
    let len = inside.iter().take(64).take_while(|byte| part(byte)).count();
    let found = match l3 {
        L3::V4 => dotted(inside.get(..len)?)?,
        _ => address(inside.get(..len)?, l3)?,
    };
    let closing = usize::from(l3 == L3::V6 && inside.get(len) == Some(&b']'));
    if l3 == L3::V6 && delimited && closing == 0 {
        return None;
    }
    Some((found, opening + len + closing))
}

/// Four numbers below 256, leading zeros or not (`in4_pton`).
fn dotted(text: &[u8]) -> Option<Address> {
    let mut bytes = [0; 4];
    let mut parts = text.split(|byte| *byte == b'.');
    for byte in &mut bytes {
        let part = parts.next()?;
        let (value, len) = number(part);
        if len == 0 || len != part.len() {
            return None;
        }
        *byte = u8::try_from(value).ok()?;
    }
    parts.next().is_none().then(|| Address::v4(bytes))
}

/// An address as a message has it.
pub(super) fn written(address: Address, l3: L3, delimited: bool) -> String {
    match l3 {
        L3::V6 if delimited => format!("[{}]", address.display(l3)),
        _ => address.display(l3).to_string(),
    }
}

/// An address and port as a message has them.
pub(super) fn written_place(address: Address, port: u16, l3: L3) -> String {
    format!("{}:{port}", written(address, l3, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_ends_where_the_kernel_ends_it() {
        let host = |text: &str, l3, delimited| host(text.as_bytes(), l3, delimited).map(|(_, len)| len);
        assert_eq!(host("10.0.0.1:5060", L3::V4, true), Some(8));
        assert_eq!(host("10.0.0.1>", L3::V4, true), Some(8));
        assert_eq!(host("010.0.0.1 ", L3::V4, true), Some(9));
        for none in ["10.0.0.256", "10.0.0.1.2", "10.0.0", "10.0.0.1a", "example.org", ""] {
            assert_eq!(host(none, L3::V4, true), None, "{none}");
        }
        assert_eq!(host("[fd00::1]:5060", L3::V6, true), Some(9));
        assert_eq!(host("fd00::1\r\n", L3::V6, false), Some(7));
        assert_eq!(host("fd00::1\r\n", L3::V6, true), None);
        assert_eq!(host("[fd00::1", L3::V6, true), None);
    }

    #[test]
    fn numbers_are_decimal() {
        assert_eq!(number(b"5060;"), (5060, 4));
        assert_eq!(number(b"0x10"), (0, 1));
        assert_eq!(number(b";"), (0, 0));
        assert_eq!(number(b"4294967295"), (u32::MAX, 10));
        assert_eq!(number(b"4294967296"), (0, 0));
        assert_eq!(number(b"000000000001"), (0, 0));
    }
}
