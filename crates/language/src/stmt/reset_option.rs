//! `reset tcp option`: replaces an option by no-operations.

use ironweir_expr::Expr as Code;
use ironweir_expr::exthdr::{Action, Exthdr, Kind};
use serde_json::{Value, json};

use super::registry::{Statement, Worded};
use crate::diag::{Diagnostic, Parsed, short};
use crate::expr::tcpopt::OptionKind;
use crate::json::Node;
use crate::lower::Lower;
use crate::optimise::Parts;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::proto::{tcp_option_by_name, tcp_options_by_number};
use crate::raise::Raise;
use crate::source::Span;

/// Which option is taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResetOption {
    /// By name or number.
    pub option: OptionKind,
}

impl ResetOption {
    fn of(exthdr: &Exthdr) -> ResetOption {
        let option = match tcp_options_by_number(exthdr.header).next() {
            Some(option) => OptionKind::Name(option.name.into()),
            None => OptionKind::Number(exthdr.header),
        };
        ResetOption { option }
    }
}

impl Statement for ResetOption {
    const JSON: &'static str = "reset";

    fn print(&self, out: &mut Printer) {
        out.text("reset tcp option ");
        match &self.option {
            OptionKind::Name(name) => out.text(name),
            OptionKind::Number(number) => out.number(number),
        };
    }

    fn to_json(&self, _: &Options) -> Value {
        let option = match &self.option {
            OptionKind::Name(name) => json!({ "name": name }),
            OptionKind::Number(number) => json!({ "base": number, "offset": 0, "len": 0 }),
        };
        json!({ "reset": { "tcp option": option } })
    }

    /// `tcp option`, with the `name` or the number of one.
    fn from_json(_: &str, inside: Node<'_>) -> Parsed<ResetOption> {
        let option = inside.need("tcp option")?;
        let option = match (option.get("name"), option.get("base")) {
            (Some(name), _) => OptionKind::Name(name.string()?.into()),
            (None, Some(base)) => OptionKind::Number(base.number(u8::MAX.into())? as u8),
            (None, None) => return Err(option.error("'name' is missing")),
        };
        Ok(ResetOption { option })
    }

    /// The whole option is taken off, so the field does not matter.
    fn lower(&self, to: &mut Lower<'_>, span: Span) -> Parsed<()> {
        let header = match &self.option {
            OptionKind::Number(number) => *number,
            OptionKind::Name(name) => match tcp_option_by_name(name) {
                Some(option) => option.number,
                None => return Err(Diagnostic::error(span, format!("unknown TCP option '{}'", short(name)))),
            },
        };
        to.emit(Code::Exthdr(Exthdr {
            kind: Kind::Tcpopt,
            header,
            offset: 0,
            len: 0,
            action: Action::Strip,
        }));
        Ok(())
    }

    fn raise(code: &Code, _: &mut Raise<'_>) -> Option<ResetOption> {
        match code {
            Code::Exthdr(exthdr) if matches!(exthdr.action, Action::Strip) => Some(ResetOption::of(exthdr)),
            _ => None,
        }
    }

    fn writes(&self) -> Parts {
        Parts::PACKET
    }
}

impl Worded for ResetOption {
    fn at(p: &Parser<'_>) -> bool {
        p.is_word("reset")
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<ResetOption> {
        p.next();
        p.expect_word("tcp")?;
        p.expect_word("option")?;
        if let crate::lex::TokenKind::Number(_) = p.peek().kind {
            let number = p.number_to(u8::MAX.into())? as u8;
            return Ok(ResetOption { option: OptionKind::Number(number) });
        }
        let (name, _) = p.name("a TCP option")?;
        Ok(ResetOption { option: OptionKind::Name(name) })
    }
}
