//! DCCP options: `dccp option 5 exists`.

use serde_json::{Value, json};

use super::registry::Primary;
use crate::datatype::Type;
use crate::diag::Parsed;
use crate::json::Node;
use crate::lower::Lower;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::proto::Proto;
use crate::source::Span;
use crate::typed::{self, ExthdrKind, Kind, Shape, Typed};

/// `dccp option N`, compared with `exists` or `missing`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DccpOption {
    /// Type of the option.
    pub kind: u8,
}

impl Primary for DccpOption {
    const NAME: &'static str = "exthdr";
    const JSON: &'static str = "dccp option";

    fn at(_: &Parser<'_>, word: &str, second: &str) -> bool {
        word == "dccp" && second == "option"
    }

    fn owns(_: &str) -> bool {
        false
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<DccpOption> {
        p.next();
        p.next();
        Ok(DccpOption { kind: p.number_to(255)? as u8 })
    }

    fn print(&self, out: &mut Printer) {
        out.text("dccp option ").number(self.kind);
    }

    fn to_json(&self, _: &Options) -> Value {
        json!({ "dccp option": { "type": self.kind } })
    }

    fn from_json(inside: Node<'_>) -> Parsed<DccpOption> {
        Ok(DccpOption { kind: inside.need("type")?.number(255)? as u8 })
    }

    fn resolve(&self, to: &mut Lower<'_>, _: Option<Proto>, span: Span) -> Parsed<Typed> {
        to.transport_dependency(Proto::Dccp, span)?;
        let option = typed::Exthdr {
            kind: ExthdrKind::Dccp,
            header: self.kind,
            name: None,
            offset: 0,
            field: None,
            present: true,
        };
        Ok(Typed::new(Kind::Exthdr(option), Shape::of(Type::Boolean)).at(span))
    }
}
