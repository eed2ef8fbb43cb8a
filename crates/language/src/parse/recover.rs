//! After an error: what is said of it, and where parsing goes on, so that a file's errors all come at once.

use super::{MAX_ERRORS, Parser};
use crate::diag::{Code, Diagnostic, short};
use crate::lex::{Sign, Token, TokenKind};
use crate::source::Span;

/// A place in a text to which recovery from an error can refer: the beginning of a statement.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// Braces open there.
    braces: u32,
    /// Tokens taken before.
    taken: u64,
    /// The first token.
    start: Span,
}

impl Parser<'_> {
    /// The error that the next token is not what should stand there.
    pub fn unexpected(&self, expecting: &str) -> Box<Diagnostic> {
        self.unexpected_at(self.peek(), expecting)
    }

    /// The error that `token` is not what should stand there.
    pub fn unexpected_at(&self, token: Token, expecting: &str) -> Box<Diagnostic> {
        let what = match token.kind {
            TokenKind::End => "end of file".to_owned(),
            TokenKind::Newline => "newline".to_owned(),
            TokenKind::Semicolon => "';'".to_owned(),
            TokenKind::Junk if self.sources.text(token.span) == "\"" => "unterminated string".to_owned(),
            TokenKind::Junk => format!("junk '{}'", short(self.sources.text(token.span))),
            TokenKind::Quoted => "quoted string".to_owned(),
            _ => format!("'{}'", short(self.sources.text(token.span))),
        };
        if what == "unterminated string" {
            let line = self.sources.place(token.span).map_or(1, |place| place.text.len()) as u32;
            let end = token.span.start + line - (self.column(token.span) as u32).min(line);
            return Diagnostic::error(Span { end, ..token.span }, "syntax error, unterminated string")
                .code(Code::Syntax)
                .help("a string ends with '\"' on its line");
        }
        Diagnostic::error(token.span, format!("syntax error, unexpected {what}, expecting {expecting}"))
            .code(Code::Syntax)
    }

    /// The error that the next word is none of `words`, proposing the nearest.
    pub fn unexpected_word(&self, what: &str, words: &[&str]) -> Box<Diagnostic> {
        let mut error = self.unexpected(what);
        if let Some(word) = crate::diag::nearest(self.word(), words.iter().copied()) {
            error = error.help(format!("did you mean '{word}'?"));
        }
        error
    }

    /// The place where a statement begins; to be given to [`Parser::recover`].
    pub fn mark(&self) -> Mark {
        Mark { braces: self.braces, taken: self.taken, start: self.peek().span }
    }

    /// How many errors were found so far.
    pub fn error_count(&self) -> usize {
        self.errors.len()
    }

    /// The last error that was found after so many, which is not noted then: it is to be returned instead of one that
    /// follows from it.
    pub(crate) fn last_error(&mut self, count: usize) -> Option<Box<Diagnostic>> {
        if self.errors.len() > count { self.errors.pop().map(Box::new) } else { None }
    }

    /// Notes an error and goes to the end of the statement that began at `mark`: behind its newline or `;`, or before
    /// the `}` around it.
    ///
    /// Where the statement has a `{` that is not closed on its line, its lines go on up to the `}`, but no further than
    /// indentation tells: `tcp dport { 22, 80 accept` takes neither the next rule nor the chain's `}` with it.
    pub fn recover(&mut self, error: Box<Diagnostic>, mark: Mark) {
        let error = self.readable(error);
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(*error);
        }
        self.skip(mark);
        self.lost.push(mark.start.to(self.last));
    }

    fn skip(&mut self, mark: Mark) {
        if self.taken > mark.taken && self.ended && self.braces <= mark.braces {
            return;
        }
        let indent = self.indent(mark.start);
        // Braces inside of which every line counts: those with nothing behind them on their line.
        let mut blocks = 0u32;
        loop {
            let token = self.peek();
            if token.kind == TokenKind::End && self.stack.len() == 1 {
                return;
            }
            if self.braces <= mark.braces {
                if token.is(Sign::BraceClose) && self.braces > 0 {
                    return;
                }
                if token.ends_statement() {
                    self.next();
                    return;
                }
            } else if token.is(Sign::BraceClose) {
                blocks = blocks.saturating_sub(1);
            } else if token.kind == TokenKind::Newline {
                let more = self.last_kind == TokenKind::Sign(Sign::Comma);
                if self.last_kind == TokenKind::Sign(Sign::BraceOpen) {
                    blocks += 1;
                } else if blocks == 0 && !more && token.span.source == mark.start.source {
                    let next = self.peek_at(1);
                    let column = self.column(next.span);
                    let sibling = if next.is(Sign::BraceClose) { column < indent } else { column <= indent };
                    if sibling && next.kind != TokenKind::Newline && next.kind != TokenKind::End {
                        self.braces = mark.braces;
                        self.next();
                        return;
                    }
                }
            }
            self.next();
        }
    }

    /// Bytes before the first token of the line in which a place is.
    fn indent(&self, span: Span) -> usize {
        let line = self.line_before(span);
        line.len() - line.trim_start().len()
    }

    fn column(&self, span: Span) -> usize {
        self.line_before(span).len()
    }

    /// The text of a line before a place.
    pub(super) fn line_before(&self, span: Span) -> &str {
        let text = self.sources.get(span.source).map_or("", |source| &*source.text);
        let before = text.get(..span.start as usize).unwrap_or_default();
        &before[before.rfind('\n').map_or(0, |at| at + 1)..]
    }

    /// An error of grammar in the midst of what people write without blanks is an error in the whole of it: an address
    /// with a sign too much, a name that needs quotes.
    fn readable(&self, mut error: Box<Diagnostic>) -> Box<Diagnostic> {
        const END: [char; 10] = [' ', '\t', '\n', '\r', ';', ',', '{', '}', '"', '#'];
        if error.code != Some(Code::Syntax) {
            return error;
        }
        let Some(source) = self.sources.get(error.span.source) else { return error };
        let at = error.span.start as usize;
        let (Some(before), Some(after)) = (source.text.get(..at), source.text.get(at..)) else {
            return error;
        };
        let head = before.rfind(END).map_or(before, |end| &before[end + 1..]);
        let tail = after.find(END).map_or(after, |end| &after[..end]);
        if head.is_empty() || head.len() + tail.len() > 64 {
            return error;
        }
        let whole = format!("{head}{tail}");
        let span = Span { start: (at - head.len()) as u32, end: (at + tail.len()) as u32, ..error.span };
        let is_address = |c: char| c.is_ascii_hexdigit() || c == ':' || c == '.';
        if whole.starts_with(|c: char| c.is_ascii_hexdigit())
            && whole.matches([':', '.']).count() > 1
            && whole.split('/').next().is_some_and(|address| address.chars().all(is_address))
        {
            return Diagnostic::error(span, format!("syntax error, '{whole}' is no address"))
                .code(Code::Syntax)
                .help(address_help(&whole));
        }
        if tail.starts_with(['@', '/', ':', '+', '%']) && head.starts_with(|c: char| c.is_ascii_alphabetic())
        {
            error.span = span;
            error.help = Some(format!("names with such signs stand in quotes: \"{whole}\""));
        }
        error
    }

    /// Whether the block that `open` began ends here although its `}` is missing, since what stands next cannot be in
    /// it. The error is noted; one for all blocks that end at the same place.
    pub(crate) fn unclosed(&mut self, open: Span, what: &str) {
        let token = self.peek();
        self.braces = self.braces.saturating_sub(1);
        self.closed_at = Some(token.span);
        let note = format!("this {what} is not closed");
        if let Some(last) = self.errors.last_mut()
            && last.span == token.span
            && last.message.ends_with("expecting '}'")
        {
            last.further.push((open, note));
            return;
        }
        let error = self.unexpected("'}'").and(open, note);
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(*error);
        }
    }

    /// Whether so many errors were found that reading on helps nobody.
    pub fn gave_up(&self) -> bool {
        self.errors.len() >= MAX_ERRORS
    }
}

/// How an address of that kind is written.
fn address_help(text: &str) -> &'static str {
    if text.contains("::") || text.matches(':').count() > 5 {
        "an IPv6 address has eight groups of hexadecimal digits, of which '::' stands for some once"
    } else if text.contains(':') {
        "a MAC address has six parts, 00:11:22:33:44:55"
    } else {
        "an IPv4 address has four parts from 0 to 255, 192.0.2.1"
    }
}
