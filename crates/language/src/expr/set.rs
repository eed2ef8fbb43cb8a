//! Set literals, their elements, and references to named sets.

use serde_json::{Value, json};

use super::verdict::Verdict;
use super::{Expr, ExprKind};
use crate::diag::{Diagnostic, Parsed};
use crate::json::{Node, tagged};
use crate::lex::{Sign, Token, TokenKind};
use crate::parse::Parser;
use crate::print::Options;
use crate::print::Printer;
use crate::source::Span;
use crate::stmt::Stmt;

/// `{ ... }`. Sets inside sets (through `$variable`) are spliced in while parsing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SetLiteral {
    /// The elements in the order they are written.
    pub elements: Vec<Element>,
}

/// One element: `key timeout 1m expires 30s comment "x" counter : data`.
#[derive(Clone, Debug)]
pub struct Element {
    /// The key: value, prefix, range, concatenation or `*`.
    pub key: Expr,
    /// What a map maps it to.
    pub data: Option<Expr>,
    /// What few elements have.
    pub options: Option<Box<ElementOptions>>,
    /// Where it is.
    pub span: Span,
}

impl PartialEq for Element {
    fn eq(&self, other: &Element) -> bool {
        (&self.key, &self.data, &self.options) == (&other.key, &other.data, &other.options)
    }
}

/// What few elements have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ElementOptions {
    /// `timeout`, in milliseconds; 0 is `timeout never`.
    pub timeout: Option<u64>,
    /// `expires`, in milliseconds.
    pub expires: Option<u64>,
    /// `comment`.
    pub comment: Option<Box<str>>,
    /// Stateful statements: `counter`, `limit`, `ct count`, `quota`, `last`.
    pub stmts: Vec<Stmt>,
}

/// `@name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetName {
    /// The set's name.
    pub name: Box<str>,
}

impl Element {
    /// Only a key.
    pub fn new(key: Expr) -> Element {
        let span = key.span;
        Element { key, data: None, options: None, span }
    }

    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        self.key.print(out);
        if let Some(options) = &self.options {
            options.print(out);
        }
        if let Some(data) = &self.data {
            out.text(" : ");
            data.print(out);
        }
    }
}

impl ElementOptions {
    /// In nft's canonical form, each with a blank before it.
    pub fn print(&self, out: &mut Printer) {
        for stmt in &self.stmts {
            out.text(" ");
            stmt.print(out);
        }
        let options = out.options;
        match self.timeout {
            Some(0) => {
                out.text(" timeout never");
            }
            Some(timeout) => {
                out.text(" timeout ").text(&options.time(timeout));
            }
            None => {}
        }
        if let Some(expires) = self.expires.filter(|_| !out.options.stateless) {
            out.text(" expires ").text(&options.time(expires));
        }
        if let Some(comment) = &self.comment {
            out.text(" comment ").quoted(comment);
        }
    }
}

impl SetLiteral {
    /// In nft's canonical form, on one line.
    pub fn print(&self, out: &mut Printer) {
        out.text("{ ");
        for (at, element) in self.elements.iter().enumerate() {
            if at > 0 {
                out.text(", ");
            }
            element.print(out);
        }
        out.text(" }");
    }
}

impl SetName {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        out.text("@").text(&self.name);
    }
}

impl Expr {
    /// `{ ... }`, `@name`, or a variable that stands for one of them.
    pub fn parse_set_or_name(p: &mut Parser<'_>) -> Parsed<Expr> {
        let start = p.peek().span;
        if p.is(Sign::BraceOpen) {
            let set = p.nested(SetLiteral::parse)?;
            return Ok(Expr::new(ExprKind::Set(set), start.to(p.last_span())));
        }
        if p.eat(Sign::At) {
            let (name, span) = p.name("a set's name")?;
            return Ok(Expr::new(ExprKind::SetRef(SetName { name }), start.to(span)));
        }
        if p.peek().kind == TokenKind::Variable {
            let value = p.variable()?;
            // A definition of one element, used where a set is wanted.
            return Ok(match value.kind {
                ExprKind::Set(_) | ExprKind::SetRef(_) => value,
                _ => {
                    let span = value.span;
                    let elements = vec![Element::new(value)];
                    Expr::new(ExprKind::Set(SetLiteral { elements }), span)
                }
            });
        }
        Err(p.unexpected("'{' or '@'"))
    }
}

