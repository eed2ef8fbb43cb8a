//! What is kept as it came: iptables matches and targets (`nft_compat.c`) and expressions of a newer peer.

use crate::Value;

/// An xtables match (`match`): name, revision and its private bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// `NFTA_MATCH_NAME`.
    pub name: Box<str>,
    /// `NFTA_MATCH_REV`.
    pub revision: u32,
    /// `NFTA_MATCH_INFO`.
    pub info: Box<[u8]>,
}

/// An xtables target (`target`): name, revision and its private bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `NFTA_TARGET_NAME`.
    pub name: Box<str>,
    /// `NFTA_TARGET_REV`.
    pub revision: u32,
    /// `NFTA_TARGET_INFO`.
    pub info: Box<[u8]>,
}

/// An expression this program does not know. It never matches in evaluation; loading it into the engine is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// `NFTA_EXPR_NAME`.
    pub name: Box<str>,
    /// `NFTA_EXPR_DATA`, undecoded.
    pub attributes: Value,
}
