//! Tunnels, whose inner packets can be matched.

use ironweir_expr::payload::Base;

use super::{Header, Proto, field};
use crate::datatype::Type::*;

/// RFC 2784.
pub(super) const GRE: Header = Header {
    proto: Proto::Gre,
    name: "gre",
    base: Base::Transport,
    bits: 32,
    key: Some("protocol"),
    uppers: &[(0x0800, Proto::Ip), (0x86dd, Proto::Ip6)],
    fields: &[
        field("flags", Integer, 0, 5),
        field("version", Integer, 13, 3),
        field("protocol", EtherType, 16, 16),
    ],
    checksum: None,
    pseudo_header: false,
};

/// Ethernet over GRE.
pub(super) const GRETAP: Header = Header {
    proto: Proto::Gretap,
    name: "gretap",
    base: Base::Transport,
    bits: 32,
    key: None,
    uppers: &[],
    fields: &[],
    checksum: None,
    pseudo_header: false,
};

/// RFC 7348.
pub(super) const VXLAN: Header = Header {
    proto: Proto::Vxlan,
    name: "vxlan",
    base: Base::Inner,
    bits: 64,
    key: None,
    uppers: &[],
    fields: &[field("flags", HexInteger, 0, 8), field("vni", Integer, 32, 24)],
    checksum: None,
    pseudo_header: false,
};

/// RFC 8926.
pub(super) const GENEVE: Header = Header {
    proto: Proto::Geneve,
    name: "geneve",
    base: Base::Inner,
    bits: 64,
    key: None,
    uppers: &[],
    fields: &[field("type", EtherType, 16, 16), field("vni", Integer, 32, 24)],
    checksum: None,
    pseudo_header: false,
};
