//! Statements of the language, one file each; [`registry`] lists them.

mod amount;
mod arguments;
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
mod nat_flags;
pub mod notrack;
pub mod objref;
pub mod queue;
pub mod quota;
pub mod registry;
pub mod reject;
pub mod relational;
pub mod reset_option;
pub mod set_update;
pub mod synproxy;
pub mod tproxy;
pub mod verdict;
pub mod vmap;
pub mod xt;

use ironweir_expr::Expr as Code;

use crate::diag::{Diagnostic, Parsed};
use crate::lower::Lower;
use crate::parse::Parser;
use crate::print::Printer;
use crate::source::Span;

pub use registry::{Stateful, Statement, StmtKind, Worded};

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

    /// Emits what the statement consists of.
    pub(crate) fn lower(&self, to: &mut Lower<'_>) -> Parsed<()> {
        to.protocols.place = self.span;
        self.kind.lower(to, self.span)?;
        to.end_statement();
        Ok(())
    }

    /// Whether nothing behind it in a rule is ever reached.
    pub(crate) fn is_terminal(&self) -> bool {
        self.kind.is_terminal()
    }

    /// The expression of a stateful statement, for sets and elements; `None` of any other.
    pub fn stateful_code(&self) -> Option<ironweir_expr::Expr> {
        self.kind.stateful_code()
    }

    /// The stateful statement that stands next, if one does.
    pub(crate) fn parse_stateful(p: &mut Parser<'_>) -> Parsed<Option<Stmt>> {
        let start = p.peek().span;
        let kind = StmtKind::parse_stateful(p)?;
        Ok(kind.map(|kind| Stmt { kind, span: start.to(p.last_span()) }))
    }

    /// The expression of a stateful statement, as sets and elements keep it.
    pub(crate) fn element_state(&self) -> Parsed<Code> {
        self.stateful_code().ok_or_else(|| {
            let message = "only counter, quota, limit, last and ct count belong to elements";
            Diagnostic::error(self.span, message)
        })
    }

    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        self.kind.print(out);
    }
}
