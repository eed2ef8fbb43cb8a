//! `tunnel`: metadata of the tunnel a packet came through.

use ironweir_expr::{Expr as Code, Register, tunnel};
use ironweir_ruleset::Userdata;
use serde_json::{Value, json};

pub use ironweir_expr::tunnel::Key;

use super::ExprKind;
use super::numgen::NUMBER;
use super::primary::one_of;
use super::registry::{Primary, Selector};
use crate::datatype::Type;
use crate::diag::Parsed;
use crate::json::Node;
use crate::lower::Lower;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::proto::Proto;
use crate::raise::Raise;
use crate::source::Span;
use crate::typed::{Shape, Typed};

/// `tunnel path|id`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tunnel {
    /// Whether there is a tunnel, or its identifier.
    pub key: Key,
}

const KEYS: [&str; 2] = ["path", "id"];

fn key(word: &str) -> Key {
    if word == "path" { Key::Path } else { Key::Id }
}

impl Tunnel {
    fn word(&self) -> &'static str {
        match self.key {
            Key::Path => "path",
            Key::Id => "id",
        }
    }
}

impl Primary for Tunnel {
    const NAME: &'static str = "tunnel";
    const JSON: &'static str = "tunnel";

    fn at(_: &Parser<'_>, word: &str, second: &str) -> bool {
        word == "tunnel" && !second.is_empty()
    }

    fn owns(word: &str) -> bool {
        word == "tunnel"
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Tunnel> {
        p.next();
        Ok(Tunnel { key: key(one_of(p, "path or id", &KEYS)?) })
    }

    fn print(&self, out: &mut Printer) {
        out.text("tunnel ").text(self.word());
    }

    fn to_json(&self, _: &Options) -> Value {
        json!({ "tunnel": { "key": self.word() } })
    }

    fn from_json(inside: Node<'_>) -> Parsed<Tunnel> {
        Ok(Tunnel { key: key(inside.need("key")?.one_of("tunnel key", &KEYS)?) })
    }

    fn resolve(&self, _: &mut Lower<'_>, _: Option<Proto>, span: Span) -> Parsed<Typed> {
        Ok(self.key.typed().at(span))
    }
}

impl Selector for Key {
    const TYPEOF: u32 = 31;

    fn shape(&self) -> Shape {
        match self {
            Key::Path => Shape::of(Type::Boolean),
            Key::Id => NUMBER,
        }
    }

    fn load(&self, _: &mut Lower<'_>, destination: Register, _: Span) -> Parsed<Code> {
        Ok(Code::Tunnel(tunnel::Tunnel { key: *self, destination, mode: 0 }))
    }

    fn raise(code: &Code, _: &mut Raise<'_>) -> Option<(Register, Key)> {
        let Code::Tunnel(load) = code else { return None };
        Some((load.destination, load.key))
    }

    fn syntax(&self, _: &mut Raise<'_>) -> ExprKind {
        ExprKind::Tunnel(Tunnel { key: *self })
    }

    fn to_userdata(&self, data: &mut Userdata) -> bool {
        data.push_u32(0, *self as u32)
    }

    fn from_userdata(data: &Userdata) -> Option<Key> {
        match data.get_u32(0)? {
            0 => Some(Key::Path),
            1 => Some(Key::Id),
            _ => None,
        }
    }
}
