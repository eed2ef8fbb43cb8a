//! Headers of a traced packet, field by field.
//!
//! A trace has the beginning of three headers; what lies in them is told by the device's type, the table's family and the
//! protocol fields before. Fields nobody filters by are left out, and bytes behind the last field are shown as they are.

use std::fmt::Write as _;

use ironweir_ruleset::Family;
use ironweir_ruleset::netlink::Trace;

use crate::datatype::{Datum, PrintOptions, print_datum};
use crate::list::Lister;
use crate::proto::{Field, Proto};
use crate::raise::print_options;

/// `ARPHRD_ETHER` of `linux/if_arp.h`.
const ARPHRD_ETHER: u16 = 1;
/// `ETH_P_8021Q`, `ETH_P_8021AD`.
const VLAN: [u128; 2] = [0x8100, 0x88a8];
/// Echo requests and replies, whose second word is identifier and number.
const ICMPV6_ECHO: [u8; 2] = [128, 129];

/// The fields that nft shows of each header, in its order (observed of nft 1.0.6).
fn shown(proto: Proto) -> &'static [&'static str] {
    match proto {
        Proto::Ether => &["saddr", "daddr"],
        Proto::Vlan => &["id", "dei", "pcp"],
        Proto::Arp => &["htype", "ptype", "hlen", "plen", "operation"],
        Proto::Ip => &["saddr", "daddr", "dscp", "ecn", "ttl", "id", "protocol", "length"],
        Proto::Ip6 => &["saddr", "daddr", "dscp", "ecn", "hoplimit", "flowlabel", "nexthdr", "length"],
        Proto::Tcp => &["sport", "dport", "flags", "window"],
        Proto::Udp => &["sport", "dport", "length"],
        Proto::Udplite | Proto::Sctp | Proto::Dccp => &["sport", "dport"],
        Proto::Icmp => &["type", "code", "id", "sequence"],
        Proto::Icmpv6 => &["type", "code"],
        _ => &[],
    }
}

/// Appends the headers of a trace, each field with a blank behind it.
pub(super) fn print(lister: &Lister<'_>, trace: &Trace, network: Option<Family>, out: &mut String) {
    let show = Show { lister, options: print_options(&lister.options) };
    let bridge = matches!(trace.table.family, Family::Bridge);
    let ethernet = trace.iif.or(trace.oif).and_then(|(_, kind)| kind) == Some(ARPHRD_ETHER) || bridge;
    let mut above = network.and_then(proto_of_family);
    if !trace.link.is_empty() {
        let upper = show.link(&trace.link, ethernet, out);
        above = above.or(upper);
    }
    let mut transport = None;
    if !trace.network.is_empty() {
        match above {
            Some(proto) => {
                transport = upper_of(proto, &trace.network);
                show.network(proto, transport, trace, out);
            }
            None => raw("nh", 0, &trace.network, out),
        }
    }
    if !trace.transport.is_empty() {
        match transport.filter(|proto| !shown(*proto).is_empty()) {
            Some(proto) => show.transport(proto, &trace.transport, out),
            None => raw("th", 0, &trace.transport, out),
        }
    }
}

fn proto_of_family(family: Family) -> Option<Proto> {
    match family {
        Family::Ip => Some(Proto::Ip),
        Family::Ip6 => Some(Proto::Ip6),
        Family::Arp => Some(Proto::Arp),
        _ => None,
    }
}

fn proto_of_ethertype(number: u128) -> Option<Proto> {
    match number {
        0x0800 => Some(Proto::Ip),
        0x86dd => Some(Proto::Ip6),
        0x0806 => Some(Proto::Arp),
        _ => None,
    }
}

/// The protocol that the network header names. Of IPv6, extension headers are not looked behind.
fn upper_of(proto: Proto, bytes: &[u8]) -> Option<Proto> {
    let number = match proto {
        Proto::Ip => bytes.get(9)?,
        Proto::Ip6 => bytes.get(6)?,
        _ => return None,
    };
    Proto::InetService.upper((*number).into())
}

