//! Map expressions: `tcp dport map { 22 : 1, 80 : 2 }`.

use super::Expr;
use crate::print::Printer;

/// What a map maps a key to.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// The key.
    pub key: Box<Expr>,
    /// A set literal whose elements have data, or a reference.
    pub map: Box<Expr>,
}

impl Map {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        self.key.print(out);
        out.text(" map ");
        self.map.print(out);
    }
}
