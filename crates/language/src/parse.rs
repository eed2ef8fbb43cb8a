//! The parser's core: tokens with a little lookahead, errors collected with recovery at statement ends, nesting
//! limited, definitions, includes. What the language consists of is in `expr`, `stmt`, `decl` and `cmd`.

use std::collections::VecDeque;

use crate::define::Scopes;
use crate::diag::{Diagnostic, Parsed, short};
use crate::files::Files;
use crate::lex::{Lexer, Sign, Token, TokenKind};
use crate::source::{SourceId, Sources, Span};

/// How deep braces, parentheses, operators and blocks may nest.
pub const MAX_NESTING: u32 = 64;
/// How many tokens can be seen ahead.
const LOOKAHEAD: usize = 4;
/// Bytes of a comment.
pub(crate) const MAX_COMMENT: usize = 128;
/// Nodes that variables may copy into one run's AST.
const MAX_COPIED: usize = 1 << 21;
/// Errors after which a text is given up.
const MAX_ERRORS: usize = 100;

/// Reads source texts into an AST.
pub struct Parser<'a> {
    pub(crate) files: &'a dyn Files,
    pub(crate) sources: &'a mut Sources,
    pub(crate) scopes: Scopes,
    /// The text read now is the last; those before it wait for its end.
    pub(crate) stack: Vec<Lexer>,
    ahead: VecDeque<Token>,
    last: Span,
    depth: u32,
    /// Braces open where the parser stands.
    braces: u32,
    /// Nodes copied from definitions so far.
    copied: usize,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl<'a> Parser<'a> {
    /// Reads `source`, with `scopes` holding what `-D` defined.
    pub fn new(
        sources: &'a mut Sources,
        source: SourceId,
        files: &'a dyn Files,
        scopes: Scopes,
    ) -> Parser<'a> {
        let mut parser = Parser {
            files,
            sources,
            scopes,
            stack: vec![Lexer::new(source)],
            ahead: VecDeque::with_capacity(LOOKAHEAD),
            last: Span { source, start: 0, end: 0 },
            depth: 0,
            braces: 0,
            copied: 0,
            errors: Vec::new(),
            warnings: Vec::new(),
        };
        parser.fill();
        parser
    }

    fn fill(&mut self) {
        while self.ahead.len() < LOOKAHEAD {
            let top = self.stack.len() - 1;
            let lexer = &mut self.stack[top];
            let text = self.sources.get(lexer.source()).map(|source| source.text.clone()).unwrap_or_default();
            self.ahead.push_back(lexer.next(&text, &mut self.warnings));
        }
    }

    /// The next token, not taken.
    pub fn peek(&self) -> Token {
        self.peek_at(0)
    }

    /// The token `n` behind the next one; `n` is below 4.
    pub fn peek_at(&self, n: usize) -> Token {
        self.ahead.get(n).copied().unwrap_or(Token { kind: TokenKind::End, span: self.last })
    }

    /// Takes the next token. The end of an included text goes on behind its `include`.
    #[allow(clippy::should_implement_trait)] // no iterator: the end is a token too, again and again
    pub fn next(&mut self) -> Token {
        let token = self.peek();
        if token.kind == TokenKind::End {
            if self.stack.len() > 1 {
                self.stack.pop();
                self.ahead.clear();
                self.fill();
                return Token { kind: TokenKind::Newline, span: token.span };
            }
            return token;
        }
        match token.kind {
            TokenKind::Sign(Sign::BraceOpen) => self.braces += 1,
            TokenKind::Sign(Sign::BraceClose) => self.braces = self.braces.saturating_sub(1),
            _ => {}
        }
        self.last = token.span;
        self.ahead.pop_front();
        self.fill();
        token
    }

    /// Goes on in another text; afterwards behind the tokens taken so far.
    pub(crate) fn enter(&mut self, source: SourceId) {
        if let (Some(front), Some(top)) = (self.ahead.front(), self.stack.last_mut()) {
            top.seek(front.span.start);
        }
        self.ahead.clear();
        self.stack.push(Lexer::new(source));
        self.fill();
    }

    /// Whether the next token ends the outermost text.
    pub fn at_end(&self) -> bool {
        self.peek().kind == TokenKind::End && self.stack.len() == 1
    }

    /// The text under a token; that of a quoted string without its quotes, of a variable without its `$`, of an
    /// address without its brackets.
    pub fn text(&self, token: Token) -> &str {
        let text = self.sources.text(token.span);
        match token.kind {
            TokenKind::Quoted => &text[1..text.len() - 1],
            TokenKind::Variable => &text[1..],
            TokenKind::Literal => text.trim_start_matches('[').trim_end_matches(']'),
            _ => text,
        }
    }

    /// The next token's text if it is a word, else the empty text.
    pub fn word(&self) -> &str {
        self.word_at(0)
    }

    /// The text of the token `n` behind the next one if that is a word, else the empty text.
    pub fn word_at(&self, n: usize) -> &str {
        let token = self.peek_at(n);
        if token.kind == TokenKind::Word { self.sources.text(token.span) } else { "" }
    }

    /// Whether the next token is that word.
    pub fn is_word(&self, word: &str) -> bool {
        self.word() == word
    }

    /// Whether the next token is that sign.
    pub fn is(&self, sign: Sign) -> bool {
        self.peek().is(sign)
    }

    /// Takes the next token if it is that word.
    pub fn eat_word(&mut self, word: &str) -> bool {
        let is = self.is_word(word);
        if is {
            self.next();
        }
        is
    }

    /// Takes the next token if it is that sign.
    pub fn eat(&mut self, sign: Sign) -> bool {
        let is = self.is(sign);
        if is {
            self.next();
        }
        is
    }

    /// Takes that word.
    pub fn expect_word(&mut self, word: &str) -> Parsed<Span> {
        if self.eat_word(word) { Ok(self.last) } else { Err(self.unexpected(word)) }
    }

    /// Takes that sign.
    pub fn expect(&mut self, sign: Sign) -> Parsed<Span> {
        if self.eat(sign) { Ok(self.last) } else { Err(self.unexpected(&format!("'{}'", sign.text()))) }
    }

    /// Takes a number.
    pub fn number(&mut self) -> Parsed<u64> {
        match self.peek().kind {
            TokenKind::Number(number) => {
                self.next();
                Ok(number)
            }
            _ => Err(self.unexpected("a number")),
        }
    }

    /// Takes a number that is at most `max`.
    pub fn number_to(&mut self, max: u64) -> Parsed<u64> {
        let number = self.number()?;
        if number > max {
            return Err(Diagnostic::error(self.last, format!("Value {number} exceeds valid range 0-{max}")));
        }
        Ok(number)
    }

    /// Takes a quoted string.
    pub fn quoted(&mut self) -> Parsed<Box<str>> {
        if self.peek().kind != TokenKind::Quoted {
            return Err(self.unexpected("a quoted string"));
        }
        let token = self.next();
        Ok(self.text(token).into())
    }

    /// Takes a string, quoted or not: word, glob, address, time. No number.
    pub fn string(&mut self) -> Parsed<Box<str>> {
        match self.peek().kind {
            TokenKind::Word | TokenKind::Glob | TokenKind::Literal | TokenKind::Quoted => {
                let token = self.next();
                Ok(self.text(token).into())
            }
            _ => Err(self.unexpected("a string")),
        }
    }

    /// Takes a name: an unquoted word.
    pub fn name(&mut self, what: &str) -> Parsed<(Box<str>, Span)> {
        match self.peek().kind {
            TokenKind::Word => {
                let token = self.next();
                Ok((self.text(token).into(), token.span))
            }
            _ => Err(self.unexpected(what)),
        }
    }

    /// Takes a time: `1d2h3m4s5ms`, or a number of seconds. In milliseconds.
    pub fn time(&mut self) -> Parsed<u64> {
        let token = self.peek();
        match token.kind {
            TokenKind::Number(seconds) => {
                self.next();
                seconds.checked_mul(1000)
            }
            TokenKind::Literal | TokenKind::Word | TokenKind::Quoted => {
                let milliseconds = parse_time(self.text(token));
                if milliseconds.is_some() {
                    self.next();
                }
                milliseconds
            }
            _ => None,
        }
        .ok_or_else(|| self.unexpected_at(token, "a time such as 30s or 1d2h"))
    }

    /// Takes a comment's text, quoted or not; at most 128 bytes (`NFTNL_UDATA_COMMENT_MAXLEN`).
    pub fn comment(&mut self) -> Parsed<Box<str>> {
        let text = self.string()?;
        if text.len() > MAX_COMMENT {
            let message = format!("comment too long, {MAX_COMMENT} characters maximum allowed");
            return Err(Diagnostic::error(self.last, message));
        }
        Ok(text)
    }

    /// Counts `nodes` copied from definitions, so that definitions of definitions cannot grow without bound.
    pub(crate) fn spend(&mut self, nodes: usize, span: Span) -> Parsed<()> {
        self.copied = self.copied.saturating_add(nodes);
        if self.copied > MAX_COPIED {
            return Err(Diagnostic::error(span, "definitions grow too large here"));
        }
        Ok(())
    }

    /// Where the token taken last is.
    pub fn last_span(&self) -> Span {
        self.last
    }

    /// Skips newlines, as inside braces after `{` and `,`.
    pub fn newlines(&mut self) {
        while self.peek().kind == TokenKind::Newline
            || (self.peek().kind == TokenKind::End && self.stack.len() > 1)
        {
            self.next();
        }
    }

    /// Skips newlines and `;`.
    pub fn separators(&mut self) {
        while matches!(self.peek().kind, TokenKind::Newline | TokenKind::Semicolon)
            || (self.peek().kind == TokenKind::End && self.stack.len() > 1)
        {
            self.next();
        }
    }

    /// Takes the end of a statement: newline, `;`, or what ends the block around it, which stays.
    pub fn end_of_statement(&mut self) -> Parsed<()> {
        let token = self.peek();
        if token.is(Sign::BraceClose) || (token.kind == TokenKind::End && self.stack.len() == 1) {
            return Ok(());
        }
        if token.ends_statement() {
            self.next();
            return Ok(());
        }
        Err(self.unexpected("end of statement"))
    }

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
        Diagnostic::error(token.span, format!("syntax error, unexpected {what}, expecting {expecting}"))
    }

    /// The error that the next word is none of `words`, proposing the nearest.
    pub fn unexpected_word(&self, what: &str, words: &[&str]) -> Box<Diagnostic> {
        let mut error = self.unexpected(what);
        if let Some(word) = crate::diag::nearest(self.word(), words.iter().copied()) {
            error = error.help(format!("did you mean '{word}'?"));
        }
        error
    }

    /// Runs `parse` one level deeper, unless that is too deep.
    pub fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_NESTING {
            return Err(Diagnostic::error(
                self.peek().span,
                format!("nesting is deeper than {MAX_NESTING} levels"),
            ));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    /// Braces open here; to be given to [`Parser::recover`].
    pub fn braces(&self) -> u32 {
        self.braces
    }

    /// Notes an error and goes to the end of the statement that began when `braces` were open: behind its newline or
    /// `;`, or before the `}` around it.
    #[allow(clippy::boxed_local)] // errors come boxed
    pub fn recover(&mut self, error: Box<Diagnostic>, braces: u32) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(*error);
        }
        loop {
            let token = self.peek();
            if token.kind == TokenKind::End && self.stack.len() == 1 {
                return;
            }
            if self.braces <= braces {
                if token.is(Sign::BraceClose) && self.braces > 0 {
                    return;
                }
                if token.ends_statement() {
                    self.next();
                    return;
                }
            }
            self.next();
        }
    }

    /// Whether so many errors were found that reading on helps nobody.
    pub fn gave_up(&self) -> bool {
        self.errors.len() >= MAX_ERRORS
    }

    /// Errors and warnings found, by place.
    pub fn finish(self) -> (Scopes, Vec<Diagnostic>) {
        let mut found = self.warnings;
        // Tokens seen ahead of an include are read twice.
        found.dedup_by(|a, b| a.span == b.span && a.message == b.message);
        found.extend(self.errors);
        found.sort_by_key(|diagnostic| diagnostic.span);
        (self.scopes, found)
    }
}

/// A time in milliseconds, from `1d2h3m4s5ms` or a number of seconds.
pub fn parse_time(text: &str) -> Option<u64> {
    let (mut rest, mut sum, mut seen) = (text, 0u64, 0);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (rank, unit) = match &rest[..letters] {
            "w" => (1, 604_800_000),
            "d" => (2, 86_400_000),
            "h" => (3, 3_600_000),
            "m" => (4, 60_000),
            "s" => (5, 1000),
            "ms" => (6, 1),
            "" if seen == 0 => (7, 1000),
            _ => return None,
        };
        if rank <= seen {
            return None;
        }
        seen = rank;
        sum = sum.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[letters..];
    }
    (seen > 0).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_milliseconds() {
        assert_eq!(parse_time("1d2h3m4s5ms"), Some(93_784_005));
        assert_eq!(parse_time("30"), Some(30_000));
        assert_eq!(parse_time("1h1d"), None);
        assert_eq!(parse_time("h"), None);
        assert_eq!(parse_time(""), None);
    }
}
