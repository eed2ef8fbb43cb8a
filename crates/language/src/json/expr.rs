//! Expressions: dispatch by what they are, or by the object's key.

use serde_json::Value;

use super::Node;
use crate::diag::Parsed;
use crate::expr::Expr;
use crate::print::Options;

impl Expr {
    /// As `nft -j` writes it.
    pub fn to_json(&self, options: &Options) -> Value {
        let _ = options;
        Value::Null
    }

    /// From any value that stands for an expression.
    pub fn from_json(node: Node<'_>) -> Parsed<Expr> {
        Err(node.expected("an expression"))
    }
}
