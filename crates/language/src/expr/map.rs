//! Map expressions: `tcp dport map { 22 : 1, 80 : 2 }`.

use serde_json::{Value, json};

use super::Expr;
use crate::diag::Parsed;
use crate::json::Node;
use crate::print::Options;
use crate::print::Printer;

/// What a map maps a key to.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// The key.
    pub key: Box<Expr>,
    /// A set literal whose elements have data, or a reference.
    pub map: Box<Expr>,
}

impl Map {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        self.key.print(out);
        out.text(" map ");
        self.map.print(out);
    }
}

impl Map {
    /// As `nft -j` writes it.
    pub fn to_json(&self, options: &Options) -> Value {
        json!({ "map": { "key": self.key.to_json(options), "data": self.map.to_json(options) } })
    }

    /// `key` and `data`.
    pub fn from_json(node: Node<'_>) -> Parsed<Map> {
        let key = Expr::from_json(node.need("key")?)?.into();
        Ok(Map { key, map: Expr::from_json(node.need("data")?)?.into() })
    }
}
