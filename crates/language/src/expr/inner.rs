//! Fields of headers inside a tunnel: `vxlan ip saddr`.

use super::Expr;
use crate::diag::Parsed;
use crate::parse::Parser;
use crate::print::Printer;

/// A field of an inner header.
#[derive(Clone, Debug, PartialEq)]
pub struct Inner {
    /// The tunnel's header: `vxlan`, `geneve`, `gre`, `gretap`.
    pub tunnel: Box<str>,
    /// What is read inside: payload or `meta`.
    pub expr: Box<Expr>,
}

impl Inner {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        out.text(&self.tunnel).text(" ");
        self.expr.print(out);
    }
}

impl Inner {
    /// Whether headers inside that tunnel can be read.
    pub fn is_tunnel(protocol: &str) -> bool {
        matches!(protocol, "vxlan" | "geneve" | "gre" | "gretap")
    }

    /// At the tunnel's name.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<Inner> {
        let tunnel = p.word().into();
        p.next();
        let expr = p.nested(super::primary::keyword)?.into();
        Ok(Inner { tunnel, expr })
    }
}
