//! References to named objects.

use crate::print::Printer;

/// References to named objects.
#[derive(Clone, Debug, PartialEq)]
pub struct Objref {}

impl Objref {
    /// In nft's canonical form.
    pub fn print(&self, _out: &mut Printer) {}
}
