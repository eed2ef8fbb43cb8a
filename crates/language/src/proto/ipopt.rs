//! IPv4 options.

use super::{Field, field};
use crate::datatype::Type::*;

/// An IPv4 option.
#[derive(Clone, Copy, Debug)]
pub struct IpOption {
    /// The word for it.
    pub name: &'static str,
    /// Its type byte.
    pub number: u8,
    /// Its fields.
    pub fields: &'static [Field],
}

impl IpOption {
    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// From the word nft uses.
pub fn ip_option_by_name(name: &str) -> Option<&'static IpOption> {
    OPTIONS.iter().find(|option| option.name == name)
}

/// From its type byte.
pub fn ip_option_by_number(number: u8) -> Option<&'static IpOption> {
    OPTIONS.iter().find(|option| option.number == number)
}

const ROUTE: &[Field] = &[
    field("type", Integer, 0, 8),
    field("length", Integer, 8, 8),
    field("ptr", Integer, 16, 8),
    // nft knows the address as a number
    field("addr", Integer, 24, 32),
];

const OPTIONS: &[IpOption] = &[
    IpOption { name: "lsrr", number: 131, fields: ROUTE },
    IpOption { name: "rr", number: 7, fields: ROUTE },
    IpOption { name: "ssrr", number: 137, fields: ROUTE },
    IpOption {
        name: "ra",
        number: 148,
        fields: &[
            field("type", Integer, 0, 8),
            field("length", Integer, 8, 8),
            field("value", Integer, 16, 16),
        ],
    },
];
