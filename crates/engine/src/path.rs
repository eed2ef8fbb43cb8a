//! The life of a packet, from the wire back to the wire: which hooks it meets in which order, and what the host does with
//! it in between.
//!
//! ```text
//!                 +- flowtable ------------------------------------------------------------+
//!                 |                                                                        v
//!  in -> ingress -+-> prerouting -> route -> ttl -> forward -> postrouting -> egress -> out
//!                                    |                         ^
//!                                    v                         |
//!                                  input -> local     local -> route -> output
//! ```

use std::net::IpAddr;

use ironweir_conntrack::defrag::Fragment;
use ironweir_conntrack::track::{Confirm, PacketIn};
use ironweir_conntrack::{self as conntrack, Manip, NatVerdict, Status, Tracking};
use ironweir_ruleset::{Family, Hook};
use ironweir_wire::fragment::split;
use ironweir_wire::protocol::{ethertype, ipproto};
use ironweir_wire::{
    IfIndex, L3, LinkType, Meta, Packet, PacketInfo, PacketType, dissect, dissect_network, ethernet, receive,
};

use crate::context::Context;
use crate::evaluate::{Judgement, evaluate};
use crate::flight::{Flight, World};
use crate::generation::{Generation, Stage};
use crate::{ChainId, Disposition, DropReason, Malformed, Observer, Output, flowtable, transmit};

/// How often a chain may ask for the packet to be evaluated once more.
///
/// DIVERGES: the kernel obeys for ever.
const MOST_REPEATS: usize = 8;

/// A packet that does not go on; `Err` of each step.
type Step<T = ()> = Result<T, Disposition>;

/// One packet on its way.
struct Way<'a, O> {
    generation: &'a Generation,
    world: &'a mut World,
    observer: &'a mut O,
    flight: Flight,
}

/// Takes a packet all its way.
pub(crate) fn process<O: Observer>(
    generation: &Generation,
    world: &mut World,
    observer: &mut O,
    packet: &mut Packet<'_>,
) -> Disposition {
    let mut way = Way { generation, world, observer, flight: Flight::default() };
    let disposition = match way.enter(packet) {
        Ok(end) | Err(end) => end,
    };
    // A new connection whose packet did not get through is forgotten.
    if let Some((ct, _)) = way.flight.tracking.flow() {
        way.world.conntrack.release(ct);
    }
    if packet.meta.vlan.is_some() {
        let _ = ethernet::put_vlan_tag(packet);
    }
    disposition
}

fn dropped<T>(reason: DropReason) -> Step<T> {
    Err(Disposition::Dropped(reason))
}

