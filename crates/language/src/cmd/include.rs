//! Directives: `include`, `define`, `redefine`, `undefine`.

use crate::diag::{Code, Diagnostic, Parsed, Severity, nearest, short};
use crate::expr::set::SetLiteral;
use crate::expr::{Expr, ExprKind};
use crate::files::FileError;
use crate::lex::{Sign, TokenKind};
use crate::parse::Parser;
use crate::source::{SourceId, Span};

/// How many files may be open at a time, each included by the one before (`MAX_INCLUDE_DEPTH` of nft's scanner).
const MAX_INCLUDES: usize = 16;
/// How many files one text may include in all: a loop through patterns is cut here.
const MAX_FILES: usize = 4096;
/// How many bytes the files of one run may have together.
const MAX_TEXT: usize = 512 << 20;

impl Parser<'_> {
    /// Takes a directive if one stands next. They may stand wherever a command or an item of a block may.
    pub(crate) fn directive(&mut self) -> Parsed<bool> {
        match self.word() {
            "include" if self.peek_at(1).kind == TokenKind::Quoted => self.include()?,
            "define" => self.define(false)?,
            "redefine" => self.define(true)?,
            "undefine" => {
                self.next();
                let (name, span) = self.name("an identifier")?;
                self.end_of_statement()?;
                // nft says nothing: a file may make sure that a name is free.
                if !self.scopes.undefine(&name) {
                    let unknown = self.unknown(&name, span);
                    self.warn(Diagnostic { severity: Severity::Warning, ..*unknown });
                }
            }
            // nft accepts `error "..."` to stop with a message of the file's own.
            "error" if self.peek_at(1).kind == TokenKind::Quoted => {
                self.next();
                let text = self.quoted()?;
                return Err(Diagnostic::error(self.last_span(), &*text));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Takes what a definition stands for, up to the end of the text.
    pub(crate) fn definition(&mut self) -> Parsed<Expr> {
        let value = self.nested(initializer)?;
        self.separators();
        if self.at_end() { Ok(value) } else { Err(self.unexpected("end of the value")) }
    }

    fn unknown(&self, name: &str, span: Span) -> Box<Diagnostic> {
        let error = Diagnostic::error(span, format!("undefined symbol '{}'", short(name)));
        match nearest(name, self.scopes.names()) {
            Some(near) => error.help(format!("did you mean '{near}'?")),
            None => error,
        }
    }

    fn define(&mut self, again: bool) -> Parsed<()> {
        self.next();
        let (name, span) = self.name("an identifier")?;
        self.expect(Sign::Assign)?;
        let value = self.nested(initializer)?;
        if !again && self.scopes.defines(&name) {
            let error = Diagnostic::error(span, format!("redefinition of symbol '{}'", short(&name)))
                .code(Code::Exists)
                .help("'redefine' changes a definition");
            return Err(match self.scopes.get(&name) {
                Some(before) => error.and(before.span, "it is defined here"),
                None => error,
            });
        }
        self.end_of_statement()?;
        self.scopes.define(name, value);
        Ok(())
    }

    fn include(&mut self) -> Parsed<()> {
        self.next();
        let name = self.quoted()?;
        let span = self.last_span();
        self.end_of_statement()?;
        if self.including(span).count() >= MAX_INCLUDES {
            return Err(Diagnostic::error(
                span,
                format!("includes are nested deeper than {MAX_INCLUDES} levels"),
            ));
        }
        if name.is_empty() {
            return Err(Diagnostic::error(span, "Could not open file \"\": No such file or directory"));
        }
        let mut sources = self.open(&name, span)?;
        // The first one is read first: it goes on top.
        sources.reverse();
        for source in sources {
            self.enter(source);
        }
        Ok(())
    }

    /// The text with an `include`, the one that included it, and so on.
    fn including(&self, include: Span) -> impl Iterator<Item = &crate::source::Source> {
        let first = self.sources.get(include.source);
        std::iter::successors(first, |source| self.sources.get(source.included_from?.source))
    }

    /// The path of a file beside the one that the run began with; none for standard input and arguments.
    fn beside_first(&self, name: &str, include: Span) -> Option<String> {
        let first = self.including(include).last()?;
        if &*first.name == "/dev/stdin" || first.name.starts_with('<') {
            return None;
        }
        Some(match first.name.rsplit_once('/') {
            Some((directory, _)) => format!("{directory}/{name}"),
            None => name.to_owned(),
        })
    }

    /// Reads what an `include` names, in order of names.
    fn open(&mut self, name: &str, span: Span) -> Parsed<Vec<SourceId>> {
        let is_pattern = name.contains(['*', '?', '[']);
        let plain = name.starts_with('/') || name.starts_with("./") || name.starts_with("../");
        let mut candidates = vec![name.to_owned()];
        if !plain {
            let below = |path: String| format!("{}/{name}", path.trim_end_matches('/'));
            let searched: Vec<String> = self.files.search_paths().into_iter().map(below).collect();
            // As nft: the include path before the directory of the file that was named on the command line.
            candidates = searched;
            candidates.extend(self.beside_first(name, span));
        }
        if is_pattern {
            for pattern in candidates {
                let mut paths = self.files.glob(&pattern);
                if paths.is_empty() {
                    continue;
                }
                paths.sort();
                return paths
                    .iter()
                    .map(|path| self.read(path, span)?.ok_or_else(|| missing(path, span)))
                    .collect();
            }
            return Ok(Vec::new());
        }
        for path in &candidates {
            // As nft: names are patterns to it, and directories that match are passed over.
            if self.files.is_directory(path) {
                return Ok(Vec::new());
            }
            if let Some(source) = self.read(path, span)? {
                return Ok(vec![source]);
            }
        }
        let error = missing(name, span);
        Err(match &candidates[..] {
            [only] if *only == name => error,
            _ => error.note(format!("looked for {}", candidates.join(", "))),
        })
    }

    /// Reads one file; `None` where it is missing.
    fn read(&mut self, path: &str, span: Span) -> Parsed<Option<SourceId>> {
        if self.sources.iter().count() >= MAX_FILES {
            return Err(Diagnostic::error(span, format!("more than {MAX_FILES} files are included")));
        }
        if self.sources.iter().map(|source| source.text.len()).sum::<usize>() > MAX_TEXT {
            let message = format!("included files have more than {} MiB together", MAX_TEXT >> 20);
            return Err(Diagnostic::error(span, message));
        }
        // A file that includes itself, directly or not, would only end at the depth limit.
        if self.including(span).any(|source| *source.name == *path) {
            return Err(Diagnostic::error(span, format!("\"{}\" includes itself", short(path))));
        }
        match self.files.read(path) {
            Ok(text) => match self.sources.add(path, text, Some(span)) {
                Some(source) => Ok(Some(source)),
                None => Err(Diagnostic::error(span, format!("\"{}\" is too long", short(path)))),
            },
            Err(FileError::Missing) => Ok(None),
            Err(error) => {
                Err(Diagnostic::error(span, format!("Could not open file \"{}\": {error}", short(path))))
            }
        }
    }
}

fn missing(name: &str, span: Span) -> Box<Diagnostic> {
    let message = format!("File not found: {}", short(name));
    Diagnostic::error(span, message).code(Code::Missing)
}

/// What a definition stands for: a value, a list, a set, nothing (`{ }`), or a negative number.
fn initializer(p: &mut Parser<'_>) -> Parsed<Expr> {
    let start = p.peek().span;
    if p.is(Sign::BraceOpen) && p.peek_at(1).is(Sign::BraceClose) {
        p.next();
        p.next();
        return Ok(Expr::new(ExprKind::Set(SetLiteral::default()), start.to(p.last_span())));
    }
    if p.is(Sign::BraceOpen) || p.is(Sign::At) {
        return Expr::parse_set_or_name(p);
    }
    if p.eat(Sign::Dash) {
        let number = p.number()?;
        let symbol = crate::expr::symbol::Symbol { text: format!("-{number}").into(), quoted: false };
        return Ok(Expr::new(ExprKind::Symbol(symbol), start.to(p.last_span())));
    }
    if p.is(Sign::Star) {
        p.next();
        return Ok(Expr::new(ExprKind::Wildcard, start));
    }
    let value = if Expr::at_keyword(p) { Expr::parse_lhs(p)? } else { Expr::parse_rhs(p)? };
    if let ExprKind::Set(SetLiteral { elements }) = &value.kind
        && elements.is_empty()
    {
        return Ok(Expr::new(ExprKind::Set(SetLiteral::default()), start));
    }
    // `define x = filter + 5`.
    if (p.is(Sign::Plus) || p.is(Sign::Dash))
        && let ExprKind::Symbol(symbol) = &value.kind
    {
        let sign = if p.eat(Sign::Plus) { "+" } else { p.expect(Sign::Dash).map(|_| "-")? };
        let text = format!("{} {sign} {}", symbol.text, p.number()?);
        let symbol = crate::expr::symbol::Symbol { text: text.into(), quoted: false };
        return Ok(Expr::new(ExprKind::Symbol(symbol), start.to(p.last_span())));
    }
    Ok(value)
}
