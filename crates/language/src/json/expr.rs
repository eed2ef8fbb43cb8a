//! Expressions: dispatch by what they are, or by the object's key.

use serde_json::Value;

use super::Node;
use crate::diag::{Parsed, short};
use crate::expr::binary::{Binary, BinaryOp};
use crate::expr::concat::Concat;
use crate::expr::list::List;
use crate::expr::map::Map;
use crate::expr::prefix::Prefix;
use crate::expr::range::Range;
use crate::expr::set::{SetLiteral, SetName};
use crate::expr::symbol::Symbol;
use crate::expr::verdict::Verdict;
use crate::expr::{Expr, ExprKind};
use crate::print::Options;

impl Expr {
    /// As `nft -j` writes it.
    pub fn to_json(&self, options: &Options) -> Value {
        self.kind.to_json(options)
    }

    /// From any value that stands for an expression.
    pub fn from_json(node: Node<'_>) -> Parsed<Expr> {
        let kind = match node.value() {
            Value::Null => return Err(node.expected("an expression")),
            // What other types of comparison call 1 and 0 is found by resolving
            Value::Bool(there) => symbol(if *there { "exists" } else { "missing" }),
            Value::Number(number) => match number.as_u64() {
                Some(number) => ExprKind::Number(number),
                None => return Err(node.error(format!("the number {number} is none that fits here"))),
            },
            Value::String(text) => match &**text {
                "*" => ExprKind::Wildcard,
                text => match text.strip_prefix('@') {
                    Some(name) => ExprKind::SetRef(SetName { name: name.into() }),
                    None => symbol(text),
                },
            },
            Value::Array(_) => ExprKind::List(List::from_json(node)?),
            Value::Object(_) => ExprKind::from_json(node)?,
        };
        Ok(Expr::new(kind, node.span()))
    }
}

fn symbol(text: &str) -> ExprKind {
    ExprKind::Symbol(Symbol { text: text.into(), quoted: false })
}

impl ExprKind {
    /// From an object of one key.
    fn from_json(node: Node<'_>) -> Parsed<ExprKind> {
        let (key, inside) = node.only()?;
        if let Some(op) = BinaryOp::from_sign(key) {
            return Ok(ExprKind::Binary(Binary::from_json(op, inside)?));
        }
        if let Some(primary) = ExprKind::primary_from_json(key, inside)? {
            return Ok(primary);
        }
        Ok(match key {
            "prefix" => ExprKind::Prefix(Prefix::from_json(inside)?),
            "range" => ExprKind::Range(Range::from_json(inside)?),
            "concat" => ExprKind::Concat(Concat::from_json(inside)?),
            "set" => ExprKind::Set(SetLiteral::from_json(inside)?),
            "map" => ExprKind::Map(Map::from_json(inside)?),
            _ if Verdict::KEYS.contains(&key) => ExprKind::Verdict(Verdict::from_json(key, inside)?),
            _ => return Err(node.error(format!("Unknown expression type '{}'.", short(key)))),
        })
    }
}
