//! The common packet: one of a connection that is in the table, lives, and has nothing special.
//!
//! Most packets are such. For them the general way of [`Conntrack::track_probe`] is shortened: one look at the entry that
//! the bucket's tag names, one look at what would make it special, the protocol's tracker, and what changes in the entry.
//! Whatever does not fit goes the general way from its beginning; nothing was changed then.

use std::hint::black_box;

use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Instant, Packet, PacketInfo};

use crate::entry::{CtRef, Tracking};
use crate::event::EventKind;
use crate::key::Probe;
use crate::proto::{Outcome, tcp, udp};
use crate::status::Status;
use crate::table::{Table, direction_of};
use crate::track::{Conntrack, PacketIn, Template, ctinfo};
use crate::zone::ZoneDirection;

impl Conntrack {
    /// Whether nothing is left to do for the connection when its packets leave: it is confirmed, and nothing was attached to it
    /// - neither synproxy nor helper - that would want to see them; nor are its numbers moved.
    #[inline]
    pub fn is_settled(&self, ct: CtRef) -> bool {
        self.entry(ct).is_some_and(|entry| entry.is_plain() && !entry.status().contains(Status::SEQ_ADJUST))
    }

    /// Says that a packet is about to come to [`Conntrack::packet_in`], where that is some work away: what it is looked up
    /// by is found out, and memory is asked for the place where its connection would be. Nothing depends on whether it
    /// comes, or comes as it is now.
    #[inline]
    pub fn announce(&mut self, packet: &Packet<'_>, info: &PacketInfo) {
        self.ahead.guess = None;
        if self.table.read_ahead(packet, info, &mut self.ahead) {
            black_box(self.table.touch(self.ahead.hash));
        }
    }

    /// The packet of [`Conntrack::announce`] has come nearer: memory is asked for its connection.
    #[inline]
    pub fn approach(&mut self) {
        self.ahead.guess = self.table.guess(self.ahead.hash);
        if let Some(value) = self.ahead.guess {
            black_box(self.table.touch_entry(value >> 1));
        }
    }

