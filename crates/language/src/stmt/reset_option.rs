//! `reset tcp option`.

use crate::print::Printer;

/// `reset tcp option`.
#[derive(Clone, Debug, PartialEq)]
pub struct ResetOption {}

impl ResetOption {
    /// In nft's canonical form.
    pub fn print(&self, _out: &mut Printer) {}
}
