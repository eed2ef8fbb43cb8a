//! `fwd`: sends the packet out of another device.

use ironweir_expr::{Expr as Code, Family, fwd};

use super::dup::load;
use super::nat::{address_shape, ip_family_from_json, parse_family};
use crate::datatype::Type;
use crate::diag::{Diagnostic, Parsed};
use crate::expr::Expr;
use crate::json::Node;
use crate::lower::Lower;
use crate::parse::Parser;
use crate::print::Options;
use crate::print::Printer;
use crate::raise::Raise;
use crate::source::Span;
use crate::typed::Shape;
use serde_json::{Value, json};

/// `fwd to DEVICE` or `fwd ip|ip6 to ADDRESS device DEVICE`.
#[derive(Clone, Debug, PartialEq)]
pub struct Fwd {
    /// The neighbour's address and its family.
    pub neighbour: Option<(Family, Expr)>,
    /// The device.
    pub device: Expr,
}

impl Fwd {
    /// What follows the word `fwd`.
    pub(crate) fn parse(p: &mut Parser<'_>) -> Parsed<Fwd> {
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

    /// As nft lists it.
    pub fn print(&self, out: &mut Printer) {
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
}

impl Fwd {
    /// As `nft -j` writes it.
    pub fn to_json(&self, options: &Options) -> Value {
        let mut fwd = json!({ "dev": self.device.to_json(options) });
        if let Some((family, address)) = &self.neighbour {
            fwd["family"] = json!(family.name());
            fwd["addr"] = address.to_json(options);
        }
        json!({ "fwd": fwd })
    }

    /// `dev`, and both or none of `family` and `addr`.
    pub fn from_json(node: Node<'_>) -> Parsed<Fwd> {
        let device = Expr::from_json(node.need("dev")?)?;
        let neighbour = match (node.get("family"), node.get("addr")) {
            (None, None) => None,
            (Some(family), Some(address)) => Some((ip_family_from_json(family)?, Expr::from_json(address)?)),
            _ => return Err(node.error("'family' and 'addr' go together")),
        };
        Ok(Fwd { neighbour, device })
    }
}

impl Fwd {
    pub(crate) fn lower(&self, to: &mut Lower<'_>, span: Span) -> Parsed<()> {
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
}

impl Fwd {
    pub(crate) fn raise(fwd: &fwd::Fwd, from: &mut Raise<'_>) -> Fwd {
        let device = from.operand(fwd.device, Shape::of(Type::IfaceIndex));
        let neighbour =
            fwd.neighbour.map(|(register, family)| (family, from.operand(register, address_shape(family))));
        Fwd { neighbour, device }
    }
}
