//! Messages of `rtnetlink(7)`, as far as a router must know them: what there is, what came, what went.
//!
//! Layouts are of `linux/rtnetlink.h`, `linux/if_link.h`, `linux/if_addr.h`, `linux/neighbour.h`, `linux/fib_rules.h` and
//! `linux/netconf.h`; numbers are in host order, addresses as on the wire.

use std::net::IpAddr;

use ironweir_engine::route::{Action, Entry, Kind, LOCAL_TABLE, Route, Rule};
use ironweir_engine::{Interface, Neighbour};
use ironweir_netlink::{Attribute, Attributes, Flags, Header, Message};
use ironweir_wire::{Address, IfIndex, L3};

const AF_UNSPEC: u8 = 0;
const AF_INET: u8 = 2;
const AF_BRIDGE: u8 = 7;
const AF_INET6: u8 = 10;

/// `RTM_GETLINK`, `RTM_GETADDR` ... with the family, in the order in which a snapshot is asked for: what others name comes
/// first.
pub(super) const DUMPS: [(u16, u8); 10] = [
    (18, AF_UNSPEC),
    (82, AF_INET),
    (22, AF_INET),
    (22, AF_INET6),
    (34, AF_INET),
    (34, AF_INET6),
    (26, AF_INET),
    (26, AF_INET6),
    (30, AF_INET),
    (30, AF_INET6),
];

/// The request for a dump.
pub(super) fn dump((kind, family): (u16, u8), seq: u32) -> Vec<u8> {
    // The longest of the headers that follow (`struct ifinfomsg`); the kernel does not mind more than it needs, but wants what it
    // needs, of zeros, for strict checks are not asked for.
    const BODY: usize = 16;
    let len = (Header::LEN + BODY) as u32;
    let flags = Flags(Flags::REQUEST.0 | Flags::DUMP.0);
    let mut request = Header { len, kind, flags, seq, port: 0 }.encode().to_vec();
    request.push(family);
    request.resize(Header::LEN + BODY, 0);
    request
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// An interface is there, and so; whether it is up.
    Link(Interface, bool),
    LinkGone(IfIndex),
    Address(IfIndex, IpAddr, u8),
    AddressGone(IfIndex, IpAddr),
    /// A route, and whether it takes the place of another.
    Route(Entry, bool),
    RouteGone(Entry),
    /// A neighbour that somebody has set, for good.
    Neighbour(Neighbour),
    /// A neighbour that is no longer set for good.
    NeighbourGone(IfIndex, IpAddr),
    /// A rule of IPv4 or, if true, of IPv6.
    Rule(bool, Rule),
    RuleGone(bool, Rule),
    /// `rp_filter` of an interface, or of all.
    ReversePath(Option<IfIndex>, u8),
}

/// Reads a message; `None` if it says nothing that matters here, or makes no sense.
pub(super) fn read(message: &Message<'_>) -> Option<Event> {
    let payload = message.payload;
    let body = |len: usize| Some(Attributes::new(payload.get(len..)?));
    match message.header.kind {
        16 | 17 => link(payload, body(16)?, message.header.kind == 17),
        20 | 21 => address(payload, body(8)?, message.header.kind == 21),
        24 | 25 => route(payload, body(12)?, &message.header),
        28 | 29 => neighbour(payload, body(12)?, message.header.kind == 29),
        32 | 33 => rule(payload, body(12)?, message.header.kind == 33),
        80 => reverse_path(payload, body(4)?),
        _ => None,
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk::<4>()?))
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let l3 = if bytes.len() == 4 { L3::V4 } else { L3::V6 };
    Address::from_slice(bytes)?.to_ip(l3)
}

fn name(attribute: &Attribute<'_>) -> Option<Box<str>> {
    attribute.str().ok().map(Into::into)
}

fn link(payload: &[u8], attributes: Attributes<'_>, gone: bool) -> Option<Event> {
    let &[family, _, kind0, kind1, ..] = payload else { return None };
    if family == AF_BRIDGE {
        // Of a bridge's port as such: that it is one no more does not mean that it is gone.
        return None;
    }
    let index = IfIndex(u32_at(payload, 4)?);
    if gone {
        return Some(Event::LinkGone(index));
    }
    let up = u32_at(payload, 8)? & 1 != 0;
    let mut interface = Interface::new(index, "");
    interface.kind = u16::from_ne_bytes([kind0, kind1]);
    interface.mtu = 0;
    let (mut master, mut of_bridge) = (None, false);
    for attribute in attributes {
        let attribute = attribute.ok()?;
        match attribute.kind {
            1 if interface.kind == 1 => interface.mac = attribute.array().unwrap_or_default(),
            3 => interface.name = name(&attribute)?,
            4 => interface.mtu = attribute.u32_host().ok()?,
            10 => master = attribute.u32_host().ok(),
            18 => {
                for nested in attribute.nested() {
                    let nested = nested.ok()?;
                    match nested.kind {
                        1 => interface.link_kind = name(&nested)?,
                        4 => of_bridge = nested.str().is_ok_and(|kind| kind == "bridge"),
                        _ => {}
                    }
                }
            }
            27 => interface.group = attribute.u32_host().ok()?,
            _ => {}
        }
    }
    interface.bridge = master.filter(|_| of_bridge).map(IfIndex);
    // Messages about wireless networks say less.
    (interface.mtu != 0 && !interface.name.is_empty()).then_some(Event::Link(interface, up))
}

