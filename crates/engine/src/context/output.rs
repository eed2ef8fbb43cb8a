//! Packets that rules make or send themselves: answers of `reject`, copies of `dup`, `fwd`.

use std::net::IpAddr;

use ironweir_conntrack::{CtInfo, Direction, ServerOffer, Template, Tracking};
use ironweir_expr::reject::Reject;
use ironweir_expr::{Decision, Outcome};
use ironweir_ruleset::{Family, Hook};
use ironweir_wire::checksum::{Delta, Sum};
use ironweir_wire::options::Compiled;
use ironweir_wire::protocol::ipproto;
use ironweir_wire::reply::{self, frame_unreachable, tcp_reset};
use ironweir_wire::tcp::{self, flag};
use ironweir_wire::{
    Address, IfIndex, L3, LinkType, Packet, PacketInfo, PacketType, icmp, ipv4, ipv6, rewrite,
};

use super::decide;
use crate::flight::{Flight, Made, MadeWay, World};
use crate::path::options::{Here, header_with_options};
use crate::transmit;

/// ICMP types of unreachables.
const UNREACHABLE_V4: u8 = 3;
const UNREACHABLE_V6: u8 = 1;

/// Codes of `icmpx` for IPv4 and IPv6 (`icmp_code_v4`, `icmp_code_v6` in `nft_reject.c`): no route, port unreachable, host
/// unreachable, administratively prohibited.
const ICMPX: [(u8, u8); 4] = [(0, 0), (3, 4), (1, 3), (13, 1)];

/// Frames that are made for frames stop there (`NF_RECURSION_LIMIT`).
const DEEPEST_FRAME: u8 = 2;

/// The source address of an error about a packet: the address it was sent to if that is this host's, else for IPv4 the one that
/// packets to its sender would have (`icmp_route_lookup`), for IPv6 its sender's if that is this host's (`ipv6_get_saddr_eval`, the first rule of RFC 6724), else one of the interface it
/// came in by (`icmp6_send`). Without any, the packet's own destination stands in.
pub(crate) fn error_source(world: &World, packet: &Packet<'_>, l3: L3) -> Option<Address> {
    let (from, to) = addresses(packet, l3)?;
    let host = &world.host;
    if host.local_interface(to).is_some() {
        return Some(to.into());
    }
    if l3 == L3::V6 && host.local_interface(from).is_some() {
        // Somebody else uses this host's address; the answer stays here, and the same address is preferred to any other.
        return Some(from.into());
    }
    if l3 == L3::V6
        && let Some(source) = host.source_address_towards(packet.meta.iif, from)
    {
        return Some(source.into());
    }
    let by_route = host
        .route(from)
        .and_then(|route| route.source.or_else(|| host.source_address(route.interface, l3 == L3::V6)));
    let source = by_route.or_else(|| host.source_address(packet.meta.iif, l3 == L3::V6));
    Some(source.unwrap_or(to).into())
}

fn addresses(packet: &Packet<'_>, l3: L3) -> Option<(IpAddr, IpAddr)> {
    let at = packet.network();
    match l3 {
        L3::V4 => Some((packet.array::<4>(at + 12)?.into(), packet.array::<4>(at + 16)?.into())),
        L3::V6 => Some((packet.array::<16>(at + 8)?.into(), packet.array::<16>(at + 24)?.into())),
        _ => None,
    }
}

