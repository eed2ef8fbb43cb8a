//! Transport protocols and what lies directly upon the network header.

use ironweir_expr::payload::Base;

use super::{Field, Header, Proto, field};
use crate::datatype::Type::*;

const fn header(proto: Proto, name: &'static str, bits: u32, fields: &'static [Field]) -> Header {
    Header {
        proto,
        name,
        base: Base::Transport,
        bits,
        key: None,
        uppers: &[],
        fields,
        checksum: None,
        pseudo_header: false,
    }
}

/// Any transport protocol.
pub(super) const INET_SERVICE: Header = Header {
    key: Some("l4proto"),
    uppers: &[
        (6, Proto::Tcp),
        (17, Proto::Udp),
        (136, Proto::Udplite),
        (132, Proto::Sctp),
        (33, Proto::Dccp),
        (50, Proto::Esp),
        (51, Proto::Ah),
        (108, Proto::Comp),
        (1, Proto::Icmp),
        (2, Proto::Igmp),
        (58, Proto::Icmpv6),
        (47, Proto::Gre),
    ],
    ..header(Proto::InetService, "", 0, &[])
};

/// A layer of which nothing is known.
pub(super) const UNKNOWN: Header = header(Proto::Unknown, "unknown", 0, &[]);

/// RFC 4302.
pub(super) const AH: Header = Header {
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
    ],
    ..header(
        Proto::Ah,
        "ah",
        96,
        &[
            field("nexthdr", InetProto, 0, 8),
            field("hdrlength", Integer, 8, 8),
            field("reserved", Integer, 16, 16),
            field("spi", Integer, 32, 32),
            field("sequence", Integer, 64, 32),
        ],
    )
};

/// RFC 4303.
pub(super) const ESP: Header =
    header(Proto::Esp, "esp", 64, &[field("spi", Integer, 0, 32), field("sequence", Integer, 32, 32)]);

/// RFC 3173.
pub(super) const COMP: Header = Header {
    key: Some("nexthdr"),
    uppers: AH.uppers,
    ..header(
        Proto::Comp,
        "comp",
        32,
        &[field("nexthdr", InetProto, 0, 8), field("flags", HexInteger, 8, 8), field("cpi", Integer, 16, 16)],
    )
};

/// RFC 792.
pub(super) const ICMP: Header = Header {
    checksum: Some("checksum"),
    ..header(
        Proto::Icmp,
        "icmp",
        64,
        &[
            field("type", IcmpType, 0, 8),
            field("code", IcmpCode, 8, 8),
            field("checksum", Integer, 16, 16),
            field("id", Integer, 32, 16),
            field("sequence", Integer, 48, 16),
            field("gateway", Integer, 32, 32),
            field("mtu", Integer, 48, 16),
        ],
    )
};

/// RFC 3376.
pub(super) const IGMP: Header = Header {
    checksum: Some("checksum"),
    ..header(
        Proto::Igmp,
        "igmp",
        64,
        &[
            field("type", IgmpType, 0, 8),
            field("mrt", Integer, 8, 8),
            field("checksum", Integer, 16, 16),
            field("group", Ipv4Addr, 32, 32),
        ],
    )
};

/// RFC 768.
pub(super) const UDP: Header = Header {
    checksum: Some("checksum"),
    pseudo_header: true,
    ..header(
        Proto::Udp,
        "udp",
        64,
        &[
            field("sport", InetService, 0, 16),
            field("dport", InetService, 16, 16),
            field("length", Integer, 32, 16),
            field("checksum", Integer, 48, 16),
        ],
    )
};

/// RFC 3828.
pub(super) const UDPLITE: Header = Header {
    checksum: Some("checksum"),
    pseudo_header: true,
    ..header(
        Proto::Udplite,
        "udplite",
        64,
        &[
            field("sport", InetService, 0, 16),
            field("dport", InetService, 16, 16),
            field("csumcov", Integer, 32, 16),
            field("checksum", Integer, 48, 16),
        ],
    )
};

/// RFC 9293.
pub(super) const TCP: Header = Header {
    checksum: Some("checksum"),
    pseudo_header: true,
    ..header(
        Proto::Tcp,
        "tcp",
        160,
        &[
            field("sport", InetService, 0, 16),
            field("dport", InetService, 16, 16),
            field("sequence", Integer, 32, 32),
            field("ackseq", Integer, 64, 32),
            field("reserved", Integer, 100, 4),
            field("doff", Integer, 96, 4),
            field("flags", TcpFlag, 104, 8),
            field("window", Integer, 112, 16),
            field("checksum", Integer, 128, 16),
            field("urgptr", Integer, 144, 16),
        ],
    )
};

/// RFC 4340.
pub(super) const DCCP: Header = header(
    Proto::Dccp,
    "dccp",
    96,
    &[
        field("sport", InetService, 0, 16),
        field("dport", InetService, 16, 16),
        field("type", DccpPkttype, 67, 4),
    ],
);

/// RFC 9260.
pub(super) const SCTP: Header = Header {
    checksum: Some("checksum"),
    ..header(
        Proto::Sctp,
        "sctp",
        96,
        &[
            field("sport", InetService, 0, 16),
            field("dport", InetService, 16, 16),
            field("vtag", Integer, 32, 32),
            field("checksum", Integer, 64, 32),
        ],
    )
};

/// The ports that most transport protocols begin with.
pub(super) const TH: Header =
    header(Proto::Th, "th", 32, &[field("sport", InetService, 0, 16), field("dport", InetService, 16, 16)]);

/// RFC 4443, RFC 4861, RFC 2710.
pub(super) const ICMPV6: Header = Header {
    checksum: Some("checksum"),
    pseudo_header: true,
    ..header(
        Proto::Icmpv6,
        "icmpv6",
        0,
        &[
            field("type", Icmpv6Type, 0, 8),
            field("code", Icmpv6Code, 8, 8),
            field("checksum", Integer, 16, 16),
            field("parameter-problem", Integer, 32, 32),
            field("mtu", Integer, 32, 32),
            field("id", Integer, 32, 16),
            field("sequence", Integer, 48, 16),
            field("max-delay", Integer, 32, 16),
            field("taddr", Ipv6Addr, 64, 128),
            field("daddr", Ipv6Addr, 192, 128),
        ],
    )
};
