//! The difference between two rulesets: a batch that makes one into the other and touches only what differs, and the
//! same as text in nft's syntax.
//!
//! [`between`] decides for each table of a [`Scope`] what becomes of each thing in it ([`plan`]); the batch
//! ([`changes`]) and the text ([`text`]) follow from that. What reads the same on both sides, leaving out what was
//! counted, is kept: with it its handle, its counters and quotas, the elements that packets added. What cannot change in
//! place (a base chain's hook, a set's type) is deleted and made anew in the same batch, and so are the rules and
//! elements that refer to it; they take what they have counted with them.

mod added;
mod changes;
mod elements;
mod plan;
mod reach;
mod sequence;
mod text;

use std::collections::BTreeSet;

use ironweir_ruleset::{Batch, Ruleset, TableId};
use ironweir_wire::Instant;

use crate::datatype::Names;

pub use added::Added;
pub use text::{Line, Sign, Text};

/// What is compared.
#[derive(Clone, Copy)]
pub struct Sides<'a> {
    /// What is loaded.
    pub current: &'a Ruleset,
    /// What shall be.
    pub desired: &'a Ruleset,
    /// Names of numbers, for the text.
    pub names: &'a Names,
    /// The time: which elements have expired, and how long others live.
    pub now: Instant,
    /// Elements that go if `desired` does not have them, also where elements of packets would stay: those that a change
    /// added which is now undone.
    pub added: Option<&'a Added>,
}

/// A difference.
#[derive(Clone, Debug, Default)]
pub struct Difference {
    /// Changes that make the tables what they shall be. Empty where they are.
    pub batch: Batch,
    /// The difference to read.
    pub text: Text,
}

impl Difference {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.batch.changes.is_empty()
    }
}

/// The difference in some tables. A table that `desired` does not have goes; tables not named stay as they are.
pub fn between(sides: &Sides<'_>, tables: &BTreeSet<TableId>) -> Difference {
    let mut difference = Difference::default();
    let mut emitter = changes::Emitter::new(sides);
    for id in order(sides, tables) {
        let Some(plan) = plan::table(sides, id) else { continue };
        emitter.table(&plan);
        text::write(sides, &plan, &mut difference.text);
    }
    difference.batch = emitter.finish();
    difference
}

/// Tables that go in their order, then the others in the order they shall have.
fn order<'a>(sides: &Sides<'_>, tables: &'a BTreeSet<TableId>) -> Vec<&'a TableId> {
    let gone = sides.current.tables().filter(|table| sides.desired.table(&table.table.id).is_none());
    let wanted = gone.chain(sides.desired.tables());
    wanted.filter_map(|table| tables.get(&table.table.id)).collect()
}
