//! Packets in vectors: the memory of many connections is fetched at once.
//!
//! At a million connections the cost of a packet is waiting for memory, twice: for the bucket of its tuple, then for
//! its connection. The packets of a vector do not depend on each other for that, so each stage is done for all of them
//! before the next begins, and their waits overlap. The stages but the last only read: what they guess wrong, or what
//! changes meanwhile, costs time and nothing else.

use std::hint::black_box;

use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Instant, Packet, PacketInfo};

use crate::entry::{CtInfo, Tracking};
use crate::key::Probe;
use crate::reason::InvalidReason;
use crate::status::Status;
use crate::track::{Confirm, Conntrack, PacketIn, Template};

/// Packets of a stage: as many as memory can be asked for at once, with some to spare.
const STAGE: usize = 32;
/// How many connections that are over a vector clears away for each of its packets, so that no vector waits for a million of
/// them. More end than begin, then; and those left over are not found by packets.
const CLEARED: usize = 2;

/// A connection with any of these needs no confirmation.
const SETTLED: Status = Status::CONFIRMED.union(Status::DYING);

/// A packet of a vector, and what becomes of it.
#[derive(Debug)]
pub struct Item<'a, 'b> {
    /// The packet.
    pub packet: &'a Packet<'b>,
    /// What [`ironweir_wire::dissect`] found.
    pub info: &'a PacketInfo,
    /// What rules before tracking have said of it.
    pub template: Template,
    /// What becomes of it; set by [`Conntrack::packets_in`].
    pub result: PacketIn,
}

impl<'a, 'b> Item<'a, 'b> {
    /// A packet not yet tracked.
    pub fn new(packet: &'a Packet<'b>, info: &'a PacketInfo, template: Template) -> Item<'a, 'b> {
        let result = PacketIn::Pass(Tracking::Invalid(InvalidReason::Unseen));
        Item { packet, info, template, result }
    }
}

impl Conntrack {
    /// As [`Conntrack::packet_in`] for each in turn, at one time `now`, but faster when there are many connections.
    ///
    /// Connections whose time is up are cleared away in portions, so that no vector waits for more than some of them.
    pub fn packets_in(&mut self, now: Instant, items: &mut [Item<'_, '_>]) {
        let cleared = items.len().saturating_mul(CLEARED);
        self.bury(cleared);
        self.expire_some(now, cleared);
        self.seen = now;
        for items in items.chunks_mut(STAGE) {
            let mut probes = [Probe::default(); STAGE];
            let probes = probes.get_mut(..items.len()).unwrap_or_default();
            self.fetch(items, probes);
            for (probe, item) in probes.iter().zip(items) {
                let Item { packet, info, template, result } = item;
                if !self.track_known(now, packet, info, template, probe, result) {
                    *result = if probe.is_sound() {
                        self.track_probe(now, packet, info, template, probe)
                    } else {
                        self.invalid(InvalidReason::NoTuple)
                    };
                }
            }
        }
    }

    /// As [`Conntrack::confirm`] for each in turn.
    pub fn confirm_all(&mut self, now: Instant, packets: &[Tracking], results: &mut Vec<Confirm>) {
        let may_begin =
            |tracking: &Tracking| matches!(tracking, Tracking::Flow(_, CtInfo::New | CtInfo::Related));
        for packets in packets.chunks(STAGE) {
            if !packets.iter().any(may_begin) {
                results.extend(packets.iter().map(|tracking| Confirm::Pass(*tracking)));
                continue;
            }
            // Of packets that begin a connection: its tuples' hashes.
            let mut begun = [None; STAGE];
            for (begun, tracking) in begun.iter_mut().zip(packets) {
                if let Tracking::Flow(ct, CtInfo::New | CtInfo::Related) = *tracking
                    && self.entry(ct).is_some_and(|entry| !entry.status().intersects(SETTLED))
                {
                    *begun = self.table.hashes(ct).map(|hashes| (ct, hashes));
                }
            }
            let mut read = 0;
            for (_, [original, reply]) in begun.iter().flatten() {
                read ^= self.table.touch(*original) ^ self.table.touch(*reply);
            }
            black_box(read);
            for (begun, tracking) in begun.iter().zip(packets) {
                results.push(match begun {
                    // The same connection may have begun twice in the vector.
                    Some((ct, hashes))
                        if self.entry(*ct).is_some_and(|entry| !entry.status().intersects(SETTLED)) =>
                    {
                        self.confirm_hashed(now, *tracking, *ct, *hashes)
                    }
                    _ => Confirm::Pass(*tracking),
                });
            }
        }
    }

    /// Finds out what packets are looked up by. Has buckets fetched, then the connections that they lead to, then what TCP
    /// keeps of those. Nothing here waits for what it reads but the next stage.
    #[inline]
    fn fetch(&self, items: &[Item<'_, '_>], probes: &mut [Probe]) {
        let mut read = 0;
        for (probe, item) in probes.iter_mut().zip(items) {
            self.table.probe(item.packet, item.info, item.template.zone, probe);
        }
        // In a loop of its own: the processor looks ahead over so many instructions, and these are few for each packet.
        for probe in &*probes {
            read ^= u64::from(self.table.touch(probe.hash));
        }
        black_box(read);
        for probe in &mut *probes {
            probe.guess = self.table.guess(probe.hash);
        }
        for probe in &*probes {
            read ^= probe.guess.map_or(0, |value| self.table.touch_entry(value >> 1));
        }
        black_box(read);
        for probe in &*probes {
            if let (Some(value), ipproto::TCP) = (probe.guess, probe.l4) {
                read ^= u64::from(self.table.touch_tcp(value >> 1));
            }
        }
        black_box(read);
    }
}
