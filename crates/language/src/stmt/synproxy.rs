//! `synproxy`.

use crate::print::Printer;

/// `synproxy`.
#[derive(Clone, Debug, PartialEq)]
pub struct Synproxy {}

impl Synproxy {
    /// In nft's canonical form.
    pub fn print(&self, _out: &mut Printer) {}
}
