//! Packets made here for the one at work: answers of rules and of the host, copies, the steps of synproxy. They leave as the
//! host's own packets do, through output and postrouting.

use ironweir_conntrack::{CtInfo, ProxyVerdict, Template, Tracking};
use ironweir_ruleset::{Family, Hook};
use ironweir_wire::checksum::Sum;
use ironweir_wire::fragment::Pieces;
use ironweir_wire::protocol::{ethertype, ipproto};
use ironweir_wire::tcp::{self, flag};
use ironweir_wire::{Address, IfIndex, L3, LinkType, Packet, PacketInfo, PacketType, VlanTag};

use super::{Step, Way, dropped};
use crate::flight::{Course, Flight, Made, MadeWay, World};
use crate::generation::Generation;
use crate::{Disposition, DropReason, Observer, Output};

/// How many packets may be made for one.
const MOST_MADE: usize = 16;
/// How many packets may be made one for the other: synproxy's are two deep.
const DEEPEST: u8 = 4;

/// How many copies rules may make of a packet, those of copies included.
///
/// DIVERGES: the kernel makes as many as rules say.
const MOST_COPIES: u32 = 64;

/// Sends the copy that a rule has just made of `like`, which goes on to the next rule behind it (`nf_dup_ipv4`,
/// `nf_do_netdev_egress`). `depth` is the packet's.
pub(crate) fn send_now<O: Observer>(
    generation: &Generation,
    world: &mut World,
    observer: &mut O,
    depth: u8,
    like: &Packet<'_>,
) {
    world.copies += 1;
    if world.copies > MOST_COPIES {
        world.made.clear();
        return;
    }
    Way::new(generation, world, observer, Flight::default(), depth).send_made(like);
}

