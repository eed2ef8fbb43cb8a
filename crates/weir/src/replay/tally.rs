//! What is counted while packets pass.

use std::collections::BTreeMap;

use ironweir_engine::{ChainId, Disposition, DropReason, Observer, RuleId, TraceEvent};
use ironweir_firewall::trace::Tracer;
use ironweir_ruleset::{Handle, Policy};
use ironweir_wire::Packet;

/// Packets and bytes. Bytes count from the network header on, as `counter` does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Count {
    fn add(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }
}

/// What became of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fates {
    /// Packets read; the sum of all others.
    pub read: u64,
    /// Left, or were received by the host.
    pub passed: u64,
    /// Ended by a rule, a policy or the packet path.
    pub dropped: u64,
    /// Went to a queue.
    pub queued: u64,
    /// Were taken by an expression.
    pub stolen: u64,
    /// Were none that a host accepts.
    pub malformed: u64,
    /// Of those that passed: by a flowtable.
    pub offloaded: u64,
    /// Of those that passed: to the host itself.
    pub local: u64,
    /// Of those that passed: from the host itself.
    pub sent: u64,
}

/// A rule's count, with the number of the last packet it counted.
#[derive(Clone, Copy, Debug, Default)]
struct Hit {
    count: Count,
    last: u64,
}

/// Everything that is counted, and where traces go.
#[derive(Default)]
pub struct Tally {
    /// What became of packets.
    pub fates: Fates,
    /// By reason.
    pub drops: BTreeMap<DropReason, Count>,
    /// By transport protocol: connections made.
    pub connections: BTreeMap<u8, u64>,
    /// By table and set: elements added by packets.
    pub added: BTreeMap<(u32, u32), u64>,
    /// Packets of which the capture holds only a part.
    pub cut: u64,
    /// Packets that the engine made: answers of `reject`, copies.
    pub made: u64,
    /// Writes traces, where one was asked for.
    pub tracer: Option<Tracer>,
    /// By slot of the table, then by handle, which are small numbers.
    rules: Vec<Vec<Hit>>,
    policies: BTreeMap<ChainId, Count>,
}

impl Tally {
    /// The next packet comes.
    pub fn begin(&mut self) {
        self.fates.read += 1;
    }

    /// What became of it; `len` is its length on the network layer.
    pub fn end(&mut self, disposition: Disposition, len: usize) {
        let fates = &mut self.fates;
        match disposition {
            Disposition::Forwarded { offloaded, .. } => {
                fates.passed += 1;
                fates.offloaded += u64::from(offloaded);
            }
            Disposition::Local => {
                fates.passed += 1;
                fates.local += 1;
            }
            Disposition::Sent { .. } => {
                fates.passed += 1;
                fates.sent += 1;
            }
            Disposition::Queued { .. } => fates.queued += 1,
            Disposition::Stolen => fates.stolen += 1,
            Disposition::Dropped(reason) => {
                match reason {
                    DropReason::Malformed(_) => fates.malformed += 1,
                    _ => fates.dropped += 1,
                }
                self.drops.entry(reason).or_default().add(len);
            }
        }
    }

    /// Packets for which every match of the rule held, each counted once however often it came by.
    pub fn rule(&self, table: u32, handle: Handle) -> Count {
        let rules = self.rules.get(table as usize);
        rules.and_then(|rules| rules.get(handle.0 as usize)).map_or_else(Count::default, |hit| hit.count)
    }

    /// Packets that a base chain's policy decided on.
    pub fn policy(&self, chain: ChainId) -> Count {
        self.policies.get(&chain).copied().unwrap_or_default()
    }
}

impl Observer for Tally {
    fn rule_matched(&mut self, rule: RuleId, len: usize) {
        let (table, handle) = (rule.chain.table as usize, rule.handle.0 as usize);
        if self.rules.len() <= table {
            self.rules.resize_with(table + 1, Vec::new);
        }
        let rules = &mut self.rules[table];
        if rules.len() <= handle {
            rules.resize(handle + 1, Hit::default());
        }
        let hit = &mut rules[handle];
        if hit.last != self.fates.read {
            hit.last = self.fates.read;
            hit.count.add(len);
        }
    }

    fn policy(&mut self, chain: ChainId, _: Policy, len: usize) {
        self.policies.entry(chain).or_default().add(len);
    }

    fn trace(&mut self, event: &TraceEvent, packet: &Packet<'_>) {
        if let Some(tracer) = &mut self.tracer {
            tracer.event(event, packet);
        }
    }

    fn connection_new(&mut self, l4proto: u8) {
        *self.connections.entry(l4proto).or_default() += 1;
    }

    fn element_added(&mut self, table: u32, set: u32) {
        *self.added.entry((table, set)).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: RuleId = RuleId { chain: ChainId { table: 2, chain: 0 }, handle: Handle(7) };

    #[test]
    fn a_packet_counts_once_for_a_rule_it_meets_twice() {
        let mut tally = Tally::default();
        for _ in 0..2 {
            tally.begin();
            tally.rule_matched(RULE, 100);
            tally.rule_matched(RULE, 100);
            tally.end(Disposition::Local, 100);
        }
        assert_eq!(tally.rule(2, Handle(7)), Count { packets: 2, bytes: 200 });
        assert_eq!(tally.rule(2, Handle(8)), Count::default());
    }

    #[test]
    fn fates_add_up_to_the_packets_read() {
        let mut tally = Tally::default();
        for disposition in [
            Disposition::Local,
            Disposition::Stolen,
            Disposition::Queued { number: 1 },
            Disposition::Dropped(DropReason::Rule(RULE)),
            Disposition::Dropped(DropReason::Malformed(ironweir_engine::Malformed::Ipv4)),
        ] {
            tally.begin();
            tally.end(disposition, 20);
        }
        let Fates { read, passed, dropped, queued, stolen, malformed, .. } = tally.fates;
        assert_eq!((read, [passed, dropped, queued, stolen, malformed]), (5, [1; 5]));
    }
}
