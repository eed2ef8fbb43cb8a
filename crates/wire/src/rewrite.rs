//! Changing a packet's addresses, ports, ids and time to live, with the checksums that cover them.
//!
//! Checksums are updated by what changed (RFC 1624), never computed anew: a packet whose checksum was wrong
//! leaves with a checksum as wrong as before, so that its receiver still notices. Changes go through
//! [`Packet::store`], so segmented packets are not made linear.

use crate::address::L3;
use crate::checksum::Delta;
use crate::crc32c::Crc32c;
use crate::dissect::PacketInfo;
use crate::headers::Headers;
use crate::packet::Packet;
use crate::protocol::ipproto;
use crate::tuple::Tuple;
use crate::{icmp, ipv4, ipv6, tcp, udp};

/// Offset of the checksum in SCTP's common header (RFC 9260 §3.1).
const SCTP_CHECKSUM_AT: usize = 8;
/// Length of SCTP's common header.
const SCTP_HEADER_LEN: usize = 12;

/// One end of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// Source address and port.
    Source,
    /// Destination address and port.
    Destination,
}

/// Makes one end of the packet what it is in `target`: the address, and the port where the protocol has ports.
/// The id of an ICMP or ICMPv6 query becomes that of `target` whichever end is changed, for it belongs to both.
///
/// Works too for a packet quoted in an ICMP error, whose transport header may be cut short: what is not there is
/// not changed. Returns how the bytes from the network header on changed in sum, for a checksum that covers
/// them all (that of the ICMP error). `None` when a header needed is not there.
#[must_use]
pub fn set_end(packet: &mut Packet<'_>, headers: &Headers, end: End, target: &Tuple) -> Option<Delta> {
    pull(packet, headers);
    let mut edit = Edit { packet, changed: Delta::NONE };
    let address = edit.address(headers, end, target)?;
    match headers.l4 {
        ipproto::TCP => edit.ports(headers, end, target, address, tcp::CHECKSUM_AT, Delta::apply)?,
        ipproto::UDP => edit.ports(headers, end, target, address, udp::CHECKSUM_AT, Delta::apply_udp)?,
        ipproto::UDPLITE => edit.ports(headers, end, target, address, udp::CHECKSUM_AT, never_zero)?,
        ipproto::SCTP => edit.sctp(headers, end, target)?,
        ipproto::ICMP if headers.l3 == L3::V4 => edit.icmp(headers, target, Delta::NONE, icmp::v4::has_id)?,
        ipproto::ICMPV6 if headers.l3 == L3::V6 => edit.icmp(headers, target, address, icmp::v6::has_id)?,
        ipproto::GRE => edit.gre(headers, end, target)?,
        _ => {}
    }
    Some(edit.changed)
}

/// As [`set_end`], for TCP and UDP over IPv4 whose headers lie in the head of the packet: nearly all that is translated.
/// `address` and `port` stand as the wire has them. False, with nothing changed, for any other packet.
#[inline]
#[must_use]
pub fn set_end_in_head(
    packet: &mut Packet<'_>,
    info: &PacketInfo,
    end: End,
    address: [u8; 4],
    port: [u8; 2],
) -> bool {
    let (checksum_at, udp) = match info.l4proto {
        Some(ipproto::TCP) => (tcp::CHECKSUM_AT, false),
        Some(ipproto::UDP) => (udp::CHECKSUM_AT, true),
        _ => return false,
    };
    let checksum_end = info.transport.saturating_add(checksum_at + 2);
    if info.l3 != L3::V4 || info.fragment_offset != 0 || checksum_end > info.end {
        return false;
    }
    let (address_at, port_at) = match end {
        End::Source => (ipv4::SRC_AT, 0),
        End::Destination => (ipv4::DST_AT, 2),
    };
    packet.pull(info.transport + if udp { udp::HEADER_LEN } else { tcp::HEADER_LEN });
    let Some(headers) = packet.head_mut().get_mut(info.network..checksum_end) else { return false };
    let Some((network, transport)) = headers.split_at_mut_checked(info.transport.wrapping_sub(info.network))
    else {
        return false;
    };
    let Some(network) = network.first_chunk_mut::<{ ipv4::HEADER_LEN }>() else { return false };
    let (Some(old), Some(sum)) = (chunk(network, address_at), chunk(network, ipv4::CHECKSUM_AT)) else {
        return false;
    };
    let (Some(old_port), Some(check)) = (chunk(transport, port_at), chunk(transport, checksum_at)) else {
        return false;
    };
    let change = Delta::NONE.four(old, address);
    let sum = change.apply(u16::from_be_bytes(sum));
    let change = change.word(u16::from_be_bytes(old_port), u16::from_be_bytes(port));
    let check = u16::from_be_bytes(check);
    let check = if udp { change.apply_udp(check) } else { change.apply(check) };
    put(network, address_at, address);
    put(network, ipv4::CHECKSUM_AT, sum.to_be_bytes());
    put(transport, port_at, port);
    put(transport, checksum_at, check.to_be_bytes());
    true
}

