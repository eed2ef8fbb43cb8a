//! Keys of a set without intervals: a keyed hash table of slots (`nft_set_hash.c`), in lines of the processor's cache.
//!
//! A line holds keys and the slots of their elements: seven of up to four bytes, five of up to eight. Longer keys are
//! represented by 32 bits of their hash, and compared with the element's. A look-up reads one line, and goes on to the
//! next only while the line counts keys that are at home there and found no room. A set of seven elements (five, where
//! keys are longer than four bytes) is one line, which is searched without a hash.
//!
//! A table that gets full is followed by one of twice its size, one that gets empty by one of half: each change moves
//! some lines over, and until all have moved, look-ups try both. So no packet that adds an element waits for a whole set to
//! be moved; nor does it for memory, which the operating system gives as it is first touched.

use std::hint::black_box;

use ironweir_wire::SipKey;

/// Keys of a stage: as many as memory can be asked for at once, with some to spare.
const STAGE: usize = 32;
/// 32-bit words of a line.
const WORDS: usize = 16;
/// How many lines of the table before a change moves over. Four would do for the old one to be empty when the new one is
/// full.
const MOVED: usize = 8;

/// Where a line has what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// Seven times 32 bits of key or hash, the count, seven slots, nothing: eight and eight, so that each comparison and
    /// the slot that it chooses are in the same place of vectors.
    Narrow,
    /// Five times the halves of a key, lower first, five slots, the count.
    Wide,
}

impl Layout {
    const fn places(self) -> usize {
        match self {
            Layout::Narrow => 7,
            Layout::Wide => 5,
        }
    }

    /// Where the slots begin.
    const fn slots(self) -> usize {
        match self {
            Layout::Narrow => 8,
            Layout::Wide => 10,
        }
    }

    /// Where the count is.
    const fn count(self) -> usize {
        match self {
            Layout::Narrow => 7,
            Layout::Wide => 15,
        }
    }

    /// How many a line holds on average when the next table is made: tenths.
    const fn load(self) -> usize {
        match self {
            Layout::Narrow => 50,
            Layout::Wide => 34,
        }
    }
}

/// What is looked for: what a line holds of a key, and the hash that says which line.
#[derive(Clone, Copy, Debug, Default)]
struct Probe {
    tag: u64,
    hash: u32,
}

#[derive(Clone, Debug)]
struct Table {
    words: Vec<u32>,
    /// Where the first line is, so that each lies in one line of the cache.
    start: usize,
    /// Base-two logarithm of the number of lines.
    bits: u32,
    layout: Layout,
    len: usize,
}

impl Table {
    fn new(bits: u32, layout: Layout) -> Table {
        let lines = 1usize << bits;
        // A single line is small enough to lie anywhere.
        let words = vec![0; (if bits == 0 { lines } else { lines + 1 }) * WORDS];
        // `align_offset` may decline; then lines lie across those of the cache, and everything works nevertheless.
        let aligned = Some(words.as_ptr().align_offset(64)).filter(|start| bits > 0 && *start <= WORDS);
        let start = aligned.unwrap_or(0);
        Table { words, start, bits, layout, len: 0 }
    }

    /// How many lines, as a power of two, hold so many.
    fn bits_for(count: usize, layout: Layout) -> u32 {
        if count <= layout.places() {
            return 0;
        }
        (count.saturating_mul(10) / layout.load() + 1).next_power_of_two().trailing_zeros().min(31)
    }

    fn lines(&self) -> usize {
        1 << self.bits
    }

    /// How many it is to hold at most.
    fn most(&self) -> usize {
        if self.bits == 0 { self.layout.places() } else { self.lines() * self.layout.load() / 10 }
    }

    #[inline]
    fn home(&self, hash: u32) -> usize {
        // A shift by all 32 bits is no shift.
        (u64::from(hash) >> (32 - self.bits)) as usize
    }

    #[inline]
    fn after(&self, line: usize) -> usize {
        (line + 1) & (self.lines() - 1)
    }

