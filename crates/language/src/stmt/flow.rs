//! `flow add`.

use crate::print::Printer;

/// `flow add`.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {}

impl Flow {
    /// In nft's canonical form.
    pub fn print(&self, _out: &mut Printer) {}
}
