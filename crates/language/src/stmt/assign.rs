//! `meta`, `ct`, payload, exthdr `set`.

use crate::print::Printer;

/// `meta`, `ct`, payload, exthdr `set`.
#[derive(Clone, Debug, PartialEq)]
pub struct Assign {}

impl Assign {
    /// In nft's canonical form.
    pub fn print(&self, _out: &mut Printer) {}
}
