//! Intervals of plain keys, which do not overlap, in the order of their first keys (`nft_set_rbtree.c`).
//!
//! Keys are compared byte by byte, so they must be in network order. Those of up to four bytes (IPv4 addresses, ports,
//! marks), and those of up to sixteen, are kept as numbers; longer ones in a tree.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::Refusal;
use super::sorted::{Sorted, TOGETHER};
use crate::Value;

/// A key as a number that is ordered as its bytes are.
pub(super) trait Number: Copy + Ord {
    const MAX: Self;
    /// From at most as many bytes as it has.
    fn from_bytes(bytes: &[u8]) -> Self;
    /// The last bytes of it.
    fn to_value(self, len: usize) -> Value;
    /// The number before, 0 before 0.
    fn before(self) -> Self;
    /// The number behind, if there is one.
    fn behind(self) -> Option<Self>;
}

macro_rules! number {
    ($type:ty) => {
        impl Number for $type {
            const MAX: Self = <$type>::MAX;
            #[inline]
            fn from_bytes(bytes: &[u8]) -> Self {
                match <[u8; size_of::<$type>()]>::try_from(bytes) {
                    Ok(all) => <$type>::from_be_bytes(all),
                    Err(_) => bytes.iter().fold(0, |sum, byte| sum << 8 | <$type>::from(*byte)),
                }
            }
            fn to_value(self, len: usize) -> Value {
                let bytes = self.to_be_bytes();
                Value::new(bytes.get(bytes.len().saturating_sub(len)..).unwrap_or_default())
            }
            fn before(self) -> Self {
                self.saturating_sub(1)
            }
            fn behind(self) -> Option<Self> {
                self.checked_add(1)
            }
        }
    };
}
number!(u32);
number!(u128);

/// What belongs to the first key of an interval.
#[derive(Clone, Copy, Debug)]
struct Rest<K> {
    last: K,
    slot: u32,
    /// Whether it has an end: one may reach to the greatest number without.
    ends: bool,
}

/// Intervals of numbers.
#[derive(Clone, Debug)]
struct Numbers<K> {
    key_len: usize,
    intervals: Sorted<K, Rest<K>>,
}

impl<K: Number> Numbers<K> {
    #[inline]
    fn find(&self, key: &[u8]) -> Option<u32> {
        if key.len() != self.key_len {
            return None;
        }
        let key = K::from_bytes(key);
        let (_, rest) = self.intervals.at_or_below(key)?;
        (key <= rest.last).then_some(rest.slot)
    }

    fn find_each(&self, keys: &[&[u8]], found: &mut [Option<u32>]) {
        for (keys, found) in keys.chunks(TOGETHER).zip(found.chunks_mut(TOGETHER)) {
            let mut numbers = [K::MAX; TOGETHER];
            for (number, key) in numbers.iter_mut().zip(keys) {
                *number = if key.len() == self.key_len { K::from_bytes(key) } else { K::MAX };
            }
            let below = self.intervals.at_or_below_each(&numbers);
            for (((found, below), number), key) in found.iter_mut().zip(below).zip(numbers).zip(keys) {
                *found = below
                    .filter(|(_, rest)| number <= rest.last && key.len() == self.key_len)
                    .map(|(_, rest)| rest.slot);
            }
        }
    }

    fn rest(end: Option<&Value>, slot: u32) -> Rest<K> {
        let last = end.map_or(K::MAX, |end| K::from_bytes(end).before());
        Rest { last, slot, ends: end.is_some() }
    }

    /// The interval that begins at `start`, whether it ends at `end`.
    fn exact(&self, start: &[u8], end: Option<&Value>) -> Option<(u32, bool)> {
        let rest = self.intervals.get(K::from_bytes(start))?;
        let wanted = Self::rest(end, 0);
        Some((rest.slot, rest.last == wanted.last && rest.ends == wanted.ends))
    }

    /// The first interval that begins behind `start`: its first key and slot.
    fn above(&self, start: &[u8]) -> Option<(Value, u32)> {
        let (first, rest) = self.intervals.above(K::from_bytes(start))?;
        Some((first.to_value(self.key_len), rest.slot))
    }

    fn before_below(&self, key: &[u8]) -> Option<Value> {
        let key = K::from_bytes(key);
        let below = Some(key.before()).filter(|below| *below < key)?;
        let (first, _) = self.intervals.at_or_below(below)?;
        Some(first.before()).filter(|before| *before < first).map(|before| before.to_value(self.key_len))
    }

    fn iter_from(&self, after: Option<Value>) -> impl Iterator<Item = (Value, Option<Value>, u32)> {
        let after = after.map(|after| K::from_bytes(&after));
        let rest = self.intervals.iter_from(after);
        rest.map(|(first, rest)| (first.to_value(self.key_len), self.end(rest), rest.slot))
    }

    fn end(&self, rest: &Rest<K>) -> Option<Value> {
        let end = rest.last.behind().filter(|_| rest.ends)?;
        Some(end.to_value(self.key_len))
    }
}

/// Intervals by their first key.
#[derive(Clone, Debug)]
pub(super) struct IntervalIndex(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Short(Numbers<u32>),
    Long(Numbers<u128>),
    Tree(BTreeMap<Value, (Option<Value>, u32)>),
}

