//! `immediate`: a constant into a register, or a verdict (`nft_immediate.c`).

use std::fmt;

use ironweir_wire::Packet;

use crate::registry::Expression;
use crate::text::{Order, Orders};
use crate::validate::{ExprError, ValidateCtx, len_of, register};
use crate::{Env, Outcome, Register, Registers, Value, Verdict};

/// Loads a constant or decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Immediate {
    /// Bytes into a data register.
    Value {
        /// Where they go.
        destination: Register,
        /// The bytes.
        value: Value,
    },
    /// A verdict into the verdict register.
    Verdict(Verdict),
}

impl Expression for Immediate {
    const NAME: &'static str = "immediate";

    fn eval<E: Env>(&self, registers: &mut Registers, _: &mut Packet<'_>, _: &mut E) -> Outcome {
        match self {
            Immediate::Value { destination, value } => {
                registers.store(*destination, value);
                Outcome::Next
            }
            Immediate::Verdict(verdict) => verdict.outcome(),
        }
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, orders: &Orders) -> fmt::Result {
        match self {
            Immediate::Value { destination, value } => {
                write!(f, "immediate reg {destination} {}", orders.value(*destination, value))
            }
            Immediate::Verdict(verdict) => write!(f, "immediate reg 0 {verdict}"),
        }
    }

    /// Of verdicts, `stolen` and `repeat` are the kernel's own (`nft_verdict_init`).
    fn validate(&self, _: &ValidateCtx) -> Result<(), ExprError> {
        match self {
            Immediate::Value { destination, value } => register(*destination, len_of(value)),
            Immediate::Verdict(Verdict::Stolen | Verdict::Repeat) => {
                Err(ExprError::Invalid("a verdict that rules cannot give"))
            }
            Immediate::Verdict(_) => Ok(()),
        }
    }

    fn uses(&self, register: Register) -> Option<Order> {
        match self {
            Immediate::Value { destination, .. } => (*destination == register).then_some(Order::Network),
            Immediate::Verdict(_) => None,
        }
    }
}