/// Where a `reject` is evaluated decides how its answer leaves.
pub(super) fn reject(
    world: &mut World,
    flight: &Flight,
    (family, hook): (Family, Hook),
    reject: &Reject,
    packet: &Packet<'_>,
) {
    let v6 = match flight.info.l3 {
        L3::V4 => false,
        L3::V6 => true,
        _ => return,
    };
    // Resets ask anew, where the sum that was kept is believed at first (`nf_reject_ip_tcphdr_get`, `nf_ip_checksum`): it lasts
    // until the packet goes on to another host, and with IPv6 until its header is changed.
    let kept = || {
        matches!(hook, Hook::Prerouting | Hook::Input)
            && (!v6 || flight.sum_header == header_sum(packet, &flight.info))
    };
    let known = flight.sum_valid && (*reject != Reject::TcpReset || kept());
    if world.host.conntrack.checksum && !known && !reply::checksum_allows(packet, &flight.info) {
        return;
    }
    // Later fragments of IPv6 get no answer of rules (`reject6_csum_ok`), though they do of the host.
    if v6 && flight.info.fragment_offset != 0 {
        return;
    }
    let code = match *reject {
        Reject::TcpReset => None,
        Reject::IcmpUnreach { code } => Some(code),
        Reject::IcmpxUnreach { code } => match ICMPX.get(usize::from(code)) {
            Some(&(v4, six)) => Some(if v6 { six } else { v4 }),
            None => return,
        },
    };
    let kind = if v6 { UNREACHABLE_V6 } else { UNREACHABLE_V4 };
    let way = match (family, hook) {
        (Family::Bridge, _) => MadeWay::Bridge,
        (Family::Netdev, _) | (Family::Inet, Hook::Ingress) => MadeWay::Device,
        _ => MadeWay::Host,
    };
    let mut bytes = Vec::new();
    match (code, way) {
        (Some(code), MadeWay::Host) => icmp_error(world, flight, packet, kind, code, [0; 4]),
        (Some(code), _) => {
            if frame_unreachable(packet, &flight.info, kind, code, &mut bytes) {
                answer(world, Tracking::default(), way, bytes);
            }
        }
        (None, _) => {
            if way == MadeWay::Host && is_broadcast(world, flight, packet) {
                return;
            }
            if tcp_reset(packet, &flight.info, &mut bytes) {
                let tracking =
                    if way == MadeWay::Host { attached(flight.tracking) } else { Tracking::default() };
                if let (MadeWay::Host, Some((ct, _))) = (way, flight.tracking.flow()) {
                    world.conntrack.set_closing(world.now, ct);
                }
                answer(world, tracking, way, bytes);
            }
        }
    }
}

/// The sum over a network header, extension headers included.
pub(crate) fn header_sum(packet: &Packet<'_>, info: &PacketInfo) -> u16 {
    let len = info.transport.saturating_sub(info.network);
    Sum::ZERO.packet(packet, info.network, len).map_or(0, Sum::finish)
}

/// An ICMP error about the packet, as the host sends it, if its limits allow.
pub(crate) fn icmp_error(
    world: &mut World,
    flight: &Flight,
    packet: &Packet<'_>,
    kind: u8,
    code: u8,
    rest: [u8; 4],
) {
    if !may_be_answered(world, flight, packet) {
        return;
    }
    let Some(source) = error_source(world, packet, flight.info.l3) else { return };
    if flight.local && flight.info.l3 == L3::V4 && is_anothers(world, packet) {
        return;
    }
    let mut bytes = Vec::new();
    let Some(options) = echoed_options(world, flight, packet, source) else { return };
    if !reply::icmp_error(packet, &flight.info, source, kind, code, rest, &options, &mut bytes) {
        return;
    }
    if flight.partial {
        quote_partial_checksum(&mut bytes);
    }
    let Some(to) = addresses(packet, flight.info.l3).map(|(from, _)| from) else { return };
    let random = world.random();
    let World { icmp_limits, host, now, .. } = &mut *world;
    let by_loopback = host.interface(packet.meta.iif).is_some_and(|iif| iif.kind == super::LOOPBACK);
    if !by_loopback && !icmp_limits.allow(&host.icmp, *now, to, (kind, code), random) {
        return;
    }
    if flight.info.l3 == L3::V4 {
        // It may be fragmented on its way, so it needs an identification (`ip_select_ident`).
        let [a, b, ..] = world.random().to_be_bytes();
        set_identification(&mut bytes, [a, b]);
    }
    answer(world, attached(flight.tracking), MadeWay::Host, bytes);
}

/// The options of an error about a packet; `None` if they forbid one.
fn echoed_options(world: &World, flight: &Flight, packet: &Packet<'_>, source: Address) -> Option<Vec<u8>> {
    if flight.options == Compiled::default() {
        return Some(Vec::new());
    }
    let header = header_with_options(packet)?;
    flight.options.echo(&header, source.as_v4(), &Here::new(world, packet))
}

