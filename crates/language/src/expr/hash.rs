//! `jhash` and `symhash`.

use super::Expr;
use crate::print::Printer;

/// `jhash EXPR mod N [seed N] [offset N]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Jhash {
    /// What is hashed.
    pub expr: Box<Expr>,
    /// How many numbers there are.
    pub modulus: u32,
    /// The seed; drawn by the kernel where none is given.
    pub seed: Option<u32>,
    /// The first number.
    pub offset: u32,
}

/// `symhash mod N [offset N]`: both directions of a flow hash alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Symhash {
    /// How many numbers there are.
    pub modulus: u32,
    /// The first number.
    pub offset: u32,
}

impl Jhash {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        out.text("jhash ");
        self.expr.print(out);
        out.fmt(format_args!(" mod {}", self.modulus));
        if let Some(seed) = self.seed {
            out.fmt(format_args!(" seed 0x{seed:x}"));
        }
        if self.offset > 0 {
            out.fmt(format_args!(" offset {}", self.offset));
        }
    }
}

impl Symhash {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        out.fmt(format_args!("symhash mod {}", self.modulus));
        if self.offset > 0 {
            out.fmt(format_args!(" offset {}", self.offset));
        }
    }
}
