//! `lookup`: whether a set holds a key, or what a map maps it to (`nft_lookup.c`).

use crate::{Register, SetRef};

/// Ends the rule unless the set holds the key; loads what a map maps it to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The set or map.
    pub set: SetRef,
    /// Where the key lies.
    pub source: Register,
    /// What is done with what a map gives.
    pub result: Outcome,
}

/// What a lookup does beside the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Only the test.
    Test {
        /// Ends the rule when the set *does* hold the key (`NFT_LOOKUP_F_INV`).
        invert: bool,
    },
    /// A map's data goes into this register.
    Load(Register),
    /// A verdict map's verdict is taken (destination register 0).
    Verdict,
}
