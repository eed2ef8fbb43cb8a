//! `ipsec`: what transformation states a packet came or goes through.

use crate::diag::Parsed;
use crate::json::Node;
use crate::parse::Parser;
use crate::print::Printer;
use serde_json::{Value, json};

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

impl Xfrm {
    /// As `nft -j` writes it.
    pub fn to_json(&self) -> Value {
        let dir = if self.out { "out" } else { "in" };
        match &self.family {
            Some(family) => {
                json!({ "ipsec": { "key": self.key, "family": family, "dir": dir, "spnum": self.spnum } })
            }
            None => json!({ "ipsec": { "key": self.key, "dir": dir, "spnum": self.spnum } }),
        }
    }

    /// `key`, `dir`, `family` and `spnum`.
    pub fn from_json(node: Node<'_>) -> Parsed<Xfrm> {
        let out = node.need("dir")?.one_of("direction", &["in", "out"])? == "out";
        let spnum = node.get("spnum").map_or(Ok(0), |spnum| spnum.number(255))? as u8;
        let key = node.need("key")?.one_of("ipsec key", &["reqid", "spi", "saddr", "daddr"])?;
        let addressed = matches!(key, "saddr" | "daddr");
        let family = match node.get("family") {
            Some(family) if addressed => Some(family.one_of("family", &["ip", "ip6"])?.into()),
            None if addressed => return Err(node.error(format!("ipsec {key} needs a family"))),
            _ => None,
        };
        Ok(Xfrm { out, spnum, family, key: key.into() })
    }
}
