//! `list`, `reset` and `get`.

use crate::cmd::Listing;
use crate::decl::element::ElementsDecl;
use crate::diag::{Diagnostic, Parsed};
use crate::source::Span;

use super::{Backend, Session};

impl Session {
    pub(super) fn list(&self, _listing: &Listing, _backend: &dyn Backend, span: Span) -> Parsed<String> {
        Err(Diagnostic::error(span, "listing is not supported yet"))
    }

    pub(super) fn reset(&self, _listing: &Listing, _backend: &mut dyn Backend, span: Span) -> Parsed<String> {
        Err(Diagnostic::error(span, "reset is not supported yet"))
    }

    pub(super) fn get(&self, _elements: &ElementsDecl, _backend: &dyn Backend, span: Span) -> Parsed<String> {
        Err(Diagnostic::error(span, "get is not supported yet"))
    }
}
