//! A tuple in 14 bytes, as the table keeps and compares it, and its keyed hash.

use ironweir_wire::{Address, L3, SipKey, Tuple};

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
    let rest = u64::from(tuple.src_id)
        | u64::from(tuple.dst_id) << 16
        | u64::from(tuple.zone) << 32
        | u64::from(tuple.l4) << 48;
    key.hash_words(&[addresses, rest])
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
