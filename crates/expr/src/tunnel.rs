//! `tunnel`: the tunnel a packet came out of or goes into (`nft_tunnel.c`).

use std::fmt;

use crate::Register;

/// Loads a key of the tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// What is loaded.
    pub key: Key,
    /// Where it goes.
    pub destination: Register,
    /// `enum nft_tunnel_mode`: 0 any, 1 received, 2 sent.
    pub mode: u32,
}

/// `enum nft_tunnel_keys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Key {
    /// Whether there is one.
    Path = 0,
    /// Its number.
    Id = 1,
}

impl fmt::Display for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = match self.key {
            Key::Path => "path",
            Key::Id => "id",
        };
        write!(f, "tunnel load {key} => reg {}", self.destination)
    }
}