impl<O: Observer> Way<'_, O> {
    /// From the wire, or from a program of this host.
    fn enter(&mut self, packet: &mut Packet<'_>) -> Step<Disposition> {
        ethernet::take_vlan_tag(packet);
        let mut parsed = self.parse(packet);
        if parsed == Err(ironweir_wire::Malformed::Link) {
            return dropped(DropReason::Malformed(Malformed::Link));
        }
        if self.is_own(packet) {
            return self.local_out(packet);
        }
        self.classify(packet);
        self.ingress(packet)?;
        // A tag without VLAN only carries a priority; what it hides is looked at (`__netif_receive_skb_core`).
        while packet.meta.vlan.is_some_and(|tag| tag.id() == 0) && ethernet::is_vlan(packet.meta.protocol) {
            packet.meta.vlan = None;
            ethernet::take_vlan_tag(packet);
            parsed = self.parse(packet);
        }
        match (packet.meta.protocol, parsed) {
            (ethertype::ARP, _) => self.arp(packet),
            (ethertype::IPV4, Err(_)) => dropped(DropReason::Malformed(Malformed::Ipv4)),
            (ethertype::IPV6, Err(ironweir_wire::Malformed::Extension)) => self.bridge_or_ip(packet),
            (ethertype::IPV6, Err(_)) => dropped(DropReason::Malformed(Malformed::Ipv6)),
            (ethertype::IPV4 | ethertype::IPV6, Ok(_)) => self.bridge_or_ip(packet),
            _ => match self.world.host.interface(packet.meta.iif).and_then(|port| port.bridge) {
                Some(bridge) => self.bridge(packet, bridge),
                None => dropped(DropReason::UnknownProtocol),
            },
        }
    }

    /// Finds the packet's headers.
    fn parse(&mut self, packet: &mut Packet<'_>) -> Result<PacketInfo, ironweir_wire::Malformed> {
        let parsed = dissect(packet);
        self.flight.info = parsed.unwrap_or_else(|_| PacketInfo::unspecified(packet));
        if parsed == Err(ironweir_wire::Malformed::Extension) {
            // `ipv6_rcv` does not look at extension headers: rules see a packet of unknown transport.
            self.flight.info.l3 = L3::V6;
        }
        parsed
    }

    /// Ingress of the device: netdev chains, inet ingress chains and flowtables.
    fn ingress(&mut self, packet: &mut Packet<'_>) -> Step {
        let generation = self.generation;
        let list = generation.ingress(packet.meta.iif);
        self.call(list, Hook::Ingress, Family::Netdev, packet)
    }

    /// Egress of the device, then out.
    fn egress(&mut self, packet: &mut Packet<'_>, oif: IfIndex) -> Step {
        let generation = self.generation;
        self.call(generation.egress(oif), Hook::Egress, Family::Netdev, packet)
    }

    fn arp(&mut self, packet: &mut Packet<'_>) -> Step<Disposition> {
        // `arp_rcv`: addresses as long as Ethernet's and IPv4's, whatever the types say.
        let at = packet.network();
        if packet.be16(at + 4) != Some(0x0604) || packet.len() < at + 28 {
            return dropped(DropReason::Malformed(Malformed::Arp));
        }
        if let Some(bridge) = self.world.host.interface(packet.meta.iif).and_then(|port| port.bridge) {
            return self.bridge(packet, bridge);
        }
        let generation = self.generation;
        self.call(generation.arp.list(Hook::Input), Hook::Input, Family::Arp, packet)?;
        Ok(Disposition::Local)
    }

    fn bridge_or_ip(&mut self, packet: &mut Packet<'_>) -> Step<Disposition> {
        match self.world.host.interface(packet.meta.iif).and_then(|port| port.bridge) {
            Some(bridge) => self.bridge(packet, bridge),
            None => self.ip(packet),
        }
    }

    /// A frame that came in by a port of a bridge.
    ///
    /// DIVERGES: the bridge learns no addresses, and tracks no connections. Frames that are not for the bridge itself go to its next other port, of
    /// which a real bridge would know which one; groups are passed up only.
    fn bridge(&mut self, packet: &mut Packet<'_>, bridge: IfIndex) -> Step<Disposition> {
        let generation = self.generation;
        let hooks = &generation.bridge;
        self.call(hooks.list(Hook::Prerouting), Hook::Prerouting, Family::Bridge, packet)?;
        let own = self.world.host.interface(bridge).map(|bridge| bridge.mac);
        let to = ethernet::destination(packet);
        let to_group = to.is_some_and(|to| to[0] & 1 == 1);
        if to_group || to == own {
            self.call(hooks.list(Hook::Input), Hook::Input, Family::Bridge, packet)?;
            packet.meta.iif = bridge;
            packet.meta.packet_type = if to_group { packet.meta.packet_type } else { PacketType::Host };
            self.ingress(packet)?;
            return match packet.meta.protocol {
                ethertype::IPV4 | ethertype::IPV6 => self.ip(packet),
                ethertype::ARP => {
                    self.call(generation.arp.list(Hook::Input), Hook::Input, Family::Arp, packet)?;
                    Ok(Disposition::Local)
                }
                _ => dropped(DropReason::UnknownProtocol),
            };
        }
        let iif = packet.meta.iif;
        let is_other = |port: &&crate::Interface| port.bridge == Some(bridge) && port.index != iif;
        let Some(port) = self.world.host.interfaces().iter().find(is_other).map(|port| port.index) else {
            return dropped(DropReason::NoRoute);
        };
        packet.meta.oif = port;
        self.call(hooks.list(Hook::Forward), Hook::Forward, Family::Bridge, packet)?;
        self.call(hooks.list(Hook::Postrouting), Hook::Postrouting, Family::Bridge, packet)?;
        self.egress(packet, port)?;
        Ok(Disposition::Forwarded { oif: port, offloaded: false })
    }

    /// IP from the wire (`ip_rcv`, `ipv6_rcv`, and what follows).
    fn ip(&mut self, packet: &mut Packet<'_>) -> Step<Disposition> {
        // Without knowledge of a host, nobody else is one either.
        // A tagged frame is for a VLAN interface, and there is none (`__netif_receive_skb_core`).
        let other_vlan = packet.meta.vlan.is_some_and(|tag| tag.id() != 0);
        if (packet.meta.packet_type == PacketType::OtherHost || other_vlan)
            && self.world.host.forward_to.is_none()
        {
            return dropped(DropReason::OtherHost);
        }
        if receive(packet, &self.flight.info).is_err() {
            return dropped(DropReason::Malformed(Malformed::Ipv4Checksum));
        }
        self.whole(Hook::Prerouting, packet, |way, packet| way.routed(packet))
    }

    /// Where a packet goes that has passed prerouting.
    fn routed(&mut self, packet: &mut Packet<'_>) -> Step<Disposition> {
        let Some((from, to)) = self.addresses(packet) else {
            return dropped(DropReason::Malformed(Malformed::Ipv4));
        };
        match self.route(from, to, packet)? {
            Target::Local => {
                self.hook(Hook::Input, packet)?;
                Ok(Disposition::Local)
            }
            Target::Forward { oif, nexthop, decrement } => self.forward(packet, oif, nexthop, decrement),
        }
    }

    /// `ip_forward`, `ip6_forward`: the TTL falls before the forward hook.
    fn forward(
        &mut self,
        packet: &mut Packet<'_>,
        oif: IfIndex,
        nexthop: IpAddr,
        decrement: bool,
    ) -> Step<Disposition> {
        if decrement && !ironweir_wire::rewrite::decrement_ttl(packet, self.flight.info.l3) {
            self.time_exceeded(packet);
            return dropped(DropReason::TtlExceeded);
        }
        if self.is_too_big(packet, oif) {
            return dropped(DropReason::TooBig);
        }
        packet.meta.oif = oif;
        self.flight.nexthop = Some(nexthop);
        self.hook(Hook::Forward, packet)?;
        self.hook(Hook::Postrouting, packet)?;
        transmit::address_frame(&self.world.host, packet, oif, Some(nexthop));
        self.egress(packet, oif)?;
        Ok(Disposition::Forwarded { oif, offloaded: false })
    }

    /// A packet a program of this host sends: captured on its way out.
    fn local_out(&mut self, packet: &mut Packet<'_>) -> Step<Disposition> {
        let captured_on = packet.meta.iif;
        packet.meta.iif = IfIndex::NONE;
        packet.meta.packet_type = PacketType::Host;
        packet.meta.oif = captured_on;
        let generation = self.generation;
        if packet.meta.protocol == ethertype::ARP {
            self.call(generation.arp.list(Hook::Output), Hook::Output, Family::Arp, packet)?;
            self.egress(packet, captured_on)?;
            return Ok(Disposition::Sent { oif: captured_on });
        }
        let Some((_, to)) = self.addresses(packet) else {
            return dropped(DropReason::UnknownProtocol);
        };
        self.route_out(packet, to, captured_on);
        self.whole(Hook::Output, packet, |way, packet| way.leave(packet, to, captured_on))
    }

    /// The host's own packet after output.
    fn leave(&mut self, packet: &mut Packet<'_>, to: IpAddr, captured_on: IfIndex) -> Step<Disposition> {
        // Rules in output may have changed destination or mark: `ip_route_me_harder`.
        if let Some((_, now_to)) = self.addresses(packet)
            && now_to != to
        {
            self.route_out(packet, now_to, captured_on);
        }
        let oif = packet.meta.oif;
        self.hook(Hook::Postrouting, packet)?;
        if let Some((_, to)) = self.addresses(packet)
            && self.world.host.local_interface(to).is_some()
        {
            // Over the loopback interface back to this host, its connection still attached.
            packet.meta.iif = oif;
            packet.meta.oif = IfIndex::NONE;
            self.hook(Hook::Prerouting, packet)?;
            self.hook(Hook::Input, packet)?;
            return Ok(Disposition::Local);
        }
        self.egress(packet, oif)?;
        Ok(Disposition::Sent { oif })
    }

    fn route_out(&mut self, packet: &mut Packet<'_>, to: IpAddr, captured_on: IfIndex) {
        let host = &self.world.host;
        if let Some(local) = host.local_interface(to) {
            packet.meta.oif = host.interface_by_name("lo").map_or(local, |lo| lo.index);
            return;
        }
        let route = host.route(to);
        packet.meta.oif = route.map_or(captured_on, |route| route.interface);
        self.flight.nexthop = Some(route.and_then(|route| route.gateway).unwrap_or(to));
    }

    /// Where a packet from the wire goes (`ip_route_input_slow`, `ip6_route_input`).
    fn route(&self, from: IpAddr, to: IpAddr, packet: &Packet<'_>) -> Step<Target> {
        let host = &self.world.host;
        let group = to.is_multicast() || host.is_broadcast(to);
        if let Some(forward_to) = host.forward_to {
            if host.local_interface(to).is_some() {
                return Ok(Target::Local);
            }
            let iif = packet.meta.iif;
            let oif = if iif != forward_to {
                forward_to
            } else {
                let other = host.interfaces().iter().find(|interface| interface.index != forward_to);
                other.map_or(forward_to, |interface| interface.index)
            };
            return Ok(Target::Forward { oif, nexthop: to, decrement: !group });
        }
        let martian = match (from, to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                from.is_multicast()
                    || from.is_broadcast()
                    || from.is_loopback()
                    || (from.octets()[0] == 0 && !(from.is_unspecified() && group))
                    || to.is_loopback()
                    || to.octets()[0] == 0
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                from.is_multicast() || from.is_loopback() || to.is_loopback() || to.is_unspecified()
            }
            _ => true,
        };
        let on_loopback = host
            .interface(packet.meta.iif)
            .is_some_and(|interface| interface.kind == crate::context::LOOPBACK);
        if !on_loopback && (martian || host.local_interface(from).is_some()) {
            return dropped(DropReason::Martian);
        }
        // DIVERGES: groups that no program has joined are received, too.
        if group || host.local_interface(to).is_some() {
            return Ok(Target::Local);
        }
        let forwarding = if to.is_ipv4() { host.forwarding_v4 } else { host.forwarding_v6 };
        if !forwarding {
            return dropped(DropReason::ForwardingOff);
        }
        if packet.meta.packet_type != PacketType::Host {
            return dropped(DropReason::OtherHost);
        }
        match host.route(to) {
            Some(route) => Ok(Target::Forward {
                oif: route.interface,
                nexthop: route.gateway.unwrap_or(to),
                decrement: true,
            }),
            None => dropped(DropReason::NoRoute),
        }
    }

    /// Whether a packet must be refused for its size.
    ///
    /// DIVERGES: TCP and UDP packets over the MTU are taken for several that the receiving card had put together (GRO),
    /// which the kernel takes apart again; it knows, a capture does not.
    fn is_too_big(&self, packet: &Packet<'_>, oif: IfIndex) -> bool {
        if self.world.host.forward_to.is_some() {
            return false;
        }
        let mtu = self.world.host.interface(oif).map_or(usize::MAX, |interface| interface.mtu as usize);
        let merged = matches!(self.flight.info.l4proto, Some(ipproto::TCP | ipproto::UDP))
            && !self.flight.info.is_fragment();
        let may_fragment = self.flight.info.l3 == L3::V4
            && packet.be16(packet.network() + 6).is_some_and(|flags| flags & 0x4000 == 0);
        packet.network_len() > mtu && !merged && !may_fragment
    }

    fn time_exceeded(&mut self, packet: &Packet<'_>) {
        if self.world.host.forward_to.is_some() {
            return;
        }
        let info = self.flight.info;
        let Some(source) = crate::context::answer_source(self.world, packet, info.l3) else { return };
        let kind = if info.l3 == L3::V6 { 3 } else { 11 };
        let mut bytes = Vec::new();
        if ironweir_wire::reply::icmp_error(packet, &info, source, kind, 0, [0; 4], &mut bytes) {
            crate::context::answer(self.world, packet, bytes);
        }
    }

    /// Whether the packet was sent by this host: its source is the host's, and nothing speaks against it.
    fn is_own(&self, packet: &Packet<'_>) -> bool {
        if packet.meta.packet_type == PacketType::Outgoing {
            return true;
        }
        let from = if packet.meta.protocol == ethertype::ARP {
            // The sender's protocol address, for IPv4 over Ethernet.
            packet.array::<4>(packet.network() + 14).map(IpAddr::from)
        } else {
            self.addresses(packet).map(|(from, _)| from)
        };
        let Some(from) = from else { return false };
        if self.world.host.local_interface(from).is_none() {
            return false;
        }
        let interface = self.world.host.interface(packet.meta.iif);
        if interface.is_some_and(|interface| interface.kind == crate::context::LOOPBACK) {
            return true;
        }
        let mac = interface.map_or([0; 6], |interface| interface.mac);
        packet.link() == LinkType::None || mac == [0; 6] || ethernet::source(packet) == Some(mac)
    }

    /// For whom the frame is (`eth_type_trans`), unless the capture has said so.
    fn classify(&self, packet: &mut Packet<'_>) {
        if packet.link() != LinkType::Ethernet || packet.meta.packet_type != PacketType::Host {
            return;
        }
        let Some(to) = ethernet::destination(packet) else { return };
        let mac = self.world.host.interface(packet.meta.iif).map_or([0; 6], |interface| interface.mac);
        packet.meta.packet_type = match to {
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => PacketType::Broadcast,
            [first, ..] if first & 1 == 1 => PacketType::Multicast,
            to if mac != [0; 6] && to != mac => PacketType::OtherHost,
            _ => PacketType::Host,
        };
    }

    fn addresses(&self, packet: &Packet<'_>) -> Option<(IpAddr, IpAddr)> {
        let at = packet.network();
        match self.flight.info.l3 {
            L3::V4 => Some((packet.array::<4>(at + 12)?.into(), packet.array::<4>(at + 16)?.into())),
            L3::V6 => Some((packet.array::<16>(at + 8)?.into(), packet.array::<16>(at + 24)?.into())),
            _ => None,
        }
    }

    /// The first hook of the network protocol, and then `on`. A fragment goes no further than where fragments are put
    /// together; the last one of a datagram goes on as the whole datagram, and is cut again when it leaves
    /// (`nf_ct_defrag_user`, `ip_fragment`).
    fn whole(
        &mut self,
        hook: Hook,
        packet: &mut Packet<'_>,
        on: impl FnOnce(&mut Self, &mut Packet<'_>) -> Step<Disposition>,
    ) -> Step<Disposition> {
        let generation = self.generation;
        let list = generation.hooks(self.flight.info.l3).map_or(&[][..], |hooks| hooks.list(hook));
        let family = if self.flight.info.l3 == L3::V6 { Family::Ip6 } else { Family::Ip };
        let at = list.iter().position(|stage| *stage == Stage::Defragment);
        let Some(at) = at.filter(|_| self.flight.info.is_fragment()) else {
            self.call(list, hook, family, packet)?;
            return on(self, packet);
        };
        let (before, after) = list.split_at(at);
        self.call(before, hook, family, packet)?;
        let zone = self.flight.template.zone.id;
        let mut whole = match self.world.defrag.push(self.world.now, packet, zone) {
            Fragment::NotOne => {
                self.call(after, hook, family, packet)?;
                return on(self, packet);
            }
            Fragment::Held => return Err(Disposition::Stolen),
            Fragment::Dropped(_) => return dropped(DropReason::Fragment),
            Fragment::Whole(whole) => whole,
        };
        let largest = whole.largest;
        let mut datagram = whole.packet();
        datagram.meta = Meta { nftrace: datagram.meta.nftrace || packet.meta.nftrace, ..datagram.meta };
        let Ok(info) = dissect_network(&mut datagram) else { return dropped(DropReason::Fragment) };
        self.flight.info = info;
        self.call(after, hook, family, &mut datagram)?;
        let end = on(self, &mut datagram)?;
        if let Disposition::Forwarded { oif, .. } | Disposition::Sent { oif } = end {
            self.fragment(packet, &datagram, largest, oif);
        }
        packet.meta = datagram.meta;
        Ok(end)
    }

    /// Cuts a datagram again into fragments: all leave by themselves but the last, which takes the place of the fragment
    /// that completed it.
    fn fragment(&mut self, packet: &mut Packet<'_>, datagram: &Packet<'_>, largest: usize, oif: IfIndex) {
        let ethernet = datagram.link() == LinkType::Ethernet;
        let id = self.world.random();
        let mut parts: Vec<Vec<u8>> = Vec::new();
        let info = self.flight.info;
        if split(datagram, &info, largest, id, |bytes| parts.push(bytes.to_vec())) == 0 {
            let mut scratch = vec![0; datagram.len()];
            let all = datagram.load(0, datagram.len(), &mut scratch);
            parts.extend(all.map(<[u8]>::to_vec));
        }
        let Some(last) = parts.pop() else { return };
        for bytes in parts {
            self.world.send(Output { oif, bytes, ethernet });
        }
        if packet.replace(&last) {
            let _ = dissect(packet);
        } else {
            self.world.send(Output { oif, bytes: last, ethernet });
        }
    }

    /// Calls everything at a hook of the packet's network protocol.
    fn hook(&mut self, hook: Hook, packet: &mut Packet<'_>) -> Step {
        let generation = self.generation;
        let l3 = self.flight.info.l3;
        let Some(hooks) = generation.hooks(l3) else { return Ok(()) };
        let family = if l3 == L3::V6 { Family::Ip6 } else { Family::Ip };
        self.call(hooks.list(hook), hook, family, packet)
    }

    fn call(&mut self, stages: &[Stage], hook: Hook, family: Family, packet: &mut Packet<'_>) -> Step {
        for stage in stages {
            match *stage {
                Stage::Chain(id) => self.chain(id, hook, family, packet)?,
                // Done where the way is whole again: see `whole`.
                Stage::Defragment => {}
                Stage::Conntrack => self.track(hook, packet)?,
                Stage::Nat(manip) => self.nat(hook, manip, family, packet)?,
                Stage::Confirm => self.confirm()?,
                Stage::Flowtable(table, flowtable) => {
                    let id = (table, flowtable);
                    if let Some(oif) = flowtable::carry(self.world, &mut self.flight, id, packet) {
                        self.egress(packet, oif)?;
                        return Err(Disposition::Forwarded { oif, offloaded: true });
                    }
                }
            }
        }
        Ok(())
    }

    /// One base chain.
    fn chain(&mut self, id: ChainId, hook: Hook, family: Family, packet: &mut Packet<'_>) -> Step {
        let Some(its_family) = self.generation.family(id.table) else { return Ok(()) };
        // An inet chain at ingress sees IP only, and as such.
        let protocol_family = match (its_family, hook, self.flight.info.l3) {
            (Family::Inet, Hook::Ingress, L3::V4) => Family::Ip,
            (Family::Inet, Hook::Ingress, L3::V6) => Family::Ip6,
            (Family::Inet, Hook::Ingress, _) => return Ok(()),
            _ => family,
        };
        for _ in 0..MOST_REPEATS {
            let mut context = Context {
                world: &mut *self.world,
                observer: &mut *self.observer,
                flight: &mut self.flight,
                base: id,
                family: its_family,
                protocol_family,
                hook,
                packet_traced: false,
                failure: None,
            };
            return match evaluate(self.generation, &mut context, packet) {
                Judgement::Accept => Ok(()),
                Judgement::Drop(reason) => dropped(reason),
                Judgement::Stolen => Err(Disposition::Stolen),
                // Nobody listens to queues here: a packet that may pass then does.
                Judgement::Queue { bypass: true, .. } => Ok(()),
                Judgement::Queue { number, .. } => Err(Disposition::Queued { number }),
                Judgement::Repeat => continue,
            };
        }
        Ok(())
    }

    /// `nf_conntrack_in`.
    fn track(&mut self, hook: Hook, packet: &mut Packet<'_>) -> Step {
        if self.flight.tracking != Tracking::Invalid {
            return Ok(());
        }
        self.flight.template.local = hook == Hook::Output;
        let World { conntrack, now, .. } = &mut *self.world;
        match conntrack.packet_in(*now, packet, &self.flight.info, &self.flight.template) {
            PacketIn::Pass(tracking) => {
                self.flight.tracking = tracking;
                Ok(())
            }
            PacketIn::Drop(reason) => dropped(reason_of(reason)),
        }
    }

    /// `nf_nat_inet_fn`: the nat chains decide for the first packet of a connection, all packets are translated.
    fn nat(&mut self, hook: Hook, manip: Manip, family: Family, packet: &mut Packet<'_>) -> Step {
        let Some((ct, info)) = self.flight.tracking.flow() else { return Ok(()) };
        let icmp = matches!(self.flight.info.l4proto, Some(ipproto::ICMP | ipproto::ICMPV6));
        if !(info.is_related() && icmp) {
            if self.world.conntrack.nat_pending(ct, info, manip) {
                let generation = self.generation;
                let chains = generation.hooks(self.flight.info.l3).map_or(&[][..], |hooks| hooks.nat(hook));
                for chain in chains {
                    self.chain(*chain, hook, family, packet)?;
                    if !self.world.conntrack.nat_pending(ct, info, manip) {
                        break;
                    }
                }
                if self.world.conntrack.nat_pending(ct, info, manip)
                    && self.world.conntrack.nat_null_bind(ct, manip) == NatVerdict::Drop
                {
                    return dropped(DropReason::NatFull);
                }
            } else if hook == Hook::Postrouting
                && self.world.conntrack.masquerade_oif_changed(ct, info, packet.meta.oif.0)
            {
                self.world.conntrack.destroy(self.world.now, ct);
                return dropped(DropReason::Rerouted);
            }
        }
        match self.world.conntrack.nat_packet(packet, &self.flight.info, ct, info, manip) {
            NatVerdict::Accept => Ok(()),
            NatVerdict::Drop => dropped(DropReason::NatFull),
        }
    }

    /// `nf_conntrack_confirm`.
    fn confirm(&mut self) -> Step {
        let confirmed = |world: &World, tracking: Tracking| {
            let (ct, _) = tracking.flow()?;
            let entry = world.conntrack.entry(ct)?;
            let l4 = entry.tuple(conntrack::Direction::Original).l4;
            Some((entry.status().contains(Status::CONFIRMED), l4))
        };
        let before = confirmed(self.world, self.flight.tracking);
        match self.world.conntrack.confirm(self.world.now, self.flight.tracking) {
            Confirm::Pass(tracking) => {
                let same = tracking == self.flight.tracking;
                self.flight.tracking = tracking;
                if let (true, Some((false, l4)), Some((true, _))) =
                    (same, before, confirmed(self.world, tracking))
                {
                    self.observer.connection_new(l4);
                }
                Ok(())
            }
            Confirm::Drop(reason) => dropped(reason_of(reason)),
        }
    }
}

fn reason_of(reason: conntrack::DropReason) -> DropReason {
    match reason {
        conntrack::DropReason::TableFull => DropReason::TableFull,
        conntrack::DropReason::Clash => DropReason::Clash,
    }
}

/// Where a packet from the wire goes.
enum Target {
    Local,
    Forward { oif: IfIndex, nexthop: IpAddr, decrement: bool },
}
