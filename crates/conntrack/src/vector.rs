//! Packets in vectors: the memory of many connections is fetched at once.
//!
//! At a million connections the cost of a packet is waiting for memory, twice: for the bucket of its tuple, then for
//! its connection. The packets of a vector do not depend on each other for that, so each stage is done for all of them
//! before the next begins, and their waits overlap. The stages but the last only read: what they guess wrong, or what
//! changes meanwhile, costs time and nothing else.

use std::hint::black_box;

use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Instant, Packet, PacketInfo};

use crate::entry::{Direction, Tracking};
use crate::key::Probe;
use crate::reason::InvalidReason;
use crate::track::{Confirm, Conntrack, PacketIn, Template};

/// Packets of a stage: as many as memory can be asked for at once, with some to spare.
const STAGE: usize = 32;
/// How many connections that are over a vector of packets clears away, so that no vector waits for a million of them.
/// What is left over is not found by packets, and cleared away by the next vectors.
const CLEARED: usize = 512;

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
        self.bury(CLEARED);
        self.expire_some(now, CLEARED);
        for items in items.chunks_mut(STAGE) {
            let mut probes = [const { None }; STAGE];
            for (probe, item) in probes.iter_mut().zip(&*items) {
                *probe = self.table.probe(item.packet, item.info, item.template.zone);
            }
            self.fetch(&probes);
            for (item, probe) in items.iter_mut().zip(&probes) {
                item.result = match probe {
                    Some(probe) => self.track_probe(now, item.packet, item.info, &item.template, probe),
                    None => self.invalid(InvalidReason::NoTuple),
                };
            }
        }
    }

    /// As [`Conntrack::confirm`] for each in turn.
    pub fn confirm_all(&mut self, now: Instant, packets: &[Tracking], results: &mut Vec<Confirm>) {
        for packets in packets.chunks(STAGE) {
            let (mut hashes, mut count) = ([0; 2 * STAGE], 0);
            for tracking in packets {
                let Some((ct, _)) = tracking.flow() else { continue };
                let Some(entry) = self.entry(ct).filter(|entry| !entry.is_confirmed()) else { continue };
                for direction in [Direction::Original, Direction::Reply] {
                    if let Some(hash) = hashes.get_mut(count) {
                        *hash = self.table.hash_of(&entry.tuple(direction));
                        count += 1;
                    }
                }
            }
            let mut read = 0;
            for hash in &hashes[..count] {
                read ^= self.table.touch(*hash);
            }
            black_box(read);
            for tracking in packets {
                results.push(self.confirm(now, *tracking));
            }
        }
    }

    /// Has buckets fetched, then the connections that they lead to, then what TCP keeps of those. Nothing here waits for
    /// what it reads but the next stage.
    #[inline]
    fn fetch(&self, probes: &[Option<Probe>; STAGE]) {
        let mut read = 0;
        for probe in probes.iter().flatten() {
            read ^= u64::from(self.table.touch(probe.hash));
        }
        black_box(read);
        let mut places = [None; STAGE];
        for (place, probe) in places.iter_mut().zip(probes) {
            *place = probe.as_ref().and_then(|probe| self.table.guess(probe.hash));
            read ^= place.map_or(0, |place| self.table.touch_entry(place));
        }
        black_box(read);
        for (place, probe) in places.iter().zip(probes) {
            if let (Some(place), Some(Probe { l4: ipproto::TCP, .. })) = (place, probe) {
                read ^= u64::from(self.table.touch_tcp(*place));
            }
        }
        black_box(read);
    }
}
