//! `connlimit`: how many connections there are (`nft_connlimit.c`).

/// Ends the rule once more than `count` connections are known (`ct count`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connlimit {
    /// `NFTA_CONNLIMIT_COUNT`.
    pub count: u32,
    /// `over`: matches beyond the limit instead of up to it (`NFT_CONNLIMIT_F_INV`).
    pub over: bool,
}
