//! A JSON value that knows its path, for diagnostics that name it.

use std::cell::RefCell;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::diag::{Diagnostic, Parsed, nearest, short};
use crate::source::{SourceId, Span};

/// A value of a document, and where it stands.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    value: &'a Value,
    place: u32,
    paths: &'a Paths,
}

/// Where the values of a document stand that were looked at: for each its parent, and which of the parent's it is.
///
/// Spans of what is read from JSON count these places instead of bytes; [`Paths::path`] makes a path of one.
#[derive(Debug, Default)]
pub struct Paths(RefCell<Vec<(u32, u32)>>);

/// The source text that spans of JSON name. It is none of [`crate::source::Sources`], where spans count bytes.
pub(crate) const JSON: SourceId = SourceId(u32::MAX - 1);

impl Paths {
    /// None yet.
    pub fn new() -> Paths {
        Paths::default()
    }

    fn add(&self, parent: u32, position: usize) -> u32 {
        let mut places = self.0.borrow_mut();
        let Ok(place) = u32::try_from(places.len()) else { return parent };
        places.push((parent, u32::try_from(position).unwrap_or(u32::MAX)));
        place
    }

    /// The path of a place in `root`: `nftables[3].add.rule`.
    pub fn path(&self, root: &Value, span: Span) -> Option<String> {
        if span.source != JSON {
            return None;
        }
        let places = self.0.borrow();
        let (mut steps, mut at) = (Vec::new(), span.start);
        while let Some((parent, position)) = places.get(at as usize).filter(|(parent, _)| *parent != at) {
            steps.push(*position as usize);
            at = *parent;
        }
        let (mut path, mut value) = (String::new(), root);
        for position in steps.into_iter().rev() {
            match value {
                Value::Array(items) => {
                    let _ = write!(path, "[{position}]");
                    value = items.get(position)?;
                }
                Value::Object(members) => {
                    let (key, inside) = members.iter().nth(position)?;
                    let dot = if path.is_empty() { "" } else { "." };
                    let _ = write!(path, "{dot}{}", short(key));
                    value = inside;
                }
                _ => return None,
            }
        }
        Some(path)
    }
}

