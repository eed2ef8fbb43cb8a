//! `log`.

use crate::print::Printer;

/// `log`.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {}

impl Log {
    /// In nft's canonical form.
    pub fn print(&self, _out: &mut Printer) {}
}
