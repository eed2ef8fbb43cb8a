//! IPv6 extension headers.

use super::{Field, field};
use crate::datatype::Type::*;

/// An extension header.
#[derive(Clone, Copy, Debug)]
pub struct Exthdr {
    /// The word for it.
    pub name: &'static str,
    /// Its next-header number. Four words share the routing header's.
    pub number: u8,
    /// Its fields.
    pub fields: &'static [Field],
}

impl Exthdr {
    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// From the word nft uses.
pub fn exthdr_by_name(name: &str) -> Option<&'static Exthdr> {
    EXTHDRS.iter().find(|header| header.name == name)
}

/// The first one of that number.
pub fn exthdr_by_number(number: u8) -> Option<&'static Exthdr> {
    EXTHDRS.iter().find(|header| header.number == number)
}

const NEXTHDR: Field = field("nexthdr", InetProto, 0, 8);
const HDRLENGTH: Field = field("hdrlength", Integer, 8, 8);

const EXTHDRS: &[Exthdr] = &[
    Exthdr { name: "hbh", number: 0, fields: &[NEXTHDR, HDRLENGTH] },
    Exthdr {
        name: "rt",
        number: 43,
        fields: &[NEXTHDR, HDRLENGTH, field("type", Integer, 16, 8), field("seg-left", Integer, 24, 8)],
    },
    Exthdr {
        name: "rt0",
        number: 43,
        fields: &[
            field("addr[1]", Ipv6Addr, 64, 128),
            field("addr[2]", Ipv6Addr, 192, 128),
            field("addr[3]", Ipv6Addr, 320, 128),
            field("addr[4]", Ipv6Addr, 448, 128),
            field("addr[5]", Ipv6Addr, 576, 128),
            field("addr[6]", Ipv6Addr, 704, 128),
            field("addr[7]", Ipv6Addr, 832, 128),
            field("addr[8]", Ipv6Addr, 960, 128),
        ],
    },
    Exthdr { name: "rt2", number: 43, fields: &[field("addr", Ipv6Addr, 64, 128)] },
    Exthdr {
        name: "srh",
        number: 43,
        fields: &[
            field("last-entry", Integer, 32, 8),
            field("flags", Integer, 40, 8),
            field("tag", Integer, 48, 16),
            field("sid[1]", Ipv6Addr, 64, 128),
            field("sid[2]", Ipv6Addr, 192, 128),
            field("sid[3]", Ipv6Addr, 320, 128),
            field("sid[4]", Ipv6Addr, 448, 128),
            field("sid[5]", Ipv6Addr, 576, 128),
            field("sid[6]", Ipv6Addr, 704, 128),
            field("sid[7]", Ipv6Addr, 832, 128),
            field("sid[8]", Ipv6Addr, 960, 128),
        ],
    },
    Exthdr {
        name: "frag",
        number: 44,
        fields: &[
            NEXTHDR,
            field("reserved", Integer, 8, 8),
            field("frag-off", Integer, 16, 13),
            field("reserved2", Integer, 29, 2),
            field("more-fragments", Integer, 31, 1),
            field("id", Integer, 32, 32),
        ],
    },
    Exthdr { name: "dst", number: 60, fields: &[NEXTHDR, HDRLENGTH] },
    Exthdr {
        name: "mh",
        number: 135,
        fields: &[
            NEXTHDR,
            HDRLENGTH,
            field("type", MhType, 16, 8),
            field("reserved", Integer, 24, 8),
            field("checksum", Integer, 32, 16),
        ],
    },
];
