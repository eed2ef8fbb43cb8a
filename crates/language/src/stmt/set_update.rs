//! `add @s { ... }`, `update`, `delete`; maps too.

use crate::print::Printer;

/// `add @s { ... }`, `update`, `delete`; maps too.
#[derive(Clone, Debug, PartialEq)]
pub struct SetUpdate {}

impl SetUpdate {
    /// In nft's canonical form.
    pub fn print(&self, _out: &mut Printer) {}
}
