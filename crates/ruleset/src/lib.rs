//! The ruleset model: what a ruleset consists of, in nf_tables' own words, and how it changes.
//!
//! Front ends lower their language to a [`Batch`] of [`Change`]s; a backend commits it whole or not at all. Listing
//! reads a [`Ruleset`]. Names and values here are those of the nf_tables netlink interface
//! (`linux/netfilter/nf_tables.h`); nothing of any front end's syntax is known.

pub mod batch;
pub mod chain;
pub mod debug;
pub mod flowtable;
pub mod netlink;
pub mod object;
pub mod part;
pub mod rule;
pub mod set;
pub mod store;
pub mod table;
pub mod userdata;

pub use batch::{Batch, Change, Creation, Place, RuleSelector, Selector};
pub use chain::{BaseChain, Chain, ChainType, Policy, Priority};
pub use flowtable::Flowtable;
pub use ironweir_expr::{ChainRef, Data, Expr, Family, Hook, SetRef, Value, Verdict};
pub use object::{Object, ObjectKind};
pub use part::{Part, What, Within};
pub use rule::{Compat, Rule};
pub use set::{Element, ElementData, ElementFlags, Set, SetFlags};
pub use store::{Applied, ChangeError, Ruleset};
pub use table::{Table, TableFlags, TableId};
pub use userdata::Userdata;

/// A handle: a number that names one chain, rule, set, element, object or flowtable of a table for as long as it lives;
/// a table's own handle is unique among tables. 0 is none (not committed yet).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(pub u64);

impl std::fmt::Display for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.told().fmt(f)
    }
}

impl Handle {
    /// From here on handles are not the owner's: it has given none yet. Those of an owner are counted from 1.
    pub(crate) const NOT_GIVEN: u64 = 1 << 62;

    /// The number as it is told, 0 where the owner of the ruleset has given none yet.
    pub fn told(self) -> u64 {
        if self.0 < Handle::NOT_GIVEN { self.0 } else { 0 }
    }
}
