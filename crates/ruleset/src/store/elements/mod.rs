//! What a set holds right now, with an index that suits its flags.
//!
//! One structure serves both sides, as in the kernel: transactions insert, remove and look for overlaps; packets look
//! keys up and, in dynamic sets, add and refresh elements. Elements lie in slots; an index maps keys to slots:
//! [`hash`] for plain keys, [`interval`] for intervals, [`concat`] for concatenations of intervals.
//!
//! An element whose time is over is as good as gone for every lookup from then on; its memory is given back by
//! [`Elements::expire`].

mod concat;
mod hash;
mod interval;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use ironweir_wire::Instant;

use self::concat::ConcatIndex;
use self::hash::HashIndex;
use self::interval::IntervalIndex;
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
}

/// An element as a dump shows it. An interval of a set without concatenation is two of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Listed<'a> {
    /// The key; empty for the catch-all.
    pub key: &'a Value,
    /// Flags.
    pub flags: ElementFlags,
    /// Everything few elements have.
    pub more: Option<&'a ElementMore>,
    /// From when on it is gone.
    pub expires: Option<Instant>,
}

impl Listed<'_> {
    /// An element of its own, with what is left of its time at `now`.
    pub fn to_element(self, now: Instant) -> Element {
        let mut more = self.more.cloned();
        if let Some(at) = self.expires {
            let left = u64::try_from(at.since(now).as_millis()).unwrap_or(u64::MAX);
            more.get_or_insert_default().expiration = Some(left);
        }
        Element { key: self.key.clone(), flags: self.flags, more: more.map(Box::new) }
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
    Interval(IntervalIndex),
    Concat(ConcatIndex),
}

/// The elements of one set.
#[derive(Clone, Debug)]
pub struct Elements {
    slots: Slots,
    index: Index,
    catchall: Option<u32>,
    /// Which slot may be over when; stale where an element was refreshed or removed since.
    deadlines: BinaryHeap<Reverse<(Instant, u32)>>,
    /// An interval set was told that keys below its first interval are outside: an end at key zero.
    end_at_zero: Option<Value>,
    size: u32,
    count: usize,
}

#[derive(Clone, Debug, Default)]
struct Slots {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
}

impl Slots {
    fn get(&self, slot: u32) -> Option<&Entry> {
        self.entries.get(slot as usize)?.as_ref()
    }

    fn key(&self, slot: u32) -> &[u8] {
        self.get(slot).map_or(&[], |entry| &entry.element.key)
    }
}

