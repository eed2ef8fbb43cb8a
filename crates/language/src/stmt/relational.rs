//! Comparisons: `tcp dport 22`, `ct state != new`.

use crate::expr::Expr;
use crate::print::Printer;

/// `left op right`; the rule ends here unless it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Relational {
    /// Left side.
    pub left: Expr,
    /// How they compare.
    pub op: RelOp,
    /// Right side.
    pub right: Expr,
}

/// How the sides of a comparison relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the signs are the language's
pub enum RelOp {
    /// Nothing between them: equality, membership or any flag, by the types.
    Implicit,
    Eq,
    Ne,
    Lt,
    Gt,
    Le,
    Ge,
    /// `!`: none of the flags.
    Not,
}

impl RelOp {
    /// As listed, with a blank behind it; empty for the implicit one.
    pub const fn sign(self) -> &'static str {
        match self {
            RelOp::Implicit => "",
            RelOp::Eq => "== ",
            RelOp::Ne => "!= ",
            RelOp::Lt => "< ",
            RelOp::Gt => "> ",
            RelOp::Le => "<= ",
            RelOp::Ge => ">= ",
            RelOp::Not => "! ",
        }
    }
}

impl Relational {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        self.left.print(out);
        out.text(" ").text(self.op.sign());
        self.right.print(out);
    }
}