struct Show<'a> {
    lister: &'a Lister<'a>,
    options: PrintOptions,
}

impl Show<'_> {
    /// The link-layer header; tells what follows it.
    fn link(&self, bytes: &[u8], ethernet: bool, out: &mut String) -> Option<Proto> {
        if !ethernet {
            raw("ll", 0, bytes, out);
            return None;
        }
        self.header(Proto::Ether, bytes, out);
        let mut number = be(bytes.get(12..14)?);
        if VLAN.contains(&number) {
            let tag = bytes.get(14..18)?;
            self.header(Proto::Vlan, tag, out);
            number = be(tag.get(2..4)?);
        }
        proto_of_ethertype(number)
    }

    /// What the transport header says by itself is left out where the family is that of the network header.
    fn network(&self, proto: Proto, upper: Option<Proto>, trace: &Trace, out: &mut String) {
        let own = proto_of_family(trace.table.family) == Some(proto);
        let known = upper.is_some_and(|upper| !shown(upper).is_empty()) && !trace.transport.is_empty();
        let implied = proto.header().key.filter(|_| own && known);
        for name in shown(proto).iter().filter(|name| Some(**name) != implied) {
            self.field(proto, name, &trace.network, out);
        }
    }

    fn transport(&self, proto: Proto, bytes: &[u8], out: &mut String) {
        self.header(proto, bytes, out);
        let length = match proto {
            Proto::Tcp => 20,
            Proto::Sctp | Proto::Dccp => 12,
            _ => 8,
        };
        if proto == Proto::Icmpv6 && bytes.first().is_some_and(|kind| ICMPV6_ECHO.contains(kind)) {
            for name in ["id", "sequence"] {
                self.field(proto, name, bytes, out);
            }
        }
        raw("th", length, bytes, out);
    }

    fn header(&self, proto: Proto, bytes: &[u8], out: &mut String) {
        for name in shown(proto) {
            self.field(proto, name, bytes, out);
        }
    }

    fn field(&self, proto: Proto, name: &str, bytes: &[u8], out: &mut String) {
        let Some(field) = proto.field(name) else { return };
        let Some(value) = load(bytes, field) else { return };
        let names = self.lister.names;
        let text =
            print_datum(field.datatype, &Datum::Number(value), field.bits, false, names, &self.options);
        let word = proto.name();
        let _ = match (proto, name) {
            (Proto::Tcp, "flags") => write!(out, "{word} flags == {} ", self.tcp_flags(value)),
            _ => write!(out, "{word} {name} {text} "),
        };
    }

    fn tcp_flags(&self, value: u128) -> String {
        let names = ["fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"];
        let set: Vec<&str> = (0..8).filter(|bit| value >> bit & 1 == 1).map(|bit| names[bit]).collect();
        match set[..] {
            [only] if !self.options.numeric => only.to_owned(),
            _ => format!("{value:#x}"),
        }
    }
}

/// `@th,64,96 0x7e1b016b00000000f46e0000`: the bytes from `from` on.
fn raw(base: &str, from: usize, bytes: &[u8], out: &mut String) {
    let Some(rest) = bytes.get(from..).filter(|rest| !rest.is_empty()) else { return };
    let hex: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    let digits = hex.trim_start_matches('0');
    let digits = if digits.is_empty() { "0" } else { digits };
    let _ = write!(out, "@{base},{},{} 0x{digits} ", from * 8, rest.len() * 8);
}

fn be(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |value, byte| value << 8 | u128::from(*byte))
}

/// A field's value. Fields have at most 128 bits and may begin and end inside bytes.
fn load(bytes: &[u8], field: &Field) -> Option<u128> {
    let (first, last) = (field.offset / 8, (field.offset + field.bits).div_ceil(8));
    let value = be(bytes.get(first as usize..last as usize)?);
    let mask = 1u128.checked_shl(field.bits).map_or(u128::MAX, |bit| bit - 1);
    Some(value >> (last * 8 - (field.offset + field.bits)) & mask)
}
