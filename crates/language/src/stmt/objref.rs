//! Statements that evaluate a named object: `counter name "x"`, `ct helper set "ftp"`, also through a map.

use ironweir_expr::Expr as Code;
use ironweir_expr::objref::{self, ObjectType};
use ironweir_ruleset::set::SetData;
use serde_json::Value;

use super::assign::Assign;
use super::registry::{Statement, Worded};
use crate::datatype::Type;
use crate::diag::{Diagnostic, Parsed};
use crate::expr::meta::Meta;
use crate::expr::{Expr, ExprKind};
use crate::json::Node;
use crate::lower::Lower;
use crate::optimise::Parts;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::raise::Raise;
use crate::source::Span;
use crate::typed::{self, Shape};

/// Evaluates an object of the rule's table.
#[derive(Clone, Debug, PartialEq)]
pub struct Objref {
    /// Type of the object.
    pub kind: ObjectType,
    /// Its name, or a map that gives one.
    pub name: Expr,
}

impl Objref {}

/// The type of object that is referred to where the parser stands.
fn object_at(p: &Parser<'_>) -> Option<ObjectType> {
    Some(match [p.word(), p.word_at(1), p.word_at(2)] {
        ["counter", "name", _] => ObjectType::Counter,
        ["quota", "name", _] => ObjectType::Quota,
        ["limit", "name", _] => ObjectType::Limit,
        ["synproxy", "name", _] => ObjectType::Synproxy,
        ["tunnel", "name", _] => ObjectType::Tunnel,
        ["ct", "helper", "set"] => ObjectType::CtHelper,
        ["ct", "timeout", "set"] => ObjectType::CtTimeout,
        ["ct", "expectation", "set"] => ObjectType::CtExpectation,
        ["meta", "secmark", "set"] => ObjectType::Secmark,
        _ => return None,
    })
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
    /// `None` where the map is not known, and so neither the type of its objects.
    fn of(objref: &objref::Objref, from: &mut Raise<'_>) -> Option<Objref> {
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

impl Statement for Objref {
    const JSON: &'static str = "";

    fn print(&self, out: &mut Printer) {
        out.text(lead(self.kind)).text(" ");
        self.name.print(out);
    }

    fn to_json(&self, options: &Options) -> Value {
        let key = KEYS.iter().find(|(_, kind)| *kind == self.kind).map_or("", |(key, _)| key);
        crate::json::tagged(key, self.name.to_json(options))
    }

    fn in_json(key: &str, inside: Node<'_>) -> bool {
        KEYS.iter().any(|(known, _)| *known == key)
            && (inside.as_str().is_some() || inside.get("map").is_some())
    }

    /// A name or a map under one of the keys.
    fn from_json(key: &str, inside: Node<'_>) -> Parsed<Objref> {
        let kind = KEYS.iter().find(|(known, _)| *known == key).map(|(_, kind)| *kind);
        let Some(kind) = kind else { return Err(inside.expected("an object's name")) };
        Ok(Objref { kind, name: Expr::from_json(inside)? })
    }

    fn lower(&self, to: &mut Lower<'_>, span: Span) -> Parsed<()> {
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
            // `meta secmark set ct secmark` begins as an object does, and sets a value
            ExprKind::Ct(_) if self.kind == ObjectType::Secmark => {
                let target = Expr::raised(ExprKind::Meta(Meta { key: "secmark".into() }));
                return Assign { target, value: self.name.clone() }.lower(to, span);
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

    fn raise(code: &Code, from: &mut Raise<'_>) -> Option<Objref> {
        let Code::Objref(objref) = code else { return None };
        Objref::of(objref, from)
    }

    fn writes(&self) -> Parts {
        Parts::CONNECTION
    }
}

impl Worded for Objref {
    fn at(p: &Parser<'_>) -> bool {
        object_at(p).is_some()
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Objref> {
        let Some(kind) = object_at(p) else { return Err(p.unexpected("an object")) };
        for _ in lead(kind).split(' ') {
            p.next();
        }
        Ok(Objref { kind, name: Expr::parse_single_value(p)? })
    }
}
