//! The AST above expressions and statements: rules.

use crate::print::Printer;
use crate::source::Span;
use crate::stmt::Stmt;

/// A rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its statements in order.
    pub stmts: Vec<Stmt>,
    /// Its comment.
    pub comment: Option<Box<str>>,
    /// Where it is.
    pub span: Span,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Rule) -> bool {
        (&self.stmts, &self.comment) == (&other.stmts, &other.comment)
    }
}

impl Rule {
    /// In nft's canonical form, without a newline.
    pub fn print(&self, out: &mut Printer) {
        for (at, stmt) in self.stmts.iter().enumerate() {
            if at > 0 {
                out.text(" ");
            }
            stmt.print(out);
        }
        if let Some(comment) = &self.comment {
            out.text(" comment ").quoted(comment);
        }
    }
}
