//! Expressions that have a type by themselves: fields, keys, and what is computed of them.

use ironweir_expr::ct;
use ironweir_expr::payload::Base;

use super::keys::{meta_key, meta_shape};
use super::payload::whole_bytes;
use super::{known, options, unknown};
use crate::datatype::{Order, Type};
use crate::diag::{Diagnostic, Parsed, nearest, short};
use crate::expr;
use crate::expr::raw_payload::{RawBase, RawPayload};
use crate::expr::{Expr, ExprKind};
use crate::lower::Lower;
use crate::proto::Proto;
use crate::source::Span;
use crate::typed::{Kind, Payload, Shape, Typed};

impl Lower<'_> {
    /// Resolves what stands on the left of a comparison or is a key; bits that are no whole bytes are masked.
    pub(crate) fn resolve_left(&mut self, expr: &Expr) -> Parsed<Typed> {
        self.resolve_load(expr, None)
    }

    /// Resolves what is to be written.
    pub(crate) fn resolve_target(&mut self, expr: &Expr) -> Parsed<Typed> {
        self.resolve_load(expr, None).map(Typed::into_written)
    }

    /// The same, perhaps inside of a tunnel.
    pub(super) fn resolve_load(&mut self, expr: &Expr, inner: Option<Proto>) -> Parsed<Typed> {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Payload(node) => self.header_field(node, inner, span),
            ExprKind::RawPayload(node) => raw_payload(node, span),
            ExprKind::Inner(node) => {
                let tunnel =
                    Proto::from_name(&node.tunnel).ok_or_else(|| unknown(span, "tunnel", &node.tunnel))?;
                self.inside(tunnel, &node.expr, span)
            }
            ExprKind::Exthdr(node) => self.ipv6_header(node, span),
            ExprKind::TcpOption(node) => options::tcp_option(node, span),
            ExprKind::IpOption(node) => self.ip_option(node, span),
            ExprKind::SctpChunk(node) => options::sctp_chunk(node, span),
            ExprKind::DccpOption(node) => self.dccp_option(node.kind, span),
            ExprKind::Meta(node) => {
                let key = meta_key(&node.key).ok_or_else(|| unknown(span, "meta key", &node.key))?;
                Ok(Typed::new(Kind::Meta(key, inner), meta_shape(key)).at(span))
            }
            ExprKind::Ct(node) => self.ct(node, span),
            ExprKind::Rt(node) => self.rt(node, span),
            ExprKind::Fib(node) => known::fib(node, span),
            ExprKind::Socket(node) => known::socket(node, span),
            ExprKind::Osf(node) => known::osf(node, span),
            ExprKind::Numgen(node) => known::numgen(node, span),
            ExprKind::Jhash(node) => {
                let source = self.resolve_load(&node.expr, inner)?;
                known::jhash(node, source, span)
            }
            ExprKind::Symhash(node) => known::symhash(node, span),
            ExprKind::Xfrm(node) => known::xfrm(node, span),
            ExprKind::Tunnel(node) => known::tunnel(node, span),
            ExprKind::Binary(node) => {
                let left = self.resolve_load(&node.left, inner)?;
                self.operation(node.op, left, &node.right, 0, span)
            }
            ExprKind::Concat(node) => self.concatenation(&node.0, inner, span),
            ExprKind::Map(node) => self.resolve_map(node, span),
            ExprKind::Symbol(node) => Err(Diagnostic::error(
                span,
                format!("`{}' has no type here: nothing tells what it is compared with", short(&node.text)),
            )),
            _ => Err(Diagnostic::error(span, "this has no type by itself")),
        }
    }

    fn header_field(
        &mut self,
        node: &expr::payload::Payload,
        inner: Option<Proto>,
        span: Span,
    ) -> Parsed<Typed> {
        let proto =
            Proto::from_name(node.protocol).ok_or_else(|| unknown(span, "protocol", node.protocol))?;
        let field = proto.field(node.field).ok_or_else(|| {
            let names = proto.header().fields.iter().map(|field| field.name);
            let error = unknown(span, "field", &format!("{} {}", node.protocol, node.field));
            match nearest(node.field, names) {
                Some(near) => error.help(format!("did you mean `{} {near}'?", node.protocol)),
                None => error,
            }
        })?;
        if inner.is_none() && matches!(proto, Proto::Vxlan | Proto::Geneve) {
            return self.tunnel_field(proto, field, span);
        }
        self.payload_field(proto, field, inner, span).map(whole_bytes)
    }

    fn concatenation(&mut self, nodes: &[Expr], inner: Option<Proto>, span: Span) -> Parsed<Typed> {
        let mut parts = Vec::new();
        for node in nodes {
            let part = self.resolve_load(node, inner)?;
            has_family(&part)?;
            parts.push(part);
        }
        let bits = parts.iter().map(|part| part.shape.words() * 32).sum();
        if bits > 512 {
            return Err(Diagnostic::error(span, "Concatenation of size 512 bits is the largest possible"));
        }
        Ok(Typed::new(Kind::Concat(parts), Shape::new(Type::Invalid, bits, Order::Big)).at(span))
    }
}

fn raw_payload(node: &RawPayload, span: Span) -> Parsed<Typed> {
    let base = match node.base {
        RawBase::Link => Base::Link,
        RawBase::Network => Base::Network,
        RawBase::Transport => Base::Transport,
        RawBase::Inner => Base::Inner,
    };
    if node.len == 0 || node.len > 128 {
        // DIVERGES: nft takes longer ones too; numbers here have 128 bits
        return Err(Diagnostic::error(span, "raw payload length must be between 1 and 128 bits"));
    }
    let shape = Shape { hex: true, ..Shape::new(Type::Integer, node.len, Order::Big) };
    let payload = Payload { base, offset: node.offset, field: None, inner: None };
    Ok(whole_bytes(Typed::new(Kind::Payload(payload), shape).at(span)))
}

/// Addresses of `ct` in keys need their family said.
pub(crate) fn has_family(typed: &Typed) -> Parsed<()> {
    match typed.kind {
        Kind::Ct(ct::Key::Src | ct::Key::Dst, _) => Err(Diagnostic::error(
            typed.span,
            "this has no type as a key, use \"ip saddr\" or \"ip6 saddr\" instead",
        )),
        _ => Ok(()),
    }
}
