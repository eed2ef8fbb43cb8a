//! Protocol headers: their fields, and by which of them a lower header tells which one follows.
//!
//! The tables serve the parser (which words follow `ip`), resolving (types, implied dependencies), lowering (offsets)
//! and raising (which field lies at an offset).

mod exthdr;
mod ipopt;
mod link;
mod network;
mod sctp;
mod tcpopt;
mod transport;
mod tunnel;

use ironweir_expr::Family;
use ironweir_expr::payload::Base;

use crate::datatype::{Order, Type};

pub use exthdr::{Exthdr, exthdr_by_name, exthdr_by_number};
pub use ipopt::{IpOption, ip_option_by_name, ip_option_by_number};
pub use sctp::{SctpChunk, sctp_chunk_by_name, sctp_chunk_by_number};
pub use tcpopt::{MPTCP_SUBTYPES, TcpOption, tcp_option_by_name, tcp_options_by_number};

/// A field of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The word for it.
    pub name: &'static str,
    /// Its type.
    pub datatype: Type,
    /// Bits from the header's first.
    pub offset: u32,
    /// Width in bits.
    pub bits: u32,
}

impl Field {
    /// Byte order of its value.
    pub fn order(&self) -> Order {
        Order::Big
    }
}

const fn field(name: &'static str, datatype: Type, offset: u32, bits: u32) -> Field {
    Field { name, datatype, offset, bits }
}

/// Protocols with a header of their own, and the pseudo protocols from which families begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the words are nft's
pub enum Proto {
    /// Where the inet family begins: `meta nfproto` tells what follows.
    Inet,
    /// Where the netdev family begins: `meta protocol` tells what follows.
    Netdev,
    /// Any transport protocol: `meta l4proto` tells which.
    InetService,
    /// A layer known to be there of which nothing else is known (`proto_unknown`).
    Unknown,
    Ether,
    Vlan,
    Arp,
    Ip,
    Ip6,
    Ah,
    Esp,
    Comp,
    Icmp,
    Igmp,
    Udp,
    Udplite,
    Tcp,
    Dccp,
    Sctp,
    Th,
    Icmpv6,
    Gre,
    Gretap,
    Vxlan,
    Geneve,
}

/// A protocol's header.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// Which.
    pub proto: Proto,
    /// The word for it; empty for pseudo protocols.
    pub name: &'static str,
    /// At which base it lies.
    pub base: Base,
    /// Bits of the fixed header.
    pub bits: u32,
    /// The field whose value tells which protocol follows.
    pub key: Option<&'static str>,
    /// Which one follows, by value.
    pub uppers: &'static [(u64, Proto)],
    /// Its fields.
    pub fields: &'static [Field],
    /// The field with the checksum.
    pub checksum: Option<&'static str>,
    /// Its checksum covers the addresses of the network header.
    pub pseudo_header: bool,
}

impl Proto {
    /// Every protocol.
    pub const ALL: [Proto; 25] = {
        use Proto::*;
        [
            Inet,
            Netdev,
            InetService,
            Unknown,
            Ether,
            Vlan,
            Arp,
            Ip,
            Ip6,
            Ah,
            Esp,
            Comp,
            Icmp,
            Igmp,
            Udp,
            Udplite,
            Tcp,
            Dccp,
            Sctp,
            Th,
            Icmpv6,
            Gre,
            Gretap,
            Vxlan,
            Geneve,
        ]
    };

