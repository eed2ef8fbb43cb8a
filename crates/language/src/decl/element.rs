//! Elements of named sets and maps.

use super::{Name, TableName};
use crate::diag::{Diagnostic, Parsed};
use crate::expr::set::SetLiteral;
use crate::expr::{Expr, ExprKind};
use crate::json::Node;
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
    pub elements: SetLiteral,
    /// Where they are.
    pub span: Span,
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
pub(crate) fn set_literal(p: &mut Parser<'_>) -> Parsed<(SetLiteral, Span)> {
    let Expr { kind, span } = Expr::parse_set_or_name(p)?;
    match kind {
        ExprKind::Set(set) => Ok((set, span)),
        _ => Err(Diagnostic::error(span, "elements in braces are expected here")),
    }
}

impl ElementsDecl {
    /// `family`, `table`, `name` and `elem`.
    pub fn from_json(node: Node<'_>) -> Parsed<ElementsDecl> {
        let table = TableName::from_json(node, "table")?;
        let set = Name::from_json(node.need("name")?, "a set's name")?;
        let elem = node.need("elem")?;
        Ok(ElementsDecl { table, set, elements: SetLiteral::from_json(elem)?, span: elem.span() })
    }
}
