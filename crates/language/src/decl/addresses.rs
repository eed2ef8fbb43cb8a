//! Plain lists of IPv4 addresses and prefixes, which is what most large sets consist of.
//!
//! A million of them as syntax trees would take a third of a GiB. Here an address takes 12 bytes, place included;
//! nothing is lost, since [`Addresses::literal`] gives the same elements as reading them one by one.

use std::net::Ipv4Addr;

use crate::expr::prefix::Prefix;
use crate::expr::set::{Element, SetLiteral};
use crate::expr::symbol::Symbol;
use crate::expr::{Expr, ExprKind};
use crate::lex::{Sign, TokenKind};
use crate::parse::Parser;
use crate::source::{SourceId, Span};

/// Addresses and prefixes of one source text.
#[derive(Clone, Debug)]
pub struct Addresses {
    source: SourceId,
    list: Vec<Address>,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
struct Address {
    address: u32,
    /// Where it begins.
    start: u32,
    /// Bytes up to its end.
    len: u16,
    /// Bits of the prefix; [`NO_PREFIX`] for an address alone.
    prefix: u8,
}

const NO_PREFIX: u8 = u8::MAX;

impl Addresses {
    /// None, of the text that the parser stands in.
    pub fn new(p: &Parser<'_>) -> Addresses {
        Addresses { source: p.peek().span.source, list: Vec::new() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Takes an element that is only an address or a prefix. False, having taken nothing, where another stands next.
    pub fn take(&mut self, p: &mut Parser<'_>) -> bool {
        let token = p.peek();
        if token.kind != TokenKind::Literal || token.span.source != self.source {
            return false;
        }
        // Only what is listed as it was written: no leading zeros, no brackets.
        let Ok(address) = p.text_as_written(token).parse::<Ipv4Addr>() else { return false };
        let (prefix, count) = match (p.peek_at(1).kind, p.peek_at(2).kind) {
            (TokenKind::Sign(Sign::Slash), TokenKind::Number(bits @ 0..=32)) => (bits as u8, 3),
            _ => (NO_PREFIX, 1),
        };
        let ends = matches!(
            p.peek_at(count).kind,
            TokenKind::Newline | TokenKind::Sign(Sign::Comma) | TokenKind::Sign(Sign::BraceClose)
        );
        let last = p.peek_at(count - 1).span;
        let len = u16::try_from(last.end.saturating_sub(token.span.start));
        let (true, Ok(len)) = (ends && last.source == self.source, len) else { return false };
        (0..count).for_each(|_| {
            p.next();
        });
        self.list.push(Address { address: address.to_bits(), start: token.span.start, len, prefix });
        true
    }

    /// First address, last address and place of each.
    pub fn ranges(&self) -> impl Iterator<Item = (u32, u32, Span)> {
        self.list.iter().map(|one| {
            let host = match one.prefix {
                NO_PREFIX => 0,
                bits => u32::MAX.checked_shr(bits.into()).unwrap_or(0),
            };
            (one.address & !host, one.address | host, one.span(self.source))
        })
    }

    /// As any other elements.
    pub fn literal(&self) -> SetLiteral {
        SetLiteral { elements: self.list.iter().map(|one| one.element(self.source)).collect() }
    }
}

impl Address {
    fn span(self, source: SourceId) -> Span {
        Span { source, start: self.start, end: self.start + u32::from(self.len) }
    }

    fn element(self, source: SourceId) -> Element {
        let text = Ipv4Addr::from_bits(self.address).to_string();
        let span = self.span(source);
        let end = self.start + text.len() as u32;
        let symbol = ExprKind::Symbol(Symbol { text: text.into(), quoted: false });
        let address = Expr::new(symbol, Span { end, ..span });
        Element::new(match self.prefix {
            NO_PREFIX => address,
            bits => {
                let prefix = Prefix { base: address.into(), len: bits.into() };
                Expr::new(ExprKind::Prefix(prefix), span)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::define::Scopes;
    use crate::files::NoFiles;
    use crate::source::Sources;

    fn with<T>(text: &str, read: impl FnOnce(&mut Parser<'_>) -> T) -> T {
        let mut sources = Sources::new();
        let source = sources.add("t", text, None).expect("short");
        read(&mut Parser::new(&mut sources, source, &NoFiles, Scopes::default()))
    }

    fn take_all(text: &str) -> Addresses {
        with(text, |p| {
            let mut addresses = Addresses::new(p);
            while addresses.take(p) {
                p.newlines();
                p.eat(Sign::Comma);
                p.newlines();
            }
            addresses
        })
    }

    #[test]
    fn elements_are_those_that_are_read_one_by_one() {
        let text = "{ 10.0.0.1, 10.0.0.0/8 ,\n 192.0.2.77 / 25,0.0.0.0/0, 255.255.255.255/32 }";
        let one_by_one = with(text, |p| SetLiteral::parse(p).expect("elements"));
        let addresses = take_all(&text[2..]);
        assert_eq!(addresses.literal(), one_by_one);
        let spans = |set: &SetLiteral| {
            set.elements.iter().map(|e| (e.span.end - e.span.start, e.key.span == e.span)).collect::<Vec<_>>()
        };
        assert_eq!(spans(&addresses.literal()), spans(&one_by_one));
        let ranges: Vec<_> = addresses.ranges().map(|(first, last, _)| (first, last)).collect();
        assert_eq!(ranges[1..3], [(0x0a00_0000, 0x0aff_ffff), (0xc000_0200, 0xc000_027f)]);
        assert_eq!(ranges[3..], [(0, u32::MAX), (u32::MAX, u32::MAX)]);
    }

    #[test]
    fn what_is_more_than_an_address_is_left_alone() {
        for text in [
            "10.0.0.1 : drop",
            "10.0.0.1-10.0.0.2",
            "10.0.0.1 timeout 1s,",
            "10.0.0.1 . 22,",
            "10.0.0.01,",
            "ssh,",
        ] {
            assert!(take_all(text).is_empty(), "{text}");
        }
        assert!(take_all("10.0.0.1/33,").is_empty());
        assert!(take_all("2001:db8::1,").is_empty());
    }
}
