//! Expressions that have a type by themselves: fields, keys, and what is computed of them.

use ironweir_expr::payload::Base;
use ironweir_expr::{Family, ct, fib, numgen, rt, socket, tunnel};

use super::keys::{
    CT_KEYS, RT_KEYS, XFRM_KEYS, ct_shape, meta_key, meta_shape, rt_shape, socket_shape, xfrm_shape,
};
use super::payload::whole_bytes;
use crate::datatype::{Order, Type};
use crate::diag::{Diagnostic, Parsed, nearest, short};
use crate::expr::ct::Ct;
use crate::expr::raw_payload::{RawBase, RawPayload};
use crate::expr::tcpopt::{OptionKind, TcpOption, TcpOptionPart};
use crate::expr::{Expr, ExprKind};
use crate::lower::Lower;
use crate::proto::{
    Proto, exthdr_by_name, ip_option_by_name, sctp_chunk_by_name, tcp_option_by_name, tcp_options_by_number,
};
use crate::source::Span;
use crate::typed::{BinaryOp, Exthdr, ExthdrKind, Kind, Payload, Shape, Typed};

fn unknown(span: Span, what: &str, word: &str) -> Box<Diagnostic> {
    Diagnostic::error(span, format!("unknown {what} `{}'", short(word)))
}

