//! `limit`.

use crate::print::Printer;

/// `limit`.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {}

impl Limit {
    /// In nft's canonical form.
    pub fn print(&self, _out: &mut Printer) {}
}
