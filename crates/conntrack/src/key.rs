//! A tuple in 14 bytes, as the table keeps and compares it, and its keyed hash.

use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Address, Headers, L3, Packet, PacketInfo, SipKey, Tuple, ipv4};

/// Addresses, ports and zone of one direction. What both directions share - network and transport protocol - is kept
/// once beside it.
///
/// An IPv4 address stands as it is. Of an IPv6 address only its four words, added bit by bit, are here: enough to tell
/// nearly all others from it; the whole addresses are kept elsewhere and compared last. All is in the order of the wire, so
/// that a packet's is read in two pieces and compared in three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Key {
    /// Source and destination.
    ends: [u8; 8],
    /// Their ports or ids.
    ids: [u8; 4],
    zone: [u8; 2],
}

const _: () = assert!(size_of::<Key>() == 14);

impl Key {
    pub(crate) fn of(tuple: &Tuple) -> Key {
        let (src, dst) = if tuple.l3 == L3::V4 {
            (first_word(&tuple.src), first_word(&tuple.dst))
        } else {
            (folded(&tuple.src), folded(&tuple.dst))
        };
        let mut key = Key { zone: tuple.zone.to_be_bytes(), ..Key::default() };
        key.ends[..4].copy_from_slice(&src);
        key.ends[4..].copy_from_slice(&dst);
        key.ids[..2].copy_from_slice(&tuple.src_id.to_be_bytes());
        key.ids[2..].copy_from_slice(&tuple.dst_id.to_be_bytes());
        key
    }

    /// Source and destination, when they are those of IPv4.
    #[inline]
    pub(crate) fn addresses(&self) -> [Address; 2] {
        let [a, b, c, d, e, f, g, h] = self.ends;
        [Address::v4([a, b, c, d]), Address::v4([e, f, g, h])]
    }

    /// Source and destination of IPv4 with their ports or ids, as the wire has them.
    #[inline]
    pub(crate) fn on_the_wire(&self) -> ([u8; 8], [u8; 4]) {
        (self.ends, self.ids)
    }

    /// Ports or ids of source and destination.
    #[inline]
    pub(crate) fn ids(&self) -> [u16; 2] {
        let [a, b, c, d] = self.ids;
        [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]
    }

    #[inline]
    pub(crate) fn zone(&self) -> u16 {
        u16::from_be_bytes(self.zone)
    }

    /// SipHash-1-3 of its sixteen bytes with the protocol: that of an IPv4 tuple.
    #[inline]
    pub(crate) fn hash(&self, l4: u8, key: &SipKey) -> u64 {
        let rest = u64::from(u32::from_le_bytes(self.ids))
            | u64::from(u16::from_le_bytes(self.zone)) << 32
            | u64::from(l4) << 48;
        key.hash_fixed([u64::from_le_bytes(self.ends), rest])
    }
}

#[inline]
fn first_word(address: &Address) -> [u8; 4] {
    let [a, b, c, d, ..] = address.0;
    [a, b, c, d]
}

fn folded(address: &Address) -> [u8; 4] {
    let all = u128::from_ne_bytes(address.0);
    let half = (all >> 64) as u64 ^ all as u64;
    ((half >> 32) as u32 ^ half as u32).to_ne_bytes()
}

/// What a packet is looked up by: its tuple in the form of the table, and the hash of that.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Probe {
    pub(crate) hash: u64,
    pub(crate) key: Key,
    pub(crate) l3: L3,
    pub(crate) l4: u8,
    /// Where in the table the connection most likely is; it may be there no more.
    pub(crate) guess: Option<u32>,
    /// Source and destination, when they are not IPv4's.
    addresses: [Address; 2],
}

impl Probe {
    /// That of a tuple, zone included.
    #[inline]
    pub(crate) fn of(tuple: &Tuple, key: &SipKey) -> Probe {
        let addresses = if tuple.l3 == L3::V4 { Default::default() } else { [tuple.src, tuple.dst] };
        Probe {
            hash: hash(tuple, key),
            key: Key::of(tuple),
            l3: tuple.l3,
            l4: tuple.l4,
            guess: None,
            addresses,
        }
    }

    /// Becomes that of a packet, in a zone; false when the packet has no tuple.
    #[inline]
    pub(crate) fn read(&mut self, packet: &Packet<'_>, info: &PacketInfo, zone: u16, key: &SipKey) -> bool {
        self.read_simple(packet, info, zone, key, None) || self.read_any(packet, info, zone, key)
    }

