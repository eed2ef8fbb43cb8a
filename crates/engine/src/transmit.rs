//! The last step of a packet that leaves: its link header.

use std::net::IpAddr;

use ironweir_wire::{IfIndex, LinkType, Packet};

use crate::Host;

/// Writes the Ethernet addresses of a packet that leaves by `oif` to `nexthop`, as far as they are known: without a
/// neighbour entry the destination stays as it came. Tells whether the destination's is written.
pub(crate) fn address_frame(
    host: &Host,
    packet: &mut Packet<'_>,
    oif: IfIndex,
    nexthop: Option<IpAddr>,
) -> bool {
    let known = |hop| host.neighbour(oif, hop).or_else(|| group(host, hop)).or_else(|| own(host, oif, hop));
    let mac = nexthop.and_then(known);
    write_addresses(host, packet, oif, mac)
}

/// The address of a station on an interface without ARP.
fn own(host: &Host, oif: IfIndex, to: IpAddr) -> Option<[u8; 6]> {
    let one = host.noarp && !to.is_multicast() && !host.is_broadcast(to);
    host.interface(oif).filter(|_| one).map(|interface| interface.mac)
}

/// The Ethernet address of a group (RFC 1112, RFC 2464) or of everybody.
fn group(host: &Host, to: IpAddr) -> Option<[u8; 6]> {
    if !host.live {
        return None;
    }
    match to {
        IpAddr::V4(v4) if v4.is_multicast() => {
            let [_, b, c, d] = v4.octets();
            Some([1, 0, 0x5e, b & 0x7f, c, d])
        }
        IpAddr::V6(v6) if v6.is_multicast() => {
            let [.., a, b, c, d] = v6.octets();
            Some([0x33, 0x33, a, b, c, d])
        }
        to => host.is_broadcast(to).then_some([0xff; 6]),
    }
}

/// As [`address_frame`], the destination's address being known already.
pub(crate) fn write_addresses(
    host: &Host,
    packet: &mut Packet<'_>,
    oif: IfIndex,
    mac: Option<[u8; 6]>,
) -> bool {
    if packet.link() != LinkType::Ethernet {
        return false;
    }
    if let Some(mac) = mac {
        store(packet, 0, mac);
    }
    if let Some(interface) = host.interface(oif)
        && interface.mac != [0; 6]
    {
        store(packet, 6, interface.mac);
    }
    mac.is_some()
}

/// Writes six bytes, which the head of nearly every packet has.
#[inline]
fn store(packet: &mut Packet<'_>, at: usize, mac: [u8; 6]) {
    match packet.head_mut().get_mut(at..).and_then(|bytes| bytes.first_chunk_mut()) {
        Some(place) => *place = mac,
        None => {
            let _ = packet.store(at, &mac);
        }
    }
}
