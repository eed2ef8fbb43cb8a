//! Ethernet, VLAN tags and ARP.

use ironweir_expr::payload::Base;

use super::{Field, Header, Proto, field};
use crate::datatype::Type::*;

const ETHER_UPPERS: &[(u64, Proto)] = &[
    (0x0800, Proto::Ip),
    (0x0806, Proto::Arp),
    (0x86dd, Proto::Ip6),
    (0x8100, Proto::Vlan),
    (0x88a8, Proto::Vlan),
];

/// IEEE 802.3.
pub(super) const ETHER: Header = Header {
    proto: Proto::Ether,
    name: "ether",
    base: Base::Link,
    bits: 112,
    key: Some("type"),
    uppers: ETHER_UPPERS,
    fields: ETHER_FIELDS,
    checksum: None,
    pseudo_header: false,
};

const ETHER_FIELDS: &[Field] =
    &[field("saddr", EtherAddr, 48, 48), field("daddr", EtherAddr, 0, 48), field("type", EtherType, 96, 16)];

/// IEEE 802.1Q, offsets from the tag's first byte behind the outer type.
pub(super) const VLAN: Header = Header {
    proto: Proto::Vlan,
    name: "vlan",
    base: Base::Link,
    bits: 32,
    key: Some("type"),
    uppers: ETHER_UPPERS,
    fields: &[
        field("pcp", Integer, 0, 3),
        field("dei", Integer, 3, 1),
        field("id", Integer, 4, 12),
        field("type", EtherType, 16, 16),
        field("cfi", Integer, 3, 1),
    ],
    checksum: None,
    pseudo_header: false,
};

/// RFC 826, for IPv4 over Ethernet.
pub(super) const ARP: Header = Header {
    proto: Proto::Arp,
    name: "arp",
    base: Base::Network,
    bits: 224,
    key: None,
    uppers: &[],
    fields: &[
        field("htype", Integer, 0, 16),
        field("ptype", EtherType, 16, 16),
        field("hlen", Integer, 32, 8),
        field("plen", Integer, 40, 8),
        field("operation", ArpOp, 48, 16),
        field("saddr ether", EtherAddr, 64, 48),
        field("daddr ether", EtherAddr, 144, 48),
        field("saddr ip", Ipv4Addr, 112, 32),
        field("daddr ip", Ipv4Addr, 192, 32),
    ],
    checksum: None,
    pseudo_header: false,
};
