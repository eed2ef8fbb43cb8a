//! Resolving: types, symbols and implied matches.

use crate::diag::{Diagnostic, short};
use crate::source::Span;

mod inner;
mod keys;
mod known;
mod left;
mod members;
pub(crate) mod mistyped;
mod operation;
mod options;
mod payload;
mod protocols;
mod right;

pub(crate) use payload::ones;
pub(crate) use right::{compatible, has_load, is_interval};

pub use keys::{
    CT_KEYS, META_KEYS, RT_KEYS, SOCKET_KEYS, XFRM_KEYS, ct_shape, meta_key, meta_name, meta_shape, rt_shape,
    socket_shape, xfrm_shape,
};
pub use protocols::Protocols;

/// A word that is none of a table's.
fn unknown(span: Span, what: &str, word: &str) -> Box<Diagnostic> {
    Diagnostic::error(span, format!("unknown {what} `{}'", short(word)))
}