/// `IFA_F_TENTATIVE`, `IFA_F_DADFAILED`: not to be used.
const UNUSABLE: u32 = 0x40 | 0x08;
/// `IFA_F_OPTIMISTIC`.
const OPTIMISTIC: u32 = 0x04;

fn address(payload: &[u8], attributes: Attributes<'_>, gone: bool) -> Option<Event> {
    let &[_, len, flags, ..] = payload else { return None };
    let index = IfIndex(u32_at(payload, 4)?);
    let (mut address, mut local, mut flags) = (None, None, u32::from(flags));
    for attribute in attributes {
        let attribute = attribute.ok()?;
        match attribute.kind {
            1 => address = ip(attribute.value),
            2 => local = ip(attribute.value),
            8 => flags = attribute.u32_host().ok()?,
            _ => {}
        }
    }
    // On a link between two, `IFA_ADDRESS` is the other's.
    let own = local.or(address)?;
    if gone {
        return Some(Event::AddressGone(index, own));
    }
    let usable = flags & UNUSABLE == 0 || flags & OPTIMISTIC != 0;
    usable.then_some(Event::Address(index, own, len))
}

/// `RTNH_F_DEAD`, and `RTM_F_CLONED`: what is remembered for one destination.
const DEAD: u32 = 1;
const CLONED: u32 = 0x200;

/// DIVERGES: of several next hops the first takes all packets; routes by type of service or by source (IPv6) are passed over.
fn route(payload: &[u8], attributes: Attributes<'_>, header: &Header) -> Option<Event> {
    let &[family, len, source_len, tos, table, _, _, kind, ..] = payload else { return None };
    let flags = u32_at(payload, 8)?;
    let kind = match kind {
        1 => Kind::Unicast,
        6 => Kind::Blackhole,
        7 => Kind::Unreachable,
        8 => Kind::Prohibit,
        9 => Kind::Throw,
        _ => return None,
    };
    if source_len != 0 || tos != 0 || flags & (DEAD | CLONED) != 0 {
        return None;
    }
    let mut prefix = match family {
        AF_INET => IpAddr::from([0; 4]),
        AF_INET6 => IpAddr::from([0; 16]),
        _ => return None,
    };
    let mut route = Route { kind, ..Route::default() };
    let (mut table, mut metric) = (u32::from(table), 0);
    let mut several = None;
    for attribute in attributes {
        let attribute = attribute.ok()?;
        match attribute.kind {
            1 => prefix = ip(attribute.value)?,
            4 => route.interface = IfIndex(attribute.u32_host().ok()?),
            5 => route.gateway = ip(attribute.value),
            6 => metric = attribute.u32_host().ok()?,
            7 => route.source = ip(attribute.value),
            8 => {
                let metrics = attribute.nested();
                route.mtu = metrics.find(2).ok()?.and_then(|mtu| mtu.u32_host().ok()).unwrap_or(0);
            }
            9 => several = Some(attribute.value),
            15 => table = attribute.u32_host().ok()?,
            18 => route.gateway = ip(attribute.value.get(2..)?),
            _ => {}
        }
    }
    if let Some(several) = several {
        (route.interface, route.gateway) = first_hop(several)?;
    }
    if kind != Kind::Unicast {
        route.interface = IfIndex::NONE;
    }
    let entry = Entry { prefix, len, table, metric, route };
    if table == LOCAL_TABLE {
        return None;
    }
    let replace = header.flags.contains(Flags::REPLACE);
    Some(if header.kind == 25 { Event::RouteGone(entry) } else { Event::Route(entry, replace) })
}

/// The first of `struct rtnexthop`s: length (2), flags (1), weight (1), interface (4), attributes.
fn first_hop(hops: &[u8]) -> Option<(IfIndex, Option<IpAddr>)> {
    let len = usize::from(u16::from_ne_bytes(*hops.first_chunk::<2>()?));
    let interface = IfIndex(u32_at(hops, 4)?);
    let mut gateway = None;
    for attribute in Attributes::new(hops.get(8..len)?) {
        let attribute = attribute.ok()?;
        match attribute.kind {
            5 => gateway = ip(attribute.value),
            18 => gateway = ip(attribute.value.get(2..)?),
            _ => {}
        }
    }
    Some((interface, gateway))
}

/// `NUD_PERMANENT`. Others are what the kernel has learned, which this router does itself.
const PERMANENT: u16 = 0x80;

