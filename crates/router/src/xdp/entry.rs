//! What the program finds of a direction of a connection: its key, and all that is done to its packets, worked out
//! beforehand.
//!
//! Words of 8 bytes, `K` of them the key's (IPv4 2, IPv6 5), `A` an address pair's (1, 4):
//!
//! ```text
//!   0             source, destination                      as in the packet
//!   K-1           ports | interface << 32                  ports as in the packet
//!   K             protocol | state << 32
//!   K+1           new source, destination                  as in the packet
//!   K+1+A         new ports (4), IP delta (2), transport delta (2)
//!   K+2+A         next hop (2), pseudo header sum (2), 0
//!   K+3+A         packets    counted by the program
//!   K+4+A         bytes      likewise, from the network header on
//! ```
//!
//! The deltas are what [RFC 1624](https://www.rfc-editor.org/rfc/rfc1624) adds to a complemented checksum, in the packet's
//! byte order, the TTL's step included. The pseudo header's sum, without the length, tells checksums that the sender left
//! to its card (`CHECKSUM_PARTIAL`): the field has that sum with the length, and a packet that has it goes the slow way.

use ironweir_wire::checksum::Delta;
use ironweir_wire::{Address, IfIndex, L3, Tuple};

/// States of an entry: never used, which ends a search; used; and used before, which does not.
pub(super) const EMPTY: u64 = 0;
pub(super) const VALID: u64 = 1;
pub(super) const GONE: u64 = 2;

/// Where in an entry what lies, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// IPv4 or IPv6.
    pub(super) l3: L3,
    /// Words of an entry.
    pub(super) words: usize,
    /// Words of the key, and so where the state is.
    pub(super) key: usize,
    /// Words of both addresses.
    pub(super) addresses: usize,
}

impl Layout {
    /// One cache line.
    pub(super) const V4: Layout = Layout { l3: L3::V4, words: 8, key: 2, addresses: 1 };
    /// Two.
    pub(super) const V6: Layout = Layout { l3: L3::V6, words: 16, key: 5, addresses: 4 };

    pub(super) const fn new_addresses(self) -> usize {
        self.key + 1
    }

    pub(super) const fn new_ports(self) -> usize {
        self.key + 1 + self.addresses
    }

    pub(super) const fn hop(self) -> usize {
        self.key + 2 + self.addresses
    }

    pub(super) const fn packets(self) -> usize {
        self.key + 3 + self.addresses
    }

    pub(super) const fn bytes(self) -> usize {
        self.key + 4 + self.addresses
    }
}

/// The longest entry.
pub(super) const MAX_WORDS: usize = Layout::V6.words;

/// An entry as it is written; the state in it is [`VALID`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) layout: Layout,
    pub(super) words: [u64; MAX_WORDS],
}

impl Entry {
    /// Of packets that come in by `iif` with the tuple `from`, and leave with `to`, towards a next hop. `None` for what is
    /// neither IPv4 nor IPv6.
    pub(super) fn new(iif: IfIndex, from: &Tuple, to: &Tuple, hop: u16) -> Option<Entry> {
        let layout = match from.l3 {
            L3::V4 => Layout::V4,
            L3::V6 => Layout::V6,
            _ => return None,
        };
        let mut words = [0; MAX_WORDS];
        let len = from.l3.address_len();
        let both = |tuple: &Tuple| {
            let mut bytes = [0_u8; 32];
            let halves = [&tuple.src, &tuple.dst].map(|address: &Address| address.bytes(from.l3));
            for (half, address) in bytes.chunks_mut(len).zip(halves) {
                half.copy_from_slice(address);
            }
            bytes
        };
        let ports = |tuple: &Tuple| {
            let [[a, b], [c, d]] = [tuple.src_id, tuple.dst_id].map(u16::to_be_bytes);
            [a, b, c, d]
        };
        let word = |bytes: &[u8]| bytes.first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes));
        let (old, new) = (both(from), both(to));
        for at in 0..layout.addresses {
            words[at] = word(&old[at * 8..]);
            words[layout.new_addresses() + at] = word(&new[at * 8..]);
        }
        words[layout.key - 1] = u64::from(u32::from_ne_bytes(ports(from))) | u64::from(iif.0) << 32;
        words[layout.key] = u64::from(from.l4) | VALID << 32;

        let addresses = Delta::default().bytes(&old[..len * 2], &new[..len * 2]);
        let transport = addresses.and(Delta::default().bytes(&ports(from), &ports(to)));
        // The TTL is the upper half of its word, and becomes less by one.
        let ip = addresses.and(Delta::default().word(0x0100, 0));
        let pseudo = Delta::default().bytes(&[0; 32][..len * 2], &old[..len * 2]).word(0, from.l4.into());
        let [a, b, c, d] = ports(to);
        let [e, f] = sum_of(ip).to_be_bytes();
        let [g, h] = sum_of(transport).to_be_bytes();
        words[layout.new_ports()] = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
        let [a, b] = hop.to_ne_bytes();
        let [c, d] = sum_of(pseudo).to_be_bytes();
        words[layout.hop()] = u64::from_ne_bytes([a, b, c, d, 0, 0, 0, 0]);
        Some(Entry { layout, words })
    }

    /// What it is found by.
    pub(super) fn key(&self) -> &[u64] {
        self.words.get(..=self.layout.key).unwrap_or_default()
    }
}

/// A change as one word, to be added to a complemented checksum.
fn sum_of(delta: Delta) -> u16 {
    // What the change makes of a checksum whose complement is 0.
    !delta.apply(0xffff)
}

/// What spreads entries over a table: two secret odd multipliers.
#[derive(Clone, Copy, Debug)]
pub(super) struct HashKey {
    pub(super) start: u64,
    pub(super) multiplier: u64,
}

impl HashKey {
    /// From a seed that nobody else knows.
    pub(super) fn new(seed: u64) -> HashKey {
        // splitmix64, so that any seed does.
        let mix = |mut word: u64| {
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^ (word >> 31)
        };
        HashKey {
            start: mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15)),
            multiplier: mix(seed.wrapping_add(0x3c6e_f372_fe94_f82a)) | 1,
        }
    }

    /// The hash of a key, as the program works it out: its lower half says where an entry is looked for first, its upper
    /// half where then.
    pub(super) fn hash(self, key: &[u64]) -> u64 {
        key.iter().fold(self.start, |hash, word| {
            let hash = hash.wrapping_add(*word).wrapping_mul(self.multiplier);
            hash ^ (hash >> 32)
        })
    }
}
