//! `range`: whether a register lies between two constants, both included (`nft_range.c`).

use std::fmt;

use ironweir_wire::Packet;

use crate::registry::Expression;
use crate::text::Orders;
use crate::validate::{ExprError, ValidateCtx, len_of, length, register};
use crate::{Env, Outcome, Register, Registers, Value};

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

impl Expression for Range {
    const NAME: &'static str = "range";

    fn eval<E: Env>(&self, registers: &mut Registers, _: &mut Packet<'_>, _: &mut E) -> Outcome {
        let inside = *registers.get(self.source, self.from.len()) >= *self.from
            && *registers.get(self.source, self.to.len()) <= *self.to;
        Outcome::next_if(inside != self.negated)
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, orders: &Orders) -> fmt::Result {
        let op = if self.negated { "neq" } else { "eq" };
        let [from, to] = [&self.from, &self.to].map(|value| orders.value(self.source, value));
        write!(f, "range {op} reg {} {from} {to}", self.source)
    }

    fn validate(&self, _: &ValidateCtx) -> Result<(), ExprError> {
        length(&self.to, len_of(&self.from))?;
        register(self.source, len_of(&self.from))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::compute;

    proptest! {
        #[test]
        fn a_range_holds_both_its_ends(value: u16, a: u16, b: u16, negated: bool) {
            let (low, high) = (a.min(b), a.max(b));
            let mut registers = Registers::default();
            registers.store(Register::R1, &value.to_be_bytes());
            let (from, to) = (low.to_be_bytes().into(), high.to_be_bytes().into());
            let expr = Range { source: Register::R1, negated, from, to };
            let holds = (low..=high).contains(&value) != negated;
            prop_assert_eq!(compute(&expr, &mut registers), Outcome::next_if(holds));
        }
    }
}
