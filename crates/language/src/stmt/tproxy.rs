//! `tproxy`.

use crate::print::Printer;

/// `tproxy`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tproxy {}

impl Tproxy {
    /// In nft's canonical form.
    pub fn print(&self, _out: &mut Printer) {}
}
