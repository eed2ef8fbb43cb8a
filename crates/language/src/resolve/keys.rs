//! Words and shapes of the keys of `meta`, `ct`, `rt`, `socket` and `ipsec`.

use ironweir_expr::{ct, meta, rt, socket, xfrm};

use crate::datatype::{Order, Type};
use crate::typed::Shape;

/// Words of `meta` keys; the first one of a key is listed.
pub const META_KEYS: &[(&str, meta::Key)] = {
    use meta::Key::*;
    &[
        ("length", Len),
        ("protocol", Protocol),
        ("nfproto", Nfproto),
        ("l4proto", L4proto),
        ("priority", Priority),
        ("mark", Mark),
        ("iif", Iif),
        ("iifname", Iifname),
        ("iiftype", Iiftype),
        ("oif", Oif),
        ("oifname", Oifname),
        ("oiftype", Oiftype),
        ("skuid", Skuid),
        ("skgid", Skgid),
        ("nftrace", Nftrace),
        ("rtclassid", Rtclassid),
        ("ibrname", BriIifname),
        ("ibriport", BriIifname),
        ("obrname", BriOifname),
        ("obriport", BriOifname),
        ("pkttype", Pkttype),
        ("cpu", Cpu),
        ("iifgroup", Iifgroup),
        ("oifgroup", Oifgroup),
        ("cgroup", Cgroup),
        ("random", Prandom),
        ("ipsec", Secpath),
        ("secpath", Secpath),
        ("iifkind", Iifkind),
        ("oifkind", Oifkind),
        ("ibrpvid", BriIifpvid),
        ("ibrvproto", BriIifvproto),
        ("time", TimeNs),
        ("day", TimeDay),
        ("hour", TimeHour),
        ("secmark", Secmark),
        ("sdif", Sdif),
        ("sdifname", Sdifname),
        ("broute", BriBroute),
        ("ibrhwaddr", BriIifhwaddr),
    ]
};

/// From a word.
pub fn meta_key(word: &str) -> Option<meta::Key> {
    META_KEYS.iter().find(|(name, _)| *name == word).map(|(_, key)| *key)
}

/// The word listing prints.
pub fn meta_name(key: meta::Key) -> &'static str {
    META_KEYS.iter().find(|(_, k)| *k == key).map_or("", |(name, _)| name)
}

/// Type of a `meta` key (`meta_templates`).
pub fn meta_shape(key: meta::Key) -> Shape {
    use meta::Key::*;
    match key {
        Len | Cpu | Cgroup | Secmark => Shape::new(Type::Integer, 32, Order::Host),
        Protocol | BriIifvproto => Shape::of(Type::EtherType),
        Nfproto => Shape::new(Type::Nfproto, 8, Order::Host),
        L4proto => Shape::of(Type::InetProto),
        Priority => Shape::of(Type::Classid),
        Mark => Shape::of(Type::Mark),
        Iif | Oif | Sdif => Shape::of(Type::IfaceIndex),
        Iifname | Oifname | BriIifname | BriOifname | Iifkind | Oifkind | Sdifname => Shape::of(Type::Ifname),
        Iiftype | Oiftype => Shape::of(Type::IfaceType),
        Skuid => Shape::of(Type::Uid),
        Skgid => Shape::of(Type::Gid),
        Nftrace | BriBroute => Shape::new(Type::Integer, 1, Order::Host),
        Rtclassid => Shape::of(Type::Realm),
        Pkttype => Shape::of(Type::PktType),
        Iifgroup | Oifgroup => Shape::of(Type::Devgroup),
        Prandom => Shape::new(Type::Integer, 32, Order::Big),
        Secpath => Shape::of(Type::Boolean),
        BriIifpvid => Shape::new(Type::Integer, 16, Order::Host),
        TimeNs => Shape::of(Type::Date),
        TimeDay => Shape::of(Type::Day),
        TimeHour => Shape::of(Type::Hour),
        BriIifhwaddr => Shape::of(Type::EtherAddr),
    }
}