#[inline]
fn chunk<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[inline]
fn put<const N: usize>(bytes: &mut [u8], at: usize, new: [u8; N]) {
    if let Some(place) = bytes.get_mut(at..).and_then(|bytes| bytes.first_chunk_mut()) {
        *place = new;
    }
}

/// What is made linear to be changed (`nf_nat_ipv4_manip_pkt`, `tcp_manip_pkt` and its like): a quote may end behind eight
/// bytes of its transport header.
fn pull(packet: &mut Packet<'_>, headers: &Headers) {
    let whole = match headers.l4 {
        ipproto::TCP => tcp::HEADER_LEN,
        ipproto::SCTP => SCTP_HEADER_LEN,
        ipproto::UDP | ipproto::UDPLITE | ipproto::ICMP | ipproto::ICMPV6 | ipproto::GRE => 8,
        _ => 0,
    };
    let there = if packet.len() < headers.transport + whole { whole.min(8) } else { whole };
    packet.pull(headers.transport + there);
}

/// Bytes of a GRE header that NAT asks for, whatever its version.
const GRE_LEN: usize = 8;
/// Bits of the first word of a GRE header that say its version.
const GRE_VERSION: u16 = 7;
/// Offset of the receiver's call id in the GRE header of PPTP (RFC 2637 §4.1).
const GRE_CALL_ID_AT: usize = 6;

/// Applies a change of what an ICMP or ICMPv6 message quotes to the message's own checksum.
#[must_use]
pub fn amend_icmp(packet: &mut Packet<'_>, headers: &Headers, change: Delta) -> bool {
    let at = headers.transport + icmp::CHECKSUM_AT;
    match packet.be16(at) {
        Some(old) => packet.store(at, &change.apply(old).to_be_bytes()),
        None => false,
    }
}

/// Takes one from the time to live or hop limit of the network header at [`Packet::network`]
/// (`ip_decrease_ttl`). False, with nothing changed, when it is 1 or less, or there is no such header.
#[must_use]
pub fn decrement_ttl(packet: &mut Packet<'_>, l3: L3) -> bool {
    let network = packet.network();
    match l3 {
        L3::V4 => {
            if let Some(header) = packet.head_mut().get_mut(network..)
                && let Some(header) = header.first_chunk_mut::<{ ipv4::HEADER_LEN }>()
                && header[ipv4::TTL_AT] > 1
            {
                // Nearly every packet: all of it lies in the head.
                let ttl = header[ipv4::TTL_AT];
                header[ipv4::TTL_AT] = ttl - 1;
                let change = Delta::NONE.word(u16::from(ttl) << 8, u16::from(ttl - 1) << 8);
                let sum = &mut header[ipv4::CHECKSUM_AT..ipv4::CHECKSUM_AT + 2];
                let new = change.apply(u16::from_be_bytes([sum[0], sum[1]]));
                sum.copy_from_slice(&new.to_be_bytes());
                return true;
            }
            let Some(ttl @ 2..) = packet.byte(network + ipv4::TTL_AT) else { return false };
            let mut edit = Edit { packet, changed: Delta::NONE };
            // The time to live shares its word of the checksum with the protocol, which stays.
            let change = Delta::NONE.word(u16::from(ttl) << 8, u16::from(ttl - 1) << 8);
            edit.packet.store(network + ipv4::TTL_AT, &[ttl - 1])
                && edit.checksum(network + ipv4::CHECKSUM_AT, change, Delta::apply).is_some()
        }
        L3::V6 => match packet.byte(network + ipv6::HOP_LIMIT_AT) {
            Some(limit @ 2..) => packet.store(network + ipv6::HOP_LIMIT_AT, &[limit - 1]),
            _ => false,
        },
        L3::Arp | L3::Other => false,
    }
}

