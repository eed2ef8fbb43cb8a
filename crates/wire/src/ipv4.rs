//! The IPv4 header (RFC 791).
//!
//! ```text
//!  0: version 4, IHL 4 | 1: DSCP and ECN | 2: total length  | 4: identification | 6: flags 3, fragment offset 13
//!  8: TTL              | 9: protocol     | 10: checksum     | 12: source        | 16: destination | 20: options
//! ```

use crate::address::Address;
use crate::checksum::Sum;
use crate::packet::Packet;

/// Length without options.
pub const HEADER_LEN: usize = 20;
/// Offset of the type of service byte.
pub const TOS_AT: usize = 1;
/// Offset of the total length.
pub const TOTAL_LENGTH_AT: usize = 2;
/// Offset of the time to live.
pub const TTL_AT: usize = 8;
/// Offset of the checksum.
pub const CHECKSUM_AT: usize = 10;
/// Offset of the source address.
pub const SRC_AT: usize = 12;
/// Offset of the destination address.
pub const DST_AT: usize = 16;
/// The reserved bit, don't fragment and more fragments, in the word of flags and offset.
pub const FLAG_MORE: u16 = 0x2000;
/// Don't fragment.
pub const FLAG_DONT_FRAGMENT: u16 = 0x4000;
/// The fragment offset in the word of flags and offset, in units of 8 bytes (`IP_OFFSET`).
pub const OFFSET_MASK: u16 = 0x1fff;

/// The fixed part of an IPv4 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Header length in bytes as the IHL says: 20 to 60, but 0 to 16 in a malformed header.
    pub header_len: usize,
    /// The version field.
    pub version: u8,
    /// Type of service: DSCP and ECN.
    pub tos: u8,
    /// Total length, header included.
    pub total_length: u16,
    /// Identification.
    pub id: u16,
    /// Flags (3 bits) and fragment offset (13 bits, in units of 8 bytes).
    pub flags_offset: u16,
    /// Time to live.
    pub ttl: u8,
    /// IP protocol.
    pub protocol: u8,
    /// Header checksum.
    pub checksum: u16,
    /// Source address.
    pub src: Address,
    /// Destination address.
    pub dst: Address,
}

impl Header {
    /// Reads the fixed part at `offset`; checks nothing but that it is there.
    #[inline]
    pub fn read(packet: &Packet<'_>, offset: usize) -> Option<Header> {
        packet.array::<HEADER_LEN>(offset).map(|bytes| Header::from_bytes(&bytes))
    }

    /// From its twenty bytes.
    #[inline]
    pub const fn from_bytes(b: &[u8; HEADER_LEN]) -> Header {
        Header {
            header_len: (b[0] & 0x0f) as usize * 4,
            version: b[0] >> 4,
            tos: b[1],
            total_length: u16::from_be_bytes([b[2], b[3]]),
            id: u16::from_be_bytes([b[4], b[5]]),
            flags_offset: u16::from_be_bytes([b[6], b[7]]),
            ttl: b[8],
            protocol: b[9],
            checksum: u16::from_be_bytes([b[10], b[11]]),
            src: Address::v4([b[12], b[13], b[14], b[15]]),
            dst: Address::v4([b[16], b[17], b[18], b[19]]),
        }
    }

    /// Its twenty bytes, checksum computed, without options.
    pub fn emit(&self) -> [u8; HEADER_LEN] {
        let mut b = [0; HEADER_LEN];
        b[0] = 0x45;
        b[1] = self.tos;
        b[2..4].copy_from_slice(&self.total_length.to_be_bytes());
        b[4..6].copy_from_slice(&self.id.to_be_bytes());
        b[6..8].copy_from_slice(&self.flags_offset.to_be_bytes());
        b[8] = self.ttl;
        b[9] = self.protocol;
        b[12..16].copy_from_slice(&self.src.as_v4());
        b[16..20].copy_from_slice(&self.dst.as_v4());
        let sum = Sum::ZERO.bytes(&b).finish();
        b[10..12].copy_from_slice(&sum.to_be_bytes());
        b
    }

    /// The fragment offset in units of 8 bytes.
    pub const fn fragment_offset(&self) -> u16 {
        self.flags_offset & OFFSET_MASK
    }

    /// Whether this is part of a fragmented packet (`ip_is_fragment`).
    pub const fn is_fragment(&self) -> bool {
        self.flags_offset & (OFFSET_MASK | FLAG_MORE) != 0
    }
}

/// Makes the checksum of a header, options included, which the bytes begin with. `None` if it is not there.
pub fn set_checksum(bytes: &mut [u8]) -> Option<()> {
    let len = usize::from(bytes.first()? & 0x0f) * 4;
    let header = bytes.get_mut(..len)?;
    header.get_mut(CHECKSUM_AT..CHECKSUM_AT + 2)?.fill(0);
    let sum = Sum::ZERO.bytes(header).finish();
    header.get_mut(CHECKSUM_AT..CHECKSUM_AT + 2)?.copy_from_slice(&sum.to_be_bytes());
    Some(())
}

/// Whether the checksum of the header at `offset`, options included, is right (`ip_fast_csum`).
pub fn checksum_is_valid(packet: &Packet<'_>, offset: usize) -> bool {
    let Some(first) = packet.byte(offset) else { return false };
    let len = usize::from(first & 0x0f) * 4;
    len >= HEADER_LEN && Sum::ZERO.packet(packet, offset, len).is_some_and(Sum::is_valid)
}
