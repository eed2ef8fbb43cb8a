//! Keys in vectors: the memory of many look-ups is fetched at once.
//!
//! In a large set a look-up waits for memory: a line of the hash table, a block of intervals, then the element where it must
//! be read. Those of a vector do not depend on each other, so each step is done for all of some keys before the next begins
//! (as connection tracking does for packets).

use ironweir_wire::Instant;

use super::{Elements, Index};

impl Elements {
    /// For each key what [`Elements::find_live`] tells, into the same place of `found`.
    pub fn find_each(&self, keys: &[&[u8]], now: Instant, found: &mut [Option<u32>]) {
        match &self.index {
            Index::Hash(index) => index.find_each(keys, found, |slot| self.slots.key(slot)),
            Index::Interval(index) => index.find_each(keys, found),
            Index::Concat(index) => index.find_each(keys, found, |slot| self.is_live(slot, now)),
            Index::Direct(index) => {
                keys.iter().zip(&mut *found).for_each(|(key, found)| *found = index.find(key));
            }
        }
        if self.timed > 0 || self.catchall.is_some() {
            for found in found.iter_mut().take(keys.len()) {
                *found = self.or_catchall(*found, now);
            }
        }
    }
}