/// An error about a TCP packet that this host made quotes it as it is before it leaves: its checksum is the sum of the
/// pseudo header, which a network card, or the last step before it, goes on with (`CHECKSUM_PARTIAL`).
fn quote_partial_checksum(error: &mut [u8]) {
    let (quoted, header, l3) = match error.first().map(|first| first >> 4) {
        Some(4) => (ipv4::HEADER_LEN + icmp::HEADER_LEN, ipv4::HEADER_LEN, L3::V4),
        _ => (ipv6::HEADER_LEN + icmp::HEADER_LEN, ipv6::HEADER_LEN, L3::V6),
    };
    let len = error.len();
    let message = quoted - icmp::HEADER_LEN;
    let mut packet = Packet::new(error, 0, len, LinkType::None);
    let ends = match l3 {
        L3::V4 => packet
            .array(quoted + ipv4::SRC_AT)
            .zip(packet.array(quoted + ipv4::DST_AT))
            .map(|(from, to)| (Address::v4(from), Address::v4(to))),
        _ => packet
            .array(quoted + ipv6::SRC_AT)
            .zip(packet.array(quoted + ipv6::DST_AT))
            .map(|(from, to)| (Address(from), Address(to))),
    };
    let at = quoted + header + tcp::CHECKSUM_AT;
    let (Some((from, to)), Some(whole)) = (ends, packet.be16(at)) else { return };
    let segment = len.saturating_sub(quoted + header);
    let partial = !Sum::ZERO.pseudo(l3, &from, &to, segment, ipproto::TCP).finish();
    let sum_at = message + icmp::CHECKSUM_AT;
    let sum = packet.be16(sum_at).map(|sum| Delta::NONE.word(whole, partial).apply(sum));
    let _ = packet.store(at, &partial.to_be_bytes());
    let _ = sum.is_some_and(|sum| packet.store(sum_at, &sum.to_be_bytes()));
}

/// Whether a packet is for one station, so that an answer to it is no flood (`icmp_send`, `icmp6_send`).
fn may_be_answered(world: &World, flight: &Flight, packet: &Packet<'_>) -> bool {
    packet.meta.packet_type == PacketType::Host && !is_broadcast(world, flight, packet)
}

fn is_broadcast(world: &World, flight: &Flight, packet: &Packet<'_>) -> bool {
    flight.info.l3 == L3::V4
        && packet
            .array::<4>(packet.network() + 16)
            .is_some_and(|to| world.host.is_broadcast(to.into()) || IpAddr::from(to).is_multicast())
}

/// Whether the destination of a packet that was routed to this host is another's by now, because a rule wrote it. Errors of
/// IPv4 would be sent from there, which is refused (`ip_route_output_key_hash_rcu`).
fn is_anothers(world: &World, packet: &Packet<'_>) -> bool {
    let to = packet.array::<4>(packet.network() + ipv4::DST_AT).map(IpAddr::from);
    world.host.forward_to.is_none() && to.is_some_and(|to| world.host.local_interface(to).is_none())
}

/// What an answer carries of the connection of the packet it answers (`nf_conntrack_attach`).
fn attached(tracking: Tracking) -> Tracking {
    match tracking {
        Tracking::Flow(ct, info) => Tracking::Flow(
            ct,
            match info.direction() {
                Direction::Original => CtInfo::RelatedReply,
                Direction::Reply => CtInfo::Related,
            },
        ),
        Tracking::Invalid(_) | Tracking::Untracked => Tracking::default(),
    }
}

