//! The last step of a packet that leaves: its link header.

use std::net::IpAddr;

use ironweir_wire::{IfIndex, LinkType, Packet};

use crate::Host;

/// Writes the Ethernet addresses of a packet that leaves by `oif` to `nexthop`, as far as they are known: without a
/// neighbour entry the destination stays as it came.
pub(crate) fn address_frame(host: &Host, packet: &mut Packet<'_>, oif: IfIndex, nexthop: Option<IpAddr>) {
    let mac = nexthop.and_then(|hop| host.neighbour(oif, hop));
    write_addresses(host, packet, oif, mac);
}

/// As [`address_frame`], the destination's address being known already.
pub(crate) fn write_addresses(host: &Host, packet: &mut Packet<'_>, oif: IfIndex, mac: Option<[u8; 6]>) {
    if packet.link() != LinkType::Ethernet {
        return;
    }
    if let Some(mac) = mac {
        let _ = packet.store(0, &mac);
    }
    if let Some(interface) = host.interface(oif)
        && interface.mac != [0; 6]
    {
        let _ = packet.store(6, &interface.mac);
    }
}
