//! What the batch under way has declared and removed, over what is committed.

use std::collections::{BTreeMap, HashMap, HashSet};

use ironweir_ruleset::store::{SetState, TableState};
use ironweir_ruleset::{BaseChain, Element, Family, RuleSelector, Ruleset, Set, TableId};

use crate::interval::Member;
use crate::scope::Sets;
use crate::source::Span;

/// By table.
#[derive(Debug, Default)]
pub(super) struct Cache {
    tables: BTreeMap<TableId, TableCache>,
    /// Families whose committed tables are gone; `None` for all.
    flushed: HashSet<Option<Family>>,
}

/// What the batch did to one table.
#[derive(Debug, Default)]
pub(super) struct TableCache {
    /// The committed table of that name is gone.
    gone: bool,
    sets: HashMap<Box<str>, SetCache>,
    removed_sets: HashSet<Box<str>>,
    chains: HashMap<Box<str>, Option<BaseChain>>,
    removed_chains: HashSet<Box<str>>,
    /// Rules by chain in order, where some command needed to know; `None` for a chain whose rules nobody counted.
    rules: HashMap<Box<str>, Vec<RuleSelector>>,
}

/// A set of the batch, or what the batch added to a committed one.
#[derive(Debug)]
pub(super) struct SetCache {
    /// Its attributes.
    pub(super) set: Set,
    /// It holds nothing yet.
    pub(super) empty: bool,
    /// Its intervals, kept for sets with `auto-merge` alone.
    pub(super) members: Option<Vec<Member>>,
    /// Where it is declared; [`Span::NONE`] where it is committed.
    pub(super) place: Span,
}

impl Cache {
    fn is_flushed(&self, family: Family) -> bool {
        self.flushed.contains(&None) || self.flushed.contains(&Some(family))
    }

