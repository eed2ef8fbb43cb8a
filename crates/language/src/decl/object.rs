//! Named objects.

use crate::json::Node;
use ironweir_expr::objref::ObjectType;
use ironweir_ruleset::ObjectKind;
use ironweir_ruleset::object::Secmark;

use super::{Name, TableName, block, ct_object, tunnel};
use crate::diag::{Diagnostic, Parsed};
use crate::lex::Sign;
use crate::parse::Parser;
use crate::source::Span;
use crate::stmt;

/// `counter NAME { ... }` and its like.
#[derive(Clone, Debug)]
pub struct ObjectDecl {
    /// Its table.
    pub table: TableName,
    /// Its name.
    pub name: Name,
    /// What it is.
    pub kind: ObjectKind,
    /// The comment.
    pub comment: Option<Box<str>>,
    /// Where it is.
    pub span: Span,
}

/// What an object's block says, before it is known to be whole.
#[derive(Debug, Default)]
pub(crate) struct Body {
    pub(crate) kind: Option<ObjectKind>,
    pub(crate) comment: Option<Box<str>>,
    pub(crate) ct: ct_object::CtBody,
    pub(crate) tunnel: tunnel::TunnelBody,
    synproxy: Option<stmt::synproxy::Synproxy>,
}

impl ObjectDecl {
    /// Takes the words of an object type, if they stand next.
    pub fn kind(p: &mut Parser<'_>) -> Option<ObjectType> {
        let kind = ObjectType::ALL.into_iter().find(|kind| match kind.name().split_once(' ') {
            // There are no named connection limits in nft.
            Some(("ct", "count")) => false,
            Some(words) => words == (p.word(), p.word_at(1)),
            None => p.is_word(kind.name()),
        })?;
        p.next();
        if kind.name().contains(' ') {
            p.next();
        }
        Some(kind)
    }

    /// What follows an object's name: nothing, a block, or what the block would hold.
    pub fn parse(p: &mut Parser<'_>, kind: ObjectType, table: TableName, name: Name) -> Parsed<ObjectDecl> {
        let mut body = Body::default();
        let item: super::Item<Body> = match kind {
            ObjectType::Counter => counter,
            ObjectType::Quota => quota,
            ObjectType::Limit => limit,
            ObjectType::Synproxy => synproxy,
            ObjectType::Secmark => secmark,
            ObjectType::CtHelper => ct_object::helper,
            ObjectType::CtTimeout => ct_object::timeout,
            ObjectType::CtExpectation => ct_object::expectation,
            ObjectType::Tunnel => tunnel::item,
            ObjectType::Connlimit => return Err(p.unexpected("an object")),
        };
        let errors = p.error_count();
        if p.is(Sign::BraceOpen) {
            // As nft and the kernel take them, what says nothing is a quota of no bytes, a synproxy without options.
            match kind {
                ObjectType::Quota => {
                    body.kind = Some(ObjectKind::Quota(ironweir_expr::quota::Quota::new(0, false, 0)));
                }
                ObjectType::Synproxy => body.synproxy = Some(stmt::synproxy::Synproxy::default()),
                _ => {}
            }
            block(p, &mut body, item)?;
        } else if !p.peek().ends_statement() && !p.is(Sign::BraceClose) {
            item(p, &mut body)?;
        }
        // What is missing may be what could not be read.
        let kind =
            finish(kind, &mut body, name.span).map_err(|error| p.last_error(errors).unwrap_or(error))?;
        let span = name.span.to(p.last_span());
        Ok(ObjectDecl { table, name, kind, comment: body.comment, span })
    }
}

fn finish(kind: ObjectType, body: &mut Body, span: Span) -> Parsed<ObjectKind> {
    let missing = |what: &str| Diagnostic::error(span, format!("{what} is missing"));
    match kind {
        ObjectType::Counter => {
            Ok(body.kind.take().unwrap_or_else(|| ObjectKind::Counter(Default::default())))
        }
        ObjectType::Synproxy => {
            let synproxy = body.synproxy.take().ok_or_else(|| missing("what the synproxy sends"))?;
            Ok(ObjectKind::Synproxy(ironweir_expr::synproxy::Synproxy {
                mss: synproxy.mss,
                wscale: synproxy.wscale,
                timestamp: synproxy.timestamp,
                sack_perm: synproxy.sack_perm,
            }))
        }
        ObjectType::CtHelper | ObjectType::CtTimeout | ObjectType::CtExpectation => {
            body.ct.finish(kind, span)
        }
        ObjectType::Tunnel => body.tunnel.finish(span),
        // nft takes a limit that says nothing and the kernel refuses it.
        _ => body.kind.take().ok_or_else(|| missing(&format!("what the {} is", kind.name()))),
    }
}

/// `comment "..."` if it stands next.
pub(crate) fn comment(p: &mut Parser<'_>, body: &mut Body) -> Parsed<bool> {
    let start = p.peek().span;
    if !p.eat_word("comment") {
        return Ok(false);
    }
    if body.comment.is_some() {
        return Err(Diagnostic::error(
            start,
            "You can only specify this once. This statement is a duplicate.",
        ));
    }
    body.comment = Some(p.comment()?);
    Ok(true)
}

