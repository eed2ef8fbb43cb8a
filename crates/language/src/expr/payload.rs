//! Header fields: `ip saddr`.

use serde_json::{Value, json};

use super::primary::first_word;
use super::registry::Primary;
use crate::diag::{Parsed, nearest};
use crate::json::Node;
use crate::lower::Lower;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::proto::Proto;
use crate::resolve::{unknown, whole_bytes};
use crate::source::Span;
use crate::typed::Typed;

/// A field of a header that the protocol tables know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Payload {
    /// Name of the header, such as `ip`.
    pub protocol: &'static str,
    /// Name of the field, such as `saddr`.
    pub field: &'static str,
}

impl Primary for Payload {
    const NAME: &'static str = "payload";
    const JSON: &'static str = "payload";

    fn at(_: &Parser<'_>, word: &str, second: &str) -> bool {
        !second.is_empty()
            && Proto::from_name(word).is_some_and(|proto| {
                proto.header().fields.iter().any(|field| first_word(field.name, ' ') == second)
            })
    }

    fn owns(word: &str) -> bool {
        Proto::from_name(word).is_some()
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Payload> {
        let Some(proto) = Proto::from_name(p.word()) else { return Err(p.unexpected("a header")) };
        p.next();
        let names = proto.header().fields.iter().map(|field| field.name);
        let (first, second) = (p.word(), p.word_at(1));
        // ARP's addresses are two words, such as `saddr ip`.
        let found = names.clone().find(|name| match name.strip_prefix(first) {
            Some("") => true,
            Some(rest) => rest.strip_prefix(' ') == Some(second),
            None => false,
        });
        let Some(field) = found else { return Err(super::primary::no_field(p, proto.name(), names)) };
        p.next();
        if field.contains(' ') {
            p.next();
        }
        Ok(Payload { protocol: proto.name(), field })
    }

    fn print(&self, out: &mut Printer) {
        out.text(self.protocol).text(" ").text(self.field);
    }

    fn to_json(&self, _: &Options) -> Value {
        if matches!(self.protocol, "vxlan" | "geneve") {
            let tunnel = &self.protocol;
            return json!({ "payload": { "tunnel": tunnel, "protocol": self.protocol, "field": self.field } });
        }
        json!({ "payload": { "protocol": self.protocol, "field": self.field } })
    }

    fn in_json(key: &str, inside: Node<'_>) -> bool {
        key == "payload" && inside.get("base").is_none()
    }

    fn from_json(inside: Node<'_>) -> Parsed<Payload> {
        let (protocol, field) = (inside.need("protocol")?, inside.need("field")?);
        let name = protocol.string()?;
        let Some(proto) = Proto::from_name(name) else {
            return Err(protocol.error(format!("Unknown payload protocol '{}'", crate::diag::short(name))));
        };
        let names: Vec<&'static str> = proto.header().fields.iter().map(|field| field.name).collect();
        let field = field.one_of(&format!("field of '{}'", proto.name()), &names)?;
        Ok(Payload { protocol: proto.name(), field })
    }

    fn resolve(&self, to: &mut Lower<'_>, inner: Option<Proto>, span: Span) -> Parsed<Typed> {
        let proto =
            Proto::from_name(self.protocol).ok_or_else(|| unknown(span, "protocol", self.protocol))?;
        let field = proto.field(self.field).ok_or_else(|| {
            let names = proto.header().fields.iter().map(|field| field.name);
            let error = unknown(span, "field", &format!("{} {}", self.protocol, self.field));
            match nearest(self.field, names) {
                Some(near) => error.help(format!("did you mean `{} {near}'?", self.protocol)),
                None => error,
            }
        })?;
        if inner.is_none() && matches!(proto, Proto::Vxlan | Proto::Geneve) {
            return to.tunnel_field(proto, field, span);
        }
        to.payload_field(proto, field, inner, span).map(whole_bytes)
    }
}
