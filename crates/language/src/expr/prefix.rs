//! Prefixes: `10.0.0.0/8`.

use super::Expr;
use crate::print::Printer;

/// `base/len`.
#[derive(Clone, Debug, PartialEq)]
pub struct Prefix {
    /// Left of the slash.
    pub base: Box<Expr>,
    /// Bits.
    pub len: u32,
}

impl Prefix {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        self.base.print(out);
        out.text("/").number(self.len);
    }
}