    #[inline]
    fn line(&self, line: usize) -> Option<&[u32; WORDS]> {
        self.words.get(self.start + line * WORDS..)?.first_chunk()
    }

    #[inline]
    fn line_mut(&mut self, line: usize) -> Option<&mut [u32; WORDS]> {
        self.words.get_mut(self.start + line * WORDS..)?.first_chunk_mut()
    }

    #[inline]
    fn touch(&self, hash: u32) -> u32 {
        self.words.get(self.start + self.home(hash) * WORDS).copied().unwrap_or(0)
    }

    /// The place of the first that has the tag and is wanted: line, place, slot.
    #[inline]
    fn find(&self, probe: Probe, mut wanted: impl FnMut(u32) -> bool) -> Option<(usize, usize, u32)> {
        let mut at = self.home(probe.hash);
        for _ in 0..self.lines() {
            let line = self.line(at)?;
            let mut places = places_with(line, self.layout, probe.tag);
            while places != 0 {
                let place = places.trailing_zeros() as usize;
                let slot = line[(self.layout.slots() + place) % WORDS];
                if slot != 0 && wanted(slot - 1) {
                    return Some((at, place, slot - 1));
                }
                places &= places - 1;
            }
            if line[self.layout.count()] == 0 {
                return None;
            }
            at = self.after(at);
        }
        None
    }

    /// As [`Table::find`], where a tag is a key.
    #[inline]
    fn find_key(&self, layout: Layout, probe: Probe) -> Option<u32> {
        let mut at = self.home(probe.hash);
        for _ in 0..self.lines() {
            let line = self.line(at)?;
            let slot = slot_with(line, layout, probe.tag);
            if slot != 0 {
                return Some(slot - 1);
            }
            if line[layout.count()] == 0 {
                return None;
            }
            at = self.after(at);
        }
        None
    }

    /// The slot that a hash most likely leads to, which may not be.
    #[inline]
    fn guess(&self, probe: Probe) -> Option<u32> {
        slot_with(self.line(self.home(probe.hash))?, self.layout, probe.tag).checked_sub(1)
    }

    /// Puts one in; there is room.
    fn insert(&mut self, probe: Probe, slot: u32) {
        let layout = self.layout;
        let mut at = self.home(probe.hash);
        for _ in 0..self.lines() {
            let next = self.after(at);
            let Some(line) = self.line_mut(at) else { return };
            let slots = layout.slots();
            if let Some(place) = (0..layout.places()).find(|place| line[slots + place] == 0) {
                line[slots + place] = slot + 1;
                match layout {
                    Layout::Narrow => line[place] = probe.tag as u32,
                    Layout::Wide => {
                        line[2 * place] = probe.tag as u32;
                        line[2 * place + 1] = (probe.tag >> 32) as u32;
                    }
                }
                self.len += 1;
                return;
            }
            // Ends at the first line with room, so that every line before it counts.
            line[layout.count()] += 1;
            at = next;
        }
    }

    /// Takes the one with this tag and slot out; whether it was there.
    fn remove(&mut self, probe: Probe, slot: u32) -> bool {
        let Some((at, place, _)) = self.find(probe, |other| other == slot) else { return false };
        let layout = self.layout;
        if let Some(line) = self.line_mut(at) {
            line[layout.slots() + place] = 0;
        }
        let mut passed = self.home(probe.hash);
        while passed != at {
            let next = self.after(passed);
            if let Some(line) = self.line_mut(passed) {
                line[layout.count()] = line[layout.count()].saturating_sub(1);
            }
            passed = next;
        }
        self.len -= 1;
        true
    }

    /// Empties a line, whose count stays: what is at home there and lies elsewhere is still to be found.
    fn drain(&mut self, line: usize, mut each: impl FnMut(u64, u32)) {
        let layout = self.layout;
        let Some(line) = self.line_mut(line) else { return };
        let mut drained = 0;
        for place in 0..layout.places() {
            let slot = std::mem::take(&mut line[layout.slots() + place]);
            if slot != 0 {
                let tag = match layout {
                    Layout::Narrow => u64::from(line[place]),
                    Layout::Wide => wide_tag(line, place),
                };
                each(tag, slot - 1);
                drained += 1;
            }
        }
        self.len -= drained;
    }
}

