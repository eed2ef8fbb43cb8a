//! What may stand on the left of a comparison, as the key of a map, and as the value of a statement.
//!
//! Keywords are words like any other, so two words decide: `ip` begins a header field where a field of `ip` follows,
//! and is a symbol where a value is wanted and none follows.

use super::binary;
use super::concat::Concat;
use super::list::List;
use super::map::Map;
use super::{Expr, ExprKind};
use crate::diag::Parsed;
use crate::lex::{Sign, TokenKind};
use crate::parse::Parser;
use crate::proto::Proto;

impl Expr {
    /// A left side: operands joined by bitwise operators and `.`.
    pub fn parse_lhs(p: &mut Parser<'_>) -> Parsed<Expr> {
        concat(p, |p| binary::parse_with(p, |p| p.nested(lhs_operand), |p| p.nested(second_operand)))
    }

    /// The value of a statement (`mark set ...`, `snat to ...`): a left side, literals, a list of flags, or one of
    /// the first two mapped by a map.
    pub fn parse_value(p: &mut Parser<'_>) -> Parsed<Expr> {
        let first = Expr::parse_single_value(p)?;
        if !p.is(Sign::Comma) || matches!(first.kind, ExprKind::Map(_)) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while p.eat(Sign::Comma) {
            p.newlines();
            parts.push(Expr::parse_single_value(p)?);
        }
        let span = parts[0].span.to(p.last_span());
        Ok(Expr::new(ExprKind::List(List(parts)), span))
    }

    /// Like [`Expr::parse_value`], but a comma ends it: as data of an element.
    pub fn parse_single_value(p: &mut Parser<'_>) -> Parsed<Expr> {
        let value = concat(p, |p| binary::parse(p, |p| p.nested(value_operand)))?;
        value.parse_map(p)
    }

    /// Goes on with `map ...` where that stands next.
    pub fn parse_map(self, p: &mut Parser<'_>) -> Parsed<Expr> {
        if !p.eat_word("map") {
            return Ok(self);
        }
        let map = Expr::parse_set_or_name(p)?;
        let span = self.span.to(map.span);
        Ok(Expr::new(ExprKind::Map(Map { key: self.into(), map: map.into() }), span))
    }

    /// Whether a keyword expression stands next: something read from the packet or its context, no literal.
    pub fn at_keyword(p: &Parser<'_>) -> bool {
        ExprKind::at(p, p.word(), p.word_at(1))
    }
}

/// What stands before `end`. Names are short: looking at each byte is quicker than searching.
pub(super) fn first_word(name: &str, end: char) -> &str {
    name.char_indices().find(|(_, c)| *c == end).map_or(name, |(at, _)| &name[..at])
}

/// Parts joined by `.`.
pub(super) fn concat(p: &mut Parser<'_>, part: impl Fn(&mut Parser<'_>) -> Parsed<Expr>) -> Parsed<Expr> {
    let first = part(p)?;
    if !p.is(Sign::Dot) {
        return Ok(first);
    }
    let mut parts = vec![first];
    while p.is(Sign::Dot) {
        if parts.len() == crate::datatype::MAX_CONCAT {
            let message = format!("Concatenation too long, at most {} parts", crate::datatype::MAX_CONCAT);
            return Err(crate::diag::Diagnostic::error(p.peek().span, message));
        }
        p.next();
        p.newlines();
        parts.push(part(p)?);
    }
    let span = parts[0].span.to(p.last_span());
    Ok(Expr::new(ExprKind::Concat(Concat(parts)), span))
}

/// An operand of a left side.
fn lhs_operand(p: &mut Parser<'_>) -> Parsed<Expr> {
    if p.is(Sign::ParenOpen) {
        p.next();
        let inner =
            concat(p, |p| binary::parse_with(p, |p| p.nested(lhs_operand), |p| p.nested(second_operand)))?;
        p.expect(Sign::ParenClose)?;
        return Ok(inner);
    }
    if ExprKind::owns(p.word()) || Expr::at_keyword(p) {
        return keyword(p);
    }
    super::rhs::literal(p)
}

/// An operand behind an operator of a left side, where the name of a protocol may be a value: `meta l4proto & tcp == tcp`.
fn second_operand(p: &mut Parser<'_>) -> Parsed<Expr> {
    if p.is(Sign::ParenOpen) {
        p.next();
        let inner = binary::parse(p, |p| p.nested(second_operand))?;
        p.expect(Sign::ParenClose)?;
        return Ok(inner);
    }
    let is_value = matches!(p.peek_at(1).kind, TokenKind::Sign(_)) && !Expr::at_keyword(p);
    if is_value { super::rhs::literal(p) } else { lhs_operand(p) }
}

/// Whether the next word begins an expression that has a type by itself.
pub(crate) fn begins_expression(p: &Parser<'_>) -> bool {
    ExprKind::owns(p.word()) || Expr::at_keyword(p)
}

/// An operand of a value.
fn value_operand(p: &mut Parser<'_>) -> Parsed<Expr> {
    if Expr::at_keyword(p) {
        return keyword(p);
    }
    if p.is(Sign::ParenOpen) {
        p.next();
        let inner = binary::parse(p, |p| p.nested(value_operand))?;
        p.expect(Sign::ParenClose)?;
        return Ok(inner);
    }
    super::rhs::interval(p)
}

/// What a keyword begins.
pub(super) fn keyword(p: &mut Parser<'_>) -> Parsed<Expr> {
    let start = p.peek().span;
    let Some(kind) = ExprKind::parse_primary(p)? else { return Err(p.unexpected("an expression")) };
    Ok(Expr::new(kind, start.to(p.last_span())))
}

/// Takes one of `words`, proposing the nearest where it is none.
pub(super) fn one_of(p: &mut Parser<'_>, what: &str, words: &[&'static str]) -> Parsed<&'static str> {
    match words.iter().find(|word| p.is_word(word)) {
        Some(word) => {
            p.next();
            Ok(word)
        }
        None => Err(p.unexpected_word(what, words)),
    }
}

/// The error that no field of a header stands next, proposing those whose names are like it.
pub(super) fn no_field(
    p: &Parser<'_>,
    header: &str,
    names: impl Iterator<Item = &'static str> + Clone,
) -> Box<crate::diag::Diagnostic> {
    let error = p.unexpected(&format!("a field of '{header}'"));
    let word = p.word();
    if word.is_empty() {
        return error;
    }
    // `icmp echo-request`: a value of a field that is not named.
    if let Some(field) = field_with(header, word) {
        return error.help(format!("did you mean '{header} {field} {word}'?"));
    }
    let alike: Vec<_> = names.clone().filter(|name| word.len() > 2 && name.contains(word)).collect();
    let all: Vec<&str> = names.clone().take(40).collect();
    let alike =
        if alike.is_empty() { crate::diag::nearest(word, names).into_iter().collect() } else { alike };
    match alike.as_slice() {
        [] => error.note(format!("fields of {header} are {}", all.join(", "))),
        alike => {
            let proposed: Vec<String> = alike.iter().map(|name| format!("'{header} {name}'")).collect();
            error.help(format!("did you mean {}?", proposed.join(" or ")))
        }
    }
}

/// The field of a header that has a symbol of that name.
fn field_with(header: &str, word: &str) -> Option<&'static str> {
    let fields = Proto::from_name(header)?.header().fields;
    fields
        .iter()
        .find(|field| crate::datatype::symbols(field.datatype).iter().any(|(name, _)| *name == word))
        .map(|field| field.name)
}
