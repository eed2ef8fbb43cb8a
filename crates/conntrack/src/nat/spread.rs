//! Which address of a range a connection gets (`find_best_ips_proto` of linux 6.18 net/netfilter/nf_nat_core.c).
//!
//! A hash of source and destination - of the source alone with `persistent` - decides, so that a client keeps its address
//! towards a server. The hash has no key: a client has the same address after a restart, and the same as with Linux.

use ironweir_wire::jhash::jhash;
use ironweir_wire::{Address, L3, Tuple};

use super::{Manip, NatFlags, NatRange};

/// Addresses are handled as four words of which those of IPv4 use the first.
type Words = [u32; 4];

/// The address of the range for packets that look like `tuple` before.
pub(super) fn address(tuple: &Tuple, range: &NatRange, manip: Manip) -> Address {
    let persistent = range.flags.contains(NatFlags::PERSISTENT);
    let last = if tuple.l3 == L3::V4 { 0 } else { 3 };
    let destination = hashed(&tuple.dst, tuple.l3);
    let seed = if persistent { 0 } else { destination[last] ^ u32::from(tuple.zone) };
    let mut hash = jhash(&tuple.src.0, seed);
    let (least, greatest) = (numbers(&range.min_addr, tuple.l3), numbers(&range.max_addr, tuple.l3));
    let mut chosen = Words::default();
    let mut full = false;
    for at in 0..=last {
        // Once a word is below the greatest, the words behind it may have any value.
        let (from, distance) = if full {
            (0, u32::MAX)
        } else {
            (least[at], greatest[at].wrapping_sub(least[at]).wrapping_add(1))
        };
        chosen[at] = from.wrapping_add(scale(hash, distance));
        full |= chosen[at] != greatest[at];
        if !persistent {
            // `chosen` is read back from where the destination stands when the destination is what is chosen.
            let seen = if manip == Manip::Destination { chosen[at].swap_bytes() } else { destination[at] };
            hash ^= seen;
        }
    }
    let mut bytes = [0; 16];
    for (place, word) in bytes.chunks_exact_mut(4).zip(chosen) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    match tuple.l3 {
        L3::V4 => Address::v4([bytes[0], bytes[1], bytes[2], bytes[3]]),
        _ => Address(bytes),
    }
}

/// Words as the kernel of a little-endian machine hashes them.
fn hashed(address: &Address, l3: L3) -> Words {
    numbers(address, l3).map(u32::swap_bytes)
}

fn numbers(address: &Address, l3: L3) -> Words {
    let mut bytes = [0; 16];
    match l3 {
        L3::V4 => bytes[..4].copy_from_slice(&address.as_v4()),
        _ => bytes = address.0,
    }
    let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    [word(0), word(4), word(8), word(12)]
}

/// `reciprocal_scale`: a hash as a number below `limit`.
fn scale(hash: u32, limit: u32) -> u32 {
    ((u64::from(hash) * u64::from(limit)) >> 32) as u32
}
