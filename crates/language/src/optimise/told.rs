//! What is told of merges, as nft tells it.

use super::Merge;
use crate::source::{SourceId, Sources, Span};

/// Longest line that is shown whole, in bytes: of many rules in one line each shows itself alone.
const LONGEST: usize = 256;

/// What `nft -o` tells of merges (nft(8), `--optimize`): every rule with its place and line, and what they became; each
/// without a last newline.
pub fn tell(merges: &[Merge], sources: &Sources) -> Vec<String> {
    let mut cursor = Cursor::new(sources);
    let told = merges.iter().map(|merge| {
        let mut out = "Merging:\n".to_owned();
        for span in &merge.from {
            out.extend(cursor.line(*span));
        }
        out.push_str(&format!("into:\n\t{}", merge.into));
        out
    });
    told.collect()
}

/// Where rules of a text are, which follow one another: each is looked for from where the last one was.
struct Cursor<'s> {
    sources: &'s Sources,
    source: Option<SourceId>,
    /// Where it stands, in bytes; at which line and column, from 1.
    at: usize,
    line: usize,
    column: usize,
    /// The line it stands in, from its first byte to its newline.
    bounds: (usize, usize),
}

impl<'s> Cursor<'s> {
    fn new(sources: &'s Sources) -> Cursor<'s> {
        Cursor { sources, source: None, at: 0, line: 1, column: 1, bounds: (0, 0) }
    }

    /// `FILE:LINE:FIRST-LAST: TEXT` and a newline; `None` of what is nowhere.
    fn line(&mut self, span: Span) -> Option<String> {
        let source = self.sources.get(span.source)?;
        let text = source.text.as_str();
        let start = span.start as usize;
        if self.source != Some(span.source) || start < self.at {
            let end = text.find('\n').unwrap_or(text.len());
            *self = Cursor { source: Some(span.source), bounds: (0, end), ..Cursor::new(self.sources) };
        }
        let passed = text.get(self.at..start)?;
        match passed.rfind('\n') {
            None => self.column += passed.chars().count(),
            Some(last) => {
                self.line += passed.matches('\n').count();
                let first = self.at + last + 1;
                let end = text.get(start..)?.find('\n').map_or(text.len(), |end| start + end);
                self.bounds = (first, end);
                self.column = text.get(first..start)?.chars().count() + 1;
            }
        }
        self.at = start;
        let (first, end) = self.bounds;
        let own = text.get(start..(span.end as usize).clamp(start, end))?;
        let last = self.column + own.chars().count().max(1) - 1;
        let shown = if end - first > LONGEST { own } else { text.get(first..end)? };
        Some(format!("{}:{}:{}-{last}: {shown}\n", source.name, self.line, self.column))
    }
}
