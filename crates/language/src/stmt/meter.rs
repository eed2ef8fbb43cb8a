//! `meter`.

use crate::print::Printer;

/// `meter`.
#[derive(Clone, Debug, PartialEq)]
pub struct Meter {}

impl Meter {
    /// In nft's canonical form.
    pub fn print(&self, _out: &mut Printer) {}
}
