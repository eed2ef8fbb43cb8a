//! `quota`.

use crate::print::Printer;

/// `quota`.
#[derive(Clone, Debug, PartialEq)]
pub struct Quota {}

impl Quota {
    /// In nft's canonical form.
    pub fn print(&self, _out: &mut Printer) {}
}
