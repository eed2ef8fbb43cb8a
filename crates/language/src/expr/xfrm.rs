//! `ipsec`: what transformation states a packet came or goes through.

use crate::diag::Parsed;
use crate::parse::Parser;
use crate::print::Printer;

/// `ipsec in|out [spnum N] [ip|ip6] key`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Xfrm {
    /// `out` instead of `in`.
    pub out: bool,
    /// Which transformation of a bundle, from 0.
    pub spnum: u8,
    /// `ip` or `ip6` before `saddr`, `daddr`.
    pub family: Option<Box<str>>,
    /// `reqid`, `spi`, `saddr`, `daddr`.
    pub key: Box<str>,
}

impl Xfrm {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        out.text(if self.out { "ipsec out " } else { "ipsec in " });
        if self.spnum > 0 {
            out.fmt(format_args!("spnum {} ", self.spnum));
        }
        if let Some(family) = &self.family {
            out.text(family).text(" ");
        }
        out.text(&self.key);
    }
}

impl Xfrm {
    /// At `ipsec`.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<Xfrm> {
        p.next();
        let out = super::primary::one_of(p, "in or out", &["in", "out"])? == "out";
        let mut spnum = 0;
        if p.eat_word("spnum") {
            spnum = p.number_to(255)? as u8;
        }
        let family: Option<Box<str>> = match p.word() {
            word @ ("ip" | "ip6") => Some(word.into()),
            _ => None,
        };
        let keys: &[&'static str] = if family.is_some() { &["saddr", "daddr"] } else { &["reqid", "spi"] };
        if family.is_some() {
            p.next();
        }
        Ok(Xfrm { out, spnum, family, key: super::primary::one_of(p, "an ipsec key", keys)?.into() })
    }
}
