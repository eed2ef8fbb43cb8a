//! `snat`, `dnat`, `masquerade`, `redirect`.

use ironweir_expr::nat::Flags;
use ironweir_expr::payload::Base;
use ironweir_expr::{Expr as Code, Family, Register, masq, nat, redir};
use serde_json::{Value, json};

use super::arguments::map_data;
use super::nat_flags;
use super::registry::{Statement, Worded};
use crate::datatype::Type;
use crate::diag::{Diagnostic, Parsed};
use crate::expr::{Expr, ExprKind};
use crate::json::{Node, tagged};
use crate::lex::Sign;
use crate::lower::Lower;
use crate::optimise::Role;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::proto::Proto;
use crate::raise::{Raise, interval_of};
use crate::source::Span;
use crate::typed::{self, Shape, Typed};

/// `snat [ip|ip6] [prefix] to [ADDRESS][:PORT] [FLAGS]` and its kin.
#[derive(Clone, Debug, PartialEq)]
pub struct Nat {
    /// Which of the four.
    pub kind: Kind,
    /// `ip` or `ip6` as written.
    pub family: Option<Family>,
    /// `prefix`: the host part of the address is kept.
    pub prefix: bool,
    /// Address, range of addresses, prefix, or what gives one; with [`Nat::port`] empty perhaps also a port.
    pub address: Option<Expr>,
    /// Port, range of ports, or what gives one.
    pub port: Option<Expr>,
    /// How ports are chosen.
    pub flags: Flags,
}

/// Which of the four statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the words are nft's
pub enum Kind {
    Snat,
    Dnat,
    Masquerade,
    Redirect,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 4] = [Kind::Snat, Kind::Dnat, Kind::Masquerade, Kind::Redirect];

    /// The word nft uses.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Snat => "snat",
            Kind::Dnat => "dnat",
            Kind::Masquerade => "masquerade",
            Kind::Redirect => "redirect",
        }
    }

    /// Whether it takes an address, not only ports.
    pub const fn takes_address(self) -> bool {
        matches!(self, Kind::Snat | Kind::Dnat)
    }
}

impl Nat {
    /// What follows the word that names the kind.
    fn arguments(p: &mut Parser<'_>, kind: Kind) -> Parsed<Nat> {
        let mut nat =
            Nat { kind, family: None, prefix: false, address: None, port: None, flags: Flags::empty() };
        if kind.takes_address() {
            // `snat 192.0.2.1` is an older way to write it
            let leads = |word| matches!(word, "to" | "interval" | "prefix" | "addr");
            if leads(p.word()) || leads(p.word_at(1)) || p.peek().ends_statement() {
                nat.parse_address_family(p)?;
                p.expect_word("to")?;
            }
            nat.parse_target(p)?;
        } else if p.eat_word("to") {
            // `redirect to 8080` without the colon is an older way to write it.
            p.eat(Sign::Colon);
            nat.port = Some(Expr::parse_single_value(p)?);
        }
        nat.flags |= nat_flags::parse(p)?;
        Ok(nat)
    }

    fn parse_address_family(&mut self, p: &mut Parser<'_>) -> Parsed<()> {
        self.family = parse_family(p);
        // `interval` and `addr . port` are accepted and mean nothing, as in nft: the map's type says it.
        p.eat_word("interval");
        if p.eat_word("prefix") {
            self.prefix = true;
            self.flags |= Flags::NETMAP;
        }
        if p.eat_word("addr") {
            p.expect(Sign::Dot)?;
            p.expect_word("port")?;
        }
        Ok(())
    }

    fn parse_target(&mut self, p: &mut Parser<'_>) -> Parsed<()> {
        if !p.is(Sign::Colon) {
            self.address = Some(Expr::parse_single_value(p)?);
        }
        if p.eat(Sign::Colon) {
            self.port = Some(Expr::parse_single_value(p)?);
        }
        Ok(())
    }
}

/// `ip` or `ip6`.
pub(crate) fn ip_family_from_json(node: Node<'_>) -> Parsed<Family> {
    Ok(match node.one_of("family", &["ip", "ip6"])? {
        "ip6" => Family::Ip6,
        _ => Family::Ip,
    })
}

/// Takes `ip` or `ip6`.
pub(crate) fn parse_family(p: &mut Parser<'_>) -> Option<Family> {
    let family = match p.word() {
        "ip" => Family::Ip,
        "ip6" => Family::Ip6,
        _ => return None,
    };
    p.next();
    Some(family)
}

