//! nf_tables expressions: one file per expression, holding its definition, validation, text form (as
//! `nft --debug=netlink` prints it) and reference evaluation.
//!
//! A rule is a list of [`Expr`]. Evaluation runs them in order over a [`register file`](Registers): loads write
//! registers, comparisons read them and end the rule ([`Verdict::Break`]) when they do not hold, statements act, and an
//! immediate to the verdict register decides. What an expression needs from outside it asks through one trait.
//!
//! The reference evaluation is the readable specification. Faster evaluators live in `engine` and are held
//! against it.

mod data;
mod eval;
mod family;
mod register;
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
pub use validate::{ChainKind, ExprError, ValidateCtx};

/// Any nf_tables expression.
///
/// The set is closed on purpose: an exhaustive `match` lists what a new expression still lacks.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // each variant is documented at its type
pub enum Expr {
    Bitwise(bitwise::Bitwise),
    Byteorder(byteorder::Byteorder),
    Cmp(cmp::Cmp),
    Connlimit(connlimit::Connlimit),
    Counter(counter::Counter),
    CtGet(ct::Get),
    CtSet(ct::Set),
    Dup(dup::Dup),
    Dynset(dynset::Dynset),
    Exthdr(exthdr::Exthdr),
    Fib(fib::Fib),
    FlowOffload(flow_offload::FlowOffload),
    Fwd(fwd::Fwd),
    Hash(hash::Hash),
    Immediate(immediate::Immediate),
    Inner(inner::Inner),
    Last(last::Last),
    Limit(limit::Limit),
    Log(log::Log),
    Lookup(lookup::Lookup),
    Masq(masq::Masq),
    MetaGet(meta::Get),
    MetaSet(meta::Set),
    Nat(nat::Nat),
    Notrack(notrack::Notrack),
    Numgen(numgen::Numgen),
    Objref(objref::Objref),
    Osf(osf::Osf),
    PayloadLoad(payload::Load),
    PayloadWrite(payload::Write),
    Queue(queue::Queue),
    Quota(quota::Quota),
    Range(range::Range),
    Redir(redir::Redir),
    Reject(reject::Reject),
    Rt(rt::Rt),
    Socket(socket::Socket),
    Synproxy(synproxy::Synproxy),
    Tproxy(tproxy::Tproxy),
    Tunnel(tunnel::Tunnel),
    Xfrm(xfrm::Xfrm),
    XtMatch(compat::Match),
    XtTarget(compat::Target),
    /// An expression of a newer peer, kept as it came.
    Unknown(compat::Unknown),
}
