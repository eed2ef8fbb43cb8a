//! `queue`.

use crate::print::Printer;

/// `queue`.
#[derive(Clone, Debug, PartialEq)]
pub struct Queue {}

impl Queue {
    /// In nft's canonical form.
    pub fn print(&self, _out: &mut Printer) {}
}
