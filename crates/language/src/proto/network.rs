//! IPv4, IPv6, and the pseudo protocols below them.

use ironweir_expr::payload::Base;

use super::{Header, Proto, field};
use crate::datatype::Type::*;

/// Where the inet family begins.
pub(super) const INET: Header = Header {
    proto: Proto::Inet,
    name: "",
    base: Base::Link,
    bits: 0,
    key: Some("nfproto"),
    uppers: &[(2, Proto::Ip), (10, Proto::Ip6)],
    fields: &[],
    checksum: None,
    pseudo_header: false,
};

/// Where the netdev family begins.
pub(super) const NETDEV: Header = Header {
    proto: Proto::Netdev,
    name: "",
    base: Base::Link,
    bits: 0,
    key: Some("protocol"),
    uppers: &[(0x0800, Proto::Ip), (0x0806, Proto::Arp), (0x86dd, Proto::Ip6), (0x8100, Proto::Vlan)],
    fields: &[],
    checksum: None,
    pseudo_header: false,
};

/// RFC 791.
pub(super) const IP: Header = Header {
    proto: Proto::Ip,
    name: "ip",
    base: Base::Network,
    bits: 160,
    key: Some("protocol"),
    uppers: &[
        (1, Proto::Icmp),
        (2, Proto::Igmp),
        (50, Proto::Esp),
        (51, Proto::Ah),
        (108, Proto::Comp),
        (17, Proto::Udp),
        (136, Proto::Udplite),
        (6, Proto::Tcp),
        (33, Proto::Dccp),
        (132, Proto::Sctp),
        (58, Proto::Icmpv6),
        (47, Proto::Gre),
    ],
    fields: &[
        field("version", Integer, 0, 4),
        field("hdrlength", Integer, 4, 4),
        field("dscp", Dscp, 8, 6),
        field("ecn", Ecn, 14, 2),
        field("length", Integer, 16, 16),
        field("id", Integer, 32, 16),
        field("frag-off", HexInteger, 48, 16),
        field("ttl", Integer, 64, 8),
        field("protocol", InetProto, 72, 8),
        field("checksum", Integer, 80, 16),
        field("saddr", Ipv4Addr, 96, 32),
        field("daddr", Ipv4Addr, 128, 32),
    ],
    checksum: Some("checksum"),
    pseudo_header: false,
};

/// RFC 8200.
pub(super) const IP6: Header = Header {
    proto: Proto::Ip6,
    name: "ip6",
    base: Base::Network,
    bits: 320,
    key: Some("nexthdr"),
    uppers: &[
        (50, Proto::Esp),
        (51, Proto::Ah),
        (108, Proto::Comp),
        (17, Proto::Udp),
        (136, Proto::Udplite),
        (6, Proto::Tcp),
        (33, Proto::Dccp),
        (132, Proto::Sctp),
        (1, Proto::Icmp),
        (2, Proto::Igmp),
        (58, Proto::Icmpv6),
        (47, Proto::Gre),
    ],
    fields: &[
        field("version", Integer, 0, 4),
        field("dscp", Dscp, 4, 6),
        field("ecn", Ecn, 10, 2),
        field("flowlabel", Integer, 12, 20),
        field("length", Integer, 32, 16),
        field("nexthdr", InetProto, 48, 8),
        field("hoplimit", Integer, 56, 8),
        field("saddr", Ipv6Addr, 64, 128),
        field("daddr", Ipv6Addr, 192, 128),
    ],
    checksum: None,
    pseudo_header: false,
};
