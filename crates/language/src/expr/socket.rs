//! `socket`: the local socket a packet belongs to.

use ironweir_expr::{Expr as Code, Register, socket};
use ironweir_ruleset::Userdata;
use serde_json::{Value, json};

pub use ironweir_expr::socket::Key;

use super::ExprKind;
use super::primary::one_of;
use super::registry::{Primary, Selector};
use crate::datatype::{Order, Type};
use crate::diag::Parsed;
use crate::json::Node;
use crate::lower::Lower;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::proto::Proto;
use crate::raise::Raise;
use crate::source::Span;
use crate::typed::{Shape, Typed};
use crate::typeof_data::EXTRA;

/// `socket key`, `socket cgroupv2 level N`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Socket {
    /// What is asked of the socket.
    pub key: Key,
}

/// Words of the keys, in the order of `enum nft_socket_keys`.
const KEYS: [&str; 4] = ["transparent", "mark", "wildcard", "cgroupv2"];

/// The key's place in [`KEYS`], and the level of `cgroupv2`.
fn place(key: Key) -> (u32, Option<u32>) {
    match key {
        Key::Transparent => (0, None),
        Key::Mark => (1, None),
        Key::Wildcard => (2, None),
        Key::Cgroupv2 { level } => (3, Some(level)),
    }
}

fn key(word: &str, level: u32) -> Key {
    match word {
        "transparent" => Key::Transparent,
        "mark" => Key::Mark,
        "wildcard" => Key::Wildcard,
        _ => Key::Cgroupv2 { level },
    }
}

impl Socket {
    fn word(&self) -> (&'static str, Option<u32>) {
        let (place, level) = place(self.key);
        (KEYS[place as usize], level)
    }
}

impl Primary for Socket {
    const NAME: &'static str = "socket";
    const JSON: &'static str = "socket";

    fn at(_: &Parser<'_>, word: &str, second: &str) -> bool {
        word == "socket" && !second.is_empty()
    }

    fn owns(word: &str) -> bool {
        word == "socket"
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Socket> {
        p.next();
        let word = one_of(p, "a socket key", &KEYS)?;
        let mut level = 0;
        if word == "cgroupv2" {
            p.expect_word("level")?;
            level = p.number_to(255)? as u32;
        }
        Ok(Socket { key: key(word, level) })
    }

    fn print(&self, out: &mut Printer) {
        let (word, level) = self.word();
        out.text("socket ").text(word);
        if let Some(level) = level {
            out.text(" level ").number(level);
        }
    }

    fn to_json(&self, _: &Options) -> Value {
        match self.word() {
            (word, Some(level)) => json!({ "socket": { "key": word, "level": level } }),
            (word, None) => json!({ "socket": { "key": word } }),
        }
    }

    fn from_json(inside: Node<'_>) -> Parsed<Socket> {
        let word = inside.need("key")?.one_of("socket key", &KEYS)?;
        let level = match word {
            "cgroupv2" => inside.get("level").map_or(Ok(0), |level| level.number(255))? as u32,
            _ => 0,
        };
        Ok(Socket { key: key(word, level) })
    }

    fn resolve(&self, _: &mut Lower<'_>, _: Option<Proto>, span: Span) -> Parsed<Typed> {
        Ok(self.key.typed().at(span))
    }
}

impl Selector for Key {
    const TYPEOF: u32 = 10;

    // `socket_templates` of nft
    fn shape(&self) -> Shape {
        match self {
            Key::Transparent | Key::Wildcard => Shape::new(Type::Integer, 1, Order::Host),
            Key::Mark => Shape::of(Type::Mark),
            Key::Cgroupv2 { .. } => Shape::of(Type::Cgroupv2),
        }
    }

    fn load(&self, _: &mut Lower<'_>, destination: Register, _: Span) -> Parsed<Code> {
        Ok(Code::Socket(socket::Socket { key: *self, destination }))
    }

    fn raise(code: &Code, _: &mut Raise<'_>) -> Option<(Register, Key)> {
        let Code::Socket(load) = code else { return None };
        Some((load.destination, load.key))
    }

    fn syntax(&self, _: &mut Raise<'_>) -> ExprKind {
        ExprKind::Socket(Socket { key: *self })
    }

    // What nft forgets is kept behind it, see `typeof_data`.
    fn to_userdata(&self, data: &mut Userdata) -> bool {
        let (place, level) = place(*self);
        let level = level.filter(|level| *level > 0);
        data.push_u32(0, place) && level.is_none_or(|level| data.push_u32(EXTRA, level))
    }

    fn from_userdata(data: &Userdata) -> Option<Key> {
        let word = KEYS.get(usize::try_from(data.get_u32(0)?).ok()?)?;
        Some(key(word, data.get_u32(EXTRA).unwrap_or(0)))
    }
}
