//! `ct`: what conntrack knows.

use crate::print::Printer;

/// `ct [direction] [family] key`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ct {
    /// `original` or `reply`.
    pub direction: Option<Direction>,
    /// `ip` or `ip6` before `saddr`, `daddr`.
    pub family: Option<Box<str>>,
    /// The key, such as `state`.
    pub key: Box<str>,
}

/// A direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the words are nft's
pub enum Direction {
    Original,
    Reply,
}

impl Direction {
    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Direction::Original => "original",
            Direction::Reply => "reply",
        }
    }

    /// From the word.
    pub fn from_word(word: &str) -> Option<Direction> {
        [Direction::Original, Direction::Reply].into_iter().find(|direction| direction.word() == word)
    }
}

impl Ct {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        out.text("ct ");
        if let Some(direction) = self.direction {
            out.text(direction.word()).text(" ");
        }
        if let Some(family) = &self.family {
            out.text(family).text(" ");
        }
        out.text(&self.key);
    }
}
