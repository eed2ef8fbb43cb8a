//! The lexer: source text to tokens.
//!
//! Keywords are ordinary words here: whether `port` is a keyword or a name depends on where it stands, and the parser
//! knows that. Words, addresses and numbers are told apart by the longest match, as in nft's scanner.

use crate::diag::Diagnostic;
use crate::source::{SourceId, Span};

/// What a token is. Its text is what lies under its span ([`crate::parse::Parser::text`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A letter, `_` or `.`, then letters, digits and `/ - _ .`: keyword or name.
    Word,
    /// An address, a MAC address, a class id, a time (`1d2h`) or a number beyond 64 bits.
    Literal,
    /// `"..."`; the span includes the quotes.
    Quoted,
    /// A word with an asterisk: `eth*`, `eth\*`.
    Glob,
    /// `$name`; the span includes the `$`.
    Variable,
    /// A decimal or hexadecimal number.
    Number(u64),
    /// A line's end.
    Newline,
    /// `;`.
    Semicolon,
    /// Any other sign.
    Sign(Sign),
    /// A character that begins no token.
    Junk,
    /// The end of the text.
    End,
}

macro_rules! signs {
    ($($name:ident $text:literal,)*) => {
        /// Signs of the language.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)] // each is its text
        pub enum Sign { $($name,)* }

        impl Sign {
            /// How it is written.
            pub const fn text(self) -> &'static str {
                match self { $(Sign::$name => $text,)* }
            }

        }
    };
}

signs! {
    Eq "==", Ne "!=", Lshift "<<", Rshift ">>", Le "<=", Ge ">=", Lt "<", Gt ">",
    BraceOpen "{", BraceClose "}", ParenOpen "(", ParenClose ")", BracketOpen "[", BracketClose "]",
    Comma ",", Dot ".", Slash "/", Dash "-", Colon ":", Assign "=", And "&", Or "|", Xor "^", Tilde "~", Not "!",
    At "@", Star "*", Plus "+", Percent "%",
}

impl Sign {
    /// The longest sign `text` begins with.
    fn at(text: &[u8]) -> Option<Sign> {
        Some(match text {
            [b'=', b'=', ..] => Sign::Eq,
            [b'!', b'=', ..] => Sign::Ne,
            [b'<', b'<', ..] => Sign::Lshift,
            [b'>', b'>', ..] => Sign::Rshift,
            [b'<', b'=', ..] => Sign::Le,
            [b'>', b'=', ..] => Sign::Ge,
            [b'<', ..] => Sign::Lt,
            [b'>', ..] => Sign::Gt,
            [b'{', ..] => Sign::BraceOpen,
            [b'}', ..] => Sign::BraceClose,
            [b'(', ..] => Sign::ParenOpen,
            [b')', ..] => Sign::ParenClose,
            [b'[', ..] => Sign::BracketOpen,
            [b']', ..] => Sign::BracketClose,
            [b',', ..] => Sign::Comma,
            [b'.', ..] => Sign::Dot,
            [b'/', ..] => Sign::Slash,
            [b'-', ..] => Sign::Dash,
            [b':', ..] => Sign::Colon,
            [b'=', ..] => Sign::Assign,
            [b'&', ..] => Sign::And,
            [b'|', ..] => Sign::Or,
            [b'^', ..] => Sign::Xor,
            [b'~', ..] => Sign::Tilde,
            [b'!', ..] => Sign::Not,
            [b'@', ..] => Sign::At,
            [b'*', ..] => Sign::Star,
            [b'+', ..] => Sign::Plus,
            [b'%', ..] => Sign::Percent,
            _ => return None,
        })
    }
}

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it is.
    pub span: Span,
}

impl Token {
    /// Whether it is that sign.
    pub fn is(self, sign: Sign) -> bool {
        self.kind == TokenKind::Sign(sign)
    }

    /// Whether a statement ends here: newline, `;` or the end of the text.
    pub fn ends_statement(self) -> bool {
        matches!(self.kind, TokenKind::Newline | TokenKind::Semicolon | TokenKind::End)
    }
}

/// Where in a source text the lexer is.
#[derive(Clone, Debug)]
pub struct Lexer {
    source: SourceId,
    at: usize,
}

/// Spaces of other scripts and of the web, which text copied from a page holds. nft refuses them as "unexpected junk".
fn is_unicode_space(c: char) -> bool {
    matches!(
        c,
        '\u{85}' | '\u{a0}' | '\u{1680}' | '\u{2000}'
            ..='\u{200b}'
                | '\u{2028}'
                | '\u{2029}'
                | '\u{202f}'
                | '\u{205f}'
                | '\u{2060}'
                | '\u{3000}'
                | '\u{feff}'
    )
}

