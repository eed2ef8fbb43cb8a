//! `hash`: a number out of a hash, for spreading load (`nft_hash.c`).

use crate::Register;

/// Loads `hash % modulus + offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hash {
    /// Of what.
    pub kind: Kind,
    /// Where the number goes.
    pub destination: Register,
    /// How many different numbers there are; at least 1.
    pub modulus: u32,
    /// The smallest of them.
    pub offset: u32,
}

/// `enum nft_hash_types`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bob Jenkins' hash of registers (`NFT_HASH_JENKINS`).
    Jenkins {
        /// Where the bytes lie.
        source: Register,
        /// How many there are.
        len: u32,
        /// Seed; `None` leaves its choice to the kernel (`NFTA_HASH_SEED` absent).
        seed: Option<u32>,
    },
    /// The packet's flow hash, equal in both directions (`NFT_HASH_SYM`).
    Symmetric,
}
