//! Numbers and addresses written in digits.

use ironweir_wire::{Address, L3};

/// The decimal number at the start and how many digits it has; `None` without digits, or beyond 32 bits.
pub(super) fn decimal(text: &[u8]) -> Option<(u32, usize)> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let digits_of = text.get(..digits).filter(|digits| !digits.is_empty())?;
    let number = digits_of
        .iter()
        .try_fold(0u32, |number, digit| number.checked_mul(10)?.checked_add(u32::from(digit - b'0')))?;
    Some((number, digits))
}

/// A port other than 0.
pub(super) fn port(text: &[u8]) -> Option<(u16, usize)> {
    let (number, digits) = decimal(text)?;
    let port = u16::try_from(number).ok().filter(|port| *port != 0)?;
    Some((port, digits))
}

/// The address that the text as a whole is.
pub(super) fn address(text: &[u8], l3: L3) -> Option<Address> {
    let text = std::str::from_utf8(text).ok()?;
    match l3 {
        L3::V4 => Some(Address::v4(text.parse::<std::net::Ipv4Addr>().ok()?.octets())),
        L3::V6 => Some(Address(text.parse::<std::net::Ipv6Addr>().ok()?.octets())),
        L3::Arp | L3::Other => None,
    }
}
