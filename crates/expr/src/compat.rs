//! What is kept as it came: iptables matches and targets (`nft_compat.c`) and expressions of a newer peer.

use std::fmt;

use ironweir_netlink::Writer;
use ironweir_wire::Packet;

use crate::given::{Fault, Given};
use crate::registry::Expression;
use crate::text::Orders;
use crate::validate::{ExprError, ValidateCtx};
use crate::{Env, Expr, Outcome, Registers, Value};

/// An xtables match (`match`): name, revision and its private bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// `NFTA_MATCH_NAME`.
    pub name: Box<str>,
    /// `NFTA_MATCH_REV`.
    pub revision: u32,
    /// `NFTA_MATCH_INFO`.
    pub info: Box<[u8]>,
}

/// An xtables target (`target`): name, revision and its private bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `NFTA_TARGET_NAME`.
    pub name: Box<str>,
    /// `NFTA_TARGET_REV`.
    pub revision: u32,
    /// `NFTA_TARGET_INFO`.
    pub info: Box<[u8]>,
}

/// An expression this program does not know. It never matches in evaluation; loading it into the engine is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// `NFTA_EXPR_NAME`.
    pub name: Box<str>,
    /// `NFTA_EXPR_DATA`, undecoded.
    pub attributes: Value,
}

/// An expression with attributes of a newer peer beside those that are known. It is evaluated, checked and printed as
/// what is known of it, as the kernel passes over attributes that it does not know.
#[derive(Clone, Debug, PartialEq)]
pub struct Extended {
    known: Expr,
    newer: Box<[u8]>,
}

impl Extended {
    /// Of what is known, and the other attributes as they came, headers and padding included.
    pub fn new(known: Expr, newer: Box<[u8]>) -> Extended {
        match known {
            // Never one within another, for it is walked by recursion.
            Expr::Extended(inner) => {
                Extended { known: inner.known, newer: [inner.newer, newer].concat().into() }
            }
            known => Extended { known, newer },
        }
    }

    /// What is known of it.
    pub fn known(&self) -> &Expr {
        &self.known
    }

    /// What is known of it, to be changed in place.
    pub fn known_mut(&mut self) -> &mut Expr {
        &mut self.known
    }

    /// The attributes that are not known.
    pub fn newer(&self) -> &[u8] {
        &self.newer
    }
}

impl Expression for Match {
    const NAME: &'static str = "match";
    const HIGHEST: u16 = INFO;

    fn eval<E: Env>(&self, _: &mut Registers, _: &mut Packet<'_>, _: &mut E) -> Outcome {
        Outcome::Break
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        write!(f, "match name {} rev {}", self.name, self.revision)
    }

    fn validate(&self, _: &ValidateCtx) -> Result<(), ExprError> {
        Err(ExprError::Unsupported(self.name.clone()))
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put_str(NAME, &self.name);
        writer.put_u32_be(REV, self.revision);
        writer.put(INFO, &self.info);
    }

    fn decode(given: &Given<'_>) -> Result<Match, Fault> {
        let info = given.need(INFO)?.value.into();
        Ok(Match { name: given.string(NAME)?, revision: given.u32(REV)?, info })
    }
}

impl Expression for Target {
    const NAME: &'static str = "target";
    const HIGHEST: u16 = INFO;

    fn eval<E: Env>(&self, _: &mut Registers, _: &mut Packet<'_>, _: &mut E) -> Outcome {
        Outcome::Break
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        write!(f, "target name {} rev {}", self.name, self.revision)
    }

    fn validate(&self, _: &ValidateCtx) -> Result<(), ExprError> {
        Err(ExprError::Unsupported(self.name.clone()))
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put_str(NAME, &self.name);
        writer.put_u32_be(REV, self.revision);
        writer.put(INFO, &self.info);
    }

    fn decode(given: &Given<'_>) -> Result<Target, Fault> {
        let info = given.need(INFO)?.value.into();
        Ok(Target { name: given.string(NAME)?, revision: given.u32(REV)?, info })
    }
}

/// `NFTA_MATCH_NAME`, `NFTA_TARGET_NAME`.
const NAME: u16 = 1;
/// `NFTA_MATCH_REV`, `NFTA_TARGET_REV`.
const REV: u16 = 2;
/// `NFTA_MATCH_INFO`, `NFTA_TARGET_INFO`.
const INFO: u16 = 3;
