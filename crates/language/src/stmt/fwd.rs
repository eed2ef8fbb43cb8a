//! `fwd`: sends the packet out of another device.

use ironweir_expr::Family;

use super::nat::parse_family;
use crate::diag::Parsed;
use crate::expr::Expr;
use crate::parse::Parser;
use crate::print::Printer;

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
