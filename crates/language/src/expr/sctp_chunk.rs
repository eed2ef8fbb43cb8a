//! SCTP chunks: `sctp chunk data flags`.

use serde_json::{Value, json};

use super::exthdr::{field_typed, named};
use super::registry::Primary;
use crate::diag::Parsed;
use crate::json::Node;
use crate::lower::Lower;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::proto::{Proto, sctp_chunk_by_name};
use crate::resolve::unknown;
use crate::source::Span;
use crate::typed::{ExthdrKind, Typed};

/// A field of it, or whether it is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SctpChunk {
    /// Its name.
    pub chunk: Box<str>,
    /// The field; `None` where it is compared with `exists` or `missing`.
    pub field: Option<Box<str>>,
}

impl Primary for SctpChunk {
    const NAME: &'static str = "exthdr";
    const JSON: &'static str = "sctp chunk";

    fn at(_: &Parser<'_>, word: &str, second: &str) -> bool {
        word == "sctp" && second == "chunk"
    }

    fn owns(_: &str) -> bool {
        false
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<SctpChunk> {
        p.next();
        p.next();
        let Some(chunk) = sctp_chunk_by_name(p.word()) else { return Err(p.unexpected("an SCTP chunk")) };
        p.next();
        let field = chunk.fields.iter().find(|field| p.is_word(field.name)).map(|field| field.name.into());
        if field.is_some() {
            p.next();
        }
        Ok(SctpChunk { chunk: chunk.name.into(), field })
    }

    fn print(&self, out: &mut Printer) {
        out.text("sctp chunk ").text(&self.chunk);
        if let Some(field) = &self.field {
            out.text(" ").text(field);
        }
    }

    fn to_json(&self, _: &Options) -> Value {
        match &self.field {
            Some(field) => json!({ "sctp chunk": { "name": self.chunk, "field": field } }),
            None => json!({ "sctp chunk": { "name": self.chunk } }),
        }
    }

    fn from_json(inside: Node<'_>) -> Parsed<SctpChunk> {
        let name = inside.need("name")?;
        let Some(chunk) = sctp_chunk_by_name(name.string()?) else {
            return Err(name.error("Unknown SCTP chunk"));
        };
        let names: Vec<&'static str> = chunk.fields.iter().map(|field| field.name).collect();
        let field =
            inside.get("field").map(|field| field.one_of("field of an SCTP chunk", &names)).transpose()?;
        Ok(SctpChunk { chunk: chunk.name.into(), field: field.map(Into::into) })
    }

    /// Packets of other protocols have no chunks, so nothing is implied.
    fn resolve(&self, _: &mut Lower<'_>, _: Option<Proto>, span: Span) -> Parsed<Typed> {
        let chunk =
            sctp_chunk_by_name(&self.chunk).ok_or_else(|| unknown(span, "SCTP chunk", &self.chunk))?;
        let field = named(self.field.as_deref(), |name| chunk.field(name), span)?;
        Ok(field_typed(ExthdrKind::Sctp, (chunk.number, chunk.name), field, span))
    }
}
