//! The UDP and UDP-Lite headers (RFC 768, RFC 3828).

use crate::packet::Packet;

/// Length of the header.
pub const HEADER_LEN: usize = 8;
/// Offset of the length, or UDP-Lite's checksum coverage.
pub const LENGTH_AT: usize = 4;
/// Offset of the checksum.
pub const CHECKSUM_AT: usize = 6;

/// A UDP or UDP-Lite header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Source port.
    pub src: u16,
    /// Destination port.
    pub dst: u16,
    /// UDP: bytes of header and data. UDP-Lite: bytes the checksum covers, 0 for all.
    pub length: u16,
    /// Checksum; 0 in UDP: none.
    pub checksum: u16,
}

impl Header {
    /// Reads the header at `offset`; checks nothing but that it is there.
    #[inline]
    pub fn read(packet: &Packet<'_>, offset: usize) -> Option<Header> {
        let b = packet.array::<HEADER_LEN>(offset)?;
        Some(Header {
            src: u16::from_be_bytes([b[0], b[1]]),
            dst: u16::from_be_bytes([b[2], b[3]]),
            length: u16::from_be_bytes([b[4], b[5]]),
            checksum: u16::from_be_bytes([b[6], b[7]]),
        })
    }
}
