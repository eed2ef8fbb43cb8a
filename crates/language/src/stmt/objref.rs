//! Statements that evaluate a named object: `counter name "x"`, `ct helper set "ftp"`, also through a map.

use ironweir_expr::Expr as Code;
use ironweir_expr::objref::{self, ObjectType};

use crate::datatype::Type;
use crate::diag::{Diagnostic, Parsed};
use crate::expr::{Expr, ExprKind};
use crate::json::Node;
use crate::lower::Lower;
use crate::parse::Parser;
use crate::print::Options;
use crate::print::Printer;
use crate::raise::Raise;
use crate::source::Span;
use crate::typed::{self, Shape};
use ironweir_ruleset::set::SetData;
use serde_json::Value;

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

/// Keys of JSON that name an object, where what stands under them is a name or a map.
const KEYS: [(&str, ObjectType); 10] = [
    ("counter", ObjectType::Counter),
    ("quota", ObjectType::Quota),
    ("limit", ObjectType::Limit),
    ("ct count", ObjectType::Connlimit),
    ("tunnel", ObjectType::Tunnel),
    ("synproxy", ObjectType::Synproxy),
    ("ct helper", ObjectType::CtHelper),
    ("ct timeout", ObjectType::CtTimeout),
    ("ct expectation", ObjectType::CtExpectation),
    ("secmark", ObjectType::Secmark),
];

impl Objref {
    /// As `nft -j` writes it.
    pub fn to_json(&self, options: &Options) -> Value {
        let key = KEYS.iter().find(|(_, kind)| *kind == self.kind).map_or("", |(key, _)| key);
        crate::json::tagged(key, self.name.to_json(options))
    }

    /// A name or a map under one of the keys; `None` where another statement of that key stands there.
    pub fn from_json(key: &str, node: Node<'_>) -> Parsed<Option<Objref>> {
        let Some((_, kind)) = KEYS.iter().find(|(known, _)| *known == key) else { return Ok(None) };
        if node.as_str().is_none() && node.get("map").is_none() {
            return Ok(None);
        }
        Ok(Some(Objref { kind: *kind, name: Expr::from_json(node)? }))
    }
}

impl Objref {
    pub(crate) fn lower(&self, to: &mut Lower<'_>, span: Span) -> Parsed<()> {
        let code = match &self.name.kind {
            ExprKind::Symbol(symbol) => objref::Objref::Name { kind: self.kind, name: symbol.text.clone() },
            ExprKind::Map(map) => {
                let typed = to.argument_map(map, &[&[Shape::of(Type::Invalid)]], self.name.span)?;
                let typed::Kind::Map(key, map) = &typed.kind else {
                    return Err(Diagnostic::error(span, "a map is expected here"));
                };
                let (set, key) = to.object_reference(key, map, self.kind)?;
                objref::Objref::Map { set, source: to.load(&key)? }
            }
            _ => {
                return Err(Diagnostic::error(
                    self.name.span,
                    "the name of an object or a map is expected here",
                ));
            }
        };
        to.emit(Code::Objref(code));
        Ok(())
    }
}

impl Objref {
    /// `None` where the map is not known, and so neither the type of its objects.
    pub(crate) fn raise(objref: &objref::Objref, from: &mut Raise<'_>) -> Option<Objref> {
        match objref {
            objref::Objref::Name { kind, name } => {
                Some(Objref { kind: *kind, name: Expr::quoted(name.clone()) })
            }
            objref::Objref::Map { set, source } => {
                let kind = match from.scope.sets.set(&set.name)?.data? {
                    SetData::Object(kind) => kind,
                    SetData::Value { .. } | SetData::Verdict => return None,
                };
                Some(Objref { kind, name: from.map(&set.name, *source) })
            }
        }
    }
}
