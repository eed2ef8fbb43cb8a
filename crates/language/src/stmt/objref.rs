//! Statements that evaluate a named object: `counter name "x"`, `ct helper set "ftp"`, also through a map.

use ironweir_expr::objref::ObjectType;

use crate::diag::Parsed;
use crate::expr::Expr;
use crate::parse::Parser;
use crate::print::Printer;

/// Evaluates an object of the rule's table.
#[derive(Clone, Debug, PartialEq)]
pub struct Objref {
    /// Type of the object.
    pub kind: ObjectType,
    /// Its name, or a map that gives one.
    pub name: Expr,
}

impl Objref {
    /// `counter name EXPR`, `ct helper set EXPR` and so on, where one stands next.
    pub(crate) fn parse(p: &mut Parser<'_>) -> Parsed<Option<Objref>> {
        let words = [p.word(), p.word_at(1), p.word_at(2)];
        let kind = match words {
            ["counter", "name", _] => ObjectType::Counter,
            ["quota", "name", _] => ObjectType::Quota,
            ["limit", "name", _] => ObjectType::Limit,
            ["synproxy", "name", _] => ObjectType::Synproxy,
            ["tunnel", "name", _] => ObjectType::Tunnel,
            ["ct", "helper", "set"] => ObjectType::CtHelper,
            ["ct", "timeout", "set"] => ObjectType::CtTimeout,
            ["ct", "expectation", "set"] => ObjectType::CtExpectation,
            ["meta", "secmark", "set"] => ObjectType::Secmark,
            _ => return Ok(None),
        };
        let count = if words[1] == "name" { 2 } else { 3 };
        for _ in 0..count {
            p.next();
        }
        Ok(Some(Objref { kind, name: Expr::parse_single_value(p)? }))
    }

    /// As nft lists it.
    pub fn print(&self, out: &mut Printer) {
        out.text(lead(self.kind)).text(" ");
        self.name.print(out);
    }
}

/// What stands before the object's name.
fn lead(kind: ObjectType) -> &'static str {
    match kind {
        ObjectType::Counter => "counter name",
        ObjectType::Quota => "quota name",
        ObjectType::Limit => "limit name",
        ObjectType::Connlimit => "ct count name",
        ObjectType::Tunnel => "tunnel name",
        ObjectType::Synproxy => "synproxy name",
        ObjectType::CtHelper => "ct helper set",
        ObjectType::CtTimeout => "ct timeout set",
        ObjectType::CtExpectation => "ct expectation set",
        ObjectType::Secmark => "meta secmark set",
    }
}
