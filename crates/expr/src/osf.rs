//! `osf`: guesses the sender's operating system from its SYN (`nft_osf.c`).

use crate::Register;

/// Loads the name of the operating system, 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Osf {
    /// Where it goes.
    pub destination: Register,
    /// How the TTL is judged: 0 loosely within the network, 1 (`loose`) less or equal, 2 (`skip`) not at all.
    pub ttl: u8,
    /// With the version (`NFT_OSF_F_VERSION`).
    pub version: bool,
}
