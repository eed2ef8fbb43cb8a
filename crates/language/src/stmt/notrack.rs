//! `notrack`: leaves the packet to no connection.

use ironweir_expr::Expr as Code;
use serde_json::{Value, json};

use super::registry::{Statement, Worded};
use crate::diag::Parsed;
use crate::json::Node;
use crate::lower::Lower;
use crate::optimise::{Parts, Role};
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::raise::Raise;
use crate::source::Span;

/// The packet becomes untracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notrack;

impl Notrack {
    pub(crate) fn code(&self) -> Code {
        Code::Notrack(ironweir_expr::notrack::Notrack)
    }
}

impl Statement for Notrack {
    const JSON: &'static str = "notrack";

    fn print(&self, out: &mut Printer) {
        out.text("notrack");
    }

    fn to_json(&self, _: &Options) -> Value {
        json!({ "notrack": null })
    }

    fn from_json(_: &str, _: Node<'_>) -> Parsed<Notrack> {
        Ok(Notrack)
    }

    fn lower(&self, to: &mut Lower<'_>, _: Span) -> Parsed<()> {
        to.emit(self.code());
        Ok(())
    }

    fn raise(code: &Code, _: &mut Raise<'_>) -> Option<Notrack> {
        matches!(code, Code::Notrack(_)).then_some(Notrack)
    }

    fn role(&self) -> Role<'_> {
        Role::Same
    }

    fn writes(&self) -> Parts {
        Parts::CONNECTION
    }
}

impl Worded for Notrack {
    fn at(p: &Parser<'_>) -> bool {
        p.is_word("notrack")
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Notrack> {
        p.next();
        Ok(Notrack)
    }
}
