//! Diagnostics: what is wrong with a text, where, and what to do about it.

use std::fmt::Write;

use crate::source::{Place, Sources, Span};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The text means something, but perhaps not what its author thinks.
    Warning,
    /// The text is refused.
    Error,
}

/// What kind of mistake it is, for programs that treat some of them apart: an editor that offers to correct a name, a
/// test that expects a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The text is not of the language's grammar.
    Syntax,
    /// A name of something that is not there: table, chain, set, object, variable, file.
    Missing,
    /// What a definition needs is not said, such as the type of a set's keys.
    Incomplete,
    /// There is such a thing already.
    Exists,
    /// A value or set is of another type than its place wants.
    Type,
    /// Intervals overlap.
    Overlap,
    /// The ruleset would not be valid as a whole, or the place is wrong for it.
    Refused,
}

impl Code {
    /// A word that stays the same from version to version.
    pub const fn name(self) -> &'static str {
        match self {
            Code::Syntax => "syntax",
            Code::Missing => "missing",
            Code::Incomplete => "incomplete",
            Code::Exists => "exists",
            Code::Type => "type",
            Code::Overlap => "overlap",
            Code::Refused => "refused",
        }
    }
}

/// One message about a place in a source text, from whatever found it: lexer, parser, a pass, or the backend.
///
/// It holds what a language server sends, each part apart: severity, code, range ([`Sources::place`] and
/// [`Sources::range`] count as people and as editors do), message, related places each with its message, and what to do
/// about it. [`Diagnostic::render`] makes text of it, as nft's own `erec_print` begins:
///
/// ```text
/// file:line:col-col: Error: message            what is wrong
/// the line
///       ^^^^ ~~~~                              where; `~` under further places of the same line
/// note: ...                                    which family, table and chain it is about
/// file:line:col-col: note: ...                 a further place, with its line
/// help: ...                                    what the author may have meant
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of mistake it is, where it has a kind.
    pub code: Option<Code>,
    /// What is wrong, without a full stop.
    pub message: String,
    /// Where.
    pub span: Span,
    /// What else has to do with it, each with a word on how: where a name was defined, what a value overlaps.
    pub further: Vec<(Span, String)>,
    /// What is known about it beside the message: which family, table and chain it is about, which types met.
    pub notes: Vec<String>,
    /// What the author may have meant.
    pub help: Option<String>,
}

/// Result of parsing or a pass. The error is boxed since results are passed through many frames.
pub type Parsed<T> = Result<T, Box<Diagnostic>>;

/// What the text that a command line consists of is called.
pub const COMMAND_LINE: &str = "<cmdline>";

impl Diagnostic {
    /// An error at a place.
    pub fn error(span: Span, message: impl Into<String>) -> Box<Diagnostic> {
        Box::new(Diagnostic {
            severity: Severity::Error,
            code: None,
            message: message.into(),
            span,
            further: Vec::new(),
            notes: Vec::new(),
            help: None,
        })
    }

    /// A warning at a place.
    pub fn warning(span: Span, message: impl Into<String>) -> Box<Diagnostic> {
        let mut diagnostic = Diagnostic::error(span, message);
        diagnostic.severity = Severity::Warning;
        diagnostic
    }

    /// Of a kind.
    pub fn code(mut self: Box<Self>, code: Code) -> Box<Diagnostic> {
        self.code = Some(code);
        self
    }

    /// With something that is known about it.
    pub fn note(mut self: Box<Self>, note: impl Into<String>) -> Box<Diagnostic> {
        self.notes.push(note.into());
        self
    }

    /// With the name that was meant, where one is near.
    pub fn meant(self: Box<Self>, near: Option<impl std::fmt::Display>) -> Box<Diagnostic> {
        match near {
            Some(near) => self.help(format!("did you mean '{near}'?")),
            None => self,
        }
    }

    /// With a hint for the author.
    pub fn help(mut self: Box<Self>, help: impl Into<String>) -> Box<Diagnostic> {
        self.help = Some(help.into());
        self
    }

    /// With a further place that has to do with it.
    pub fn and(mut self: Box<Self>, span: Span, note: impl Into<String>) -> Box<Diagnostic> {
        self.further.push((span, note.into()));
        self
    }

