//! Amounts of bytes: `1025 bytes`, `2 kbytes`, `10 mbytes`, also written without the blank.

use crate::diag::{Diagnostic, Parsed};
use crate::json::Node;
use crate::lex::TokenKind;
use crate::parse::Parser;
use crate::print::Printer;

/// Units by size, as nft chooses among them when listing (`get_rate`). nft knows none above mbytes.
const UNITS: [(&str, u64); 3] = [("bytes", 1), ("kbytes", 1 << 10), ("mbytes", 1 << 20)];

/// Takes `N UNIT`, the unit being required; in bytes.
pub(crate) fn parse(p: &mut Parser<'_>) -> Parsed<u64> {
    let start = p.peek().span;
    let number = p.number()?;
    let unit = unit_factor(p, p.word())?;
    p.next();
    scale(p, start, number, unit)
}

/// Bytes in a unit of that name.
pub(crate) fn unit_factor(p: &Parser<'_>, word: &str) -> Parsed<u64> {
    match UNITS.iter().find(|(name, _)| *name == word) {
        Some((_, factor)) => Ok(*factor),
        None => Err(p.unexpected_word("bytes, kbytes or mbytes", &UNITS.map(|(name, _)| name))),
    }
}

/// Whether the next token is a unit of bytes, alone or with `/` behind it.
pub(crate) fn is_unit(p: &Parser<'_>) -> bool {
    p.peek().kind == TokenKind::Word && {
        let word = p.word().split('/').next().unwrap_or_default();
        UNITS.iter().any(|(name, _)| *name == word)
    }
}

/// `number` units in bytes.
pub(crate) fn scale(p: &Parser<'_>, start: crate::source::Span, number: u64, factor: u64) -> Parsed<u64> {
    number
        .checked_mul(factor)
        .ok_or_else(|| Diagnostic::error(start.to(p.last_span()), "amount of bytes is too large"))
}

/// `N UNIT` with the largest unit that divides the amount.
pub(crate) fn print(bytes: u64, out: &mut Printer) {
    let (name, factor) = largest(bytes);
    out.fmt(format_args!("{} {name}", bytes / factor));
}

/// The largest unit that divides an amount.
fn largest(bytes: u64) -> (&'static str, u64) {
    let divides = |unit: &(&str, u64)| bytes > 0 && bytes.is_multiple_of(unit.1);
    UNITS.into_iter().rev().find(divides).unwrap_or(UNITS[0])
}

/// An amount as `nft -j` writes it: the number and its unit, the largest that divides it.
pub(crate) fn to_json(bytes: u64) -> (u64, &'static str) {
    let (name, factor) = largest(bytes);
    (bytes / factor, name)
}

/// A number, and a unit that may be absent: bytes then.
pub(crate) fn from_json(number: Node<'_>, unit: Option<Node<'_>>) -> Parsed<u64> {
    let factor = match unit {
        None => 1,
        Some(unit) => {
            let name = unit.one_of("unit", &UNITS.map(|(name, _)| name))?;
            UNITS.iter().find(|(known, _)| *known == name).map_or(1, |(_, factor)| *factor)
        }
    };
    Ok(number.number(u64::MAX / factor)? * factor)
}
