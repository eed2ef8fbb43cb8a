//! `osf`: which operating system sent a SYN.

use crate::diag::Parsed;
use crate::parse::Parser;
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

impl Osf {
    /// At `osf`.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<Osf> {
        p.next();
        let mut ttl = None;
        if p.eat_word("ttl") {
            ttl = Some(super::primary::one_of(p, "loose or skip", &["loose", "skip"])?.into());
        }
        let version = super::primary::one_of(p, "name or version", &["name", "version"])? == "version";
        Ok(Osf { ttl, version })
    }
}
