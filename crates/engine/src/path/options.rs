//! IPv4 options of packets that come from the wire (`ip_rcv_options`, `ip_forward_options`).

use std::net::{IpAddr, Ipv4Addr};

use ironweir_wire::options::{Compiled, Router, WrongOption, compile};
use ironweir_wire::{IfIndex, L3, Packet, ipv4};

use super::{Step, Way, dropped};
use crate::context::error_source;
use crate::flight::World;
use crate::{DropReason, Malformed, Observer};

/// The longest IPv4 header.
const LONGEST: usize = 60;
/// ICMP "parameter problem".
const PARAMETER_PROBLEM: u8 = 12;
const MILLISECONDS_OF_A_DAY: u64 = 86_400_000;

/// This host, for one packet.
pub(crate) struct Here<'a> {
    world: &'a World,
    towards_sender: [u8; 4],
}

impl<'a> Here<'a> {
    pub(crate) fn new(world: &'a World, packet: &Packet<'_>) -> Here<'a> {
        let address = error_source(world, packet, L3::V4);
        Here { world, towards_sender: address.map_or([0; 4], |address| address.as_v4()) }
    }
}

impl Router for Here<'_> {
    fn towards_sender(&self) -> [u8; 4] {
        self.towards_sender
    }

    fn is_other_station(&self, address: [u8; 4]) -> bool {
        let (v4, host) = (Ipv4Addr::from(address), &self.world.host);
        let is_special = v4.is_unspecified() || v4.is_broadcast() || v4.is_multicast();
        !is_special && host.local_interface(v4.into()).is_none() && !host.is_broadcast(v4.into())
    }

    fn time(&self) -> u32 {
        (self.world.now.millis() % MILLISECONDS_OF_A_DAY) as u32
    }
}

/// The IPv4 header of a packet if it has options.
pub(crate) fn header_with_options(packet: &Packet<'_>) -> Option<Vec<u8>> {
    let at = packet.network();
    let len = usize::from(packet.byte(at)? & 15) * 4;
    if len <= ipv4::HEADER_LEN || len > LONGEST {
        return None;
    }
    let mut scratch = [0; LONGEST];
    packet.load(at, len, &mut scratch).map(<[u8]>::to_vec)
}

impl<O: Observer> Way<'_, O> {
    /// Options are read, and written at once where they ask for it; source routes are refused (`accept_source_route` is off
    /// unless somebody turns it on for all interfaces).
    pub(super) fn options(&mut self, packet: &mut Packet<'_>) -> Step {
        if self.flight.info.l3 != L3::V4 {
            return Ok(());
        }
        let Some(mut header) = header_with_options(packet) else { return Ok(()) };
        let (compiled, sound) = compile(&mut header, &Here::new(self.world, packet));
        let _ = packet.store(packet.network(), &header);
        self.flight.options = compiled;
        match sound {
            Ok(()) if compiled.source_route => dropped(DropReason::Martian),
            Ok(()) => Ok(()),
            Err(WrongOption(at)) => {
                self.tell(packet, PARAMETER_PROBLEM, 0, [at, 0, 0, 0]);
                dropped(DropReason::Malformed(Malformed::Ipv4))
            }
        }
    }

    /// What a router writes into the options of a packet that leaves by `oif`, between forward and postrouting.
    pub(super) fn forward_options(&mut self, packet: &mut Packet<'_>, oif: IfIndex) {
        if self.flight.options == Compiled::default() {
            return;
        }
        let Some(mut header) = header_with_options(packet) else { return };
        let host = &self.world.host;
        let out = self.addresses(packet).and_then(|(_, to)| {
            let route = host.route(to).filter(|route| route.interface == oif);
            let hop = route.and_then(|route| route.gateway).unwrap_or(to);
            route.and_then(|route| route.source).or_else(|| host.source_address_towards(oif, hop))
        });
        let out = match out {
            Some(IpAddr::V4(out)) => out.octets(),
            _ => [0; 4],
        };
        if self.flight.options.forward(&mut header, out) {
            let _ = ipv4::set_checksum(&mut header);
        }
        let _ = packet.store(packet.network(), &header);
    }
}
