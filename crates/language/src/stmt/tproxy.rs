//! `tproxy`: hands the packet to a local transparent socket.

use ironweir_expr::payload::Base;
use ironweir_expr::{Expr as Code, Family, Register, tproxy};
use serde_json::{Value, json};

use super::nat::{address_shape, ip_family_from_json, parse_family, print_address};
use super::registry::{Statement, Worded};
use crate::datatype::Type;
use crate::diag::{Diagnostic, Parsed};
use crate::expr::Expr;
use crate::json::Node;
use crate::lex::Sign;
use crate::lower::Lower;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::proto::Proto;
use crate::raise::Raise;
use crate::source::Span;
use crate::typed::{Shape, Typed};

/// `tproxy [ip|ip6] to [ADDRESS][:PORT]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tproxy {
    /// `ip` or `ip6` as written.
    pub family: Option<Family>,
    /// The socket's address.
    pub address: Option<Expr>,
    /// The socket's port.
    pub port: Option<Expr>,
}

impl Tproxy {
    fn lower_family(&self, to: &Lower<'_>, span: Span) -> Parsed<Family> {
        let family = match (to.scope.family, self.family) {
            (Family::Ip | Family::Ip6 | Family::Inet, Some(family)) => family,
            (family @ (Family::Ip | Family::Ip6), None) => family,
            (Family::Inet, None) if self.address.is_none() => Family::Inet,
            (Family::Inet, None) => {
                let message = "specify `tproxy ip' or 'tproxy ip6' in inet table to disambiguate";
                return Err(Diagnostic::error(span, message));
            }
            _ => return Err(Diagnostic::error(span, "tproxy is only supported for IPv4/IPv6/INET")),
        };
        let conflicts = match to.protocols.at(Base::Network) {
            Some(Proto::Ip) => family == Family::Ip6,
            Some(Proto::Ip6) => family == Family::Ip,
            _ => false,
        };
        if conflicts {
            return Err(Diagnostic::error(span, "conflicting network layer protocols."));
        }
        Ok(family)
    }
}

fn load_one(to: &mut Lower<'_>, typed: &Typed, no_range: &str) -> Parsed<Register> {
    if typed.bounds().is_some() {
        return Err(Diagnostic::error(typed.span, no_range));
    }
    let register = to.allocate(4, typed.span)?;
    to.load_into(typed, register)?;
    Ok(register)
}

impl Tproxy {
    fn of(tproxy: &tproxy::Tproxy, from: &mut Raise<'_>) -> Tproxy {
        let in_inet = from.scope.family == Family::Inet;
        Tproxy {
            family: Some(tproxy.family).filter(|family| in_inet && *family != Family::Inet),
            address: tproxy.address.map(|register| from.operand(register, address_shape(tproxy.family))),
            port: tproxy.port.map(|register| from.operand(register, Shape::of(Type::InetService))),
        }
    }
}

impl Statement for Tproxy {
    const JSON: &'static str = "tproxy";

    fn print(&self, out: &mut Printer) {
        out.text("tproxy");
        if let Some(family) = self.family {
            out.text(" ").text(family.name());
        }
        out.text(" to ");
        if let Some(address) = &self.address {
            print_address(address, true, out);
        }
        if let Some(port) = &self.port {
            out.text(":");
            port.print(out);
        }
    }

    fn to_json(&self, options: &Options) -> Value {
        let mut tproxy = serde_json::Map::new();
        if let Some(family) = self.family {
            tproxy.insert("family".into(), json!(family.name()));
        }
        if let Some(address) = &self.address {
            tproxy.insert("addr".into(), address.to_json(options));
        }
        if let Some(port) = &self.port {
            tproxy.insert("port".into(), port.to_json(options));
        }
        json!({ "tproxy": tproxy })
    }

    /// `family`, `addr` and `port`.
    fn from_json(_: &str, inside: Node<'_>) -> Parsed<Tproxy> {
        inside.object()?;
        let tproxy = Tproxy {
            family: inside.get("family").map(ip_family_from_json).transpose()?,
            address: inside.get("addr").map(Expr::from_json).transpose()?,
            port: inside.get("port").map(Expr::from_json).transpose()?,
        };
        match (&tproxy.address, &tproxy.port) {
            (None, None) => Err(inside.error("'addr' or 'port' is missing")),
            _ => Ok(tproxy),
        }
    }

    fn lower(&self, to: &mut Lower<'_>, span: Span) -> Parsed<()> {
        let family = self.lower_family(to, span)?;
        if !to.protocols.has_transport() {
            let message = "Transparent proxy support requires transport protocol match";
            return Err(Diagnostic::error(span, message));
        }
        // Everything is resolved before anything is loaded: matches that are implied use the same registers.
        let address =
            self.address.as_ref().map(|node| to.argument(node, address_shape(family))).transpose()?;
        let port =
            self.port.as_ref().map(|node| to.argument(node, Shape::of(Type::InetService))).transpose()?;
        let address = address
            .map(|typed| load_one(to, &typed, "Address ranges are not supported for tproxy."))
            .transpose()?;
        let port = port
            .map(|typed| load_one(to, &typed, "Port ranges are not supported for tproxy."))
            .transpose()?;
        to.emit(Code::Tproxy(tproxy::Tproxy { family, address, port }));
        Ok(())
    }

    fn raise(code: &Code, from: &mut Raise<'_>) -> Option<Tproxy> {
        let Code::Tproxy(tproxy) = code else { return None };
        Some(Tproxy::of(tproxy, from))
    }
}

impl Worded for Tproxy {
    fn at(p: &Parser<'_>) -> bool {
        p.is_word("tproxy")
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Tproxy> {
        p.next();
        let family = parse_family(p);
        p.expect_word("to")?;
        let address = if p.is(Sign::Colon) { None } else { Some(Expr::parse_single_value(p)?) };
        let port = if p.eat(Sign::Colon) { Some(Expr::parse_single_value(p)?) } else { None };
        Ok(Tproxy { family, address, port })
    }
}
