//! TCP options.

use super::{Field, field};
use crate::datatype::Type::*;

/// A TCP option.
#[derive(Clone, Copy, Debug)]
pub struct TcpOption {
    /// The word that listing prints.
    pub name: &'static str,
    /// Its kind byte.
    pub number: u8,
    /// Its fields.
    pub fields: &'static [Field],
}

impl TcpOption {
    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// From one of the words nft takes.
pub fn tcp_option_by_name(name: &str) -> Option<&'static TcpOption> {
    let name = match name {
        "maxseg" | "mss" => "maxseg",
        "sack-permitted" | "sack-perm" => "sack-perm",
        "noop" | "nop" => "nop",
        other => other,
    };
    OPTIONS.iter().find(|option| option.name == name)
}

/// Those of a kind byte: `sack` and `sack1` to `sack3` share theirs.
pub fn tcp_options_by_number(number: u8) -> impl Iterator<Item = &'static TcpOption> {
    OPTIONS.iter().filter(move |option| option.number == number)
}

/// Words of MPTCP's subtypes (RFC 8684).
pub const MPTCP_SUBTYPES: &[(&str, u64)] = &[
    ("mp-capable", 0),
    ("mp-join", 1),
    ("dss", 2),
    ("add-addr", 3),
    ("remove-addr", 4),
    ("mp-prio", 5),
    ("mp-fail", 6),
    ("mp-fastclose", 7),
    ("mp-tcprst", 8),
];

const KIND: Field = field("kind", Integer, 0, 8);
const LENGTH: Field = field("length", Integer, 8, 8);

const OPTIONS: &[TcpOption] = &[
    TcpOption { name: "eol", number: 0, fields: &[KIND] },
    TcpOption { name: "nop", number: 1, fields: &[KIND] },
    TcpOption { name: "maxseg", number: 2, fields: &[KIND, LENGTH, field("size", Integer, 16, 16)] },
    TcpOption { name: "window", number: 3, fields: &[KIND, LENGTH, field("count", Integer, 16, 8)] },
    TcpOption { name: "sack-perm", number: 4, fields: &[KIND, LENGTH] },
    TcpOption {
        name: "sack",
        number: 5,
        fields: &[KIND, LENGTH, field("left", Integer, 16, 32), field("right", Integer, 48, 32)],
    },
    TcpOption {
        name: "sack0",
        number: 5,
        fields: &[KIND, LENGTH, field("left", Integer, 16, 32), field("right", Integer, 48, 32)],
    },
    TcpOption {
        name: "sack1",
        number: 5,
        fields: &[KIND, LENGTH, field("left", Integer, 80, 32), field("right", Integer, 112, 32)],
    },
    TcpOption {
        name: "sack2",
        number: 5,
        fields: &[KIND, LENGTH, field("left", Integer, 144, 32), field("right", Integer, 176, 32)],
    },
    TcpOption {
        name: "sack3",
        number: 5,
        fields: &[KIND, LENGTH, field("left", Integer, 208, 32), field("right", Integer, 240, 32)],
    },
    TcpOption {
        name: "timestamp",
        number: 8,
        fields: &[KIND, LENGTH, field("tsval", Integer, 16, 32), field("tsecr", Integer, 48, 32)],
    },
    TcpOption { name: "md5sig", number: 19, fields: &[KIND, LENGTH] },
    TcpOption { name: "mptcp", number: 30, fields: &[KIND, LENGTH, field("subtype", MptcpSubtype, 16, 4)] },
    TcpOption { name: "fastopen", number: 34, fields: &[KIND, LENGTH] },
];
