//! `range`: whether a register lies between two constants, both included (`nft_range.c`).

use std::fmt;

use crate::text::Orders;
use crate::{Outcome, Register, Registers, Value};

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

impl Range {
    pub(crate) fn eval(&self, registers: &Registers) -> Outcome {
        let inside = *registers.get(self.source, self.from.len()) >= *self.from
            && *registers.get(self.source, self.to.len()) <= *self.to;
        Outcome::next_if(inside != self.negated)
    }
}

impl Range {
    pub(crate) fn text(&self, f: &mut fmt::Formatter<'_>, orders: &Orders) -> fmt::Result {
        let op = if self.negated { "neq" } else { "eq" };
        let [from, to] = [&self.from, &self.to].map(|value| orders.value(self.source, value));
        write!(f, "range {op} reg {} {from} {to}", self.source)
    }
}
