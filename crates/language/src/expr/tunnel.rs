//! `tunnel`: metadata of the tunnel a packet came through.

use crate::diag::Parsed;
use crate::parse::Parser;
use crate::print::Printer;

/// `tunnel path|id`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tunnel {
    /// `path` or `id`.
    pub key: Box<str>,
}

impl Tunnel {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        out.text("tunnel ").text(&self.key);
    }
}

impl Tunnel {
    /// At `tunnel`.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<Tunnel> {
        p.next();
        Ok(Tunnel { key: super::primary::one_of(p, "path or id", &["path", "id"])?.into() })
    }
}
