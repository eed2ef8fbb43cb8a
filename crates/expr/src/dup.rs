//! `dup`: sends a copy elsewhere (`nft_dup_ipv4.c`, `nft_dup_ipv6.c`, `nft_dup_netdev.c`).

use crate::Register;

/// Sends a copy of the packet to a gateway (ip, ip6, inet) or out of a device (netdev).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dup {
    /// Where the gateway's address lies (`NFTA_DUP_SREG_ADDR`).
    pub address: Option<Register>,
    /// Where the device's index lies (`NFTA_DUP_SREG_DEV`).
    pub device: Option<Register>,
}
