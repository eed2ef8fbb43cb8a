//! The table of entries, as its one writer sees it.
//!
//! It lies in memory that the program reads at any time: [`AtomicU64`] words. Only a window of it is in use, so that few
//! connections touch few cache lines; windows of all sizes lie behind each other, and a table that fills up goes over to
//! the next, twice as large, while packets flow:
//!
//! ```text
//!   | 4096 slots | 8192 slots | 16384 slots | ...         each with PROBES slots more behind it
//!                 ^ base, mask = 8191, told to the program in one word
//! ```
//!
//! An entry lies in one of the [`PROBES`] slots from where its hash says, or from a second such place. A slot's state is
//! written last when it is filled and first when it is emptied; an emptied slot is used again only when every run of the
//! program that may have seen it has ended ([`Table::reclaim`]).

use std::sync::atomic::{AtomicU64, Ordering};

use super::entry::{EMPTY, Entry, GONE, HashKey, Layout, VALID};

/// Slots that are looked at from one place on.
pub(super) const PROBES: usize = 8;
/// Slots of the first window.
const FIRST: usize = 4096;

/// What the first word of a slot is that may be used again: no packet goes from nowhere to nowhere.
const RECLAIMED: u64 = 0;

/// Where an entry is: a slot of the whole table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Slot(pub(super) u32);

/// Packets and bytes.
pub(super) type Counts = (u64, u64);

/// A table over shared memory: entries, and the one word that says which window is in use.
#[derive(Debug)]
pub(super) struct Table<M> {
    memory: M,
    layout: Layout,
    hash: HashKey,
    /// First slot and number of slots of the window.
    base: usize,
    size: usize,
    /// Slots of the largest window.
    largest: usize,
    /// Entries of the window that are valid.
    live: usize,
    /// Slots of the window that are not [`EMPTY`].
    used: usize,
}

/// How many slots a table is long whose largest window has so many, a power of two.
pub(super) fn slots(largest: usize) -> usize {
    let mut sum = 0;
    let mut size = FIRST;
    while size <= largest.max(FIRST) {
        sum += size + PROBES;
        size *= 2;
    }
    sum
}

impl<M: AsRef<[AtomicU64]>> Table<M> {
    /// An empty table in memory that is zero.
    pub(super) fn new(memory: M, layout: Layout, hash: HashKey, largest: usize) -> Table<M> {
        let largest = largest.max(FIRST).next_power_of_two();
        Table { memory, layout, hash, base: 0, size: FIRST, largest, live: 0, used: 0 }
    }

    /// What the program must be told: where the window is and how large.
    pub(super) fn window(&self) -> u64 {
        (self.base as u64) << 32 | (self.size as u64 - 1)
    }

