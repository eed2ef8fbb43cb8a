//! Set literals, their elements, and references to named sets.

use super::Expr;
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
        match self.timeout {
            Some(0) => {
                out.text(" timeout never");
            }
            Some(timeout) => {
                out.text(" timeout ").text(&crate::print::time(timeout));
            }
            None => {}
        }
        if let Some(expires) = self.expires.filter(|_| !out.options.stateless) {
            out.text(" expires ").text(&crate::print::time(expires));
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
