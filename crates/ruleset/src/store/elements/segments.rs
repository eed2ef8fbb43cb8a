//! One field of a concatenation, cut at every bound of an element: each segment knows which elements cover it.
//!
//! Elements whose interval in some field covers few segments, which few others cover too, are found by it: one search
//! leads to a handful of elements, whose other fields are then compared. That is so wherever one field tells elements
//! apart, as addresses do. Others are refused ([`Segments::insert`]), and kept another way.

use super::interval::Number;
use super::sorted::{Sorted, TOGETHER};

/// Elements of a segment.
const LISTED: usize = 8;
/// Segments that an element may cover.
const COVERED: usize = 64;
/// No slot: behind the last of a list.
pub(super) const NONE: u32 = u32::MAX;

/// Slots in ascending order, then [`NONE`].
pub(super) type List = [u32; LISTED];

/// Segments by their first number. Each reaches to the next; below the first nothing is covered.
#[derive(Clone, Debug)]
pub(super) struct Segments<K> {
    lists: Sorted<K, List>,
}

impl<K: Number> Default for Segments<K> {
    fn default() -> Self {
        Segments { lists: Sorted::default() }
    }
}

impl<K: Number> Segments<K> {
    pub(super) fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// The elements that cover a number.
    #[inline]
    pub(super) fn at(&self, number: K) -> impl Iterator<Item = u32> + use<K> {
        let list = self.lists.at_or_below(number).map_or([NONE; LISTED], |(_, list)| *list);
        list.into_iter().take_while(|slot| *slot != NONE)
    }

    /// The elements that cover each of several numbers: lists that end at [`NONE`], or are full.
    #[inline]
    pub(super) fn at_each(&self, numbers: &[K; TOGETHER]) -> [List; TOGETHER] {
        self.lists.at_or_below_each(numbers).map(|found| found.map_or([NONE; LISTED], |(_, list)| *list))
    }

    /// Adds an element that covers `from` to `to`; false where it would be one too many.
    pub(super) fn insert(&mut self, from: K, to: K, slot: u32) -> bool {
        if !self.has_room(from, to) {
            return false;
        }
        self.cut(from);
        if let Some(behind) = to.behind() {
            self.cut(behind);
        }
        self.change(from, to, |list| {
            let at = list.iter().position(|other| *other > slot).unwrap_or(LISTED - 1);
            list[at..].rotate_right(1);
            list[at] = slot;
        });
        true
    }

    /// Takes out an element that was put in so.
    pub(super) fn remove(&mut self, from: K, to: K, slot: u32) {
        self.change(from, to, |list| {
            if let Some(at) = list.iter().position(|other| *other == slot) {
                list[at..].rotate_left(1);
                list[LISTED - 1] = NONE;
            }
        });
        self.join(from);
        if let Some(behind) = to.behind() {
            self.join(behind);
        }
    }

    fn has_room(&self, from: K, to: K) -> bool {
        let first = self.lists.position_at_or_below(from);
        let full = |list: &List| list[LISTED - 1] != NONE;
        if first.and_then(|first| self.lists.at(first)).is_some_and(|(_, list)| full(list)) {
            return false;
        }
        let mut number = from;
        for _ in 0..COVERED {
            match self.lists.above(number) {
                Some((next, _)) if next > to => return true,
                None => return true,
                Some((_, list)) if full(list) => return false,
                Some((next, _)) => number = next,
            }
        }
        false
    }

    /// Has a segment begin at a number.
    fn cut(&mut self, number: K) {
        match self.lists.at_or_below(number) {
            Some((first, _)) if first == number => {}
            Some((_, list)) => {
                let list = *list;
                self.lists.insert(number, list);
            }
            None => self.lists.insert(number, [NONE; LISTED]),
        }
    }

    /// Has no segment begin at a number, where the one before has the same elements.
    fn join(&mut self, number: K) {
        let Some(list) = self.lists.get(number).copied() else { return };
        let before = match number.before() {
            before if before < number => self.lists.at_or_below(before).map(|(_, list)| *list),
            _ => None,
        };
        if before.unwrap_or([NONE; LISTED]) == list {
            self.lists.remove(number);
        }
    }

    fn change(&mut self, from: K, to: K, mut each: impl FnMut(&mut List)) {
        let Some(mut position) = self.lists.position_at_or_below(from) else { return };
        while let Some((first, _)) = self.lists.at(position)
            && first <= to
        {
            if let Some(list) = self.lists.at_mut(position) {
                each(list);
            }
            position = self.lists.after(position);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_is_covered_by_what_was_put_in_over_it(
            steps in prop::collection::vec((0..4u8, any::<u8>(), 0..40u8), 0..120),
        ) {
            let top = |number: u8| u32::MAX - 255 + u32::from(number);
            let mut segments = Segments::default();
            let mut model: Vec<(u32, u32, u32)> = Vec::new();
            for (slot, (step, from, len)) in (0..).zip(steps) {
                if step > 0 {
                    let (from, to) = (top(from), top(from.saturating_add(len)));
                    if segments.insert(from, to, slot) {
                        model.push((from, to, slot));
                    }
                } else if !model.is_empty() {
                    let (from, to, slot) = model.remove(usize::from(from) % model.len());
                    segments.remove(from, to, slot);
                }
                for number in (0..=255).map(top) {
                    let covers = model.iter().filter(|(from, to, _)| (*from..=*to).contains(&number));
                    let mut slots: Vec<u32> = covers.map(|(_, _, slot)| *slot).collect();
                    slots.sort_unstable();
                    prop_assert_eq!(segments.at(number).collect::<Vec<_>>(), slots);
                }
            }
            for (from, to, slot) in model {
                segments.remove(from, to, slot);
            }
            prop_assert!(segments.is_empty(), "nothing is left of what was");
        }
    }

    #[test]
    fn an_element_too_many_is_refused_and_leaves_nothing() {
        let mut segments = Segments::default();
        for slot in 0..8 {
            assert!(segments.insert(10u32, 20, slot));
        }
        assert!(!segments.insert(20, 30, 8));
        assert_eq!(segments.at(25).count(), 0);
        assert!(segments.insert(21, 30, 8));
        let mut wide = Segments::default();
        for slot in 0..100 {
            assert!(wide.insert(slot * 2, slot * 2, slot));
        }
        assert!(!wide.insert(0u32, 1000, 100), "it would cover 200 segments");
    }
}
