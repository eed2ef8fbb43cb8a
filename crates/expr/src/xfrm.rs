//! `xfrm`: the IPsec transformations of a packet (`nft_xfrm.c`).

use crate::Register;

/// Loads a key of one transformation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Xfrm {
    /// What is loaded.
    pub key: Key,
    /// `in` (0) or `out` (1).
    pub direction: u8,
    /// Which transformation, 0 the outermost.
    pub spnum: u32,
    /// Where it goes.
    pub destination: Register,
}

/// `enum nft_xfrm_keys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[allow(missing_docs)] // the words are the kernel's
pub enum Key {
    DaddrIp4 = 1,
    DaddrIp6 = 2,
    SaddrIp4 = 3,
    SaddrIp6 = 4,
    Reqid = 5,
    Spi = 6,
}