fn neighbour(payload: &[u8], attributes: Attributes<'_>, gone: bool) -> Option<Event> {
    let interface = IfIndex(u32_at(payload, 4)?);
    let state = u16::from_ne_bytes(*payload.get(8..)?.first_chunk::<2>()?);
    let (mut address, mut mac) = (None, None);
    for attribute in attributes {
        let attribute = attribute.ok()?;
        match attribute.kind {
            1 => address = ip(attribute.value),
            2 => mac = attribute.array::<6>().ok(),
            _ => {}
        }
    }
    let address = address?;
    match mac {
        Some(mac) if !gone && state & PERMANENT != 0 => {
            Some(Event::Neighbour(Neighbour { address, mac, interface }))
        }
        _ => Some(Event::NeighbourGone(interface, address)),
    }
}

/// DIVERGES: rules that ask for users, ports, protocols, types of service, tunnels or VRFs match nothing.
fn rule(payload: &[u8], attributes: Attributes<'_>, gone: bool) -> Option<Event> {
    let &[family, to_len, from_len, tos, table, _, _, action, ..] = payload else { return None };
    let v6 = match family {
        AF_INET => false,
        AF_INET6 => true,
        _ => return None,
    };
    let flags = u32_at(payload, 8)?;
    let mut rule = Rule::new(0, Action::Nop);
    rule.invert = flags & 2 != 0;
    let (mut table, mut target, mut known) = (u32::from(table), 0, tos == 0);
    let (mut mark, mut mask) = (None, u32::MAX);
    for attribute in attributes {
        let attribute = attribute.ok()?;
        match attribute.kind {
            1 => rule.to = Some((ip(attribute.value)?, to_len)),
            2 => rule.from = Some((ip(attribute.value)?, from_len)),
            3 => rule.iif = Some(name(&attribute)?),
            4 => target = attribute.u32_host().ok()?,
            6 => rule.priority = attribute.u32_host().ok()?,
            10 => mark = Some(attribute.u32_host().ok()?),
            // -1 for none.
            14 => rule.suppress = u8::try_from(attribute.u32_host().ok()?).ok(),
            15 => table = attribute.u32_host().ok()?,
            16 => mask = attribute.u32_host().ok()?,
            17 => rule.oif = Some(name(&attribute)?),
            13 if attribute.u32_host() != Ok(u32::MAX) => known = false,
            12 if attribute.value.iter().any(|byte| *byte != 0) => known = false,
            19 if attribute.value != [0] => known = false,
            20 | 22..=24 => known = false,
            _ => {}
        }
    }
    rule.mark = mark.map(|mark| (mark, mask)).filter(|given| *given != (0, 0));
    rule.action = match action {
        _ if !known => Action::Nop,
        1 => Action::Table(table),
        2 => Action::Goto(target),
        6 => Action::Blackhole,
        7 => Action::Unreachable,
        8 => Action::Prohibit,
        _ => Action::Nop,
    };
    Some(if gone { Event::RuleGone(v6, rule) } else { Event::Rule(v6, rule) })
}

fn reverse_path(payload: &[u8], attributes: Attributes<'_>) -> Option<Event> {
    if payload.first() != Some(&AF_INET) {
        return None;
    }
    let index = attributes.find(1).ok()??.u32_host().ok()?;
    let value = attributes.find(3).ok()??.u32_host().ok()?;
    let interface = match index as i32 {
        -1 => None,
        1.. => Some(IfIndex(index)),
        // What new ones begin with.
        _ => return None,
    };
    Some(Event::ReversePath(interface, value.min(2) as u8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironweir_netlink::Messages;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        digits
            .chunks(2)
            .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
            .collect()
    }

    fn all(hex: &str) -> Vec<Option<Event>> {
        let bytes = bytes(hex);
        Messages::new(&bytes).map(|message| read(&message.unwrap())).collect()
    }

    /// As Linux 6.18 told of `ip route add 10.1.0.0/16 via 192.168.1.254 dev lan0 metric 7 mtu 1400 table 1000` with lan0 as
    /// number 4.
    #[test]
    #[cfg(target_endian = "little")]
    fn a_route_is_read_with_its_table_metric_and_mtu() {
        let hex = "50000000 18000006 789d016b f9440000 02100000 fc030001 00000000 \
                   08000f00 e8030000 08000100 0a010000 08000600 07000000 0c000800 08000200 78050000 \
                   08000500 c0a801fe 08000400 04000000";
        let gateway = Some("192.168.1.254".parse().unwrap());
        let route = Route { mtu: 1400, ..Route::by(IfIndex(4), gateway) };
        let entry = Entry { prefix: "10.1.0.0".parse().unwrap(), len: 16, table: 1000, metric: 7, route };
        assert_eq!(all(hex), [Some(Event::Route(entry, false))]);
    }

    #[test]
    fn no_beginning_of_a_message_panics() {
        for (kind, body) in [(16, 16), (20, 8), (24, 12), (28, 12), (32, 12), (80, 4)] {
            let mut payload = vec![2; body];
            for attribute in 1..=30_u16 {
                payload.extend(8_u16.to_ne_bytes());
                payload.extend(attribute.to_ne_bytes());
                payload.extend([8, 0, 1, 0]);
            }
            for end in 0..=payload.len() {
                let header = Header { kind, ..Header::default() };
                let _ = read(&Message { header, payload: &payload[..end], offset: 0 });
            }
        }
    }
}
