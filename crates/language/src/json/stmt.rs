//! Statements: objects of one key.

use serde_json::Value;

use super::Node;
use crate::diag::{Parsed, short};
use crate::print::Options;
use crate::stmt::{Stmt, StmtKind};

impl Stmt {
    /// As `nft -j` writes it: an object of one key.
    pub fn to_json(&self, options: &Options) -> Value {
        self.kind.to_json(options)
    }

    /// From an object of one key.
    pub fn from_json(node: Node<'_>) -> Parsed<Stmt> {
        let (key, inside) = node.only()?;
        match StmtKind::from_json(key, inside)? {
            Some(kind) => Ok(Stmt::new(kind, node.span())),
            None => Err(node.error(format!("Unknown statement object '{}'.", short(key)))),
        }
    }

    /// A stateful statement by its key and what stands under it, as elements and sets have them; `None` of any other.
    pub fn stateful_from_json(key: &str, node: Node<'_>) -> Parsed<Option<Stmt>> {
        let kind = StmtKind::stateful_from_json(key, node)?;
        Ok(kind.map(|kind| Stmt::new(kind, node.span())))
    }
}
