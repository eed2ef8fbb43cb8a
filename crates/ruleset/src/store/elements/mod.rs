//! What a set holds right now, with an index that suits its flags.
//!
//! One structure serves both sides, as in the kernel: transactions insert, remove and look for overlaps; packets look
//! keys up and, in dynamic sets, add and refresh elements. Elements lie in slots; an index maps keys to slots:
//! [`hash`] for plain keys, [`direct`] for many of one or two bytes, [`interval`] for intervals, [`concat`] for
//! concatenations of intervals. None of them is made anew when something changes.
//!
//! An element whose time is over is as good as gone for every look-up from then on; its memory is given back by
//! [`Elements::expire`], in portions, so that a million of them do not hold up packets.

mod concat;
mod direct;
mod hash;
mod interval;
mod segments;
mod slots;
mod sorted;
mod tuples;
mod vector;

use std::borrow::Cow;
use std::time::Duration;

use ironweir_wire::Instant;
use ironweir_wire::wheel::Wheel;

use self::concat::ConcatIndex;
use self::direct::DirectIndex;
use self::hash::HashIndex;
use self::interval::IntervalIndex;
use self::slots::Slots;
use crate::set::ElementMore;
use crate::{Element, ElementFlags, Set, SetFlags, Value};

/// An element that lives.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The element. Its `expiration` is meaningless here: see [`Entry::expires`].
    pub element: Element,
    /// From when on it is gone.
    pub expires: Option<Instant>,
}

impl Entry {
    /// Whether its time is over.
    pub fn is_expired(&self, now: Instant) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    /// Whether a packet that finds it needs more than that it is there.
    fn is_rich(&self) -> bool {
        self.element.more.as_ref().is_some_and(|more| more.data.is_some() || !more.exprs.is_empty())
    }

    /// As a dump shows it.
    pub fn listed(&self) -> Listed<'_> {
        Listed {
            key: Cow::Borrowed(&self.element.key),
            flags: self.element.flags,
            more: self.element.more.as_deref(),
            expires: self.expires,
        }
    }
}

/// An element as a dump shows it. An interval of a set without concatenation is two of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed<'a> {
    /// The key; empty for the catch-all.
    pub key: Cow<'a, Value>,
    /// Flags.
    pub flags: ElementFlags,
    /// Everything few elements have.
    pub more: Option<&'a ElementMore>,
    /// From when on it is gone.
    pub expires: Option<Instant>,
}

impl Listed<'_> {
    /// An element of its own, with what is left of its time at `now`.
    pub fn to_element(&self, now: Instant) -> Element {
        let mut more = self.more.cloned();
        if let Some(at) = self.expires {
            let left = u64::try_from(at.since(now).as_millis()).unwrap_or(u64::MAX);
            more.get_or_insert_default().expiration = Some(left);
        }
        Element { key: self.key.clone().into_owned(), flags: self.flags, more: more.map(Box::new) }
    }
}

/// Why an element was not inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// An element with the same key (or interval) is in this slot.
    Exists(u32),
    /// It overlaps the one in this slot.
    Overlaps(u32),
    /// The set holds as many as it may.
    Full,
}

/// An element taken out, with what is needed to put it back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Removed {
    pub(crate) entry: Entry,
    pub(crate) end: Option<Value>,
}

#[derive(Clone, Debug)]
enum Index {
    Hash(HashIndex),
    Direct(DirectIndex),
    Interval(IntervalIndex),
    Concat(ConcatIndex),
}

/// How many keys of one or two bytes are hashed: what one line of the hash table holds.
const HASHED: usize = 7;

/// The elements of one set.
#[derive(Clone, Debug)]
pub struct Elements {
    slots: Slots,
    index: Index,
    catchall: Option<u32>,
    /// Which slot may be over when; made with the first element whose time is bounded.
    wheel: Option<Box<Wheel>>,
    /// How many live for a time: where there are none, a look-up need not read the element.
    timed: usize,
    /// How many have data or expressions.
    rich: usize,
    /// An interval set was told that keys below its first interval are outside: an end at key zero.
    end_at_zero: Option<Value>,
    size: u32,
    key_len: usize,
    count: usize,
}

