//! `immediate`: a constant into a register, or a verdict (`nft_immediate.c`).

use std::fmt;

use crate::text::Orders;
use crate::validate::{ExprError, len_of, register};
use crate::{Outcome, Register, Registers, Value, Verdict};

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

impl Immediate {
    pub(crate) fn eval(&self, registers: &mut Registers) -> Outcome {
        match self {
            Immediate::Value { destination, value } => {
                registers.store(*destination, value);
                Outcome::Next
            }
            Immediate::Verdict(verdict) => verdict.outcome(),
        }
    }
}

impl Immediate {
    pub(crate) fn text(&self, f: &mut fmt::Formatter<'_>, orders: &Orders) -> fmt::Result {
        match self {
            Immediate::Value { destination, value } => {
                write!(f, "immediate reg {destination} {}", orders.value(*destination, value))
            }
            Immediate::Verdict(verdict) => write!(f, "immediate reg 0 {verdict}"),
        }
    }
}

impl Immediate {
    /// Of verdicts, `stolen` and `repeat` are the kernel's own (`nft_verdict_init`).
    pub(crate) fn validate(&self) -> Result<(), ExprError> {
        match self {
            Immediate::Value { destination, value } => register(*destination, len_of(value)),
            Immediate::Verdict(Verdict::Stolen | Verdict::Repeat) => {
                Err(ExprError::Invalid("a verdict that rules cannot give"))
            }
            Immediate::Verdict(_) => Ok(()),
        }
    }
}
