//! `socket`: the local socket a packet is for (`nft_socket.c`).

use crate::Register;

/// Loads a key of the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// What is loaded.
    pub key: Key,
    /// Where it goes.
    pub destination: Register,
}

/// `enum nft_socket_keys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// Whether it may bind to foreign addresses (`NFT_SOCKET_TRANSPARENT`).
    Transparent,
    /// `NFT_SOCKET_MARK`.
    Mark,
    /// Whether it is bound to all addresses (`NFT_SOCKET_WILDCARD`).
    Wildcard,
    /// The cgroup v2 at this level (`NFT_SOCKET_CGROUPV2`, `NFTA_SOCKET_LEVEL`).
    Cgroupv2 {
        /// 0 is the root.
        level: u32,
    },
}
