//! `tunnel`: metadata of the tunnel a packet came through.

use crate::diag::Parsed;
use crate::json::Node;
use crate::parse::Parser;
use crate::print::Printer;
use serde_json::{Value, json};

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

impl Tunnel {
    /// As `nft -j` writes it.
    pub fn to_json(&self) -> Value {
        json!({ "tunnel": { "key": self.key } })
    }

    /// `key`.
    pub fn from_json(node: Node<'_>) -> Parsed<Tunnel> {
        Ok(Tunnel { key: node.need("key")?.one_of("tunnel key", &["path", "id"])?.into() })
    }
}
