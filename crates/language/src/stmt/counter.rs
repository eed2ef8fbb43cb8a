//! `counter`.

use crate::print::Printer;

/// `counter`.
#[derive(Clone, Debug, PartialEq)]
pub struct Counter {}

impl Counter {
    /// In nft's canonical form.
    pub fn print(&self, _out: &mut Printer) {}
}