/// UDP-Lite always has a checksum, and a sum of 0 is written 0xffff (RFC 3828 §3.1).
fn never_zero(delta: Delta, checksum: u16) -> u16 {
    match delta.apply(checksum) {
        0 => 0xffff,
        sum => sum,
    }
}

/// A packet being changed, with the sum of all changes.
struct Edit<'p, 'm> {
    packet: &'p mut Packet<'m>,
    changed: Delta,
}

impl Edit<'_, '_> {
    /// Replaces bytes at an even distance from the network header; returns the change.
    fn replace<const N: usize>(&mut self, at: usize, new: [u8; N]) -> Option<Delta> {
        let old = self.packet.array::<N>(at)?;
        if !self.packet.store(at, &new) {
            return None;
        }
        self.changed = self.changed.bytes(&old, &new);
        Some(Delta::NONE.bytes(&old, &new))
    }

    fn checksum(&mut self, at: usize, change: Delta, apply: fn(Delta, u16) -> u16) -> Option<()> {
        let old = self.packet.be16(at)?;
        self.replace(at, apply(change, old).to_be_bytes()).map(|_| ())
    }

    /// Replaces the address, and updates the IPv4 header's checksum; returns the change of the pseudo header.
    fn address(&mut self, headers: &Headers, end: End, target: &Tuple) -> Option<Delta> {
        let new = match end {
            End::Source => target.src,
            End::Destination => target.dst,
        };
        match (headers.l3, end) {
            (L3::V4, _) => {
                let at = if end == End::Source { ipv4::SRC_AT } else { ipv4::DST_AT };
                let change = self.replace(headers.network + at, new.as_v4())?;
                self.checksum(headers.network + ipv4::CHECKSUM_AT, change, Delta::apply)?;
                Some(change)
            }
            (L3::V6, End::Source) => self.replace(headers.network + ipv6::SRC_AT, new.0),
            (L3::V6, End::Destination) => self.replace(headers.network + ipv6::DST_AT, new.0),
            (L3::Arp | L3::Other, _) => None,
        }
    }

    /// Version 1 names its receiver's call, which belongs to the destination; version 0 nothing, and later ones are not known
    /// (`gre_manip_pkt`).
    fn gre(&mut self, headers: &Headers, end: End, target: &Tuple) -> Option<()> {
        if self.packet.len() < headers.transport + GRE_LEN {
            return None;
        }
        if end == End::Source {
            return Some(());
        }
        match self.packet.be16(headers.transport)? & GRE_VERSION {
            0 => Some(()),
            1 => {
                let id = target.dst_id.to_be_bytes();
                self.replace(headers.transport + GRE_CALL_ID_AT, id).map(|_| ())
            }
            _ => None,
        }
    }

    fn port(&mut self, headers: &Headers, end: End, target: &Tuple) -> Option<Delta> {
        match end {
            End::Source => self.replace(headers.transport, target.src_id.to_be_bytes()),
            End::Destination => self.replace(headers.transport + 2, target.dst_id.to_be_bytes()),
        }
    }

    fn ports(
        &mut self,
        headers: &Headers,
        end: End,
        target: &Tuple,
        address: Delta,
        checksum_at: usize,
        apply: fn(Delta, u16) -> u16,
    ) -> Option<()> {
        let change = address.and(self.port(headers, end, target)?);
        // A quoted packet may end before the checksum.
        if headers.transport + checksum_at + 2 <= headers.end {
            self.checksum(headers.transport + checksum_at, change, apply)?;
        }
        Some(())
    }

