//! `dynset`: changes a set from the packet path (`nft_dynset.c`).

use crate::{Expr, Register, SetRef};

/// Adds, updates or deletes the element whose key lies in a register.
#[derive(Clone, Debug, PartialEq)]
pub struct Dynset {
    /// The set.
    pub set: SetRef,
    /// What is done.
    pub op: Op,
    /// Where the key lies.
    pub key: Register,
    /// Where the data of a map's new element lies.
    pub data: Option<Register>,
    /// How long the element lives, in milliseconds; 0 takes the set's own.
    pub timeout: u64,
    /// Ends the rule when the element was there instead of when it could not be added (`NFT_DYNSET_F_INV`).
    pub invert: bool,
    /// Stateful expressions a new element gets, and that are evaluated for the element (`NFTA_DYNSET_EXPRESSIONS`).
    pub exprs: Vec<Expr>,
}

/// `enum nft_dynset_ops`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Add if it is not there (`NFT_DYNSET_OP_ADD`).
    Add,
    /// Add, or begin its timeout anew (`NFT_DYNSET_OP_UPDATE`).
    Update,
    /// Remove (`NFT_DYNSET_OP_DELETE`).
    Delete,
}
