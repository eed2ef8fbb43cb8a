//! `cmp`: compares a register with a constant, byte by byte as `memcmp` does (`nft_cmp.c`).

use std::cmp::Ordering;
use std::fmt;

use ironweir_netlink::Writer;
use ironweir_wire::Packet;

use crate::given::{Fault, Given, put_register};
use crate::netlink::put_value;
use crate::registry::Expression;
use crate::text::Orders;
use crate::validate::{ExprError, ValidateCtx, len_of, register};
use crate::{Env, Outcome, Register, Registers, Value};

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

impl Op {
    /// Whether the comparison holds for sides that compare so.
    pub fn holds(self, ordering: Ordering) -> bool {
        match self {
            Op::Eq => ordering.is_eq(),
            Op::Neq => ordering.is_ne(),
            Op::Lt => ordering.is_lt(),
            Op::Lte => ordering.is_le(),
            Op::Gt => ordering.is_gt(),
            Op::Gte => ordering.is_ge(),
        }
    }
}

impl Expression for Cmp {
    const NAME: &'static str = "cmp";
    const HIGHEST: u16 = DATA;

    fn eval<E: Env>(&self, registers: &mut Registers, _: &mut Packet<'_>, _: &mut E) -> Outcome {
        let left = registers.get(self.source, self.data.len());
        Outcome::next_if(self.op.holds(left.cmp(&self.data)))
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, orders: &Orders) -> fmt::Result {
        let data = orders.value(self.source, &self.data);
        write!(f, "cmp {} reg {} {data}", self.op.name(), self.source)
    }

    fn validate(&self, _: &ValidateCtx) -> Result<(), ExprError> {
        register(self.source, len_of(&self.data))
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        put_register(writer, SREG, self.source);
        writer.put_u32_be(OP, self.op as u32);
        put_value(writer, DATA, &self.data);
    }

    fn decode(given: &Given<'_>) -> Result<Cmp, Fault> {
        let op = given.one_of(OP, &[Op::Eq, Op::Neq, Op::Lt, Op::Lte, Op::Gt, Op::Gte])?;
        Ok(Cmp { source: given.register(SREG)?, op, data: given.value(DATA)? })
    }
}

impl Op {
    /// The word of the text form.
    pub const fn name(self) -> &'static str {
        match self {
            Op::Eq => "eq",
            Op::Neq => "neq",
            Op::Lt => "lt",
            Op::Lte => "lte",
            Op::Gt => "gt",
            Op::Gte => "gte",
        }
    }
}

/// `NFTA_CMP_SREG`.
const SREG: u16 = 1;
/// `NFTA_CMP_OP`.
const OP: u16 = 2;
/// `NFTA_CMP_DATA`.
const DATA: u16 = 3;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::compute;

    proptest! {
        #[test]
        fn comparison_of_network_order_is_that_of_numbers(a: u64, b: u64) {
            let mut registers = Registers::default();
            registers.store(Register::R1, &a.to_be_bytes());
            for (op, holds) in
                [(Op::Eq, a == b), (Op::Neq, a != b), (Op::Lt, a < b), (Op::Lte, a <= b), (Op::Gt, a > b), (Op::Gte, a >= b)]
            {
                let expr = Cmp { source: Register::R1, op, data: b.to_be_bytes().into() };
                prop_assert_eq!(compute(&expr, &mut registers), Outcome::next_if(holds));
            }
        }
    }
}
