//! `xt`: iptables matches and targets that iptables-nft put into a rule. They can be listed, not written.

use ironweir_expr::Expr as Code;
use serde_json::{Value, json};

use super::registry::{Statement, Worded};
use crate::diag::{Diagnostic, Parsed};
use crate::json::Node;
use crate::lower::Lower;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::raise::Raise;
use crate::source::Span;

/// A match or target of iptables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Xt {
    /// Whether it is a target.
    pub target: bool,
    /// Its name.
    pub name: Box<str>,
}

fn refusal(span: Span) -> Box<Diagnostic> {
    Diagnostic::error(span, "unsupported xtables compat expression, use iptables-nft with this ruleset")
}

impl Statement for Xt {
    const JSON: &'static str = "xt";

    /// As nft lists it without libxtables.
    fn print(&self, out: &mut Printer) {
        out.text(if self.target { "xt target " } else { "xt match " }).quoted(&self.name);
    }

    fn to_json(&self, _: &Options) -> Value {
        json!({ "xt": { "type": if self.target { "target" } else { "match" }, "name": self.name } })
    }

    /// `type` and `name`. It is read, and refused when it is to become bytecode, as text is.
    fn from_json(_: &str, inside: Node<'_>) -> Parsed<Xt> {
        let target = inside.need("type")?.one_of("xt type", &["match", "target", "watcher"])? != "match";
        Ok(Xt { target, name: inside.need("name")?.string()?.into() })
    }

    fn lower(&self, _: &mut Lower<'_>, span: Span) -> Parsed<()> {
        Err(refusal(span))
    }

    fn raise(code: &Code, _: &mut Raise<'_>) -> Option<Xt> {
        match code {
            Code::XtMatch(xt) => Some(Xt { target: false, name: xt.name.clone() }),
            Code::XtTarget(xt) => Some(Xt { target: true, name: xt.name.clone() }),
            _ => None,
        }
    }
}

impl Worded for Xt {
    fn at(p: &Parser<'_>) -> bool {
        p.is_word("xt")
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Xt> {
        p.next();
        let start = p.last_span();
        p.name("match, target or watcher")?;
        p.string()?;
        Err(refusal(start.to(p.last_span())))
    }
}
