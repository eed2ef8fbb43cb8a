//! `flow add @f`, also written `flow offload @f`: hands the packet's connection to a flowtable.

use ironweir_expr::Expr as Code;
use ironweir_expr::flow_offload::FlowOffload;
use serde_json::{Value, json};

use super::registry::{Statement, Worded};
use crate::diag::Parsed;
use crate::json::Node;
use crate::lex::Sign;
use crate::lower::Lower;
use crate::optimise::Parts;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::raise::Raise;
use crate::source::Span;

/// Adds the connection to a flowtable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The flowtable's name.
    pub flowtable: Box<str>,
}

impl Flow {
    pub(crate) fn code(&self) -> Code {
        Code::FlowOffload(FlowOffload { flowtable: self.flowtable.clone() })
    }

    fn of(flow: &FlowOffload) -> Flow {
        Flow { flowtable: flow.flowtable.clone() }
    }
}

impl Statement for Flow {
    const JSON: &'static str = "flow";

    fn print(&self, out: &mut Printer) {
        out.text("flow add @").text(&self.flowtable);
    }

    fn to_json(&self, _: &Options) -> Value {
        json!({ "flow": { "op": "add", "flowtable": format!("@{}", self.flowtable) } })
    }

    /// `op`, which is always `add`, and `flowtable`, a name behind `@`.
    fn from_json(_: &str, inside: Node<'_>) -> Parsed<Flow> {
        inside.need("op")?.one_of("flow operation", &["add"])?;
        Ok(Flow { flowtable: inside.need("flowtable")?.reference()?.into() })
    }

    fn lower(&self, to: &mut Lower<'_>, _: Span) -> Parsed<()> {
        to.emit(self.code());
        Ok(())
    }

    fn raise(code: &Code, _: &mut Raise<'_>) -> Option<Flow> {
        let Code::FlowOffload(flow) = code else { return None };
        Some(Flow::of(flow))
    }

    fn writes(&self) -> Parts {
        Parts::CONNECTION
    }
}

impl Worded for Flow {
    fn at(p: &Parser<'_>) -> bool {
        p.is_word("flow")
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Flow> {
        p.next();
        if !p.eat_word("add") && !p.eat_word("offload") {
            return Err(p.unexpected_word("add or offload", &["add", "offload"]));
        }
        p.expect(Sign::At)?;
        Ok(Flow { flowtable: p.name("the name of a flowtable")?.0 })
    }
}
