//! Symbols: words, addresses, quoted strings, whose meaning the other side decides.

use serde_json::Value;

use crate::print::{Options, Printer};

/// A symbol.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Symbol {
    /// Its text, without quotes.
    pub text: Box<str>,
    /// Whether it stood in quotes, or is listed in quotes.
    pub quoted: bool,
}

impl Symbol {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        if self.quoted {
            out.quoted(&self.text);
        } else {
            out.text(&self.text);
        }
    }
}

impl Symbol {
    /// As `nft -j` writes it: a string, and a boolean for what exists or is missing.
    pub fn to_json(&self, _: &Options) -> Value {
        match (&*self.text, self.quoted) {
            ("exists", false) => Value::Bool(true),
            ("missing", false) => Value::Bool(false),
            (text, _) => Value::from(text),
        }
    }
}