    /// As text, several lines, ending in a newline.
    pub fn render(&self, sources: &Sources) -> String {
        let mut out = String::new();
        let severity = match self.severity {
            Severity::Warning => "Warning",
            Severity::Error => "Error",
        };
        let message = printable(&self.message, 1000);
        match sources.place(self.span) {
            None => {
                let _ = writeln!(out, "{severity}: {message}");
            }
            Some(place) => {
                // What stands on the command line is seen whole; nft tells no place in it.
                let place_of = |place: &Place<'_>| match place.name {
                    COMMAND_LINE => String::new(),
                    name => format!("{name}:{}:{}-{}: ", place.line, place.column, place.last_column),
                };
                let mut from = sources.get(self.span.source).and_then(|source| source.included_from);
                let mut frames = Vec::new();
                while let Some(span) = from.filter(|_| frames.len() < MAX_FRAMES) {
                    let Some(place) = sources.place(span) else { break };
                    frames.push(format!(
                        "{}:{}:{}-{}:",
                        place.name, place.line, place.column, place.last_column
                    ));
                    from = sources.get(span.source).and_then(|source| source.included_from);
                }
                for (at, frame) in frames.iter().enumerate() {
                    let word = if at == 0 { "In file included from " } else { "                 from " };
                    let _ = writeln!(out, "{word}{frame}");
                }
                let _ = writeln!(out, "{}{severity}: {message}", place_of(&place));
                let same_line: Vec<Place<'_>> = self
                    .further
                    .iter()
                    .filter(|(span, _)| span.source == self.span.source)
                    .filter_map(|(span, _)| sources.place(*span))
                    .filter(|further| further.line == place.line)
                    .collect();
                underline(&mut out, &place, &same_line);
            }
        }
        for note in &self.notes {
            let _ = writeln!(out, "note: {}", printable(note, 1000));
        }
        let main = sources.place(self.span).map(|place| (self.span.source, place.line));
        for (span, note) in &self.further {
            let Some(place) = sources.place(*span) else { continue };
            let (name, line, first, last) = (place.name, place.line, place.column, place.last_column);
            let _ = writeln!(out, "{name}:{line}:{first}-{last}: note: {}", printable(note, 1000));
            if main != Some((span.source, line)) {
                underline(&mut out, &place, &[]);
            }
        }
        if let Some(help) = &self.help {
            let _ = writeln!(out, "help: {}", printable(help, 1000));
        }
        out
    }
}

/// More includes than this are not listed above a message.
const MAX_FRAMES: usize = 20;
/// Columns of a source line that are shown; a line may be a megabyte long.
const MAX_COLUMNS: usize = 240;

/// The line and the marks under it, cut to what fits around the main place.
fn underline(out: &mut String, place: &Place<'_>, further: &[Place<'_>]) {
    if place.text.trim().is_empty() {
        return;
    }
    let skip = if place.column + 80 > MAX_COLUMNS { place.column - 81 } else { 0 };
    let shown: String = place
        .text
        .chars()
        .skip(skip)
        .take(MAX_COLUMNS)
        .map(|c| if c == '\t' || c.is_control() { ' ' } else { c })
        .collect();
    let width = shown.chars().count();
    let mut marks = vec![' '; width + 1];
    let mut mark = |place: &Place<'_>, with: char| {
        for column in place.column..=place.last_column {
            if let Some(slot) = (column - 1).checked_sub(skip).and_then(|at| marks.get_mut(at)) {
                *slot = with;
            }
        }
    };
    further.iter().for_each(|place| mark(place, '~'));
    mark(place, '^');
    let marks: String = marks.into_iter().collect();
    let _ = writeln!(out, "{shown}\n{}", marks.trim_end());
}

/// Text for a message: control characters made visible, cut to `max` characters.
fn printable(text: &str, max: usize) -> String {
    let mut out = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == max {
            out.push_str("...");
            break;
        }
        if c.is_control() && c != '\n' { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// A name from outside as it is quoted in messages: cut to a readable length.
pub fn short(name: &str) -> String {
    printable(name, 128)
}

/// The candidate nearest to `word`: fewest letters changed, at most a third of them; ties go to the first. Small and
/// capital letters are the same, and the beginning of a word is near to it.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    let limit = (word.chars().count() / 3).max(1);
    let lower = word.to_lowercase();
    let far = |candidate: &str| {
        if candidate.len().abs_diff(word.len()) > limit {
            let begins = word.len() >= 3 && candidate.starts_with(&*lower)
                || candidate.len() >= 4 && lower.starts_with(candidate);
            return if begins { limit } else { usize::MAX };
        }
        distance(&lower, &candidate.to_lowercase())
    };
    candidates
        .into_iter()
        .take(MAX_CANDIDATES)
        .map(|candidate| (far(candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        // People seldom get the first letter wrong.
        .min_by_key(|(distance, candidate)| (*distance, candidate.chars().next() != word.chars().next()))
        .map(|(_, candidate)| candidate)
}

/// Names that are compared with a misspelt one; a table may have a hundred thousand.
const MAX_CANDIDATES: usize = 10_000;

/// Edit distance with swaps of neighbours (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().take(128).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let substituted = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut best = substituted.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_has_the_shape_nft_users_know() {
        let mut sources = Sources::new();
        let source = sources.add("t.nft", "add rule x y udp port 5060\n", None).expect("short");
        let diagnostic =
            Diagnostic::error(Span { source, start: 17, end: 21 }, "syntax error, unexpected port")
                .and(Span { source, start: 13, end: 16 }, "of this header")
                .help("did you mean 'dport'?");
        assert_eq!(
            diagnostic.render(&sources),
            "t.nft:1:18-21: Error: syntax error, unexpected port\n\
             add rule x y udp port 5060\n\
             \u{20}            ~~~ ^^^^\n\
             t.nft:1:14-16: note: of this header\n\
             help: did you mean 'dport'?\n"
        );
    }

    #[test]
    fn the_nearest_name_is_near() {
        assert_eq!(nearest("prot", ["sport", "port", "protocol"]), Some("port"));
        assert_eq!(nearest("zebra", ["sport", "dport"]), None);
    }
}
