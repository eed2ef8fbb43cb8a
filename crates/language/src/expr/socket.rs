//! `socket`: the local socket a packet belongs to.

use crate::diag::Parsed;
use crate::json::Node;
use crate::parse::Parser;
use crate::print::Printer;
use serde_json::{Value, json};

/// `socket key`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Socket {
    /// `transparent`, `mark`, `wildcard`, `cgroupv2`.
    pub key: Box<str>,
    /// `level N` of `cgroupv2`.
    pub level: Option<u32>,
}

impl Socket {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        out.text("socket ").text(&self.key);
        if let Some(level) = self.level {
            out.text(" level ").number(level);
        }
    }
}

impl Socket {
    /// At `socket`.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<Socket> {
        p.next();
        let keys = ["transparent", "mark", "wildcard", "cgroupv2"];
        let key = super::primary::one_of(p, "a socket key", &keys)?;
        let mut level = None;
        if key == "cgroupv2" {
            p.expect_word("level")?;
            level = Some(p.number_to(255)? as u32);
        }
        Ok(Socket { key: key.into(), level })
    }
}

impl Socket {
    /// As `nft -j` writes it.
    pub fn to_json(&self) -> Value {
        match self.level {
            Some(level) => json!({ "socket": { "key": self.key, "level": level } }),
            None => json!({ "socket": { "key": self.key } }),
        }
    }

    /// `key` and `level`.
    pub fn from_json(node: Node<'_>) -> Parsed<Socket> {
        let keys = ["transparent", "mark", "wildcard", "cgroupv2"];
        let key = node.need("key")?.one_of("socket key", &keys)?;
        let level = match key {
            "cgroupv2" => Some(node.get("level").map_or(Ok(0), |level| level.number(255))? as u32),
            _ => None,
        };
        Ok(Socket { key: key.into(), level })
    }
}
