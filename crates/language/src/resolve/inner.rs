//! Tunnels: their own headers, and what they carry.

use ironweir_expr::Family;
use ironweir_expr::payload::Base;

use super::Protocols;
use super::payload::whole_bytes;
use crate::datatype::Order;
use crate::diag::{Diagnostic, Parsed};
use crate::expr::Expr;
use crate::lower::Lower;
use crate::proto::{Field, Proto};
use crate::source::Span;
use crate::typed::{Kind, Payload, Shape, Typed};

impl Lower<'_> {
    /// A field of the tunnel's own header.
    pub(crate) fn tunnel_field(&mut self, tunnel: Proto, field: &'static Field, span: Span) -> Parsed<Typed> {
        self.tunnel_dependency(tunnel, span)?;
        let payload = Payload {
            base: Base::Tunnel,
            offset: field.offset,
            field: Some((tunnel, field.name)),
            inner: Some(tunnel),
        };
        let shape = Shape::new(field.datatype, field.bits, Order::Big);
        Ok(whole_bytes(Typed::new(Kind::Payload(payload), shape).at(span)))
    }

    /// VXLAN and Geneve run over UDP on some port, which must have been matched; GRE is a transport protocol itself.
    fn tunnel_dependency(&mut self, tunnel: Proto, span: Span) -> Parsed<()> {
        match (tunnel, self.protocols.at(Base::Transport)) {
            (Proto::Vxlan | Proto::Geneve, None) => Err(Diagnostic::error(
                span,
                "no transport protocol specified: a match of the UDP port must come before",
            )),
            (Proto::Vxlan | Proto::Geneve, _) => self.transport_dependency(Proto::Udp, span),
            _ => self.transport_dependency(Proto::Gre, span),
        }
    }

    /// An expression inside a tunnel: the same rules, beginning from nothing.
    pub(crate) fn inside(&mut self, tunnel: Proto, expr: &Expr, span: Span) -> Parsed<Typed> {
        self.tunnel_dependency(tunnel, span)?;
        let inner = self
            .inner_protocols
            .take()
            .filter(|(known, _)| *known == tunnel)
            .map_or_else(|| Protocols::nothing(Family::Netdev), |(_, protocols)| protocols);
        let outer = std::mem::replace(&mut self.protocols, inner);
        let result = self.resolve_load(expr, Some(tunnel));
        let inner = std::mem::replace(&mut self.protocols, outer);
        self.inner_protocols = Some((tunnel, inner));
        result
    }
}
