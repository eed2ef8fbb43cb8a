//! `immediate`: a constant into a register, or a verdict (`nft_immediate.c`).

use std::fmt;

use ironweir_netlink::Writer;
use ironweir_wire::Packet;

use crate::Data;
use crate::given::{Fault, Given, put_register};
use crate::netlink::put_value;
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
    const HIGHEST: u16 = DATA;

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

    fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Immediate::Value { destination, value } => {
                put_register(writer, DREG, *destination);
                put_value(writer, DATA, value);
            }
            Immediate::Verdict(verdict) => {
                writer.put_u32_be(DREG, VERDICT);
                verdict.put(writer, DATA);
            }
        }
    }

    fn decode(given: &Given<'_>) -> Result<Immediate, Fault> {
        match (given.u32(DREG)?, given.data(DATA)?) {
            (VERDICT, Data::Verdict(verdict)) => Ok(Immediate::Verdict(verdict)),
            (VERDICT, Data::Value(_)) => Err(given.need(DATA)?.bad_value().into()),
            (_, Data::Value(value)) => Ok(Immediate::Value { destination: given.register(DREG)?, value }),
            (_, Data::Verdict(_)) => Err(given.need(DREG)?.bad_value().into()),
        }
    }
}

/// `NFTA_IMMEDIATE_DREG`.
const DREG: u16 = 1;
/// `NFTA_IMMEDIATE_DATA`.
const DATA: u16 = 2;
/// `NFT_REG_VERDICT`.
const VERDICT: u32 = 0;
