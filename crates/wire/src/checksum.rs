//! The Internet checksum: over bytes, over segmented packets, over pseudo headers, and incrementally.
//!
//! A [`Sum`] is the running one's complement sum (RFC 1071); [`Sum::finish`] folds and complements it.

use crate::address::{Address, L3};
use crate::packet::Packet;

/// A running one's complement sum of 16-bit words in network order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    /// Nothing summed.
    pub const ZERO: Sum = Sum(0);

    /// Adds one word.
    pub const fn word(self, word: u16) -> Sum {
        Sum(self.0 + word as u64)
    }

    /// Adds bytes that begin at an even offset; an odd last byte counts as followed by a zero.
    pub fn bytes(self, bytes: &[u8]) -> Sum {
        let mut sum = self.0;
        let mut words = bytes.chunks_exact(4);
        for word in &mut words {
            sum += u64::from(u32::from_be_bytes([word[0], word[1], word[2], word[3]]));
        }
        match *words.remainder() {
            [a, b, c] => sum += u64::from(u32::from_be_bytes([a, b, c, 0])),
            [a, b] => sum += u64::from(u16::from_be_bytes([a, b])),
            [a] => sum += u64::from(a) << 8,
            _ => {}
        }
        Sum(fold_once(sum))
    }

    /// Adds the pseudo header of `l3`: both addresses, the transport length and the protocol (RFC 9293 §3.1,
    /// RFC 8200 §8.1).
    pub fn pseudo(self, l3: L3, src: &Address, dst: &Address, length: usize, protocol: u8) -> Sum {
        let sum = self.bytes(src.bytes(l3)).bytes(dst.bytes(l3));
        Sum(sum.0 + (length as u64 & 0xffff_ffff) + u64::from(protocol))
    }

    /// Adds `len` bytes of a packet from `offset`, wherever they lie. `None` when the packet is shorter.
    pub fn packet(self, packet: &Packet<'_>, offset: usize, len: usize) -> Option<Sum> {
        let mut sum = self;
        let mut at = offset;
        let last = offset.checked_add(len)?;
        if last > packet.len() {
            return None;
        }
        if let Some(bytes) = packet.head().get(offset..last) {
            return Some(sum.bytes(bytes));
        }
        while at < last {
            let mut copy = [0; 512];
            let some = (last - at).min(copy.len());
            sum = sum.bytes(packet.load(at, some, &mut copy)?);
            at += some;
        }
        Some(sum)
    }

    /// The checksum field: folded and complemented.
    #[inline]
    pub const fn finish(self) -> u16 {
        !self.folded()
    }

    /// The sum folded to 16 bits; 0xffff (or 0 if nothing but zeros was summed) over data whose checksum is right.
    #[inline]
    pub const fn folded(self) -> u16 {
        // At most 33 bits, then 18, then 17, then 16.
        let mut sum = fold_once(self.0);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        sum as u16
    }

    /// Whether the sum, taken over data and its checksum field, says the data is whole.
    pub const fn is_valid(self) -> bool {
        self.finish() == 0
    }
}

/// One carry round, which keeps the sum far from overflow however long the data.
const fn fold_once(sum: u64) -> u64 {
    (sum & 0xffff_ffff) + (sum >> 32)
}

/// A change of summed data, to be applied to checksums that cover it (RFC 1624).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delta(u64);

impl Delta {
    /// No change.
    pub const NONE: Delta = Delta(0);

    /// One word that changes.
    pub const fn word(self, old: u16, new: u16) -> Delta {
        Delta(self.0 + (!old) as u64 + new as u64)
    }

    /// Four bytes at an even offset that change.
    #[inline]
    pub const fn four(self, old: [u8; 4], new: [u8; 4]) -> Delta {
        // Two words side by side count as one of 32 bits: what is carried from the lower into the upper comes round again.
        Delta(self.0 + (!u32::from_be_bytes(old)) as u64 + u32::from_be_bytes(new) as u64)
    }