fn answer(world: &mut World, tracking: Tracking, way: MadeWay, bytes: Vec<u8>) {
    world.make(Made { bytes, way, tracking, template: Template::default(), back: true });
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

/// A copy out of a device or to a gateway: in IP families a packet of the host's own, untracked (`nf_dup_ipv4`, `nf_dup_ipv6`);
/// in netdev the frame itself (`nf_dup_netdev_egress`).
pub(super) fn dup(
    world: &mut World,
    flight: &Flight,
    (family, hook): (Family, Hook),
    gateway: Option<IpAddr>,
    device: IfIndex,
    packet: &Packet<'_>,
) {
    if flight.is_copy {
        return;
    }
    let mut bytes = copy(packet);
    if family == Family::Netdev {
        frame(world, flight, device, bytes);
        return;
    }
    bytes.drain(..packet.network().min(bytes.len()));
    set_copied(&mut bytes, matches!(hook, Hook::Prerouting | Hook::Input));
    world.make(Made {
        bytes,
        way: MadeWay::Copy { device, gateway, largest: flight.largest },
        tracking: Tracking::Untracked,
        template: Template::default(),
        back: false,
    });
}

/// A copy must not be fragmented, so that errors about it are not taken for the packet's own; one of a packet that came in
/// has one hop less, so that copies do not go round for ever.
fn set_copied(bytes: &mut [u8], came_in: bool) {
    let len = bytes.len();
    let mut packet = Packet::new(bytes, 0, len, LinkType::None);
    let Some(version) = packet.byte(0).map(|first| first >> 4) else { return };
    if came_in {
        let at = if version == 6 { ipv6::HOP_LIMIT_AT } else { ipv4::TTL_AT };
        if let (Some(ttl), Some(of)) = (packet.byte(at), packet.be16(ipv4::TTL_AT)) {
            // None has one more than all: `--iph->ttl`.
            let _ = packet.store(at, &[ttl.wrapping_sub(1)]);
            let change = packet.be16(ipv4::TTL_AT).map(|new| Delta::NONE.word(of, new));
            let sum = packet.be16(ipv4::CHECKSUM_AT).zip(change).map(|(sum, change)| change.apply(sum));
            if let (4, Some(sum)) = (version, sum) {
                let _ = packet.store(ipv4::CHECKSUM_AT, &sum.to_be_bytes());
            }
        }
    }
    if version == 4
        && let Some(flags) = packet.be16(6)
    {
        let new = flags | ipv4::FLAG_DONT_FRAGMENT;
        let change = Delta::NONE.word(flags, new);
        let sum = packet.be16(ipv4::CHECKSUM_AT).map(|sum| change.apply(sum));
        let _ = packet.store(6, &new.to_be_bytes());
        let _ = sum.is_some_and(|sum| packet.store(ipv4::CHECKSUM_AT, &sum.to_be_bytes()));
    }
}

/// Sets the identification of an IPv4 header that has 0.
fn set_identification(bytes: &mut [u8], id: [u8; 2]) {
    let len = bytes.len();
    let mut packet = Packet::new(bytes, 0, len, LinkType::None);
    let change = Delta::NONE.word(0, u16::from_be_bytes(id));
    let sum = packet.be16(ipv4::CHECKSUM_AT).map(|sum| change.apply(sum));
    let _ = packet.store(4, &id);
    let _ = sum.is_some_and(|sum| packet.store(ipv4::CHECKSUM_AT, &sum.to_be_bytes()));
}

/// A frame as it is out of a device.
fn frame(world: &mut World, flight: &Flight, device: IfIndex, bytes: Vec<u8>) {
    if flight.frame_depth > DEEPEST_FRAME {
        return;
    }
    if world.host.interface(device).is_some() {
        let (way, tracking, template) = (
            MadeWay::Frame { device, depth: flight.frame_depth + 1 },
            Tracking::default(),
            Template::default(),
        );
        world.make(Made { bytes, way, tracking, template, back: false });
    }
}

/// The packet itself out of a device (`nft_fwd_netdev_eval`, `nft_fwd_neigh_eval`).
pub(super) fn fwd(
    world: &mut World,
    flight: &Flight,
    device: IfIndex,
    neighbour: Option<IpAddr>,
    packet: &mut Packet<'_>,
) -> Outcome {
    if let Some(neighbour) = neighbour {
        let same_family = match neighbour {
            IpAddr::V4(_) => flight.info.l3 == L3::V4,
            IpAddr::V6(_) => flight.info.l3 == L3::V6,
        };
        if !same_family {
            return Outcome::Break;
        }
        if !rewrite::decrement_ttl(packet, flight.info.l3) {
            return decide(Decision::Drop);
        }
        transmit::address_frame(&world.host, packet, device, Some(neighbour));
    }
    if world.host.interface(device).is_some() {
        frame(world, flight, device, copy(packet));
    }
    decide(Decision::Stolen)
}

/// The first SYN and the ACK of a client (`nft_synproxy_eval_v4`, `nft_synproxy_eval_v6`).
pub(super) fn synproxy(
    world: &mut World,
    flight: &Flight,
    server: &ServerOffer,
    packet: &Packet<'_>,
) -> Option<Decision> {
    let (_, at) = flight.info.transport_header()?;
    let Some(header) = tcp::Header::read(packet, at) else { return Some(Decision::Drop) };
    let World { conntrack, now, .. } = &mut *world;
    let (made, back) = if header.has(flag::SYN) {
        (conntrack.synproxy_syn(*now, packet, &flight.info, server), true)
    } else if header.has(flag::ACK) {
        (conntrack.synproxy_ack(*now, packet, &flight.info), false)
    } else {
        return None;
    };
    let Some(bytes) = made else { return Some(Decision::Drop) };
    let tracking = match flight.tracking {
        Tracking::Flow(ct, _) if back => Tracking::Flow(ct, CtInfo::EstablishedReply),
        _ => Tracking::default(),
    };
    let template = Template { synproxy: !back, ..Template::default() };
    world.make(Made { bytes, way: MadeWay::Host, tracking, template, back });
    Some(Decision::Stolen)
}