impl Elements {
    /// No elements yet. `seed` keys the hash: keys come from packets.
    pub fn new(set: &Set, seed: u64) -> Elements {
        let key_len = set.key_len as usize;
        let index = if !set.flags.contains(SetFlags::INTERVAL) {
            Index::Hash(HashIndex::new(key_len, seed))
        } else if set.fields.len() > 1 || set.flags.contains(SetFlags::CONCAT) {
            Index::Concat(ConcatIndex::new(&set.fields, set.key_len, seed))
        } else {
            Index::Interval(IntervalIndex::new(key_len))
        };
        Elements {
            slots: Slots::default(),
            index,
            catchall: None,
            wheel: None,
            timed: 0,
            rich: 0,
            end_at_zero: None,
            size: set.size.unwrap_or(u32::MAX),
            key_len,
            count: 0,
        }
    }

    /// How many there are, intervals counted once, the catch-all not at all, expired ones while they have their memory.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none, not even a catch-all.
    pub fn is_empty(&self) -> bool {
        self.count == 0 && self.catchall.is_none()
    }

    /// Makes room for as many more.
    pub(crate) fn reserve(&mut self, more: usize) {
        if let Index::Hash(index) = &mut self.index
            && (self.key_len > 2 || self.count + more <= HASHED)
        {
            index.reserve(more);
        }
    }

    /// Whether intervals of this set are written as two elements each.
    pub(crate) fn has_interval_ends(&self) -> bool {
        matches!(self.index, Index::Interval(_))
    }

    /// Remembers that an end at key zero was given, to list it again. Tells whether that is new.
    pub(crate) fn set_end_at_zero(&mut self, key: Option<Value>) -> Option<Value> {
        std::mem::replace(&mut self.end_at_zero, key)
    }

    /// The element that holds `key` at `now`: the catch-all if no other does.
    pub fn lookup(&self, key: &[u8], now: Instant) -> Option<(u32, &Entry)> {
        let slot = self.find_live(key, now)?;
        Some((slot, self.slots.get(slot)?))
    }

    /// The slot of the element that holds `key` at `now`, the catch-all's if no other does. Of a set whose elements live
    /// for ever, this does not read the element.
    #[inline]
    pub fn find_live(&self, key: &[u8], now: Instant) -> Option<u32> {
        let slot = match &self.index {
            Index::Hash(index) => index.find_key(key, |slot| self.slots.key(slot)),
            Index::Direct(index) => index.find(key),
            Index::Interval(index) => index.find(key),
            Index::Concat(index) => index.find(key, |slot| self.is_live(slot, now)),
        };
        self.or_catchall(slot, now)
    }

    #[inline]
    fn or_catchall(&self, slot: Option<u32>, now: Instant) -> Option<u32> {
        match slot {
            Some(slot) if self.is_live(slot, now) => Some(slot),
            _ => self.catchall.filter(|slot| self.is_live(*slot, now)),
        }
    }

    #[inline]
    fn is_live(&self, slot: u32, now: Instant) -> bool {
        self.timed == 0 || self.slots.get(slot).is_some_and(|entry| !entry.is_expired(now))
    }

    /// Whether no element has data or expressions: what is found of one is that it is there.
    #[inline]
    pub fn are_plain(&self) -> bool {
        self.rich == 0
    }

    /// What a slot holds.
    pub fn get(&self, slot: u32) -> Option<&Entry> {
        self.slots.get(slot)
    }

    /// The element with exactly this key (and end).
    pub(crate) fn find(&self, element: &Element, end: Option<&Value>) -> Option<u32> {
        if element.flags.contains(ElementFlags::CATCHALL) {
            return self.catchall;
        }
        match &self.index {
            Index::Hash(index) => index.find_key(&element.key, |slot| self.slots.key(slot)),
            Index::Direct(index) => index.find(&element.key),
            Index::Interval(index) => index.find_exact(&element.key, end),
            Index::Concat(index) => {
                index.find_exact(&element.key, element.key_end().unwrap_or(&element.key), |slot| {
                    self.slots.get(slot)
                })
            }
        }
    }

