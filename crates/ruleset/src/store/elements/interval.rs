//! Intervals of plain keys, which do not overlap: an ordered tree by first key (`nft_set_rbtree.c`).
//!
//! Keys are compared byte by byte, so they must be in network order.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::Refusal;
use crate::Value;

/// Intervals by their first key.
#[derive(Clone, Debug, Default)]
pub(super) struct IntervalIndex {
    tree: BTreeMap<Value, (Option<Value>, u32)>,
}

impl IntervalIndex {
    /// The slot of the interval that `key` lies in.
    pub(super) fn find(&self, key: &[u8]) -> Option<u32> {
        let (_, (end, slot)) =
            self.tree.range::<[u8], _>((Bound::Unbounded, Bound::Included(key))).next_back()?;
        end.as_ref().is_none_or(|end| key < end.as_slice()).then_some(*slot)
    }

    pub(super) fn find_exact(&self, start: &Value, end: Option<&Value>) -> Option<u32> {
        self.tree.get(start).filter(|(other, _)| other.as_ref() == end).map(|(_, slot)| *slot)
    }

    /// Whether an interval may be put in.
    pub(super) fn check(&self, start: &Value, end: Option<&Value>) -> Result<(), Refusal> {
        if let Some((other, slot)) = self.tree.get(start) {
            return Err(if other.as_ref() == end {
                Refusal::Exists(*slot)
            } else {
                Refusal::Overlaps(*slot)
            });
        }
        if let Some(slot) = self.find(start) {
            return Err(Refusal::Overlaps(slot));
        }
        let upper = end.map_or(Bound::Unbounded, Bound::Excluded);
        if end.is_some_and(|end| end <= start) {
            return Ok(());
        }
        match self.tree.range::<Value, _>((Bound::Excluded(start), upper)).next() {
            Some((_, (_, slot))) => Err(Refusal::Overlaps(*slot)),
            None => Ok(()),
        }
    }

    pub(super) fn insert(&mut self, start: Value, end: Option<Value>, slot: u32) {
        self.tree.insert(start, (end, slot));
    }

    /// Takes an interval out, telling its end.
    pub(super) fn remove(&mut self, start: &Value) -> Option<Value> {
        self.tree.remove(start)?.0
    }

    /// First key, first key beyond, slot; ascending, of intervals that begin behind `after`.
    pub(super) fn iter_from(
        &self,
        after: Option<Value>,
    ) -> impl Iterator<Item = (&Value, Option<&Value>, u32)> {
        let from = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let rest = self.tree.range::<Value, _>((from, Bound::Unbounded));
        rest.map(|(start, (end, slot))| (start, end.as_ref(), *slot))
    }
}
