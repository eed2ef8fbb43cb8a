//! Entries side by side, reached by index, guarded by a generation.

use crate::entry::{CtRef, Entry};

/// A growing array of entries with a list of free places.
#[derive(Debug, Default)]
pub(crate) struct Slab {
    slots: Vec<Slot>,
    free: Vec<u32>,
    live: usize,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    entry: Option<Entry>,
}

impl Slab {
    /// Stores an entry; `None` when four thousand million are there.
    pub(crate) fn insert(&mut self, entry: Entry) -> Option<CtRef> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                let slot = u32::try_from(self.slots.len()).ok().filter(|slot| *slot < u32::MAX / 2)?;
                self.slots.push(Slot { generation: 0, entry: None });
                slot
            }
        };
        let place = self.slots.get_mut(slot as usize)?;
        place.entry = Some(entry);
        self.live += 1;
        Some(CtRef { slot, generation: place.generation })
    }

    pub(crate) fn remove(&mut self, ct: CtRef) -> Option<Entry> {
        let place = self.slots.get_mut(ct.slot as usize).filter(|place| place.generation == ct.generation)?;
        let entry = place.entry.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(ct.slot);
        self.live -= 1;
        Some(entry)
    }

    pub(crate) fn get_mut(&mut self, ct: CtRef) -> Option<&mut Entry> {
        let place = self.slots.get_mut(ct.slot as usize)?;
        place.entry.as_mut().filter(|_| place.generation == ct.generation)
    }

    pub(crate) fn get(&self, ct: CtRef) -> Option<&Entry> {
        let place = self.slots.get(ct.slot as usize)?;
        place.entry.as_ref().filter(|_| place.generation == ct.generation)
    }

    /// The entry in a slot, whatever its generation.
    pub(crate) fn at(&self, slot: u32) -> Option<&Entry> {
        self.slots.get(slot as usize)?.entry.as_ref()
    }

    /// A reference to what is in a slot now.
    pub(crate) fn reference(&self, slot: u32) -> Option<CtRef> {
        let place = self.slots.get(slot as usize)?;
        place.entry.as_ref().map(|_| CtRef { slot, generation: place.generation })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (CtRef, &Entry)> {
        self.slots.iter().enumerate().filter_map(|(slot, place)| {
            let ct = CtRef { slot: slot as u32, generation: place.generation };
            place.entry.as_ref().map(|entry| (ct, entry))
        })
    }

    /// Slots, used or free.
    pub(crate) fn slots(&self) -> u32 {
        self.slots.len() as u32
    }

    /// Entries.
    pub(crate) fn len(&self) -> usize {
        self.live
    }
}
