//! `tproxy`: hands the packet to a local transparent socket.

use ironweir_expr::Family;

use super::nat::{parse_family, print_address};
use crate::diag::Parsed;
use crate::expr::Expr;
use crate::lex::Sign;
use crate::parse::Parser;
use crate::print::Printer;

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
    /// What follows the word `tproxy`.
    pub(crate) fn parse(p: &mut Parser<'_>) -> Parsed<Tproxy> {
        let family = parse_family(p);
        p.expect_word("to")?;
        let address = if p.is(Sign::Colon) { None } else { Some(Expr::parse_single_value(p)?) };
        let port = if p.eat(Sign::Colon) { Some(Expr::parse_single_value(p)?) } else { None };
        Ok(Tproxy { family, address, port })
    }

    /// As nft lists it.
    pub fn print(&self, out: &mut Printer) {
        out.text("tproxy");
        if let Some(family) = self.family {
            out.text(" ").text(family.name());
        }
        out.text(" to ");
        if let Some(address) = &self.address {
            print_address(address, self.port.is_some(), out);
        }
        if let Some(port) = &self.port {
            out.text(":");
            port.print(out);
        }
    }
}