    /// The committed table, where the batch has not removed it.
    pub(super) fn committed<'r>(&self, ruleset: &'r Ruleset, id: &TableId) -> Option<&'r TableState> {
        if self.tables.get(id).is_some_and(|table| table.gone) || self.is_flushed(id.family) {
            return None;
        }
        ruleset.table(id)
    }

    /// What is remembered of a table.
    pub(super) fn table(&mut self, id: &TableId) -> &mut TableCache {
        if !self.tables.contains_key(id) {
            self.tables.insert(id.clone(), TableCache::default());
        }
        self.tables.get_mut(id).expect("it was inserted where it was not there")
    }

    pub(super) fn flush_ruleset(&mut self, family: Option<Family>) {
        self.flushed.insert(family);
        self.tables.retain(|id, _| family.is_some_and(|family| id.family != family));
    }

    pub(super) fn remove_table(&mut self, id: &TableId) {
        *self.table(id) = TableCache { gone: true, ..TableCache::default() };
    }

    pub(super) fn declare_chain(&mut self, id: &TableId, name: &str, base: Option<BaseChain>) {
        let table = self.table(id);
        if base.is_some() || !table.chains.contains_key(name) {
            table.chains.insert(name.into(), base);
        }
    }

    pub(super) fn remove_chain(&mut self, id: &TableId, name: &str) {
        let table = self.table(id);
        table.chains.remove(name);
        table.rules.insert(name.into(), Vec::new());
        table.removed_chains.insert(name.into());
    }

    /// What makes a chain a base chain: of the batch, or committed.
    pub(super) fn base_chain(&self, ruleset: &Ruleset, id: &TableId, name: &str) -> Option<BaseChain> {
        let table = self.tables.get(id);
        if let Some(Some(base)) = table.and_then(|table| table.chains.get(name)) {
            return Some(base.clone());
        }
        if table.is_some_and(|table| table.removed_chains.contains(name)) {
            return None;
        }
        self.committed(ruleset, id)?.chain(name)?.chain.base.clone()
    }

    pub(super) fn declare_set(&mut self, id: &TableId, set: Set, fresh: bool, place: Span) {
        let members = None;
        let table = self.table(id);
        table.removed_sets.remove(&set.name);
        table.sets.insert(set.name.clone(), SetCache { set, empty: fresh, members, place });
    }

    /// Where the batch declares a set.
    pub(super) fn place(&self, id: &TableId, name: &str) -> Option<Span> {
        let place = self.tables.get(id)?.sets.get(name)?.place;
        place.is_some().then_some(place)
    }

    pub(super) fn remove_set(&mut self, id: &TableId, name: &str) {
        let table = self.table(id);
        table.sets.remove(name);
        table.removed_sets.insert(name.into());
    }

    pub(super) fn flush_set(&mut self, ruleset: &Ruleset, id: &TableId, name: &str) {
        if let Some(set) = self.set_mut(ruleset, id, name) {
            set.empty = true;
            set.members = None;
        }
    }

    fn committed_set<'r>(&self, ruleset: &'r Ruleset, id: &TableId, name: &str) -> Option<&'r SetState> {
        if self.tables.get(id).is_some_and(|table| table.removed_sets.contains(name)) {
            return None;
        }
        self.committed(ruleset, id)?.set(name)
    }

    /// A set of the batch or committed.
    pub(super) fn set<'c>(&'c self, ruleset: &'c Ruleset, id: &TableId, name: &str) -> Option<&'c Set> {
        match self.tables.get(id).and_then(|table| table.sets.get(name)) {
            Some(known) => Some(&known.set),
            None => self.committed_set(ruleset, id, name).map(|state| &state.set),
        }
    }

    /// A set as the batch knows it; a committed one is taken over first.
    pub(super) fn set_mut(&mut self, ruleset: &Ruleset, id: &TableId, name: &str) -> Option<&mut SetCache> {
        let known = self.tables.get(id).is_some_and(|table| table.sets.contains_key(name));
        if !known {
            let state = self.committed_set(ruleset, id, name)?;
            let cached = SetCache {
                set: state.set.clone(),
                empty: state.is_empty(),
                members: None,
                place: Span::NONE,
            };
            self.table(id).sets.insert(name.into(), cached);
        }
        self.table(id).sets.get_mut(name)
    }

    /// The committed elements of a set, where the batch has not removed it.
    pub(super) fn committed_elements<'r>(
        &self,
        ruleset: &'r Ruleset,
        id: &TableId,
        name: &str,
    ) -> Option<&'r SetState> {
        self.committed_set(ruleset, id, name)
    }

    pub(super) fn flush_rules(&mut self, id: &TableId, chain: Option<&str>) {
        let table = self.table(id);
        match chain {
            Some(chain) => {
                table.rules.insert(chain.into(), Vec::new());
            }
            None => table.rules.values_mut().for_each(Vec::clear),
        }
    }

    /// Adds a rule at the end of a chain.
    pub(super) fn add_rule(&mut self, ruleset: &Ruleset, id: &TableId, chain: &str, rule: RuleSelector) {
        match self.tables.get_mut(id).and_then(|table| table.rules.get_mut(chain)) {
            Some(rules) => rules.push(rule),
            None => self.rules(ruleset, id, chain).push(rule),
        }
    }

    /// Rules of a chain in order, of the batch and committed.
    pub(super) fn rules(&mut self, ruleset: &Ruleset, id: &TableId, chain: &str) -> &mut Vec<RuleSelector> {
        let known = self.tables.get(id).is_some_and(|table| table.rules.contains_key(chain));
        if !known {
            let committed = self
                .committed(ruleset, id)
                .and_then(|table| table.chain(chain))
                .map(|chain| chain.rules().map(|rule| RuleSelector::Handle(rule.handle)).collect())
                .unwrap_or_default();
            self.table(id).rules.insert(chain.into(), committed);
        }
        self.table(id).rules.entry(chain.into()).or_default()
    }
}

/// The sets that rules of one table can name.
pub(super) struct TableSets<'c> {
    pub(super) cache: &'c Cache,
    pub(super) ruleset: &'c Ruleset,
    pub(super) table: &'c TableId,
}

impl Sets for TableSets<'_> {
    fn set(&self, name: &str) -> Option<&Set> {
        self.cache.set(self.ruleset, self.table, name)
    }

    fn named(&self) -> Vec<(Box<str>, Span)> {
        let batch = self.cache.tables.get(self.table).into_iter().flat_map(|table| &table.sets);
        let mut found: Vec<(Box<str>, Span)> =
            batch.map(|(name, known)| (name.clone(), known.place)).collect();
        let committed = self.cache.committed(self.ruleset, self.table);
        let named = committed.into_iter().flat_map(|table| table.sets()).filter(|set| !set.is_anonymous());
        found.extend(named.map(|set| (set.set.name.clone(), Span::NONE)));
        found.sort();
        found
    }

    fn elements(&self, _: &str) -> Vec<Element> {
        Vec::new()
    }
}
