//! What may stand on the right of a comparison, and as elements of sets.

use super::list::{List, Masked};
use super::prefix::Prefix;
use super::range::Range;
use super::symbol::Symbol;
use super::{Expr, ExprKind, binary, primary};
use crate::diag::{Code, Diagnostic, Parsed, nearest, short};
use crate::lex::{Sign, TokenKind};
use crate::parse::Parser;
use crate::source::Span;

impl Expr {
    /// A right side: a set, a reference to one, a list of flags, flags under a mask, or a value.
    pub fn parse_rhs(p: &mut Parser<'_>) -> Parsed<Expr> {
        if p.is(Sign::BraceOpen) || p.is(Sign::At) {
            return Expr::parse_set_or_name(p);
        }
        let value = list(p)?;
        if !p.is(Sign::Slash) || !is_flags(&value) {
            return Ok(value);
        }
        p.next();
        let mask = list(p)?;
        let span = value.span.to(mask.span);
        // A number here would be the length of a prefix.
        if !is_flags(&mask) {
            return Err(Diagnostic::error(mask.span, "the flags to look at are expected here, by name"));
        }
        Ok(Expr::new(ExprKind::Masked(Masked { value: value.into(), mask: mask.into() }), span))
    }

    /// A literal for an element: values, prefixes and ranges joined by `.` and bitwise operators.
    pub fn parse_literal(p: &mut Parser<'_>) -> Parsed<Expr> {
        primary::concat(p, |p| binary::parse(p, |p| p.nested(operand)))
    }
}

/// Whether an expression is names of flags, one, several as a list, or joined by operators.
fn is_flags(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Symbol(_) => true,
        ExprKind::List(List(parts)) => parts.iter().all(is_flags),
        ExprKind::Binary(binary) => is_flags(&binary.left),
        _ => false,
    }
}

fn list(p: &mut Parser<'_>) -> Parsed<Expr> {
    let first = Expr::parse_literal(p)?;
    if !p.is(Sign::Comma) {
        return Ok(first);
    }
    let mut parts = vec![first];
    while p.eat(Sign::Comma) {
        p.newlines();
        parts.push(Expr::parse_literal(p)?);
    }
    let span = parts[0].span.to(p.last_span());
    Ok(Expr::new(ExprKind::List(List(parts)), span))
}

fn operand(p: &mut Parser<'_>) -> Parsed<Expr> {
    if p.eat(Sign::ParenOpen) {
        let inner = binary::parse(p, |p| p.nested(operand))?;
        p.expect(Sign::ParenClose)?;
        return Ok(inner);
    }
    interval(p)
}

/// A value, a prefix or a range.
pub(super) fn interval(p: &mut Parser<'_>) -> Parsed<Expr> {
    let first = literal(p)?;
    if p.is(Sign::Slash) && matches!(p.peek_at(1).kind, TokenKind::Number(_)) {
        p.next();
        let len = p.number()?;
        let Ok(len) = u32::try_from(len) else {
            return Err(Diagnostic::error(p.last_span(), format!("Prefix length {len} is invalid")));
        };
        let span = first.span.to(p.last_span());
        return Ok(Expr::new(ExprKind::Prefix(Prefix { base: first.into(), len }), span));
    }
    if !p.is(Sign::Dash) {
        return Ok(first);
    }
    p.next();
    let last = literal(p)?;
    let span = first.span.to(last.span);
    Ok(Expr::new(ExprKind::Range(Range { from: first.into(), to: last.into() }), span))
}

/// A word, number, address, string or variable.
pub(super) fn literal(p: &mut Parser<'_>) -> Parsed<Expr> {
    let token = p.peek();
    let symbol = |p: &Parser<'_>, quoted| ExprKind::Symbol(Symbol { text: p.text(token).into(), quoted });
    let kind = match token.kind {
        TokenKind::Word | TokenKind::Literal | TokenKind::Glob => symbol(p, false),
        TokenKind::Quoted => symbol(p, true),
        TokenKind::Number(number) => ExprKind::Number(number),
        TokenKind::Variable => return p.variable(),
        _ => return Err(p.unexpected("a value")),
    };
    p.next();
    Ok(Expr::new(kind, token.span))
}

impl Parser<'_> {
    /// Takes `$name` and gives what it stands for.
    pub fn variable(&mut self) -> Parsed<Expr> {
        let token = self.next();
        let value = self.definition_of(self.text(token), token.span)?.clone();
        self.spend(value.size(), token.span)?;
        Ok(value)
    }

    /// What a name stands for.
    pub(crate) fn definition_of(&self, name: &str, span: Span) -> Parsed<&Expr> {
        if let Some(value) = self.scopes.get(name) {
            return Ok(value);
        }
        let error =
            Diagnostic::error(span, format!("unknown identifier '{}'", short(name))).code(Code::Missing);
        Err(match nearest(name, self.scopes.names()) {
            Some(near) => {
                let error = error.help(format!("did you mean '${near}'?"));
                match self.scopes.get(near) {
                    Some(value) => error.and(value.span, format!("'{near}' is defined here")),
                    None => error,
                }
            }
            None => error.note("a definition holds from its line to the end of its block"),
        })
    }
}
