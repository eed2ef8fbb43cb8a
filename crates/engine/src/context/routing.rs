//! Interfaces and routes, as rules ask for them.

use std::net::IpAddr;

use ironweir_expr::env::{self, BridgePort, RouteQuery};
use ironweir_expr::{Value, rt};
use ironweir_ruleset::Family;
use ironweir_wire::{IfIndex, Packet};

use crate::Host;
use crate::flight::Flight;

/// `RTN_UNICAST`, `RTN_LOCAL`, `RTN_BROADCAST`, `RTN_MULTICAST` of `linux/rtnetlink.h`.
const UNICAST: u32 = 1;
const LOCAL: u32 = 2;
const BROADCAST: u32 = 3;
const MULTICAST: u32 = 5;
/// `ARPHRD_LOOPBACK` of `linux/if_arp.h`.
pub(crate) const LOOPBACK: u16 = 772;

pub(super) fn interface(host: &Host, index: IfIndex) -> Option<env::Interface<'_>> {
    let interface = host.interface(index)?;
    Some(env::Interface {
        name: &interface.name,
        loopback: interface.kind == LOOPBACK,
        kind: interface.kind,
        group: interface.group,
        link_kind: (!interface.link_kind.is_empty()).then_some(&*interface.link_kind),
    })
}

pub(super) fn bridge_port(host: &Host, index: IfIndex) -> Option<BridgePort<'_>> {
    let bridge = host.interface(host.interface(index)?.bridge?)?;
    Some(BridgePort { bridge: &bridge.name, address: bridge.mac, pvid: Some(1), vlan_protocol: None })
}

pub(super) fn route(host: &Host, query: &RouteQuery) -> Option<env::Route> {
    let to = query.destination;
    if let Some(oif) = host.local_interface(to) {
        // With an interface only its own addresses are local (`inet_dev_addr_type`).
        let its = !query.interface.is_some() || query.interface == oif;
        return Some(env::Route { kind: if its { LOCAL } else { UNICAST }, oif });
    }
    if let Some(oif) = host.broadcast_interface(to) {
        let its = !query.interface.is_some() || query.interface == oif;
        return Some(env::Route { kind: if its { BROADCAST } else { UNICAST }, oif });
    }
    if to.is_ipv6() && to.is_multicast() {
        // Every interface but the loopback one has a route to all groups.
        let has = |one: &&crate::Interface| {
            one.kind != LOOPBACK && one.addresses.iter().any(|(own, _)| own.is_ipv6())
        };
        let first = host.interfaces().iter().find(has);
        let first = first.map_or(IfIndex::NONE, |one| one.index);
        let oif = if query.interface.is_some() { query.interface } else { first };
        return Some(env::Route { kind: MULTICAST, oif });
    }
    match host.route(to) {
        Some(route) => Some(env::Route { kind: UNICAST, oif: route.interface }),
        // Without knowledge of a host, every address is taken to be where the packet says it is.
        None => host.forward_to.map(|forward_to| env::Route {
            kind: UNICAST,
            oif: if query.interface.is_some() { query.interface } else { forward_to },
        }),
    }
}

/// `nft_rt_get_eval`. The maximum segment size lies in 16 bits of host order.
pub(super) fn rt(
    host: &Host,
    flight: &Flight,
    (family, key): (Family, rt::Key),
    packet: &Packet<'_>,
) -> Option<Value> {
    let v6 = family == Family::Ip6;
    match (key, flight.nexthop) {
        (rt::Key::Classid, _) => None,
        (rt::Key::Nexthop4, Some(IpAddr::V4(hop))) if !v6 => Some(Value::from(hop.octets())),
        (rt::Key::Nexthop6, Some(IpAddr::V6(hop))) if v6 => Some(Value::from(hop.octets())),
        (rt::Key::Tcpmss, Some(_)) => {
            let mss = segment(host, flight, v6, packet)?;
            Some(Value::from(mss.to_ne_bytes()))
        }
        (rt::Key::Xfrm, Some(_)) => Some(Value::new(&[0])),
        _ => None,
    }
}

/// `TCP_MSS_DEFAULT` of `net/tcp.h`.
const DEFAULT_SEGMENT: u16 = 536;

/// The largest segment that gets through both ways without fragments: by the packet's own route, and by the route to its
/// source (`get_tcpmss`).
fn segment(host: &Host, flight: &Flight, v6: bool, packet: &Packet<'_>) -> Option<u16> {
    let at = packet.network();
    let (source, headers) = match v6 {
        false => (packet.array::<4>(at + 12).map(IpAddr::from), 40),
        true => (packet.array::<16>(at + 8).map(IpAddr::from), 60),
    };
    let of = |interface, route: u32| match route {
        0 => host.interface(interface).map(|interface| interface.mtu),
        mtu => Some(mtu),
    };
    let out = of(packet.meta.oif, flight.route_mtu)?;
    let back = source.and_then(|source| host.route(source)).and_then(|route| of(route.interface, route.mtu));
    let mtu = out.min(back.unwrap_or(u32::MAX));
    let usual = u16::try_from(mtu).ok().and_then(|mtu| mtu.checked_sub(headers)).filter(|mss| *mss > 0);
    Some(usual.unwrap_or(DEFAULT_SEGMENT))
}