impl Lower<'_> {
    /// Resolves what stands on the left of a comparison or is a key; bits that are no whole bytes are masked.
    pub(crate) fn resolve_left(&mut self, expr: &Expr) -> Parsed<Typed> {
        self.resolve_load(expr, None)
    }

    /// Resolves what is to be written.
    pub(crate) fn resolve_target(&mut self, expr: &Expr) -> Parsed<Typed> {
        self.resolve_load(expr, None).map(Typed::as_written)
    }

    /// The same inside of a tunnel.
    fn resolve_load(&mut self, expr: &Expr, inner: Option<Proto>) -> Parsed<Typed> {
        let span = expr.span;
        let typed = |kind, shape| Ok(Typed::new(kind, shape).at(span));
        match &expr.kind {
            ExprKind::Payload(node) => {
                let proto = Proto::from_name(&node.protocol)
                    .ok_or_else(|| unknown(span, "protocol", &node.protocol))?;
                let field = proto.field(&node.field).ok_or_else(|| {
                    let names = proto.header().fields.iter().map(|field| field.name);
                    let error = unknown(span, "field", &format!("{} {}", node.protocol, node.field));
                    match nearest(&node.field, names) {
                        Some(near) => error.help(format!("did you mean `{} {near}'?", node.protocol)),
                        None => error,
                    }
                })?;
                if inner.is_none() && matches!(proto, Proto::Vxlan | Proto::Geneve) {
                    return self.tunnel_field(proto, field, span);
                }
                self.payload_field(proto, field, inner, span).map(whole_bytes)
            }
            ExprKind::RawPayload(node) => self.raw_payload(node, span),
            ExprKind::Inner(node) => {
                let tunnel =
                    Proto::from_name(&node.tunnel).ok_or_else(|| unknown(span, "tunnel", &node.tunnel))?;
                self.inside(tunnel, &node.expr, span)
            }
            ExprKind::Exthdr(node) => {
                let header = exthdr_by_name(&node.header)
                    .ok_or_else(|| unknown(span, "extension header", &node.header))?;
                self.ip6_dependency(span)?;
                let Some(field) = &node.field else {
                    let kind = Exthdr {
                        kind: ExthdrKind::Ipv6,
                        header: header.number,
                        name: Some(header.name),
                        offset: 0,
                        field: None,
                        present: true,
                    };
                    return typed(Kind::Exthdr(kind), Shape::of(Type::Boolean));
                };
                let field = header.field(field).ok_or_else(|| unknown(span, "field", field))?;
                if let Some(routing_type) = header.routing_type {
                    let rt = exthdr_by_name("rt").and_then(|rt| rt.field("type"));
                    if let Some(key) = rt {
                        let kind = Exthdr {
                            kind: ExthdrKind::Ipv6,
                            header: header.number,
                            name: Some("rt"),
                            offset: key.offset,
                            field: Some(key.name),
                            present: false,
                        };
                        let left =
                            Typed::new(Kind::Exthdr(kind), Shape::new(key.datatype, key.bits, Order::Big));
                        self.imply(left, u128::from(routing_type), span);
                    }
                }
                let kind = Exthdr {
                    kind: ExthdrKind::Ipv6,
                    header: header.number,
                    name: Some(header.name),
                    offset: field.offset,
                    field: Some(field.name),
                    present: false,
                };
                let shape = Shape::new(field.datatype, field.bits, Order::Big);
                typed(Kind::Exthdr(kind), shape).map(whole_bytes)
            }
            ExprKind::TcpOption(node) => {
                let typed = tcp_option(node, span)?;
                Ok(whole_bytes(typed))
            }
            ExprKind::IpOption(node) => {
                self.network_dependency(Proto::Ip, span)?;
                let option = ip_option_by_name(&node.option)
                    .ok_or_else(|| unknown(span, "IP option", &node.option))?;
                let (field, shape) = match &node.field {
                    None => (None, Shape::of(Type::Boolean)),
                    Some(name) => {
                        let field = option.field(name).ok_or_else(|| unknown(span, "field", name))?;
                        (Some(field), Shape::new(field.datatype, field.bits, Order::Big))
                    }
                };
                let kind = Exthdr {
                    kind: ExthdrKind::Ipv4,
                    header: option.number,
                    name: Some(option.name),
                    offset: field.map_or(0, |field| field.offset),
                    field: field.map(|field| field.name),
                    present: field.is_none(),
                };
                typed(Kind::Exthdr(kind), shape).map(whole_bytes)
            }
            ExprKind::SctpChunk(node) => {
                let chunk = sctp_chunk_by_name(&node.chunk)
                    .ok_or_else(|| unknown(span, "SCTP chunk", &node.chunk))?;
                let (field, shape) = match &node.field {
                    None => (None, Shape::of(Type::Boolean)),
                    Some(name) => {
                        let field = chunk.field(name).ok_or_else(|| unknown(span, "field", name))?;
                        (Some(field), Shape::new(field.datatype, field.bits, Order::Big))
                    }
                };
                let kind = Exthdr {
                    kind: ExthdrKind::Sctp,
                    header: chunk.number,
                    name: Some(chunk.name),
                    offset: field.map_or(0, |field| field.offset),
                    field: field.map(|field| field.name),
                    present: field.is_none(),
                };
                typed(Kind::Exthdr(kind), shape)
            }
            ExprKind::DccpOption(node) => {
                self.transport_dependency(Proto::Dccp, span)?;
                let kind = Exthdr {
                    kind: ExthdrKind::Dccp,
                    header: node.kind,
                    name: None,
                    offset: 0,
                    field: None,
                    present: true,
                };
                typed(Kind::Exthdr(kind), Shape::of(Type::Boolean))
            }
            ExprKind::Meta(node) => {
                let key = meta_key(&node.key).ok_or_else(|| unknown(span, "meta key", &node.key))?;
                typed(Kind::Meta(key, inner), meta_shape(key))
            }
            ExprKind::Ct(node) => self.ct(node, span),
            ExprKind::Rt(node) => {
                let key = match (&*node.key, node.family.as_deref()) {
                    ("nexthop", Some("ip")) => rt::Key::Nexthop4,
                    ("nexthop", Some("ip6")) => rt::Key::Nexthop6,
                    ("nexthop", _) => match self.network_family() {
                        Some(Family::Ip) => rt::Key::Nexthop4,
                        Some(Family::Ip6) => rt::Key::Nexthop6,
                        _ => {
                            return Err(Diagnostic::error(
                                span,
                                "cannot determine ip protocol version, use \"ip nexthop\" or \"ip6 nexthop\" instead",
                            ));
                        }
                    },
                    (word, _) => RT_KEYS
                        .iter()
                        .find(|(name, _)| *name == word)
                        .map(|(_, key)| *key)
                        .ok_or_else(|| unknown(span, "rt key", word))?,
                };
                match key {
                    rt::Key::Nexthop4 => self.agrees_with_network(Proto::Ip, span)?,
                    rt::Key::Nexthop6 => self.agrees_with_network(Proto::Ip6, span)?,
                    _ => {}
                }
                typed(Kind::Rt(key), rt_shape(key))
            }
            ExprKind::Fib(node) => {
                let mut flags = fib::Flags::empty();
                for word in &node.tuple {
                    flags |= match &**word {
                        "saddr" => fib::Flags::SADDR,
                        "daddr" => fib::Flags::DADDR,
                        "mark" => fib::Flags::MARK,
                        "iif" => fib::Flags::IIF,
                        "oif" => fib::Flags::OIF,
                        other => return Err(unknown(span, "fib key", other)),
                    };
                }
                let (result, shape) = match &*node.result {
                    "oif" => (fib::Outcome::Oif, Shape::of(Type::IfaceIndex)),
                    "oifname" => (fib::Outcome::Oifname, Shape::of(Type::Ifname)),
                    "type" => (fib::Outcome::Addrtype, Shape::of(Type::FibAddrtype)),
                    "check" => {
                        flags |= fib::Flags::PRESENT;
                        (fib::Outcome::Oif, Shape::of(Type::Boolean))
                    }
                    other => return Err(unknown(span, "fib result", other)),
                };
                use fib::Flags;
                if !flags.intersects(Flags::SADDR | Flags::DADDR) {
                    return Err(Diagnostic::error(span, "fib: need either saddr or daddr"));
                }
                if flags.contains(Flags::SADDR | Flags::DADDR) {
                    return Err(Diagnostic::error(span, "fib: cannot use both saddr and daddr"));
                }
                if flags.contains(Flags::IIF | Flags::OIF) {
                    return Err(Diagnostic::error(span, "fib: cannot use both iif and oif"));
                }
                if matches!(result, fib::Outcome::Oif | fib::Outcome::Oifname) && flags.contains(Flags::OIF) {
                    return Err(Diagnostic::error(span, "fib: cannot use oif as key and as result"));
                }
                typed(Kind::Fib(result, flags), shape)
            }
            ExprKind::Socket(node) => {
                let key = match &*node.key {
                    "transparent" => socket::Key::Transparent,
                    "mark" => socket::Key::Mark,
                    "wildcard" => socket::Key::Wildcard,
                    "cgroupv2" => socket::Key::Cgroupv2 { level: node.level.unwrap_or(0) },
                    other => return Err(unknown(span, "socket key", other)),
                };
                typed(Kind::Socket(key), socket_shape(key))
            }
            ExprKind::Osf(node) => {
                let ttl = match node.ttl.as_deref() {
                    None => 0,
                    Some("loose") => 1,
                    Some("skip") => 2,
                    Some(other) => return Err(unknown(span, "ttl option", other)),
                };
                self.tcp_dependency(span)?;
                typed(Kind::Osf(ttl, node.version), Shape::new(Type::String, 128, Order::Host))
            }
            ExprKind::Numgen(node) => {
                let kind = if node.random { numgen::Kind::Random } else { numgen::Kind::Inc };
                check_modulus(node.modulus, node.offset, span)?;
                typed(
                    Kind::Numgen(kind, node.modulus, node.offset),
                    Shape::new(Type::Integer, 32, Order::Host),
                )
            }
            ExprKind::Jhash(node) => {
                check_modulus(node.modulus, node.offset, span)?;
                let source = self.resolve_load(&node.expr, inner)?;
                let kind = Kind::Jhash(source.into(), node.modulus, node.seed, node.offset);
                typed(kind, Shape::new(Type::Integer, 32, Order::Host))
            }
            ExprKind::Symhash(node) => {
                check_modulus(node.modulus, node.offset, span)?;
                typed(Kind::Symhash(node.modulus, node.offset), Shape::new(Type::Integer, 32, Order::Host))
            }
            ExprKind::Xfrm(node) => {
                let word = match &node.family {
                    Some(family) => format!("{family} {}", node.key),
                    None => node.key.to_string(),
                };
                let key = XFRM_KEYS
                    .iter()
                    .find(|(name, _)| *name == word)
                    .map(|(_, key)| *key)
                    .ok_or_else(|| unknown(span, "ipsec key", &word))?;
                typed(Kind::Xfrm(key, u8::from(node.out), u32::from(node.spnum)), xfrm_shape(key))
            }
            ExprKind::Tunnel(node) => match &*node.key {
                "path" => typed(Kind::Tunnel(tunnel::Key::Path), Shape::of(Type::Boolean)),
                "id" => typed(Kind::Tunnel(tunnel::Key::Id), Shape::new(Type::Integer, 32, Order::Host)),
                other => Err(unknown(span, "tunnel key", other)),
            },
            ExprKind::Binary(node) => {
                let left = self.resolve_load(&node.left, inner)?;
                self.operation(node.op, left, &node.right, 0, span)
            }
            ExprKind::Concat(node) => {
                let mut parts = Vec::new();
                for part in &node.0 {
                    let part = self.resolve_load(part, inner)?;
                    has_family(&part)?;
                    parts.push(part);
                }
                let bits = parts.iter().map(|part| part.shape.words() * 32).sum();
                if bits > 512 {
                    return Err(Diagnostic::error(
                        span,
                        "Concatenation of size 512 bits is the largest possible",
                    ));
                }
                typed(Kind::Concat(parts), Shape::new(Type::Invalid, bits, Order::Big))
            }
            ExprKind::Map(node) => self.resolve_map(node, span),
            ExprKind::Symbol(node) => Err(Diagnostic::error(
                span,
                format!("`{}' has no type here: nothing tells what it is compared with", short(&node.text)),
            )),
            _ => Err(Diagnostic::error(span, "this has no type by itself")),
        }
    }

    /// `left op right`, the type taken from the left, at least `bits` wide.
    pub(crate) fn operation(
        &mut self,
        op: BinaryOp,
        left: Typed,
        right: &Expr,
        bits: u32,
        span: Span,
    ) -> Parsed<Typed> {
        if matches!(left.kind, Kind::Concat(_)) {
            return Err(Diagnostic::error(span, "Binary operation is undefined for concatenations"));
        }
        if left.shape.datatype.is_string() {
            let shape = left.shape;
            return Err(Diagnostic::error(
                span,
                format!(
                    "Binary operation ({}) is undefined for {} types",
                    op.sign(),
                    shape.datatype.description()
                ),
            ));
        }
        let mut shape = left.shape;
        shape.bits = shape.bits.max(bits);
        let is_shift = matches!(op, BinaryOp::Lshift | BinaryOp::Rshift);
        if is_shift {
            let by = self.resolve_right(right, &[Shape::new(Type::Integer, 32, Order::Host)])?;
            let Some(bits) = by.value() else {
                return Err(Diagnostic::error(
                    right.span,
                    "Right hand side of binary operation must be constant",
                ));
            };
            if bits >= u128::from(shape.bits) {
                return Err(Diagnostic::error(
                    span,
                    format!("shift of {bits} bits is undefined for type of {} bits width", shape.bits),
                ));
            }
            let left = self.in_order(left, Order::Host);
            let shape = Shape { bits: shape.bits, ..left.shape };
            return Ok(Typed::new(Kind::Binary(op, left.into(), by.into()), shape).at(span));
        }
        let right = self.resolve_argument(right, shape)?;
        if let (Some(a), Some(b)) = (left.value(), right.value()) {
            let value = match op {
                BinaryOp::And => a & b,
                BinaryOp::Or => a | b,
                BinaryOp::Xor => a ^ b,
                BinaryOp::Lshift | BinaryOp::Rshift => a,
            };
            return Ok(Typed::number(value, shape).at(span));
        }
        let right = if right.is_load() { self.in_order(right, shape.order) } else { right };
        Ok(Typed::new(Kind::Binary(op, left.into(), right.into()), shape).at(span))
    }

    /// Converted to another byte order, where that makes a difference (`byteorder_conversion`).
    pub(crate) fn in_order(&mut self, typed: Typed, order: Order) -> Typed {
        let from = typed.shape.order;
        if typed.shape.datatype.is_string() || from == order || from == Order::None || order == Order::None {
            return typed;
        }
        let shape = Shape { order, ..typed.shape };
        let span = typed.span;
        match typed.kind {
            Kind::Value(_) => Typed { shape, ..typed },
            Kind::Range(from, to) => {
                let (from, to) = (self.in_order(*from, order), self.in_order(*to, order));
                Typed::new(Kind::Range(from.into(), to.into()), shape).at(span)
            }
            Kind::Prefix(base, len) => {
                let base = self.in_order(*base, order);
                Typed::new(Kind::Prefix(base.into(), len), shape).at(span)
            }
            Kind::Concat(_) => typed,
            _ if typed.shape.bits <= 8 => Typed { shape, ..typed },
            _ => Typed::new(Kind::Swap(typed.into()), shape).at(span),
        }
    }

    /// The family that is known for the network layer.
    pub(crate) fn network_family(&self) -> Option<Family> {
        match self.protocols.at(Base::Network) {
            Some(Proto::Ip) => Some(Family::Ip),
            Some(Proto::Ip6) => Some(Family::Ip6),
            _ => None,
        }
    }

    /// Emits what an expression implies that needs a network protocol.
    pub(crate) fn network_dependency(&mut self, proto: Proto, span: Span) -> Parsed<()> {
        match self.protocols.at(Base::Network) {
            Some(known) if known == proto => Ok(()),
            _ => {
                let field = if proto == Proto::Ip { "version" } else { "nexthdr" };
                let field = proto.field(field).ok_or_else(|| unknown(span, "field", field))?;
                self.payload_field(proto, field, None, span).map(|_| ())
            }
        }
    }

    fn ip6_dependency(&mut self, span: Span) -> Parsed<()> {
        self.network_dependency(Proto::Ip6, span)
    }

    /// Emits what an expression implies that needs a transport protocol.
    pub(crate) fn transport_dependency(&mut self, proto: Proto, span: Span) -> Parsed<()> {
        let field = proto.header().fields.first().ok_or_else(|| unknown(span, "field", ""))?;
        self.payload_field(proto, field, None, span).map(|_| ())
    }

    fn tcp_dependency(&mut self, span: Span) -> Parsed<()> {
        self.transport_dependency(Proto::Tcp, span)
    }

    fn raw_payload(&mut self, node: &RawPayload, span: Span) -> Parsed<Typed> {
        let base = match node.base {
            RawBase::Link => Base::Link,
            RawBase::Network => Base::Network,
            RawBase::Transport => Base::Transport,
            RawBase::Inner => Base::Inner,
        };
        if node.len == 0 || node.len > 128 {
            return Err(Diagnostic::error(span, "raw payload length must be between 1 and 128 bits"));
        }
        let shape = Shape { hex: true, ..Shape::new(Type::Integer, node.len, Order::Big) };
        let payload = Payload { base, offset: node.offset, field: None, inner: None };
        Ok(whole_bytes(Typed::new(Kind::Payload(payload), shape).at(span)))
    }

    fn ct(&mut self, node: &Ct, span: Span) -> Parsed<Typed> {
        let word = match &node.family {
            Some(family) => format!("{family} {}", node.key),
            None => node.key.to_string(),
        };
        let key = CT_KEYS
            .iter()
            .find(|(name, _)| *name == word)
            .map(|(_, key)| *key)
            .ok_or_else(|| unknown(span, "ct key", &word))?;
        let direction = node.direction.map(|direction| match direction {
            crate::expr::ct::Direction::Original => ct::Direction::Original,
            crate::expr::ct::Direction::Reply => ct::Direction::Reply,
        });
        let mut shape = ct_shape(key);
        use ct::Key::*;
        match key {
            Src | Dst => match self.network_family() {
                Some(Family::Ip) => shape = Shape::of(Type::Ipv4Addr),
                Some(Family::Ip6) => shape = Shape::of(Type::Ipv6Addr),
                _ => {
                    return Err(Diagnostic::error(
                        span,
                        "cannot determine ip protocol version, use \"ip daddr\" or \"ip6 daddr\" instead",
                    ));
                }
            },
            SrcIp | DstIp => self.agrees_with_network(Proto::Ip, span)?,
            SrcIp6 | DstIp6 => self.agrees_with_network(Proto::Ip6, span)?,
            _ => {}
        }
        Ok(Typed::new(Kind::Ct(key, direction), shape).at(span))
    }

    fn agrees_with_network(&mut self, proto: Proto, span: Span) -> Parsed<()> {
        match self.protocols.at(Base::Network) {
            Some(known) if known != proto && known != Proto::Unknown => Err(Diagnostic::error(
                span,
                format!("conflicting dependencies: {} vs. {}", proto.name(), known.name()),
            )),
            _ => Ok(()),
        }
    }

    fn tunnel_field(
        &mut self,
        tunnel: Proto,
        field: &'static crate::proto::Field,
        span: Span,
    ) -> Parsed<Typed> {
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
    fn inside(&mut self, tunnel: Proto, expr: &Expr, span: Span) -> Parsed<Typed> {
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

use super::Protocols;

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

fn check_modulus(modulus: u32, offset: u32, span: Span) -> Parsed<()> {
    if modulus == 0 {
        return Err(Diagnostic::error(span, "modulus cannot be zero"));
    }
    if offset.checked_add(modulus - 1).is_none() {
        return Err(Diagnostic::error(span, "offset and modulus are beyond 32 bits together"));
    }
    Ok(())
}

fn tcp_option(node: &TcpOption, span: Span) -> Parsed<Typed> {
    let option = match &node.option {
        OptionKind::Name(name) => {
            Some(tcp_option_by_name(name).ok_or_else(|| unknown(span, "TCP option", name))?)
        }
        OptionKind::Number(number) => tcp_options_by_number(*number).next(),
    };
    let number = match (&node.option, option) {
        (OptionKind::Number(number), _) => *number,
        (_, Some(option)) => option.number,
        _ => 0,
    };
    let by_name = matches!(node.option, OptionKind::Name(_));
    let mut exthdr = Exthdr {
        kind: ExthdrKind::Tcpopt,
        header: number,
        name: option.filter(|_| by_name).map(|option| option.name),
        offset: 0,
        field: None,
        present: false,
    };
    let shape = match &node.part {
        TcpOptionPart::Presence => {
            exthdr.present = true;
            Shape::of(Type::Boolean)
        }
        TcpOptionPart::Field(name) => {
            let field = option
                .and_then(|option| option.field(name))
                .ok_or_else(|| unknown(span, "TCP option field", name))?;
            exthdr.offset = field.offset;
            exthdr.field = Some(field.name);
            Shape::new(field.datatype, field.bits, Order::Big)
        }
        TcpOptionPart::Raw { offset, len } => {
            if *len == 0 || *len > 128 {
                return Err(Diagnostic::error(span, "TCP option length must be between 1 and 128 bits"));
            }
            exthdr.offset = *offset;
            exthdr.name = None;
            Shape::new(Type::Integer, *len, Order::Big)
        }
    };
    Ok(Typed::new(Kind::Exthdr(exthdr), shape).at(span))
}
