//! What may stand on the left of a comparison, as the key of a map, and as the value of a statement.
//!
//! Keywords are words like any other, so two words decide: `ip` begins a header field where a field of `ip` follows,
//! and is a symbol where a value is wanted and none follows.

use super::binary;
use super::concat::Concat;
use super::ct::Ct;
use super::exthdr::{DccpOption, Exthdr};
use super::fib::Fib;
use super::hash::{Jhash, Symhash};
use super::inner::Inner;
use super::list::List;
use super::map::Map;
use super::meta::{self, Meta};
use super::numgen::Numgen;
use super::osf::Osf;
use super::payload::Payload;
use super::raw_payload::{RawBase, RawPayload};
use super::rt::Rt;
use super::sctp_chunk::SctpChunk;
use super::socket::Socket;
use super::tcpopt::TcpOption;
use super::tunnel::Tunnel;
use super::xfrm::Xfrm;
use super::{Expr, ExprKind, ipopt};
use crate::diag::Parsed;
use crate::lex::{Sign, TokenKind};
use crate::parse::Parser;
use crate::proto::{Proto, exthdr_by_name};

impl Expr {
    /// A left side: operands joined by bitwise operators and `.`.
    pub fn parse_lhs(p: &mut Parser<'_>) -> Parsed<Expr> {
        concat(p, |p| binary::parse(p, |p| p.nested(lhs_operand)))
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
        let (word, second) = (p.word(), p.word_at(1));
        match word {
            "" => {
                let base = second;
                p.is(Sign::At)
                    && RawBase::WORDS.iter().any(|(_, word)| *word == base)
                    && p.peek_at(2).is(Sign::Comma)
            }
            "meta" => meta::key(second).is_some(),
            "ct" | "socket" | "osf" | "numgen" | "tunnel" | "ipsec" | "exthdr" => !second.is_empty(),
            "fib" => ["saddr", "daddr", "mark", "iif", "oif"].contains(&second),
            "jhash" | "symhash" => true,
            "rt" => Rt::at_key(second) || exthdr_field("rt", second),
            _ => {
                Proto::from_name(word).is_some_and(|proto| header_word(proto, second))
                    || exthdr_field(word, second)
                    || meta::UNQUALIFIED.contains(&word)
            }
        }
    }
}

/// Whether `word` may follow the name of a header.
fn header_word(proto: Proto, word: &str) -> bool {
    (!word.is_empty() && proto.header().fields.iter().any(|field| first_word(field.name, ' ') == word))
        || matches!((proto, word), (Proto::Tcp | Proto::Ip | Proto::Dccp, "option") | (Proto::Sctp, "chunk"))
        || (Inner::is_tunnel(proto.name()) && Proto::from_name(word).is_some())
}

/// Whether an extension header has a field that begins with that word.
fn exthdr_field(header: &str, word: &str) -> bool {
    exthdr_by_name(header).is_some_and(|header| {
        !word.is_empty() && header.fields.iter().any(|field| first_word(field.name, '[') == word)
    })
}

/// What stands before `end`. Names are short: looking at each byte is quicker than searching.
fn first_word(name: &str, end: char) -> &str {
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
        let inner = concat(p, |p| binary::parse(p, |p| p.nested(lhs_operand)))?;
        p.expect(Sign::ParenClose)?;
        return Ok(inner);
    }
    let word = p.word();
    if keyword_only(word) || Expr::at_keyword(p) {
        return keyword(p);
    }
    super::rhs::literal(p)
}

/// Whether the next word begins an expression that has a type by itself.
pub(crate) fn begins_expression(p: &Parser<'_>) -> bool {
    keyword_only(p.word()) || Expr::at_keyword(p)
}

/// Words that can be nothing else on a left side, so that what is wrong behind them is told.
fn keyword_only(word: &str) -> bool {
    matches!(word, "meta" | "ct" | "fib" | "socket" | "osf" | "numgen" | "tunnel" | "ipsec" | "exthdr" | "rt")
        || Proto::from_name(word).is_some()
        || exthdr_by_name(word).is_some()
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
    let kind = match p.word() {
        "" => ExprKind::RawPayload(RawPayload::parse(p)?),
        "meta" => ExprKind::Meta(Meta::parse(p)?),
        "ct" => ExprKind::Ct(Ct::parse(p)?),
        "fib" => ExprKind::Fib(Fib::parse(p)?),
        "socket" => ExprKind::Socket(Socket::parse(p)?),
        "osf" => ExprKind::Osf(Osf::parse(p)?),
        "numgen" => ExprKind::Numgen(Numgen::parse(p)?),
        "jhash" => ExprKind::Jhash(Jhash::parse(p)?),
        "symhash" => ExprKind::Symhash(Symhash::parse(p)?),
        "tunnel" => ExprKind::Tunnel(Tunnel::parse(p)?),
        "ipsec" if matches!(p.word_at(1), "in" | "out") => ExprKind::Xfrm(Xfrm::parse(p)?),
        "exthdr" => ExprKind::Exthdr(Exthdr::parse_presence(p)?),
        "rt" if !exthdr_field("rt", p.word_at(1)) => ExprKind::Rt(Rt::parse(p)?),
        "ip" if p.word_at(1) == "option" => ExprKind::IpOption(ipopt::IpOption::parse(p)?),
        "tcp" if p.word_at(1) == "option" => ExprKind::TcpOption(TcpOption::parse(p)?),
        "dccp" if p.word_at(1) == "option" => ExprKind::DccpOption(DccpOption::parse(p)?),
        "sctp" if p.word_at(1) == "chunk" => ExprKind::SctpChunk(SctpChunk::parse(p)?),
        word if exthdr_by_name(word).is_some() => ExprKind::Exthdr(Exthdr::parse(p)?),
        word if Inner::is_tunnel(word)
            && p.peek_at(1).kind == TokenKind::Word
            && Proto::from_name(p.word_at(1)).is_some() =>
        {
            ExprKind::Inner(Inner::parse(p)?)
        }
        word if Proto::from_name(word).is_some() => ExprKind::Payload(Payload::parse(p)?),
        _ => ExprKind::Meta(Meta::parse(p)?),
    };
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
