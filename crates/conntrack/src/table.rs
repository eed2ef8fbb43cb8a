//! The table: both tuples of every confirmed connection lead to it, through a keyed hash.

use hashbrown::HashTable;
use ironweir_wire::{SipKey, Tuple};

use crate::entry::{CtRef, Direction, Entry};
use crate::slab::Slab;
use crate::status::Status;
use crate::zone::Zone;

/// How many connections of one source [`Table::source_mappings`] looks at.
const MAPPINGS_SEEN: usize = 64;

/// Confirmed and new connections.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) slab: Slab,
    pub(crate) key: SipKey,
    /// `slot << 1 | direction` of every confirmed tuple.
    tuples: HashTable<u32>,
    /// Slots of connections whose source is changed, by source (`nat_bysource`).
    sources: HashTable<u32>,
}

impl Table {
    pub(crate) fn new(seed: u64) -> Table {
        Table {
            slab: Slab::default(),
            key: SipKey::from_seed(seed),
            tuples: HashTable::new(),
            sources: HashTable::new(),
        }
    }

    /// Enters both tuples. The caller has made sure that neither is there. When they are equal (a host that sends to
    /// itself from and to one port), packets are taken for replies, as the kernel's lookup does.
    pub(crate) fn link(&mut self, ct: CtRef) {
        let Some(entry) = self.slab.get(ct) else { return };
        let palindrome = entry.tuples[0] == entry.tuples[1];
        for (direction, tuple) in entry.tuples.iter().enumerate().skip(usize::from(palindrome)) {
            let value = ct.slot << 1 | direction as u32;
            let (slab, key) = (&self.slab, &self.key);
            self.tuples.insert_unique(tuple.hash(key), value, |value| hash_of(slab, key, *value));
        }
    }

    /// Takes both tuples out, and its source.
    pub(crate) fn unlink(&mut self, ct: CtRef) {
        let Some(entry) = self.slab.get(ct) else { return };
        for (direction, tuple) in entry.tuples.iter().enumerate() {
            let wanted = ct.slot << 1 | direction as u32;
            if let Ok(found) = self.tuples.find_entry(tuple.hash(&self.key), |value| *value == wanted) {
                found.remove();
            }
        }
        self.unlink_source(ct);
    }

    /// Enters a connection whose source is changed.
    pub(crate) fn link_source(&mut self, ct: CtRef) {
        let Some(entry) = self.slab.get(ct) else { return };
        let (slab, key) = (&self.slab, &self.key);
        self.sources.insert_unique(source_hash(&entry.tuples[0], key), ct.slot, |slot| {
            slab.at(*slot).map_or(0, |entry| source_hash(&entry.tuples[0], key))
        });
    }

    fn unlink_source(&mut self, ct: CtRef) {
        let Some(entry) = self.slab.get(ct).filter(|entry| entry.status.contains(Status::SRC_NAT)) else {
            return;
        };
        let hash = source_hash(&entry.tuples[0], &self.key);
        if let Ok(found) = self.sources.find_entry(hash, |slot| *slot == ct.slot) {
            found.remove();
        }
    }

    /// Forgets a connection that was never confirmed.
    pub(crate) fn forget(&mut self, ct: CtRef) -> Option<Entry> {
        self.unlink_source(ct);
        self.slab.remove(ct)
    }

    /// The connection and direction of a tuple, in a zone (`__nf_conntrack_find_get`). The tuple's own zone is not
    /// looked at.
    pub(crate) fn find(&self, tuple: &Tuple, zone: Zone) -> Option<(CtRef, Direction)> {
        let original = zone.id(Direction::Original);
        let reply = zone.id(Direction::Reply);
        self.find_in(tuple, original, zone)
            .or_else(|| if original == reply { None } else { self.find_in(tuple, reply, zone) })
    }

    fn find_in(&self, tuple: &Tuple, id: u16, zone: Zone) -> Option<(CtRef, Direction)> {
        let tuple = Tuple { zone: id, ..*tuple };
        let value = *self.tuples.find(tuple.hash(&self.key), |value| {
            let direction = direction_of(*value);
            zone.id(direction) == id
                && self.slab.at(*value >> 1).is_some_and(|entry| entry.tuples[direction as usize] == tuple)
        })?;
        Some((self.slab.reference(value >> 1)?, direction_of(value)))
    }

    /// Whether a tuple leads to a connection other than `except`, in any direction.
    pub(crate) fn is_taken(&self, tuple: &Tuple, except: CtRef) -> bool {
        self.holder(tuple, except).is_some()
    }

    /// The connection other than `except` that a tuple, its zone included, leads to.
    pub(crate) fn holder(&self, tuple: &Tuple, except: CtRef) -> Option<(CtRef, Direction)> {
        let value = *self.tuples.find(tuple.hash(&self.key), |value| {
            *value >> 1 != except.slot
                && self
                    .slab
                    .at(*value >> 1)
                    .is_some_and(|entry| entry.tuples[direction_of(*value) as usize] == *tuple)
        })?;
        Some((self.slab.reference(value >> 1)?, direction_of(value)))
    }

    /// Connections whose source is that of `tuple` and is changed, a bounded number (`find_appropriate_src`).
    pub(crate) fn source_mappings<'a>(&'a self, tuple: &'a Tuple) -> impl Iterator<Item = &'a Entry> {
        self.sources
            .iter_hash(source_hash(tuple, &self.key))
            .take(MAPPINGS_SEEN)
            .filter_map(|slot| self.slab.at(*slot))
            .filter(|entry| same_source(&entry.tuples[0], tuple))
    }
}

fn same_source(a: &Tuple, b: &Tuple) -> bool {
    (a.src, a.src_id, a.l3, a.l4, a.zone) == (b.src, b.src_id, b.l3, b.l4, b.zone)
}

fn source_hash(tuple: &Tuple, key: &SipKey) -> u64 {
    Tuple { dst: Default::default(), dst_id: 0, ..*tuple }.hash(key)
}

fn hash_of(slab: &Slab, key: &SipKey, value: u32) -> u64 {
    slab.at(value >> 1).map_or(0, |entry| entry.tuples[direction_of(value) as usize].hash(key))
}

const fn direction_of(value: u32) -> Direction {
    if value & 1 == 0 { Direction::Original } else { Direction::Reply }
}
