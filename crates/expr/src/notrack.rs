//! `notrack`: leaves the packet to no connection (`nft_notrack` in `nft_ct.c`).

/// The packet becomes untracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notrack;