#[inline]
fn wide_tag(line: &[u32; WORDS], place: usize) -> u64 {
    u64::from(line[2 * place]) | u64::from(line[2 * place + 1]) << 32
}

/// A bit for each place of a line that has a tag; empty places may be among them.
#[inline]
fn places_with(line: &[u32; WORDS], layout: Layout, tag: u64) -> u32 {
    let mut places = 0;
    match layout {
        Layout::Narrow => (0..7).for_each(|place| places |= u32::from(line[place] == tag as u32) << place),
        Layout::Wide => (0..5).for_each(|place| places |= u32::from(wide_tag(line, place) == tag) << place),
    }
    places
}

/// One more than the slot that has a tag, 0 where none has it; several together if several have it, which keys never do.
/// There is no branch in it.
#[inline]
fn slot_with(line: &[u32; WORDS], layout: Layout, tag: u64) -> u32 {
    let chosen = |same: bool, slot: u32| if same { slot } else { 0 };
    match layout {
        Layout::Narrow => {
            // The count's counterpart is always 0.
            let (tags, slots) = line.split_at(WORDS / 2);
            let tag = tag as u32;
            tags.iter().zip(slots).fold(0, |all, (other, slot)| all | chosen(*other == tag, *slot))
        }
        Layout::Wide => {
            (0..5).fold(0, |all, place| all | chosen(wide_tag(line, place) == tag, line[10 + place]))
        }
    }
}

/// Slots by the hash of their key.
#[derive(Clone, Debug)]
pub(super) struct HashIndex {
    key_len: usize,
    sip: SipKey,
    table: Table,
    /// The table before, and how many of its lines have moved.
    before: Option<(Table, usize)>,
}

impl HashIndex {
    pub(super) fn new(key_len: usize, seed: u64) -> HashIndex {
        let layout = if (5..=8).contains(&key_len) { Layout::Wide } else { Layout::Narrow };
        HashIndex { key_len, sip: SipKey::from_seed(seed), table: Table::new(0, layout), before: None }
    }

    /// Makes room for as many more.
    pub(super) fn reserve(&mut self, more: usize) {
        let wanted = self.len().saturating_add(more);
        if wanted > self.table.most() {
            self.finish();
            self.follow(Table::bits_for(wanted, self.table.layout));
        }
    }

    /// What a key is looked up by; `None` if it has the wrong length.
    #[inline]
    fn probe(&self, key: &[u8]) -> Option<Probe> {
        if key.len() != self.key_len {
            return None;
        }
        if self.key_len > 8 {
            let hash = (long_hash(&self.sip, key) >> 32) as u32;
            return Some(Probe { tag: u64::from(hash), hash });
        }
        let tag = match key.first_chunk::<4>() {
            Some(low) if key.len() == 4 => u64::from(u32::from_le_bytes(*low)),
            _ => match key.first_chunk::<8>() {
                Some(word) => u64::from_le_bytes(*word),
                None => key.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
            },
        };
        Some(Probe { tag, hash: self.hash(tag) })
    }

    /// The hash that says in which line a tag is.
    #[inline]
    fn hash(&self, tag: u64) -> u32 {
        match self.key_len {
            9.. => tag as u32,
            // One line needs none.
            _ if self.table.bits == 0 && self.before.is_none() => 0,
            _ => (self.sip.hash_fixed([tag]) >> 32) as u32,
        }
    }

