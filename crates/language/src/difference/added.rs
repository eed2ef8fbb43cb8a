//! Elements that a change added to sets, as opposed to those that packets added later.

use std::collections::{BTreeSet, HashMap, HashSet};

use ironweir_ruleset::store::{Listed, SetState};
use ironweir_ruleset::{ElementFlags, Ruleset, TableId, Value};

/// An element's key, and its end in a concatenation with intervals.
pub(super) type Key = (Value, Option<Value>);

/// Keys of elements by set.
#[derive(Clone, Debug, Default)]
pub struct Added(HashMap<TableId, HashMap<Box<str>, HashSet<Key>>>);

impl Added {
    /// What sets that are in both rulesets hold in `after` and not in `before`.
    pub fn between(before: &Ruleset, after: &Ruleset, tables: &BTreeSet<TableId>) -> Added {
        let mut added = Added::default();
        for id in tables {
            let (Some(old), Some(new)) = (before.table(id), after.table(id)) else { continue };
            for set in new.sets().filter(|set| !set.is_anonymous()) {
                let Some(old) = old.set(&set.set.name) else { continue };
                let known: HashSet<Key> = keys(old).collect();
                let keys: HashSet<Key> = keys(set).filter(|key| !known.contains(key)).collect();
                if !keys.is_empty() {
                    added.0.entry(id.clone()).or_default().insert(set.set.name.clone(), keys);
                }
            }
        }
        added
    }

    /// What was added to a set.
    pub(super) fn to(&self, table: &TableId, set: &str) -> Option<&HashSet<Key>> {
        self.0.get(table)?.get(set)
    }
}

fn keys(set: &SetState) -> impl Iterator<Item = Key> {
    let starts = set.elements().filter(|element| !element.flags.contains(ElementFlags::INTERVAL_END));
    starts.map(|Listed { key, more, .. }| (key.into_owned(), more.and_then(|more| more.key_end.clone())))
}
