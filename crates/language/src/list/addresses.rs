//! Listing sets of IPv4 addresses without a detour by way of typed expressions: they are what large sets hold.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use ironweir_ruleset::{Element, ElementFlags, Set, SetFlags};

use crate::datatype::{Order, Type};
use crate::typed::Shape;

/// First and last address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range(u32, u32);

/// What a set of IPv4 addresses holds, in order. `None` where an element is more than a key, or the set another one.
pub(super) fn ranges(set: &Set, shapes: &[Shape], elements: &[Element]) -> Option<Vec<Range>> {
    let [shape] = shapes else { return None };
    if (shape.datatype, shape.bits, shape.order) != (Type::Ipv4Addr, 32, Order::Big) || set.data.is_some() {
        return None;
    }
    // Ends sort before starts of the same key, as in raising.
    let mut keys = Vec::with_capacity(elements.len());
    for element in elements {
        let plain = element.more.is_none() && !element.flags.contains(ElementFlags::CATCHALL);
        let key: [u8; 4] = (*element.key).try_into().ok().filter(|_| plain)?;
        keys.push((u32::from_be_bytes(key), !element.flags.contains(ElementFlags::INTERVAL_END)));
    }
    keys.sort_unstable();
    if !set.flags.contains(SetFlags::INTERVAL) {
        return Some(keys.into_iter().map(|(key, _)| Range(key, key)).collect());
    }
    let next = keys.iter().skip(1).map(|(key, _)| key.saturating_sub(1)).chain([u32::MAX]);
    let ranges = keys.iter().zip(next).filter(|((_, start), _)| *start);
    Some(ranges.map(|((first, _), last)| Range(*first, last)).collect())
}

impl Range {
    /// One address, a prefix, or a range.
    pub(super) fn print(self, out: &mut String) {
        let Range(first, last) = self;
        address(first, out);
        let differ = first ^ last;
        if differ == 0 {
            return;
        }
        // A prefix: all bits behind the first that differs are zero in one and one in the other.
        if differ.wrapping_add(1) & differ == 0 && first & differ == 0 {
            let _ = write!(out, "/{}", differ.leading_zeros());
        } else {
            out.push('-');
            address(last, out);
        }
    }
}

fn address(address: u32, out: &mut String) {
    for (at, octet) in Ipv4Addr::from_bits(address).octets().into_iter().enumerate() {
        if at > 0 {
            out.push('.');
        }
        let digit = |digit: u8| char::from(b'0' + digit);
        if octet >= 100 {
            out.push(digit(octet / 100));
        }
        if octet >= 10 {
            out.push(digit(octet / 10 % 10));
        }
        out.push(digit(octet % 10));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(first: [u8; 4], last: [u8; 4]) -> String {
        let mut out = String::new();
        Range(u32::from_be_bytes(first), u32::from_be_bytes(last)).print(&mut out);
        out
    }

    #[test]
    fn ranges_that_are_prefixes_are_printed_so() {
        assert_eq!(printed([10, 0, 0, 0], [10, 255, 255, 255]), "10.0.0.0/8");
        assert_eq!(printed([0, 0, 0, 0], [255, 255, 255, 255]), "0.0.0.0/0");
        assert_eq!(printed([192, 0, 2, 100], [192, 0, 2, 100]), "192.0.2.100");
        assert_eq!(printed([192, 0, 2, 1], [192, 0, 2, 2]), "192.0.2.1-192.0.2.2");
        assert_eq!(printed([10, 0, 0, 64], [10, 0, 0, 191]), "10.0.0.64-10.0.0.191");
    }
}
