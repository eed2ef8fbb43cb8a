//! The table: both tuples of every confirmed connection lead to it, through a keyed hash.

use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Instant, Packet, PacketInfo, SipKey, Tuple};

use crate::entry::{CtRef, Direction, Entry};
use crate::index::Index;
use crate::key::{Probe, hash};
use crate::keymap::Keymap;
use crate::proto::sctp::Sctp;
use crate::proto::tcp::Tcp;
use crate::slab::Slab;
use crate::sources::Sources;
use crate::status::Status;
use crate::zone::{Zone, ZoneDirection};
use ironweir_wire::chunks::Pool;

/// Confirmed and new connections.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) slab: Slab,
    pub(crate) key: SipKey,
    /// `slot << 1 | direction` of every confirmed tuple.
    index: Index,
    sources: Sources,
    /// What few protocols keep of a connection, at the place that its entry names.
    pub(crate) tcp: Pool<Tcp>,
    pub(crate) sctp: Pool<Sctp>,
    pub(crate) keymap: Keymap,
}

impl Table {
    /// A table for `max` connections.
    pub(crate) fn new(seed: u64, max: usize) -> Table {
        let max = max.min(ironweir_wire::wheel::NONE as usize);
        Table {
            slab: Slab::new(seed),
            key: SipKey::from_seed(seed),
            index: Index::new(max * 2),
            sources: Sources::new(max),
            tcp: Pool::default(),
            sctp: Pool::default(),
            keymap: Keymap::default(),
        }
    }

    /// Stores a new connection, not yet to be found by its tuples.
    pub(crate) fn insert(&mut self, mut entry: Entry) -> Option<CtRef> {
        self.give_places(&mut entry);
        self.slab.insert(entry)
    }

    /// As [`Table::insert`], with the generation that it had before.
    pub(crate) fn insert_again(&mut self, mut entry: Entry, generation: u32) -> Option<CtRef> {
        self.give_places(&mut entry);
        self.slab.insert_again(entry, generation)
    }

    fn give_places(&mut self, entry: &mut Entry) {
        match entry.l4() {
            ipproto::TCP => entry.kept = u64::from(self.tcp.take()),
            ipproto::SCTP => entry.kept = u64::from(self.sctp.take()),
            _ => {}
        }
    }

    /// The hashes of both tuples.
    #[inline]
    pub(crate) fn hashes(&self, ct: CtRef) -> Option<[u64; 2]> {
        let entry = self.slab.get(ct)?;
        Some([Direction::Original, Direction::Reply].map(|direction| entry.hash(direction, &self.key)))
    }

    /// Enters both tuples, whose hashes are given; false when there is no room. The caller has made sure that neither is there. When they are
    /// equal (a host that sends to itself from and to one port), packets are taken for replies, as the kernel's lookup
    /// does.
    pub(crate) fn link(&mut self, ct: CtRef, [original, reply]: [u64; 2]) -> bool {
        let value = ct.slot << 1;
        let same = original == reply
            && self
                .slab
                .get(ct)
                .is_some_and(|entry| entry.tuple(Direction::Original) == entry.tuple(Direction::Reply));
        if !same && !self.index.insert(original, value) {
            return false;
        }
        let linked = self.index.insert(reply, value | 1);
        if !linked {
            self.index.remove(original, value);
        }
        linked
    }

    /// Takes both tuples out, and its source.
    pub(crate) fn unlink(&mut self, ct: CtRef) {
        let Some([original, reply]) = self.hashes(ct) else { return };
        self.index.remove(original, ct.slot << 1);
        self.index.remove(reply, ct.slot << 1 | 1);
        if let Some(entry) = self.slab.get(ct) {
            self.sources.remove(ct.slot, entry, &self.key);
        }
    }

    /// Enters a connection whose source is changed.
    pub(crate) fn link_source(&mut self, ct: CtRef) {
        self.sources.add(ct.slot, &self.slab, &self.key);
    }

