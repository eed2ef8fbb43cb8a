//! Header fields: which matches they imply, and where they lie.

use ironweir_expr::payload::Base;
use ironweir_expr::{Family, meta};

use super::unknown;
use crate::datatype::{Order, Type};
use crate::diag::{Diagnostic, Parsed};
use crate::expr::meta::meta_shape;
use crate::lower::Lower;
use crate::proto::{Field, Proto};
use crate::source::Span;
use crate::typed::{BinaryOp, Element, Kind, Payload, SetLiteral, Shape, Typed};

impl Lower<'_> {
    /// A field of a header (`expr_evaluate_payload`).
    pub(crate) fn payload_field(
        &mut self,
        proto: Proto,
        field: &'static Field,
        inner: Option<Proto>,
        span: Span,
    ) -> Parsed<Typed> {
        let mut payload = Payload {
            base: proto.header().base,
            offset: field.offset,
            field: Some((proto, field.name)),
            inner,
        };
        if proto != Proto::Th {
            self.place_payload(proto, &mut payload, inner, span)?;
            self.icmp_dependency(proto, field, inner, span)?;
        }
        let shape = Shape::new(field.datatype, field.bits, Order::Big);
        Ok(Typed::new(Kind::Payload(payload), shape).at(span))
    }

    fn place_payload(
        &mut self,
        proto: Proto,
        payload: &mut Payload,
        inner: Option<Proto>,
        span: Span,
    ) -> Parsed<()> {
        let base = payload.base;
        let in_ip = base == Base::Link && Proto::of_family(self.protocols.family).0 > base;
        if in_ip && inner.is_none() && proto != Proto::Ether && self.protocols.at(base).is_none() {
            self.imply_ether(span)?;
        }
        if base == Base::Link
            && matches!(inner, Some(tunnel) if tunnel != Proto::Gre)
            && proto != Proto::Ether
            && self.protocols.at(base).is_none()
        {
            self.protocols.set(base, Proto::Ether);
        }
        let Some(known) = self.protocols.at(base) else { return self.imply_protocol(proto, inner, span) };
        if let Some(other) = self.protocols.conflict(base, proto) {
            return Err(self.conflict(other, proto, span));
        }
        if known == proto {
            if base == Base::Link {
                payload.offset += self.protocols.stacked_bits(None);
            }
            return Ok(());
        }
        if base != Base::Link {
            return Err(self.conflict(known, proto, span));
        }
        let mut below = known;
        if matches!(known, Proto::Inet | Proto::Netdev) {
            self.imply_ether(span)?;
            below = Proto::Ether;
            if proto == Proto::Ether {
                return Ok(());
            }
        }
        if self.protocols.stacked.contains(&proto) {
            payload.offset += self.protocols.stacked_bits(Some(proto));
            return Ok(());
        }
        if self.protocols.learned(Base::Network) {
            return Err(self.conflict(known, proto, span));
        }
        let Some(number) = below.number_of(proto) else { return Err(self.conflict(known, proto, span)) };
        let offset = self.protocols.stacked_bits(None);
        let Some(key) = below.header().key.and_then(|key| below.field(key)) else {
            return Err(self.conflict(known, proto, span));
        };
        let left = Typed::new(
            Kind::Payload(Payload {
                base: Base::Link,
                offset: key.offset + offset,
                field: Some((below, key.name)),
                inner,
            }),
            Shape::new(key.datatype, key.bits, Order::Big),
        );
        self.imply(left, u128::from(number), span);
        payload.offset += self.protocols.stacked_bits(None);
        Ok(())
    }

    /// Emits `meta iiftype ether`.
    fn imply_ether(&mut self, span: Span) -> Parsed<()> {
        let left = Typed::new(Kind::Meta(meta::Key::Iiftype, None), meta_shape(meta::Key::Iiftype));
        self.imply(left, 1, span);
        Ok(())
    }

    /// Emits the match by which the layer below tells that `proto` follows (`payload_gen_dependency`).
    fn imply_protocol(&mut self, proto: Proto, inner: Option<Proto>, span: Span) -> Parsed<()> {
        let base = proto.header().base;
        let lowest = match inner {
            Some(Proto::Gre) => Base::Network,
            Some(_) => Base::Link,
            None => Proto::of_family(self.protocols.family).0,
        };
        if base < lowest {
            if inner.is_some() {
                return Err(Diagnostic::error(span, "the tunnel carries no link layer header"));
            }
            if proto == Proto::Ether {
                return self.imply_ether(span);
            }
            return Err(Diagnostic::error(span, "payload base is invalid for this family"));
        }
        let below_base = match base {
            Base::Network => Base::Link,
            Base::Transport => Base::Network,
            Base::Inner => Base::Transport,
            Base::Link | Base::Tunnel => {
                if inner.is_some() {
                    self.protocols.set(base, proto);
                }
                return Ok(());
            }
        };
        let below = match self.protocols.at(below_base) {
            Some(below) => below,
            None => match (base, inner, self.protocols.family) {
                (Base::Transport, ..) => {
                    if matches!(proto, Proto::Icmp | Proto::Icmpv6 | Proto::Igmp) {
                        self.imply_icmp_network(proto, inner, span)?;
                    }
                    Proto::InetService
                }
                (Base::Network, Some(_), _) => Proto::Ether,
                (Base::Network, None, Family::Bridge) => Proto::Ether,
                _ => {
                    return Err(Diagnostic::error(
                        span,
                        format!(
                            "ambiguous payload specification: no {} protocol specified",
                            name_of(below_base)
                        ),
                    ));
                }
            },
        };
        let by_packet = matches!(proto, Proto::Ip | Proto::Ip6);
        self.imply_upper(below, proto, inner, by_packet, span)
    }

    /// ICMP belongs to IPv4, ICMPv6 to IPv6: where neither is known, that is implied too.
    fn imply_icmp_network(&mut self, proto: Proto, inner: Option<Proto>, span: Span) -> Parsed<()> {
        let network = if proto == Proto::Icmpv6 { Proto::Ip6 } else { Proto::Ip };
        let below = match (inner, self.protocols.at(Base::Link), self.protocols.family) {
            (Some(Proto::Gre), ..) => Proto::Ether,
            (Some(_), ..) => {
                self.protocols.set(Base::Link, Proto::Ether);
                Proto::Ether
            }
            (None, Some(below), _) => below,
            (None, None, Family::Bridge) => Proto::Ether,
            (None, None, family) => Proto::of_family(family).1,
        };
        self.imply_upper(below, network, inner, false, span)
    }

    /// Emits the match by which `below` tells that `upper` follows. On a bridge, where both could be asked, `by_packet`
    /// asks the packet, which sees through VLAN tags, and not the Ethernet header: nft does so for fields of `ip` and
    /// `ip6` alone.
    fn imply_upper(
        &mut self,
        below: Proto,
        upper: Proto,
        inner: Option<Proto>,
        by_packet: bool,
        span: Span,
    ) -> Parsed<()> {
        let Some(number) = below.number_of(upper) else { return Err(self.conflict(below, upper, span)) };
        let meta_key = match below {
            Proto::Inet => Some(meta::Key::Nfproto),
            // Once Ethernet is known to be there its own field tells
            Proto::Ether if inner.is_none() && self.protocols.family == Family::Bridge && !by_packet => None,
            Proto::Ether if self.knows_ether(inner) => None,
            Proto::Netdev | Proto::Ether => Some(meta::Key::Protocol),
            Proto::Ip | Proto::Ip6 | Proto::InetService => Some(meta::Key::L4proto),
            _ => None,
        };
        let left = match meta_key {
            Some(key) => Typed::new(Kind::Meta(key, inner), meta_shape(key)),
            None => {
                let Some(key) = below.header().key.and_then(|key| below.field(key)) else {
                    return Err(self.conflict(below, upper, span));
                };
                let stacked =
                    if below.header().base == Base::Link { self.protocols.stacked_bits(None) } else { 0 };
                Typed::new(
                    Kind::Payload(Payload {
                        base: below.header().base,
                        offset: key.offset + stacked,
                        field: Some((below, key.name)),
                        inner,
                    }),
                    Shape::new(key.datatype, key.bits, Order::Big),
                )
            }
        };
        self.imply(left, u128::from(number), span);
        // A value that means no protocol by itself still answers for the layer
        self.protocols.set(upper.header().base, upper);
        Ok(())
    }

    fn knows_ether(&self, inner: Option<Proto>) -> bool {
        self.protocols.at(Base::Link) == Some(Proto::Ether)
            && (inner.is_some() || self.protocols.family != Family::Bridge)
    }

    /// The error that a layer has another protocol already; where a match told so, that is shown.
    fn conflict(&self, known: Proto, wanted: Proto, span: Span) -> Box<Diagnostic> {
        let name = |proto: Proto| match proto {
            Proto::Inet => "inet",
            Proto::Netdev => "netdev",
            Proto::InetService => "transport layer",
            other => other.name(),
        };
        let message = format!("conflicting protocols specified: {} vs. {}", name(known), name(wanted));
        let error = Diagnostic::error(span, message);
        let base = known.header().base;
        let told = self.protocols.told(base);
        let within = told.source == span.source && told.start <= span.start && span.end <= told.end;
        let family = self.scope.family;
        if !told.is_some()
            && matches!(family, Family::Ip | Family::Ip6 | Family::Arp)
            && base == Base::Network
        {
            let family = family.name();
            let error = error.note(format!("a table of family {family} sees {family} packets alone"));
            let both = matches!((known, wanted), (Proto::Ip, Proto::Ip6) | (Proto::Ip6, Proto::Ip));
            return if both { error.help("a table of family inet sees ip and ip6 packets") } else { error };
        }
        if !told.is_some() || within {
            let known = name(known);
            return error.note(format!(
                "'{known}' is known already, from the table's family or an earlier match of the rule"
            ));
        }
        error.and(told, format!("this tells that the packet is {}", name(known)))
    }

    /// Emits an equality and learns from it.
    pub(crate) fn imply(&mut self, left: Typed, value: u128, span: Span) {
        let right = Typed::number(value, left.shape).at(span);
        self.protocols.learn(&left, &right);
        self.match_equal(left.at(span), right);
    }

    /// Fields that only some ICMP messages have imply the type (`payload_gen_icmp_dependency`).
    fn icmp_dependency(
        &mut self,
        proto: Proto,
        field: &Field,
        inner: Option<Proto>,
        span: Span,
    ) -> Parsed<()> {
        let types: &[u8] = match (proto, field.name) {
            (Proto::Icmp, "id" | "sequence") => &[8, 0],
            (Proto::Icmp, "gateway") => &[5],
            (Proto::Icmp, "mtu") => &[3],
            (Proto::Icmpv6, "id" | "sequence") => &[128, 129],
            (Proto::Icmpv6, "mtu") => &[2],
            (Proto::Icmpv6, "parameter-problem") => &[4],
            (Proto::Icmpv6, "max-delay") => &[130],
            (Proto::Icmpv6, "taddr") => &[130, 131, 132, 135, 136, 137],
            (Proto::Icmpv6, "daddr") => &[137],
            _ => return Ok(()),
        };
        if let Some(known) = self.protocols.icmp_type {
            if types.contains(&known) {
                return Ok(());
            }
            return Err(Diagnostic::error(span, "incompatible icmp match: rule has another type"));
        }
        let Some(key) = proto.field("type") else { return Ok(()) };
        let left = Typed::new(
            Kind::Payload(Payload { base: Base::Transport, offset: 0, field: Some((proto, "type")), inner }),
            Shape::new(key.datatype, 8, Order::Big),
        );
        if let [one] = types {
            self.imply(left, u128::from(*one), span);
            return Ok(());
        }
        let elements =
            types.iter().map(|t| Element::new(Typed::number(u128::from(*t), left.shape))).collect();
        self.lookup_literal(left, SetLiteral { elements, interval: false }, false, span)?;
        self.protocols.icmp_type = types.first().copied();
        Ok(())
    }
}

