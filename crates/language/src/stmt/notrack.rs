//! `notrack`.

use crate::print::Printer;

/// `notrack`.
#[derive(Clone, Debug, PartialEq)]
pub struct Notrack {}

impl Notrack {
    /// In nft's canonical form.
    pub fn print(&self, _out: &mut Printer) {}
}
