//! `snat`, `dnat`, `masquerade`, `redirect`.

use crate::print::Printer;

/// `snat`, `dnat`, `masquerade`, `redirect`.
#[derive(Clone, Debug, PartialEq)]
pub struct Nat {}

impl Nat {
    /// In nft's canonical form.
    pub fn print(&self, _out: &mut Printer) {}
}
