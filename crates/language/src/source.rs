//! Source texts and places in them.

use std::sync::Arc;

/// Which source text: a file, standard input, or a command line. Numbered by [`Sources`] in order of opening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// A stretch of one source text, in bytes; `end` is the first byte beyond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Which text.
    pub source: SourceId,
    /// First byte.
    pub start: u32,
    /// First byte beyond.
    pub end: u32,
}

impl Span {
    /// The place of things that no source text made, such as what listing raises from bytecode.
    pub const NONE: Span = Span { source: SourceId(u32::MAX), start: 0, end: 0 };

    /// From the beginning of `self` to the end of `last`; `self` where they lie in different texts.
    pub fn to(self, last: Span) -> Span {
        if self == Span::NONE {
            return last;
        }
        if self.source != last.source || last == Span::NONE {
            return self;
        }
        Span { end: self.end.max(last.end), ..self }
    }

    /// Whether a source text made it.
    pub fn is_some(self) -> bool {
        self != Span::NONE
    }
}

/// One source text.
#[derive(Clone, Debug)]
pub struct Source {
    /// What messages call it: a path, `/dev/stdin`, `<cmdline>`.
    pub name: Arc<str>,
    /// The text.
    pub text: Arc<String>,
    /// Where `include` named it.
    pub included_from: Option<Span>,
}

/// Every source text of a run, so that spans can be shown.
#[derive(Clone, Debug, Default)]
pub struct Sources(Vec<Source>);

/// A place as people count: lines and columns from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// Name of the text.
    pub name: &'a str,
    /// Line of the first character.
    pub line: usize,
    /// Column of the first character.
    pub column: usize,
    /// Column of the last character; that of the line's end where the span goes on.
    pub last_column: usize,
    /// The whole line.
    pub text: &'a str,
}

impl Sources {
    /// None yet.
    pub fn new() -> Sources {
        Sources::default()
    }

    /// Adds a text; one that is given away is not copied. `None` where it is longer than spans can count (4 GiB).
    pub fn add(
        &mut self,
        name: &str,
        text: impl Into<String>,
        included_from: Option<Span>,
    ) -> Option<SourceId> {
        let text = text.into();
        u32::try_from(text.len()).ok()?;
        let id = SourceId(u32::try_from(self.0.len()).ok()?);
        self.0.push(Source { name: name.into(), text: Arc::new(text), included_from });
        Some(id)
    }

    /// A text by its number.
    pub fn get(&self, id: SourceId) -> Option<&Source> {
        self.0.get(id.0 as usize)
    }

    /// Every text in order of opening.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.0.iter()
    }

    /// The text under a span; empty where there is none.
    pub fn text(&self, span: Span) -> &str {
        self.get(span.source)
            .and_then(|source| source.text.get(span.start as usize..span.end as usize))
            .unwrap_or_default()
    }

    /// First and last position of a span as the Language Server Protocol counts: lines from 0, UTF-16 code units from 0,
    /// the end being the position behind the last character. `None` for [`Span::NONE`].
    pub fn range(&self, span: Span) -> Option<[(usize, usize); 2]> {
        let text = &*self.get(span.source)?.text;
        let position = |at: u32| {
            let mut at = (at as usize).min(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            let line_start = text[..at].rfind('\n').map_or(0, |at| at + 1);
            (text[..line_start].matches('\n').count(), text[line_start..at].encode_utf16().count())
        };
        Some([position(span.start), position(span.end)])
    }

    /// Where a span is, as people count; `None` for [`Span::NONE`].
    pub fn place(&self, span: Span) -> Option<Place<'_>> {
        let source = self.get(span.source)?;
        let text = &*source.text;
        let floor = |mut at: usize| {
            at = at.min(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = floor(span.start as usize);
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let end = floor(span.end as usize).clamp(start, line_end);
        let column = text[line_start..start].chars().count() + 1;
        let width = text[start..end].chars().count().max(1);
        Some(Place {
            name: &source.name,
            line: before.matches('\n').count() + 1,
            column,
            last_column: column + width - 1,
            text: &text[line_start..line_end],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_from_one() {
        let mut sources = Sources::new();
        let source = sources.add("f", "one\ntwø three\n", None).expect("short");
        let place = sources.place(Span { source, start: 9, end: 14 }).expect("is a source");
        assert_eq!((place.line, place.column, place.last_column, place.text), (2, 5, 9, "twø three"));
        assert_eq!(sources.range(Span { source, start: 9, end: 14 }), Some([(1, 4), (1, 9)]));
    }
}
