//! What resolving and raising may look up: names of the machine, sets of the table.

use ironweir_ruleset::{Element, Family, Set};

use crate::datatype::Names;

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
