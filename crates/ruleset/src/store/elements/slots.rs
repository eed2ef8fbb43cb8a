//! The elements themselves, side by side, reached by slot.

use ironweir_wire::chunks::Chunks;

use super::Entry;

/// Elements by slot. They do not move when others come: see [`Chunks`].
#[derive(Clone, Debug, Default)]
pub(super) struct Slots {
    entries: Chunks<Option<Entry>>,
    /// Slots to be used again, the last one first: what is put back in reverse order comes where it was.
    free: Vec<u32>,
}

impl Slots {
    #[inline]
    pub(super) fn get(&self, slot: u32) -> Option<&Entry> {
        self.entries.get(slot)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Entry> {
        self.entries.get_mut(slot)?.as_mut()
    }

    #[inline]
    pub(super) fn key(&self, slot: u32) -> &[u8] {
        self.get(slot).map_or(&[], |entry| &entry.element.key)
    }

    /// The slot that [`Slots::put`] will use next.
    pub(super) fn next(&self) -> u32 {
        self.free.last().copied().unwrap_or(self.entries.len())
    }

    pub(super) fn put(&mut self, entry: Entry) -> u32 {
        match self.free.pop() {
            Some(slot) => {
                if let Some(place) = self.entries.get_mut(slot) {
                    *place = Some(entry);
                }
                slot
            }
            None => self.entries.push(Some(entry)),
        }
    }

    pub(super) fn take(&mut self, slot: u32) -> Option<Entry> {
        let entry = self.entries.get_mut(slot)?.take()?;
        self.free.push(slot);
        Some(entry)
    }

    /// All there are from a slot on, by slot.
    pub(super) fn iter_from(&self, first: u32) -> impl Iterator<Item = (u32, &Entry)> {
        (first..self.entries.len()).filter_map(|slot| Some((slot, self.get(slot)?)))
    }
}
