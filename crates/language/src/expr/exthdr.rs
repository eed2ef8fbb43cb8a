//! IPv6 extension headers (`frag id`, `exthdr hbh exists`).

use serde_json::{Value, json};

use super::primary::{first_word, one_of};
use super::registry::Primary;
use crate::datatype::{Order, Type};
use crate::diag::{Diagnostic, Parsed};
use crate::json::Node;
use crate::lex::Sign;
use crate::lower::Lower;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::proto::{Field, Proto, exthdr_by_name};
use crate::resolve::{unknown, whole_bytes};
use crate::source::Span;
use crate::typed::{self, ExthdrKind, Kind, Shape, Typed};

/// A field of an extension header, or whether the header is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Exthdr {
    /// `hbh`, `rt`, `rt0`, `rt2`, `srh`, `frag`, `dst`, `mh`.
    pub header: Box<str>,
    /// The field; `None` for `exthdr hbh`, compared with `exists` or `missing`.
    pub field: Option<Box<str>>,
}

const HEADERS: [&str; 8] = ["hbh", "rt", "rt0", "rt2", "srh", "frag", "dst", "mh"];

/// Whether an extension header has a field that begins with that word.
fn has_field(header: &str, word: &str) -> bool {
    exthdr_by_name(header).is_some_and(|header| {
        !word.is_empty() && header.fields.iter().any(|field| first_word(field.name, '[') == word)
    })
}

impl Primary for Exthdr {
    const NAME: &'static str = "exthdr";
    const JSON: &'static str = "exthdr";

    fn at(_: &Parser<'_>, word: &str, second: &str) -> bool {
        (word == "exthdr" && !second.is_empty()) || has_field(word, second)
    }

    fn owns(word: &str) -> bool {
        word == "exthdr" || (word != "rt" && exthdr_by_name(word).is_some())
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Exthdr> {
        let header: Box<str> = p.word().into();
        p.next();
        if &*header == "exthdr" {
            let header = one_of(p, "an extension header", &HEADERS)?;
            return Ok(Exthdr { header: header.into(), field: None });
        }
        let fields = exthdr_by_name(&header).map_or(&[][..], |header| header.fields);
        let names = fields.iter().map(|field| field.name);
        let Some(first) = names.clone().find(|name| name.split('[').next() == Some(p.word())) else {
            return Err(super::primary::no_field(p, &header, names));
        };
        p.next();
        if !first.contains('[') {
            return Ok(Exthdr { header, field: Some(first.into()) });
        }
        let open = p.expect(Sign::BracketOpen)?;
        let number = p.number()?;
        let close = p.expect(Sign::BracketClose)?;
        let field = format!("{}[{number}]", first.split('[').next().unwrap_or_default());
        if !names.clone().any(|name| name == field) {
            return Err(Diagnostic::error(open.to(close), format!("'{header}' has no '{field}'")));
        }
        Ok(Exthdr { header, field: Some(field.into()) })
    }

    fn print(&self, out: &mut Printer) {
        match &self.field {
            Some(field) => out.text(&self.header).text(" ").text(field),
            None => out.text("exthdr ").text(&self.header),
        };
    }

    fn to_json(&self, _: &Options) -> Value {
        match &self.field {
            Some(field) => json!({ "exthdr": { "name": self.header, "field": field } }),
            None => json!({ "exthdr": { "name": self.header } }),
        }
    }

    fn from_json(inside: Node<'_>) -> Parsed<Exthdr> {
        let header = inside.need("name")?.one_of("extension header", &HEADERS)?;
        let fields = exthdr_by_name(header).map_or(&[][..], |header| header.fields);
        let names: Vec<&'static str> = fields.iter().map(|field| field.name).collect();
        let field = inside.get("field").map(|field| field.one_of("field of an extension header", &names));
        Ok(Exthdr { header: header.into(), field: field.transpose()?.map(Into::into) })
    }

    /// The words for kinds of routing header imply no match of the type, as in nft.
    fn resolve(&self, to: &mut Lower<'_>, _: Option<Proto>, span: Span) -> Parsed<Typed> {
        let header =
            exthdr_by_name(&self.header).ok_or_else(|| unknown(span, "extension header", &self.header))?;
        let field = named(self.field.as_deref(), |name| header.field(name), span)?;
        to.network_dependency(Proto::Ip6, span)?;
        Ok(field_typed(ExthdrKind::Ipv6, (header.number, header.name), field, span))
    }
}

/// A field of an optional header, or without a field whether the header is there.
pub(super) fn field_typed(
    kind: ExthdrKind,
    (header, name): (u8, &'static str),
    field: Option<&'static Field>,
    span: Span,
) -> Typed {
    let exthdr = typed::Exthdr {
        kind,
        header,
        name: Some(name),
        offset: field.map_or(0, |field| field.offset),
        field: field.map(|field| field.name),
        present: field.is_none(),
    };
    let shape = match field {
        Some(field) => Shape::new(field.datatype, field.bits, Order::Big),
        None => Shape::of(Type::Boolean),
    };
    whole_bytes(Typed::new(Kind::Exthdr(exthdr), shape).at(span))
}

/// The field that was named, if one was.
pub(super) fn named<'a>(
    name: Option<&'a str>,
    find: impl FnOnce(&'a str) -> Option<&'static Field>,
    span: Span,
) -> Parsed<Option<&'static Field>> {
    name.map(|name| find(name).ok_or_else(|| unknown(span, "field", name))).transpose()
}
