//! `ct count`.

use crate::print::Printer;

/// `ct count`.
#[derive(Clone, Debug, PartialEq)]
pub struct Connlimit {}

impl Connlimit {
    /// In nft's canonical form.
    pub fn print(&self, _out: &mut Printer) {}
}
