//! `osf`: which operating system sent a SYN.

use crate::print::Printer;

/// `osf [ttl loose|skip] name|version`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Osf {
    /// `loose` or `skip`.
    pub ttl: Option<Box<str>>,
    /// Whether the version is part of what is asked.
    pub version: bool,
}

impl Osf {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        out.text("osf ");
        if let Some(ttl) = &self.ttl {
            out.text("ttl ").text(ttl).text(" ");
        }
        out.text(if self.version { "version" } else { "name" });
    }
}
