//! Verdicts, as statements and as data of verdict maps.

use serde_json::{Value, json};

use crate::ast::Rule;
use crate::diag::{Diagnostic, Parsed};
use crate::expr::ExprKind;
use crate::json::Node;
use crate::lex::{Sign, TokenKind};
use crate::parse::Parser;
use crate::print::Options;
use crate::print::Printer;
use crate::source::Span;

/// A verdict.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the words are nft's
pub enum Verdict {
    Accept,
    Drop,
    Continue,
    Return,
    /// `queue` in a verdict map of old.
    Queue,
    Jump(Target),
    Goto(Target),
}

/// Where a jump goes.
#[derive(Clone, Debug)]
pub enum Target {
    /// A chain of the table.
    Chain {
        /// Its name.
        name: Box<str>,
        /// Where it is named.
        span: Span,
    },
    /// `{ ... }`, a chain without a name.
    Block(Vec<Rule>),
}

impl PartialEq for Target {
    fn eq(&self, other: &Target) -> bool {
        match (self, other) {
            (Target::Chain { name, .. }, Target::Chain { name: other, .. }) => name == other,
            (Target::Block(rules), Target::Block(others)) => rules == others,
            _ => false,
        }
    }
}

impl Verdict {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        let (word, target) = match self {
            Verdict::Accept => ("accept", None),
            Verdict::Drop => ("drop", None),
            Verdict::Continue => ("continue", None),
            Verdict::Return => ("return", None),
            Verdict::Queue => ("queue", None),
            Verdict::Jump(target) => ("jump ", Some(target)),
            Verdict::Goto(target) => ("goto ", Some(target)),
        };
        out.text(word);
        match target {
            None => {}
            Some(Target::Chain { name, .. }) => {
                out.text(name);
            }
            Some(Target::Block(rules)) => {
                out.text("{\n");
                out.indent += 1;
                for rule in rules {
                    out.line();
                    rule.print(out);
                    out.text("\n");
                }
                out.indent -= 1;
                out.line().text("}");
            }
        }
    }
}

impl Verdict {
    /// The verdict that stands next, if one does.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<Option<Verdict>> {
        let verdict = match p.word() {
            "accept" => Verdict::Accept,
            "drop" => Verdict::Drop,
            "continue" => Verdict::Continue,
            "return" => Verdict::Return,
            "jump" => {
                p.next();
                return Ok(Some(Verdict::Jump(Target::parse(p)?)));
            }
            "goto" => {
                p.next();
                return Ok(Some(Verdict::Goto(Target::parse(p)?)));
            }
            _ => return Ok(None),
        };
        p.next();
        Ok(Some(verdict))
    }
}

impl Target {
    /// A chain's name, a variable that stands for one, or a block of rules.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<Target> {
        if p.is(Sign::BraceOpen) {
            return p.nested(Rule::parse_block).map(Target::Block);
        }
        if p.peek().kind == TokenKind::Variable {
            let value = p.variable()?;
            let ExprKind::Symbol(symbol) = value.kind else {
                return Err(Diagnostic::error(value.span, "a chain's name is expected here"));
            };
            return Ok(Target::Chain { name: symbol.text, span: value.span });
        }
        let (name, span) = p.name("a chain's name or '{'")?;
        Ok(Target::Chain { name, span })
    }
}

impl Verdict {
    /// Keys that are verdicts.
    pub const KEYS: [&str; 6] = ["accept", "drop", "continue", "return", "jump", "goto"];

    /// As `nft -j` writes it.
    pub fn to_json(&self, options: &Options) -> Value {
        match self {
            Verdict::Accept => json!({ "accept": null }),
            Verdict::Drop => json!({ "drop": null }),
            Verdict::Continue => json!({ "continue": null }),
            Verdict::Return => json!({ "return": null }),
            Verdict::Queue => json!({ "queue": null }),
            Verdict::Jump(target) => json!({ "jump": target.to_json(options) }),
            Verdict::Goto(target) => json!({ "goto": target.to_json(options) }),
        }
    }

    /// The verdict of that name, with what stands under it.
    pub fn from_json(key: &str, node: Node<'_>) -> Parsed<Verdict> {
        Ok(match key {
            "accept" => Verdict::Accept,
            "drop" => Verdict::Drop,
            "continue" => Verdict::Continue,
            "return" => Verdict::Return,
            "jump" => Verdict::Jump(Target::from_json(node)?),
            "goto" => Verdict::Goto(Target::from_json(node)?),
            _ => return Err(node.unknown("verdict", key, &Verdict::KEYS)),
        })
    }
}

impl Target {
    fn to_json(&self, options: &Options) -> Value {
        match self {
            Target::Chain { name, .. } => json!({ "target": name }),
            // DIVERGES: libnftables-json(5) has no form for chains without a name; what stands here is ours and is read back.
            Target::Block(rules) => {
                let rule = |rule: &Rule| {
                    let stmts: Value = rule.stmts.iter().map(|stmt| stmt.to_json(options)).collect();
                    match &rule.comment {
                        Some(comment) => json!({ "comment": comment, "expr": stmts }),
                        None => json!({ "expr": stmts }),
                    }
                };
                json!({ "rules": rules.iter().map(rule).collect::<Value>() })
            }
        }
    }

    fn from_json(node: Node<'_>) -> Parsed<Target> {
        if let Some(rules) = node.get("rules") {
            let rule = |rule: Node<'_>| {
                let stmts =
                    rule.need("expr")?.items()?.map(crate::stmt::Stmt::from_json).collect::<Parsed<_>>()?;
                Ok(Rule { stmts, comment: crate::decl::comment_from_json(rule)?, span: rule.span() })
            };
            return rules.items()?.map(rule).collect::<Parsed<_>>().map(Target::Block);
        }
        let target = node.need("target")?;
        Ok(Target::Chain { name: target.string()?.into(), span: target.span() })
    }
}
