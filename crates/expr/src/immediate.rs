//! `immediate`: a constant into a register, or a verdict (`nft_immediate.c`).

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