impl Lexer {
    /// At the beginning of a text.
    pub fn new(source: SourceId) -> Lexer {
        Lexer { source, at: 0 }
    }

    /// Which text it reads.
    pub fn source(&self) -> SourceId {
        self.source
    }

    /// Goes back or forth to a byte of the text.
    pub(crate) fn seek(&mut self, at: u32) {
        self.at = at as usize;
    }

    fn span(&self, start: usize, end: usize) -> Span {
        // Sources::add refuses texts that do not fit.
        Span { source: self.source, start: start as u32, end: end as u32 }
    }

    /// The next token of `text`, which is the text of this lexer's source. Warnings are added to `warnings`.
    pub fn next(&mut self, text: &str, warnings: &mut Vec<Diagnostic>) -> Token {
        self.skip_blanks(text, warnings);
        let start = self.at;
        let rest = text.get(start..).unwrap_or_default();
        let (kind, len) = match rest.as_bytes() {
            [] => (TokenKind::End, 0),
            [b'\n', ..] => (TokenKind::Newline, 1),
            [b'\r', b'\n', ..] => (TokenKind::Newline, 2),
            [b';', ..] => (TokenKind::Semicolon, 1),
            // Names and texts end at a NUL wherever they are kept.
            [b'"', ..] => match rest[1..].find(['"', '\n', '\0']) {
                Some(end) if rest.as_bytes()[1 + end] == b'"' => (TokenKind::Quoted, end + 2),
                _ => (TokenKind::Junk, 1),
            },
            [b'$', ..] => match word(&rest[1..]) {
                0 => (TokenKind::Junk, 1),
                len => (TokenKind::Variable, 1 + len),
            },
            _ => common(rest).unwrap_or_else(|| scan(rest)),
        };
        self.at = start + len;
        Token { kind, span: self.span(start, self.at) }
    }

    fn skip_blanks(&mut self, text: &str, warnings: &mut Vec<Diagnostic>) {
        loop {
            match text.as_bytes().get(self.at..).unwrap_or_default() {
                [b' ' | b'\t', ..] => self.at += 1,
                [b'\\', b'\n', ..] => self.at += 2,
                [b'\\', b'\r', b'\n', ..] => self.at += 3,
                [b'\r', b'\n', ..] => return,
                [b'\r', ..] => self.at += 1,
                rest @ [b'#', ..] => {
                    self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                }
                [0x80..=0xff, ..] => {
                    let c = text.get(self.at..).and_then(|rest| rest.chars().next());
                    let Some(c) = c.filter(|c| is_unicode_space(*c)) else { return };
                    let end = self.at + c.len_utf8();
                    // The mark that some editors begin a file with is no space anybody typed.
                    if (self.at, c) != (0, '\u{feff}') {
                        let message =
                            format!("character U+{:04X} is taken as a blank; nft refuses it", u32::from(c));
                        warnings.push(*Diagnostic::warning(self.span(self.at, end), message));
                    }
                    self.at = end;
                }
                _ => return,
            }
        }
    }
}

/// What [`scan`] finds, where the first bytes tell that only few kinds of token can be meant. Nearly all of a text is
/// such: words, numbers, IPv4 addresses and signs.
fn common(rest: &str) -> Option<(TokenKind, usize)> {
    let bytes = rest.as_bytes();
    let first = *bytes.first()?;
    match first {
        b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
            // An address would have a colon behind its first hexadecimal digits.
            let hex = run(rest, |byte| byte.is_ascii_hexdigit());
            if hex > 0 && bytes.get(hex) == Some(&b':') {
                return None;
            }
            let len = word(rest);
            let glob = matches!(bytes.get(len), Some(b'*' | b'\\'));
            (!glob).then_some((TokenKind::Word, len))
        }
        b'0'..=b'9' => {
            let digits = run(rest, |byte| byte.is_ascii_digit());
            match bytes.get(digits) {
                Some(b'.') => match ip4(rest) {
                    0 => None,
                    len => Some((TokenKind::Literal, len)),
                },
                Some(byte) if byte.is_ascii_alphabetic() || matches!(byte, b':' | b'*' | b'\\') => None,
                _ => Some(number(rest)),
            }
        }
        b'.' | b'[' | b':' => None,
        _ => Sign::at(bytes).map(|sign| (TokenKind::Sign(sign), sign.text().len())),
    }
}

