//! Symbols: words, addresses, quoted strings, whose meaning the other side decides.

use crate::print::Printer;

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
