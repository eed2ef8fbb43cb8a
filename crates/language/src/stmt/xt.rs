//! `xt`: listed only.

use crate::print::Printer;

/// `xt`: listed only.
#[derive(Clone, Debug, PartialEq)]
pub struct Xt {}

impl Xt {
    /// In nft's canonical form.
    pub fn print(&self, _out: &mut Printer) {}
}