    /// Entries that are found.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.live
    }

    fn word(&self, slot: usize, word: usize) -> Option<&AtomicU64> {
        self.memory.as_ref().get(slot * self.layout.words + word)
    }

    fn state(&self, slot: usize) -> u64 {
        self.word(slot, self.layout.key).map_or(GONE, |word| word.load(Ordering::Acquire) >> 32)
    }

    /// Whether an entry may be written there: never used, or used and reclaimed.
    fn is_free(&self, slot: usize) -> bool {
        match self.state(slot) {
            EMPTY => true,
            GONE => self.word(slot, 0).is_some_and(|word| word.load(Ordering::Relaxed) == RECLAIMED),
            _ => false,
        }
    }

    /// The slots an entry may lie in, in the order in which they are looked at.
    fn places(&self, key: &[u64]) -> impl Iterator<Item = usize> + use<M> {
        let hash = self.hash.hash(key);
        let mask = self.size as u64 - 1;
        let starts = [hash & mask, (hash >> 32) & mask].map(|start| self.base + start as usize);
        starts.into_iter().flat_map(|start| start..start + PROBES)
    }

    /// Puts an entry in. `None` where there is no room, or one with this key is there: its packets go the slow way.
    pub(super) fn insert(&mut self, entry: &Entry) -> Option<Slot> {
        // Half full, searches become long.
        if self.live * 2 >= self.size {
            return None;
        }
        let state = self.layout.key;
        let same = |slot: usize| {
            entry.key().iter().enumerate().all(|(at, word)| {
                self.word(slot, at).is_some_and(|there| there.load(Ordering::Relaxed) == *word)
            })
        };
        if self.places(entry.key()).any(same) {
            return None;
        }
        let slot = self.places(entry.key()).find(|slot| self.is_free(*slot))?;
        let fresh = self.state(slot) == EMPTY;
        for (at, word) in entry.words.iter().enumerate().take(self.layout.words) {
            if at != state {
                self.word(slot, at)?.store(*word, Ordering::Relaxed);
            }
        }
        self.word(slot, state)?.store(*entry.words.get(state)?, Ordering::Release);
        self.live += 1;
        self.used += usize::from(fresh);
        Some(Slot(slot as u32))
    }

    /// From now on packets do not find it. Its slot stays as it is, counts included, until [`Table::reclaim`].
    pub(super) fn close(&mut self, slot: Slot) {
        let slot = slot.0 as usize;
        if self.state(slot) != VALID {
            return;
        }
        if let Some(word) = self.word(slot, self.layout.key) {
            word.store(GONE << 32, Ordering::Release);
        }
        if self.in_window(slot) {
            self.live = self.live.saturating_sub(1);
        }
    }

    /// Makes a closed slot free again. No run of the program that was under way when it was closed is under way still.
    pub(super) fn reclaim(&mut self, slot: Slot) {
        let slot = slot.0 as usize;
        if self.state(slot) != GONE {
            return;
        }
        for word in 0..self.layout.words {
            if word != self.layout.key
                && let Some(word) = self.word(slot, word)
            {
                word.store(RECLAIMED, Ordering::Relaxed);
            }
        }
        // An empty slot ends searches: those for entries behind it must not need it. They do not if the search would end
        // at the next slot anyhow, and then the closed ones before it need not be there either.
        let (first, end) = (self.base, self.base + self.size + PROBES);
        let needless = |table: &Table<M>, slot: usize| {
            table.state(slot) == GONE
                && table.is_free(slot)
                && (slot + 1 >= end || table.state(slot + 1) == EMPTY)
        };
        let mut at = slot;
        while self.in_window(at) && needless(self, at) {
            if let Some(word) = self.word(at, self.layout.key) {
                word.store(EMPTY << 32, Ordering::Release);
            }
            self.used = self.used.saturating_sub(1);
            if at == first {
                break;
            }
            at -= 1;
        }
    }

    fn in_window(&self, slot: usize) -> bool {
        (self.base..self.base + self.size + PROBES).contains(&slot)
    }

    /// What the program counted in a slot since it was filled.
    pub(super) fn counts(&self, slot: Slot) -> Counts {
        let of = |word| self.word(slot.0 as usize, word).map_or(0, |word| word.load(Ordering::Relaxed));
        (of(self.layout.packets()), of(self.layout.bytes()))
    }

    /// Adds to what the program counts.
    pub(super) fn add(&self, slot: Slot, counts: Counts) {
        for (word, more) in [(self.layout.packets(), counts.0), (self.layout.bytes(), counts.1)] {
            if let Some(word) = self.word(slot.0 as usize, word) {
                word.fetch_add(more, Ordering::Relaxed);
            }
        }
    }

    /// Whether it is time for a window that is larger, or, where closed slots have become many, as large.
    pub(super) fn is_tight(&self) -> bool {
        self.used * 3 > self.size && self.size < self.largest
    }

    /// Goes over to the next window: entries are copied, to count from zero; then the program must be told
    /// [`Table::window`]. Tells where each was and is; those that found no room are not there.
    ///
    /// The old ones are still found until the program is told. When no run of it from before that is under way any more,
    /// their counts are final, and they may be forgotten with [`Table::clear`].
    pub(super) fn grow(&mut self) -> Vec<(Slot, Slot)> {
        let (base, size) = (self.base, self.size);
        self.base = base + size + PROBES;
        self.size = size * 2;
        (self.live, self.used) = (0, 0);
        let mut moved = Vec::new();
        for slot in base..base + size + PROBES {
            if self.state(slot) != VALID {
                continue;
            }
            let mut entry = Entry { layout: self.layout, words: Default::default() };
            for (at, word) in entry.words.iter_mut().enumerate().take(self.layout.packets()) {
                *word = self.word(slot, at).map_or(0, |word| word.load(Ordering::Relaxed));
            }
            if let Some(to) = self.insert(&entry) {
                moved.push((Slot(slot as u32), to));
            }
        }
        moved
    }

    /// Makes every slot before the window empty.
    pub(super) fn clear(&mut self) {
        for word in self.memory.as_ref().iter().take(self.base * self.layout.words) {
            word.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironweir_wire::{Address, IfIndex, L3, Tuple};

    fn table() -> Table<Vec<AtomicU64>> {
        let largest = 4 * FIRST;
        let memory = (0..slots(largest) * 8).map(|_| AtomicU64::new(0)).collect();
        Table::new(memory, Layout::V4, HashKey::new(7), largest)
    }

    fn entry(number: u32) -> Entry {
        let src = Address::from_slice(&number.to_be_bytes()).unwrap();
        let dst = Address::from_slice(&[192, 0, 2, 1]).unwrap();
        let tuple = Tuple { src, dst, src_id: 1024, dst_id: 53, zone: 0, l3: L3::V4, l4: 17 };
        Entry::new(IfIndex(3), &tuple, &tuple, 0).unwrap()
    }

    /// As the program looks.
    fn find(table: &Table<Vec<AtomicU64>>, key: &[u64]) -> Option<Slot> {
        let hash = table.hash.hash(key);
        for start in [hash, hash >> 32] {
            let start = table.base + (start & (table.size as u64 - 1)) as usize;
            for slot in start..start + PROBES {
                if key
                    .iter()
                    .enumerate()
                    .all(|(at, word)| table.word(slot, at).unwrap().load(Ordering::Relaxed) == *word)
                {
                    return Some(Slot(slot as u32));
                }
                if table.state(slot) == EMPTY {
                    break;
                }
            }
        }
        None
    }

    #[test]
    fn entries_are_found_until_they_are_closed_whatever_came_and_went() {
        let mut table = table();
        let mut there = std::collections::BTreeMap::new();
        let mut random = 1_u64;
        for round in 0..60_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let number = (random >> 40) as u32 % 3000;
            match there.remove(&number) {
                Some(slot) => {
                    table.close(slot);
                    assert_eq!(find(&table, entry(number).key()), None);
                    table.reclaim(slot);
                }
                None => {
                    if let Some(slot) = table.insert(&entry(number)) {
                        there.insert(number, slot);
                        assert_eq!(table.insert(&entry(number)), None, "it is there already");
                    }
                }
            }
            if round % 997 == 0 {
                for (number, slot) in &there {
                    assert_eq!(find(&table, entry(*number).key()), Some(*slot));
                }
                assert_eq!(table.len(), there.len());
            }
        }
        for slot in there.into_values() {
            table.close(slot);
            table.reclaim(slot);
        }
        assert_eq!((table.len(), table.used), (0, 0), "every slot is free again");
        assert!(table.memory.iter().all(|word| word.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn a_larger_window_has_all_that_the_smaller_had() {
        let mut table = table();
        let mut there = Vec::new();
        let mut number = 0;
        while !table.is_tight() {
            if let Some(slot) = table.insert(&entry(number)) {
                table.add(slot, (1, u64::from(number)));
                there.push((number, slot));
            }
            number += 1;
        }
        // Next to nothing finds no room.
        assert!(there.len() + 2 >= number as usize, "{} of {number}", there.len());
        let moved = table.grow();
        assert_eq!(moved.len(), there.len());
        let moved: std::collections::HashMap<u32, Slot> =
            moved.into_iter().map(|(from, to)| (from.0, to)).collect();
        for (number, from) in there {
            let to = moved[&from.0];
            assert_eq!(find(&table, entry(number).key()), Some(to));
            assert_eq!((table.counts(from), table.counts(to)), ((1, u64::from(number)), (0, 0)));
        }
        assert!(!table.is_tight());
        table.clear();
        assert_eq!(table.len(), moved.len());
    }
}
