//! `numgen`: numbers in turn or by chance.

use crate::print::Printer;

/// `numgen inc|random mod N [offset N]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Numgen {
    /// `random` instead of `inc`.
    pub random: bool,
    /// How many numbers there are.
    pub modulus: u32,
    /// The first one.
    pub offset: u32,
}

impl Numgen {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        let kind = if self.random { "random" } else { "inc" };
        out.fmt(format_args!("numgen {kind} mod {}", self.modulus));
        if self.offset > 0 {
            out.fmt(format_args!(" offset {}", self.offset));
        }
    }
}
