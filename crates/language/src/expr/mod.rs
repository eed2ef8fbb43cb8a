//! Expressions of the language, one file each; [`registry`] lists them.

pub mod binary;
pub mod concat;
pub mod ct;
pub mod dccpopt;
pub mod exthdr;
pub mod fib;
pub mod hash;
pub mod inner;
pub mod ipopt;
pub mod list;
pub mod map;
pub mod meta;
pub mod numgen;
pub mod osf;
pub mod payload;
pub mod prefix;
pub mod primary;
pub mod range;
pub mod raw_payload;
pub mod registry;
pub mod rhs;
pub mod rt;
pub mod sctp_chunk;
pub mod set;
pub mod socket;
pub mod symbol;
pub mod tcpopt;
pub mod tunnel;
pub mod verdict;
pub mod xfrm;

use crate::print::Printer;
use crate::source::Span;

pub use registry::{ExprKind, Primary, Selector};

/// An expression and its place.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it is; [`Span::NONE`] where listing raised it.
    pub span: Span,
}

/// Two expressions are equal that say the same, wherever they stand.
impl PartialEq for Expr {
    fn eq(&self, other: &Expr) -> bool {
        self.kind == other.kind
    }
}

impl Expr {
    /// At a place.
    pub fn new(kind: ExprKind, span: Span) -> Expr {
        Expr { kind, span }
    }

    /// Without a place: raised from bytecode.
    pub fn raised(kind: ExprKind) -> Expr {
        Expr { kind, span: Span::NONE }
    }

    /// An unquoted symbol, raised from bytecode.
    pub fn symbol(text: impl Into<Box<str>>) -> Expr {
        Expr::raised(ExprKind::Symbol(symbol::Symbol { text: text.into(), quoted: false }))
    }

    /// A quoted string, raised from bytecode.
    pub fn quoted(text: impl Into<Box<str>>) -> Expr {
        Expr::raised(ExprKind::Symbol(symbol::Symbol { text: text.into(), quoted: true }))
    }

    /// A number, raised from bytecode.
    pub fn number(number: u64) -> Expr {
        Expr::raised(ExprKind::Number(number))
    }

    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        self.kind.print(out);
    }

    /// In nft's canonical form, as a string.
    pub fn to_text(&self, options: crate::print::Options) -> String {
        let mut out = Printer::new(options);
        self.print(&mut out);
        out.finish()
    }

    /// Roughly how many nodes it has; what counts are elements of sets.
    pub fn size(&self) -> usize {
        match &self.kind {
            ExprKind::Set(set) => 1 + set.elements.len(),
            ExprKind::List(list) => 1 + list.0.len(),
            ExprKind::Binary(binary) => 1 + binary.left.size() + binary.right.size(),
            _ => 1,
        }
    }
}
