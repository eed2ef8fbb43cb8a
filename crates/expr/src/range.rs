//! `range`: whether a register lies between two constants, both included (`nft_range.c`).

use crate::{Register, Value};

/// Ends the rule unless the register lies inside (or outside). Bytes are compared as by `memcmp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// Where the number lies.
    pub source: Register,
    /// Outside instead of inside (`NFT_RANGE_NEQ`).
    pub negated: bool,
    /// The first value inside.
    pub from: Value,
    /// The last value inside.
    pub to: Value,
}
