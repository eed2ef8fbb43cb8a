//! `xt`: iptables matches and targets that iptables-nft put into a rule. They can be listed, not written.

use crate::diag::{Diagnostic, Parsed};
use crate::json::Node;
use crate::parse::Parser;
use crate::print::Printer;
use crate::source::Span;
use serde_json::{Value, json};

/// A match or target of iptables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Xt {
    /// Whether it is a target.
    pub target: bool,
    /// Its name.
    pub name: Box<str>,
}

impl Xt {
    /// What follows the word `xt`: an error, as in nft.
    pub(crate) fn parse(p: &mut Parser<'_>) -> Parsed<Xt> {
        let start = p.last_span();
        p.name("match, target or watcher")?;
        p.string()?;
        Err(refusal(start.to(p.last_span())))
    }

    pub(crate) fn refuse(&self, span: Span) -> Box<Diagnostic> {
        refusal(span)
    }

    /// As nft lists it without libxtables.
    pub fn print(&self, out: &mut Printer) {
        out.text(if self.target { "xt target " } else { "xt match " }).quoted(&self.name);
    }
}

impl Xt {
    /// As `nft -j` writes it.
    pub fn to_json(&self) -> Value {
        json!({ "xt": { "type": if self.target { "target" } else { "match" }, "name": self.name } })
    }

    /// `type` and `name`. It is read, and refused when it is to become bytecode, as text is.
    pub fn from_json(node: Node<'_>) -> Parsed<Xt> {
        let target = node.need("type")?.one_of("xt type", &["match", "target", "watcher"])? != "match";
        Ok(Xt { target, name: node.need("name")?.string()?.into() })
    }
}

fn refusal(span: Span) -> Box<Diagnostic> {
    Diagnostic::error(span, "unsupported xtables compat expression, use iptables-nft with this ruleset")
}
