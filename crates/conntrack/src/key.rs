//! A tuple in 14 bytes, as the table keeps and compares it, and its keyed hash.

use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Address, Headers, L3, Packet, PacketInfo, SipKey, Tuple, ipv4};

/// Addresses, ports and zone of one direction. What both directions share - network and transport protocol - is kept
/// once beside it.
///
/// An IPv4 address stands as it is. Of an IPv6 address only its four words, added bit by bit, are here: enough to tell
/// nearly all others from it; the whole addresses are kept elsewhere and compared last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Key {
    src: [u8; 4],
    dst: [u8; 4],
    pub(crate) src_id: u16,
    pub(crate) dst_id: u16,
    pub(crate) zone: u16,
}

const _: () = assert!(size_of::<Key>() == 14);

impl Key {
    pub(crate) fn of(tuple: &Tuple) -> Key {
        let (src, dst) = if tuple.l3 == L3::V4 {
            (first_word(&tuple.src), first_word(&tuple.dst))
        } else {
            (folded(&tuple.src), folded(&tuple.dst))
        };
        Key { src, dst, src_id: tuple.src_id, dst_id: tuple.dst_id, zone: tuple.zone }
    }

    /// Source and destination, when they are those of IPv4.
    pub(crate) fn addresses(&self) -> [Address; 2] {
        [Address::v4(self.src), Address::v4(self.dst)]
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
        let Some(headers) = Headers::of(info) else { return false };
        if headers.l3 != L3::V4 || !matches!(headers.l4, ipproto::TCP | ipproto::UDP) {
            let Some(tuple) = headers.tuple(packet) else { return false };
            *self = Probe::of(&Tuple { zone, ..tuple }, key);
            return true;
        }
        // Most packets. Nothing goes by way of a tuple, whose forty bytes would be written and read several times.
        let Some([a, b, c, d, e, f, g, h]) = packet.array(headers.network + ipv4::SRC_AT) else {
            return false;
        };
        let Some([i, j, k, l]) = packet.array(headers.transport) else { return false };
        let (src_id, dst_id) = (u16::from_be_bytes([i, j]), u16::from_be_bytes([k, l]));
        let addresses = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        self.hash = key.hash_fixed([addresses, rest_of(src_id, dst_id, zone, headers.l4)]);
        self.key = Key { src: [a, b, c, d], dst: [e, f, g, h], src_id, dst_id, zone };
        self.l3 = headers.l3;
        self.l4 = headers.l4;
        true
    }

    /// The tuple.
    pub(crate) fn tuple(&self) -> Tuple {
        let [src, dst] = if self.l3 == L3::V4 { self.key.addresses() } else { self.addresses };
        let Key { src_id, dst_id, zone, .. } = self.key;
        Tuple { src, dst, src_id, dst_id, zone, l3: self.l3, l4: self.l4 }
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
    let addresses = u64::from(u32::from_le_bytes(first_word(&tuple.src)))
        | u64::from(u32::from_le_bytes(first_word(&tuple.dst))) << 32;
    key.hash_fixed([addresses, rest_of(tuple.src_id, tuple.dst_id, tuple.zone, tuple.l4)])
}

#[inline]
fn rest_of(src_id: u16, dst_id: u16, zone: u16, l4: u8) -> u64 {
    u64::from(src_id) | u64::from(dst_id) << 16 | u64::from(zone) << 32 | u64::from(l4) << 48
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
