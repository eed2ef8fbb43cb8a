//! SCTP chunks: `sctp chunk data flags`.

use crate::diag::Parsed;
use crate::json::Node;
use crate::parse::Parser;
use crate::print::Printer;
use crate::proto::sctp_chunk_by_name;
use serde_json::{Value, json};

/// A field of it, or whether it is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SctpChunk {
    /// Its name.
    pub chunk: Box<str>,
    /// The field; `None` where it is compared with `exists` or `missing`.
    pub field: Option<Box<str>>,
}

impl SctpChunk {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        out.text("sctp chunk ").text(&self.chunk);
        if let Some(field) = &self.field {
            out.text(" ").text(field);
        }
    }
}

impl SctpChunk {
    /// At `sctp chunk`.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<SctpChunk> {
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
}

impl SctpChunk {
    /// As `nft -j` writes it.
    pub fn to_json(&self) -> Value {
        match &self.field {
            Some(field) => json!({ "sctp chunk": { "name": self.chunk, "field": field } }),
            None => json!({ "sctp chunk": { "name": self.chunk } }),
        }
    }

    /// `name` and `field`.
    pub fn from_json(node: Node<'_>) -> Parsed<SctpChunk> {
        let name = node.need("name")?;
        let Some(chunk) = sctp_chunk_by_name(name.string()?) else {
            return Err(name.error("Unknown SCTP chunk"));
        };
        let names: Vec<&'static str> = chunk.fields.iter().map(|field| field.name).collect();
        let field =
            node.get("field").map(|field| field.one_of("field of an SCTP chunk", &names)).transpose()?;
        Ok(SctpChunk { chunk: chunk.name.into(), field: field.map(Into::into) })
    }
}