    /// SCTP has no pseudo header and a CRC over the whole packet.
    ///
    /// DIVERGES: the kernel computes the CRC anew always, and so makes a damaged packet whole; here it is computed anew
    /// only if it was right before. Neither can be told of a fragment or a quote, whose CRC stays.
    fn sctp(&mut self, headers: &Headers, end: End, target: &Tuple) -> Option<()> {
        let was_valid = sctp_checksum(self.packet, headers)
            .is_some_and(|sum| self.packet.array(headers.transport + SCTP_CHECKSUM_AT) == Some(sum));
        self.port(headers, end, target)?;
        if was_valid {
            let sum = sctp_checksum(self.packet, headers)?;
            self.replace(headers.transport + SCTP_CHECKSUM_AT, sum)?;
        }
        Some(())
    }

    fn icmp(
        &mut self,
        headers: &Headers,
        target: &Tuple,
        pseudo: Delta,
        has_id: fn(u8) -> bool,
    ) -> Option<()> {
        let kind = self.packet.byte(headers.transport)?;
        let mut change = pseudo;
        if has_id(kind) {
            change = change.and(self.replace(headers.transport + icmp::ID_AT, target.src_id.to_be_bytes())?);
        }
        if change != Delta::NONE {
            self.checksum(headers.transport + icmp::CHECKSUM_AT, change, Delta::apply)?;
        }
        Some(())
    }
}