/// An address, an IPv6 one perhaps in brackets.
pub(crate) fn print_address(address: &Expr, brackets: bool, out: &mut Printer) {
    match &address.kind {
        ExprKind::Symbol(symbol) if brackets && symbol.text.contains(':') => {
            out.text("[").text(&symbol.text).text("]");
        }
        ExprKind::Range(range) if brackets => {
            print_address(&range.from, true, out);
            out.text("-");
            print_address(&range.to, true, out);
        }
        _ => address.print(out),
    }
}

impl Nat {
    /// Which family addresses are of (`nat_evaluate_family`).
    fn lower_family(&self, to: &Lower<'_>, span: Span) -> Parsed<Family> {
        match (to.scope.family, self.family) {
            (Family::Ip | Family::Ip6 | Family::Inet, _) if self.address.is_none() => Ok(to.scope.family),
            (Family::Ip | Family::Ip6 | Family::Inet, Some(family)) => Ok(family),
            (family @ (Family::Ip | Family::Ip6), None) => Ok(family),
            (Family::Inet, None) => match to.protocols.at(Base::Network) {
                Some(Proto::Ip) => Ok(Family::Ip),
                Some(Proto::Ip6) => Ok(Family::Ip6),
                _ => {
                    let name = self.kind.name();
                    let message =
                        format!("specify `{name} ip' or '{name} ip6' in inet table to disambiguate");
                    Err(Diagnostic::error(span, message))
                }
            },
            _ => Err(Diagnostic::error(span, "NAT is only supported for IPv4/IPv6")),
        }
    }
}

type Bounds = (Register, Option<Register>);

/// Where addresses and ports lie.
#[derive(Default)]
struct Layout {
    addresses: Option<Bounds>,
    ports: Option<Bounds>,
}

/// The shape of an address of a family.
pub(crate) fn address_shape(family: Family) -> Shape {
    Shape::of(if family == Family::Ip6 { Type::Ipv6Addr } else { Type::Ipv4Addr })
}

/// An address, a range of them, or a map that gives an address, perhaps with a port, each perhaps a range.
fn resolve_address(to: &mut Lower<'_>, address: &Expr, family: Family) -> Parsed<Typed> {
    let shape = address_shape(family);
    match &address.kind {
        ExprKind::Map(map) => {
            to.argument_map(map, &[&[shape], &[shape, Shape::of(Type::InetService)]], address.span)
        }
        _ => {
            let typed = to.argument(address, shape)?;
            if typed.shape.bits < shape.bits {
                let message = format!("datatype mismatch, expected {}", shape.datatype.description());
                return Err(Diagnostic::error(address.span, message));
            }
            Ok(typed)
        }
    }
}

fn lower_address(to: &mut Lower<'_>, address: &Typed, span: Span) -> Parsed<Layout> {
    if let typed::Kind::Map(..) = address.kind {
        let (fields, interval) = map_data(to.scope, address);
        let register = to.allocate(4, span)?;
        to.load_into(address, register)?;
        return layout_of(register, &fields, interval, span);
    }
    Ok(Layout { addresses: Some(lower_bounds(to, address)?), ports: None })
}

/// A map's data lie in the order address, port, last address, last port, each from a 4-byte register on.
fn layout_of(first: Register, fields: &[Shape], interval: bool, span: Span) -> Parsed<Layout> {
    let mut word = (first.offset() / 4) as u32;
    let mut take = |shape: &Shape| {
        let register = Register::at_word(word);
        word += shape.words();
        register.ok_or_else(|| Diagnostic::error(span, "the map's data need more registers than there are"))
    };
    let (address, port) = (fields.first(), fields.get(1));
    let mut next = || -> Parsed<(Option<Register>, Option<Register>)> {
        Ok((address.map(&mut take).transpose()?, port.map(&mut take).transpose()?))
    };
    let (address, port) = next()?;
    let (last_address, last_port) = if interval { next()? } else { (None, None) };
    Ok(Layout {
        addresses: address.map(|first| (first, last_address)),
        ports: port.map(|first| (first, last_port)),
    })
}

/// A port, a range of ports, or what gives one. The packets must be known to have ports.
fn resolve_port(to: &mut Lower<'_>, port: &Expr) -> Parsed<Typed> {
    let want = Shape::of(Type::InetService);
    let mut typed = to.argument(port, want)?;
    if matches!(typed.kind, typed::Kind::Swap(_)) {
        // DIVERGES: nft swaps nothing here, so that the port of `numgen` has its bytes the wrong way round
        typed.shape.bits = want.bits;
    }
    if !to.protocols.has_transport() {
        let message = "transport protocol mapping is only valid after transport protocol match";
        return Err(Diagnostic::error(port.span, message)
            .help("match the protocol before: 'tcp dport ...' or 'meta l4proto { tcp, udp }'"));
    }
    Ok(typed)
}