    /// Forgets a connection that is not linked.
    pub(crate) fn forget(&mut self, ct: CtRef) {
        if let Some(entry) = self.slab.get(ct) {
            self.sources.remove(ct.slot, entry, &self.key);
        }
        let Some(entry) = self.slab.remove(ct) else { return };
        match entry.l4() {
            // A tunnel of PPTP that is over (`destroy_gre_conntrack`).
            ipproto::GRE => {
                if let Some(master) = entry.master() {
                    self.keymap.forget(master);
                }
            }
            ipproto::TCP => self.tcp.give_back(entry.kept as u32),
            ipproto::SCTP => self.sctp.give_back(entry.kept as u32),
            _ => {}
        }
    }

    /// What is kept of a TCP connection.
    pub(crate) fn tcp(&self, ct: CtRef) -> Option<&Tcp> {
        let entry = self.slab.get(ct).filter(|entry| entry.l4() == ipproto::TCP)?;
        self.tcp.get(entry.kept as u32)
    }

    /// Finds out what a packet is looked up by; false when it has no tuple.
    #[inline]
    pub(crate) fn probe(
        &self,
        packet: &Packet<'_>,
        info: &PacketInfo,
        zone: Zone,
        probe: &mut Probe,
    ) -> bool {
        if !probe.read(packet, info, zone.id(Direction::Original), &self.key) {
            return false;
        }
        if probe.l4 == ipproto::GRE {
            let tuple = self.keymap.complete(packet, info.transport, probe.tuple());
            *probe = Probe::of(&tuple, &self.key);
        }
        true
    }

    /// As [`Table::probe`], in zone 0, for TCP and UDP over IPv4; false for other packets.
    #[inline]
    pub(crate) fn read_ahead(&self, packet: &Packet<'_>, info: &PacketInfo, probe: &mut Probe) -> bool {
        probe.read_simple(packet, info, 0, &self.key, None)
    }

    /// As [`Table::probe`], the packet perhaps having been read ahead.
    #[inline]
    pub(crate) fn probe_again(
        &self,
        packet: &Packet<'_>,
        info: &PacketInfo,
        zone: Zone,
        probe: &mut Probe,
        ahead: &Probe,
    ) -> bool {
        let zone_id = zone.id(Direction::Original);
        probe.read_simple(packet, info, zone_id, &self.key, Some(ahead))
            || self.probe(packet, info, zone, probe)
    }

    /// What a tuple is looked up by.
    pub(crate) fn probe_of(&self, tuple: &Tuple, zone: Zone) -> Probe {
        Probe::of(&Tuple { zone: zone.id(Direction::Original), ..*tuple }, &self.key)
    }

    /// Whether one look at the index tells that no connection has the tuple of a packet. False: perhaps.
    #[inline]
    pub(crate) fn has_none(&self, probe: &Probe, zone: Zone) -> bool {
        zone.direction == ZoneDirection::Both && self.index.has_none(probe.hash)
    }

    /// The connection and direction of a tuple, in a zone, and whether its time is up.
    #[inline]
    pub(crate) fn find_probe(
        &self,
        probe: &Probe,
        zone: Zone,
        now: Instant,
    ) -> Option<((CtRef, Direction), bool)> {
        let found = |value: u32, entry: &Entry| {
            let ct = CtRef { slot: value >> 1, generation: entry.generation };
            let over = entry.deadline <= now && !entry.status.contains(Status::OFFLOAD);
            ((ct, direction_of(value)), over)
        };
        let fits = |value: u32, entry: &Entry| {
            let direction = direction_of(value);
            zone.id(direction) == probe.key.zone() && entry.is_at(direction, probe)
        };
        if let Some(value) = probe.guess
            && let Some(entry) = self.slab.at(value >> 1)
            && fits(value, entry)
            && entry.is_linked()
        {
            return Some(found(value, entry));
        }
        let value = self
            .index
            .find(probe.hash, |value| self.slab.at(value >> 1).is_some_and(|entry| fits(value, entry)));
        if let Some(value) = value {
            return Some(found(value, self.slab.at(value >> 1)?));
        }
        if zone.direction == ZoneDirection::Both {
            return None;
        }
        let (ct, direction) = self.find(&probe.tuple(), zone)?;
        let entry = self.slab.get(ct)?;
        Some(found(ct.slot << 1 | direction as u32, entry))
    }

