//! Raw payload: `@nh,8,16`.

use ironweir_expr::payload::Base;
use serde_json::{Value, json};

use super::registry::Primary;
use crate::datatype::{Order, Type};
use crate::diag::{Diagnostic, Parsed};
use crate::json::Node;
use crate::lex::Sign;
use crate::lower::Lower;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::proto::Proto;
use crate::resolve::whole_bytes;
use crate::source::Span;
use crate::typed::{Kind, Payload, Shape, Typed};

/// Bits from where a header begins.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RawPayload {
    /// Which header.
    pub base: RawBase,
    /// Bits from its beginning.
    pub offset: u32,
    /// How many bits.
    pub len: u32,
}

/// From where raw payload counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the words are nft's
pub enum RawBase {
    Link,
    Network,
    Transport,
    Inner,
}

impl RawBase {
    /// Each with its word.
    pub const WORDS: [(RawBase, &'static str); 4] =
        [(RawBase::Link, "ll"), (RawBase::Network, "nh"), (RawBase::Transport, "th"), (RawBase::Inner, "ih")];

    /// The word.
    pub fn word(self) -> &'static str {
        RawBase::WORDS.iter().find(|(base, _)| *base == self).map_or("", |(_, word)| word)
    }
}

impl Primary for RawPayload {
    const NAME: &'static str = "payload";
    const JSON: &'static str = "payload";

    fn at(p: &Parser<'_>, word: &str, second: &str) -> bool {
        word.is_empty()
            && p.is(Sign::At)
            && RawBase::WORDS.iter().any(|(_, base)| *base == second)
            && p.peek_at(2).is(Sign::Comma)
    }

    fn owns(_: &str) -> bool {
        false
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<RawPayload> {
        p.expect(Sign::At)?;
        let Some((base, _)) = RawBase::WORDS.into_iter().find(|(_, word)| p.is_word(word)) else {
            return Err(p.unexpected_word("a base", &["ll", "nh", "th", "ih"]));
        };
        p.next();
        p.expect(Sign::Comma)?;
        let offset = p.number_to(u64::from(u32::MAX))? as u32;
        p.expect(Sign::Comma)?;
        let len = p.number_to(u64::from(u32::MAX))? as u32;
        Ok(RawPayload { base, offset, len })
    }

    fn print(&self, out: &mut Printer) {
        out.fmt(format_args!("@{},{},{}", self.base.word(), self.offset, self.len));
    }

    fn to_json(&self, _: &Options) -> Value {
        json!({ "payload": { "base": self.base.word(), "offset": self.offset, "len": self.len } })
    }

    fn in_json(key: &str, inside: Node<'_>) -> bool {
        key == "payload" && inside.get("base").is_some()
    }

    fn from_json(inside: Node<'_>) -> Parsed<RawPayload> {
        let base = inside.need("base")?;
        let words = RawBase::WORDS.map(|(_, word)| word);
        let word = base.one_of("payload base", &words)?;
        let base = RawBase::WORDS.into_iter().find(|(_, known)| *known == word);
        let base = base.map_or(RawBase::Link, |(base, _)| base);
        Ok(RawPayload { base, offset: inside.need("offset")?.u32()?, len: inside.need("len")?.u32()? })
    }

    fn resolve(&self, _: &mut Lower<'_>, _: Option<Proto>, span: Span) -> Parsed<Typed> {
        let base = match self.base {
            RawBase::Link => Base::Link,
            RawBase::Network => Base::Network,
            RawBase::Transport => Base::Transport,
            RawBase::Inner => Base::Inner,
        };
        if self.len == 0 || self.len > 128 {
            // DIVERGES: nft takes longer ones too; numbers here have 128 bits
            return Err(Diagnostic::error(span, "raw payload length must be between 1 and 128 bits"));
        }
        if (self.offset % 8 + self.len).div_ceil(8) > 16 {
            let message =
                "raw payload must lie within 16 bytes: fewer bits, or an offset that is a multiple of 8";
            return Err(Diagnostic::error(span, message));
        }
        let shape = Shape { hex: true, ..Shape::new(Type::Integer, self.len, Order::Big) };
        let payload = Payload { base, offset: self.offset, field: None, inner: None };
        Ok(whole_bytes(Typed::new(Kind::Payload(payload), shape).at(span)))
    }
}