/// Words of `ct` keys.
pub const CT_KEYS: &[(&str, ct::Key)] = {
    use ct::Key::*;
    &[
        ("state", State),
        ("direction", Direction),
        ("status", Status),
        ("mark", Mark),
        ("expiration", Expiration),
        ("helper", Helper),
        ("l3proto", L3Protocol),
        ("saddr", Src),
        ("daddr", Dst),
        ("protocol", Protocol),
        ("proto-src", ProtoSrc),
        ("proto-dst", ProtoDst),
        ("label", Labels),
        ("packets", Packets),
        ("bytes", Bytes),
        ("avgpkt", AvgPkt),
        ("zone", Zone),
        ("event", EventMask),
        ("ip saddr", SrcIp),
        ("ip daddr", DstIp),
        ("ip6 saddr", SrcIp6),
        ("ip6 daddr", DstIp6),
        ("secmark", Secmark),
        ("id", Id),
    ]
};

/// Type of a `ct` key (`ct_templates`); addresses without a family have none.
pub fn ct_shape(key: ct::Key) -> Shape {
    use ct::Key::*;
    match key {
        State => Shape::of(Type::CtState),
        Direction => Shape::of(Type::CtDir),
        Status => Shape::of(Type::CtStatus),
        Mark => Shape::of(Type::Mark),
        Expiration => Shape::new(Type::Time, 32, Order::Host),
        Helper => Shape::new(Type::String, 128, Order::Host),
        L3Protocol => Shape::new(Type::Nfproto, 8, Order::Host),
        Src | Dst => Shape::new(Type::Invalid, 0, Order::Big),
        Protocol => Shape::of(Type::InetProto),
        ProtoSrc | ProtoDst => Shape::of(Type::InetService),
        Labels => Shape::of(Type::CtLabel),
        Packets | Bytes | AvgPkt => Shape::new(Type::Integer, 64, Order::Host),
        Zone => Shape::new(Type::Integer, 16, Order::Host),
        EventMask => Shape::of(Type::CtEvent),
        SrcIp | DstIp => Shape::of(Type::Ipv4Addr),
        SrcIp6 | DstIp6 => Shape::of(Type::Ipv6Addr),
        Secmark => Shape::new(Type::Integer, 32, Order::Host),
        Id => Shape::new(Type::Integer, 32, Order::Big),
    }
}

/// Words of `rt` keys.
pub const RT_KEYS: &[(&str, rt::Key)] = &[
    ("classid", rt::Key::Classid),
    ("nexthop", rt::Key::Nexthop4),
    ("nexthop", rt::Key::Nexthop6),
    ("mtu", rt::Key::Tcpmss),
    ("ipsec", rt::Key::Xfrm),
];

/// Type of an `rt` key (`rt_templates`).
pub fn rt_shape(key: rt::Key) -> Shape {
    match key {
        rt::Key::Classid => Shape::of(Type::Realm),
        rt::Key::Nexthop4 => Shape::of(Type::Ipv4Addr),
        rt::Key::Nexthop6 => Shape::of(Type::Ipv6Addr),
        rt::Key::Tcpmss => Shape::new(Type::Integer, 16, Order::Host),
        rt::Key::Xfrm => Shape::of(Type::Boolean),
    }
}

/// Words of `socket` keys.
pub const SOCKET_KEYS: &[&str] = &["transparent", "mark", "wildcard", "cgroupv2"];

/// Type of a `socket` key (`socket_templates`).
pub fn socket_shape(key: socket::Key) -> Shape {
    match key {
        socket::Key::Transparent | socket::Key::Wildcard => Shape::new(Type::Integer, 1, Order::Host),
        socket::Key::Mark => Shape::of(Type::Mark),
        socket::Key::Cgroupv2 { .. } => Shape::of(Type::Cgroupv2),
    }
}

/// Words of `ipsec` keys.
pub const XFRM_KEYS: &[(&str, xfrm::Key)] = &[
    ("ip daddr", xfrm::Key::DaddrIp4),
    ("ip6 daddr", xfrm::Key::DaddrIp6),
    ("ip saddr", xfrm::Key::SaddrIp4),
    ("ip6 saddr", xfrm::Key::SaddrIp6),
    ("reqid", xfrm::Key::Reqid),
    ("spi", xfrm::Key::Spi),
];

/// Type of an `ipsec` key (`xfrm_templates`).
pub fn xfrm_shape(key: xfrm::Key) -> Shape {
    match key {
        xfrm::Key::DaddrIp4 | xfrm::Key::SaddrIp4 => Shape::of(Type::Ipv4Addr),
        xfrm::Key::DaddrIp6 | xfrm::Key::SaddrIp6 => Shape::of(Type::Ipv6Addr),
        xfrm::Key::Reqid => Shape::new(Type::Integer, 32, Order::Host),
        xfrm::Key::Spi => Shape::new(Type::Integer, 32, Order::Big),
    }
}