    /// The slot of each key of a vector, its memory fetched for all before any is looked at. `key_of` tells the key of an
    /// element.
    pub(super) fn find_each<'a>(
        &self,
        keys: &[&[u8]],
        found: &mut [Option<u32>],
        key_of: impl Fn(u32) -> &'a [u8],
    ) {
        for (keys, found) in keys.chunks(STAGE).zip(found.chunks_mut(STAGE)) {
            match (self.key_len, &self.before) {
                // The length is told so that it is known to the compiler.
                (4, None) => self.find_stage::<4>(Layout::Narrow, keys, found),
                (8, None) => self.find_stage::<8>(Layout::Wide, keys, found),
                _ => {
                    let mut probes = [None; STAGE];
                    let mut touched = 0;
                    for (key, probe) in keys.iter().zip(&mut probes) {
                        *probe = self.probe(key);
                        touched ^= probe.map_or(0, |probe| self.touch(probe));
                    }
                    if self.key_len > 8 {
                        for guess in probes.iter().flatten().filter_map(|probe| self.table.guess(*probe)) {
                            touched ^= key_of(guess).first().copied().map_or(0, u32::from);
                        }
                    }
                    black_box(touched);
                    for ((key, probe), found) in keys.iter().zip(probes).zip(found) {
                        *found = probe.and_then(|probe| self.find(probe, key, &key_of));
                    }
                }
            }
        }
    }

    #[inline]
    fn find_stage<const LEN: usize>(&self, layout: Layout, keys: &[&[u8]], found: &mut [Option<u32>]) {
        let mut probes = [Probe::default(); STAGE];
        let mut touched = 0;
        let hashed = self.table.bits > 0;
        for (key, probe) in keys.iter().zip(&mut probes) {
            let mut word = [0; 8];
            if let (Some(key), Some(word)) = (key.first_chunk::<LEN>(), word.first_chunk_mut::<LEN>()) {
                *word = *key;
            }
            probe.tag = u64::from_le_bytes(word);
            probe.hash = if hashed { (self.sip.hash_fixed([probe.tag]) >> 32) as u32 } else { 0 };
            touched ^= self.table.touch(probe.hash);
        }
        black_box(touched);
        for ((key, probe), found) in keys.iter().zip(&probes).zip(found) {
            *found = self.table.find_key(layout, *probe).filter(|_| key.len() == LEN);
        }
    }

    /// Reads a word of each line that [`HashIndex::find`] will read.
    #[inline]
    fn touch(&self, probe: Probe) -> u32 {
        self.table.touch(probe.hash) ^ self.before.as_ref().map_or(0, |(before, _)| before.touch(probe.hash))
    }

    /// The slot of a key. `key_of` tells the key of an element.
    #[inline]
    fn find<'a>(&self, probe: Probe, key: &[u8], key_of: impl Fn(u32) -> &'a [u8]) -> Option<u32> {
        if self.key_len <= 8 {
            let layout = self.table.layout;
            let found = self.table.find_key(layout, probe);
            return found.or_else(|| self.before.as_ref()?.0.find_key(layout, probe));
        }
        let wanted = |slot| key_of(slot) == key;
        let found = self.table.find(probe, wanted);
        let found = found.or_else(|| self.before.as_ref()?.0.find(probe, wanted));
        found.map(|(_, _, slot)| slot)
    }

    /// As [`HashIndex::find`], where the key itself says which line.
    pub(super) fn find_key<'a>(&self, key: &[u8], key_of: impl Fn(u32) -> &'a [u8]) -> Option<u32> {
        self.find(self.probe(key)?, key, key_of)
    }

    pub(super) fn insert(&mut self, key: &[u8], slot: u32) {
        if self.len() >= self.table.most() {
            self.finish();
            self.follow(Table::bits_for(self.len() + 1, self.table.layout).max(self.table.bits + 1));
        }
        self.step();
        if let Some(probe) = self.probe(key) {
            self.table.insert(probe, slot);
        }
    }

    pub(super) fn remove(&mut self, key: &[u8], slot: u32) {
        if let Some(probe) = self.probe(key)
            && !self.table.remove(probe, slot)
            && let Some((before, _)) = &mut self.before
        {
            before.remove(probe, slot);
        }
        self.step();
        if self.before.is_none() && self.table.bits > 4 && self.len() < self.table.most() / 8 {
            self.follow(self.table.bits - 1);
        }
    }

    fn len(&self) -> usize {
        self.table.len + self.before.as_ref().map_or(0, |(before, _)| before.len)
    }

    /// Another table follows; the one before is empty of what moved.
    fn follow(&mut self, bits: u32) {
        let next = Table::new(bits, self.table.layout);
        let before = std::mem::replace(&mut self.table, next);
        if before.len > 0 {
            self.before = Some((before, 0));
        }
        if self.before.as_ref().is_some_and(|(before, _)| before.bits == 0) {
            // Without a hash there, with one here.
            self.finish();
        }
    }

    /// Moves some lines over.
    fn step(&mut self) {
        self.move_lines(MOVED);
    }

    /// Moves what is left.
    fn finish(&mut self) {
        self.move_lines(usize::MAX);
    }

    fn move_lines(&mut self, most: usize) {
        let Some((mut before, moved)) = self.before.take() else { return };
        let upto = moved.saturating_add(most).min(before.lines());
        let (sip, long) = (self.sip, self.key_len > 8);
        for line in moved..upto {
            before.drain(line, |tag, slot| {
                let hash = if long { tag as u32 } else { (sip.hash_fixed([tag]) >> 32) as u32 };
                self.table.insert(Probe { tag, hash }, slot);
            });
        }
        if upto < before.lines() {
            self.before = Some((before, upto));
        }
    }
}

