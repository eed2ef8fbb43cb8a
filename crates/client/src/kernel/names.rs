//! Names for the anonymous sets of a large batch.
//!
//! A set that is named by a pattern (`__map%d`) gets the least number that is free, for which the kernel reads the number
//! of every other set of the table (`nf_tables_set_alloc_name`, Linux 6.18 `net/netfilter/nf_tables_api.c`). Of many sets
//! that is a quarter of the time that their batch takes. A number that we give costs it nothing, and is as good: all else
//! refers to the set by its number in the batch.

use std::collections::HashMap;

use ironweir_ruleset::store::{ChangeError, Errno};
use ironweir_ruleset::{Batch, Change, Creation, Ruleset, Set, SetFlags, TableId};

/// Gives out names.
pub(super) struct Names<'r> {
    /// Where names may be taken.
    ruleset: &'r Ruleset,
    /// The next number, by table and by what stands before it.
    next: HashMap<(TableId, Box<str>), u32>,
}

impl<'r> Names<'r> {
    /// That nothing has in what is known of the ruleset. What is not known refuses its name's second bearer.
    pub(super) fn new(ruleset: &'r Ruleset) -> Names<'r> {
        Names { ruleset, next: HashMap::new() }
    }

    /// The change that makes the same set with a name; `None` where it has one.
    pub(super) fn named(&mut self, change: &Change) -> Option<Change> {
        let Change::NewSet { table, set, .. } = change else { return None };
        let prefix = pattern(set)?;
        let known = self.ruleset.table(table);
        let next = self.next.entry((table.clone(), prefix.into())).or_default();
        let name: Box<str> = loop {
            let name = format!("{prefix}{next}");
            *next = next.checked_add(1)?;
            if known.is_none_or(|known| known.set(&name).is_none()) {
                break name.into();
            }
        };
        let set = Set { name, ..set.clone() };
        Some(Change::NewSet { table: table.clone(), set, creation: Creation::Create })
    }
}

/// Whether a name that was given may have been taken.
pub(super) fn was_taken(refused: &[ChangeError], batch: &Batch) -> bool {
    refused.iter().any(|error| {
        let set = match batch.changes.get(error.change) {
            Some(Change::NewSet { set, .. }) => set,
            _ => return false,
        };
        error.kind.errno() == Errno::EEXIST && pattern(set).is_some()
    })
}

/// What stands before the number in an anonymous set's name, where it has none yet.
fn pattern(set: &Set) -> Option<&str> {
    let anonymous = set.flags.contains(SetFlags::ANONYMOUS);
    set.name.strip_suffix("%d").filter(|_| anonymous)
}