impl IntervalIndex {
    pub(super) fn new(key_len: usize) -> IntervalIndex {
        IntervalIndex(match key_len {
            0..=4 => Kind::Short(Numbers { key_len, intervals: Sorted::default() }),
            5..=16 => Kind::Long(Numbers { key_len, intervals: Sorted::default() }),
            _ => Kind::Tree(BTreeMap::new()),
        })
    }

    /// The slot of the interval that `key` lies in.
    #[inline]
    pub(super) fn find(&self, key: &[u8]) -> Option<u32> {
        match &self.0 {
            Kind::Short(numbers) => numbers.find(key),
            Kind::Long(numbers) => numbers.find(key),
            Kind::Tree(tree) => {
                let below = (Bound::Unbounded, Bound::Included(key));
                let (_, (end, slot)) = tree.range::<[u8], _>(below).next_back()?;
                end.as_ref().is_none_or(|end| key < end.as_slice()).then_some(*slot)
            }
        }
    }

    /// For each key what [`IntervalIndex::find`] tells.
    pub(super) fn find_each(&self, keys: &[&[u8]], found: &mut [Option<u32>]) {
        match &self.0 {
            Kind::Short(numbers) => numbers.find_each(keys, found),
            Kind::Long(numbers) => numbers.find_each(keys, found),
            Kind::Tree(_) => keys.iter().zip(found).for_each(|(key, found)| *found = self.find(key)),
        }
    }

    /// A key such that the intervals that begin behind it are the last one that begins below `key`, and all that follow.
    /// `None` where that is all there are.
    pub(super) fn before_below(&self, key: &[u8]) -> Option<Value> {
        match &self.0 {
            Kind::Short(numbers) => numbers.before_below(key),
            Kind::Long(numbers) => numbers.before_below(key),
            Kind::Tree(tree) => {
                let below = (Bound::Unbounded, Bound::Excluded(key));
                tree.range::<[u8], _>(below).rev().nth(1).map(|(start, _)| start.clone())
            }
        }
    }

    /// The slot of the interval that begins at `start`, and whether it ends at `end`.
    fn exact(&self, start: &Value, end: Option<&Value>) -> Option<(u32, bool)> {
        match &self.0 {
            Kind::Short(numbers) => numbers.exact(start, end),
            Kind::Long(numbers) => numbers.exact(start, end),
            Kind::Tree(tree) => tree.get(start).map(|(other, slot)| (*slot, other.as_ref() == end)),
        }
    }

    pub(super) fn find_exact(&self, start: &Value, end: Option<&Value>) -> Option<u32> {
        self.exact(start, end).filter(|(_, same)| *same).map(|(slot, _)| slot)
    }

    /// Whether an interval may be put in.
    pub(super) fn check(&self, start: &Value, end: Option<&Value>) -> Result<(), Refusal> {
        if let Some((slot, same)) = self.exact(start, end) {
            return Err(if same { Refusal::Exists(slot) } else { Refusal::Overlaps(slot) });
        }
        if let Some(slot) = self.find(start) {
            return Err(Refusal::Overlaps(slot));
        }
        let above = match &self.0 {
            Kind::Short(numbers) => numbers.above(start),
            Kind::Long(numbers) => numbers.above(start),
            Kind::Tree(tree) => {
                let above = (Bound::Excluded(start), Bound::Unbounded);
                tree.range::<Value, _>(above).next().map(|(first, (_, slot))| (first.clone(), *slot))
            }
        };
        match above {
            Some((first, slot)) if end.is_none_or(|end| first < *end) => Err(Refusal::Overlaps(slot)),
            _ => Ok(()),
        }
    }

    pub(super) fn insert(&mut self, start: &Value, end: Option<Value>, slot: u32) {
        match &mut self.0 {
            Kind::Short(numbers) => {
                numbers.intervals.insert(u32::from_bytes(start), Numbers::<u32>::rest(end.as_ref(), slot));
            }
            Kind::Long(numbers) => {
                numbers.intervals.insert(u128::from_bytes(start), Numbers::<u128>::rest(end.as_ref(), slot));
            }
            Kind::Tree(tree) => {
                tree.insert(start.clone(), (end, slot));
            }
        }
    }

    /// Takes an interval out, telling its end.
    pub(super) fn remove(&mut self, start: &Value) -> Option<Value> {
        match &mut self.0 {
            Kind::Short(numbers) => {
                let rest = numbers.intervals.remove(u32::from_bytes(start))?;
                numbers.end(&rest)
            }
            Kind::Long(numbers) => {
                let rest = numbers.intervals.remove(u128::from_bytes(start))?;
                numbers.end(&rest)
            }
            Kind::Tree(tree) => tree.remove(start)?.0,
        }
    }

    /// First key, first key beyond, slot; ascending, of intervals that begin behind `after`.
    pub(super) fn iter_from(
        &self,
        after: Option<Value>,
    ) -> Box<dyn Iterator<Item = (Value, Option<Value>, u32)> + '_> {
        match &self.0 {
            Kind::Short(numbers) => Box::new(numbers.iter_from(after)),
            Kind::Long(numbers) => Box::new(numbers.iter_from(after)),
            Kind::Tree(tree) => {
                let from = after.map_or(Bound::Unbounded, Bound::Excluded);
                let rest = tree.range::<Value, _>((from, Bound::Unbounded));
                Box::new(rest.map(|(start, (end, slot))| (start.clone(), end.clone(), *slot)))
            }
        }
    }
}
