//! Verdict maps: `tcp dport vmap { 22 : accept }`.

use crate::expr::Expr;
use crate::print::Printer;

/// Takes the verdict that a map maps the key to.
#[derive(Clone, Debug, PartialEq)]
pub struct Vmap {
    /// The key.
    pub key: Expr,
    /// A set literal whose elements have verdicts, or a reference.
    pub map: Expr,
}

impl Vmap {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        self.key.print(out);
        out.text(" vmap ");
        self.map.print(out);
    }
}
