//! Chains.

use crate::json::Node;
use ironweir_ruleset::{ChainType, Hook, Policy};

use super::priority::PrioritySpec;
use super::{Name, TableName, block, device, devices};
use crate::ast::Rule;
use crate::diag::{Diagnostic, Parsed, short};
use crate::expr::ExprKind;
use crate::lex::{Sign, TokenKind};
use crate::parse::Parser;
use crate::source::Span;

/// `chain NAME { ... }`.
#[derive(Clone, Debug)]
pub struct ChainDecl {
    /// Its table.
    pub table: TableName,
    /// Its name.
    pub name: Name,
    /// `type ... hook ... priority ...;`.
    pub base: Option<BaseDecl>,
    /// `policy ...;`.
    pub policy: Option<(Policy, Span)>,
    /// `devices = { ... }` outside of the hook: devices that join a chain.
    pub devices: Vec<Name>,
    /// `flags offload`.
    pub hw_offload: bool,
    /// The comment.
    pub comment: Option<Box<str>>,
    /// Rules inside the block.
    pub rules: Vec<Rule>,
}

/// What makes it a base chain.
#[derive(Clone, Debug)]
pub struct BaseDecl {
    /// What it may do.
    pub kind: ChainType,
    /// Where it is called, and where that is written.
    pub hook: (Hook, Span),
    /// On which devices.
    pub devices: Vec<Name>,
    /// When.
    pub priority: PrioritySpec,
    /// Where it is.
    pub span: Span,
}

impl ChainDecl {
    /// A chain with nothing in it.
    pub fn new(table: TableName, name: Name) -> ChainDecl {
        ChainDecl {
            table,
            name,
            base: None,
            policy: None,
            devices: Vec::new(),
            hw_offload: false,
            comment: None,
            rules: Vec::new(),
        }
    }

    /// `{ ... }` if it stands next.
    pub fn parse_block(mut self, p: &mut Parser<'_>) -> Parsed<ChainDecl> {
        if p.is(Sign::BraceOpen) {
            block(p, &mut self, item)?;
        }
        Ok(self)
    }
}

fn item(p: &mut Parser<'_>, chain: &mut ChainDecl) -> Parsed<()> {
    let start = p.peek().span;
    match p.word() {
        "type" if p.word_at(2) == "hook" || !p.word_at(1).is_empty() => {
            let base = BaseDecl::parse(p)?;
            if let Some(before) = &chain.base {
                let error = Diagnostic::error(base.span, "the chain has a type already");
                return Err(error.and(before.span, "here"));
            }
            chain.base = Some(base);
        }
        "policy" => {
            p.next();
            let policy = policy(p)?;
            chain.policy = Some((policy, start.to(p.last_span())));
        }
        "flags" => {
            p.next();
            p.expect_word("offload")?;
            chain.hw_offload = true;
        }
        "comment" => {
            p.next();
            if chain.comment.is_some() {
                return Err(Diagnostic::error(
                    start,
                    "You can only specify this once. This statement is a duplicate.",
                ));
            }
            chain.comment = Some(p.comment()?);
        }
        "devices" => {
            p.next();
            p.expect(Sign::Assign)?;
            chain.devices.extend(devices(p)?);
        }
        _ => chain.rules.push(Rule::parse(p)?),
    }
    Ok(())
}

fn policy_of(word: &str) -> Option<Policy> {
    [Policy::Accept, Policy::Drop].into_iter().find(|policy| policy.name() == word)
}

fn policy(p: &mut Parser<'_>) -> Parsed<Policy> {
    let wrong = |word: &str, span| Diagnostic::error(span, format!("invalid policy value '{}'", short(word)));
    if p.peek().kind == TokenKind::Variable {
        let value = p.variable()?;
        return match &value.kind {
            ExprKind::Symbol(symbol) => {
                policy_of(&symbol.text).ok_or_else(|| wrong(&symbol.text, value.span))
            }
            ExprKind::Verdict(verdict) => match verdict {
                crate::expr::verdict::Verdict::Accept => Ok(Policy::Accept),
                crate::expr::verdict::Verdict::Drop => Ok(Policy::Drop),
                _ => Err(wrong("verdict", value.span)),
            },
            _ => Err(wrong("expression", value.span)),
        };
    }
    let Some(policy) = policy_of(p.word()) else {
        let error = p.unexpected_word("accept or drop", &["accept", "drop"]);
        return Err(match p.word() {
            "reject" => error.help("a policy cannot reject: end the chain with a rule that does"),
            _ => error,
        });
    };
    p.next();
    Ok(policy)
}

