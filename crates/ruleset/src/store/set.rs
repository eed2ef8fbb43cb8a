//! A committed set or map with its elements.

use std::time::Duration;

use hashbrown::HashMap;
use ironweir_wire::Instant;

use super::elements::{Elements, Entry, Listed, Position};
use crate::{Element, Handle, Set, SetFlags};

/// A committed set or map.
#[derive(Clone, Debug)]
pub struct SetState {
    /// Its handle.
    pub handle: Handle,
    /// Its attributes, the name of an anonymous one filled in.
    pub set: Set,
    /// Which slot it is in: what [`crate::SetRef::id`] of committed rules means.
    pub id: u32,
    pub(super) elements: Elements,
    /// How many expressions use it.
    pub(super) uses: u32,
    /// To which chains the elements of this verdict map lead, and how many of them.
    pub(super) targets: HashMap<u32, u32>,
    /// Its elements are somewhere else and were not asked for; there are so many, if that is known.
    pub(super) elsewhere: Option<Option<u32>>,
}

impl SetState {
    /// Its elements as a dump shows them: see [`Elements::iter`].
    pub fn elements(&self) -> impl Iterator<Item = Listed<'_>> {
        self.elements.iter()
    }

    /// Its elements from a position on, each with the position behind it.
    pub fn elements_from(&self, from: Position) -> impl Iterator<Item = (Listed<'_>, Position)> {
        self.elements.iter_from(from)
    }

    /// The position of the last interval that begins below a key: see [`Elements::position_below`].
    pub fn position_below(&self, key: &[u8]) -> Position {
        self.elements.position_below(key)
    }

    /// Its elements that live at `now`, as values of their own that tell what is left of their time.
    pub fn dump(&self, now: Instant) -> impl Iterator<Item = Element> + use<'_> {
        self.elements
            .iter()
            .filter(move |element| element.expires.is_none_or(|at| at > now))
            .map(move |element| element.to_element(now))
    }

    /// How many elements there are, intervals counted once. Of a mirrored set whose elements were not asked for, what its
    /// owner says; 0 if it says nothing.
    pub fn element_count(&self) -> usize {
        match self.elsewhere {
            Some(count) => count.unwrap_or(0) as usize,
            None => self.elements.len(),
        }
    }

    /// Whether it surely holds no elements but perhaps a catch-all.
    pub fn is_empty(&self) -> bool {
        match self.elsewhere {
            Some(count) => count == Some(0),
            None => self.elements.len() == 0,
        }
    }

    /// Whether its elements are here: those of a mirrored set are when they were asked for.
    pub fn is_read(&self) -> bool {
        self.elsewhere.is_none()
    }

    /// The element that holds `key` at `now`, the catch-all if no other does, and its slot.
    pub fn lookup(&self, key: &[u8], now: Instant) -> Option<(u32, &Entry)> {
        self.elements.lookup(key, now)
    }

    /// The slot of the element that holds `key` at `now`: see [`Elements::find_live`].
    #[inline]
    pub fn find_live(&self, key: &[u8], now: Instant) -> Option<u32> {
        self.elements.find_live(key, now)
    }

    /// For each of several keys what [`SetState::find_live`] tells, faster: see [`Elements::find_each`].
    pub fn find_each(&self, keys: &[&[u8]], now: Instant, found: &mut [Option<u32>]) {
        self.elements.find_each(keys, now, found);
    }

    /// Whether none of its elements has data or expressions.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.elements.are_plain()
    }

    /// What a slot of its elements holds.
    pub fn element_at(&self, slot: u32) -> Option<&Entry> {
        self.elements.get(slot)
    }

    /// How many expressions use it.
    pub fn uses(&self) -> u32 {
        self.uses
    }

    /// Whether it goes with the rule that uses it.
    pub fn is_anonymous(&self) -> bool {
        self.set.flags.contains(SetFlags::ANONYMOUS)
    }

    /// Begins an element's time anew, from the packet path.
    pub fn refresh_from_packet(&mut self, slot: u32, lifetime: Duration, now: Instant) {
        self.elements.refresh(slot, lifetime, now);
    }

    /// When elements expire next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.elements.next_deadline()
    }
}
