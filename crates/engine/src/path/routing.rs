//! Where a packet goes: whether it is this host's own, for this host, or for another.

use std::net::IpAddr;

use ironweir_wire::protocol::{ethertype, ipproto};
use ironweir_wire::{IfIndex, L3, LinkType, Packet, PacketType, ethernet, ipv4};

use super::{Step, Way, dropped};
use crate::flight::World;
use crate::route::{Found, Kind, Lookup};
use crate::{DropReason, Observer};

/// Where a packet from the wire goes.
pub(super) enum Target {
    Local,
    Forward { oif: IfIndex, nexthop: IpAddr, decrement: bool, mtu: u32 },
}

impl<O: Observer> Way<'_, O> {
    pub(super) fn route_out(&mut self, packet: &mut Packet<'_>, to: IpAddr, captured_on: IfIndex) {
        let host = &self.world.host;
        let local = host.local_interface(to);
        self.flight.local = local.is_some();
        if let Some(local) = local {
            packet.meta.oif = host.interface_by_name("lo").map_or(local, |lo| lo.index);
            return;
        }
        let route = self.way_out(packet, to, captured_on);
        packet.meta.oif = route.map_or(captured_on, |route| route.interface);
        self.flight.nexthop = Some(route.and_then(|route| route.gateway).unwrap_or(to));
        self.flight.route_mtu = route.map_or(0, |route| route.mtu);
    }

    /// The route of one of the host's own packets. An address of one link alone is on the link of the packet's interface.
    pub(super) fn way_out(&self, packet: &Packet<'_>, to: IpAddr, on: IfIndex) -> Option<crate::Route> {
        let host = &self.world.host;
        let from = self.addresses(packet).map(|(from, _)| from).filter(|from| !from.is_unspecified());
        let iif = host.interface_by_name("lo").map_or(IfIndex::NONE, |lo| lo.index);
        let oif = if is_scoped(to) { on } else { IfIndex::NONE };
        let lookup = Lookup { to, from, iif, oif, mark: packet.meta.mark };
        host.find_route(&lookup).route()
    }

    /// Whether the way back to a packet's source leads where it came from, as far as its interface asks
    /// (`__fib_validate_source`).
    fn comes_from_there(&self, from: IpAddr, to: IpAddr, packet: &Packet<'_>) -> bool {
        let host = &self.world.host;
        let Some(interface) = host.interface(packet.meta.iif) else { return true };
        let IpAddr::V4(source) = from else { return true };
        if interface.rp_filter == 0 || source.is_unspecified() || to.is_multicast() {
            return true;
        }
        let iif = host.interface_by_name("lo").map_or(IfIndex::NONE, |lo| lo.index);
        let back = Lookup { to: from, from: Some(to), iif, oif: IfIndex::NONE, mark: 0 };
        let Found::Route(route) = host.find_route(&back) else { return false };
        let numbered = interface.addresses.iter().any(|(own, _)| own.is_ipv4());
        route.interface == interface.index || (interface.rp_filter != 1 && numbered)
    }

    /// Where a packet from the wire goes (`ip_route_input_slow`, `ip6_route_input`).
    ///
    /// DIVERGES: no redirect is sent where a packet leaves by the interface it came in by.
    pub(super) fn route(&mut self, from: IpAddr, to: IpAddr, packet: &mut Packet<'_>) -> Step<Target> {
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
            return Ok(Target::Forward { oif, nexthop: to, decrement: !group, mtu: 0 });
        }
        let martian = match (from, to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                from.is_multicast()
                    || from.is_broadcast()
                    || from.is_loopback()
                    || host.local_interface(from.into()).is_some()
                    || (from.is_unspecified() && !group)
                    || to.is_loopback()
                    // The rest of 0.0.0.0/8 is like others (`ipv4_is_zeronet`, since Linux 5.3).
                    || to.is_unspecified()
            }
            // Looked at before the first hook; an own address for a source is let pass.
            (IpAddr::V6(_), IpAddr::V6(_)) => false,
            _ => true,
        };
        if !self.on_loopback(packet) && martian {
            return dropped(DropReason::Martian);
        }
        if !self.on_loopback(packet) && !self.comes_from_there(from, to, packet) {
            return dropped(DropReason::Martian);
        }
        self.options(packet)?;
        let host = &self.world.host;
        // DIVERGES: groups that no program has joined are received, too.
        if group || host.local_interface(to).is_some() || host.is_anycast(to) {
            return Ok(Target::Local);
        }
        let forwarding = if to.is_ipv4() { host.forwarding_v4 } else { host.forwarding_v6 };
        if !forwarding {
            // IPv6 tells that there is no route even so (`ip6_pkt_discard`); IPv4 does not (`ip_error`).
            if to.is_ipv6() && host.route(to).is_none() {
                self.no_route(packet);
            }
            return dropped(DropReason::ForwardingOff);
        }
        if packet.meta.packet_type != PacketType::Host {
            return dropped(DropReason::OtherHost);
        }
        let (iif, mark) = (packet.meta.iif, packet.meta.mark);
        let oif = if is_scoped(to) { iif } else { IfIndex::NONE };
        match host.find_route(&Lookup { to, from: Some(from), iif, oif, mark }) {
            Found::Route(route) if route.interface != packet.meta.iif && is_scoped(from) => {
                // `ip6_forward`: beyond the scope of the source.
                self.tell(packet, 1, 2, [0; 4]);
                dropped(DropReason::Martian)
            }
            Found::Route(route) => Ok(Target::Forward {
                oif: route.interface,
                nexthop: route.gateway.unwrap_or(to),
                decrement: true,
                mtu: route.mtu,
            }),
            Found::Refused(Kind::Blackhole) => dropped(DropReason::NoRoute),
            Found::Refused(kind) => {
                self.no_way(packet, kind);
                dropped(DropReason::NoRoute)
            }
            Found::Nothing => {
                self.no_route(packet);
                dropped(DropReason::NoRoute)
            }
        }
    }

    /// IPv6 addresses that never come over a wire (`ip6_rcv_core`).
    pub(super) fn may_be_on_wire(&self, packet: &Packet<'_>) -> Step {
        let Some((IpAddr::V6(from), IpAddr::V6(to))) = self.addresses(packet) else { return Ok(()) };
        if self.world.host.forward_to.is_some() {
            return Ok(());
        }
        let scope = to.is_multicast().then(|| to.octets()[1] & 15);
        let loopback = from.is_loopback() || to.is_loopback() || scope == Some(1);
        let mapped = from.to_ipv4_mapped().is_some();
        if (loopback && !self.on_loopback(packet)) || scope == Some(0) || from.is_multicast() || mapped {
            return dropped(DropReason::Martian);
        }
        Ok(())
    }

    /// IPv6 sources that no router passes on to another link (`ip6_forward`).
    pub(super) fn may_leave_its_link(&mut self, packet: &Packet<'_>) -> Step {
        let Some((IpAddr::V6(from), _)) = self.addresses(packet) else { return Ok(()) };
        if self.world.host.forward_to.is_some() {
            return Ok(());
        }
        if from.is_unicast_link_local() {
            // Beyond the scope of its source (RFC 4443 §3.1).
            self.tell(packet, 1, 2, [0; 4]);
        }
        if from.is_unicast_link_local() || from.is_unspecified() || from.is_loopback() {
            return dropped(DropReason::Martian);
        }
        Ok(())
    }

    fn on_loopback(&self, packet: &Packet<'_>) -> bool {
        let interface = self.world.host.interface(packet.meta.iif);
        interface.is_some_and(|interface| interface.kind == crate::context::LOOPBACK)
    }

    /// Whether a packet must be refused for its size.
    ///
    /// DIVERGES: TCP and UDP packets over the MTU are taken for several that the receiving card had put together (GRO),
    /// which the kernel takes apart again; it knows, a capture does not.
    pub(super) fn is_too_big(&self, packet: &Packet<'_>, oif: IfIndex) -> bool {
        if self.world.host.forward_to.is_some() {
            return false;
        }
        let mtu = self.mtu(oif);
        let v4 = self.flight.info.l3 == L3::V4;
        let merged = matches!(self.flight.info.l4proto, Some(ipproto::TCP | ipproto::UDP))
            && !self.flight.info.is_fragment()
            && !self.world.host.live;
        if packet.network_len() <= mtu || merged || (v4 && !must_not_be_cut(packet)) {
            return false;
        }
        // What came in fragments leaves in fragments, which are no longer than they were.
        self.flight.largest == 0 || self.flight.largest > mtu
    }

    /// Bytes of the largest packet that goes out of an interface, by the packet's route.
    pub(super) fn mtu(&self, oif: IfIndex) -> usize {
        let interface = self.world.host.interface(oif).map_or(u32::MAX, |interface| interface.mtu);
        let mtu = match self.flight.route_mtu {
            0 => interface,
            route => route.min(interface),
        };
        // `ip6_dst_mtu_maybe_forward`: every link carries as much.
        if self.flight.info.l3 == L3::V6 { mtu.max(1280) as usize } else { mtu as usize }
    }

    /// Addresses that may not be on a wire, by which IPv6 drops a packet before prerouting (`ip6_rcv_core`).
    pub(super) fn is_refused_v6(&self, packet: &Packet<'_>) -> bool {
        let Some((IpAddr::V6(from), IpAddr::V6(to))) = self.addresses(packet) else { return false };
        let [_, second, ..] = to.octets();
        // Groups of this interface alone, and of a scope that is reserved.
        let scope = to.is_multicast().then_some(second & 0x0f);
        self.world.host.forward_to.is_none()
            && !self.came_by_loopback(packet)
            && (from.is_loopback() || to.is_loopback() || from.is_multicast() || matches!(scope, Some(0 | 1)))
    }

    /// Tells the sender that its packet's TTL is used up.
    pub(super) fn time_exceeded(&mut self, packet: &Packet<'_>) {
        let kind = if self.flight.info.l3 == L3::V6 { 3 } else { 11 };
        self.tell(packet, kind, 0, [0; 4]);
    }

    /// Tells the sender how large a packet the link out of `oif` carries.
    pub(super) fn too_big(&mut self, packet: &Packet<'_>, oif: IfIndex) {
        let mtu = u32::try_from(self.mtu(oif)).unwrap_or(0);
        if self.flight.info.l3 == L3::V6 {
            self.tell(packet, 2, 0, mtu.to_be_bytes());
        } else {
            let [a, b] = (mtu as u16).to_be_bytes();
            self.tell(packet, 3, 4, [0, 0, a, b]);
        }
    }

    /// Tells the sender that a route or rule refuses his packet (`ip_error`, `ip6_pkt_discard`, `ip6_pkt_prohibit`).
    fn no_way(&mut self, packet: &Packet<'_>, kind: Kind) {
        let v4 = self.flight.info.l3 == L3::V4;
        match kind {
            Kind::Prohibit if v4 => self.route_error(packet, 3, 13),
            Kind::Prohibit => self.route_error(packet, 1, 1),
            _ if v4 => self.route_error(packet, 3, 1),
            _ => self.route_error(packet, 1, 0),
        }
    }

    /// Tells the sender that no route leads to his destination (`ip_error`, `ip6_pkt_discard`).
    pub(super) fn no_route(&mut self, packet: &Packet<'_>) {
        let kind = if self.flight.info.l3 == L3::V4 { 3 } else { 1 };
        self.route_error(packet, kind, 0);
    }

    fn route_error(&mut self, packet: &Packet<'_>, kind: u8, code: u8) {
        let v4 = self.flight.info.l3 == L3::V4;
        if v4 && let Some((from, _)) = self.addresses(packet) {
            let World { icmp_limits, now, .. } = &mut *self.world;
            if !icmp_limits.allow_route_error(*now, from) {
                return;
            }
        }
        self.tell(packet, kind, code, [0; 4]);
    }

    /// An ICMP error of the host's own.
    pub(super) fn tell(&mut self, packet: &Packet<'_>, kind: u8, code: u8, rest: [u8; 4]) {
        if self.world.host.forward_to.is_none() {
            crate::context::icmp_error(self.world, &self.flight, packet, kind, code, rest);
        }
    }

    /// Whether the packet was sent by this host: its source is the host's, and nothing speaks against it.
    pub(super) fn is_own(&self, packet: &Packet<'_>) -> bool {
        if packet.meta.packet_type == PacketType::Outgoing {
            return true;
        }
        if self.world.host.live {
            return false;
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
    pub(super) fn classify(&self, packet: &mut Packet<'_>) {
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
}

/// Whether the don't-fragment bit is set.
pub(super) fn must_not_be_cut(packet: &Packet<'_>) -> bool {
    packet.be16(packet.network() + 6).is_none_or(|flags| flags & ipv4::FLAG_DONT_FRAGMENT != 0)
}

/// Whether an address means something on one link alone (IPv6 link-local).
fn is_scoped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.segments()[0] & 0xffc0 == 0xfe80)
}
