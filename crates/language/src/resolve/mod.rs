//! Resolving: types, symbols and implied matches.

use crate::diag::{Diagnostic, short};
use crate::source::Span;

mod family;
mod inner;
mod left;
mod members;
pub(crate) mod mistyped;
mod operation;
mod payload;
mod protocols;
mod right;

pub(crate) use family::family_unknown;
pub(crate) use payload::{ones, whole_bytes};
pub(crate) use right::{can_be, compatible, fits_argument, has_load, is_interval};

pub use protocols::Protocols;

/// A word that is none of a table's.
pub(crate) fn unknown(span: Span, what: &str, word: &str) -> Box<Diagnostic> {
    Diagnostic::error(span, format!("unknown {what} `{}'", short(word)))
}
