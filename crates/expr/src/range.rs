//! `range`: whether a register lies between two constants, both included (`nft_range.c`).

use std::fmt;

use ironweir_netlink::Writer;
use ironweir_wire::Packet;

use crate::given::{Fault, Given, put_register};
use crate::netlink::put_value;
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
    const HIGHEST: u16 = TO_DATA;

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

    fn encode(&self, writer: &mut Writer<'_>) {
        put_register(writer, SREG, self.source);
        writer.put_u32_be(OP, u32::from(self.negated));
        put_value(writer, FROM_DATA, &self.from);
        put_value(writer, TO_DATA, &self.to);
    }

    fn decode(given: &Given<'_>) -> Result<Range, Fault> {
        Ok(Range {
            source: given.register(SREG)?,
            negated: given.one_of(OP, &[false, true])?,
            from: given.value(FROM_DATA)?,
            to: given.value(TO_DATA)?,
        })
    }
}

/// `NFTA_RANGE_SREG`.
const SREG: u16 = 1;
/// `NFTA_RANGE_OP`.
const OP: u16 = 2;
/// `NFTA_RANGE_FROM_DATA`.
const FROM_DATA: u16 = 3;
/// `NFTA_RANGE_TO_DATA`.
const TO_DATA: u16 = 4;

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