    /// The connection and direction of a tuple, in a zone (`__nf_conntrack_find_get`). The tuple's own zone is not
    /// looked at.
    #[inline]
    pub(crate) fn find(&self, tuple: &Tuple, zone: Zone) -> Option<(CtRef, Direction)> {
        let original = zone.id(Direction::Original);
        let reply = zone.id(Direction::Reply);
        self.find_in(tuple, original, zone)
            .or_else(|| if original == reply { None } else { self.find_in(tuple, reply, zone) })
    }

    #[inline]
    fn find_in(&self, tuple: &Tuple, id: u16, zone: Zone) -> Option<(CtRef, Direction)> {
        let tuple = Tuple { zone: id, ..*tuple };
        self.find_hashed(hash(&tuple, &self.key), |direction, entry| {
            zone.id(direction) == id && entry.has_tuple(direction, &tuple)
        })
    }

    #[inline]
    fn find_hashed(
        &self,
        hash: u64,
        wanted: impl Fn(Direction, &Entry) -> bool,
    ) -> Option<(CtRef, Direction)> {
        let value = self.index.find(hash, |value| {
            self.slab.at(value >> 1).is_some_and(|entry| wanted(direction_of(value), entry))
        })?;
        Some((self.slab.reference(value >> 1)?, direction_of(value)))
    }

    /// Whether a tuple leads to a connection other than `except`, in any direction.
    pub(crate) fn is_taken(&self, tuple: &Tuple, except: CtRef) -> bool {
        self.holder(tuple, except).is_some()
    }

    /// The connection other than `except` that a tuple, its zone included, leads to.
    pub(crate) fn holder(&self, tuple: &Tuple, except: CtRef) -> Option<(CtRef, Direction)> {
        self.find_hashed(hash(tuple, &self.key), |direction, entry| {
            entry.generation != except.generation && entry.has_tuple(direction, tuple)
        })
    }

    /// The connection other than the one of `entry` that the tuple of one of its directions leads to; its hash is given.
    #[inline]
    pub(crate) fn rival(&self, entry: &Entry, direction: Direction, hash: u64) -> Option<(CtRef, Direction)> {
        if self.index.has_none(hash) {
            return None;
        }
        self.find_hashed(hash, |at, other| {
            other.generation != entry.generation && other.has_tuple_of(at, entry, direction)
        })
    }

    /// Connections whose source is that of `tuple` and is changed, a bounded number (`find_appropriate_src`).
    pub(crate) fn source_mappings(&self, tuple: &Tuple) -> impl Iterator<Item = &Entry> {
        self.sources.of(tuple, &self.slab, &self.key)
    }

    /// Has the line of a hash's bucket fetched; what it returns is to be kept from the optimiser.
    #[inline]
    pub(crate) fn touch(&self, hash: u64) -> u32 {
        self.index.touch(hash)
    }

    /// The value, slot and direction, that a hash most likely leads to.
    #[inline]
    pub(crate) fn guess(&self, hash: u64) -> Option<u32> {
        self.index.guess(hash)
    }

    /// Has the lines of an entry fetched.
    #[inline]
    pub(crate) fn touch_entry(&self, slot: u32) -> u64 {
        self.slab.at(slot).map_or(0, Entry::touch)
    }

    /// Has the line fetched of what TCP keeps of an entry.
    #[inline]
    pub(crate) fn touch_tcp(&self, slot: u32) -> u32 {
        let Some(entry) = self.slab.at(slot) else { return 0 };
        self.tcp.get(entry.kept as u32).map_or(0, Tcp::touch)
    }

    /// How many buckets hold how many tuples, and the most buckets that a look-up reads.
    pub(crate) fn distribution(&self) -> ([usize; 13], usize) {
        self.index.distribution()
    }
}

/// The direction of a value of the index.
#[inline]
pub(crate) const fn direction_of(value: u32) -> Direction {
    if value & 1 == 0 { Direction::Original } else { Direction::Reply }
}
