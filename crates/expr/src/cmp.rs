//! `cmp`: compares a register with a constant, byte by byte as `memcmp` does (`nft_cmp.c`).

use crate::{Register, Value};

/// Ends the rule unless the comparison holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cmp {
    /// Where the left side lies.
    pub source: Register,
    /// How it is compared.
    pub op: Op,
    /// The right side.
    pub data: Value,
}

/// `enum nft_cmp_ops`. Order is that of the bytes, so ordered comparisons want network order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the words are the kernel's
pub enum Op {
    Eq,
    Neq,
    Lt,
    Lte,
    Gt,
    Gte,
}
