//! Chains: regular ones, which rules jump to, and base chains, which hooks call.

use std::fmt;

use crate::{Hook, Userdata};

/// A chain's own attributes (`NFTA_CHAIN_*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its name, at most 127 bytes.
    pub name: Box<str>,
    /// What makes it a base chain; `None` for a regular one.
    pub base: Option<BaseChain>,
    /// It belongs to the rule that jumps to it and goes with it (`NFT_CHAIN_BINDING`, an anonymous chain). Until the
    /// commit its name is `__chain%d` and this is the number that rules of the batch refer to it by.
    pub binding: Option<u32>,
    /// The comment.
    pub userdata: Userdata,
    /// Attributes of a newer peer, which it gets back.
    pub unknown: crate::netlink::Unknown,
}

/// Where and how a base chain is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseChain {
    /// What it may do.
    pub kind: ChainType,
    /// Where it is called.
    pub hook: Hook,
    /// When, among the chains of that hook: low ones first.
    pub priority: Priority,
    /// On which devices, for ingress and egress.
    pub devices: Vec<Box<str>>,
    /// What becomes of a packet that no rule decided on. `None` where the message did not say: accept for a new chain,
    /// unchanged for one that exists.
    pub policy: Option<Policy>,
    /// `flags offload` (`NFT_CHAIN_HW_OFFLOAD`).
    pub hw_offload: bool,
}

/// Types of base chains (`struct nft_chain_type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChainType {
    /// Filters.
    #[default]
    Filter,
    /// Sets up NAT; sees only the first packet of a connection.
    Nat,
    /// In output: what it changes is routed anew.
    Route,
}

impl ChainType {
    /// Every type.
    pub const ALL: [ChainType; 3] = [ChainType::Filter, ChainType::Nat, ChainType::Route];

    /// The word nft and the kernel use.
    pub const fn name(self) -> &'static str {
        match self {
            ChainType::Filter => "filter",
            ChainType::Nat => "nat",
            ChainType::Route => "route",
        }
    }

    /// From the word.
    pub fn from_name(name: &str) -> Option<ChainType> {
        ChainType::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What becomes of packets that no rule of a base chain decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the words are nft's
pub enum Policy {
    Accept,
    Drop,
}

impl Policy {
    /// The word nft uses.
    pub const fn name(self) -> &'static str {
        match self {
            Policy::Accept => "accept",
            Policy::Drop => "drop",
        }
    }
}

/// Where a base chain or flowtable stands among those of its hook: low numbers are called first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(pub i32);

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
