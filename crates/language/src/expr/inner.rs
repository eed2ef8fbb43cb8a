//! Fields of headers inside a tunnel: `vxlan ip saddr`.

use super::Expr;
use super::ExprKind;
use crate::diag::Parsed;
use crate::json::Node;
use crate::parse::Parser;
use crate::print::Options;
use crate::print::Printer;
use serde_json::{Value, json};

/// A field of an inner header.
#[derive(Clone, Debug, PartialEq)]
pub struct Inner {
    /// The tunnel's header: `vxlan`, `geneve`, `gre`, `gretap`.
    pub tunnel: Box<str>,
    /// What is read inside: payload or `meta`.
    pub expr: Box<Expr>,
}

impl Inner {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        out.text(&self.tunnel).text(" ");
        self.expr.print(out);
    }
}

impl Inner {
    /// Whether headers inside that tunnel can be read.
    pub fn is_tunnel(protocol: &str) -> bool {
        matches!(protocol, "vxlan" | "geneve" | "gre" | "gretap")
    }

    /// At the tunnel's name.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<Inner> {
        let tunnel = p.word().into();
        p.next();
        let expr = p.nested(super::primary::keyword)?.into();
        Ok(Inner { tunnel, expr })
    }
}

impl Inner {
    /// As `nft -j` writes it: what is read inside, with `tunnel` as one member more.
    pub fn to_json(&self, options: &Options) -> Value {
        let mut value = self.expr.to_json(options);
        if let Some(Value::Object(members)) =
            value.as_object_mut().and_then(|object| object.values_mut().next())
        {
            members.shift_insert(0, "tunnel".into(), json!(self.tunnel));
        }
        value
    }

    /// At a node that has `tunnel`; `inside` is what it reads there.
    pub fn from_json(node: Node<'_>, inside: ExprKind) -> Parsed<Inner> {
        let tunnel = node.need("tunnel")?.one_of("tunnel", &["vxlan", "geneve", "gre", "gretap"])?;
        Ok(Inner { tunnel: tunnel.into(), expr: Expr::new(inside, node.span()).into() })
    }
}
