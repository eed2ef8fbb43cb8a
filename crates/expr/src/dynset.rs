//! `dynset`: changes a set from the packet path (`nft_dynset.c`).

use std::fmt;

use ironweir_wire::Packet;

use crate::env::Update;
use crate::registry::Expression;
use crate::text::Orders;
use crate::validate::{ExprError, ValidateCtx, when};
use crate::{Env, Expr, Outcome, Register, Registers, SetRef};

/// Adds, updates or deletes the element whose key lies in a register.
#[derive(Clone, Debug, PartialEq)]
pub struct Dynset {
    /// The set.
    pub set: SetRef,
    /// What is done.
    pub op: Op,
    /// Where the key lies.
    pub key: Register,
    /// Where the data of a map's new element lies.
    pub data: Option<Register>,
    /// How long the element lives, in milliseconds; 0 takes the set's own.
    pub timeout: u64,
    /// Ends the rule when the element was there instead of when it could not be added (`NFT_DYNSET_F_INV`).
    pub invert: bool,
    /// Stateful expressions a new element gets, and that are evaluated for the element (`NFTA_DYNSET_EXPRESSIONS`).
    pub exprs: Vec<Expr>,
}

/// `enum nft_dynset_ops`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Add if it is not there (`NFT_DYNSET_OP_ADD`).
    Add,
    /// Add, or begin its timeout anew (`NFT_DYNSET_OP_UPDATE`).
    Update,
    /// Remove (`NFT_DYNSET_OP_DELETE`).
    Delete,
}

impl Expression for Dynset {
    const NAME: &'static str = "dynset";

    fn eval<E: Env>(&self, registers: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        let key = registers.get(self.key, Register::BYTES);
        let data = self.data.map_or(&[][..], |register| registers.get(register, Register::BYTES));
        let update = env.update(self, key, data, packet);
        match (self.op, update) {
            (Op::Delete, _) => Outcome::Next,
            (_, Update::Break) => Outcome::Break,
            (_, Update::Done) => Outcome::next_if(!self.invert),
            (_, Update::Full) => Outcome::next_if(self.invert),
        }
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        let op = match self.op {
            Op::Add => "add",
            Op::Update => "update",
            Op::Delete => "delete",
        };
        write!(f, "dynset {op} reg_key {} set {}", self.key, self.set.name)?;
        self.data.iter().try_for_each(|register| write!(f, " sreg_data {register}"))?;
        if self.timeout != 0 {
            write!(f, " timeout {}ms", self.timeout)?;
        }
        if self.invert {
            f.write_str(" invert")?;
        }
        self.exprs
            .iter()
            .filter(|expr| !matches!(expr, Expr::Dynset(_)))
            .try_for_each(|expr| write!(f, " expr [ {expr} ]"))
    }

    /// Key and data are checked against the set where it is known. At most two expressions, all stateful
    /// (`NFT_SET_EXPR_MAX`).
    fn validate(&self, ctx: &ValidateCtx) -> Result<(), ExprError> {
        when(self.exprs.len() > 2, "more than two expressions for an element")?;
        self.exprs.iter().try_for_each(|expr| match expr {
            Expr::Counter(_) | Expr::Quota(_) | Expr::Limit(_) | Expr::Connlimit(_) | Expr::Last(_) => {
                expr.validate(ctx)
            }
            _ => Err(ExprError::Invalid("an expression without state for an element")),
        })
    }
}
