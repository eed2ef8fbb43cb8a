//! Things with a handle and a name, found by either in constant time and listed in the order they were made.

use std::collections::BTreeMap;
use std::hash::Hash;

use hashbrown::{Equivalent, HashMap};

use crate::Handle;

/// Slots that keep their number for as long as what they hold lives; numbers of what is gone are used again.
#[derive(Clone, Debug)]
pub(crate) struct Registry<K, T> {
    slots: Vec<Option<(Handle, K, T)>>,
    free: Vec<u32>,
    by_key: HashMap<K, u32>,
    /// Handles only grow, so their order is that of creation.
    by_handle: BTreeMap<Handle, u32>,
}

impl<K, T> Default for Registry<K, T> {
    fn default() -> Self {
        Registry { slots: Vec::new(), free: Vec::new(), by_key: HashMap::new(), by_handle: BTreeMap::new() }
    }
}

impl<K: Clone + Eq + Hash, T> Registry<K, T> {
    /// Puts something in. Its key and handle must be new: the caller has looked.
    pub(crate) fn insert(&mut self, handle: Handle, key: K, thing: T) -> u32 {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(None);
                (self.slots.len() - 1) as u32
            }
        };
        self.by_key.insert(key.clone(), slot);
        self.by_handle.insert(handle, slot);
        self.slots[slot as usize] = Some((handle, key, thing));
        slot
    }

    /// Takes out what a slot holds. Undone by the [`Registry::insert`] that follows next: it gets the same slot.
    pub(crate) fn remove(&mut self, slot: u32) -> Option<(Handle, K, T)> {
        let (handle, key, thing) = self.slots.get_mut(slot as usize)?.take()?;
        self.by_key.remove(&key);
        self.by_handle.remove(&handle);
        self.free.push(slot);
        Some((handle, key, thing))
    }

    /// Gives something another name, which must be free.
    pub(crate) fn rename(&mut self, slot: u32, to: K) {
        if let Some(Some((_, key, _))) = self.slots.get_mut(slot as usize) {
            self.by_key.remove(key);
            *key = to.clone();
            self.by_key.insert(to, slot);
        }
    }

    pub(crate) fn find<Q: ?Sized + Hash + Equivalent<K>>(&self, key: &Q) -> Option<u32> {
        self.by_key.get(key).copied()
    }

    pub(crate) fn find_handle(&self, handle: Handle) -> Option<u32> {
        self.by_handle.get(&handle).copied()
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&T> {
        self.slots.get(slot as usize)?.as_ref().map(|(_, _, thing)| thing)
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.slots.get_mut(slot as usize)?.as_mut().map(|(_, _, thing)| thing)
    }

    /// Slot and thing, in the order of creation.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.by_handle.values().filter_map(|slot| Some((*slot, self.get(*slot)?)))
    }

    pub(crate) fn slots(&self) -> Vec<u32> {
        self.by_handle.values().copied().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_handle.len()
    }

    /// One more than the greatest slot number ever used.
    pub(crate) fn bound(&self) -> usize {
        self.slots.len()
    }
}
