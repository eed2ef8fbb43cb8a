//! One message: its text as it is now, in the packet that carries it.

use std::borrow::Cow;

use ironweir_wire::{L3, Tuple};

use super::text::Span;
use crate::entry::Direction;
use crate::helper::Context;

/// A message that is read and changed.
pub(super) struct Message<'m, 't, 'a, 'p> {
    pub(super) context: &'m mut Context<'a, 'p>,
    text: Cow<'t, [u8]>,
    /// Where in the payload it begins now.
    at: usize,
    /// By how many bytes it has grown.
    pub(super) grown: i32,
}

impl<'m, 't, 'a, 'p> Message<'m, 't, 'a, 'p> {
    pub(super) fn new(context: &'m mut Context<'a, 'p>, text: &'t [u8], at: usize) -> Self {
        Message { context, text: Cow::Borrowed(text), at, grown: 0 }
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The family of its addresses.
    pub(super) fn l3(&self) -> L3 {
        self.context.tuple(Direction::Original).l3
    }

    /// The connection's tuple in the direction of the message, and in the other.
    pub(super) fn tuples(&self) -> (Tuple, Tuple) {
        let direction = self.context.direction();
        (self.context.tuple(direction), self.context.tuple(direction.opposite()))
    }

    /// Puts other bytes in a place. False: there is no room.
    #[must_use]
    pub(super) fn change(&mut self, place: Span, with: &[u8]) -> bool {
        if place.end() > self.text.len() {
            return false;
        }
        let Some(change) = self.context.replace(self.at + place.at, place.len, with) else { return false };
        self.grown = self.grown.saturating_add(change);
        self.text.to_mut().splice(place.at..place.end(), with.iter().copied());
        true
    }
}
