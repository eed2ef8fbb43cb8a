//! Keys in vectors: the memory of many look-ups is fetched at once.
//!
//! In a large set a look-up waits for memory: a line of the hash table, then the element where it must be read. Those of a
//! vector do not depend on each other, so each stage is done for all before the next begins (as connection tracking does
//! for packets).

use std::hint::black_box;

use ironweir_wire::Instant;

use super::hash::Probe;
use super::{Elements, Index};

/// Keys of a stage: as many as memory can be asked for at once, with some to spare.
const STAGE: usize = 32;

impl Elements {
    /// For each key what [`Elements::find_live`] tells, into the same place of `found`.
    pub fn find_each(&self, keys: &[&[u8]], now: Instant, found: &mut [Option<u32>]) {
        let Index::Hash(index) = &self.index else {
            for (key, found) in keys.iter().zip(found) {
                *found = self.find_live(key, now);
            }
            return;
        };
        for (keys, found) in keys.chunks(STAGE).zip(found.chunks_mut(STAGE)) {
            let mut probes = [None::<Probe>; STAGE];
            let mut touched = 0;
            for (key, probe) in keys.iter().zip(&mut probes) {
                *probe = index.probe(key);
                touched ^= probe.map_or(0, |probe| index.touch(probe));
            }
            black_box(touched);
            for ((key, probe), found) in keys.iter().zip(&probes).zip(&mut *found) {
                let slot = probe.and_then(|probe| index.find(probe, key, |slot| self.slots.key(slot)));
                *found = self.or_catchall(slot, now);
            }
        }
    }
}
