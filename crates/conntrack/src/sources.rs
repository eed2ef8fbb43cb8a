//! Connections by their source, when it is changed: so that a host's next connection from the same port gets the
//! mapping that it has (`nat_bysource` of `nf_nat_core.c`).
//!
//! One source may have thousands of connections (a resolver, a peer-to-peer program), so each source is in the index
//! once, and its connections are a list behind it: adding and removing one costs the same whatever their number.

use ironweir_wire::{SipKey, Tuple};

use crate::entry::{Direction, Entry};
use crate::index::Index;
use crate::key::source_hash;
use crate::slab::Slab;
use ironweir_wire::chunks::Chunks;

const NONE: u32 = u32::MAX;
/// In place of a neighbour: not in a list.
const OUT: u32 = u32::MAX - 1;
/// How many connections of one source [`Sources::of`] tells.
const MAPPINGS_SEEN: usize = 64;

/// Lists of connections of one source. Costs nothing until the first is added.
#[derive(Debug)]
pub(crate) struct Sources {
    index: Option<Index>,
    /// The neighbours of each slot in its list.
    links: Chunks<[u32; 2]>,
    capacity: usize,
}

impl Sources {
    pub(crate) fn new(capacity: usize) -> Sources {
        Sources { index: None, links: Chunks::default(), capacity }
    }

    /// Adds a connection in front of those of its source.
    pub(crate) fn add(&mut self, slot: u32, slab: &Slab, key: &SipKey) {
        let Some(entry) = slab.at(slot) else { return };
        while self.links.len() <= slot {
            self.links.push([OUT, OUT]);
        }
        let tuple = entry.tuple(Direction::Original);
        let hash = source_hash(&tuple, key);
        let capacity = self.capacity;
        let index = self.index.get_or_insert_with(|| Index::new(capacity));
        let head = index.find(hash, |other| has_source(slab, other, &tuple));
        match head {
            Some(head) => index.replace(hash, head, slot),
            None if index.insert(hash, slot) => {}
            None => return,
        }
        let head = head.unwrap_or(NONE);
        if let Some(link) = self.links.get_mut(slot) {
            *link = [NONE, head];
        }
        if let Some(link) = self.links.get_mut(head) {
            link[0] = slot;
        }
    }

    /// Takes a connection out, if it is there.
    pub(crate) fn remove(&mut self, slot: u32, entry: &Entry, key: &SipKey) {
        let Some(link) = self.links.get_mut(slot) else { return };
        let [before, after] = std::mem::replace(link, [OUT, OUT]);
        if before == OUT {
            return;
        }
        if let Some(link) = self.links.get_mut(after) {
            link[0] = before;
        }
        match (self.links.get_mut(before), &mut self.index) {
            (Some(link), _) => link[1] = after,
            (None, Some(index)) => {
                let hash = source_hash(&entry.tuple(Direction::Original), key);
                if after == NONE {
                    index.remove(hash, slot);
                } else {
                    index.replace(hash, slot, after);
                }
            }
            (None, None) => {}
        }
    }

    /// Connections with the source of `tuple`, a bounded number, the newest first.
    pub(crate) fn of<'a>(
        &'a self,
        tuple: &Tuple,
        slab: &'a Slab,
        key: &SipKey,
    ) -> impl Iterator<Item = &'a Entry> {
        let index = self.index.as_ref();
        let head = index
            .and_then(|index| index.find(source_hash(tuple, key), |other| has_source(slab, other, tuple)));
        std::iter::successors(head, |slot| self.links.get(*slot).map(|link| link[1]))
            .take(MAPPINGS_SEEN)
            .map_while(|slot| slab.at(slot))
    }
}

fn has_source(slab: &Slab, slot: u32, tuple: &Tuple) -> bool {
    slab.at(slot).is_some_and(|entry| {
        let own = entry.tuple(Direction::Original);
        (own.src, own.src_id, own.l3, own.l4, own.zone)
            == (tuple.src, tuple.src_id, tuple.l3, tuple.l4, tuple.zone)
    })
}
