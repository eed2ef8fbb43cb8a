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

    /// Whether it is the same each time that it is read for one packet, and reading it changes nothing.
    pub(crate) fn is_steady(&self) -> bool {
        match &self.kind {
            ExprKind::Binary(binary) => binary.left.is_steady() && binary.right.is_constant(),
            ExprKind::Concat(concat) => concat.0.iter().all(Expr::is_steady),
            primary => primary.is_steady(),
        }
    }

    /// Whether it is made of numbers and names alone.
    pub(crate) fn is_constant(&self) -> bool {
        match &self.kind {
            ExprKind::Number(_) | ExprKind::Symbol(_) => true,
            ExprKind::Range(range) => range.from.is_constant() && range.to.is_constant(),
            ExprKind::Prefix(prefix) => prefix.base.is_constant(),
            ExprKind::Binary(binary) => binary.left.is_constant() && binary.right.is_constant(),
            ExprKind::Masked(masked) => masked.value.is_constant() && masked.mask.is_constant(),
            ExprKind::List(list) => list.0.iter().all(Expr::is_constant),
            ExprKind::Concat(concat) => concat.0.iter().all(Expr::is_constant),
            ExprKind::Set(set) => set.elements.iter().all(|element| {
                element.data.is_none() && element.options.is_none() && element.key.is_constant()
            }),
            _ => false,
        }
    }

    /// How many nodes it has, verdicts and options of elements aside.
    pub fn size(&self) -> usize {
        let all = |parts: &[Expr]| parts.iter().map(Expr::size).sum::<usize>();
        1 + match &self.kind {
            ExprKind::Set(set) => {
                let data = |element: &set::Element| element.data.as_ref().map_or(0, Expr::size);
                set.elements.iter().map(|element| element.key.size() + data(element)).sum()
            }
            ExprKind::List(list) => all(&list.0),
            ExprKind::Concat(concat) => all(&concat.0),
            ExprKind::Binary(binary) => binary.left.size() + binary.right.size(),
            ExprKind::Range(range) => range.from.size() + range.to.size(),
            ExprKind::Masked(masked) => masked.value.size() + masked.mask.size(),
            ExprKind::Map(map) => map.key.size() + map.map.size(),
            ExprKind::Prefix(prefix) => prefix.base.size(),
            primary => primary.inside().map_or(0, Expr::size),
        }
    }
}