    /// Whether an element may be put in. What stands in its way may be over: see [`Entry::is_expired`].
    pub(crate) fn check(&self, element: &Element, end: Option<&Value>) -> Result<(), Refusal> {
        if element.flags.contains(ElementFlags::CATCHALL) {
            return self.catchall.map_or(Ok(()), |slot| Err(Refusal::Exists(slot)));
        }
        match &self.index {
            Index::Hash(_) | Index::Direct(_) => {
                if let Some(slot) = self.find(element, None) {
                    return Err(Refusal::Exists(slot));
                }
            }
            Index::Interval(index) => index.check(&element.key, end)?,
            Index::Concat(index) => {
                index.check(&element.key, element.key_end().unwrap_or(&element.key), |slot| {
                    self.slots.get(slot)
                })?;
            }
        }
        if self.count >= self.size as usize { Err(Refusal::Full) } else { Ok(()) }
    }

    /// Puts an element in that lives for `lifetime` from `now` on, or for ever. `end` is the first key beyond an
    /// interval; `None` where it has no end. An element whose time is over and whose memory was not given back yet is in
    /// the way like any other: see [`super::TableState::insert_element`].
    pub fn insert(
        &mut self,
        element: Element,
        end: Option<Value>,
        lifetime: Option<Duration>,
        now: Instant,
    ) -> Result<u32, Refusal> {
        self.check(&element, end.as_ref())?;
        let expires = lifetime.map(|lifetime| now + lifetime);
        Ok(self.put(Removed { entry: Entry { element, expires }, end }))
    }

    /// Puts something in without looking for overlaps.
    pub(crate) fn put(&mut self, Removed { entry, end }: Removed) -> u32 {
        let slot = self.slots.next();
        if let Some(at) = entry.expires {
            self.timed += 1;
            self.wheel.get_or_insert_default().schedule(slot, at);
        }
        self.rich += usize::from(entry.is_rich());
        if entry.element.flags.contains(ElementFlags::CATCHALL) {
            self.catchall = Some(slot);
        } else {
            if self.count == HASHED && self.key_len <= 2 && matches!(self.index, Index::Hash(_)) {
                self.index = Index::Direct(self.every_key());
            }
            self.count += 1;
            let key = &entry.element.key;
            match &mut self.index {
                Index::Hash(index) => index.insert(key, slot),
                Index::Direct(index) => index.insert(key, slot),
                Index::Interval(index) => index.insert(key, end, slot),
                Index::Concat(index) => index.insert(key, entry.element.key_end().unwrap_or(key), slot),
            }
        }
        self.slots.put(entry)
    }

    fn every_key(&self) -> DirectIndex {
        let mut index = DirectIndex::new(self.key_len);
        for (slot, entry) in self.slots.iter_from(0).filter(|(slot, _)| self.catchall != Some(*slot)) {
            index.insert(&entry.element.key, slot);
        }
        index
    }

    /// Takes out what a slot holds.
    pub(crate) fn remove(&mut self, slot: u32) -> Option<Removed> {
        let entry = self.slots.take(slot)?;
        let mut end = None;
        if entry.expires.is_some() {
            self.timed -= 1;
            if let Some(wheel) = &mut self.wheel {
                wheel.cancel(slot);
            }
        }
        self.rich -= usize::from(entry.is_rich());
        if self.catchall == Some(slot) {
            self.catchall = None;
        } else {
            self.count -= 1;
            let key = &entry.element.key;
            match &mut self.index {
                Index::Hash(index) => index.remove(key, slot),
                Index::Direct(index) => index.remove(key),
                Index::Interval(index) => end = index.remove(key),
                Index::Concat(index) => index.remove(key, entry.element.key_end().unwrap_or(key), slot),
            }
        }
        Some(Removed { entry, end })
    }

    /// Begins an element's time anew.
    pub fn refresh(&mut self, slot: u32, lifetime: Duration, now: Instant) {
        let Some(entry) = self.slots.get_mut(slot) else { return };
        let at = now + lifetime;
        match entry.expires.replace(at) {
            Some(old) if old <= at => {}
            // The wheel looks no later than it was told, and an entry that lives longer is put back then.
            Some(_) => self.wheel.get_or_insert_default().hasten(slot, at),
            None => {
                self.timed += 1;
                self.wheel.get_or_insert_default().schedule(slot, at);
            }
        }
    }