/// A keyed hash of bytes, so that senders of packets cannot choose colliding keys.
pub(super) fn long_hash(sip: &SipKey, key: &[u8]) -> u64 {
    let mut words = [0u64; 8];
    let mut used = 0;
    for (word, bytes) in words.iter_mut().zip(key.chunks(8)) {
        let mut padded = [0; 8];
        padded.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        *word = u64::from_le_bytes(padded);
        used += 1;
    }
    sip.hash_words(words.get(..used).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Every length of key, up to many, and down to none: what is in is found, what is out is not, at every step.
    #[test]
    fn it_grows_and_shrinks_and_loses_nothing() {
        for key_len in [1, 2, 4, 6, 8, 12, 16, 40] {
            let most: u32 = if key_len == 1 { 256 } else { 3000 };
            let key = |number: u32| {
                let mut key = vec![0; key_len];
                key.iter_mut().zip(number.to_le_bytes()).for_each(|(to, from)| *to = from);
                key
            };
            let keys: Vec<_> = (0..most).map(key).collect();
            let key_of = |slot: u32| keys[slot as usize].as_slice();
            let mut index = HashIndex::new(key_len, 3);
            let mut model = BTreeMap::new();
            let check = |index: &HashIndex, model: &BTreeMap<u32, ()>, number: u32| {
                let found = index.find_key(key_of(number), key_of);
                assert_eq!(found, model.contains_key(&number).then_some(number), "{key_len} {number}");
            };
            for number in 0..most {
                index.insert(key_of(number), number);
                model.insert(number, ());
                for other in [number, number / 2, number / 3, (number + 1).min(most - 1)] {
                    check(&index, &model, other);
                }
            }
            let largest = index.table.bits;
            for number in 0..most {
                let number = (number * 7) % most;
                if model.remove(&number).is_some() {
                    index.remove(key_of(number), number);
                }
                for other in [number, number / 2, most - 1 - number] {
                    check(&index, &model, other);
                }
            }
            (0..most).for_each(|number| {
                if model.remove(&number).is_some() {
                    index.remove(key_of(number), number);
                }
            });
            assert_eq!(index.len(), 0);
            assert!(key_len == 1 || index.table.bits < largest, "memory comes back");
        }
    }

    #[test]
    fn keys_of_another_length_are_not_there() {
        let mut index = HashIndex::new(4, 1);
        index.insert(&[0, 0, 0, 0], 0);
        assert_eq!(index.find_key(&[0, 0], |_| &[]), None);
        assert_eq!(index.find_key(&[], |_| &[]), None);
    }
}
