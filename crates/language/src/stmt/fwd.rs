//! `fwd`: sends the packet out of another device.

use ironweir_expr::{Expr as Code, Family, fwd};
use serde_json::{Value, json};

use super::dup::load;
use super::nat::{address_shape, ip_family_from_json, parse_family};
use super::registry::{Statement, Worded};
use crate::datatype::Type;
use crate::diag::{Diagnostic, Parsed};
use crate::expr::Expr;
use crate::json::Node;
use crate::lower::Lower;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::raise::Raise;
use crate::source::Span;
use crate::typed::Shape;

/// `fwd to DEVICE` or `fwd ip|ip6 to ADDRESS device DEVICE`.
#[derive(Clone, Debug, PartialEq)]
pub struct Fwd {
    /// The neighbour's address and its family.
    pub neighbour: Option<(Family, Expr)>,
    /// The device.
    pub device: Expr,
}

impl Fwd {
    fn of(fwd: &fwd::Fwd, from: &mut Raise<'_>) -> Fwd {
        let device = from.operand(fwd.device, Shape::of(Type::IfaceIndex));
        let neighbour =
            fwd.neighbour.map(|(register, family)| (family, from.operand(register, address_shape(family))));
        Fwd { neighbour, device }
    }
}

impl Statement for Fwd {
    const JSON: &'static str = "fwd";

    fn print(&self, out: &mut Printer) {
        out.text("fwd");
        match &self.neighbour {
            None => drop(out.text(" to ")),
            Some((family, address)) => {
                out.text(" ").text(family.name()).text(" to ");
                address.print(out);
                out.text(" device ");
            }
        }
        self.device.print(out);
    }

    fn to_json(&self, options: &Options) -> Value {
        let mut fwd = json!({ "dev": self.device.to_json(options) });
        if let Some((family, address)) = &self.neighbour {
            fwd["family"] = json!(family.name());
            fwd["addr"] = address.to_json(options);
        }
        json!({ "fwd": fwd })
    }

    /// `dev`, and both or none of `family` and `addr`.
    fn from_json(_: &str, inside: Node<'_>) -> Parsed<Fwd> {
        let device = Expr::from_json(inside.need("dev")?)?;
        let neighbour = match (inside.get("family"), inside.get("addr")) {
            (None, None) => None,
            (Some(family), Some(address)) => Some((ip_family_from_json(family)?, Expr::from_json(address)?)),
            _ => return Err(inside.error("'family' and 'addr' go together")),
        };
        Ok(Fwd { neighbour, device })
    }

    fn lower(&self, to: &mut Lower<'_>, span: Span) -> Parsed<()> {
        if to.scope.family != Family::Netdev {
            return Err(Diagnostic::error(span, "unsupported family"));
        }
        // Everything is resolved before anything is loaded: matches that are implied use the same registers.
        let device = to.argument(&self.device, Shape::of(Type::IfaceIndex))?;
        let neighbour = match &self.neighbour {
            None => None,
            Some((family, address)) => Some((to.argument(address, address_shape(*family))?, *family)),
        };
        let device = load(to, &device)?;
        let neighbour = match neighbour {
            None => None,
            Some((address, family)) => Some((load(to, &address)?, family)),
        };
        to.emit(Code::Fwd(fwd::Fwd { device, neighbour }));
        Ok(())
    }

    fn raise(code: &Code, from: &mut Raise<'_>) -> Option<Fwd> {
        let Code::Fwd(fwd) = code else { return None };
        Some(Fwd::of(fwd, from))
    }
}

impl Worded for Fwd {
    fn at(p: &Parser<'_>) -> bool {
        p.is_word("fwd")
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Fwd> {
        p.next();
        let family = parse_family(p);
        p.expect_word("to")?;
        let target = Expr::parse_single_value(p)?;
        let (neighbour, device) = match family {
            None => (None, target),
            Some(family) => {
                p.expect_word("device")?;
                (Some((family, target)), Expr::parse_single_value(p)?)
            }
        };
        Ok(Fwd { neighbour, device })
    }
}
