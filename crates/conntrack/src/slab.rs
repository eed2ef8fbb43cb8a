//! Entries side by side, reached by index, guarded by a generation.

use std::ops::Range;

use crate::entry::{CtRef, Entry};
use ironweir_wire::chunks::Chunks;

/// The most entries: what a link of the timer wheel can name.
const MOST: u32 = ironweir_wire::wheel::NONE;

/// A growing array of entries with a list of free places.
#[derive(Debug)]
pub(crate) struct Slab {
    slots: Chunks<Option<Entry>>,
    free: Vec<u32>,
    live: usize,
    /// That of the next entry: no two that live have the same.
    generation: u32,
}

impl Slab {
    pub(crate) fn new(seed: u64) -> Slab {
        Slab { slots: Chunks::default(), free: Vec::new(), live: 0, generation: seed as u32 }
    }

    /// Stores an entry; `None` when 67 million are there.
    pub(crate) fn insert(&mut self, mut entry: Entry) -> Option<CtRef> {
        let generation = self.generation;
        entry.generation = generation;
        let slot = match self.free.pop() {
            Some(slot) => {
                *self.slots.get_mut(slot)? = Some(entry);
                slot
            }
            None if self.slots.len() < MOST => self.slots.push(Some(entry)),
            None => return None,
        };
        self.generation = generation.wrapping_add(1);
        self.live += 1;
        Some(CtRef { slot, generation })
    }

    /// As [`Slab::insert`], with the generation that it had before.
    pub(crate) fn insert_again(&mut self, entry: Entry, generation: u32) -> Option<CtRef> {
        let next = std::mem::replace(&mut self.generation, generation);
        let inserted = self.insert(entry);
        self.generation = next;
        inserted
    }

    /// The generation of the next entry.
    pub(crate) fn next_generation(&self) -> u32 {
        self.generation
    }

    /// Goes on with generations from there.
    pub(crate) fn set_next_generation(&mut self, next: u32) {
        self.generation = next;
    }

    pub(crate) fn remove(&mut self, ct: CtRef) -> Option<Entry> {
        let place = self.slots.get_mut(ct.slot)?;
        let entry = place.take_if(|entry| entry.generation == ct.generation)?;
        self.free.push(ct.slot);
        self.live -= 1;
        Some(entry)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, ct: CtRef) -> Option<&mut Entry> {
        self.slots.get_mut(ct.slot)?.as_mut().filter(|entry| entry.generation == ct.generation)
    }

    #[inline]
    pub(crate) fn get(&self, ct: CtRef) -> Option<&Entry> {
        self.slots.get(ct.slot)?.as_ref().filter(|entry| entry.generation == ct.generation)
    }

    /// The entry in a slot, whatever its generation.
    #[inline]
    pub(crate) fn at(&self, slot: u32) -> Option<&Entry> {
        self.slots.get(slot)?.as_ref()
    }

    /// The entry in a slot, whatever its generation, to change.
    #[inline]
    pub(crate) fn at_mut(&mut self, slot: u32) -> Option<&mut Entry> {
        self.slots.get_mut(slot)?.as_mut()
    }

    /// A reference to what is in a slot now.
    #[inline]
    pub(crate) fn reference(&self, slot: u32) -> Option<CtRef> {
        self.at(slot).map(|entry| CtRef { slot, generation: entry.generation })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (CtRef, &Entry)> {
        (0..).zip(self.slots.iter()).filter_map(|(slot, place)| {
            place.as_ref().map(|entry| (CtRef { slot, generation: entry.generation }, entry))
        })
    }

    /// The entries in some of the slots.
    pub(crate) fn within(&self, slots: Range<u32>) -> impl Iterator<Item = (CtRef, &Entry)> {
        slots.filter_map(|slot| {
            let entry = self.at(slot)?;
            Some((CtRef { slot, generation: entry.generation }, entry))
        })
    }

    /// Slots, used or free.
    pub(crate) fn slots(&self) -> u32 {
        self.slots.len()
    }

    /// Entries.
    pub(crate) fn len(&self) -> usize {
        self.live
    }
}
