//! nf_tables expressions: one file per expression, holding its definition, validation, netlink form (both ways), text form
//! (as `nft --debug=netlink` prints it) and reference evaluation.
//!
//! A rule is a list of [`Expr`]. Evaluation runs them in order over a [`register file`](Registers): loads write
//! registers, comparisons read them and end the rule ([`Verdict::Break`]) when they do not hold, statements act, and an
//! immediate to the verdict register decides. What an expression needs from outside it asks through one trait.
//!
//! All expressions stand in one list (`registry.rs`), which makes [`Expr`] and what is dispatched over it: a new one is its
//! file and a line there.
//!
//! The reference evaluation is the readable specification. Faster evaluators live in `engine` and are held
//! against it.

mod data;
mod family;
mod given;
mod register;
mod registry;
#[cfg(test)]
mod testing;
pub mod text;
mod validate;

pub mod bitwise;
pub mod byteorder;
pub mod cmp;
pub mod compat;
pub mod connlimit;
pub mod counter;
pub mod ct;
pub mod dup;
pub mod dynset;
pub mod env;
pub mod exthdr;
pub mod fib;
pub mod flow_offload;
pub mod fwd;
pub mod hash;
pub mod immediate;
pub mod inner;
pub mod last;
pub mod limit;
pub mod log;
pub mod lookup;
pub mod masq;
pub mod meta;
pub mod nat;
pub mod netlink;
pub mod notrack;
pub mod numgen;
pub mod objref;
pub mod osf;
pub mod payload;
pub mod queue;
pub mod quota;
pub mod range;
pub mod redir;
pub mod reject;
pub mod rt;
pub mod socket;
pub mod synproxy;
pub mod tproxy;
pub mod tunnel;
pub mod xfrm;

pub use data::{ChainRef, Data, SetRef, Value, Verdict};
pub use env::{Decision, Env, Outcome};
pub use family::{Family, Hook};
pub use register::{Register, Registers};
pub use registry::Expr;
pub use validate::{ChainKind, ExprError, ValidateCtx};