    /// Finds out what becomes of a packet of a connection that has nothing special; false when it is to go the general way.
    #[inline]
    pub(crate) fn track_known(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        info: &PacketInfo,
        template: &Template,
        probe: &Probe,
        result: &mut PacketIn,
    ) -> bool {
        let Some(value) = probe.guess else { return false };
        let direction = direction_of(value);
        let Table { slab, tcp, .. } = &mut self.table;
        let Some(entry) = slab.at_mut(value >> 1) else { return false };
        if !entry.is_at(direction, probe)
            || !entry.is_plain()
            || entry.deadline <= now
            || template.zone.direction != ZoneDirection::Both
        {
            return false;
        }
        let ct = CtRef { slot: value >> 1, generation: entry.generation };
        let verify = self.config.checksum && !template.local;
        let before = entry.status;
        let timeouts = &self.config.timeouts;
        let outcome = match probe.l4 {
            ipproto::UDP | ipproto::UDPLITE => udp::packet(entry, now, packet, info, timeouts, verify),
            ipproto::TCP => {
                let Some(tcp) = tcp.get_mut(entry.kept as u32) else { return false };
                tcp::packet(entry, tcp, direction, packet, info, &self.config, timeouts, verify, now)
            }
            _ => return false,
        };
        let Outcome::Refresh(timeout) = outcome else {
            self.stats.found += 1;
            let concluded = self.conclude(now, ct, direction, before, info, outcome);
            return match concluded {
                Some(concluded) => {
                    *result = concluded;
                    true
                }
                None => false,
            };
        };
        if entry.counts() {
            entry.count_one(direction, info.end.saturating_sub(info.network) as u64);
        }
        let deadline = now + timeout;
        let earlier = deadline < entry.deadline;
        entry.deadline = deadline;
        entry.status |= Status::seen(direction);
        let changed = before != entry.status;
        self.stats.found += 1;
        if earlier {
            self.wheel.hasten(ct.slot, deadline);
        }
        if changed {
            self.report(EventKind::Update, ct);
        }
        *result = PacketIn::Pass(Tracking::Flow(ct, ctinfo(before, direction)));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Direction;
    use crate::testing::{Bench, Bytes, v4, v6};
    use crate::{Config, Tracking};
    use ironweir_wire::L3;
    use proptest::prelude::*;

    /// As [`Conntrack::packet_in`], but by the general way alone.
    fn general(bench: &mut Bench, bytes: &Bytes) -> PacketIn {
        let Bench { ct, now, template } = bench;
        bytes.clone().with(|packet, info| {
            ct.bury(usize::MAX);
            ct.expire(*now);
            let mut probe = Probe::default();
            assert!(ct.table.probe(packet, info, template.zone, &mut probe));
            ct.seen = *now;
            ct.track_probe(*now, packet, info, template, &probe)
        })
    }

    const SHORT: std::time::Duration = std::time::Duration::from_secs(5);

    fn packet() -> impl Strategy<Value = Bytes> {
        let host = || prop::sample::select(vec![v4(1), v4(2)]);
        let six = || prop::sample::select(vec![v6(1), v6(2)]);
        let port = 1..3_u16;
        let flags = prop::sample::select(vec![0x02, 0x12, 0x10, 0x10, 0x10, 0x18, 0x11, 0x14, 0x04, 0x00]);
        let options = prop::sample::select(vec![vec![], vec![1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]]);
        let direction = any::<bool>();
        let window = prop::sample::select(vec![0, 100, 1000]);
        prop_oneof![
            1 => (host(), host(), port.clone(), port.clone())
                .prop_map(|(src, dst, from, to)| Bytes::udp((src, from), (dst, to), L3::V4, b"x")),
            1 => (six(), six(), port.clone(), port)
                .prop_map(|(src, dst, from, to)| Bytes::udp((src, from), (dst, to), L3::V6, b"x")),
            4 => (direction, flags, 0..20_u32, 0..20_u32, window, options, 0..9_usize).prop_map(
                |(back, flags, seq, ack, window, options, data)| {
                    let direction = if back { Direction::Reply } else { Direction::Original };
                    Bytes::tcp(direction, flags, seq, ack, window, &options, data)
                }
            ),
        ]
    }

    proptest! {
        /// Both ways say the same of every packet, and leave the same behind.
        #[test]
        fn the_short_way_is_the_general_way(
            steps in prop::collection::vec((packet(), 0..40_u64, 0..6_u8), 1..60),
            accounting: bool,
            checksum: bool,
        ) {
            let config = Config { accounting, checksum, event_capacity: 4, ..Config::default() };
            let mut benches = [Bench::new(config.clone()), Bench::new(config)];
            for (bytes, seconds, what) in steps {
                let mut results = Vec::new();
                for (number, bench) in benches.iter_mut().enumerate() {
                    if seconds > 30 {
                        bench.wait(seconds);
                    }
                    let result = match number {
                        0 => {
                            let (now, template, ct) = (bench.now, bench.template, &mut bench.ct);
                            bytes.clone().with(|packet, info| {
                                // What was announced before another packet came is of no consequence.
                                if what > 3 {
                                    ct.announce(packet, info);
                                    ct.approach();
                                }
                                ct.packet_in(now, packet, info, &template)
                            })
                        }
                        _ => general(bench, &bytes),
                    };
                    if let PacketIn::Pass(tracking) = result {
                        bench.ct.confirm(bench.now, tracking);
                        if let Tracking::Flow(ct, _) = tracking {
                            let now = bench.now;
                            match what {
                                0 => bench.ct.offload_begin(now, ct),
                                1 => {
                                    if let Some(entry) = bench.ct.entry_mut(ct) {
                                        entry.set_label(3);
                                    }
                                }
                                2 => {
                                    if let Some(entry) = bench.ct.entry_mut(ct) {
                                        let timeouts = crate::Timeouts { udp: SHORT, ..Default::default() };
                                        entry.extras_mut().timeouts = Some(timeouts.into());
                                    }
                                }
                                _ => {}
                            }
                        }
                    }
                    let entries: Vec<_> = bench.ct.iter().map(|(ct, entry)| (ct, entry.clone())).collect();
                    let events: Vec<_> = bench.ct.take_events().map(|event| event.kind).collect();
                    let tcp = &bench.ct.table.tcp;
                    results.push(format!("{result:?} {entries:?} {events:?} {tcp:?} {:?}", bench.ct.stats()));
                }
                prop_assert_eq!(&results[0], &results[1]);
            }
        }
    }
}
