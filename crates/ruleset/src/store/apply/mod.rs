//! The transaction: a batch becomes part of the ruleset whole or not at all.

mod chains;
mod elements;
mod flowtables;
mod objects;
mod rules;
pub(super) mod sets;
mod tables;
mod undo;
mod validate;

use hashbrown::{HashMap, HashSet};
use ironweir_wire::Instant;

pub(super) use self::rules::{put_rule, take_rule};
use self::undo::Undo;
use super::error::Thing;
use super::{ChangeError, ErrorKind, Ruleset, TableState};
use crate::{Batch, Change, Family, Handle, TableId};

/// Refusals of one batch that are told: whoever reads them has lost the thread long before.
pub const MAX_REFUSALS: usize = 1000;

/// What a committed batch did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// For each change the handle of what it made or found; `None` where it has none.
    pub handles: Vec<Option<Handle>>,
    /// The new generation.
    pub generation: u64,
}

impl Ruleset {
    /// Makes every change of a batch, or none: then each refused change is told.
    ///
    /// # Errors
    /// Every change that was refused, in order, with the reason; what follows [`MAX_REFUSALS`] of them is not tried.
    pub fn apply(&mut self, batch: &Batch, now: Instant) -> Result<Applied, Vec<ChangeError>> {
        let mut errors = Vec::new();
        let next_table_handle = self.next_table_handle;
        let next_anonymous_chain = self.next_anonymous_chain;
        let mut transaction = Transaction::new(self, batch, now);
        for (index, change) in batch.changes.iter().enumerate() {
            transaction.change = index;
            match transaction.make(change) {
                Ok(handle) => transaction.handles.push(handle),
                Err(kind) => {
                    transaction.handles.push(None);
                    errors.push(ChangeError { change: index, kind });
                    if errors.len() == MAX_REFUSALS {
                        break;
                    }
                }
            }
        }
        // What is missing because its own change was refused would only repeat the story.
        if errors.is_empty() {
            transaction.validate(&mut errors);
        }
        if errors.is_empty() {
            let handles = std::mem::take(&mut transaction.handles);
            self.generation += 1;
            return Ok(Applied { handles, generation: self.generation });
        }
        transaction.roll_back();
        self.next_table_handle = next_table_handle;
        self.next_anonymous_chain = next_anonymous_chain;
        errors.sort_by_key(|error| error.change);
        Err(errors)
    }

    /// Makes what can be made of a batch, and passes over the rest: how a ruleset elsewhere may look when its owner has
    /// committed the batch. Not for rulesets that are committed to: nothing can be undone, and jumps are not looked at.
    pub fn foresee(&mut self, batch: &Batch, now: Instant) {
        let mut transaction = Transaction::new(self, batch, now);
        for (index, change) in batch.changes.iter().enumerate() {
            transaction.change = index;
            let handle = transaction.make(change).ok().flatten();
            transaction.handles.push(handle);
        }
    }
}

/// Where a jump starts: from a rule of a chain or from an element of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Chain(u32),
    Map(u32),
}

/// A batch on its way.
struct Transaction<'r> {
    ruleset: &'r mut Ruleset,
    batch: &'r Batch,
    now: Instant,
    /// Which change is being made.
    change: usize,
    undo: Vec<Undo>,
    handles: Vec<Option<Handle>>,
    /// The counter of handles that each table (by its handle) had before.
    next_handles: HashMap<Handle, u64>,
    /// Rules that changes of this batch made.
    made_rules: HashMap<u32, (u32, u32, Handle)>,
    /// Sets of this batch by table slot and number.
    set_ids: HashMap<(u32, u32), u32>,
    /// Anonymous chains of this batch by table slot and number.
    chain_ids: HashMap<(u32, u32), u32>,
    /// Tables whose jumps changed.
    jumps_changed: HashSet<u32>,
    /// Where jumps were added, by which change.
    new_jumps: Vec<(usize, u32, Origin)>,
    /// Rules to validate: change, table, chain, rule.
    new_rules: Vec<(usize, u32, u32, Handle)>,
    /// Anonymous sets and chains that a rule must use in the end: change, table, slot, handle.
    anonymous: Vec<(usize, u32, u32, Handle, Thing)>,
}