impl SetLiteral {
    /// At the `{`.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<SetLiteral> {
        let open = p.expect(Sign::BraceOpen)?;
        SetLiteral::parse_more(p, Vec::new(), open)
    }

    /// Behind the brace at `open`, or behind some elements and a comma.
    pub(crate) fn parse_more(
        p: &mut Parser<'_>,
        mut elements: Vec<Element>,
        open: Span,
    ) -> Parsed<SetLiteral> {
        let mut spliced = false;
        loop {
            p.newlines();
            if p.is(Sign::BraceClose) {
                // As in nft; a definition alone may have no elements.
                if elements.is_empty() && !spliced {
                    return Err(p.unexpected("an element"));
                }
                p.next();
                return Ok(SetLiteral { elements });
            }
            let element = Element::parse(p)?;
            match element {
                // What a variable stands for may be a set itself.
                Element {
                    key: Expr { kind: ExprKind::Set(inner), .. }, data: None, options: None, ..
                } => {
                    elements.extend(inner.elements);
                    spliced = true;
                }
                element => elements.push(element),
            }
            SetLiteral::separator(p, open)?;
        }
    }

    /// The comma behind an element, which the last one need not have.
    pub(crate) fn separator(p: &mut Parser<'_>, open: Span) -> Parsed<()> {
        let line_ends = p.peek();
        p.newlines();
        if !p.is(Sign::BraceClose) && !p.eat(Sign::Comma) {
            return Err(not_closed(p, line_ends, open));
        }
        Ok(())
    }
}

/// The error that neither `,` nor `}` follows an element; where its line ends, that is the place.
fn not_closed(p: &Parser<'_>, at: Token, open: Span) -> Box<Diagnostic> {
    let error = p.unexpected_at(at, "',' or '}'");
    let next = p.peek().kind;
    if matches!(next, TokenKind::Number(_) | TokenKind::Literal | TokenKind::Quoted) {
        return error.help("elements are separated by ','");
    }
    error.and(open, "this '{' is not closed")
}

impl Element {
    /// One element of a set literal.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<Element> {
        let start = p.peek().span;
        let key = if p.is(Sign::Star) {
            p.next();
            Expr::new(ExprKind::Wildcard, start)
        } else if Expr::at_keyword(p) && !p.word_at(1).is_empty() && !p.peek_at(1).is(Sign::Colon) {
            Expr::parse_lhs(p)?
        } else {
            Expr::parse_literal(p)?
        };
        let options = ElementOptions::parse(p)?;
        let mut data = None;
        if p.eat(Sign::Colon) {
            p.newlines();
            data = Some(Element::parse_data(p)?);
        }
        let span = start.to(p.last_span());
        Ok(Element { key, data, options, span })
    }

    /// What stands behind the `:`.
    pub fn parse_data(p: &mut Parser<'_>) -> Parsed<Expr> {
        let start = p.peek().span;
        if let Some(verdict) = Verdict::parse(p)? {
            return Ok(Expr::new(ExprKind::Verdict(verdict), start.to(p.last_span())));
        }
        Expr::parse_literal(p)
    }
}

impl ElementOptions {
    /// Whatever of them stands next.
    pub fn parse(p: &mut Parser<'_>) -> Parsed<Option<Box<ElementOptions>>> {
        let mut options: Option<Box<ElementOptions>> = None;
        loop {
            match p.word() {
                "timeout" => {
                    p.next();
                    let timeout = if p.eat_word("never") { 0 } else { p.time()? };
                    options.get_or_insert_default().timeout = Some(timeout);
                }
                "expires" => {
                    p.next();
                    let expires = if p.eat_word("never") { 0 } else { p.time()? };
                    options.get_or_insert_default().expires = Some(expires);
                }
                "comment" => {
                    p.next();
                    options.get_or_insert_default().comment = Some(p.comment()?);
                }
                "counter" | "limit" | "quota" | "last" | "ct" => {
                    let stmt = p.nested(Stmt::parse)?;
                    options.get_or_insert_default().stmts.push(stmt);
                }
                _ => return Ok(options),
            }
        }
    }
}

