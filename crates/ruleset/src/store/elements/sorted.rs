//! Numbers in order with what belongs to them: blocks of up to 64, and an array of their first numbers.
//!
//! A look-up searches the array and one block, both without pointers between the steps, so that several look-ups
//! run side by side. A change moves numbers within a block; when a block is split or emptied, the array of first numbers
//! moves as well: for a million numbers that is 200 KiB, 10 µs.

use std::hint::select_unpredictable;

/// Numbers of a block.
const BLOCK: usize = 64;

/// Keys that are searched together.
pub(super) const TOGETHER: usize = 16;

#[derive(Clone, Debug)]
struct Block<K, V> {
    len: usize,
    /// What is behind the last means nothing.
    keys: [K; BLOCK],
    values: [V; BLOCK],
}

impl<K: Copy, V: Copy> Block<K, V> {
    fn new(key: K, value: V) -> Box<Block<K, V>> {
        Box::new(Block { len: 1, keys: [key; BLOCK], values: [value; BLOCK] })
    }

    #[inline]
    fn keys(&self) -> &[K] {
        self.keys.get(..self.len).unwrap_or_default()
    }

    fn insert(&mut self, place: usize, key: K, value: V) {
        self.keys.copy_within(place..self.len, place + 1);
        self.values.copy_within(place..self.len, place + 1);
        (self.keys[place], self.values[place]) = (key, value);
        self.len += 1;
    }

    fn remove(&mut self, place: usize) -> V {
        let value = self.values[place];
        self.keys.copy_within(place + 1..self.len, place);
        self.values.copy_within(place + 1..self.len, place);
        self.len -= 1;
        value
    }

    /// Adds those of another from a place on.
    fn append(&mut self, other: &Block<K, V>, from: usize) {
        let end = self.len + other.len - from;
        self.keys[self.len..end].copy_from_slice(&other.keys[from..other.len]);
        self.values[self.len..end].copy_from_slice(&other.values[from..other.len]);
        self.len = end;
    }
}

/// A sorted map from numbers.
#[derive(Clone, Debug)]
pub(super) struct Sorted<K, V> {
    /// The first key of each block.
    firsts: Vec<K>,
    /// None of them empty.
    blocks: Vec<Box<Block<K, V>>>,
}

/// Where a number is: block and place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position(usize, usize);

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Self {
        Sorted { firsts: Vec::new(), blocks: Vec::new() }
    }
}

