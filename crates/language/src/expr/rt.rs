//! `rt`: what routing decided.

use crate::diag::Parsed;
use crate::json::Node;
use crate::parse::Parser;
use crate::print::Printer;
use serde_json::{Value, json};

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

const KEYS: [&str; 4] = ["classid", "nexthop", "mtu", "ipsec"];

impl Rt {
    /// Whether `word` may follow `rt`.
    pub(super) fn at_key(word: &str) -> bool {
        KEYS.contains(&word) || matches!(word, "ip" | "ip6")
    }

    /// At `rt`.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<Rt> {
        p.next();
        let family = match p.word() {
            word @ ("ip" | "ip6") => Some(word.into()),
            _ => None,
        };
        if family.is_some() {
            p.next();
            super::primary::one_of(p, "nexthop", &["nexthop"])?;
            return Ok(Rt { family, key: "nexthop".into() });
        }
        Ok(Rt { family, key: super::primary::one_of(p, "a rt key", &KEYS)?.into() })
    }
}

impl Rt {
    /// As `nft -j` writes it.
    pub fn to_json(&self) -> Value {
        match &self.family {
            Some(family) => json!({ "rt": { "key": self.key, "family": family } }),
            None => json!({ "rt": { "key": self.key } }),
        }
    }

    /// `key` and `family`.
    pub fn from_json(node: Node<'_>) -> Parsed<Rt> {
        let key = node.need("key")?.one_of("rt key", &KEYS)?;
        let family = match node.get("family") {
            Some(family) => Some(family.one_of("family", &["ip", "ip6"])?.into()),
            None => None,
        };
        Ok(Rt { family, key: key.into() })
    }
}
