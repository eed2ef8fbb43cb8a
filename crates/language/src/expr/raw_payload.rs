//! Raw payload: `@nh,8,16`.

use crate::print::Printer;

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