impl Lower<'_> {
    /// Puts what an optional header implies, a network protocol, before all of the rule (`expr_evaluate_exthdr`).
    pub(crate) fn network_dependency(&mut self, proto: Proto, span: Span) -> Parsed<()> {
        match self.protocols.at(Base::Network) {
            Some(known) if known == proto => Ok(()),
            _ => self.before_all(|to| to.imply_network(proto, span)),
        }
    }

    fn imply_network(&mut self, proto: Proto, span: Span) -> Parsed<()> {
        match self.protocols.at(Base::Network) {
            None if self.protocols.family == Family::Bridge => {
                let below = self.protocols.at(Base::Link).unwrap_or(Proto::Ether);
                self.imply_upper(below, proto, None, false, span)
            }
            _ => {
                let field = if proto == Proto::Ip { "version" } else { "nexthdr" };
                let field = proto.field(field).ok_or_else(|| unknown(span, "field", field))?;
                self.payload_field(proto, field, None, span).map(|_| ())
            }
        }
    }

    /// Emits what an expression implies that needs a transport protocol.
    pub(crate) fn transport_dependency(&mut self, proto: Proto, span: Span) -> Parsed<()> {
        let field = proto.header().fields.first().ok_or_else(|| unknown(span, "field", ""))?;
        self.payload_field(proto, field, None, span).map(|_| ())
    }
}

