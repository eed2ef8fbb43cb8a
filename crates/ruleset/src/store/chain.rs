//! A committed chain and its rules.

use std::sync::Arc;

use hashbrown::HashMap;
use ironweir_expr::counter::Counter;

use super::rules::RuleList;
use crate::{Chain, Handle, Rule};

/// A committed rule. It never changes but for the state inside its expressions; generations share it.
#[derive(Debug, PartialEq)]
pub struct RuleState {
    /// Its handle.
    pub handle: Handle,
    /// The rule, its references filled in.
    pub rule: Rule,
}

/// A committed chain.
#[derive(Clone, Debug)]
pub struct ChainState {
    /// Its handle.
    pub handle: Handle,
    /// Its attributes. A base chain's policy is never `None`.
    pub chain: Chain,
    /// Which slot it is in: what [`crate::ChainRef::id`] of committed rules means.
    pub id: u32,
    /// Packets that came to the policy of this base chain, and their bytes.
    pub policy_hits: Arc<Counter>,
    pub(super) rules: RuleList,
    /// How many jumps lead here: from rules and from elements of verdict maps.
    pub(super) uses: u32,
    /// Changes with every change of its rules or attributes.
    pub(super) version: u64,
    /// Where jumps and gotos of its rules lead, and how many.
    pub(super) jumps: HashMap<u32, u32>,
    /// Verdict maps that its rules look up, and how often.
    pub(super) maps: HashMap<u32, u32>,
    /// From where it can be reached (see `graph`).
    pub(super) reached_from: u32,
}

impl ChainState {
    pub(super) fn new(handle: Handle, chain: Chain, version: u64) -> ChainState {
        ChainState {
            handle,
            chain,
            id: 0,
            policy_hits: Arc::default(),
            rules: RuleList::default(),
            uses: 0,
            version,
            jumps: HashMap::new(),
            maps: HashMap::new(),
            reached_from: 0,
        }
    }

    /// Its rules in order.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<RuleState>> {
        self.rules.iter()
    }

    /// How many rules it has.
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// A rule by handle.
    pub fn rule(&self, handle: Handle) -> Option<&Arc<RuleState>> {
        self.rules.find(handle)
    }

    /// How many jumps lead here.
    pub fn uses(&self) -> u32 {
        self.uses
    }

    /// A number that is another after every change of this chain or its rules. It is never that of another chain which
    /// had the same slot before.
    pub fn version(&self) -> u64 {
        self.version
    }
}