/// Loads a value, or the first and last of a range; each takes four words whatever its width.
fn lower_bounds(to: &mut Lower<'_>, typed: &Typed) -> Parsed<Bounds> {
    let span = typed.span;
    if let Some((from, last)) = typed.bounds() {
        let first_register = to.allocate(4, span)?;
        let last_register = to.allocate(4, span)?;
        to.load_into(&from, first_register)?;
        to.load_into(&last, last_register)?;
        return Ok((first_register, Some(last_register)));
    }
    let register = to.allocate(4, span)?;
    to.load_into(typed, register)?;
    Ok((register, None))
}

impl Nat {
    fn raise_nat(nat: &nat::Nat, from: &mut Raise<'_>) -> Nat {
        let kind = if nat.kind == nat::Kind::Snat { Kind::Snat } else { Kind::Dnat };
        let mut raised = Nat::raise_ports(kind, nat.flags, None, from);
        if from.scope.family == Family::Inet && nat.family != Family::Inet {
            raised.family = Some(nat.family);
        }
        let shape = address_shape(nat.family);
        if let Some((first, last)) = nat.addresses {
            let loaded = from.operand_typed(first, &[shape]);
            if let typed::Kind::Map(..) = loaded.kind {
                // Address and port, or the bounds of a range of them, come out of one map.
                let several = map_data(from.scope, &loaded).0.len() > 1;
                if several || last.is_some() {
                    raised.family = Some(nat.family);
                }
                raised.address = Some(from.syntax(&loaded));
                if several {
                    return raised;
                }
            } else {
                let addresses = (first, last);
                // `192.0.2.2/31:8080` is no address and a port.
                raised.address = Some(match nat.ports {
                    Some(_) => raise_range(addresses, shape, from),
                    None => raise_bounds(addresses, shape, from),
                });
            }
        }
        raised.port = nat.ports.map(|ports| raise_bounds(ports, Shape::of(Type::InetService), from));
        raised
    }

    fn raise_ports(kind: Kind, flags: Flags, ports: Option<Bounds>, from: &mut Raise<'_>) -> Nat {
        Nat {
            kind,
            family: None,
            prefix: flags.contains(Flags::NETMAP),
            address: None,
            port: ports.map(|ports| raise_bounds(ports, Shape::of(Type::InetService), from)),
            flags,
        }
    }
}

/// A value, or a range; a range of addresses that is a prefix as one.
fn raise_bounds((first, last): Bounds, shape: Shape, from: &mut Raise<'_>) -> Expr {
    let low = from.operand_typed(first, &[shape]);
    let Some(last) = last.filter(|last| *last != first) else { return from.syntax(&low) };
    let high = from.operand_typed(last, &[shape]);
    from.syntax(&interval_of(low, high, false))
}

/// A value, or a range.
fn raise_range((first, last): Bounds, shape: Shape, from: &mut Raise<'_>) -> Expr {
    let low = from.operand_typed(first, &[shape]);
    let Some(last) = last.filter(|last| *last != first) else { return from.syntax(&low) };
    let high = from.operand_typed(last, &[shape]);
    match (low.value(), high.value()) {
        (Some(first), Some(last)) if first != last => {
            from.syntax(&Typed::new(typed::Kind::Range(low.into(), high.into()), shape))
        }
        _ => from.syntax(&low),
    }
}

impl Statement for Nat {
    const JSON: &'static str = "nat";

    fn print(&self, out: &mut Printer) {
        out.text(self.kind.name());
        if self.address.is_some() || self.port.is_some() {
            if let Some(family) = self.family {
                out.text(" ").text(family.name());
            }
            if self.prefix {
                out.text(" prefix");
            }
            out.text(" to");
        }
        if let Some(address) = &self.address {
            out.text(" ");
            print_address(address, self.port.is_some(), out);
        }
        if let Some(port) = &self.port {
            out.text(if self.address.is_none() { " :" } else { ":" });
            port.print(out);
        }
        nat_flags::print(self.flags, out);
    }

