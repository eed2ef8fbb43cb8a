//! `socket`: the local socket a packet belongs to.

use crate::print::Printer;

/// `socket key`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Socket {
    /// `transparent`, `mark`, `wildcard`, `cgroupv2`.
    pub key: Box<str>,
    /// `level N` of `cgroupv2`.
    pub level: Option<u32>,
}

impl Socket {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        out.text("socket ").text(&self.key);
        if let Some(level) = self.level {
            out.text(" level ").number(level);
        }
    }
}
