//! A verdict as a statement.

use ironweir_expr::Expr as Code;
use ironweir_expr::immediate::Immediate;
use serde_json::Value;

pub use crate::expr::verdict::Verdict;

use super::registry::{Statement, Worded};
use crate::diag::Parsed;
use crate::json::Node;
use crate::lower::Lower;
use crate::optimise::{Parts, Role};
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::raise::Raise;
use crate::source::Span;

impl Statement for Verdict {
    const JSON: &'static str = "";

    fn print(&self, out: &mut Printer) {
        Verdict::print(self, out);
    }

    fn to_json(&self, options: &Options) -> Value {
        Verdict::to_json(self, options)
    }

    fn in_json(key: &str, _: Node<'_>) -> bool {
        Verdict::KEYS.contains(&key)
    }

    fn from_json(key: &str, inside: Node<'_>) -> Parsed<Verdict> {
        Verdict::from_json(key, inside)
    }

    fn lower(&self, to: &mut Lower<'_>, span: Span) -> Parsed<()> {
        to.verdict(self, span)
    }

    fn raise(code: &Code, from: &mut Raise<'_>) -> Option<Verdict> {
        let Code::Immediate(Immediate::Verdict(verdict)) = code else { return None };
        Some(crate::raise::verdict_syntax(from, verdict))
    }

    fn is_terminal(&self) -> bool {
        *self != Verdict::Continue
    }

    fn role(&self) -> Role<'_> {
        Role::Verdict(self)
    }

    fn writes(&self) -> Parts {
        Parts::empty()
    }
}

impl Worded for Verdict {
    fn at(p: &Parser<'_>) -> bool {
        Verdict::KEYS.contains(&p.word())
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Verdict> {
        Verdict::parse(p)?.ok_or_else(|| p.unexpected("a verdict"))
    }
}
