//! Typed expressions to AST.

use ironweir_expr::exthdr;
use ironweir_expr::payload::Base;

use super::Raise;
use crate::datatype::Datum;
use crate::expr::meta::meta_name;
use crate::expr::raw_payload::{RawBase, RawPayload};
use crate::expr::tcpopt::{OptionKind, TcpOption, TcpOptionPart};
use crate::expr::{self, Expr, ExprKind};
use crate::proto::Proto;
use crate::typed::{Exthdr, Kind, Payload, Typed};

impl Raise<'_> {
    /// As it is written.
    pub fn syntax(&mut self, typed: &Typed) -> Expr {
        let kind = match &typed.kind {
            Kind::Value(datum) => return self.constant_syntax(datum, typed.shape),
            Kind::Payload(payload) => payload_syntax(payload, typed.shape.bits),
            Kind::Exthdr(header) => exthdr_syntax(header, typed.shape.bits),
            Kind::Meta(key, tunnel) => {
                let meta = ExprKind::Meta(expr::meta::Meta { key: meta_name(*key).into() });
                inside(*tunnel, meta)
            }
            Kind::Ct(key, direction) => {
                ExprKind::Ct(expr::ct::Ct::raised(*key, *direction, typed.shape.datatype))
            }
            Kind::Swap(inside) => return self.syntax(inside),
            Kind::Binary(op, left, right) => {
                let (left, right) = (self.syntax(left), self.syntax(right));
                ExprKind::Binary(expr::binary::Binary { op: *op, left: left.into(), right: right.into() })
            }
            Kind::Prefix(base, _) if matches!(base.kind, Kind::Value(Datum::Text(_))) => {
                let Kind::Value(Datum::Text(bytes)) = &base.kind else { return Expr::quoted("*") };
                return Expr::quoted(format!("{}*", String::from_utf8_lossy(bytes)));
            }
            Kind::Prefix(base, len) => {
                let base = self.syntax(base);
                ExprKind::Prefix(expr::prefix::Prefix { base: base.into(), len: *len })
            }
            Kind::Range(from, to) => {
                // nft prints ranges as numbers, whatever the options (`range_expr_print`).
                let options = self.options;
                (self.options.numeric, self.options.numeric_protocol) = (true, true);
                (self.options.service, self.options.guid) = (false, false);
                let (from, to) = (self.syntax(from), self.syntax(to));
                self.options = options;
                ExprKind::Range(expr::range::Range { from: from.into(), to: to.into() })
            }
            Kind::Concat(parts) => {
                let parts = parts.iter().map(|part| self.syntax(part)).collect();
                ExprKind::Concat(expr::concat::Concat(parts))
            }
            Kind::Set(literal) => {
                let elements = literal.elements.iter().map(|element| self.element_syntax(element)).collect();
                ExprKind::Set(expr::set::SetLiteral { elements })
            }
            Kind::SetRef(name, _) => ExprKind::SetRef(expr::set::SetName { name: name.clone() }),
            Kind::Map(key, map) => {
                let (key, map) = (self.syntax(key), self.syntax(map));
                ExprKind::Map(expr::map::Map { key: key.into(), map: map.into() })
            }
            Kind::List(parts) => {
                let parts = parts.iter().map(|part| self.syntax(part)).collect();
                ExprKind::List(expr::list::List(parts))
            }
            Kind::Masked(value, mask) => {
                let (value, mask) = (self.syntax(value), self.syntax(mask));
                ExprKind::Masked(expr::list::Masked { value: value.into(), mask: mask.into() })
            }
            Kind::Verdict(verdict) => ExprKind::Verdict(super::relational::verdict_syntax(self, verdict)),
            Kind::Object(name) => return Expr::quoted(name.clone()),
            Kind::Wildcard => ExprKind::Wildcard,
            selector => match selector.selector_syntax(self) {
                Some(kind) => kind,
                None => ExprKind::Wildcard,
            },
        };
        Expr::raised(kind)
    }
}

fn inside(tunnel: Option<Proto>, kind: ExprKind) -> ExprKind {
    match tunnel {
        None => kind,
        Some(tunnel) => ExprKind::Inner(expr::inner::Inner {
            tunnel: tunnel.name().into(),
            expr: Expr::raised(kind).into(),
        }),
    }
}

fn payload_syntax(payload: &Payload, bits: u32) -> ExprKind {
    let Some((proto, field)) = payload.field else {
        let base = match payload.base {
            Base::Link => RawBase::Link,
            Base::Network => RawBase::Network,
            Base::Transport => RawBase::Transport,
            Base::Inner | Base::Tunnel => RawBase::Inner,
        };
        let raw = ExprKind::RawPayload(RawPayload { base, offset: payload.offset, len: bits });
        return inside(payload.inner, raw);
    };
    let field = ExprKind::Payload(expr::payload::Payload { protocol: proto.name(), field });
    // A field of the tunnel's own header is written without saying twice which tunnel that is
    inside(payload.inner.filter(|tunnel| *tunnel != proto), field)
}

fn exthdr_syntax(header: &Exthdr, bits: u32) -> ExprKind {
    let field: Option<Box<str>> = header.field.map(Into::into);
    let name: Box<str> = header.name.unwrap_or("").into();
    match header.kind {
        exthdr::Kind::Ipv6 => ExprKind::Exthdr(expr::exthdr::Exthdr { header: name, field }),
        exthdr::Kind::Ipv4 => ExprKind::IpOption(expr::ipopt::IpOption { option: name, field }),
        exthdr::Kind::Sctp => ExprKind::SctpChunk(expr::sctp_chunk::SctpChunk { chunk: name, field }),
        exthdr::Kind::Dccp => ExprKind::DccpOption(expr::dccpopt::DccpOption { kind: header.header }),
        exthdr::Kind::Tcpopt => {
            let option = match header.name {
                Some(name) => OptionKind::Name(name.into()),
                None => OptionKind::Number(header.header),
            };
            let part = match (header.present, field) {
                (true, _) => TcpOptionPart::Presence,
                (false, Some(field)) => TcpOptionPart::Field(field),
                (false, None) => TcpOptionPart::Raw { offset: header.offset, len: bits },
            };
            ExprKind::TcpOption(TcpOption { option, part })
        }
    }
}
