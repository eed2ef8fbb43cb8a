//! Statements: dispatch by what they are, or by the object's key.

use serde_json::Value;

use super::Node;
use crate::diag::Parsed;
use crate::print::Options;
use crate::stmt::Stmt;

impl Stmt {
    /// As `nft -j` writes it: an object of one key.
    pub fn to_json(&self, options: &Options) -> Value {
        let _ = options;
        Value::Null
    }

    /// From an object of one key.
    pub fn from_json(node: Node<'_>) -> Parsed<Stmt> {
        let (key, _) = node.only()?;
        Err(node.error(format!("unknown statement '{key}'")))
    }
}

impl Stmt {
    /// A stateful statement by its key and what stands under it, as elements and sets have them; `None` of any other.
    pub fn stateful_from_json(key: &str, node: Node<'_>) -> Parsed<Option<Stmt>> {
        let _ = (key, node);
        Ok(None)
    }
}
