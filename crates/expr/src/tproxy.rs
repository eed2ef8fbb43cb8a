//! `tproxy`: hands the packet to a local transparent socket (`nft_tproxy.c`).

use crate::{Family, Register};

/// Assigns a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tproxy {
    /// `ip`, `ip6`, or `inet` for both when only a port is given.
    pub family: Family,
    /// Where the socket's address lies.
    pub address: Option<Register>,
    /// Where its port lies.
    pub port: Option<Register>,
}
