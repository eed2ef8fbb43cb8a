//! What is kept as it came: iptables matches and targets (`nft_compat.c`) and expressions of a newer peer.

use std::fmt;

use ironweir_wire::Packet;

use crate::registry::Expression;
use crate::text::Orders;
use crate::validate::{ExprError, ValidateCtx};
use crate::{Env, Outcome, Registers, Value};

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

impl Expression for Match {
    const NAME: &'static str = "match";

    fn eval<E: Env>(&self, _: &mut Registers, _: &mut Packet<'_>, _: &mut E) -> Outcome {
        Outcome::Break
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        write!(f, "match name {} rev {}", self.name, self.revision)
    }

    fn validate(&self, _: &ValidateCtx) -> Result<(), ExprError> {
        Err(ExprError::Unsupported(self.name.clone()))
    }
}

impl Expression for Target {
    const NAME: &'static str = "target";

    fn eval<E: Env>(&self, _: &mut Registers, _: &mut Packet<'_>, _: &mut E) -> Outcome {
        Outcome::Break
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        write!(f, "target name {} rev {}", self.name, self.revision)
    }

    fn validate(&self, _: &ValidateCtx) -> Result<(), ExprError> {
        Err(ExprError::Unsupported(self.name.clone()))
    }
}