/// The longest of all tokens `rest` may begin with.
fn scan(rest: &str) -> (TokenKind, usize) {
    let literal = [mac(rest), ip4(rest), ip6(rest), ip6_in_brackets(rest), class_id(rest), time(rest)]
        .into_iter()
        .max()
        .unwrap_or_default();
    let (number, number_len) = number(rest);
    let word_len = word(rest);
    let (glob, glob_len) = (TokenKind::Glob, glob(rest));
    // On ties nft's scanner takes the rule that stands first: addresses, numbers, globs, words.
    let mut best = (TokenKind::Literal, literal);
    for candidate in [(number, number_len), (glob, glob_len), (TokenKind::Word, word_len)] {
        if candidate.1 > best.1 {
            best = candidate;
        }
    }
    if let Some(sign) = Sign::at(rest.as_bytes())
        && sign.text().len() >= best.1
    {
        return (TokenKind::Sign(sign), sign.text().len());
    }
    if best.1 > 0 {
        return best;
    }
    (TokenKind::Junk, rest.chars().next().map_or(1, char::len_utf8))
}

/// Bytes of the run of bytes that `test` accepts.
fn run(text: &str, test: impl Fn(u8) -> bool) -> usize {
    text.bytes().take_while(|byte| test(*byte)).count()
}

fn word(text: &str) -> usize {
    // The only words of the language that begin with a digit: types of VLAN tags.
    for name in ["8021q", "8021ad"] {
        let rest = text.strip_prefix(name);
        if rest.is_some_and(|rest| run(rest, |b| b.is_ascii_alphanumeric()) == 0) {
            return name.len();
        }
    }
    if !text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || b == b'.') {
        return 0;
    }
    run(text, |b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.'))
}

/// A word with one asterisk at its end, or with escaped ones anywhere.
fn glob(text: &str) -> usize {
    let head = word(text);
    let rest = &text[head..];
    if rest.starts_with('*') && head > 0 {
        return head + 1;
    }
    rest.strip_prefix("\\*").map_or(0, |tail| head + 2 + word(tail))
}

fn number(text: &str) -> (TokenKind, usize) {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let len = run(hex, |b| b.is_ascii_hexdigit());
        if len > 0 {
            return match u64::from_str_radix(&hex[..len], 16) {
                Ok(number) => (TokenKind::Number(number), len + 2),
                Err(_) => (TokenKind::Literal, len + 2),
            };
        }
    }
    let len = run(text, |b| b.is_ascii_digit());
    if len == 0 {
        return (TokenKind::Junk, 0);
    }
    // As strtoull with base 0 reads it: a leading zero means octal where it can.
    let digits = &text[..len];
    let octal = (len > 1 && digits.starts_with('0')).then(|| u64::from_str_radix(digits, 8).ok()).flatten();
    match octal.or_else(|| digits.parse().ok()) {
        Some(number) => (TokenKind::Number(number), len),
        None => (TokenKind::Literal, len),
    }
}

fn mac(text: &str) -> usize {
    let mut at = 0;
    for byte in 0..6 {
        if byte > 0 {
            if text.as_bytes().get(at) != Some(&b':') {
                return 0;
            }
            at += 1;
        }
        match run(&text[at..], |b| b.is_ascii_hexdigit()) {
            0 => return 0,
            1 => at += 1,
            _ => at += 2,
        }
    }
    at
}

fn ip4(text: &str) -> usize {
    let mut at = 0;
    for part in 0..4 {
        if part > 0 {
            if text.as_bytes().get(at) != Some(&b'.') {
                return 0;
            }
            at += 1;
        }
        match run(&text[at..], |b| b.is_ascii_digit()) {
            0 => return 0,
            len => at += len.min(3),
        }
    }
    at
}

/// The longest beginning that is an IPv6 address.
fn ip6(text: &str) -> usize {
    // Bytes, since the longest address may end within a character.
    let part_of_address = |b: &u8| b.is_ascii_hexdigit() || [b':', b'.'].contains(b);
    let len = text.bytes().take(46).take_while(part_of_address).count();
    if text[..len].matches(':').count() < 2 {
        return 0;
    }
    (2..=len).rev().find(|len| text[..*len].parse::<std::net::Ipv6Addr>().is_ok()).unwrap_or(0)
}

/// `[2001:db8::1]`, as in RFC 2732.
fn ip6_in_brackets(text: &str) -> usize {
    let Some(inner) = text.strip_prefix('[') else { return 0 };
    let len = ip6(inner);
    if len > 0 && inner[len..].starts_with(']') { len + 2 } else { 0 }
}

/// `1:2`, a traffic class.
fn class_id(text: &str) -> usize {
    let hex = |text: &str| run(text, |b| b.is_ascii_hexdigit());
    let major = hex(text);
    if !(1..=4).contains(&major) || text.as_bytes().get(major) != Some(&b':') {
        return 0;
    }
    let minor = hex(&text[major + 1..]);
    let ends = text[major + 1 + minor..].chars().next().is_none_or(|after| " \t\r\n:-,;}".contains(after));
    // What goes on is none: `25:accept` is a port and its verdict
    if (1..=4).contains(&minor) && ends { major + 1 + minor } else { 0 }
}