    fn to_json(&self, options: &Options) -> Value {
        let mut nat = serde_json::Map::new();
        if let Some(family) = self.family {
            nat.insert("family".into(), json!(family.name()));
        }
        if let Some(address) = &self.address {
            nat.insert("addr".into(), address.to_json(options));
        }
        if let Some(port) = &self.port {
            nat.insert("port".into(), port.to_json(options));
        }
        if let Some(flags) = nat_flags::to_json(self.flags) {
            nat.insert("flags".into(), flags);
        }
        if self.prefix {
            nat.insert("type_flags".into(), json!(["prefix"]));
        }
        match nat.is_empty() {
            true => tagged(self.kind.name(), Value::Null),
            false => tagged(self.kind.name(), nat),
        }
    }

    fn in_json(key: &str, _: Node<'_>) -> bool {
        Kind::ALL.into_iter().any(|kind| kind.name() == key)
    }

    /// `null`, or `family`, `addr`, `port`, `flags` and `type_flags`.
    fn from_json(key: &str, inside: Node<'_>) -> Parsed<Nat> {
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == key);
        let Some(kind) = kind else { return Err(inside.expected("a kind of NAT")) };
        let mut nat =
            Nat { kind, family: None, prefix: false, address: None, port: None, flags: Flags::empty() };
        if inside.is_null() && !kind.takes_address() {
            return Ok(nat);
        }
        inside.object()?;
        if kind.takes_address() {
            nat.family = inside.get("family").map(ip_family_from_json).transpose()?;
            nat.address = inside.get("addr").map(Expr::from_json).transpose()?;
        }
        nat.port = inside.get("port").map(Expr::from_json).transpose()?;
        if kind.takes_address() && nat.address.is_none() && nat.port.is_none() {
            return Err(inside.error("'addr' or 'port' is missing"));
        }
        if let Some(flags) = inside.get("flags") {
            nat.flags = nat_flags::from_json(flags)?;
        }
        for flag in inside.get("type_flags").map(Node::one_or_more).unwrap_or_default() {
            // As in text, `interval` and `concat` mean nothing: the map's type says it.
            if flag.one_of("flag", &["interval", "prefix", "concat"])? == "prefix" {
                nat.prefix = true;
                nat.flags |= Flags::NETMAP;
            }
        }
        Ok(nat)
    }

    fn lower(&self, to: &mut Lower<'_>, span: Span) -> Parsed<()> {
        let family = self.lower_family(to, span)?;
        // Everything is resolved before anything is loaded: matches that are implied use the same registers.
        let address =
            self.address.as_ref().map(|address| resolve_address(to, address, family)).transpose()?;
        let port = self.port.as_ref().map(|port| resolve_port(to, port)).transpose()?;
        let mut layout = Layout::default();
        if let Some(address) = &address {
            layout = lower_address(to, address, span)?;
        }
        let mut flags = self.flags;
        if let Some(port) = &port {
            if layout.ports.is_some() {
                return Err(Diagnostic::error(port.span, "the map gives the port already"));
            }
            layout.ports = Some(lower_bounds(to, port)?);
            flags |= Flags::PROTO_SPECIFIED;
        }
        let Layout { addresses, ports } = layout;
        to.emit(match self.kind {
            Kind::Masquerade => Code::Masq(masq::Masq { flags, ports }),
            Kind::Redirect => Code::Redir(redir::Redir { flags, ports }),
            Kind::Snat => Code::Nat(nat::Nat { kind: nat::Kind::Snat, family, addresses, ports, flags }),
            Kind::Dnat => Code::Nat(nat::Nat { kind: nat::Kind::Dnat, family, addresses, ports, flags }),
        });
        Ok(())
    }

    fn raise(code: &Code, from: &mut Raise<'_>) -> Option<Nat> {
        Some(match code {
            Code::Nat(nat) => Nat::raise_nat(nat, from),
            Code::Masq(masq) => Nat::raise_ports(Kind::Masquerade, masq.flags, masq.ports, from),
            Code::Redir(redir) => Nat::raise_ports(Kind::Redirect, redir.flags, redir.ports, from),
            _ => return None,
        })
    }

    fn is_terminal(&self) -> bool {
        true
    }

    fn role(&self) -> Role<'_> {
        Role::Nat(self)
    }
}

impl Worded for Nat {
    fn at(p: &Parser<'_>) -> bool {
        Kind::ALL.into_iter().any(|kind| p.is_word(kind.name()))
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Nat> {
        let kind = Kind::ALL.into_iter().find(|kind| p.is_word(kind.name()));
        let Some(kind) = kind else { return Err(p.unexpected("a kind of NAT")) };
        p.next();
        Nat::arguments(p, kind)
    }
}
