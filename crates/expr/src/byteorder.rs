//! `byteorder`: between host and network order (`nft_byteorder.c`).

use crate::Register;

/// Converts `len` bytes in units of `size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Byteorder {
    /// Where the operand lies.
    pub source: Register,
    /// Where the result goes.
    pub destination: Register,
    /// Which way.
    pub op: Op,
    /// Bytes in all.
    pub len: u32,
    /// Bytes of one number: 2, 4 or 8.
    pub size: u32,
}

/// `enum nft_byteorder_ops`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Network to host (`NFT_BYTEORDER_NTOH`).
    Ntoh,
    /// Host to network (`NFT_BYTEORDER_HTON`).
    Hton,
}
