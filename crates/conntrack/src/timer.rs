//! Deadlines without a scan: a heap whose items may be out of date.
//!
//! A packet moves its connection's deadline later almost always, so the heap is not told. An item that comes up
//! before its connection's deadline is put back with the true one. Only a deadline that moves *earlier* than
//! the scheduled look adds an item; the item it supersedes is recognised by its time and thrown away.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use ironweir_wire::Instant;

use crate::entry::CtRef;

/// Deadlines of connections, earliest first.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, u32, u32)>>,
}

impl Timers {
    pub(crate) fn schedule(&mut self, at: Instant, ct: CtRef) {
        self.heap.push(Reverse((at, ct.slot, ct.generation)));
    }

    /// The next item that is due, with the time it was scheduled for.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Instant, CtRef)> {
        let Reverse((at, _, _)) = *self.heap.peek()?;
        if at > now {
            return None;
        }
        let Reverse((at, slot, generation)) = self.heap.pop()?;
        Some((at, CtRef { slot, generation }))
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _, _))| *at)
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Keeps the items for which `wanted` holds: bounds the heap when connections shrink their deadlines often.
    pub(crate) fn retain(&mut self, mut wanted: impl FnMut(Instant, CtRef) -> bool) {
        self.heap.retain(|Reverse((at, slot, generation))| {
            wanted(*at, CtRef { slot: *slot, generation: *generation })
        });
    }
}
