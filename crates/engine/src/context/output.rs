//! Packets that rules make or send themselves: answers of `reject`, copies of `dup`, `fwd`.

use std::net::IpAddr;

use ironweir_expr::reject::Reject;
use ironweir_expr::{Decision, Outcome};
use ironweir_wire::reply::{icmp_error, tcp_reset};
use ironweir_wire::{Address, IfIndex, L3, LinkType, Packet};

use super::decide;
use crate::flight::{Flight, World};
use crate::{Output, transmit};

/// ICMP types of unreachables.
const UNREACHABLE_V4: u8 = 3;
const UNREACHABLE_V6: u8 = 1;

/// Codes of `icmpx` for IPv4 and IPv6 (`icmp_code_v4`, `icmp_code_v6` in `nft_reject.c`): no route, port unreachable, host
/// unreachable, administratively prohibited.
const ICMPX: [(u8, u8); 4] = [(0, 0), (3, 4), (1, 3), (13, 1)];

/// The source address of an answer about a packet: the address it was sent to if that is this host's, else one of the
/// interface it came in by. Without any, the packet's own destination stands in.
pub(crate) fn answer_source(world: &World, packet: &Packet<'_>, l3: L3) -> Option<Address> {
    let at = packet.network();
    let to: IpAddr = match l3 {
        L3::V4 => IpAddr::from(packet.array::<4>(at + 16)?),
        L3::V6 => IpAddr::from(packet.array::<16>(at + 24)?),
        _ => return None,
    };
    if world.host.local_interface(to).is_some() {
        return Some(to.into());
    }
    Some(world.host.source_address(packet.meta.iif, l3 == L3::V6).unwrap_or(to).into())
}

pub(super) fn reject(world: &mut World, flight: &Flight, reject: &Reject, packet: &Packet<'_>) {
    let info = &flight.info;
    let mut bytes = Vec::new();
    let v6 = match info.l3 {
        L3::V4 => false,
        L3::V6 => true,
        _ => return,
    };
    let made = match *reject {
        Reject::TcpReset => tcp_reset(packet, info, &mut bytes),
        Reject::IcmpUnreach { code } => unreachable(world, flight, packet, v6, code, &mut bytes),
        Reject::IcmpxUnreach { code } => {
            let Some(&(v4, six)) = ICMPX.get(usize::from(code)) else { return };
            unreachable(world, flight, packet, v6, if v6 { six } else { v4 }, &mut bytes)
        }
    };
    if made {
        answer(world, packet, bytes);
    }
}

fn unreachable(
    world: &World,
    flight: &Flight,
    packet: &Packet<'_>,
    v6: bool,
    code: u8,
    bytes: &mut Vec<u8>,
) -> bool {
    let Some(source) = answer_source(world, packet, flight.info.l3) else { return false };
    let kind = if v6 { UNREACHABLE_V6 } else { UNREACHABLE_V4 };
    icmp_error(packet, &flight.info, source, kind, code, [0; 4], bytes)
}

/// Sends an answer back out of the interface the packet came in by, to the station it came from.
///
/// DIVERGES: it passes neither output nor postrouting.
pub(crate) fn answer(world: &mut World, packet: &Packet<'_>, network: Vec<u8>) {
    let oif = if packet.meta.iif.is_some() { packet.meta.iif } else { packet.meta.oif };
    let ethernet = packet.link() == LinkType::Ethernet;
    let mut bytes = Vec::with_capacity(network.len() + 14);
    if ethernet {
        let Some(header) = packet.array::<14>(0) else { return };
        bytes.extend(&header[6..12]);
        bytes.extend(&header[..6]);
        bytes.extend(packet.meta.protocol.to_be_bytes());
    }
    bytes.extend(network);
    world.send(Output { oif, bytes, ethernet });
}

/// The packet's bytes as they are.
fn copy(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = vec![0; packet.len()];
    let mut scratch = vec![0; packet.len()];
    if let Some(all) = packet.load(0, bytes.len(), &mut scratch) {
        bytes.copy_from_slice(all);
    }
    bytes
}

/// A copy out of a device or to a gateway (`nf_dup_ipv4`, `nf_dup_netdev_egress`).
pub(super) fn dup(world: &mut World, gateway: Option<IpAddr>, device: IfIndex, packet: &Packet<'_>) {
    let oif = match gateway {
        Some(gateway) if !device.is_some() => {
            world.host.route(gateway).map(|route| route.interface).or(world.host.forward_to)
        }
        _ => Some(device),
    };
    let Some(oif) = oif.filter(|oif| oif.is_some()) else { return };
    let mut bytes = copy(packet);
    let ethernet = packet.link() == LinkType::Ethernet;
    if ethernet
        && let Some(gateway) = gateway
        && let Some(mac) = world.host.neighbour(oif, gateway)
        && let Some(destination) = bytes.get_mut(..6)
    {
        destination.copy_from_slice(&mac);
    }
    world.send(Output { oif, bytes, ethernet });
}

/// The packet itself out of a device (`nft_fwd_netdev_eval`, `nft_fwd_neigh_eval`).
pub(super) fn fwd(
    world: &mut World,
    flight: &Flight,
    device: IfIndex,
    neighbour: Option<IpAddr>,
    packet: &mut Packet<'_>,
) -> Outcome {
    if world.host.interface(device).is_none() {
        return decide(Decision::Drop);
    }
    if let Some(neighbour) = neighbour {
        if !ironweir_wire::rewrite::decrement_ttl(packet, flight.info.l3) {
            return decide(Decision::Drop);
        }
        transmit::address_frame(&world.host, packet, device, Some(neighbour));
    }
    let ethernet = packet.link() == LinkType::Ethernet;
    world.send(Output { oif: device, bytes: copy(packet), ethernet });
    decide(Decision::Stolen)
}
