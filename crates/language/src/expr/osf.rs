//! `osf`: which operating system sent a SYN.

use ironweir_expr::payload::Base;
use ironweir_expr::{Expr as Code, Register, osf};
use ironweir_ruleset::Userdata;
use serde_json::{Value, json};

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

/// `osf [ttl loose|skip] name|version`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Osf {
    /// How the TTL is compared: 0 exactly, 1 `loose`, 2 `skip` (`NF_OSF_TTL_*`).
    pub ttl: u8,
    /// Whether the version is part of what is asked.
    pub version: bool,
}

const MODES: [&str; 2] = ["loose", "skip"];

fn mode(word: &str) -> u8 {
    if word == "loose" { 1 } else { 2 }
}

impl Osf {
    fn mode_word(&self) -> Option<&'static str> {
        MODES.get(usize::from(self.ttl).checked_sub(1)?).copied()
    }

    fn key_word(&self) -> &'static str {
        if self.version { "version" } else { "name" }
    }
}

impl Primary for Osf {
    const NAME: &'static str = "osf";
    const JSON: &'static str = "osf";

    fn at(_: &Parser<'_>, word: &str, second: &str) -> bool {
        word == "osf" && !second.is_empty()
    }

    fn owns(word: &str) -> bool {
        word == "osf"
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Osf> {
        p.next();
        let mut ttl = 0;
        if p.eat_word("ttl") {
            ttl = mode(one_of(p, "loose or skip", &MODES)?);
        }
        let version = one_of(p, "name or version", &["name", "version"])? == "version";
        Ok(Osf { ttl, version })
    }

    fn print(&self, out: &mut Printer) {
        out.text("osf ");
        if let Some(mode) = self.mode_word() {
            out.text("ttl ").text(mode).text(" ");
        }
        out.text(self.key_word());
    }

    fn to_json(&self, _: &Options) -> Value {
        match self.mode_word() {
            Some(mode) => json!({ "osf": { "ttl": mode, "key": self.key_word() } }),
            None => json!({ "osf": { "key": self.key_word() } }),
        }
    }

    fn from_json(inside: Node<'_>) -> Parsed<Osf> {
        let version = inside.need("key")?.one_of("osf key", &["name", "version"])? == "version";
        let ttl = inside.get("ttl").map(|ttl| ttl.one_of("osf ttl mode", &MODES)).transpose()?;
        Ok(Osf { ttl: ttl.map_or(0, mode), version })
    }

    fn resolve(&self, _: &mut Lower<'_>, _: Option<Proto>, span: Span) -> Parsed<Typed> {
        Ok(self.clone().typed().at(span))
    }
}

impl Selector for Osf {
    const TYPEOF: u32 = 11;

    fn shape(&self) -> Shape {
        Shape::new(Type::String, 128, Order::Host)
    }

    fn implies(&self) -> Option<Base> {
        Some(Base::Transport)
    }

    fn load(&self, _: &mut Lower<'_>, destination: Register, _: Span) -> Parsed<Code> {
        Ok(Code::Osf(osf::Osf { destination, ttl: self.ttl, version: self.version }))
    }

    fn raise(code: &Code, _: &mut Raise<'_>) -> Option<(Register, Osf)> {
        let Code::Osf(load) = code else { return None };
        Some((load.destination, Osf { ttl: load.ttl, version: load.version }))
    }

    fn syntax(&self, _: &mut Raise<'_>) -> ExprKind {
        ExprKind::Osf(self.clone())
    }

    // What nft forgets is kept behind it, see `typeof_data`.
    fn to_userdata(&self, data: &mut Userdata) -> bool {
        (self.ttl, self.version) == (0, false)
            || data.push_u32(EXTRA, u32::from(self.ttl)) && data.push_u32(EXTRA + 1, u32::from(self.version))
    }

    fn from_userdata(data: &Userdata) -> Option<Osf> {
        let ttl = u8::try_from(data.get_u32(EXTRA).unwrap_or(0)).ok()?;
        Some(Osf { ttl, version: data.get_u32(EXTRA + 1) == Some(1) })
    }
}
