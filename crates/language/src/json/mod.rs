//! JSON, as libnftables-json(5) has it: documents in and out.
//!
//! Rules and declarations meet the text form in the AST. Every node of the AST has `to_json` and `from_json` in its own
//! file, behind its `print`:
//!
//! ```text
//! fn to_json(&self, options: &Options) -> Value      // the whole object, with the key that names it
//! fn from_json(node: Node<'_>) -> Parsed<Self>       // what stands under that key
//! ```
//!
//! This module holds what they share: [`Node`], a value that knows its path; dispatch by the object's key (`expr`,
//! `stmt`); the document with its commands; listings.

mod command;
mod document;
mod echo;
mod expr;
mod node;
mod stmt;

pub use document::Document;
pub use node::{Node, Paths};

use serde_json::Value;

/// An object of one key.
pub fn tagged(key: &str, value: impl Into<Value>) -> Value {
    let mut object = serde_json::Map::new();
    object.insert(key.into(), value.into());
    Value::Object(object)
}

/// The value alone where there is one, else the array.
pub fn one_or_array(mut values: Vec<Value>) -> Value {
    if values.len() == 1 { values.swap_remove(0) } else { Value::Array(values) }
}

/// A time in seconds, as milliseconds.
pub fn seconds(node: Node<'_>) -> crate::diag::Parsed<u64> {
    Ok(node.number(u64::MAX / 1000)? * 1000)
}
