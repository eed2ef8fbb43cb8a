//! Fields of headers inside a tunnel: `vxlan ip saddr`.

use super::Expr;
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