/// Bits that are not whole bytes are loaded with their neighbours and masked (`expr_evaluate_bits`).
pub(crate) fn whole_bytes(typed: Typed) -> Typed {
    let offset = match &typed.kind {
        Kind::Payload(payload) => payload.offset,
        Kind::Exthdr(exthdr) if !exthdr.present => exthdr.offset,
        _ => return typed,
    };
    let bits = typed.shape.bits;
    if offset.is_multiple_of(8) && bits.is_multiple_of(8) {
        return typed;
    }
    let inside = offset % 8;
    let total = (inside + bits).next_multiple_of(8);
    let shift = total - inside - bits;
    let wide = Shape { bits: total, ..typed.shape };
    let mask = ones(bits) << shift;
    let span = typed.span;
    let load = Typed { shape: wide, ..typed };
    let mut masked =
        Typed::new(Kind::Binary(BinaryOp::And, load.into(), Typed::number(mask, wide).into()), wide).at(span);
    if shift == 0 {
        return masked;
    }
    let mut wide = wide;
    if total > 8 {
        // Shifts are those of the machine's numbers
        wide.order = Order::Host;
        masked = Typed::new(Kind::Swap(masked.into()), wide).at(span);
    }
    let by = Typed::number(u128::from(shift), Shape::new(Type::Integer, 32, Order::Host));
    Typed::new(Kind::Binary(BinaryOp::Rshift, masked.into(), by.into()), wide).at(span)
}

impl Typed {
    /// The bits that [`whole_bytes`] was made of, as they are named when they are written.
    pub(crate) fn into_written(self) -> Typed {
        match self.kind {
            Kind::Binary(BinaryOp::Rshift, inner, _) | Kind::Swap(inner) => inner.into_written(),
            Kind::Binary(BinaryOp::And, load, mask) => {
                let bits = mask.value().map_or(load.shape.bits, u128::count_ones);
                Typed { shape: Shape { bits, ..load.shape }, ..*load }
            }
            _ => self,
        }
    }
}

/// So many one bits.
pub(crate) fn ones(bits: u32) -> u128 {
    if bits >= 128 { u128::MAX } else { (1 << bits) - 1 }
}

fn name_of(base: Base) -> &'static str {
    match base {
        Base::Link => "link layer",
        Base::Network => "network layer",
        Base::Transport => "transport layer",
        Base::Inner | Base::Tunnel => "payload data",
    }
}