    /// Gives back what elements whose time is over occupy, `most` of them, handing them to `gone`. Whether that was all.
    pub fn expire(&mut self, now: Instant, most: usize, mut gone: impl FnMut(Entry)) -> bool {
        for _ in 0..most {
            let Some(wheel) = &mut self.wheel else { return true };
            let Some(slot) = wheel.pop(now) else { return true };
            match self.slots.get(slot).and_then(|entry| entry.expires) {
                Some(later) if later > now => wheel.schedule(slot, later),
                Some(_) => {
                    if let Some(removed) = self.remove(slot) {
                        gone(removed.entry);
                    }
                }
                None => {}
            }
        }
        false
    }

    /// When [`Elements::expire`] has something to do next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.wheel.as_ref()?.next()
    }

    /// Slots of all elements: intervals in ascending order, others in no particular one, the catch-all last.
    pub(crate) fn order(&self) -> Vec<u32> {
        match &self.index {
            Index::Interval(index) => {
                index.iter_from(None).map(|(_, _, slot)| slot).chain(self.catchall).collect()
            }
            _ => {
                let slots = self.slots.iter_from(0).map(|(slot, _)| slot);
                slots.filter(|slot| self.catchall != Some(*slot)).chain(self.catchall).collect()
            }
        }
    }

    /// Every element as a dump shows it: intervals in ascending order, start before end; others by slot; the
    /// catch-all last. Expired ones are among them until they are given back.
    pub fn iter(&self) -> impl Iterator<Item = Listed<'_>> {
        self.iter_from(Position::Start).map(|(listed, _)| listed)
    }

    /// The position of the last interval that begins below a key; the first position where none does.
    pub fn position_below(&self, key: &[u8]) -> Position {
        match &self.index {
            Index::Interval(index) if key.len() == self.key_len => {
                index.before_below(key).map_or(Position::Start, Position::Interval)
            }
            _ => Position::Start,
        }
    }

    /// What [`Elements::iter`] gives from a position on, each with the position behind it. Elements that came and went
    /// since the position was told are there or are not; all others are there once.
    pub fn iter_from(&self, from: Position) -> impl Iterator<Item = (Listed<'_>, Position)> {
        let intervals = match &self.index {
            Index::Interval(index) => Some(index),
            _ => None,
        };
        let (begins, ended) = (from == Position::Start, from == Position::End);
        let (after, first) = match from {
            Position::Interval(start) => (Some(start), 0),
            Position::Slot(slot) => (None, slot),
            Position::Start => (None, 0),
            Position::End => (None, u32::MAX),
        };
        let pairs = intervals.filter(|_| !ended).into_iter();
        let pairs = pairs.flat_map(move |index| index.iter_from(after.clone()));
        let pairs = pairs.flat_map(move |(start, end, slot)| {
            // Both halves come together or not at all: where one is the last, what follows it is behind both.
            let behind = Position::Interval(start);
            let begin = self.slots.get(slot).map(|entry| (entry.listed(), behind.clone()));
            [begin, end.map(|key| (end_of(Cow::Owned(key)), behind))].into_iter().flatten()
        });
        let first = if intervals.is_some() { u32::MAX } else { first };
        let plain = self.slots.iter_from(first).filter_map(|(slot, entry)| {
            let wanted = !entry.element.flags.contains(ElementFlags::CATCHALL);
            wanted.then(|| (entry.listed(), Position::Slot(slot + 1)))
        });
        let catchall = self.catchall.filter(|_| !ended).and_then(|slot| self.slots.get(slot));
        let zero = self.end_at_zero.as_ref().filter(|_| begins);
        zero.map(|zero| (end_of(Cow::Borrowed(zero)), Position::Start))
            .into_iter()
            .chain(pairs)
            .chain(plain)
            .chain(catchall.map(|entry| (entry.listed(), Position::End)))
    }
}

/// A place in the order in which a set tells its elements ([`Elements::iter_from`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Position {
    /// Before the first.
    #[default]
    Start,
    /// Behind the interval with this first key.
    Interval(Value),
    /// At a slot.
    Slot(u32),
    /// Behind all.
    End,
}

fn end_of(key: Cow<'_, Value>) -> Listed<'_> {
    Listed { key, flags: ElementFlags::INTERVAL_END, more: None, expires: None }
}

#[cfg(test)]
mod tests;
