//! `dup`.

use crate::print::Printer;

/// `dup`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dup {}

impl Dup {
    /// In nft's canonical form.
    pub fn print(&self, _out: &mut Printer) {}
}
