//! `reject`.

use crate::print::Printer;

/// `reject`.
#[derive(Clone, Debug, PartialEq)]
pub struct Reject {}

impl Reject {
    /// In nft's canonical form.
    pub fn print(&self, _out: &mut Printer) {}
}