impl<O: Observer> Way<'_, O> {
    /// Sends what rules made while the packet was at work. `like` is that packet.
    pub(super) fn send_made(&mut self, like: &Packet<'_>) {
        for _ in 0..MOST_MADE {
            let Some(made) = self.world.made.pop_front() else { return };
            self.originate(made, like);
        }
        self.world.made.clear();
    }

    /// Sends one packet (`ip_local_out`, `ip6_local_out`).
    pub(super) fn originate(&mut self, made: Made, like: &Packet<'_>) {
        if self.depth >= DEEPEST {
            return;
        }
        let framed =
            if let MadeWay::Frame { .. } = made.way { Some(made.bytes.clone()) } else { framed(&made, like) };
        let Some(mut bytes) = framed else { return };
        let link = like.link();
        let len = bytes.len();
        let mut packet = Packet::new(&mut bytes, 0, len, link);
        packet.meta.packet_type = PacketType::Host;
        let flight = Flight {
            tracking: made.tracking,
            template: made.template,
            is_copy: matches!(made.way, MadeWay::Copy { .. }),
            ..Flight::default()
        };
        let depth = self.depth + 1;
        let mut way = Way::new(self.generation, &mut *self.world, &mut *self.observer, flight, depth);
        way.given = made.tracking.flow().is_some();
        let sound = way.parse(&mut packet).is_ok();
        way.flight.partial = made.way == MadeWay::Host && is_partial(&packet, &way.flight.info);
        if !sound && !matches!(made.way, MadeWay::Frame { .. }) {
            return;
        }
        if let MadeWay::Copy { largest, .. } = made.way {
            way.flight.largest = largest;
            way.flight.recut = largest > 0;
            // Its fragments are its packet's, and so none of its own (`skb_shared`): it is cut anew.
            way.pieces = Pieces { largest, ..Pieces::default() };
        }
        let mut end = match made.way {
            MadeWay::Host | MadeWay::Copy { .. } => way.as_hosts_own(&made, &mut packet, like),
            MadeWay::Frame { device, depth } => {
                way.flight.frame_depth = depth;
                packet.meta.oif = device;
                way.egress(&mut packet, device).map(|()| device)
            }
            MadeWay::Device => way.egress(&mut packet, like.meta.iif).map(|()| like.meta.iif),
            MadeWay::Bridge => way.out_of_bridge(&mut packet, like.meta.iif),
        };
        if way.flight.recut
            && let Ok(oif) = end
        {
            way.flight.recut = false;
            end = way.cut_copy(&mut packet, oif).map(|()| oif);
        }
        // A connection it began itself and did not enter into the table; one it was given is its giver's.
        if !way.given
            && !way.parked
            && let Some((ct, _)) = way.flight.tracking.flow()
        {
            way.world.conntrack.release(ct);
        }
        let (next_hop, addressed) = (way.flight.nexthop, way.flight.addressed);
        if end == Err(Disposition::Local) {
            way.deliver(&packet);
        }
        if way.flight.partial && packet.len() == len {
            complete(&mut packet, &way.flight.info);
        }
        // The last fragment lies where the whole was.
        let cut = (packet.len() != len).then(|| packet.head().to_vec());
        if let Some(cut) = cut {
            bytes = cut;
        }
        if let Ok(oif) = end {
            if let Some(tag) = like.meta.vlan.filter(|_| made.way == MadeWay::Bridge) {
                put_tag(&mut bytes, tag);
            }
            let ethernet = link == LinkType::Ethernet;
            self.world.send(Output { oif, bytes, ethernet, next_hop, addressed });
        }
    }

    /// Cuts the copy of a datagram that came in fragments. The bit that forbids it is for others.
    fn cut_copy(&mut self, packet: &mut Packet<'_>, oif: IfIndex) -> Step {
        let mut bytes = packet.head().to_vec();
        let len = bytes.len();
        let mut datagram = Packet::new(&mut bytes, 0, len, packet.link());
        datagram.meta = packet.meta;
        if self.parse(&mut datagram).is_err() {
            return dropped(DropReason::Fragment);
        }
        let flags = datagram.network() + 6;
        if self.flight.info.l3 == L3::V4
            && let Some(first) = datagram.byte(flags)
        {
            let _ = datagram.store(flags, &[first & !0x40]);
        }
        self.fragment(packet, &datagram, true, oif)
    }

    fn as_hosts_own(&mut self, made: &Made, packet: &mut Packet<'_>, like: &Packet<'_>) -> Step<IfIndex> {
        let Some((_, to)) = self.addresses(packet) else { return dropped(DropReason::UnknownProtocol) };
        // Without knowledge of a host: where the packet at work came from, or where it was to go.
        let (iif, oif) = (like.meta.iif, like.meta.oif);
        let fallback = if (made.back && iif.is_some()) || !oif.is_some() { iif } else { oif };
        let host = &self.world.host;
        let wants_route = !matches!(made.way, MadeWay::Copy { .. }) && host.forward_to.is_none();
        if wants_route && host.local_interface(to).is_none() && self.way_out(packet, to, fallback).is_none() {
            return dropped(DropReason::NoRoute);
        }
        match made.way {
            MadeWay::Copy { device, gateway, .. } => {
                let via = gateway.unwrap_or(to);
                self.route_out(packet, via, fallback);
                if device.is_some() {
                    packet.meta.oif = device;
                }
                self.flight.nexthop = Some(self.flight.nexthop.unwrap_or(via));
            }
            _ => self.route_out(packet, to, fallback),
        }
        self.flight.course = Course::Out(to, fallback);
        self.hook(Hook::Output, packet)?;
        match self.leave(packet, to)? {
            Disposition::Sent { oif } => Ok(oif),
            end => Err(end),
        }
    }

    fn out_of_bridge(&mut self, packet: &mut Packet<'_>, port: IfIndex) -> Step<IfIndex> {
        let hooks = &self.generation.bridge;
        packet.meta.oif = port;
        self.call(hooks.list(Hook::Output), Hook::Output, Family::Bridge, packet)?;
        self.call(hooks.list(Hook::Postrouting), Hook::Postrouting, Family::Bridge, packet)?;
        self.egress(packet, port)?;
        Ok(port)
    }

    /// A packet of a connection that a synproxy opened, at the end of input and postrouting.
    pub(super) fn synproxy(&mut self, packet: &mut Packet<'_>) -> Step {
        let Some((ct, info)) = self.flight.tracking.flow() else { return Ok(()) };
        if !self.world.conntrack.is_proxied(ct) || self.came_by_loopback(packet) {
            return Ok(());
        }
        let now = self.world.now;
        let to_server = |bytes, synproxy| Made {
            bytes,
            way: MadeWay::Host,
            tracking: Tracking::default(),
            template: Template { synproxy, ..Template::default() },
            back: !synproxy,
        };
        match self.world.conntrack.synproxy_hook(now, packet, &self.flight.info, ct, info) {
            ProxyVerdict::Pass => Ok(()),
            ProxyVerdict::Drop => dropped(DropReason::Synproxy),
            ProxyVerdict::Again(syn) => {
                self.originate(to_server(syn, true), packet);
                Err(Disposition::Stolen)
            }
            ProxyVerdict::Open { server, client, offset } => {
                self.originate(to_server(server, false), packet);
                self.world.conntrack.synproxy_open(ct, offset);
                let client = Made {
                    bytes: client,
                    way: MadeWay::Host,
                    tracking: Tracking::Flow(ct, CtInfo::EstablishedReply),
                    template: Template::default(),
                    back: false,
                };
                self.originate(client, packet);
                Err(Disposition::Stolen)
            }
        }
    }
}

