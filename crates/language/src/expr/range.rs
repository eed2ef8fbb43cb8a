//! Ranges: `22-25`.

use super::Expr;
use crate::print::Printer;

/// `from-to`, both included.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    /// First.
    pub from: Box<Expr>,
    /// Last.
    pub to: Box<Expr>,
}

impl Range {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        self.from.print(out);
        out.text("-");
        self.to.print(out);
    }
}
