//! The committed ruleset: every table with all it holds, and how a [`Batch`](crate::Batch) changes it.
//!
//! [`Ruleset::apply`] is the transaction: it makes each change as the kernel's `nf_tables_api.c` would, keeps a log of
//! how to undo it, and takes everything back if any was refused. What a change costs depends on the change, not on the
//! ruleset.
//!
//! Things are known by their name, by their handle, and by a slot number (`id`) that stays the same for as long as they
//! live; committed rules refer to chains and sets by slot ([`ChainRef::id`](crate::ChainRef),
//! [`SetRef::id`](crate::SetRef)).

mod apply;
mod chain;
pub mod elements;
mod errno;
mod error;
mod follow;
mod graph;
mod mirror;
pub(crate) mod references;
mod registry;
mod reset;
mod rules;
mod set;
mod table;

pub use apply::{Applied, MAX_REFUSALS};
pub use chain::{ChainState, RuleState};
pub use elements::{Elements, Entry, Listed, Position};
pub use errno::Errno;
pub use error::{ChangeError, ErrorKind, Thing};
pub use mirror::{Mirror, Unsound};
pub use reset::{reset_exprs, reset_object};
pub use set::SetState;
pub use table::{FlowtableState, ObjectState, TableState};

use registry::Registry;

use crate::{Family, Handle, TableId};

/// All tables.
#[derive(Clone, Debug)]
pub struct Ruleset {
    tables: Registry<TableId, TableState>,
    next_table_handle: u64,
    /// Grows with every committed batch (`NFT_MSG_NEWGEN`).
    generation: u64,
    next_anonymous_chain: u64,
    /// The last number given by `ChainState::version`; never goes back.
    next_version: u64,
    seed: u64,
}

impl Default for Ruleset {
    fn default() -> Self {
        Ruleset::new(0)
    }
}

impl Ruleset {
    /// No tables. `seed` keys the hashes of sets, whose keys may come from packets.
    pub fn new(seed: u64) -> Ruleset {
        Ruleset {
            tables: Registry::default(),
            next_table_handle: 1,
            generation: 1,
            next_anonymous_chain: 0,
            next_version: 0,
            seed,
        }
    }

    /// Every table, in the order they were made.
    pub fn tables(&self) -> impl Iterator<Item = &TableState> {
        self.tables.iter().map(|(_, table)| table)
    }

    /// A table by name.
    pub fn table(&self, id: &TableId) -> Option<&TableState> {
        self.tables.get(self.tables.find(id)?)
    }

    /// A table by family and handle.
    pub fn table_by_handle(&self, family: Family, handle: Handle) -> Option<&TableState> {
        let table = self.tables.get(self.tables.find_handle(handle)?)?;
        (table.table.id.family == family).then_some(table)
    }

    /// How many batches were committed, plus one.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The handle that the next table gets, and the number of the next anonymous chain.
    pub fn next(&self) -> (u64, u64) {
        (self.next_table_handle, self.next_anonymous_chain)
    }

    /// Every table with its slot, in the order they were made.
    pub fn table_slots(&self) -> impl Iterator<Item = (u32, &TableState)> {
        self.tables.iter()
    }

    /// The table in a slot.
    pub fn table_at(&self, slot: u32) -> Option<&TableState> {
        self.tables.get(slot)
    }

    /// The table in a slot, for the packet path to change sets and to let their elements expire.
    pub fn table_at_mut(&mut self, slot: u32) -> Option<&mut TableState> {
        self.tables.get_mut(slot)
    }
}
