//! `ipsec`: what transformation states a packet came or goes through.

use ironweir_expr::{Expr as Code, Register, xfrm};
use ironweir_ruleset::Userdata;
use serde_json::{Value, json};

pub use ironweir_expr::xfrm::Key;

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

/// `ipsec in|out [spnum N] [ip|ip6] key`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Xfrm {
    /// `out` instead of `in`.
    pub out: bool,
    /// Which transformation of a bundle, from 0.
    pub spnum: u32,
    /// What of it.
    pub key: Key,
}

/// Each key with its family, where it has one, and its word; in the order of `enum nft_xfrm_keys`, which begins at 1.
const KEYS: [(Key, Option<&str>, &str); 6] = [
    (Key::DaddrIp4, Some("ip"), "daddr"),
    (Key::DaddrIp6, Some("ip6"), "daddr"),
    (Key::SaddrIp4, Some("ip"), "saddr"),
    (Key::SaddrIp6, Some("ip6"), "saddr"),
    (Key::Reqid, None, "reqid"),
    (Key::Spi, None, "spi"),
];

fn key(family: Option<&str>, word: &str) -> Key {
    let found = KEYS.iter().find(|(_, f, w)| (*f, *w) == (family, word));
    found.map_or(Key::Spi, |(key, ..)| *key)
}

impl Xfrm {
    fn words(&self) -> (Option<&'static str>, &'static str) {
        KEYS.iter()
            .find(|(key, ..)| *key == self.key)
            .map_or((None, "spi"), |(_, family, word)| (*family, word))
    }
}

impl Primary for Xfrm {
    const NAME: &'static str = "xfrm";
    const JSON: &'static str = "ipsec";

    fn at(_: &Parser<'_>, word: &str, second: &str) -> bool {
        word == "ipsec" && !second.is_empty()
    }

    fn owns(word: &str) -> bool {
        word == "ipsec"
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Xfrm> {
        p.next();
        let out = one_of(p, "in or out", &["in", "out"])? == "out";
        let mut spnum = 0;
        if p.eat_word("spnum") {
            spnum = p.number_to(255)? as u32;
        }
        let family = ["ip", "ip6"].into_iter().find(|family| p.eat_word(family));
        let words: &[&'static str] = if family.is_some() { &["saddr", "daddr"] } else { &["reqid", "spi"] };
        Ok(Xfrm { out, spnum, key: key(family, one_of(p, "an ipsec key", words)?) })
    }

    fn print(&self, out: &mut Printer) {
        out.text(if self.out { "ipsec out " } else { "ipsec in " });
        if self.spnum > 0 {
            out.fmt(format_args!("spnum {} ", self.spnum));
        }
        let (family, word) = self.words();
        if let Some(family) = family {
            out.text(family).text(" ");
        }
        out.text(word);
    }

    fn to_json(&self, _: &Options) -> Value {
        let dir = if self.out { "out" } else { "in" };
        match self.words() {
            (Some(family), key) => {
                json!({ "ipsec": { "key": key, "family": family, "dir": dir, "spnum": self.spnum } })
            }
            (None, key) => json!({ "ipsec": { "key": key, "dir": dir, "spnum": self.spnum } }),
        }
    }

    fn from_json(inside: Node<'_>) -> Parsed<Xfrm> {
        let out = inside.need("dir")?.one_of("direction", &["in", "out"])? == "out";
        let spnum = inside.get("spnum").map_or(Ok(0), |spnum| spnum.number(255))? as u32;
        let word = inside.need("key")?.one_of("ipsec key", &["reqid", "spi", "saddr", "daddr"])?;
        let addressed = matches!(word, "saddr" | "daddr");
        let family = match inside.get("family") {
            Some(family) if addressed => Some(family.one_of("family", &["ip", "ip6"])?),
            None if addressed => return Err(inside.error(format!("ipsec {word} needs a family"))),
            _ => None,
        };
        Ok(Xfrm { out, spnum, key: key(family, word) })
    }

    fn resolve(&self, _: &mut Lower<'_>, _: Option<Proto>, span: Span) -> Parsed<Typed> {
        Ok(self.clone().typed().at(span))
    }
}

impl Selector for Xfrm {
    const TYPEOF: u32 = 27;

    // `xfrm_templates` of nft
    fn shape(&self) -> Shape {
        match self.key {
            Key::DaddrIp4 | Key::SaddrIp4 => Shape::of(Type::Ipv4Addr),
            Key::DaddrIp6 | Key::SaddrIp6 => Shape::of(Type::Ipv6Addr),
            Key::Reqid => Shape::new(Type::Integer, 32, Order::Host),
            Key::Spi => Shape::new(Type::Integer, 32, Order::Big),
        }
    }

    fn load(&self, _: &mut Lower<'_>, destination: Register, _: Span) -> Parsed<Code> {
        let (key, direction, spnum) = (self.key, u8::from(self.out), self.spnum);
        Ok(Code::Xfrm(xfrm::Xfrm { key, direction, spnum, destination }))
    }

    fn raise(code: &Code, _: &mut Raise<'_>) -> Option<(Register, Xfrm)> {
        let Code::Xfrm(load) = code else { return None };
        Some((load.destination, Xfrm { out: load.direction == 1, spnum: load.spnum, key: load.key }))
    }

    fn syntax(&self, _: &mut Raise<'_>) -> ExprKind {
        ExprKind::Xfrm(self.clone())
    }

    fn to_userdata(&self, data: &mut Userdata) -> bool {
        data.push_u32(0, self.key as u32)
            && data.push_u32(1, self.spnum)
            && data.push_u32(2, u32::from(self.out))
    }

    fn from_userdata(data: &Userdata) -> Option<Xfrm> {
        let (key, ..) = *KEYS.get(usize::try_from(data.get_u32(0)?).ok()?.checked_sub(1)?)?;
        Some(Xfrm { out: data.get_u32(2) == Some(1), spnum: data.get_u32(1).unwrap_or(0), key })
    }
}
