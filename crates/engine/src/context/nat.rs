//! NAT as rules ask for it (`nft_nat.c`, `nft_masq.c`, `nft_redir.c`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ironweir_conntrack::{Manip, NatFlags, NatRange as Range, NatVerdict};
use ironweir_expr::env::{NatKind, NatRange};
use ironweir_expr::{Decision, Outcome};
use ironweir_ruleset::Hook;
use ironweir_wire::{Address, L3, Packet};

use super::{Context, decide};
use crate::{DropReason, Observer};

/// Decides NAT for the packet's connection.
pub(super) fn set_up<O: Observer>(
    context: &mut Context<'_, O>,
    wanted: &NatRange,
    packet: &Packet<'_>,
) -> Outcome {
    let Some((ct, _)) = context.flight.tracking.flow() else { return Outcome::Break };
    let v6 = context.flight.info.l3 == L3::V6;
    let mut range = Range { flags: NatFlags::from_bits_truncate(wanted.flags.bits()), ..Range::default() };
    if let Some((min, max)) = wanted.addresses {
        (range.min_addr, range.max_addr) = (min.into(), max.into());
        range.flags |= NatFlags::MAP_IPS;
    }
    if let Some((min, max)) = wanted.ports {
        range = range.with_ports(min, max);
    }
    range.base_proto = wanted.base_port;
    let conntrack = &mut context.world.conntrack;
    let verdict = match wanted.kind {
        NatKind::Snat => conntrack.nat_setup(ct, &range, Manip::Source),
        NatKind::Dnat => conntrack.nat_setup(ct, &range, Manip::Destination),
        NatKind::Masquerade => {
            let oif = packet.meta.oif;
            let host = &context.world.host;
            // IPv4 asks for an address towards the next hop, IPv6 towards the destination.
            let to = match (v6, context.flight.nexthop, tuple_destination(packet)) {
                (false, Some(hop), _) => Some(hop),
                (_, _, destination) => destination,
            };
            let address = match to {
                Some(to) => host.source_address_towards(oif, to),
                None => host.source_address(oif, v6),
            };
            match address {
                Some(address) => conntrack.masquerade(ct, &range, address.into(), oif.0),
                None => NatVerdict::Drop,
            }
        }
        NatKind::Redirect => {
            let here = match (context.hook, v6) {
                (Hook::Output, false) => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
                (Hook::Output, true) => Some(IpAddr::V6(Ipv6Addr::LOCALHOST)),
                _ => context.world.host.source_address(packet.meta.iif, v6),
            };
            match here {
                Some(address) => {
                    let range = range.to_address(Address::from(address));
                    conntrack.nat_setup(ct, &range, Manip::Destination)
                }
                None => NatVerdict::Drop,
            }
        }
    };
    match verdict {
        NatVerdict::Accept => decide(Decision::Accept),
        NatVerdict::Drop => {
            context.failure = Some(DropReason::NatFull);
            decide(Decision::Drop)
        }
    }
}

fn tuple_destination(packet: &Packet<'_>) -> Option<IpAddr> {
    ironweir_expr::fib::addresses(packet).map(|(_, destination)| destination)
}