impl<K: Copy + Ord, V: Copy> Sorted<K, V> {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.firsts.is_empty()
    }

    /// The last that is not above `key`.
    #[inline]
    pub(super) fn at_or_below(&self, key: K) -> Option<(K, &V)> {
        self.at(self.position_at_or_below(key)?)
    }

    /// Where the last is that is not above `key`.
    #[inline]
    pub(super) fn position_at_or_below(&self, key: K) -> Option<Position> {
        let block = self.firsts.partition_point(|first| *first <= key).checked_sub(1)?;
        let place = self.blocks.get(block)?.keys().partition_point(|other| *other <= key).checked_sub(1)?;
        Some(Position(block, place))
    }

    /// The first above `key`.
    pub(super) fn above(&self, key: K) -> Option<(K, &V)> {
        let position = match self.position_at_or_below(key) {
            Some(position) => self.after(position),
            None => Position(0, 0),
        };
        self.at(position)
    }

    /// The one with exactly this number.
    pub(super) fn get(&self, key: K) -> Option<&V> {
        self.at_or_below(key).filter(|(other, _)| *other == key).map(|(_, value)| value)
    }

    #[inline]
    pub(super) fn at(&self, Position(block, place): Position) -> Option<(K, &V)> {
        let block = self.blocks.get(block)?;
        Some((*block.keys().get(place)?, block.values.get(place)?))
    }

    pub(super) fn at_mut(&mut self, Position(block, place): Position) -> Option<&mut V> {
        let block = self.blocks.get_mut(block).filter(|block| place < block.len)?;
        block.values.get_mut(place)
    }

    /// The place after this one.
    pub(super) fn after(&self, Position(block, place): Position) -> Position {
        match self.blocks.get(block) {
            Some(found) if place + 1 < found.len => Position(block, place + 1),
            _ => Position(block + 1, 0),
        }
    }

    /// Puts a number in, in place of an equal one.
    pub(super) fn insert(&mut self, key: K, value: V) {
        let at = self.firsts.partition_point(|first| *first <= key).saturating_sub(1);
        let last = at + 1 >= self.blocks.len();
        let Some(block) = self.blocks.get_mut(at) else {
            self.firsts.push(key);
            self.blocks.push(Block::new(key, value));
            return;
        };
        let place = block.keys().partition_point(|other| *other < key);
        if block.keys().get(place) == Some(&key) {
            block.values[place] = value;
            return;
        }
        if block.len < BLOCK {
            block.insert(place, key, value);
            if place == 0 {
                self.firsts[at] = key;
            }
            return;
        }
        // What comes in order fills its blocks; else both halves have room for more.
        let next = if last && place == BLOCK {
            Block::new(key, value)
        } else {
            let half = BLOCK / 2;
            let mut next = Block::new(key, value);
            next.len = 0;
            next.append(block, half);
            block.len = half;
            if place <= half {
                block.insert(place, key, value);
            } else {
                next.insert(place - half, key, value);
            }
            self.firsts[at] = block.keys[0];
            next
        };
        self.firsts.insert(at + 1, next.keys[0]);
        self.blocks.insert(at + 1, next);
    }

    /// Takes a number out.
    pub(super) fn remove(&mut self, key: K) -> Option<V> {
        let Position(at, place) = self.position_at_or_below(key)?;
        let block = self.blocks.get_mut(at)?;
        if block.keys().get(place) != Some(&key) {
            return None;
        }
        let value = block.remove(place);
        if block.len == 0 {
            self.firsts.remove(at);
            self.blocks.remove(at);
            return Some(value);
        }
        self.firsts[at] = block.keys[0];
        // Neighbours that would fit into half a block become one.
        let together = block.len + self.blocks.get(at + 1).map_or(BLOCK, |next| next.len);
        if together <= BLOCK / 2 {
            self.firsts.remove(at + 1);
            let next = self.blocks.remove(at + 1);
            self.blocks[at].append(&next, 0);
        }
        Some(value)
    }

    /// For several keys at once what [`Sorted::at_or_below`] tells: the steps of all are done side by side, so that what one
    /// waits for is fetched for others meanwhile.
    #[inline]
    pub(super) fn at_or_below_each(&self, keys: &[K; TOGETHER]) -> [Option<(K, &V)>; TOGETHER] {
        let Some(first) = self.blocks.first() else { return [None; TOGETHER] };
        let counts = not_above(&self.firsts, keys);
        let blocks: [&Block<K, V>; TOGETHER] =
            counts.map(|count| self.blocks.get(count.saturating_sub(1)).unwrap_or(first).as_ref());
        let mut places = [0; TOGETHER];
        let mut half = BLOCK / 2;
        while half > 0 {
            for ((place, block), key) in places.iter_mut().zip(&blocks).zip(keys) {
                let middle = (*place + half) % BLOCK;
                let goes_on = (middle < block.len) & (block.keys[middle] <= *key);
                *place = select_unpredictable(goes_on, middle, *place);
            }
            half /= 2;
        }
        let mut found = [None; TOGETHER];
        for (((found, block), place), count) in found.iter_mut().zip(blocks).zip(places).zip(counts) {
            if count > 0 {
                *found = Some((block.keys[place % BLOCK], &block.values[place % BLOCK]));
            }
        }
        found
    }

    /// Those above `after` in order, all without.
    pub(super) fn iter_from(&self, after: Option<K>) -> impl Iterator<Item = (K, &V)> {
        let begin = after.and_then(|after| self.position_at_or_below(after));
        let mut position = begin.map_or(Position(0, 0), |begin| self.after(begin));
        std::iter::from_fn(move || {
            let found = self.at(position)?;
            position = self.after(position);
            Some(found)
        })
    }
}

/// How many numbers are not above each key.
#[inline]
fn not_above<K: Copy + Ord>(numbers: &[K], keys: &[K; TOGETHER]) -> [usize; TOGETHER] {
    let mut counts = [0; TOGETHER];
    let mut len = numbers.len();
    while len > 0 {
        let half = len.div_ceil(2);
        for (count, key) in counts.iter_mut().zip(keys) {
            let middle = *count + half;
            let Some(number) = numbers.get(middle - 1) else { return counts };
            *count = select_unpredictable(number <= key, middle, *count);
        }
        len -= half;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_agrees_with_a_tree(
            ascending in 0..400u32,
            steps in prop::collection::vec((0..3u8, 0..1000u32), 0..600),
        ) {
            let mut sorted = Sorted::default();
            let mut model = BTreeMap::new();
            for key in (0..ascending).map(|key| key * 2) {
                sorted.insert(key, key);
                model.insert(key, key);
            }
            for (step, key) in steps {
                if step > 0 {
                    sorted.insert(key, key + 1);
                    model.insert(key, key + 1);
                } else {
                    prop_assert_eq!(sorted.remove(key), model.remove(&key));
                }
                prop_assert_eq!(sorted.get(key), model.get(&key));
                let below = model.range(..=key).next_back().map(|(key, value)| (*key, value));
                prop_assert_eq!(sorted.at_or_below(key), below);
                let above = model.range(key + 1..).next().map(|(key, value)| (*key, value));
                prop_assert_eq!(sorted.above(key), above);
                prop_assert_eq!(sorted.iter_from(Some(key)).next(), above);
                let keys = std::array::from_fn(|at| key.wrapping_add(13 * at as u32).wrapping_sub(50));
                prop_assert_eq!(sorted.at_or_below_each(&keys), keys.map(|key| sorted.at_or_below(key)));
            }
            prop_assert!(sorted.iter_from(None).map(|(key, value)| (key, *value)).eq(model.clone()));
            for key in model.keys() {
                sorted.remove(*key);
            }
            prop_assert!(sorted.blocks.is_empty() && sorted.firsts.is_empty());
        }
    }
}
