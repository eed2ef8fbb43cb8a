//! `meta`: what is known of a packet besides its bytes.

use crate::diag::Parsed;
use crate::json::Node;
use crate::parse::Parser;
use crate::print::Printer;
use serde_json::{Value, json};

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
    "time",
    "day",
    "hour",
];

impl Meta {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        // nft 1.1.6 lists these without `meta`, and the rest with it.
        const BARE: &[&str] = &["iif", "iifname", "iifgroup", "oif", "oifname", "oifgroup"];
        if !BARE.contains(&&*self.key) {
            out.text("meta ");
        }
        out.text(&self.key);
    }
}

/// Keys that need `meta` before them.
const QUALIFIED: &[&str] = &[
    "length",
    "protocol",
    "priority",
    "random",
    "secmark",
    "nfproto",
    "l4proto",
    "ibrpvid",
    "ibrvproto",
    "ibrhwaddr",
    "sdif",
    "sdifname",
    "broute",
    "iifkind",
    "oifkind",
    "ipsec",
    "secpath",
    "bri_iifname",
    "bri_oifname",
    "bri_iifpvid",
    "bri_iifvproto",
];

/// The key that a word means, as nft lists it.
pub fn key(word: &str) -> Option<&'static str> {
    Some(match word {
        "ibriport" => "ibrname",
        "obriport" => "obrname",
        "secpath" => "ipsec",
        word => QUALIFIED.iter().chain(UNQUALIFIED).find(|key| **key == word)?,
    })
}

impl Meta {
    /// At `meta` or at a key.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<Meta> {
        let qualified = p.eat_word("meta");
        let known = qualified || UNQUALIFIED.contains(&p.word());
        let Some(key) = key(p.word()).filter(|_| known) else {
            let keys: Vec<&str> = QUALIFIED.iter().chain(UNQUALIFIED).copied().collect();
            return Err(p.unexpected_word("a meta key", &keys));
        };
        p.next();
        Ok(Meta { key: key.into() })
    }
}

impl Meta {
    /// As `nft -j` writes it.
    pub fn to_json(&self) -> Value {
        json!({ "meta": { "key": self.key } })
    }

    /// `key`.
    pub fn from_json(node: Node<'_>) -> Parsed<Meta> {
        let key_node = node.need("key")?;
        let word = key_node.string()?;
        let Some(key) = key(word) else {
            let keys: Vec<&str> = QUALIFIED.iter().chain(UNQUALIFIED).copied().collect();
            return Err(key_node.unknown("meta key", word, &keys));
        };
        Ok(Meta { key: key.into() })
    }
}