    /// Bytes at an even offset that change; both slices have one length, and a difference in length is ignored.
    pub fn bytes(self, old: &[u8], new: &[u8]) -> Delta {
        let mut delta = self;
        for (old, new) in old.chunks(2).zip(new.chunks(2)) {
            delta = delta.word(be(old), be(new));
        }
        delta
    }

    /// Both changes.
    #[must_use]
    pub const fn and(self, other: Delta) -> Delta {
        Delta(self.0 + other.0)
    }

    /// The checksum after the change: `~(~HC + ~m + m')` (RFC 1624 §3, equation 3).
    #[inline]
    pub const fn apply(self, checksum: u16) -> u16 {
        Sum((!checksum) as u64 + self.0).finish()
    }

    /// The same for UDP, where 0 says "no checksum" and stays, and a sum of 0 is written 0xffff (RFC 768).
    #[inline]
    pub const fn apply_udp(self, checksum: u16) -> u16 {
        if checksum == 0 {
            return 0;
        }
        match self.apply(checksum) {
            0 => 0xffff,
            sum => sum,
        }
    }
}

fn be(word: &[u8]) -> u16 {
    match *word {
        [a, b] => u16::from_be_bytes([a, b]),
        [a] => u16::from_be_bytes([a, 0]),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::LinkType;

    /// The example of RFC 1071 §3.
    #[test]
    fn sum_of_rfc_1071() {
        assert_eq!(Sum::ZERO.bytes(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]).folded(), 0xddf2);
    }

    /// The header of RFC 1624 §4: checksum 0xdd2f, a field goes from 0x5555 to 0x3285, the new sum is 0x0000.
    #[test]
    fn incremental_update_of_rfc_1624() {
        assert_eq!(Delta::NONE.word(0x5555, 0x3285).apply(0xdd2f), 0x0000);
        assert_eq!(Delta::NONE.word(0x5555, 0x3285).apply_udp(0xdd2f), 0xffff);
        assert_eq!(Delta::NONE.word(1, 2).apply_udp(0), 0);
    }

    #[test]
    fn every_sum_folds_to_its_remainder_and_never_to_zero_but_of_zero() {
        let many =
            [0, 1, 0xfffe, 0xffff, 0x1_0000, 0x1_fffe, 0xffff_ffff, 0x1_0000_0000, u64::MAX - 1, u64::MAX];
        for sum in many.into_iter().chain((0..64).map(|bit| 1 << bit)) {
            let expected = match sum % 0xffff {
                0 if sum != 0 => 0xffff,
                remainder => remainder as u16,
            };
            assert_eq!(Sum(sum).folded(), expected, "{sum:x}");
        }
    }

    #[test]
    fn four_bytes_change_as_two_words_do() {
        let interesting = [0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff_u16];
        for (a, b) in interesting.into_iter().flat_map(|a| interesting.map(|b| (a, b))) {
            for (c, d) in interesting.into_iter().flat_map(|c| interesting.map(|d| (c, d))) {
                let four = |a: u16, b: u16| ((u32::from(a) << 16) | u32::from(b)).to_be_bytes();
                for checksum in interesting {
                    assert_eq!(
                        Delta::NONE.four(four(a, b), four(c, d)).apply(checksum),
                        Delta::NONE.word(a, c).word(b, d).apply(checksum)
                    );
                }
            }
        }
    }

    #[test]
    fn odd_and_segmented_data_sum_as_linear_data_does() {
        let mut bytes: Vec<u8> = (0..1501).map(|n| (n * 7 + n / 256) as u8).collect();
        let expected: u64 =
            bytes.chunks(2).map(|w| u64::from(w[0]) << 8 | u64::from(*w.get(1).unwrap_or(&0))).sum();
        let folded = (0..4).fold(expected, |sum, _| (sum & 0xffff) + (sum >> 16)) as u16;
        let packet = Packet::new(&mut bytes, 0, 1501, LinkType::None);
        assert_eq!(Sum::ZERO.packet(&packet, 0, 1501).unwrap().folded(), folded);
        assert_eq!(Sum::ZERO.packet(&packet, 1, 1501), None);
    }
}
