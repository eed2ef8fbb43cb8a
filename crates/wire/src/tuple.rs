//! The tuple: what names one direction of a connection.

use crate::address::{Address, L3};
use crate::protocol::ipproto;

/// Addresses, protocol, ports and zone of one direction (`struct nf_conntrack_tuple` with the zone's id).
///
/// `src_id` and `dst_id` depend on the protocol: ports for TCP, UDP, UDP-Lite and SCTP; for ICMP and ICMPv6
/// `src_id` is the query's id and `dst_id` is type (high byte) and code (low byte); for GRE the key or call
/// id, 0 in version 0; 0 for all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// Source address.
    pub src: Address,
    /// Destination address.
    pub dst: Address,
    /// Source port, or the id of an ICMP query.
    pub src_id: u16,
    /// Destination port, or ICMP type and code.
    pub dst_id: u16,
    /// The zone's id in this direction, 0 by default.
    pub zone: u16,
    /// IPv4 or IPv6.
    pub l3: L3,
    /// IP protocol number.
    pub l4: u8,
}

const _: () = assert!(size_of::<Tuple>() == 40);

impl Tuple {
    /// The ICMP or ICMPv6 type of `dst_id`.
    pub const fn icmp_type(&self) -> u8 {
        (self.dst_id >> 8) as u8
    }

    /// The ICMP or ICMPv6 code of `dst_id`.
    pub const fn icmp_code(&self) -> u8 {
        self.dst_id as u8
    }

    /// The tuple an answer would have; `None` for an ICMP type that has no answer (`nf_ct_invert_tuple`).
    #[inline]
    pub fn inverted(&self) -> Option<Tuple> {
        let (src_id, dst_id) = match self.l4 {
            ipproto::ICMP if self.l3 == L3::V4 => (self.src_id, self.inverted_icmp(icmp_answer)?),
            ipproto::ICMPV6 if self.l3 == L3::V6 => (self.src_id, self.inverted_icmp(icmpv6_answer)?),
            _ => (self.dst_id, self.src_id),
        };
        Some(Tuple { src: self.dst, dst: self.src, src_id, dst_id, ..*self })
    }

    fn inverted_icmp(&self, answer: fn(u8) -> Option<u8>) -> Option<u16> {
        Some(u16::from_be_bytes([answer(self.icmp_type())?, self.icmp_code()]))
    }

    /// SipHash-1-3 over the forty bytes of the tuple.
    pub fn hash(&self, key: &SipKey) -> u64 {
        let word = |bytes: &[u8; 16], at: usize| {
            let mut half = [0; 8];
            half.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(half)
        };
        let rest = u64::from(self.src_id)
            | u64::from(self.dst_id) << 16
            | u64::from(self.zone) << 32
            | u64::from(self.l3 as u8) << 48
            | u64::from(self.l4) << 56;
        key.hash_words(&[
            word(&self.src.0, 0),
            word(&self.src.0, 8),
            word(&self.dst.0, 0),
            word(&self.dst.0, 8),
            rest,
        ])
    }
}

/// The ICMP type that answers `kind` (`invmap` of `nf_conntrack_proto_icmp.c`).
fn icmp_answer(kind: u8) -> Option<u8> {
    Some(match kind {
        8 => 0, // echo request, reply
        0 => 8,
        13 => 14, // timestamp
        14 => 13,
        15 => 16, // information
        16 => 15,
        17 => 18, // address mask
        18 => 17,
        _ => return None,
    })
}

/// The ICMPv6 type that answers `kind` (`invmap` of `nf_conntrack_proto_icmpv6.c`).
fn icmpv6_answer(kind: u8) -> Option<u8> {
    Some(match kind {
        128 => 129, // echo request, reply
        129 => 128,
        139 => 140, // node information query, reply
        140 => 139,
        _ => return None,
    })
}

/// The secret of a keyed hash: without it nobody can choose tuples that collide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SipKey(pub u64, pub u64);

impl SipKey {
    /// A key from a seed (SplitMix64, so that near seeds give far keys).
    pub const fn from_seed(seed: u64) -> SipKey {
        const fn mix(mut z: u64) -> u64 {
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }
        let step = 0x9e37_79b9_7f4a_7c15_u64;
        SipKey(mix(seed.wrapping_add(step)), mix(seed.wrapping_add(step.wrapping_mul(2))))
    }

    /// SipHash-1-3 of whole little-endian words (Aumasson and Bernstein, "SipHash: a fast short-input PRF").
    #[inline]
    pub fn hash_words(&self, words: &[u64]) -> u64 {
        let mut v = self.begin();
        for &word in words {
            v[3] ^= word;
            sip_round(&mut v);
            v[0] ^= word;
        }
        let length = (words.len() as u64 * 8) << 56;
        v[3] ^= length;
        sip_round(&mut v);
        v[0] ^= length;
        finish(&mut v)
    }

    /// As [`SipKey::hash_words`], without the block that tells the length: for tables whose keys have one length all, which
    /// need it not. It takes one round of five or six less.
    #[inline]
    pub fn hash_fixed<const WORDS: usize>(&self, words: [u64; WORDS]) -> u64 {
        let mut v = self.begin();
        for word in words {
            v[3] ^= word;
            sip_round(&mut v);
            v[0] ^= word;
        }
        finish(&mut v)
    }

    #[inline]
    fn begin(&self) -> [u64; 4] {
        [
            self.0 ^ 0x736f_6d65_7073_6575,
            self.1 ^ 0x646f_7261_6e64_6f6d,
            self.0 ^ 0x6c79_6765_6e65_7261,
            self.1 ^ 0x7465_6462_7974_6573,
        ]
    }
}

#[inline]
fn finish(v: &mut [u64; 4]) -> u64 {
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

#[inline]
fn sip_round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::Hasher;

    /// The standard library's `DefaultHasher` is SipHash-1-3 with a zero key.
    #[test]
    fn hash_is_siphash_1_3() {
        let words = [1, 0xdead_beef_0bad_f00d, 3, u64::MAX, 5];
        let mut reference = std::collections::hash_map::DefaultHasher::new();
        for word in words {
            reference.write(&u64::to_le_bytes(word));
        }
        assert_eq!(SipKey(0, 0).hash_words(&words), reference.finish());
        assert_ne!(SipKey(1, 0).hash_words(&words), reference.finish());
    }

    #[test]
    fn an_answer_has_ends_swapped_and_icmp_types_paired() {
        let tuple = Tuple {
            src_id: 1000,
            dst_id: 53,
            l4: ipproto::UDP,
            l3: L3::V4,
            src: Address::v4([1; 4]),
            ..Tuple::default()
        };
        let answer = tuple.inverted().unwrap();
        assert_eq!((answer.src_id, answer.dst_id, answer.dst), (53, 1000, Address::v4([1; 4])));
        assert_eq!(answer.inverted(), Some(tuple));
        let echo = Tuple { src_id: 7, dst_id: 0x0800, l4: ipproto::ICMP, l3: L3::V4, ..Tuple::default() };
        assert_eq!(echo.inverted().map(|t| (t.src_id, t.dst_id)), Some((7, 0)));
        assert_eq!(Tuple { dst_id: 0x0300, ..echo }.inverted(), None);
    }
}
