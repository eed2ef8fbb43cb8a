//! Verdict maps: `tcp dport vmap { 22 : accept }`.

use serde_json::{Value, json};

use super::registry::Statement;
use crate::diag::Parsed;
use crate::expr::Expr;
use crate::json::Node;
use crate::lower::Lower;
use crate::optimise::{Parts, Role};
use crate::print::{Options, Printer};
use crate::source::Span;

/// Takes the verdict that a map maps the key to.
#[derive(Clone, Debug, PartialEq)]
pub struct Vmap {
    /// The key.
    pub key: Expr,
    /// A set literal whose elements have verdicts, or a reference.
    pub map: Expr,
}

impl Statement for Vmap {
    const JSON: &'static str = "vmap";

    fn print(&self, out: &mut Printer) {
        self.key.print(out);
        out.text(" vmap ");
        self.map.print(out);
    }

    fn to_json(&self, options: &Options) -> Value {
        json!({ "vmap": { "key": self.key.to_json(options), "data": self.map.to_json(options) } })
    }

    /// `key` and `data`.
    fn from_json(_: &str, inside: Node<'_>) -> Parsed<Vmap> {
        let key = Expr::from_json(inside.need("key")?)?;
        Ok(Vmap { key, map: Expr::from_json(inside.need("data")?)? })
    }

    fn lower(&self, to: &mut Lower<'_>, span: Span) -> Parsed<()> {
        to.vmap(self, span)
    }

    fn role(&self) -> Role<'_> {
        Role::Map(self)
    }

    fn writes(&self) -> Parts {
        Parts::empty()
    }
}
