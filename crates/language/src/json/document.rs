//! Documents: `{ "nftables": [ ... ] }`.

use serde_json::Value;

use super::{Node, Paths, command::command};
use crate::cmd::Command;
use crate::diag::Diagnostic;
use crate::source::Span;

/// A document that was read, so that places in it can be named.
pub struct Document {
    pub(super) root: Value,
    paths: Paths,
}

/// At most so many errors of a document are told.
const MAX_ERRORS: usize = 20;

/// Whether a string in a value, or a key, has a NUL. Values are nested 128 deep at most.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(members) => members.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}

impl Document {
    /// Whether a text is meant as JSON: no text of the language begins so.
    pub fn looks_like(text: &str) -> bool {
        text.trim_start().starts_with(['{', '['])
    }

    /// Reads a text. Values are nested 128 deep at most.
    ///
    /// # Errors
    /// Where it is no JSON; the line and column are part of the message.
    pub fn read(text: &str) -> Result<Document, Box<Diagnostic>> {
        match serde_json::from_str(text) {
            // As jansson, which reads nft's documents: names and texts end at a NUL wherever they are kept.
            Ok(root) if text.contains("\\u0000") && has_nul(&root) => {
                Err(Diagnostic::error(Span::NONE, "this is no JSON that nft reads: \\u0000 is not allowed"))
            }
            Ok(root) => Ok(Document { root, paths: Paths::new() }),
            Err(error) => Err(Diagnostic::error(Span::NONE, format!("this is no JSON: {error}"))),
        }
    }

    /// The commands that can be read, and the errors of the others.
    pub fn commands(&self) -> (Vec<Command>, Vec<Diagnostic>) {
        let (mut commands, mut errors) = (Vec::new(), Vec::new());
        let root = Node::root(&self.root, &self.paths);
        let items = match root.need("nftables").and_then(Node::items) {
            Ok(items) => items,
            Err(error) => return (commands, vec![*error]),
        };
        for item in items {
            match command(item) {
                Ok(found) => commands.extend(found),
                Err(error) => errors.push(*error),
            }
            if errors.len() >= MAX_ERRORS {
                break;
            }
        }
        (commands, errors)
    }

    /// A diagnostic with paths of the document instead of places in it.
    pub fn with_paths(&self, name: &str, mut diagnostic: Diagnostic) -> Diagnostic {
        let path = |span: Span| self.paths.path(&self.root, span);
        let main = path(diagnostic.span);
        if let Some(main) = &main {
            let main = if main.is_empty() { String::new() } else { format!("{main}: ") };
            diagnostic.message = format!("{main}{}", diagnostic.message);
            diagnostic.span = Span::NONE;
        }
        diagnostic.message = format!("{name}: {}", diagnostic.message);
        let further = std::mem::take(&mut diagnostic.further);
        for (span, note) in further {
            match path(span) {
                Some(place) if Some(&place) == main.as_ref() => {}
                Some(place) => diagnostic.message.push_str(&format!("; {place}: {note}")),
                None => diagnostic.further.push((span, note)),
            }
        }
        diagnostic
    }
}