/// How a base chain is written.
const BASE: &str = ": type filter hook input priority filter;";

fn base_form(error: Box<Diagnostic>) -> Box<Diagnostic> {
    error.help(format!("a base chain has a type, a hook and a priority{BASE}"))
}

impl BaseDecl {
    /// At `type`.
    fn parse(p: &mut Parser<'_>) -> Parsed<BaseDecl> {
        let start = p.peek().span;
        p.next();
        let Some(kind) = ChainType::from_name(p.word()) else {
            let names = ChainType::ALL.map(ChainType::name);
            let message = format!("unknown chain type '{}'", short(p.word()));
            let mut error = Diagnostic::error(p.peek().span, message);
            if p.is_word("hook") {
                error = p.unexpected("a chain type");
            }
            error.help = Some(match crate::diag::nearest(p.word(), names) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("chain types are filter, nat and route{BASE}"),
            });
            return Err(error);
        };
        p.next();
        p.expect_word("hook").map_err(base_form)?;
        let Some(hook) = Hook::from_name(p.word()) else {
            let error = Diagnostic::error(p.peek().span, format!("unknown chain hook '{}'", short(p.word())));
            return Err(match crate::diag::nearest(p.word(), Hook::ALL.map(Hook::name)) {
                Some(near) => error.help(format!("did you mean '{near}'?")),
                None => error,
            });
        };
        let hook = (hook, p.next().span);
        let mut names = Vec::new();
        if p.eat_word("device") {
            names.push(device(p)?);
        } else if p.eat_word("devices") {
            p.expect(Sign::Assign)?;
            names = devices(p)?;
        }
        p.expect_word("priority").map_err(base_form)?;
        let priority = PrioritySpec::parse(p)?;
        Ok(BaseDecl { kind, hook, devices: names, priority, span: start.to(p.last_span()) })
    }
}

impl ChainDecl {
    /// A chain as it is listed. Its rules are added apart in JSON.
    pub fn from_json(node: Node<'_>) -> Parsed<ChainDecl> {
        let table = TableName::from_json(node, "table")?;
        let name = Name::from_json(node.need("name")?, "a chain's name")?;
        let mut chain = ChainDecl::new(table, name);
        chain.comment = super::comment_from_json(node)?;
        let devices = super::devices_from_json(node)?;
        match (node.get("type"), node.get("hook"), node.get("prio")) {
            (None, None, None) => chain.devices = devices,
            (kind, hook, _) => {
                let kind = kind.ok_or_else(|| node.error("'type' is missing"))?;
                let hook = hook.ok_or_else(|| node.error("'hook' is missing"))?;
                chain.base = Some(BaseDecl {
                    kind: kind_from_json(kind)?,
                    hook: (hook_from_json(hook)?, hook.span()),
                    devices,
                    priority: PrioritySpec::from_json(node.need("prio")?)?,
                    span: node.span(),
                });
            }
        }
        if let Some(policy) = node.get("policy") {
            let word = policy.one_of("chain policy", &["accept", "drop"])?;
            chain.policy = policy_of(word).map(|value| (value, policy.span()));
        }
        for flag in node.get("flags").map(Node::one_or_more).unwrap_or_default() {
            flag.one_of("chain flag", &["offload"])?;
            chain.hw_offload = true;
        }
        Ok(chain)
    }
}

fn kind_from_json(node: Node<'_>) -> Parsed<ChainType> {
    let word = node.string()?;
    ChainType::from_name(word)
        .ok_or_else(|| node.unknown("chain type", word, &ChainType::ALL.map(ChainType::name)))
}

/// A hook by name.
pub(super) fn hook_from_json(node: Node<'_>) -> Parsed<Hook> {
    let word = node.string()?;
    Hook::from_name(word).ok_or_else(|| node.unknown("chain hook", word, &Hook::ALL.map(Hook::name)))
}