impl<'r> Transaction<'r> {
    fn new(ruleset: &'r mut Ruleset, batch: &'r Batch, now: Instant) -> Transaction<'r> {
        Transaction {
            ruleset,
            batch,
            now,
            change: 0,
            undo: Vec::new(),
            handles: Vec::new(),
            next_handles: HashMap::new(),
            made_rules: HashMap::new(),
            set_ids: HashMap::new(),
            chain_ids: HashMap::new(),
            jumps_changed: HashSet::new(),
            new_jumps: Vec::new(),
            new_rules: Vec::new(),
            anonymous: Vec::new(),
        }
    }

    fn make(&mut self, change: &Change) -> Result<Option<Handle>, ErrorKind> {
        match change {
            Change::NewTable { table, creation } => self.new_table(table, *creation),
            Change::DelTable { family, which, missing_ok } => self.del_table(*family, which, *missing_ok),
            Change::FlushRuleset { family } => self.flush_ruleset(*family),
            Change::NewChain { table, chain, creation } => self.new_chain(table, chain, *creation),
            Change::RenameChain { table, chain, name } => self.rename_chain(table, chain, name),
            Change::DelChain { table, chain, devices, missing_ok } => {
                self.del_chain(table, chain, devices, *missing_ok)
            }
            Change::NewRule { table, chain, rule, place } => self.new_rule(table, chain, rule, *place),
            Change::DelRule { table, chain, rule, missing_ok } => {
                self.del_rule(table, chain, *rule, *missing_ok)
            }
            Change::FlushRules { table, chain } => self.flush_rules(table, chain.as_deref()),
            Change::NewSet { table, set, creation } => self.new_set(table, set, *creation),
            Change::DelSet { table, set, missing_ok } => self.del_set(table, set, *missing_ok),
            Change::NewElements { table, set, elements, creation } => {
                self.new_elements(table, set, elements, *creation)
            }
            Change::DelElements { table, set, elements, missing_ok } => {
                self.del_elements(table, set, elements.as_deref(), *missing_ok)
            }
            Change::NewObject { table, object, creation } => self.new_object(table, object, *creation),
            Change::DelObject { table, kind, object, missing_ok } => {
                self.del_object(table, *kind, object, *missing_ok)
            }
            Change::NewFlowtable { table, flowtable, creation } => {
                self.new_flowtable(table, flowtable, *creation)
            }
            Change::DelFlowtable { table, flowtable, devices, missing_ok } => {
                self.del_flowtable(table, flowtable, devices, *missing_ok)
            }
        }
    }

    /// The slot of a table.
    fn find_table(&self, id: &TableId) -> Result<u32, ErrorKind> {
        self.ruleset.tables.find(id).ok_or_else(|| ErrorKind::NoTable(id.clone()))
    }

    /// A table that is there: its slot was just found.
    fn table(&mut self, slot: u32) -> &mut TableState {
        self.ruleset.tables.get_mut(slot).expect("the slot was found in this very change")
    }

    fn new_handle(&mut self, slot: u32) -> Handle {
        let table = self.ruleset.tables.get_mut(slot).expect("the slot was found in this very change");
        self.next_handles.entry(table.handle).or_insert(table.next_handle);
        table.next_handle += 1;
        Handle(table.next_handle - 1)
    }

    /// A number no chain had before.
    fn new_version(&mut self) -> u64 {
        self.ruleset.next_version += 1;
        self.ruleset.next_version
    }

    fn touch_chain(&mut self, table: u32, chain: u32) {
        let version = self.new_version();
        if let Some(chain) = self.table(table).chains.get_mut(chain) {
            chain.version = version;
        }
    }
}

/// Names are 1 to 255 bytes (`NFT_NAME_MAXLEN` with its zero byte).
fn check_name(what: Thing, name: &str) -> Result<(), ErrorKind> {
    if name.is_empty() || name.len() > 255 { Err(ErrorKind::BadName { what }) } else { Ok(()) }
}

fn family_is_inet(family: Family) -> bool {
    matches!(family, Family::Ip | Family::Ip6 | Family::Inet)
}

#[cfg(test)]
mod tests;