impl<'a> Node<'a> {
    /// A whole document.
    pub fn root(value: &'a Value, paths: &'a Paths) -> Node<'a> {
        let place = u32::try_from(paths.0.borrow().len()).unwrap_or(u32::MAX);
        // A root is its own parent
        Node { value, place: paths.add(place, 0), paths }
    }

    fn child(self, position: usize, value: &'a Value) -> Node<'a> {
        Node { value, place: self.paths.add(self.place, position), paths: self.paths }
    }

    /// The value itself.
    pub fn value(self) -> &'a Value {
        self.value
    }

    /// Where it stands, for the AST made of it.
    pub fn span(self) -> Span {
        Span { source: JSON, start: self.place, end: self.place.saturating_add(1) }
    }

    /// An error here.
    pub fn error(self, message: impl Into<String>) -> Box<Diagnostic> {
        Diagnostic::error(self.span(), message)
    }

    /// The error that something else is wanted here.
    pub fn expected(self, what: &str) -> Box<Diagnostic> {
        self.error(format!("{what} is expected here, not {}", kind_of(self.value)))
    }

    /// The error that a word is none of `words`; the nearest is proposed.
    pub fn unknown(self, what: &str, word: &str, words: &[&str]) -> Box<Diagnostic> {
        let error = self.error(format!("unknown {what} '{}'", short(word)));
        match nearest(word, words.iter().copied()) {
            Some(near) => error.help(format!("did you mean '{near}'?")),
            None => error,
        }
    }

    /// Whether it is `null`.
    pub fn is_null(self) -> bool {
        self.value.is_null()
    }

    /// Its text, where it is a string.
    pub fn as_str(self) -> Option<&'a str> {
        self.value.as_str()
    }

    /// The member of that name; `None` too where this is no object.
    pub fn get(self, key: &str) -> Option<Node<'a>> {
        let members = self.value.as_object()?;
        let value = members.get(key)?;
        let position = members.keys().position(|known| known == key)?;
        Some(self.child(position, value))
    }

    /// The member of that name.
    pub fn need(self, key: &str) -> Parsed<Node<'a>> {
        self.object()?;
        self.get(key).ok_or_else(|| self.error(format!("'{key}' is missing")))
    }

    /// It as an object.
    pub fn object(self) -> Parsed<&'a Map<String, Value>> {
        self.value.as_object().ok_or_else(|| self.expected("an object"))
    }

    /// Members of an object.
    pub fn members(self) -> Parsed<impl Iterator<Item = (&'a str, Node<'a>)>> {
        let members = self.object()?;
        Ok(members.iter().enumerate().map(move |(at, (key, value))| (&**key, self.child(at, value))))
    }

    /// The only member of an object.
    pub fn only(self) -> Parsed<(&'a str, Node<'a>)> {
        let mut members = self.members()?;
        match (members.next(), members.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(self.error("the object is empty")),
            _ => Err(self.error("an object with one member is expected here, not with several")),
        }
    }

    /// Whether it is an array.
    pub fn is_array(self) -> bool {
        self.value.is_array()
    }

    /// Values of an array.
    pub fn items(self) -> Parsed<impl ExactSizeIterator<Item = Node<'a>>> {
        let items = self.value.as_array().ok_or_else(|| self.expected("an array"))?;
        Ok(items.iter().enumerate().map(move |(at, value)| self.child(at, value)))
    }

    /// Two values of an array.
    pub fn pair(self) -> Parsed<(Node<'a>, Node<'a>)> {
        let mut items = self.items()?;
        match (items.next(), items.next(), items.next()) {
            (Some(first), Some(second), None) => Ok((first, second)),
            _ => Err(self.error("an array of two is expected here")),
        }
    }

    /// Values of an array; of anything else, that alone.
    pub fn one_or_more(self) -> Vec<Node<'a>> {
        match self.value {
            Value::Array(items) => {
                items.iter().enumerate().map(|(at, value)| self.child(at, value)).collect()
            }
            _ => vec![self],
        }
    }

    /// A string.
    pub fn string(self) -> Parsed<&'a str> {
        self.value.as_str().ok_or_else(|| self.expected("a string"))
    }

    /// A string out of `words`.
    pub fn one_of(self, what: &str, words: &[&'static str]) -> Parsed<&'static str> {
        let word = self.string()?;
        words.iter().find(|known| **known == word).copied().ok_or_else(|| self.unknown(what, word, words))
    }

    /// A number from 0 to `most`.
    pub fn number(self, most: u64) -> Parsed<u64> {
        let number = self.value.as_u64().ok_or_else(|| self.expected("a number"))?;
        if number > most {
            return Err(self.error(format!("{number} is out of range: at most {most} fits here")));
        }
        Ok(number)
    }

    /// A number of 32 bits.
    pub fn u32(self) -> Parsed<u32> {
        Ok(self.number(u64::from(u32::MAX))? as u32)
    }

    /// A number that may be negative.
    pub fn integer(self) -> Parsed<i64> {
        self.value.as_i64().ok_or_else(|| self.expected("a number"))
    }

    /// `true` or `false`.
    pub fn boolean(self) -> Parsed<bool> {
        self.value.as_bool().ok_or_else(|| self.expected("true or false"))
    }

    /// A member that is `true` or `false`; `false` where it is absent.
    pub fn flag(self, key: &str) -> Parsed<bool> {
        self.object()?;
        self.get(key).map_or(Ok(false), Node::boolean)
    }

    /// A name behind `@`.
    pub fn reference(self) -> Parsed<&'a str> {
        self.string()?.strip_prefix('@').ok_or_else(|| self.expected("a name that begins with '@'"))
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_path() {
        let root: Value = serde_json::from_str(r#"{"nftables":[{},{"add":{"rule":{"expr":[1]}}}]}"#).unwrap();
        let paths = Paths::new();
        let list = Node::root(&root, &paths).need("nftables").unwrap();
        let (_, add) = list.items().unwrap().nth(1).unwrap().only().unwrap();
        let expr = add.need("rule").unwrap().need("expr").unwrap().items().unwrap().next().unwrap();
        let error = expr.object().unwrap_err();
        assert_eq!(paths.path(&root, error.span).as_deref(), Some("nftables[1].add.rule.expr[0]"));
    }
}
