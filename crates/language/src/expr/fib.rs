//! `fib`: what the routing table says.

use crate::diag::{Diagnostic, Parsed};
use crate::json::Node;
use crate::lex::Sign;
use crate::parse::Parser;
use crate::print::Printer;
use serde_json::{Value, json};

/// `fib saddr . iif oif`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fib {
    /// What is looked up: `saddr`, `daddr`, `mark`, `iif`, `oif`, in the order written.
    pub tuple: Vec<Box<str>>,
    /// What is asked: `oif`, `oifname`, `type`, `check`.
    pub result: Box<str>,
}

impl Fib {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        out.text("fib ");
        for (at, part) in self.tuple.iter().enumerate() {
            if at > 0 {
                out.text(" . ");
            }
            out.text(part);
        }
        out.text(" ").text(&self.result);
    }
}

impl Fib {
    /// At `fib`.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<Fib> {
        p.next();
        let mut tuple: Vec<Box<str>> = Vec::new();
        loop {
            let part =
                super::primary::one_of(p, "what fib looks up", &["saddr", "daddr", "mark", "iif", "oif"])?;
            if tuple.iter().any(|known| **known == *part) {
                return Err(Diagnostic::error(p.last_span(), format!("fib: '{part}' is given twice")));
            }
            tuple.push(part.into());
            if !p.eat(Sign::Dot) {
                break;
            }
        }
        let result = super::primary::one_of(p, "what fib tells", &["oif", "oifname", "type", "check"])?;
        Ok(Fib { tuple, result: result.into() })
    }
}

impl Fib {
    /// As `nft -j` writes it.
    pub fn to_json(&self) -> Value {
        json!({ "fib": { "result": self.result, "flags": self.tuple } })
    }

    /// `result` and `flags`.
    pub fn from_json(node: Node<'_>) -> Parsed<Fib> {
        let result = node.need("result")?.one_of("fib result", &["oif", "oifname", "type", "check"])?;
        let mut tuple: Vec<Box<str>> = Vec::new();
        for flag in node.need("flags")?.one_or_more() {
            let flag = flag.one_of("fib flag", &["saddr", "daddr", "mark", "iif", "oif"])?;
            if !tuple.iter().any(|known| **known == *flag) {
                tuple.push(flag.into());
            }
        }
        Ok(Fib { tuple, result: result.into() })
    }
}
