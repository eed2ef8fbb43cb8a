//! `fwd`.

use crate::print::Printer;

/// `fwd`.
#[derive(Clone, Debug, PartialEq)]
pub struct Fwd {}

impl Fwd {
    /// In nft's canonical form.
    pub fn print(&self, _out: &mut Printer) {}
}
