//! Elements of named sets and maps.

use std::borrow::Cow;

use super::addresses::Addresses;
use super::{Name, TableName};
use crate::diag::{Diagnostic, Parsed};
use crate::expr::set::SetLiteral;
use crate::expr::{Expr, ExprKind};
use crate::json::Node;
use crate::lex::Sign;
use crate::parse::Parser;
use crate::source::Span;

/// `element TABLE SET { ... }`.
#[derive(Clone, Debug)]
pub struct ElementsDecl {
    /// Its table.
    pub table: TableName,
    /// The set.
    pub set: Name,
    /// The elements.
    pub elements: Elements,
    /// Where they are.
    pub span: Span,
}

/// The elements of a set or map.
#[derive(Clone, Debug)]
pub enum Elements {
    /// Addresses and prefixes alone.
    Addresses(Addresses),
    /// Whatever else.
    Literal(SetLiteral),
}

impl Elements {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        match self {
            Elements::Addresses(addresses) => addresses.is_empty(),
            Elements::Literal(literal) => literal.elements.is_empty(),
        }
    }

    /// As syntax, one by one.
    pub fn literal(&self) -> Cow<'_, SetLiteral> {
        match self {
            Elements::Addresses(addresses) => Cow::Owned(addresses.literal()),
            Elements::Literal(literal) => Cow::Borrowed(literal),
        }
    }

    /// At the `{`.
    fn parse(p: &mut Parser<'_>) -> Parsed<Elements> {
        let open = p.expect(Sign::BraceOpen)?;
        p.newlines();
        let mut addresses = Addresses::new(p);
        while addresses.take(p) {
            SetLiteral::separator(p, open)?;
            p.newlines();
            if p.eat(Sign::BraceClose) {
                return Ok(Elements::Addresses(addresses));
            }
        }
        SetLiteral::parse_more(p, addresses.literal().elements, open).map(Elements::Literal)
    }
}

impl ElementsDecl {
    /// What follows `element`.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<ElementsDecl> {
        let table = TableName::parse(p)?;
        let set = Name::parse(p, "a set's name")?;
        let (elements, span) = set_literal(p)?;
        Ok(ElementsDecl { table, set, elements, span })
    }
}

/// `{ ... }`, or a variable that stands for one.
pub(crate) fn set_literal(p: &mut Parser<'_>) -> Parsed<(Elements, Span)> {
    let start = p.peek().span;
    if p.is(Sign::BraceOpen) {
        let elements = p.nested(Elements::parse)?;
        return Ok((elements, start.to(p.last_span())));
    }
    let Expr { kind, span } = Expr::parse_set_or_name(p)?;
    match kind {
        ExprKind::Set(set) => Ok((Elements::Literal(set), span)),
        _ => Err(Diagnostic::error(span, "elements in braces are expected here")),
    }
}

impl ElementsDecl {
    /// `family`, `table`, `name` and `elem`.
    pub fn from_json(node: Node<'_>) -> Parsed<ElementsDecl> {
        let table = TableName::from_json(node, "table")?;
        let set = Name::from_json(node.need("name")?, "a set's name")?;
        let elem = node.need("elem")?;
        let elements = Elements::Literal(SetLiteral::from_json(elem)?);
        Ok(ElementsDecl { table, set, elements, span: elem.span() })
    }
}