/// `1d2h3m4s5ms`, each part at most once and in that order.
fn time(text: &str) -> usize {
    let mut at = 0;
    for unit in ["d", "h", "m", "s", "ms"] {
        let digits = run(&text[at..], |b| b.is_ascii_digit());
        let rest = &text[at + digits..];
        // `5ms` is no minutes with an `s` behind.
        if digits > 0 && rest.starts_with(unit) && !(unit == "m" && rest.starts_with("ms")) {
            at += digits + unit.len();
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lex(text: &str) -> Vec<(TokenKind, &str)> {
        let (mut lexer, mut warnings) = (Lexer::new(SourceId(0)), Vec::new());
        let mut tokens = Vec::new();
        loop {
            let token = lexer.next(text, &mut warnings);
            if token.kind == TokenKind::End {
                return tokens;
            }
            tokens.push((token.kind, &text[token.span.start as usize..token.span.end as usize]));
        }
    }

    #[test]
    fn the_longest_token_wins() {
        use TokenKind::*;
        let one = |text| lex(text)[0];
        assert_eq!(one("10.0.0.1/8").1, "10.0.0.1");
        assert_eq!(one("fe80::1/64"), (Literal, "fe80::1"));
        assert_eq!(one("::/0"), (Literal, "::"));
        assert_eq!(one("00:11:22:33:44:55 "), (Literal, "00:11:22:33:44:55"));
        assert_eq!(one("1d2h,"), (Literal, "1d2h"));
        assert_eq!(one("22-25"), (Number(22), "22"));
        assert_eq!(one("0x1f"), (Number(31), "0x1f"));
        assert_eq!(one("eth*"), (Glob, "eth*"));
        assert_eq!(one("ssh-http"), (Word, "ssh-http"));
        assert_eq!(one("[::1]:80"), (Literal, "[::1]"));
        assert_eq!(one("$a,"), (Variable, "$a"));
        assert_eq!(one(". 80"), (Sign(super::Sign::Dot), "."));
        assert_eq!(one("99999999999999999999"), (Literal, "99999999999999999999"));
        assert_eq!(one("add:"), (Word, "add"));
        assert_eq!(one("!="), (Sign(super::Sign::Ne), "!="));
    }

    #[test]
    fn long_addresses_that_end_within_a_character_are_no_panic() {
        // Found by fuzzing: byte 46 was taken for the start of a character.
        let text = format!("{}\u{657}", "a".repeat(45));
        assert_eq!(lex(&text)[0].1, "a".repeat(45));
        assert_eq!(lex("filter\u{657}\u{410}\u{414}input input input input input i\u{657}")[0].1, "filter");
    }

    #[test]
    fn unicode_spaces_are_blanks_with_a_warning_that_names_the_place() {
        let (mut lexer, mut warnings) = (Lexer::new(SourceId(0)), Vec::new());
        let text = "\u{a0}tcp";
        let token = lexer.next(text, &mut warnings);
        assert_eq!(token.kind, TokenKind::Word);
        assert_eq!((warnings[0].span.start, warnings[0].span.end), (0, 2));
        assert!(warnings[0].message.contains("U+00A0"));
    }

    #[test]
    fn common_tokens_are_what_the_longest_match_finds() {
        const ALPHABET: &[u8] = b"a1fg8:./*\\ -_,=[x0";
        let mut texts = vec![String::new()];
        for _ in 0..5 {
            let longer = |text: &String| {
                let text = text.clone();
                ALPHABET.iter().map(move |byte| text.clone() + &char::from(*byte).to_string())
            };
            texts = texts.iter().flat_map(longer).collect();
            texts.iter().step_by(3).for_each(|text| {
                for text in [text.clone(), format!("1.2.3{text}"), format!("2001:db8:{text}")] {
                    if let Some(token) = common(&text) {
                        assert_eq!(token, scan(&text), "{text}");
                    }
                }
            });
        }
    }

    #[test]
    fn signs_are_the_longest_that_fit() {
        for text in ["==", "!=", "<<", ">>", "<=", ">=", "<", ">", "=", "!", "{", "}", ",", ":", "@", "%"] {
            assert_eq!(Sign::at(text.as_bytes()).map(Sign::text), Some(text));
        }
    }

    #[test]
    fn comments_and_continued_lines_are_blanks() {
        assert_eq!(lex("a # b\nc \\\n d").iter().map(|t| t.1).collect::<Vec<_>>(), ["a", "\n", "c", "d"]);
    }
}