fn counter(p: &mut Parser<'_>, body: &mut Body) -> Parsed<()> {
    if !comment(p, body)? {
        if !p.is_word("packets") {
            return Err(p.unexpected_word("packets or comment", &["packets", "comment"]));
        }
        let counter = stmt::counter::Counter::arguments(p)?;
        let counter = ironweir_expr::counter::Counter::new(counter.packets, counter.bytes);
        body.kind = Some(ObjectKind::Counter(counter));
    }
    Ok(())
}

fn quota(p: &mut Parser<'_>, body: &mut Body) -> Parsed<()> {
    if !comment(p, body)? {
        let quota = stmt::quota::Quota::arguments(p)?;
        let quota = ironweir_expr::quota::Quota::new(quota.bytes, quota.over, quota.used);
        body.kind = Some(ObjectKind::Quota(quota));
    }
    Ok(())
}

fn limit(p: &mut Parser<'_>, body: &mut Body) -> Parsed<()> {
    if !comment(p, body)? {
        let limit = stmt::limit::Limit::arguments(p)?;
        let limit =
            ironweir_expr::limit::Limit::new(limit.rate, limit.unit, limit.burst, limit.kind, limit.over);
        body.kind = Some(ObjectKind::Limit(limit));
    }
    Ok(())
}

fn synproxy(p: &mut Parser<'_>, body: &mut Body) -> Parsed<()> {
    if !comment(p, body)? {
        let start = p.peek();
        let more = stmt::synproxy::Synproxy::arguments(p)?;
        if p.peek() == start {
            let words = ["mss", "wscale", "timestamp", "sack-perm", "comment"];
            return Err(p.unexpected_word("mss, wscale, timestamp or sack-perm", &words));
        }
        let known = body.synproxy.get_or_insert_default();
        known.mss = more.mss.or(known.mss);
        known.wscale = more.wscale.or(known.wscale);
        known.timestamp |= more.timestamp;
        known.sack_perm |= more.sack_perm;
    }
    Ok(())
}

fn secmark(p: &mut Parser<'_>, body: &mut Body) -> Parsed<()> {
    if !comment(p, body)? {
        body.kind = Some(ObjectKind::Secmark(Secmark { context: p.string()? }));
    }
    Ok(())
}

impl ObjectDecl {
    /// An object as it is listed.
    pub fn from_json(kind: ObjectType, node: Node<'_>) -> Parsed<ObjectDecl> {
        let table = TableName::from_json(node, "table")?;
        let name = Name::from_json(node.need("name")?, "an object's name")?;
        let comment = super::comment_from_json(node)?;
        let number = |key: &str| node.get(key).map_or(Ok(0), |number| number.number(u64::MAX));
        let kind = match kind {
            ObjectType::Counter => {
                let counter = ironweir_expr::counter::Counter::new(number("packets")?, number("bytes")?);
                ObjectKind::Counter(counter)
            }
            ObjectType::Quota => {
                let over = node.get("inv").map_or(Ok(false), Node::boolean)?;
                let bytes = node.need("bytes")?.number(u64::MAX)?;
                ObjectKind::Quota(ironweir_expr::quota::Quota::new(bytes, over, number("used")?))
            }
            ObjectType::Limit => {
                let code =
                    stmt::Stmt::stateful_from_json("limit", node)?.and_then(|stmt| stmt.stateful_code());
                match code {
                    Some(ironweir_expr::Expr::Limit(limit)) => ObjectKind::Limit(limit),
                    _ => return Err(node.error("a limit is expected here")),
                }
            }
            ObjectType::Synproxy => synproxy_from_json(node)?,
            ObjectType::Secmark => {
                ObjectKind::Secmark(Secmark { context: node.need("context")?.string()?.into() })
            }
            ObjectType::CtHelper | ObjectType::CtTimeout | ObjectType::CtExpectation => {
                ct_object::CtBody::from_json(kind, node)?.finish(kind, node.span())?
            }
            ObjectType::Tunnel => tunnel::TunnelBody::from_json(node)?.finish(node.span())?,
            ObjectType::Connlimit => return Err(node.error("there are no named connection limits")),
        };
        Ok(ObjectDecl { table, name, kind, comment, span: node.span() })
    }
}

fn synproxy_from_json(node: Node<'_>) -> Parsed<ObjectKind> {
    let mut proxy = ironweir_expr::synproxy::Synproxy {
        mss: Some(node.need("mss")?.number(u64::from(u16::MAX))? as u16),
        wscale: Some(node.need("wscale")?.number(14)? as u8),
        timestamp: false,
        sack_perm: false,
    };
    for flag in node.get("flags").map(Node::one_or_more).unwrap_or_default() {
        match flag.one_of("synproxy flag", &["timestamp", "sack-perm"])? {
            "timestamp" => proxy.timestamp = true,
            _ => proxy.sack_perm = true,
        }
    }
    Ok(ObjectKind::Synproxy(proxy))
}
