//! Other bytes in a payload (`__nf_nat_mangle_tcp_packet`).

use ironweir_wire::checksum::Delta;
use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Headers, L3, Packet, PacketInfo, ipv4, tcp, udp};

/// Offset of the payload length in the IPv6 header.
const IPV6_LENGTH_AT: usize = 4;

/// Puts `with` in the place of `len` bytes at offset `at` of the packet, behind its transport header. A checksum that was
/// right is right afterwards, one that was wrong is as wrong. Returns by how many bytes the packet grew; `None`, with
/// nothing changed, when it is not linear, the buffer too small, the packet too long or a header not there.
pub(super) fn replace(
    packet: &mut Packet<'_>,
    info: &mut PacketInfo,
    at: usize,
    len: usize,
    with: &[u8],
) -> Option<i32> {
    let headers = Headers::of(info)?;
    let (network, transport, end) = (info.network, headers.transport, info.end);
    let change = i32::try_from(with.len()).ok()?.checked_sub(i32::try_from(len).ok()?)?;
    let last = at.checked_add(len).filter(|last| *last <= end && at >= transport)?;
    if !packet.is_linear() {
        return None;
    }
    let old = packet.head();
    let mut new = Vec::with_capacity(old.len() + with.len());
    new.extend_from_slice(old.get(..at)?);
    new.extend_from_slice(with);
    new.extend_from_slice(old.get(last..)?);
    let new_end = end.checked_add_signed(isize::try_from(change).ok()?)?;

    let old_segment = old.get(transport..end)?;
    let store = |new: &mut [u8], at: usize, value: u16| -> Option<()> {
        new.get_mut(at..at + 2)?.copy_from_slice(&value.to_be_bytes());
        Some(())
    };
    let read = |at: usize| Some(u16::from_be_bytes(*old.get(at..)?.first_chunk::<2>()?));
    let grown = |value: u16| u16::try_from(i32::from(value) + change).ok();
    match headers.l3 {
        L3::V4 => {
            let length = read(network + ipv4::TOTAL_LENGTH_AT)?;
            let checksum = read(network + ipv4::CHECKSUM_AT)?;
            store(&mut new, network + ipv4::TOTAL_LENGTH_AT, grown(length)?)?;
            let sum = Delta::NONE.word(length, grown(length)?).apply(checksum);
            store(&mut new, network + ipv4::CHECKSUM_AT, sum)?;
        }
        L3::V6 => {
            let length = read(network + IPV6_LENGTH_AT)?;
            store(&mut new, network + IPV6_LENGTH_AT, grown(length)?)?;
        }
        L3::Arp | L3::Other => return None,
    }
    let checksum_at = match headers.l4 {
        ipproto::TCP => transport + tcp::CHECKSUM_AT,
        ipproto::UDP => {
            let length = read(transport + udp::LENGTH_AT)?;
            store(&mut new, transport + udp::LENGTH_AT, grown(length)?)?;
            transport + udp::CHECKSUM_AT
        }
        _ => return None,
    };
    // The whole segment, padded to one length, and the length in the pseudo header.
    let mut before = old_segment.to_vec();
    let mut after = new.get(transport..new_end)?.to_vec();
    let longest = before.len().max(after.len()).next_multiple_of(2);
    let lengths = (u16::try_from(before.len()).ok()?, u16::try_from(after.len()).ok()?);
    before.resize(longest, 0);
    after.resize(longest, 0);
    let delta = Delta::NONE.bytes(&before, &after).word(lengths.0, lengths.1);
    let checksum = read(checksum_at)?;
    let sum = if headers.l4 == ipproto::UDP { delta.apply_udp(checksum) } else { delta.apply(checksum) };
    store(&mut new, checksum_at, sum)?;
    if !packet.replace(&new) {
        return None;
    }
    info.end = new_end;
    Some(change)
}

/// Changes the destination port of a TCP or UDP packet. A checksum that was right stays right.
pub(super) fn destination_port(packet: &mut Packet<'_>, info: &PacketInfo, port: u16) -> Option<()> {
    let headers = Headers::of(info)?;
    let (at, checksum_at) = match headers.l4 {
        ipproto::TCP => (headers.transport + 2, headers.transport + tcp::CHECKSUM_AT),
        ipproto::UDP => (headers.transport + 2, headers.transport + udp::CHECKSUM_AT),
        _ => return None,
    };
    let change = Delta::NONE.word(packet.be16(at)?, port);
    let checksum = packet.be16(checksum_at)?;
    let sum = if headers.l4 == ipproto::UDP { change.apply_udp(checksum) } else { change.apply(checksum) };
    let stored = packet.store(at, &port.to_be_bytes()) && packet.store(checksum_at, &sum.to_be_bytes());
    stored.then_some(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{Bytes, v4, v6};
    use ironweir_wire::{Address, L3, LinkType, Packet, dissect};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lengths_and_checksums_fit_whatever_is_put_in(
            payload in proptest::collection::vec(any::<u8>(), 1..200),
            with in proptest::collection::vec(any::<u8>(), 0..60),
            at in 0usize..200,
            len in 0usize..60,
            six: bool,
        ) {
            let at = at.min(payload.len());
            let len = len.min(payload.len() - at);
            let ends: [Address; 2] = if six { [v6(1), v6(2)] } else { [v4(1), v4(2)] };
            let l3 = if six { L3::V6 } else { L3::V4 };
            let bytes = Bytes::udp((ends[0], 1), (ends[1], 2), l3, &payload);
            let mut buffer = bytes.0.clone();
            buffer.resize(buffer.len() + 100, 0);
            let mut packet = Packet::new(&mut buffer, 0, bytes.0.len(), LinkType::None);
            packet.meta.protocol = if six { 0x86dd } else { 0x800 };
            let mut info = dissect(&mut packet).unwrap();
            let offset = info.transport + 8 + at;
            let change = super::replace(&mut packet, &mut info, offset, len, &with);
            prop_assert_eq!(change, Some(with.len() as i32 - len as i32));
            let result = Bytes(packet.head().to_vec());
            prop_assert!(result.is_whole());
            let mut expected = payload.clone();
            expected.splice(at..at + len, with.iter().copied());
            prop_assert_eq!(&result.0[result.0.len() - expected.len()..], &expected[..]);
            prop_assert_eq!(info.end, result.0.len());
        }
    }
}
