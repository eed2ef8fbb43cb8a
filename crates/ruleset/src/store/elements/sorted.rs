//! Numbers in order with what belongs to them: blocks of up to 64, and an array of their first numbers.
//!
//! A look-up searches the array and one block, both without pointers between the steps, so that several look-ups
//! run side by side. A change moves numbers within a block; when a block is split or emptied, the array of first numbers
//! moves as well: for a million numbers that is 200 KiB, 10 µs.

/// Numbers of a block.
const BLOCK: usize = 64;

#[derive(Clone, Debug)]
struct Block<K, V> {
    keys: Vec<K>,
    values: Vec<V>,
}

/// A sorted map from numbers.
#[derive(Clone, Debug)]
pub(super) struct Sorted<K, V> {
    /// The first key of each block.
    firsts: Vec<K>,
    /// None of them empty.
    blocks: Vec<Block<K, V>>,
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
        let place = self.blocks.get(block)?.keys.partition_point(|other| *other <= key).checked_sub(1)?;
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
        Some((*block.keys.get(place)?, block.values.get(place)?))
    }

    pub(super) fn at_mut(&mut self, Position(block, place): Position) -> Option<&mut V> {
        self.blocks.get_mut(block)?.values.get_mut(place)
    }

    /// The place after this one.
    pub(super) fn after(&self, Position(block, place): Position) -> Position {
        match self.blocks.get(block) {
            Some(found) if place + 1 < found.keys.len() => Position(block, place + 1),
            _ => Position(block + 1, 0),
        }
    }

    /// Puts a number in, in place of an equal one.
    pub(super) fn insert(&mut self, key: K, value: V) {
        let at = self.firsts.partition_point(|first| *first <= key).saturating_sub(1);
        let last = at + 1 >= self.blocks.len();
        let Some(block) = self.blocks.get_mut(at) else {
            self.firsts.push(key);
            self.blocks.push(Block { keys: vec![key], values: vec![value] });
            return;
        };
        let place = block.keys.partition_point(|other| *other < key);
        if block.keys.get(place) == Some(&key) {
            block.values[place] = value;
            return;
        }
        if block.keys.len() < BLOCK {
            block.keys.insert(place, key);
            block.values.insert(place, value);
            if place == 0 {
                self.firsts[at] = key;
            }
            return;
        }
        // What comes in order fills its blocks; else both halves have room for more.
        let cut = if last && place == BLOCK { BLOCK } else { BLOCK / 2 };
        let mut keys = Vec::with_capacity(BLOCK);
        keys.extend(block.keys.drain(cut..));
        let mut values = Vec::with_capacity(BLOCK);
        values.extend(block.values.drain(cut..));
        if place < cut || cut < BLOCK && place == cut {
            block.keys.insert(place, key);
            block.values.insert(place, value);
            if place == 0 {
                self.firsts[at] = key;
            }
        } else {
            keys.insert(place - cut, key);
            values.insert(place - cut, value);
        }
        if let Some(first) = keys.first() {
            self.firsts.insert(at + 1, *first);
            self.blocks.insert(at + 1, Block { keys, values });
        }
    }

    /// Takes a number out.
    pub(super) fn remove(&mut self, key: K) -> Option<V> {
        let Position(at, place) = self.position_at_or_below(key)?;
        let block = self.blocks.get_mut(at)?;
        if block.keys.get(place) != Some(&key) {
            return None;
        }
        block.keys.remove(place);
        let value = block.values.remove(place);
        match block.keys.first() {
            Some(first) => self.firsts[at] = *first,
            None => {
                self.firsts.remove(at);
                self.blocks.remove(at);
                return Some(value);
            }
        }
        // Neighbours that would fit into half a block become one.
        let neighbour = self.blocks.get(at + 1).map_or(BLOCK, |next| next.keys.len());
        if self.blocks[at].keys.len() + neighbour <= BLOCK / 2 {
            self.firsts.remove(at + 1);
            let next = self.blocks.remove(at + 1);
            self.blocks[at].keys.extend(next.keys);
            self.blocks[at].values.extend(next.values);
        }
        Some(value)
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
            }
            prop_assert!(sorted.iter_from(None).map(|(key, value)| (key, *value)).eq(model.clone()));
            for key in model.keys() {
                sorted.remove(*key);
            }
            prop_assert!(sorted.blocks.is_empty() && sorted.firsts.is_empty());
        }
    }
}
