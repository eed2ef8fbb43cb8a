//! `reset tcp option`: replaces an option by no-operations.

use crate::diag::Parsed;
use crate::expr::tcpopt::OptionKind;
use crate::parse::Parser;
use crate::print::Printer;

/// Which option is taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResetOption {
    /// By name or number.
    pub option: OptionKind,
}

impl ResetOption {
    /// What follows the word `reset`.
    pub(crate) fn parse(p: &mut Parser<'_>) -> Parsed<ResetOption> {
        p.expect_word("tcp")?;
        p.expect_word("option")?;
        if let crate::lex::TokenKind::Number(_) = p.peek().kind {
            let number = p.number_to(u8::MAX.into())? as u8;
            return Ok(ResetOption { option: OptionKind::Number(number) });
        }
        let (name, _) = p.name("a TCP option")?;
        Ok(ResetOption { option: OptionKind::Name(name) })
    }

    /// As nft lists it.
    pub fn print(&self, out: &mut Printer) {
        out.text("reset tcp option ");
        match &self.option {
            OptionKind::Name(name) => out.text(name),
            OptionKind::Number(number) => out.number(number),
        };
    }
}