    /// From the word nft uses; only protocols that have one.
    pub fn from_name(name: &str) -> Option<Proto> {
        Some(match name {
            "ether" => Proto::Ether,
            "vlan" => Proto::Vlan,
            "arp" => Proto::Arp,
            "ip" => Proto::Ip,
            "ip6" => Proto::Ip6,
            "ah" => Proto::Ah,
            "esp" => Proto::Esp,
            "comp" => Proto::Comp,
            "icmp" => Proto::Icmp,
            "igmp" => Proto::Igmp,
            "udp" => Proto::Udp,
            "udplite" => Proto::Udplite,
            "tcp" => Proto::Tcp,
            "dccp" => Proto::Dccp,
            "sctp" => Proto::Sctp,
            "th" => Proto::Th,
            "icmpv6" => Proto::Icmpv6,
            "gre" => Proto::Gre,
            "gretap" => Proto::Gretap,
            "vxlan" => Proto::Vxlan,
            "geneve" => Proto::Geneve,
            _ => return None,
        })
    }

    /// Its header.
    pub fn header(self) -> &'static Header {
        match self {
            Proto::Inet => &network::INET,
            Proto::Netdev => &network::NETDEV,
            Proto::InetService => &transport::INET_SERVICE,
            Proto::Unknown => &transport::UNKNOWN,
            Proto::Ether => &link::ETHER,
            Proto::Vlan => &link::VLAN,
            Proto::Arp => &link::ARP,
            Proto::Ip => &network::IP,
            Proto::Ip6 => &network::IP6,
            Proto::Ah => &transport::AH,
            Proto::Esp => &transport::ESP,
            Proto::Comp => &transport::COMP,
            Proto::Icmp => &transport::ICMP,
            Proto::Igmp => &transport::IGMP,
            Proto::Udp => &transport::UDP,
            Proto::Udplite => &transport::UDPLITE,
            Proto::Tcp => &transport::TCP,
            Proto::Dccp => &transport::DCCP,
            Proto::Sctp => &transport::SCTP,
            Proto::Th => &transport::TH,
            Proto::Icmpv6 => &transport::ICMPV6,
            Proto::Gre => &tunnel::GRE,
            Proto::Gretap => &tunnel::GRETAP,
            Proto::Vxlan => &tunnel::VXLAN,
            Proto::Geneve => &tunnel::GENEVE,
        }
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        self.header().name
    }

    /// The field of that name.
    pub fn field(self, name: &str) -> Option<&'static Field> {
        self.header().fields.iter().find(|field| field.name == name)
    }

    /// Which protocol follows when the key has this value.
    pub fn upper(self, value: u64) -> Option<Proto> {
        self.header().uppers.iter().find(|(v, _)| *v == value).map(|(_, proto)| *proto)
    }

    /// The value of the key when this protocol follows (`proto_find_num`).
    pub fn number_of(self, upper: Proto) -> Option<u64> {
        self.header().uppers.iter().find(|(_, proto)| *proto == upper).map(|(value, _)| *value)
    }

    /// `IPPROTO_*` of a transport protocol.
    pub fn l4proto(self) -> Option<u8> {
        Proto::InetService.number_of(self).and_then(|n| u8::try_from(n).ok())
    }

    /// The base at which a family's packets begin, and the protocol there (`hook_proto_desc`).
    pub fn of_family(family: Family) -> (Base, Proto) {
        match family {
            Family::Inet => (Base::Link, Proto::Inet),
            Family::Ip => (Base::Network, Proto::Ip),
            Family::Ip6 => (Base::Network, Proto::Ip6),
            Family::Arp => (Base::Network, Proto::Arp),
            Family::Bridge => (Base::Link, Proto::Ether),
            Family::Netdev => (Base::Link, Proto::Netdev),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_has_its_own_header() {
        for proto in Proto::ALL {
            let header = proto.header();
            assert_eq!(header.proto, proto);
            let has_word = !header.name.is_empty() && proto != Proto::Unknown;
            assert_eq!(Proto::from_name(header.name), has_word.then_some(proto));
            for field in header.fields {
                assert!(
                    header.bits == 0 || field.offset + field.bits <= header.bits,
                    "{proto:?} {}",
                    field.name
                );
            }
            if let (Some(key), false) = (header.key, header.fields.is_empty()) {
                assert!(proto.field(key).is_some(), "{proto:?} {key}");
            }
        }
    }
}
