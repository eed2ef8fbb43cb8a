//! `osf`: which operating system sent a SYN.

use crate::diag::Parsed;
use crate::json::Node;
use crate::parse::Parser;
use crate::print::Printer;
use serde_json::{Value, json};

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

impl Osf {
    /// As `nft -j` writes it.
    pub fn to_json(&self) -> Value {
        let key = if self.version { "version" } else { "name" };
        match &self.ttl {
            Some(ttl) => json!({ "osf": { "ttl": ttl, "key": key } }),
            None => json!({ "osf": { "key": key } }),
        }
    }

    /// `key` and `ttl`.
    pub fn from_json(node: Node<'_>) -> Parsed<Osf> {
        let version = node.need("key")?.one_of("osf key", &["name", "version"])? == "version";
        let ttl = node.get("ttl").map(|ttl| ttl.one_of("osf ttl mode", &["loose", "skip"])).transpose()?;
        Ok(Osf { ttl: ttl.map(Into::into), version })
    }
}