impl SetName {
    /// As `nft -j` writes it.
    pub fn to_json(&self, _: &Options) -> Value {
        Value::from(format!("@{}", self.name))
    }
}

impl SetLiteral {
    /// As `nft -j` writes it.
    pub fn to_json(&self, options: &Options) -> Value {
        tagged("set", self.elements_to_json(options))
    }

    /// The elements alone.
    pub fn elements_to_json(&self, options: &Options) -> Vec<Value> {
        self.elements.iter().map(|element| element.to_json(options)).collect()
    }

    /// An array of elements, or one element.
    pub fn from_json(node: Node<'_>) -> Parsed<SetLiteral> {
        let elements = node.one_or_more().into_iter().map(Element::from_json).collect::<Parsed<Vec<_>>>()?;
        Ok(SetLiteral { elements })
    }
}

impl Element {
    /// As `nft -j` writes it: the key, `elem` where it has more than that, and an array of two in a map.
    pub fn to_json(&self, options: &Options) -> Value {
        let mut key = self.key.to_json(options);
        if let Some(more) = self.options.as_ref().filter(|more| more.is_listed(options)) {
            key = more.to_json(key, options);
        }
        match &self.data {
            Some(data) => Value::Array(vec![key, data.to_json(options)]),
            None => key,
        }
    }

    /// A key, or key and data.
    pub fn from_json(node: Node<'_>) -> Parsed<Element> {
        let (key, data) = match node.is_array() {
            true => {
                let (key, data) = node.pair()?;
                (key, Some(Expr::from_json(data)?))
            }
            false => (node, None),
        };
        let inside = key.get("elem").filter(|_| key.only().is_ok());
        let (key, options) = match inside {
            Some(inside) => (inside.need("val")?, ElementOptions::from_json(inside)?),
            None => (key, None),
        };
        Ok(Element { key: Expr::from_json(key)?, data, options, span: node.span() })
    }
}

impl ElementOptions {
    fn is_listed(&self, options: &Options) -> bool {
        self.timeout.is_some()
            || (self.expires.is_some() && !options.stateless)
            || self.comment.is_some()
            || !self.stmts.is_empty()
    }

    /// `elem` around a key, with times in seconds.
    fn to_json(&self, key: Value, options: &Options) -> Value {
        let mut elem = json!({ "val": key });
        if let Some(timeout) = self.timeout {
            elem["timeout"] = json!(timeout / 1000);
        }
        if let Some(expires) = self.expires.filter(|_| !options.stateless) {
            elem["expires"] = json!(expires / 1000);
        }
        if let Some(comment) = &self.comment {
            elem["comment"] = json!(comment);
        }
        for stmt in &self.stmts {
            if let (Some(members), Value::Object(stmt)) = (elem.as_object_mut(), stmt.to_json(options)) {
                members.extend(stmt);
            }
        }
        tagged("elem", elem)
    }

    /// What stands beside `val`; `None` where nothing does.
    fn from_json(node: Node<'_>) -> Parsed<Option<Box<ElementOptions>>> {
        let mut options = ElementOptions::default();
        for (key, value) in node.members()? {
            match key {
                "val" => {}
                "timeout" => options.timeout = Some(crate::json::seconds(value)?),
                "expires" => options.expires = Some(crate::json::seconds(value)?),
                "comment" => options.comment = Some(value.string()?.into()),
                _ => match Stmt::stateful_from_json(key, value)? {
                    Some(stmt) => options.stmts.push(stmt),
                    None => {
                        return Err(value.error(format!("an element has no '{}'", crate::diag::short(key))));
                    }
                },
            }
        }
        Ok((options != ElementOptions::default()).then(|| options.into()))
    }
}
