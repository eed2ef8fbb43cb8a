//! Lists of flags: `established,related`, `syn / syn,ack`.

use super::Expr;
use crate::print::Printer;

/// `a,b,c`: any of these flags.
#[derive(Clone, Debug, PartialEq)]
pub struct List(pub Vec<Expr>);

impl List {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        for (at, part) in self.0.iter().enumerate() {
            if at > 0 {
                out.text(",");
            }
            part.print(out);
        }
    }
}

/// `value / mask`: of the flags in the mask, these and no others.
#[derive(Clone, Debug, PartialEq)]
pub struct Masked {
    /// Left of the slash.
    pub value: Box<Expr>,
    /// Right of the slash.
    pub mask: Box<Expr>,
}

impl Masked {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        self.value.print(out);
        out.text(" / ");
        self.mask.print(out);
    }
}
