//! `numgen`: numbers in turn or by chance.

use crate::diag::Parsed;
use crate::json::Node;
use crate::parse::Parser;
use crate::print::Printer;
use serde_json::{Value, json};

/// `numgen inc|random mod N [offset N]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Numgen {
    /// `random` instead of `inc`.
    pub random: bool,
    /// How many numbers there are.
    pub modulus: u32,
    /// The first one.
    pub offset: u32,
}

impl Numgen {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        let kind = if self.random { "random" } else { "inc" };
        out.fmt(format_args!("numgen {kind} mod {}", self.modulus));
        if self.offset > 0 {
            out.fmt(format_args!(" offset {}", self.offset));
        }
    }
}

impl Numgen {
    /// At `numgen`.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<Numgen> {
        p.next();
        let random = super::primary::one_of(p, "inc or random", &["inc", "random"])? == "random";
        p.expect_word("mod")?;
        let modulus = p.number_to(u64::from(u32::MAX))? as u32;
        Ok(Numgen { random, modulus, offset: parse_offset(p)? })
    }
}

/// `offset N`, or 0.
pub(super) fn parse_offset(p: &mut Parser<'_>) -> Parsed<u32> {
    if !p.eat_word("offset") {
        return Ok(0);
    }
    Ok(p.number_to(u64::from(u32::MAX))? as u32)
}

impl Numgen {
    /// As `nft -j` writes it.
    pub fn to_json(&self) -> Value {
        let mode = if self.random { "random" } else { "inc" };
        json!({ "numgen": { "mode": mode, "mod": self.modulus, "offset": self.offset } })
    }

    /// `mode`, `mod` and `offset`.
    pub fn from_json(node: Node<'_>) -> Parsed<Numgen> {
        let random = node.need("mode")?.one_of("numgen mode", &["inc", "random"])? == "random";
        Ok(Numgen { random, modulus: node.need("mod")?.u32()?, offset: offset_from_json(node)? })
    }
}

/// `offset`, or 0.
pub(super) fn offset_from_json(node: Node<'_>) -> Parsed<u32> {
    node.get("offset").map_or(Ok(0), Node::u32)
}
