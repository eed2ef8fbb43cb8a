//! Names that may be declared in what could not be read: that they are missing is no news.

use std::collections::HashSet;

use crate::diag::{Code, Diagnostic};
use crate::lex::{Lexer, TokenKind};
use crate::source::{Sources, Span};

/// Names by their text.
pub(super) struct Lost<'a>(HashSet<&'a str>);

/// Words behind which a name is declared.
const DECLARING: [&str; 14] = [
    "table",
    "chain",
    "set",
    "map",
    "flowtable",
    "counter",
    "quota",
    "limit",
    "helper",
    "timeout",
    "expectation",
    "secmark",
    "synproxy",
    "tunnel",
];

impl<'a> Lost<'a> {
    /// Of stretches of text that were skipped, and names whose declarations were refused.
    pub(super) fn new(skipped: &[Span], names: &[Span], sources: &'a Sources) -> Lost<'a> {
        let mut found: HashSet<&str> = names.iter().map(|span| sources.text(*span)).collect();
        for span in skipped {
            let Some(source) = sources.get(span.source) else { continue };
            let mut lexer = Lexer::new(span.source);
            lexer.seek(span.start);
            let mut warnings = Vec::new();
            // A misspelt word at the beginning may have been one that declares.
            let mut reach = 4;
            loop {
                let token = lexer.next(&source.text, &mut warnings);
                if token.kind == TokenKind::End || token.span.start >= span.end {
                    break;
                }
                let text = sources.text(token.span);
                if DECLARING.contains(&text) {
                    reach = 3;
                } else if reach > 0 && token.kind == TokenKind::Word {
                    found.insert(text);
                    reach -= 1;
                } else {
                    reach = 0;
                }
            }
        }
        Lost(found)
    }

    /// Whether an error may follow from what is lost.
    pub(super) fn explains(&self, error: &Diagnostic, sources: &Sources) -> bool {
        let name = sources.text(error.span).trim_matches(['@', '"']);
        error.code == Some(Code::Missing) && self.0.contains(name)
    }
}
