//! `meta`: what is known of a packet besides its bytes.

use crate::print::Printer;

/// `meta key`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Meta {
    /// The key as nft lists it, such as `iifname`.
    pub key: Box<str>,
}

/// Keys that need no `meta` before them, and are listed without.
pub const UNQUALIFIED: &[&str] = &[
    "mark",
    "iif",
    "iifname",
    "iiftype",
    "oif",
    "oifname",
    "oiftype",
    "skuid",
    "skgid",
    "nftrace",
    "rtclassid",
    "ibriport",
    "ibrname",
    "obriport",
    "obrname",
    "pkttype",
    "cpu",
    "iifgroup",
    "oifgroup",
    "cgroup",
];

impl Meta {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        // nft 1.1.6 lists `iif`, `iifname` ... without `meta`, and the rest with it.
        const BARE: &[&str] =
            &["iif", "iifname", "iifgroup", "oif", "oifname", "oifgroup", "iiftype", "oiftype"];
        if !BARE.contains(&&*self.key) {
            out.text("meta ");
        }
        out.text(&self.key);
    }
}
