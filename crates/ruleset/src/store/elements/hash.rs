//! Keys of a set without intervals: a keyed hash table of slots (`nft_set_hash.c`).

use std::hash::Hasher;

use hashbrown::HashTable;

/// Slots by the hash of their key. The keys themselves lie with the elements.
#[derive(Clone, Debug)]
pub(super) struct HashIndex {
    table: HashTable<(u32, u32)>,
    seed: u64,
}

/// A keyed hash of bytes, so that senders of packets cannot choose colliding keys.
pub(super) fn keyed_hash(seed: u64, key: &[u8]) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write_u64(seed);
    hasher.write(key);
    hasher.finish()
}

impl HashIndex {
    pub(super) fn new(seed: u64) -> HashIndex {
        HashIndex { table: HashTable::new(), seed }
    }

    pub(super) fn reserve<'a>(&mut self, more: usize, key_of: impl Fn(u32) -> &'a [u8]) {
        let seed = self.seed;
        self.table.reserve(more, |(slot, _)| keyed_hash(seed, key_of(*slot)));
    }

    pub(super) fn find<'a>(&self, key: &[u8], key_of: impl Fn(u32) -> &'a [u8]) -> Option<u32> {
        let hash = keyed_hash(self.seed, key);
        let found = self.table.find(hash, |(slot, part)| *part == hash as u32 && key_of(*slot) == key);
        found.map(|(slot, _)| *slot)
    }

    pub(super) fn insert<'a>(&mut self, key: &[u8], slot: u32, key_of: impl Fn(u32) -> &'a [u8]) {
        let seed = self.seed;
        let hash = keyed_hash(seed, key);
        let rehash = |(slot, _): &(u32, u32)| keyed_hash(seed, key_of(*slot));
        self.table.insert_unique(hash, (slot, hash as u32), rehash);
    }

    pub(super) fn remove(&mut self, key: &[u8], slot: u32) {
        let hash = keyed_hash(self.seed, key);
        if let Ok(found) = self.table.find_entry(hash, |(other, _)| *other == slot) {
            found.remove();
        }
    }
}
