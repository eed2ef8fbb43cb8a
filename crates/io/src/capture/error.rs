//! What can be wrong with a capture.

use std::io;
use std::path::PathBuf;

use super::link::LinkNumber;

/// Why a capture cannot be opened or read on. Packets are counted from 1, as other tools number them; the packet is
/// the one that was being read, offsets count (uncompressed) bytes of the file.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file does not open.
    #[error("{path}: {source}", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is none of the formats that are read.
    #[error("{path}: no capture: begins with {magic:02x?}, neither pcap nor pcapng (gzip or not)", path = path.display())]
    NotACapture {
        /// The file.
        path: PathBuf,
        /// Its first bytes.
        magic: [u8; 4],
    },
    /// The file ends too early.
    #[error("{path}: truncated: ends at byte {offset} in the middle of {what}, at packet {packet}", path = path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The packet.
        packet: u64,
        /// Where it ends.
        offset: u64,
        /// In the middle of what.
        what: &'static str,
    },
    /// The file says something that cannot be.
    #[error("{path}: corrupt at byte {offset}, packet {packet}: {what}", path = path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The packet.
        packet: u64,
        /// Where.
        offset: u64,
        /// What it says.
        what: Corruption,
    },
    /// Packets of a link type that is not read.
    #[error("{path}: packet {packet}: unknown link type {link}; known are {known}", path = path.display(), known = super::link::KNOWN)]
    LinkType {
        /// The file.
        path: PathBuf,
        /// The first such packet.
        packet: u64,
        /// The link type.
        link: LinkNumber,
    },
    /// The operating system or the decompressor failed.
    #[error("{path}: packet {packet}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The packet.
        packet: u64,
        /// Why.
        source: io::Error,
    },
}

/// What a capture says that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corruption {
    /// Version of the format.
    #[error("version {0}.{1} of the format is not known")]
    Version(u16, u16),
    /// A packet longer than [`super::frame::MAX_PACKET`].
    #[error("a packet of {0} bytes; at most {max} are read", max = super::frame::MAX_PACKET)]
    PacketLength(u32),
    /// A pcapng block shorter than its fixed part, not a multiple of 4, or of a kind that is kept and too long.
    #[error("a block of {0} bytes")]
    BlockLength(u32),
    /// The two lengths of a pcapng block differ.
    #[error("a block of {0} bytes ends with length {1}")]
    BlockTrailer(u32, u32),
    /// The packet does not fit its pcapng block.
    #[error("a packet of {0} bytes in a block of {1}")]
    PacketInBlock(u32, u32),
    /// A section that begins with neither byte order's magic.
    #[error("byte order magic {0:08x}")]
    ByteOrder(u32),
    /// A packet of a pcapng interface that was not described.
    #[error("packet of interface {0}, of which {1} are described")]
    Interface(u32, usize),
    /// More interfaces than [`super::pcapng::MAX_INTERFACES`].
    #[error("more than {max} interfaces", max = super::pcapng::MAX_INTERFACES)]
    TooManyInterfaces,
    /// A timestamp unit too small for arithmetic.
    #[error("timestamp resolution {0:#04x}")]
    Resolution(u8),
}
