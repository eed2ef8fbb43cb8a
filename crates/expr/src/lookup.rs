//! `lookup`: whether a set holds a key, or what a map maps it to (`nft_lookup.c`).

use std::fmt;

use ironweir_netlink::{Attribute, Writer};
use ironweir_wire::Packet;

use crate::env::Found;
use crate::given::{Fault, Given, put_flags, put_register};
use crate::registry::Expression;
use crate::text::Orders;
use crate::validate::{ExprError, ValidateCtx, register};
use crate::{Env, Register, Registers, SetRef};

/// Ends the rule unless the set holds the key; loads what a map maps it to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The set or map.
    pub set: SetRef,
    /// Where the key lies.
    pub source: Register,
    /// What is done with what a map gives.
    pub result: Outcome,
}

/// What a lookup does beside the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Only the test.
    Test {
        /// Ends the rule when the set *does* hold the key (`NFT_LOOKUP_F_INV`).
        invert: bool,
    },
    /// A map's data goes into this register.
    Load(Register),
    /// A verdict map's verdict is taken (destination register 0).
    Verdict,
}

impl Expression for Lookup {
    const NAME: &'static str = "lookup";
    const HIGHEST: u16 = FLAGS;

    fn eval<E: Env>(
        &self,
        registers: &mut Registers,
        packet: &mut Packet<'_>,
        env: &mut E,
    ) -> crate::Outcome {
        use crate::Outcome::{Break, Next};
        let found = env.lookup(&self.set, registers.get(self.source, Register::BYTES), packet);
        match (self.result, found) {
            (_, Found::Break) => Break,
            (Outcome::Test { invert }, found) if (found != Found::No) != invert => Next,
            (Outcome::Load(destination), Found::Data(data)) => {
                registers.store(destination, data);
                Next
            }
            (Outcome::Verdict, Found::Verdict(outcome)) => outcome,
            // Not found, or a map of another kind than the rule was validated against.
            _ => Break,
        }
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        write!(f, "lookup reg {} set {}", self.source, self.set.name)?;
        match self.result {
            Outcome::Test { invert: false } => Ok(()),
            Outcome::Test { invert: true } => f.write_str(" 0x1"),
            Outcome::Load(register) => write!(f, " dreg {register}"),
            Outcome::Verdict => f.write_str(" dreg 0"),
        }
    }

    /// Lengths are the set's to check.
    fn validate(&self, _: &ValidateCtx) -> Result<(), ExprError> {
        register(self.source, 1)?;
        match self.result {
            Outcome::Load(destination) => register(destination, 1),
            Outcome::Test { .. } | Outcome::Verdict => Ok(()),
        }
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        self.set.encode(writer, SET, SET_ID);
        put_register(writer, SREG, self.source);
        match self.result {
            Outcome::Test { invert } => put_flags(writer, FLAGS, if invert { INVERT } else { 0 }),
            Outcome::Load(destination) => put_register(writer, DREG, destination),
            Outcome::Verdict => writer.put_u32_be(DREG, VERDICT),
        }
    }

    fn decode(given: &Given<'_>) -> Result<Lookup, Fault> {
        let invert = given.flags(FLAGS, INVERT)? == INVERT;
        let result = match given.option(DREG, Attribute::u32_be)? {
            None => Outcome::Test { invert },
            // A map that holds the key cannot give what it maps it to where it must not hold it.
            Some(_) if invert => return Err(given.need(FLAGS)?.bad_value().into()),
            Some(VERDICT) => Outcome::Verdict,
            Some(_) => Outcome::Load(given.register(DREG)?),
        };
        Ok(Lookup { set: SetRef::decode(given, SET, SET_ID)?, source: given.register(SREG)?, result })
    }
}

/// `NFTA_LOOKUP_SET`.
const SET: u16 = 1;
/// `NFTA_LOOKUP_SREG`.
const SREG: u16 = 2;
/// `NFTA_LOOKUP_DREG`.
const DREG: u16 = 3;
/// `NFTA_LOOKUP_SET_ID`.
const SET_ID: u16 = 4;
/// `NFTA_LOOKUP_FLAGS`.
const FLAGS: u16 = 5;
/// `NFT_LOOKUP_F_INV`.
const INVERT: u32 = 1;
/// `NFT_REG_VERDICT`.
const VERDICT: u32 = 0;
