//! The parser's core: tokens with a little lookahead, errors collected with recovery at statement ends, nesting
//! limited, definitions, includes. What the language consists of is in `expr`, `stmt`, `decl` and `cmd`.

mod recover;

use std::sync::Arc;

use crate::define::Scopes;
use crate::diag::{Diagnostic, Parsed, short};
use crate::files::Files;
use crate::lex::{Lexer, Sign, Token, TokenKind};
use crate::source::{SourceId, Sources, Span};

pub use recover::Mark;

/// How deep braces, parentheses, operators and blocks may nest.
pub const MAX_NESTING: u32 = 64;
/// How many tokens can be seen ahead; a power of two, since they lie in a ring.
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
    /// The text that the last of them reads.
    text: Arc<String>,
    /// The tokens ahead, the next one at `front`.
    ahead: [Token; LOOKAHEAD],
    front: usize,
    last: Span,
    /// Where the token taken before that was.
    before_last: Span,
    depth: u32,
    /// Braces open where the parser stands.
    braces: u32,
    /// Nodes copied from definitions so far.
    copied: usize,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
    /// Tokens taken so far.
    taken: u64,
    /// Whether the token taken last ended a statement.
    ended: bool,
    /// Kind of the token taken last.
    last_kind: TokenKind,
    /// What was skipped behind errors: names in there may be defined by what could not be read.
    lost: Vec<Span>,
    /// The last string that was taken without quotes.
    bare_text: Option<Span>,
    /// The token before which blocks without a `}` were taken as closed.
    closed_at: Option<Span>,
}

impl<'a> Parser<'a> {
    /// Reads `source`, with `scopes` holding what `-D` defined.
    pub fn new(
        sources: &'a mut Sources,
        source: SourceId,
        files: &'a dyn Files,
        scopes: Scopes,
    ) -> Parser<'a> {
        let last = Span { source, start: 0, end: 0 };
        let mut parser = Parser {
            files,
            sources,
            scopes,
            stack: vec![Lexer::new(source)],
            text: Arc::default(),
            ahead: [Token { kind: TokenKind::End, span: last }; LOOKAHEAD],
            front: 0,
            last,
            before_last: last,
            depth: 0,
            braces: 0,
            copied: 0,
            errors: Vec::new(),
            warnings: Vec::new(),
            taken: 0,
            ended: false,
            last_kind: TokenKind::Newline,
            lost: Vec::new(),
            bare_text: None,
            closed_at: None,
        };
        parser.fill();
        parser
    }

    /// Reads what lies ahead in the last text.
    fn fill(&mut self) {
        let source = self.stack.last().and_then(|lexer| self.sources.get(lexer.source()));
        self.text = source.map(|source| source.text.clone()).unwrap_or_default();
        self.front = 0;
        for at in 0..LOOKAHEAD {
            self.ahead[at] = self.lex();
        }
    }

    fn lex(&mut self) -> Token {
        match self.stack.last_mut() {
            Some(lexer) => lexer.next(&self.text, &mut self.warnings),
            None => Token { kind: TokenKind::End, span: self.last },
        }
    }

    /// The next token, not taken.
    pub fn peek(&self) -> Token {
        self.peek_at(0)
    }

    /// The token `n` behind the next one; `n` is below 4.
    pub fn peek_at(&self, n: usize) -> Token {
        self.ahead[(self.front + n) % LOOKAHEAD]
    }

    /// Takes the next token. The end of an included text goes on behind its `include`.
    #[allow(clippy::should_implement_trait)] // no iterator: the end is a token too, again and again
    pub fn next(&mut self) -> Token {
        let token = self.peek();
        if token.kind == TokenKind::End {
            if self.stack.len() > 1 {
                self.stack.pop();
                self.fill();
                self.ended = true;
                self.taken += 1;
                self.last_kind = TokenKind::Newline;
                return Token { kind: TokenKind::Newline, span: token.span };
            }
            return token;
        }
        match token.kind {
            TokenKind::Sign(Sign::BraceOpen) => self.braces += 1,
            TokenKind::Sign(Sign::BraceClose) => self.braces = self.braces.saturating_sub(1),
            _ => {}
        }
        self.before_last = std::mem::replace(&mut self.last, token.span);
        self.taken += 1;
        self.ended = token.ends_statement();
        self.last_kind = token.kind;
        self.ahead[self.front] = self.lex();
        self.front = (self.front + 1) % LOOKAHEAD;
        token
    }

    /// Goes on in another text; afterwards behind the tokens taken so far.
    pub(crate) fn enter(&mut self, source: SourceId) {
        let next = self.peek().span.start;
        if let Some(top) = self.stack.last_mut() {
            top.seek(next);
        }
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
            TokenKind::Literal if text.starts_with('[') => text.trim_matches(['[', ']']),
            _ => text,
        }
    }

    /// The text under a token, with quotes, `$` and brackets.
    pub(crate) fn text_as_written(&self, token: Token) -> &str {
        self.sources.text(token.span)
    }

    /// The next token's text if it is a word, else the empty text.
    pub fn word(&self) -> &str {
        self.word_at(0)
    }

    /// The text of the token `n` behind the next one if that is a word, else the empty text.
    pub fn word_at(&self, n: usize) -> &str {
        let Token { kind, span } = self.peek_at(n);
        if kind != TokenKind::Word {
            return "";
        }
        // Tokens ahead are always of the text that is read now.
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default()
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
                self.bare_text = Some(token.span).filter(|_| token.kind != TokenKind::Quoted);
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

    /// The text of the token taken last.
    pub(crate) fn last_text(&self) -> &str {
        self.sources.text(self.last)
    }

    /// The text of the token taken before that.
    pub(crate) fn text_before_last(&self) -> &str {
        self.sources.text(self.before_last)
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

    /// Notes something that is told but wrong with nothing.
    pub(crate) fn warn(&mut self, warning: Diagnostic) {
        self.warnings.push(warning);
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
    // DIVERGES: nft wants a newline or `;` before the `}` as well.
    pub fn end_of_statement(&mut self) -> Parsed<()> {
        let token = self.peek();
        if token.is(Sign::BraceClose) || (token.kind == TokenKind::End && self.stack.len() == 1) {
            return Ok(());
        }
        if self.closed_at == Some(token.span) {
            return Ok(());
        }
        if token.ends_statement() {
            self.next();
            return Ok(());
        }
        Err(self.unexpected("end of statement"))
    }

    /// Takes the end of an item of a block, proposing the `;` that is missing where another item follows.
    pub fn end_of_item(&mut self) -> Parsed<()> {
        let word = self.word().to_owned();
        self.end_of_statement().map_err(|error| {
            if word.is_empty() {
                error
            } else {
                error.help(format!("a ';' or a line's end is missing before '{}'", short(&word)))
            }
        })
    }

    /// Whether the token taken last is a text without quotes, as people forget them around several words.
    pub(crate) fn follows_bare_text(&self) -> bool {
        self.bare_text == Some(self.last)
    }

    /// Whether the next token is the first of its line.
    pub(crate) fn at_line_start(&self) -> bool {
        self.line_before(self.peek().span).trim().is_empty()
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

    /// Definitions, errors and warnings by place, and the stretches of text that were skipped behind errors.
    pub fn finish(self) -> (Scopes, Vec<Diagnostic>, Vec<Span>) {
        let mut found = self.warnings;
        // Tokens seen ahead of an include are read twice.
        found.dedup_by(|a, b| a.span == b.span && a.message == b.message);
        found.extend(self.errors);
        found.sort_by_key(|diagnostic| diagnostic.span);
        (self.scopes, found, self.lost)
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
