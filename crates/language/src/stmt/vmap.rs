//! Verdict maps: `tcp dport vmap { 22 : accept }`.

use crate::diag::Parsed;
use crate::expr::Expr;
use crate::json::Node;
use crate::print::Options;
use crate::print::Printer;
use serde_json::{Value, json};

/// Takes the verdict that a map maps the key to.
#[derive(Clone, Debug, PartialEq)]
pub struct Vmap {
    /// The key.
    pub key: Expr,
    /// A set literal whose elements have verdicts, or a reference.
    pub map: Expr,
}

impl Vmap {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        self.key.print(out);
        out.text(" vmap ");
        self.map.print(out);
    }
}

impl Vmap {
    /// As `nft -j` writes it.
    pub fn to_json(&self, options: &Options) -> Value {
        json!({ "vmap": { "key": self.key.to_json(options), "data": self.map.to_json(options) } })
    }

    /// `key` and `data`.
    pub fn from_json(node: Node<'_>) -> Parsed<Vmap> {
        let key = Expr::from_json(node.need("key")?)?;
        Ok(Vmap { key, map: Expr::from_json(node.need("data")?)? })
    }
}
