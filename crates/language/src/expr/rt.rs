//! `rt`: what routing decided.

use crate::print::Printer;

/// `rt [family] key`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rt {
    /// `ip` or `ip6` before `nexthop`.
    pub family: Option<Box<str>>,
    /// `classid`, `nexthop`, `mtu`, `ipsec`.
    pub key: Box<str>,
}

impl Rt {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        out.text("rt ");
        if let Some(family) = &self.family {
            out.text(family).text(" ");
        }
        out.text(&self.key);
    }
}
