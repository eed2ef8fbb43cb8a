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

mod around;
mod fragments;
mod hooks;
mod made;
pub(crate) mod options;
mod queue;
mod routing;

use std::net::IpAddr;

use ironweir_conntrack::CtInfo;
use ironweir_ruleset::{Family, Hook};
use ironweir_wire::fragment::Pieces;
use ironweir_wire::protocol::ethertype;
use ironweir_wire::{IfIndex, L3, Packet, PacketInfo, PacketType, dissect, ethernet, receive};

use self::routing::Target;
use crate::flight::{Course, Flight, World};
use crate::generation::Generation;
use crate::{Disposition, DropReason, Malformed, Observer, transmit};

/// A packet that does not go on; `Err` of each step.
type Step<T = ()> = Result<T, Disposition>;

/// One packet on its way.
struct Way<'a, O> {
    generation: &'a Generation,
    world: &'a mut World,
    observer: &'a mut O,
    flight: Flight,
    /// How many packets this one was made for, one for the other.
    depth: u8,
    /// It waits for a verdict, and its connection with it.
    parked: bool,
    /// Its connection is another packet's to forget.
    given: bool,
    /// The fragments it came in.
    pieces: Pieces,
}

pub(crate) use made::send_now;
pub(crate) use queue::resume;

/// Takes a packet all its way.
pub(crate) fn process<O: Observer>(
    generation: &Generation,
    world: &mut World,
    observer: &mut O,
    packet: &mut Packet<'_>,
) -> Disposition {
    let mut way = Way::new(generation, world, observer, Flight::default(), 0);
    let disposition = match way.enter(packet) {
        Ok(end) | Err(end) => end,
    };
    way.end(packet);
    disposition
}

/// Tells the sender of a packet that was to leave that its next hop is not there.
pub(crate) fn unreachable(generation: &Generation, world: &mut World, packet: &mut Packet<'_>) {
    let observer = &mut ();
    let mut way = Way::new(generation, world, observer, Flight::default(), 0);
    if way.parse(packet).is_err() {
        return;
    }
    let (kind, code) = if way.flight.info.l3 == L3::V6 { (1, 3) } else { (3, 1) };
    way.tell(packet, kind, code, [0; 4]);
    way.send_made(packet);
}

fn dropped<T>(reason: DropReason) -> Step<T> {
    Err(Disposition::Dropped(reason))
}