/// Whether the kernel leaves the checksum of a packet that it makes to the last step: TCP of synproxy, and resets for IPv4
/// (`synproxy_send_tcp`, `nf_reject_ip_tcphdr_put`; `nf_reject_ip6_tcphdr_put` does not).
fn is_partial(packet: &Packet<'_>, info: &PacketInfo) -> bool {
    let Some((ipproto::TCP, at)) = info.transport_header() else { return false };
    info.l3 == L3::V4 || tcp::Header::read(packet, at).is_some_and(|header| !header.has(flag::RST))
}

/// Makes the TCP checksum that was left to the last step (`skb_checksum_help`): over what rules have made of the packet, and
/// never 0.
pub(super) fn complete(packet: &mut Packet<'_>, info: &PacketInfo) {
    let (at, len) = (info.transport, info.transport_len());
    let n = info.network;
    let ends = match info.l3 {
        L3::V4 => {
            packet.array(n + 12).zip(packet.array(n + 16)).map(|(a, b)| (Address::v4(a), Address::v4(b)))
        }
        _ => packet.array(n + 8).zip(packet.array(n + 24)).map(|(a, b)| (Address(a), Address(b))),
    };
    let Some((from, to)) = ends else { return };
    if !packet.store(at + tcp::CHECKSUM_AT, &[0, 0]) {
        return;
    }
    let sum = Sum::ZERO.pseudo(info.l3, &from, &to, len, ipproto::TCP).packet(packet, at, len);
    let sum = sum.map_or(0, Sum::finish);
    let _ = packet.store(at + tcp::CHECKSUM_AT, &(if sum == 0 { 0xffff } else { sum }).to_be_bytes());
}

/// The packet with the link header of `like`, turned round where it goes back.
fn framed(made: &Made, like: &Packet<'_>) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(made.bytes.len() + 14);
    if like.link() == LinkType::Ethernet {
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5] = like.array::<12>(0)?;
        if made.back {
            bytes.extend([s0, s1, s2, s3, s4, s5, d0, d1, d2, d3, d4, d5]);
        } else {
            bytes.extend([d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5]);
        }
        let protocol = if made.bytes.first()? >> 4 == 6 { ethertype::IPV6 } else { ethertype::IPV4 };
        bytes.extend(protocol.to_be_bytes());
    }
    bytes.extend(&made.bytes);
    Some(bytes)
}

/// Puts the tag of the packet at work on an answer that leaves as a frame (`nft_reject_br_push_etherhdr`).
fn put_tag(frame: &mut Vec<u8>, tag: VlanTag) {
    let [a, b] = tag.protocol.to_be_bytes();
    let [c, d] = tag.tci.to_be_bytes();
    if frame.len() >= 12 {
        frame.splice(12..12, [a, b, c, d]);
    }
}
