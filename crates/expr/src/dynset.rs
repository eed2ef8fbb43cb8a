//! `dynset`: changes a set from the packet path (`nft_dynset.c`).

use std::fmt;

use ironweir_netlink::{Attribute, Writer};
use ironweir_wire::Packet;

use crate::env::Update;
use crate::given::{Fault, Given, put_flags, put_register};
use crate::netlink::put_exprs;
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
    const HIGHEST: u16 = EXPRESSIONS;

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
        self.exprs.iter().try_for_each(|expr| match expr.known() {
            Expr::Counter(_) | Expr::Quota(_) | Expr::Limit(_) | Expr::Connlimit(_) | Expr::Last(_) => {
                expr.validate(ctx)
            }
            _ => Err(ExprError::Invalid("an expression without state for an element")),
        })
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        self.set.encode(writer, SET_NAME, SET_ID);
        writer.put_u32_be(OP, self.op as u32);
        put_register(writer, SREG_KEY, self.key);
        self.data.iter().for_each(|data| put_register(writer, SREG_DATA, *data));
        if self.timeout != 0 {
            writer.put_u64_be(TIMEOUT, self.timeout);
        }
        // One goes as kernels before 5.11 know it.
        let several = self.exprs.len() > 1;
        let invert = if self.invert { INVERT } else { 0 };
        put_flags(writer, FLAGS, invert | if several { SEVERAL } else { 0 });
        match &*self.exprs {
            [] => {}
            [expr] => writer.nest(EXPR, |writer| expr.encode(writer)),
            exprs => put_exprs(writer, EXPRESSIONS, exprs),
        }
    }

    fn decode(given: &Given<'_>) -> Result<Dynset, Fault> {
        let exprs = match given.has(EXPR) {
            true => vec![given.expr(EXPR)?],
            false => given.exprs(EXPRESSIONS)?,
        };
        Ok(Dynset {
            set: SetRef::decode(given, SET_NAME, SET_ID)?,
            op: given.one_of(OP, &[Op::Add, Op::Update, Op::Delete])?,
            key: given.register(SREG_KEY)?,
            data: given.register_option(SREG_DATA)?,
            timeout: given.option(TIMEOUT, Attribute::u64_be)?.unwrap_or(0),
            invert: given.flags(FLAGS, INVERT | SEVERAL)? & INVERT != 0,
            exprs,
        })
    }
}

/// `NFTA_DYNSET_SET_NAME`.
const SET_NAME: u16 = 1;
/// `NFTA_DYNSET_SET_ID`.
const SET_ID: u16 = 2;
/// `NFTA_DYNSET_OP`.
const OP: u16 = 3;
/// `NFTA_DYNSET_SREG_KEY`.
const SREG_KEY: u16 = 4;
/// `NFTA_DYNSET_SREG_DATA`.
const SREG_DATA: u16 = 5;
/// `NFTA_DYNSET_TIMEOUT`.
const TIMEOUT: u16 = 6;
/// `NFTA_DYNSET_EXPR`.
const EXPR: u16 = 7;
/// `NFTA_DYNSET_FLAGS`.
const FLAGS: u16 = 9;
/// `NFTA_DYNSET_EXPRESSIONS`.
const EXPRESSIONS: u16 = 10;
/// `NFT_DYNSET_F_INV`.
const INVERT: u32 = 1;
/// `NFT_DYNSET_F_EXPR`: [`EXPRESSIONS`] counts, not [`EXPR`].
const SEVERAL: u32 = 2;
