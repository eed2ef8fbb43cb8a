//! What resolving and raising may look up: names of the machine, sets of the table.

use ironweir_ruleset::{Element, Family, Set, TableId};

use crate::datatype::Names;
use crate::diag::{Code, Diagnostic, nearest, short};
use crate::source::Span;

/// Where a rule stands, and what it can name.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// Family of its table.
    pub family: Family,
    /// What the machine knows.
    pub names: &'a Names,
    /// Sets and maps of the table, with those of the batch under way.
    pub sets: &'a dyn Sets,
}

/// Finds sets of one table.
pub trait Sets {
    /// The set of that name (anonymous ones too), with its elements where raising will list them.
    fn set(&self, name: &str) -> Option<&Set>;

    /// Names of the sets there are, each with where it is declared ([`Span::NONE`] for what is committed).
    fn named(&self) -> Vec<(Box<str>, Span)> {
        Vec::new()
    }

    /// The elements of an anonymous set.
    fn elements(&self, name: &str) -> Vec<Element>;
}

/// No sets.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSets;

impl Sets for NoSets {
    fn set(&self, _: &str) -> Option<&Set> {
        None
    }

    fn elements(&self, _: &str) -> Vec<Element> {
        Vec::new()
    }
}

impl Scope<'_> {
    /// The error that there is no set of that name, with the one that may be meant.
    pub(crate) fn no_set(&self, table: &TableId, name: &str, span: Span) -> Box<Diagnostic> {
        let error = Diagnostic::error(span, "No such file or directory")
            .code(Code::Missing)
            .note(format!("set or map {} does not exist in table {table}", short(name)));
        let known = self.sets.named();
        let near = nearest(name, known.iter().map(|(known, _)| &**known));
        match known.iter().find(|(known, _)| Some(&**known) == near) {
            None => error,
            Some((near, place)) => {
                let error = error.help(format!("did you mean '@{near}'?"));
                if place.is_some() { error.and(*place, format!("'{near}' is declared here")) } else { error }
            }
        }
    }

    /// Where a set is declared, added to an error about it.
    pub(crate) fn declared(&self, error: Box<Diagnostic>, name: &str, what: &str) -> Box<Diagnostic> {
        match self.sets.named().into_iter().find(|(known, place)| &**known == name && place.is_some()) {
            Some((_, place)) => error.and(place, what),
            None => error,
        }
    }
}
