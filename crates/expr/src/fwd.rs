//! `fwd`: sends the packet out of another device (`nft_fwd_netdev.c`).

use crate::{Family, Register};

/// Takes the packet and sends it out of a device, optionally to a neighbour looked up by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fwd {
    /// Where the device's index lies (`NFTA_FWD_SREG_DEV`).
    pub device: Register,
    /// Where the neighbour's address lies, and its family (`NFTA_FWD_SREG_ADDR`, `NFTA_FWD_NFPROTO`).
    pub neighbour: Option<(Register, Family)>,
}