impl<'a, O: Observer> Way<'a, O> {
    fn new(
        generation: &'a Generation,
        world: &'a mut World,
        observer: &'a mut O,
        flight: Flight,
        depth: u8,
    ) -> Way<'a, O> {
        Way {
            generation,
            world,
            observer,
            flight,
            depth,
            parked: false,
            given: false,
            pieces: Pieces::default(),
        }
    }

    /// What is left to do for a packet at the end of its way.
    fn end(&mut self, packet: &mut Packet<'_>) {
        self.send_made(packet);
        self.world.copies = 0;
        self.world.next_hop = self.flight.nexthop;
        self.world.addressed = self.flight.addressed;
        // A new connection whose packet did not get through is forgotten.
        if let Some((ct, CtInfo::New | CtInfo::Related)) = self.flight.tracking.flow()
            && !self.parked
            && !self.given
        {
            self.world.conntrack.release(ct);
        }
        if packet.meta.vlan.is_some() {
            let _ = ethernet::put_vlan_tag(packet);
        }
    }
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
        if self.flight.recut {
            return Ok(());
        }
        let generation = self.generation;
        packet.meta.at_egress = true;
        // Rules do not know there where it came in (`nf_hook_egress`).
        let iif = std::mem::take(&mut packet.meta.iif);
        let passed = self.call(generation.egress(oif), Hook::Egress, Family::Netdev, packet);
        packet.meta.at_egress = false;
        packet.meta.iif = iif;
        passed
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
        // Its connection's place is on its way from memory while other things are looked at.
        let tracks = self.generation.hooks(self.flight.info.l3).is_some_and(|hooks| hooks.tracks);
        if tracks {
            self.world.conntrack.announce(packet, &self.flight.info);
        }
        // Without knowledge of a host, nobody else is one either.
        // A tagged frame is for a VLAN interface, and there is none (`__netif_receive_skb_core`).
        let other_vlan = packet.meta.vlan.is_some_and(|tag| tag.id() != 0);
        if (packet.meta.packet_type == PacketType::OtherHost || other_vlan)
            && self.world.host.forward_to.is_none()
        {
            return dropped(DropReason::OtherHost);
        }
        if self.is_refused_v6(packet) {
            return dropped(DropReason::Martian);
        }
        if receive(packet, &self.flight.info).is_err() {
            return dropped(DropReason::Malformed(Malformed::Ipv4Checksum));
        }
        if self.flight.info.l3 == L3::V6 {
            self.may_be_on_wire(packet)?;
        }
        if tracks {
            self.world.conntrack.approach();
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
                self.flight.local = true;
                self.hook(Hook::Input, packet)?;
                Ok(Disposition::Local)
            }
            Target::Forward { oif, nexthop, decrement, mtu } => {
                self.flight.route_mtu = mtu;
                self.forward(packet, oif, nexthop, decrement)
            }
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
        // The packet is quoted as it came: its TTL falls only once it is sure to go on.
        let at = packet.network() + if self.flight.info.l3 == L3::V6 { 7 } else { 8 };
        if decrement && packet.byte(at).is_none_or(|ttl| ttl <= 1) {
            self.time_exceeded(packet);
            return dropped(DropReason::TtlExceeded);
        }
        if packet.meta.iif != oif {
            self.may_leave_its_link(packet)?;
        }
        if self.is_too_big(packet, oif) {
            self.too_big(packet, oif);
            return dropped(DropReason::TooBig);
        }
        if decrement && !ironweir_wire::rewrite::decrement_ttl(packet, self.flight.info.l3) {
            return dropped(DropReason::TtlExceeded);
        }
        packet.meta.oif = oif;
        self.flight.nexthop = Some(nexthop);
        self.flight.course = Course::On(self.destination(packet));
        self.hook(Hook::Forward, packet)?;
        self.forwarded(packet)
    }

    /// The rest behind the forward hook.
    fn forwarded(&mut self, packet: &mut Packet<'_>) -> Step<Disposition> {
        self.forward_options(packet, packet.meta.oif);
        self.hook(Hook::Postrouting, packet)?;
        self.departed(packet)
    }

    /// The rest behind postrouting of a packet that is forwarded.
    fn departed(&mut self, packet: &mut Packet<'_>) -> Step<Disposition> {
        let oif = packet.meta.oif;
        let routed_to = if let Course::On(to) = self.flight.course { to } else { None };
        let nexthop = self.flight.nexthop.map(|nexthop| self.hop(nexthop, routed_to, packet));
        self.flight.addressed = transmit::address_frame(&self.world.host, packet, oif, nexthop);
        self.out(packet, oif)?;
        Ok(Disposition::Forwarded { oif, offloaded: false })
    }

    /// Out of an interface: cut into fragments if it is too long for it and may be cut (`ip_finish_output`), then past
    /// egress.
    fn out(&mut self, packet: &mut Packet<'_>, oif: IfIndex) -> Step {
        if self.world.host.live && !self.flight.recut && packet.network_len() > self.mtu(oif) {
            return self.cut(packet, oif);
        }
        self.egress(packet, oif)
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
        self.flight.course = Course::Out(to, captured_on);
        self.whole(Hook::Output, packet, |way, packet| way.leave(packet, to))
    }

    /// The host's own packet after output.
    fn leave(&mut self, packet: &mut Packet<'_>, to: IpAddr) -> Step<Disposition> {
        // NAT and chains of type route have routed it anew; where other rules wrote its destination it goes its old way.
        let to = if let Course::Out(to, _) = self.flight.course { to } else { to };
        self.flight.course = Course::Leaving(Some(to));
        self.hook(Hook::Postrouting, packet)?;
        self.left(packet)
    }

    /// The rest behind postrouting of the host's own packet.
    fn left(&mut self, packet: &mut Packet<'_>) -> Step<Disposition> {
        let oif = packet.meta.oif;
        let routed_to = if let Course::Leaving(to) = self.flight.course { to } else { None };
        if self.flight.local && !self.flight.is_copy {
            // Over the loopback interface back to this host, its connection still attached.
            packet.meta.iif = oif;
            packet.meta.oif = IfIndex::NONE;
            self.flight.course = Course::Back;
            self.hook(Hook::Prerouting, packet)?;
            return self.back(packet);
        }
        if self.depth > 0 || self.world.host.live {
            let hop = self.flight.nexthop.map(|hop| self.hop(hop, routed_to, packet));
            self.flight.addressed = transmit::address_frame(&self.world.host, packet, oif, hop);
        }
        self.out(packet, oif)?;
        Ok(Disposition::Sent { oif })
    }

    /// The rest behind prerouting of the host's own packet to itself.
    fn back(&mut self, packet: &mut Packet<'_>) -> Step<Disposition> {
        self.flight.local = true;
        self.hook(Hook::Input, packet)?;
        Ok(Disposition::Local)
    }

    fn destination(&self, packet: &Packet<'_>) -> Option<IpAddr> {
        self.addresses(packet).map(|(_, to)| to)
    }

    /// Whose Ethernet address a packet gets: a gateway's, or on the link that of its destination as rules have left it
    /// (`ip_finish_output2`, `ip6_finish_output2`).
    fn hop(&self, nexthop: IpAddr, routed_to: Option<IpAddr>, packet: &Packet<'_>) -> IpAddr {
        let now = self.destination(packet).filter(|now| now.is_ipv4() == nexthop.is_ipv4());
        now.filter(|_| Some(nexthop) == routed_to).unwrap_or(nexthop)
    }

    fn addresses(&self, packet: &Packet<'_>) -> Option<(IpAddr, IpAddr)> {
        let at = packet.network();
        match self.flight.info.l3 {
            L3::V4 => Some((packet.array::<4>(at + 12)?.into(), packet.array::<4>(at + 16)?.into())),
            L3::V6 => Some((packet.array::<16>(at + 8)?.into(), packet.array::<16>(at + 24)?.into())),
            _ => None,
        }
    }
}