impl Elements {
    /// No elements yet. `seed` keys the hash: keys come from packets.
    pub fn new(set: &Set, seed: u64) -> Elements {
        let index = if !set.flags.contains(SetFlags::INTERVAL) {
            Index::Hash(HashIndex::new(seed))
        } else if set.fields.len() > 1 || set.flags.contains(SetFlags::CONCAT) {
            Index::Concat(ConcatIndex::new(&set.fields, set.key_len, seed))
        } else {
            Index::Interval(IntervalIndex::default())
        };
        Elements {
            slots: Slots::default(),
            index,
            catchall: None,
            deadlines: BinaryHeap::new(),
            end_at_zero: None,
            size: set.size.unwrap_or(u32::MAX),
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
        if let Index::Hash(index) = &mut self.index {
            self.slots.entries.reserve(more);
            index.reserve(more, |slot| self.slots.key(slot));
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
        let live = |slot: u32| self.slots.get(slot).filter(|entry| !entry.is_expired(now));
        let slot = match &self.index {
            Index::Hash(index) => index.find(key, |slot| self.slots.key(slot)),
            Index::Interval(index) => index.find(key),
            Index::Concat(index) => index.find(key, |slot| live(slot).is_some()),
        };
        slot.and_then(|slot| Some((slot, live(slot)?)))
            .or_else(|| self.catchall.and_then(|slot| Some((slot, live(slot)?))))
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
            Index::Hash(index) => index.find(&element.key, |slot| self.slots.key(slot)),
            Index::Interval(index) => index.find_exact(&element.key, end),
            Index::Concat(index) => {
                index.find_exact(&element.key, element.key_end().unwrap_or(&element.key), |slot| {
                    self.slots.get(slot)
                })
            }
        }
    }

    /// Puts an element in that lives for `lifetime` from `now` on, or for ever. `end` is the first key beyond an
    /// interval; `None` where it has no end.
    pub fn insert(
        &mut self,
        element: Element,
        end: Option<Value>,
        lifetime: Option<Duration>,
        now: Instant,
    ) -> Result<u32, Refusal> {
        let expires = lifetime.map(|lifetime| now + lifetime);
        let catchall = element.flags.contains(ElementFlags::CATCHALL);
        if catchall {
            if let Some(slot) = self.catchall {
                return Err(Refusal::Exists(slot));
            }
        } else {
            match &self.index {
                Index::Hash(index) => {
                    if let Some(slot) = index.find(&element.key, |slot| self.slots.key(slot)) {
                        return Err(Refusal::Exists(slot));
                    }
                }
                Index::Interval(index) => index.check(&element.key, end.as_ref())?,
                Index::Concat(index) => {
                    index.check(&element.key, element.key_end().unwrap_or(&element.key), |slot| {
                        self.slots.get(slot).filter(|entry| !entry.is_expired(now))
                    })?
                }
            }
            if self.count >= self.size as usize {
                return Err(Refusal::Full);
            }
        }
        Ok(self.put(Removed { entry: Entry { element, expires }, end }))
    }

    /// Puts something in without looking for overlaps.
    pub(crate) fn put(&mut self, Removed { entry, end }: Removed) -> u32 {
        let slot = match self.slots.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.entries.push(None);
                (self.slots.entries.len() - 1) as u32
            }
        };
        if let Some(at) = entry.expires {
            self.deadlines.push(Reverse((at, slot)));
        }
        if entry.element.flags.contains(ElementFlags::CATCHALL) {
            self.catchall = Some(slot);
        } else {
            self.count += 1;
            match &mut self.index {
                Index::Hash(index) => index.insert(&entry.element.key, slot, |slot| self.slots.key(slot)),
                Index::Interval(index) => index.insert(entry.element.key.clone(), end, slot),
                Index::Concat(index) => {
                    let key = &entry.element.key;
                    index.insert(key, entry.element.key_end().unwrap_or(key), slot);
                }
            }
        }
        self.slots.entries[slot as usize] = Some(entry);
        slot
    }

    /// Takes out what a slot holds.
    pub(crate) fn remove(&mut self, slot: u32) -> Option<Removed> {
        let entry = self.slots.entries.get_mut(slot as usize)?.take()?;
        let mut end = None;
        if self.catchall == Some(slot) {
            self.catchall = None;
        } else {
            self.count -= 1;
            match &mut self.index {
                Index::Hash(index) => index.remove(&entry.element.key, slot),
                Index::Interval(index) => end = index.remove(&entry.element.key),
                Index::Concat(index) => {
                    let key = &entry.element.key;
                    index.remove(key, entry.element.key_end().unwrap_or(key), slot);
                }
            }
        }
        self.slots.free.push(slot);
        Some(Removed { entry, end })
    }

    /// Begins an element's time anew.
    pub fn refresh(&mut self, slot: u32, lifetime: Duration, now: Instant) {
        let Some(Some(entry)) = self.slots.entries.get_mut(slot as usize) else { return };
        let old = entry.expires.replace(now + lifetime);
        // An entry that lives longer than its place in the heap says is put back when that place comes up.
        if old.is_none_or(|old| now + lifetime < old) {
            self.deadlines.push(Reverse((now + lifetime, slot)));
        }
    }

    /// Gives back what elements whose time is over occupy, handing them to `gone`.
    pub(crate) fn expire(&mut self, now: Instant, mut gone: impl FnMut(Entry)) {
        while let Some(&Reverse((at, slot))) = self.deadlines.peek() {
            if at > now {
                break;
            }
            self.deadlines.pop();
            match self.slots.get(slot).and_then(|entry| entry.expires) {
                Some(later) if later > now => self.deadlines.push(Reverse((later, slot))),
                Some(_) => {
                    if let Some(removed) = self.remove(slot) {
                        gone(removed.entry);
                    }
                }
                None => {}
            }
        }
        // Refreshing and removing leave stale deadlines behind; a heap of little else is built anew.
        if self.deadlines.len() > 64 && self.deadlines.len() > 4 * self.count {
            let entries = self.slots.entries.iter().enumerate();
            let live = entries.filter_map(|(slot, entry)| Some((entry.as_ref()?.expires?, slot as u32)));
            self.deadlines = live.map(Reverse).collect();
        }
    }

    /// When [`Elements::expire`] has something to do next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.peek().map(|Reverse((at, _))| *at)
    }

    /// Slots of all elements: intervals in ascending order, others in no particular one, the catch-all last.
    pub(crate) fn order(&self) -> Vec<u32> {
        match &self.index {
            Index::Interval(index) => {
                index.iter_from(None).map(|(_, _, slot)| slot).chain(self.catchall).collect()
            }
            _ => {
                let slots = (0..self.slots.entries.len() as u32)
                    .filter(|slot| self.slots.get(*slot).is_some() && self.catchall != Some(*slot));
                slots.chain(self.catchall).collect()
            }
        }
    }

    /// Every element as a dump shows it: intervals in ascending order, start before end; others by slot; the
    /// catch-all last. Expired ones are among them until they are given back.
    pub fn iter(&self) -> impl Iterator<Item = Listed<'_>> {
        self.iter_from(Position::Start).map(|(listed, _)| listed)
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
            Position::Slot(slot) => (None, slot as usize),
            Position::Start => (None, 0),
            Position::End => (None, usize::MAX),
        };
        let pairs = intervals.filter(|_| !ended).into_iter();
        let pairs = pairs.flat_map(move |index| index.iter_from(after.clone()));
        let pairs = pairs.flat_map(move |(start, end, slot)| {
            // Both halves come together or not at all: where one is the last, what follows it is behind both.
            let behind = Position::Interval(start.clone());
            let begin = self.slots.get(slot).map(listed).map(|one| (one, behind.clone()));
            [begin, end.map(|key| (end_of(key), behind))].into_iter().flatten()
        });
        let entries = self.slots.entries.get(first..).unwrap_or_default().iter();
        let plain = entries.zip(first as u32..).filter_map(move |(entry, slot)| {
            let entry = entry.as_ref()?;
            let wanted = intervals.is_none() && !entry.element.flags.contains(ElementFlags::CATCHALL);
            wanted.then(|| (listed(entry), Position::Slot(slot + 1)))
        });
        let catchall = self.catchall.filter(|_| !ended).and_then(|slot| self.slots.get(slot));
        let zero = self.end_at_zero.as_ref().filter(|_| begins).map(end_of);
        zero.map(|zero| (zero, Position::Start))
            .into_iter()
            .chain(pairs)
            .chain(plain)
            .chain(catchall.map(|entry| (listed(entry), Position::End)))
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

fn end_of(key: &Value) -> Listed<'_> {
    Listed { key, flags: ElementFlags::INTERVAL_END, more: None, expires: None }
}

fn listed(entry: &Entry) -> Listed<'_> {
    Listed {
        key: &entry.element.key,
        flags: entry.element.flags,
        more: entry.element.more.as_deref(),
        expires: entry.expires,
    }
}

#[cfg(test)]
mod tests;