    /// As [`Probe::read`], for TCP and UDP over IPv4 whose headers lie in the head: most packets. Nothing goes by way of a
    /// tuple, whose forty bytes would be written and read several times. False, with nothing changed, for others.
    /// `known` is perhaps that of the same packet, whose hash need not be computed then.
    #[inline(always)]
    pub(crate) fn read_simple(
        &mut self,
        packet: &Packet<'_>,
        info: &PacketInfo,
        zone: u16,
        key: &SipKey,
        known: Option<&Probe>,
    ) -> bool {
        let (l4, transport) = match info.l4proto {
            Some(l4 @ (ipproto::TCP | ipproto::UDP)) if info.l3 == L3::V4 && info.fragment_offset == 0 => {
                (l4, info.transport)
            }
            _ => return false,
        };
        let ends_at = info.network + ipv4::SRC_AT;
        let both = packet.head().get(ends_at..transport + 4);
        let (ends, ids) = match both.map(|bytes| (bytes.first_chunk(), bytes.last_chunk())) {
            Some((Some(ends), Some(ids))) => (*ends, *ids),
            _ => return false,
        };
        self.key = Key { ends, ids, zone: zone.to_be_bytes() };
        self.l3 = L3::V4;
        self.l4 = l4;
        self.hash = match known {
            Some(known) if known.key == self.key && known.l4 == l4 && known.l3 == L3::V4 => known.hash,
            _ => self.key.hash(l4, key),
        };
        true
    }

    /// As [`Probe::read`], for any packet.
    #[inline(never)]
    fn read_any(&mut self, packet: &Packet<'_>, info: &PacketInfo, zone: u16, key: &SipKey) -> bool {
        let Some(tuple) = Headers::of(info).and_then(|headers| headers.tuple(packet)) else { return false };
        *self = Probe::of(&Tuple { zone, ..tuple }, key);
        true
    }

    /// The tuple.
    pub(crate) fn tuple(&self) -> Tuple {
        let [src, dst] = if self.l3 == L3::V4 { self.key.addresses() } else { self.addresses };
        let [src_id, dst_id] = self.key.ids();
        Tuple { src, dst, src_id, dst_id, zone: self.key.zone(), l3: self.l3, l4: self.l4 }
    }

    /// The key of answers, in a zone, where that is ports and addresses of IPv4 the other way round.
    #[inline]
    pub(crate) fn answer(&self, zone: u16) -> Option<Key> {
        let [a, b, c, d, e, f, g, h] = self.key.ends;
        let [i, j, k, l] = self.key.ids;
        let simple = self.l3 == L3::V4 && matches!(self.l4, ipproto::TCP | ipproto::UDP);
        simple.then_some(Key { ends: [e, f, g, h, a, b, c, d], ids: [k, l, i, j], zone: zone.to_be_bytes() })
    }

    /// Whether it is that of a packet: one that never became any has no network protocol.
    #[inline]
    pub(crate) fn is_sound(&self) -> bool {
        matches!(self.l3, L3::V4 | L3::V6)
    }

    /// Whether these are the addresses, when they are not IPv4's.
    #[inline]
    pub(crate) fn has_addresses(&self, addresses: &[Address]) -> bool {
        self.addresses == *addresses
    }
}

/// SipHash-1-3 of a tuple: sixteen bytes of IPv4, forty of any other protocol.
///
/// An attacker chooses tuples, and sees by their delay which of them meet in a bucket. SipHash is made for keys that
/// stay secret nevertheless; the faster keyed hashes of the ecosystem (`foldhash`, `ahash` without AES) say of themselves
/// that they are not. It costs 6 ns here, of which a packet has 40.
#[inline]
pub(crate) fn hash(tuple: &Tuple, key: &SipKey) -> u64 {
    if tuple.l3 != L3::V4 {
        return tuple.hash(key);
    }
    Key::of(tuple).hash(tuple.l4, key)
}

/// The hash of what one source sends, whatever its destination.
pub(crate) fn source_hash(tuple: &Tuple, key: &SipKey) -> u64 {
    hash(&Tuple { dst: Address::UNSPECIFIED, dst_id: 0, ..*tuple }, key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_a_tuple_changes_its_hash() {
        let key = SipKey::from_seed(1);
        for l3 in [L3::V4, L3::V6] {
            let tuple = Tuple { l3, l4: 6, ..Tuple::default() };
            let others = [
                Tuple { src: Address::v4([0, 0, 0, 1]), ..tuple },
                Tuple { dst: Address::v4([0, 0, 0, 1]), ..tuple },
                Tuple { src_id: 1, ..tuple },
                Tuple { dst_id: 1, ..tuple },
                Tuple { zone: 1, ..tuple },
                Tuple { l4: 17, ..tuple },
            ];
            let mut hashes: Vec<u64> = others.iter().map(|other| hash(other, &key)).collect();
            hashes.push(hash(&tuple, &key));
            hashes.push(hash(&tuple, &SipKey::from_seed(2)));
            hashes.sort_unstable();
            hashes.dedup();
            assert_eq!(hashes.len(), others.len() + 2, "{l3:?}");
        }
    }

    #[test]
    fn a_source_hashes_the_same_towards_all_peers() {
        let key = SipKey::from_seed(1);
        let tuple = Tuple { l3: L3::V4, src: Address::v4([10, 0, 0, 1]), src_id: 9, ..Tuple::default() };
        let other = Tuple { dst: Address::v4([1, 1, 1, 1]), dst_id: 53, ..tuple };
        assert_eq!(source_hash(&tuple, &key), source_hash(&other, &key));
        assert_ne!(source_hash(&tuple, &key), source_hash(&Tuple { src_id: 8, ..tuple }, &key));
    }
}
