//! `last`.

use crate::print::Printer;

/// `last`.
#[derive(Clone, Debug, PartialEq)]
pub struct Last {}

impl Last {
    /// In nft's canonical form.
    pub fn print(&self, _out: &mut Printer) {}
}
