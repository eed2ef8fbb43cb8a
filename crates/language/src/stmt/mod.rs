//! Statements of the language, one file each: node, parsing, printing, lowering, raising.

pub mod assign;
pub mod connlimit;
pub mod counter;
pub mod dup;
pub mod flow;
pub mod fwd;
pub mod last;
pub mod limit;
pub mod log;
pub mod meter;
pub mod nat;
pub mod notrack;
pub mod objref;
pub mod queue;
pub mod quota;
pub mod reject;
pub mod relational;
pub mod reset_option;
pub mod set_update;
pub mod synproxy;
pub mod tproxy;
pub mod verdict;
pub mod vmap;
pub mod xt;

use crate::diag::Parsed;
use crate::parse::Parser;
use crate::print::Printer;
use crate::source::Span;

/// A statement and its place.
#[derive(Clone, Debug)]
pub struct Stmt {
    /// What it is.
    pub kind: StmtKind,
    /// Where it is; [`Span::NONE`] where listing raised it.
    pub span: Span,
}

/// Two statements are equal that say the same, wherever they stand.
impl PartialEq for Stmt {
    fn eq(&self, other: &Stmt) -> bool {
        self.kind == other.kind
    }
}

/// What a statement is.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // each variant is documented at its type
pub enum StmtKind {
    Verdict(verdict::Verdict),
    Vmap(vmap::Vmap),
    Relational(relational::Relational),
    Counter(counter::Counter),
    Quota(quota::Quota),
    Limit(limit::Limit),
    Last(last::Last),
    Connlimit(connlimit::Connlimit),
    Log(log::Log),
    Reject(reject::Reject),
    Nat(nat::Nat),
    Tproxy(tproxy::Tproxy),
    Dup(dup::Dup),
    Fwd(fwd::Fwd),
    Notrack(notrack::Notrack),
    Synproxy(synproxy::Synproxy),
    Queue(queue::Queue),
    Flow(flow::Flow),
    SetUpdate(set_update::SetUpdate),
    Meter(meter::Meter),
    Objref(objref::Objref),
    Assign(assign::Assign),
    ResetOption(reset_option::ResetOption),
    Xt(xt::Xt),
}

impl Stmt {
    /// At a place.
    pub fn new(kind: StmtKind, span: Span) -> Stmt {
        Stmt { kind, span }
    }

    /// Without a place: raised from bytecode.
    pub fn raised(kind: StmtKind) -> Stmt {
        Stmt { kind, span: Span::NONE }
    }

    /// The statement that stands next in a rule.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<Stmt> {
        let start = p.peek().span;
        let kind = StmtKind::parse(p)?;
        Ok(Stmt { kind, span: start.to(p.last_span()) })
    }

    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        match &self.kind {
            StmtKind::Verdict(node) => node.print(out),
            StmtKind::Vmap(node) => node.print(out),
            StmtKind::Relational(node) => node.print(out),
            StmtKind::Counter(node) => node.print(out),
            StmtKind::Quota(node) => node.print(out),
            StmtKind::Limit(node) => node.print(out),
            StmtKind::Last(node) => node.print(out),
            StmtKind::Connlimit(node) => node.print(out),
            StmtKind::Log(node) => node.print(out),
            StmtKind::Reject(node) => node.print(out),
            StmtKind::Nat(node) => node.print(out),
            StmtKind::Tproxy(node) => node.print(out),
            StmtKind::Dup(node) => node.print(out),
            StmtKind::Fwd(node) => node.print(out),
            StmtKind::Notrack(node) => node.print(out),
            StmtKind::Synproxy(node) => node.print(out),
            StmtKind::Queue(node) => node.print(out),
            StmtKind::Flow(node) => node.print(out),
            StmtKind::SetUpdate(node) => node.print(out),
            StmtKind::Meter(node) => node.print(out),
            StmtKind::Objref(node) => node.print(out),
            StmtKind::Assign(node) => node.print(out),
            StmtKind::ResetOption(node) => node.print(out),
            StmtKind::Xt(node) => node.print(out),
        }
    }
}

impl StmtKind {
    /// By its first words.
    fn parse(p: &mut Parser<'_>) -> Parsed<StmtKind> {
        Err(p.unexpected("a statement"))
    }
}