/// The CRC an SCTP packet should have; `None` when its common header is not whole.
pub fn sctp_checksum(packet: &Packet<'_>, headers: &Headers) -> Option<[u8; 4]> {
    let length = headers.end.checked_sub(headers.transport).filter(|length| *length >= SCTP_HEADER_LEN)?;
    let crc = Crc32c::default().packet(packet, headers.transport, SCTP_CHECKSUM_AT)?.bytes(&[0; 4]).packet(
        packet,
        headers.transport + SCTP_HEADER_LEN,
        length - SCTP_HEADER_LEN,
    )?;
    Some(crc.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::checksum::Sum;
    use crate::packet::LinkType;

    fn udp_packet() -> Vec<u8> {
        let header = ipv4::Header {
            header_len: 20,
            version: 4,
            tos: 0,
            total_length: 31,
            id: 7,
            flags_offset: 0,
            ttl: 64,
            protocol: 17,
            checksum: 0,
            src: Address::v4([10, 0, 0, 1]),
            dst: Address::v4([192, 0, 2, 1]),
        };
        let mut bytes = header.emit().to_vec();
        bytes.extend([0x30, 0x39, 0, 53, 0, 11, 0, 0, b'a', b'b', b'c']);
        let sum = Sum::ZERO.pseudo(L3::V4, &header.src, &header.dst, 11, 17).bytes(&bytes[20..]).finish();
        bytes[26..28].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    proptest::proptest! {
        /// Where it does anything, the short way does what the general one does, whatever the packet holds.
        #[test]
        fn what_is_set_in_the_head_is_what_is_set_anywhere(
            mut bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 20..72),
            words in 5..8_u8,
            protocol in proptest::sample::select(vec![6_u8, 17, 1, 132, 136]),
            fragment in proptest::sample::select(vec![0_u8, 0, 0, 0x20, 1]),
            (address, port) in proptest::prelude::any::<([u8; 4], u16)>(),
            (no_checksum, source) in proptest::prelude::any::<(bool, bool)>(),
        ) {
            bytes[0] = 0x40 | words;
            let len = bytes.len();
            bytes[2..4].copy_from_slice(&(len as u16).to_be_bytes());
            bytes[6] = fragment;
            bytes[7] = 0;
            bytes[9] = protocol;
            let udp_checksum = usize::from(words) * 4 + udp::CHECKSUM_AT;
            if no_checksum && let Some(place) = bytes.get_mut(udp_checksum..udp_checksum + 2) {
                place.fill(0);
            }
            let mut other = bytes.clone();
            let before = bytes.clone();
            let end = if source { End::Source } else { End::Destination };
            let mut packet = Packet::new(&mut bytes, 0, len, LinkType::None);
            packet.meta.protocol = crate::protocol::ethertype::IPV4;
            if let Ok(info) = crate::dissect(&mut packet) {
                let done = set_end_in_head(&mut packet, &info, end, address, port.to_be_bytes());
                let mut packet = Packet::new(&mut other, 0, len, LinkType::None);
                let headers = Headers::of(&info);
                let address = Address::v4(address);
                let target = Tuple {
                    src: address, dst: address, src_id: port, dst_id: port, l3: L3::V4, l4: protocol, ..Tuple::default()
                };
                let general = headers.and_then(|headers| set_end(&mut packet, &headers, end, &target));
                if done {
                    proptest::prop_assert!(general.is_some());
                    proptest::prop_assert_eq!(&bytes, &other);
                } else {
                    proptest::prop_assert_eq!(&bytes, &before);
                    let simple = matches!(protocol, 6 | 17) && fragment & 0x1f == 0;
                    let whole = len >= usize::from(words) * 4 + if protocol == 6 { 18 } else { 8 };
                    proptest::prop_assert!(!simple || !whole, "nothing is in its way");
                }
            }
        }
    }

    #[test]
    fn a_changed_source_leaves_both_checksums_right() {
        let mut bytes = udp_packet();
        let mut packet = Packet::new(&mut bytes, 0, 31, LinkType::None);
        let headers = Headers { l3: L3::V4, network: 0, l4: 17, transport: 20, end: 31 };
        let target = Tuple {
            src: Address::v4([203, 0, 113, 9]),
            src_id: 4242,
            l3: L3::V4,
            l4: 17,
            ..headers.tuple(&packet).unwrap()
        };
        assert!(set_end(&mut packet, &headers, End::Source, &target).is_some());
        assert_eq!(headers.tuple(&packet), Some(target));
        assert!(ipv4::checksum_is_valid(&packet, 0));
        let sum = Sum::ZERO.pseudo(L3::V4, &target.src, &target.dst, 11, 17).packet(&packet, 20, 11).unwrap();
        assert!(sum.is_valid());
    }

    #[test]
    fn a_hop_taken_leaves_the_checksum_right() {
        let mut bytes = udp_packet();
        let mut packet = Packet::new(&mut bytes, 0, 31, LinkType::None);
        for _ in 0..63 {
            assert!(decrement_ttl(&mut packet, L3::V4));
            assert!(ipv4::checksum_is_valid(&packet, 0));
        }
        assert!(!decrement_ttl(&mut packet, L3::V4));
        assert_eq!(packet.byte(8), Some(1));
    }

    #[test]
    fn udp_without_checksum_stays_without() {
        let mut bytes = udp_packet();
        bytes[26..28].fill(0);
        let mut packet = Packet::new(&mut bytes, 0, 31, LinkType::None);
        let headers = Headers { l3: L3::V4, network: 0, l4: 17, transport: 20, end: 31 };
        let target = Tuple { dst: Address::v4([8; 4]), dst_id: 1, ..headers.tuple(&packet).unwrap() };
        assert!(set_end(&mut packet, &headers, End::Destination, &target).is_some());
        assert_eq!(packet.be16(26), Some(0));
    }

    /// A tail that begins anywhere, the middle of a header included.
    struct Tail(Vec<u8>);

    impl crate::Segments for Tail {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn read(&self, offset: usize, out: &mut [u8]) -> bool {
            self.0.get(offset..offset + out.len()).map(|bytes| out.copy_from_slice(bytes)).is_some()
        }

        fn write(&mut self, offset: usize, bytes: &[u8]) -> bool {
            self.0.get_mut(offset..offset + bytes.len()).map(|out| out.copy_from_slice(bytes)).is_some()
        }
    }

    #[test]
    fn a_packet_in_segments_changes_as_a_linear_one() {
        let headers = Headers { l3: L3::V4, network: 0, l4: 17, transport: 20, end: 31 };
        let target = Tuple {
            src: Address::v4([203, 0, 113, 9]),
            src_id: 4242,
            l3: L3::V4,
            l4: 17,
            ..Tuple::default()
        };
        let mut linear = udp_packet();
        let mut packet = Packet::new(&mut linear, 0, 31, LinkType::None);
        assert!(set_end(&mut packet, &headers, End::Source, &target).is_some());
        for at in 0..31 {
            let mut head = udp_packet();
            let mut tail = Tail(head.split_off(at));
            let mut packet = Packet::new(&mut head, 0, at, LinkType::None).with_tail(&mut tail);
            assert!(set_end(&mut packet, &headers, End::Source, &target).is_some());
            assert_eq!(packet.array::<31>(0).unwrap()[..], linear);
        }
    }
}
