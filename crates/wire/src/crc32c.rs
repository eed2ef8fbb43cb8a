//! CRC-32c, the checksum of SCTP (RFC 9260 appendix A).

use crate::packet::Packet;

/// The reflected Castagnoli polynomial.
const POLYNOMIAL: u32 = 0x82f6_3b78;

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// A running CRC-32c.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crc32c(u32);

impl Default for Crc32c {
    fn default() -> Self {
        Crc32c(u32::MAX)
    }
}

impl Crc32c {
    /// Adds bytes.
    pub fn bytes(self, bytes: &[u8]) -> Crc32c {
        Crc32c(bytes.iter().fold(self.0, |crc, byte| (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ byte)]))
    }

    /// Adds `len` bytes of a packet from `offset`; `None` when the packet is shorter.
    pub fn packet(self, packet: &Packet<'_>, offset: usize, len: usize) -> Option<Crc32c> {
        let last = offset.checked_add(len)?;
        if let Some(bytes) = packet.head().get(offset..last) {
            return Some(self.bytes(bytes));
        }
        if last > packet.len() {
            return None;
        }
        let mut crc = self;
        let mut at = offset;
        while at < last {
            let mut copy = [0; 512];
            let some = (last - at).min(copy.len());
            crc = crc.bytes(packet.load(at, some, &mut copy)?);
            at += some;
        }
        Some(crc)
    }

    /// The checksum as SCTP writes it: these four bytes, in this order.
    pub const fn finish(self) -> [u8; 4] {
        (!self.0).to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of the CRC catalogue, and RFC 3720 appendix B.4: 32 bytes of zero.
    #[test]
    fn known_values() {
        assert_eq!(Crc32c::default().bytes(b"123456789").finish(), 0xe306_9283_u32.to_le_bytes());
        assert_eq!(Crc32c::default().bytes(&[0; 32]).finish(), [0xaa, 0x36, 0x91, 0x8a]);
    }
}
