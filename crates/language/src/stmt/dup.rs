//! `dup`: sends a copy of the packet elsewhere.

use ironweir_expr::{Expr as Code, Family, Register, dup};
use serde_json::{Value, json};

use super::nat::address_shape;
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
use crate::typed::{Shape, Typed};

/// `dup to ADDRESS [device DEVICE]`, in netdev `dup to DEVICE`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dup {
    /// Gateway, or the device in netdev.
    pub to: Expr,
    /// Device, besides a gateway.
    pub device: Option<Expr>,
}

/// Loads an argument into registers of its own, four words whatever its width.
pub(crate) fn load(to: &mut Lower<'_>, argument: &Typed) -> Parsed<Register> {
    let register = to.allocate(4, argument.span)?;
    to.load_into(argument, register)?;
    Ok(register)
}

impl Dup {
    /// `None` where there is neither gateway nor device.
    fn of(dup: &dup::Dup, from: &mut Raise<'_>) -> Option<Dup> {
        let shape = address_shape(from.scope.family);
        let address = dup.address.map(|register| from.operand(register, shape));
        let device = dup.device.map(|register| from.operand(register, Shape::of(Type::IfaceIndex)));
        match address {
            Some(to) => Some(Dup { to, device }),
            None => Some(Dup { to: device?, device: None }),
        }
    }
}

impl Statement for Dup {
    const JSON: &'static str = "dup";

    fn print(&self, out: &mut Printer) {
        out.text("dup to ");
        self.to.print(out);
        if let Some(device) = &self.device {
            out.text(" device ");
            device.print(out);
        }
    }

    fn to_json(&self, options: &Options) -> Value {
        let mut dup = json!({ "addr": self.to.to_json(options) });
        if let Some(device) = &self.device {
            dup["dev"] = device.to_json(options);
        }
        json!({ "dup": dup })
    }

    /// `addr` and `dev`.
    fn from_json(_: &str, inside: Node<'_>) -> Parsed<Dup> {
        let to = Expr::from_json(inside.need("addr")?)?;
        Ok(Dup { to, device: inside.get("dev").map(Expr::from_json).transpose()? })
    }

    fn lower(&self, to: &mut Lower<'_>, span: Span) -> Parsed<()> {
        let index = Shape::of(Type::IfaceIndex);
        // Everything is resolved before anything is loaded: matches that are implied use the same registers.
        let (address, device) = match to.scope.family {
            family @ (Family::Ip | Family::Ip6) => {
                let address = to.argument(&self.to, address_shape(family))?;
                let device = self.device.as_ref().map(|device| to.argument(device, index)).transpose()?;
                (Some(address), device)
            }
            Family::Netdev => {
                if let Some(device) = &self.device {
                    return Err(Diagnostic::error(device.span, "cannot specify device"));
                }
                (None, Some(to.argument(&self.to, index)?))
            }
            _ => return Err(Diagnostic::error(span, "unsupported family")),
        };
        let address = address.map(|address| load(to, &address)).transpose()?;
        let device = device.map(|device| load(to, &device)).transpose()?;
        to.emit(Code::Dup(dup::Dup { address, device }));
        Ok(())
    }

    fn raise(code: &Code, from: &mut Raise<'_>) -> Option<Dup> {
        let Code::Dup(dup) = code else { return None };
        Dup::of(dup, from)
    }
}

impl Worded for Dup {
    fn at(p: &Parser<'_>) -> bool {
        p.is_word("dup")
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Dup> {
        p.next();
        p.expect_word("to")?;
        let to = Expr::parse_single_value(p)?;
        let device = if p.eat_word("device") { Some(Expr::parse_single_value(p)?) } else { None };
        Ok(Dup { to, device })
    }
}
