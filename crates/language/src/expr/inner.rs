//! Fields of headers inside a tunnel: `vxlan ip saddr`.

use serde_json::{Value, json};

use super::meta::Meta;
use super::payload::Payload;
use super::raw_payload::RawPayload;
use super::registry::Primary;
use super::{Expr, ExprKind};
use crate::diag::Parsed;
use crate::json::Node;
use crate::lex::TokenKind;
use crate::lower::Lower;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::proto::Proto;
use crate::resolve::unknown;
use crate::source::Span;
use crate::typed::Typed;

/// A field of an inner header.
#[derive(Clone, Debug, PartialEq)]
pub struct Inner {
    /// The tunnel's header: `vxlan`, `geneve`, `gre`, `gretap`.
    pub tunnel: Box<str>,
    /// What is read inside: payload or `meta`.
    pub expr: Box<Expr>,
}

const TUNNELS: [&str; 4] = ["vxlan", "geneve", "gre", "gretap"];

impl Primary for Inner {
    const NAME: &'static str = "payload";
    const JSON: &'static str = "payload";

    fn at(p: &Parser<'_>, word: &str, second: &str) -> bool {
        TUNNELS.contains(&word) && p.peek_at(1).kind == TokenKind::Word && Proto::from_name(second).is_some()
    }

    fn owns(_: &str) -> bool {
        false
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Inner> {
        let tunnel = p.word().into();
        p.next();
        if TUNNELS.contains(&p.word()) {
            return Err(p.unexpected("a header that is no tunnel's"));
        }
        let expr = p.nested(super::primary::keyword)?.into();
        Ok(Inner { tunnel, expr })
    }

    fn print(&self, out: &mut Printer) {
        out.text(&self.tunnel).text(" ");
        self.expr.print(out);
    }

    /// What is read inside, with `tunnel` as one member more.
    fn to_json(&self, options: &Options) -> Value {
        let mut value = self.expr.to_json(options);
        if let Some(Value::Object(members)) =
            value.as_object_mut().and_then(|object| object.values_mut().next())
        {
            members.shift_insert(0, "tunnel".into(), json!(self.tunnel));
        }
        value
    }

    /// A field of the tunnel's own header has `tunnel` too, and is none.
    fn in_json(key: &str, inside: Node<'_>) -> bool {
        let Some(tunnel) = inside.get("tunnel") else { return false };
        let protocol = inside.get("protocol").and_then(Node::as_str);
        let own = tunnel.as_str().is_some_and(|tunnel| protocol == Some(tunnel));
        matches!(key, "payload" | "meta") && !own
    }

    fn from_json(inside: Node<'_>) -> Parsed<Inner> {
        let kind = if inside.get("key").is_some() {
            ExprKind::Meta(Meta::from_json(inside)?)
        } else if inside.get("base").is_some() {
            ExprKind::RawPayload(RawPayload::from_json(inside)?)
        } else {
            ExprKind::Payload(Payload::from_json(inside)?)
        };
        if matches!(&kind, ExprKind::Payload(field) if TUNNELS.contains(&field.protocol)) {
            return Err(inside.error("a tunnel's header inside a tunnel is not looked into"));
        }
        let tunnel = inside.need("tunnel")?.one_of("tunnel", &TUNNELS)?;
        Ok(Inner { tunnel: tunnel.into(), expr: Expr::new(kind, inside.span()).into() })
    }

    fn inside(&self) -> Option<&Expr> {
        Some(&self.expr)
    }

    fn resolve(&self, to: &mut Lower<'_>, _: Option<Proto>, span: Span) -> Parsed<Typed> {
        let tunnel = Proto::from_name(&self.tunnel).ok_or_else(|| unknown(span, "tunnel", &self.tunnel))?;
        to.inside(tunnel, &self.expr, span)
    }

    fn is_steady(&self) -> bool {
        self.expr.is_steady()
    }
}
