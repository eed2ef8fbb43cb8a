//! Sets of a shape, and keys to look up in them.

use ironweir_ruleset::set::SetPolicy;
use ironweir_ruleset::{Element, Set, SetFlags, Userdata, Value};

/// What elements are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Ports.
    Port,
    /// IPv4 addresses.
    Address,
    /// IPv4 address and port.
    Pair,
    /// IPv6 addresses.
    Long,
    /// IPv4 prefixes of 29 bits, each second one.
    Prefix,
    /// Such a prefix and four ports.
    Ranges,
    /// IPv4 addresses that live for a time.
    Timed,
}

/// Numbers in an order that looks random; the same ones each time (a bijection of 32 bits).
pub(crate) fn scattered(number: u32) -> u32 {
    let mut x = number.wrapping_mul(0x9e37_79b1);
    x ^= x >> 15;
    x = x.wrapping_mul(0x85eb_ca6b);
    x ^ x >> 13
}

impl Shape {
    /// The set without its elements.
    pub(crate) fn set(self) -> Set {
        let (flags, key_len, fields) = match self {
            Shape::Port => (SetFlags::empty(), 2, vec![]),
            Shape::Address => (SetFlags::empty(), 4, vec![]),
            Shape::Timed => (SetFlags::TIMEOUT, 4, vec![]),
            Shape::Pair => (SetFlags::empty(), 8, vec![4, 2]),
            Shape::Long => (SetFlags::empty(), 16, vec![]),
            Shape::Prefix => (SetFlags::INTERVAL, 4, vec![]),
            Shape::Ranges => (SetFlags::INTERVAL | SetFlags::CONCAT, 8, vec![4, 2]),
        };
        Set {
            name: "s".into(),
            id: 0,
            flags,
            key_type: 0,
            key_len,
            fields,
            data: None,
            size: None,
            timeout: None,
            gc_interval: None,
            policy: SetPolicy::Performance,
            exprs: vec![],
            userdata: Userdata::default(),
            unknown: Default::default(),
        }
    }

    /// The key of an element, `beyond` it in the set's order if so; for intervals one in the middle, or in the gap behind.
    pub(crate) fn key(self, number: u32, beyond: bool) -> Vec<u8> {
        let address = |number: u32| (0x0a00_0000 + number).to_be_bytes();
        let outside = if beyond { 0x4000_0000 } else { 0 };
        let port = (1000 + number % 50_000) as u16;
        match self {
            Shape::Port => (number as u16 | if beyond { 0x8000 } else { 0 }).to_be_bytes().to_vec(),
            Shape::Address | Shape::Timed => address(number + outside).to_vec(),
            Shape::Pair => pair(address(number + outside), port),
            Shape::Long => {
                let mut key = vec![0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0];
                key.extend(address(number + outside));
                key
            }
            Shape::Prefix => address(number * 16 + if beyond { 9 } else { 3 }).to_vec(),
            Shape::Ranges => pair(address(number * 16 + 3), port + if beyond { 30 } else { 2 }),
        }
    }

    /// An element, and the first key beyond its interval.
    pub(crate) fn element(self, number: u32) -> (Element, Option<Value>) {
        let address = |number: u32| (0x0a00_0000 + number).to_be_bytes();
        let port = (1000 + number % 50_000) as u16;
        match self {
            Shape::Prefix => {
                let end = Value::from(address(number * 16 + 8));
                (Element::new(Value::from(address(number * 16))), Some(end))
            }
            Shape::Ranges => {
                let mut element = Element::new(Value::from(pair(address(number * 16), port)));
                element.more_mut().key_end = Some(Value::from(pair(address(number * 16 + 7), port + 3)));
                (element, None)
            }
            _ => (Element::new(Value::from(self.key(number, false))), None),
        }
    }
}

fn pair(address: [u8; 4], port: u16) -> Vec<u8> {
    let [high, low] = port.to_be_bytes();
    [&address[..], &[high, low, 0, 0]].concat()
}
