//! Raw payload: `@nh,8,16`.

use crate::diag::Parsed;
use crate::json::Node;
use crate::lex::Sign;
use crate::parse::Parser;
use crate::print::Printer;
use serde_json::{Value, json};

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

impl RawPayload {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        out.fmt(format_args!("@{},{},{}", self.base.word(), self.offset, self.len));
    }
}

impl RawPayload {
    /// At the `@`.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<RawPayload> {
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
}

impl RawPayload {
    /// As `nft -j` writes it.
    pub fn to_json(&self) -> Value {
        json!({ "payload": { "base": self.base.word(), "offset": self.offset, "len": self.len } })
    }

    /// `base`, `offset` and `len`.
    pub fn from_json(node: Node<'_>) -> Parsed<RawPayload> {
        let base = node.need("base")?;
        let words = RawBase::WORDS.map(|(_, word)| word);
        let word = base.one_of("payload base", &words)?;
        let base = RawBase::WORDS.into_iter().find(|(_, known)| *known == word);
        let base = base.map_or(RawBase::Link, |(base, _)| base);
        Ok(RawPayload { base, offset: node.need("offset")?.u32()?, len: node.need("len")?.u32()? })
    }
}
