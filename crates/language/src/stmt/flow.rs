//! `flow add @f`, also written `flow offload @f`: hands the packet's connection to a flowtable.

use ironweir_expr::Expr as Code;
use ironweir_expr::flow_offload::FlowOffload;

use crate::diag::Parsed;
use crate::json::Node;
use crate::lex::Sign;
use crate::parse::Parser;
use crate::print::Printer;
use serde_json::{Value, json};

/// Adds the connection to a flowtable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The flowtable's name.
    pub flowtable: Box<str>,
}

impl Flow {
    /// What follows the word `flow`.
    pub(crate) fn parse(p: &mut Parser<'_>) -> Parsed<Flow> {
        if !p.eat_word("add") && !p.eat_word("offload") {
            return Err(p.unexpected_word("add or offload", &["add", "offload"]));
        }
        p.expect(Sign::At)?;
        Ok(Flow { flowtable: p.name("the name of a flowtable")?.0 })
    }

    /// As nft lists it.
    pub fn print(&self, out: &mut Printer) {
        out.text("flow add @").text(&self.flowtable);
    }

    pub(crate) fn code(&self) -> Code {
        Code::FlowOffload(FlowOffload { flowtable: self.flowtable.clone() })
    }

    pub(crate) fn raise(flow: &FlowOffload) -> Flow {
        Flow { flowtable: flow.flowtable.clone() }
    }
}

impl Flow {
    /// As `nft -j` writes it.
    pub fn to_json(&self) -> Value {
        json!({ "flow": { "op": "add", "flowtable": format!("@{}", self.flowtable) } })
    }

    /// `op`, which is always `add`, and `flowtable`, a name behind `@`.
    pub fn from_json(node: Node<'_>) -> Parsed<Flow> {
        node.need("op")?.one_of("flow operation", &["add"])?;
        Ok(Flow { flowtable: node.need("flowtable")?.reference()?.into() })
    }
}
