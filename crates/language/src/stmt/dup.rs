//! `dup`: sends a copy of the packet elsewhere.

use crate::diag::Parsed;
use crate::expr::Expr;
use crate::parse::Parser;
use crate::print::Printer;

/// `dup to ADDRESS [device DEVICE]`, in netdev `dup to DEVICE`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dup {
    /// Gateway, or the device in netdev.
    pub to: Expr,
    /// Device, besides a gateway.
    pub device: Option<Expr>,
}

impl Dup {
    /// What follows the word `dup`.
    pub(crate) fn parse(p: &mut Parser<'_>) -> Parsed<Dup> {
        p.expect_word("to")?;
        let to = Expr::parse_single_value(p)?;
        let device = if p.eat_word("device") { Some(Expr::parse_single_value(p)?) } else { None };
        Ok(Dup { to, device })
    }

    /// As nft lists it.
    pub fn print(&self, out: &mut Printer) {
        out.text("dup to ");
        self.to.print(out);
        if let Some(device) = &self.device {
            out.text(" device ");
            device.print(out);
        }
    }
}
