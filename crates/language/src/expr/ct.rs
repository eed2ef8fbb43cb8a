//! `ct`: what conntrack knows.

use crate::diag::{Diagnostic, Parsed};
use crate::json::Node;
use crate::parse::Parser;
use crate::print::Printer;
use serde_json::{Value, json};

/// `ct [direction] [family] key`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ct {
    /// `original` or `reply`.
    pub direction: Option<Direction>,
    /// `ip` or `ip6` before `saddr`, `daddr`.
    pub family: Option<Box<str>>,
    /// Whether listing has inferred the family: text then says it, JSON does not.
    pub inferred: bool,
    /// The key, such as `state`.
    pub key: Box<str>,
}

/// A direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the words are nft's
pub enum Direction {
    Original,
    Reply,
}

impl Direction {
    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Direction::Original => "original",
            Direction::Reply => "reply",
        }
    }

    /// From the word.
    pub fn from_word(word: &str) -> Option<Direction> {
        [Direction::Original, Direction::Reply].into_iter().find(|direction| direction.word() == word)
    }
}

impl Ct {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        out.text("ct ");
        if let Some(direction) = self.direction {
            out.text(direction.word()).text(" ");
        }
        if let Some(family) = &self.family {
            out.text(family).text(" ");
        }
        out.text(&self.key);
    }
}

/// Keys that belong to the connection.
const KEYS: [&str; 15] = [
    "state",
    "status",
    "direction",
    "mark",
    "expiration",
    "helper",
    "label",
    "event",
    "secmark",
    "id",
    "l3proto",
    "protocol",
    "zone",
    "count",
    "timeout",
];
/// Keys that belong to a direction, or to both together.
const DIRECTED: [&str; 10] =
    ["saddr", "daddr", "proto-src", "proto-dst", "bytes", "packets", "avgpkt", "zone", "l3proto", "protocol"];

impl Ct {
    /// At `ct`.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<Ct> {
        p.next();
        let direction = Direction::from_word(p.word());
        if direction.is_some() {
            p.next();
            let family = match p.word() {
                word @ ("ip" | "ip6") => Some(word.into()),
                _ => None,
            };
            if family.is_some() {
                p.next();
            }
            let key = super::primary::one_of(p, "a ct key", &DIRECTED)?;
            if family.is_some() && !matches!(key, "saddr" | "daddr") {
                return Err(Diagnostic::error(p.last_span(), format!("'ct {key}' has no family")));
            }
            return Ok(Ct { direction, family, inferred: false, key: key.into() });
        }
        let words: Vec<&'static str> = KEYS.into_iter().chain(["bytes", "packets", "avgpkt"]).collect();
        if DIRECTED[..4].contains(&p.word()) {
            return Err(p
                .unexpected("a ct key")
                .help(format!("a direction goes first: 'ct original {0}' or 'ct reply {0}'", p.word())));
        }
        let key = super::primary::one_of(p, "a ct key", &words)?;
        Ok(Ct { direction, family: None, inferred: false, key: key.into() })
    }
}

impl Ct {
    /// As `nft -j` writes it: the family is part of the key.
    pub fn to_json(&self) -> Value {
        let key = match self.family.as_ref().filter(|_| !self.inferred) {
            Some(family) => format!("{family} {}", self.key),
            None => self.key.to_string(),
        };
        match self.direction {
            Some(direction) => json!({ "ct": { "key": key, "dir": direction.word() } }),
            None => json!({ "ct": { "key": key } }),
        }
    }

    /// `key`, `dir` and, of old, `family`.
    pub fn from_json(node: Node<'_>) -> Parsed<Ct> {
        let key_node = node.need("key")?;
        let word = key_node.string()?;
        let (mut family, key) = match word.split_once(' ') {
            Some((family @ ("ip" | "ip6"), key)) => (Some(family), key),
            _ => (None, word),
        };
        if let Some(given) = node.get("family") {
            family = Some(given.one_of("family", &["ip", "ip6"])?);
        }
        let Some(dir) = node.get("dir") else {
            if family.is_some() || DIRECTED[..4].contains(&key) {
                return Err(node.error(format!("Direction required with CT key {word}")));
            }
            let words: Vec<&'static str> = KEYS.into_iter().chain(["bytes", "packets", "avgpkt"]).collect();
            let key = key_node.one_of("ct key", &words)?;
            return Ok(Ct { direction: None, family: None, inferred: false, key: key.into() });
        };
        let direction = Direction::from_word(dir.one_of("direction", &["original", "reply"])?);
        let Some(key) = DIRECTED.into_iter().find(|known| *known == key) else {
            return Err(key_node.unknown("ct key with a direction", key, &DIRECTED));
        };
        if family.is_some() && !matches!(key, "saddr" | "daddr") {
            return Err(node.error(format!("'ct {key}' has no family")));
        }
        Ok(Ct { direction, family: family.map(Into::into), inferred: false, key: key.into() })
    }
}
