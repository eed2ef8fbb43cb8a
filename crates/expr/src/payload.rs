//! `payload`: bytes of the packet (`nft_payload.c`).

use crate::Register;

/// Loads bytes; ends the rule where the packet has none there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// From which header `offset` counts.
    pub base: Base,
    /// Bytes from there.
    pub offset: u32,
    /// How many bytes.
    pub len: u32,
    /// Where they go.
    pub destination: Register,
}

/// Overwrites bytes and mends checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// From which header `offset` counts.
    pub base: Base,
    /// Bytes from there.
    pub offset: u32,
    /// How many bytes.
    pub len: u32,
    /// Where the new bytes lie.
    pub source: Register,
    /// Which checksum changes with them.
    pub checksum: Checksum,
}

/// `enum nft_payload_bases`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Base {
    /// Link-layer header (`NFT_PAYLOAD_LL_HEADER`).
    Link = 0,
    /// Network header.
    Network = 1,
    /// Transport header.
    Transport = 2,
    /// What the transport header carries (`NFT_PAYLOAD_INNER_HEADER`).
    Inner = 3,
    /// A tunnel's header, inside [`crate::inner::Inner`] (`NFT_PAYLOAD_TUN_HEADER`).
    Tunnel = 4,
}

/// How a write mends checksums (`NFTA_PAYLOAD_CSUM_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksum {
    /// `enum nft_payload_csum_types`.
    pub kind: ChecksumKind,
    /// Where the checksum lies, in bytes from the same base.
    pub offset: u32,
    /// The transport checksum covers these bytes by its pseudo header (`NFT_PAYLOAD_L4CSUM_PSEUDOHDR`).
    pub pseudo_header: bool,
}

/// `enum nft_payload_csum_types`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum ChecksumKind {
    /// None.
    #[default]
    None = 0,
    /// The Internet checksum.
    Inet = 1,
    /// SCTP's CRC-32c.
    Sctp = 2,
}
