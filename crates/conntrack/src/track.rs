//! The way of a packet through connection tracking (`nf_conntrack_core.c`): look up or create, hand to the
//! protocol's tracker, and confirm when the packet has passed all hooks.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Headers, Instant, L3, Packet, PacketInfo, Tuple, icmp};

use crate::config::{Config, Timeouts};
use crate::entry::{CtInfo, CtRef, Direction, Entry, Tracking};
use crate::event::{Event, EventKind};
use crate::expect::Expectations;
use crate::helper::Helpers;
use crate::key::Probe;
use crate::proto::sctp::Sctp;
use crate::proto::tcp::{Tcp, TcpStatus};
use crate::proto::{self, Outcome, generic, gre, sctp, tcp, udp};
use crate::reason::InvalidReason;
use crate::status::Status;
use crate::synproxy::{Proxied, SynproxyStats};
use crate::table::Table;
use crate::zone::Zone;
use ironweir_wire::chunks::Pool;
use ironweir_wire::wheel::Wheel;

/// How many places early drop looks at for a connection to sacrifice.
const EARLY_DROP_LOOKS: u32 = 64;

/// How many connections are looked at for one whose time is up when the table is full.
const EXPIRED_FOR_ROOM: usize = 64;

/// Connection tracking and NAT for one network namespace.
#[derive(Debug)]
pub struct Conntrack {
    pub(crate) config: Config,
    pub(crate) table: Table,
    pub(crate) wheel: Wheel,
    /// Taken out of the table, but perhaps still at work in a packet.
    dying: VecDeque<CtRef>,
    /// Those that ended while a flowtable had them, until that is told.
    offloads_ended: VecDeque<CtRef>,
    events: VecDeque<Event>,
    pub(crate) stats: Stats,
    pub(crate) random: u64,
    /// When the last packet came.
    pub(crate) seen: Instant,
    /// What the packet that was announced last is looked up by.
    pub(crate) ahead: Probe,
    pub(crate) cones: crate::nat::cone::Cones,
    pub(crate) cookies: crate::synproxy::cookie::Keys,
    pub(crate) synproxy_stats: SynproxyStats,
    pub(crate) expectations: Expectations,
    pub(crate) helpers: Helpers,
}

/// What rules before tracking have said of the packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// The zone set by `ct zone set`.
    pub zone: Zone,
    /// The packet comes from this host (output hook): its checksums are not verified.
    pub local: bool,
    /// The connection it begins is proxied: it is the SYN that [`Conntrack::synproxy_ack`] made.
    pub synproxy: bool,
}

/// What becomes of a packet in [`Conntrack::packet_in`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketIn {
    /// It goes on, carrying this.
    Pass(Tracking),
    /// It is dropped.
    Drop(DropReason),
}

/// Why connection tracking drops a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The table is full and nothing could be sacrificed (`nf_conntrack: table full, dropping packet`).
    TableFull,
    /// Another connection took the tuple between the first hook and the last (`insert_failed`).
    Clash,
}

/// What becomes of a packet in [`Conntrack::confirm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirm {
    /// It goes on, carrying this; after a clash, the connection that was first.
    Pass(Tracking),
    /// It is dropped.
    Drop(DropReason),
}

/// Counters over the lifetime of the table (`conntrack -S`, with connections by protocol).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Connections confirmed, by IP protocol number.
    pub created: [u64; 256],
    /// Packets that found a connection.
    pub found: u64,
    /// Packets that are part of no connection and may open none.
    pub invalid: u64,
    /// Packets exempt from tracking.
    pub untracked: u64,
    /// Packets dropped, the table being full.
    pub drop: u64,
    /// Connections sacrificed for new ones.
    pub early_drop: u64,
    /// Connections that could not be confirmed.
    pub insert_failed: u64,
    /// Connections that joined another at confirmation (`clash_resolve`).
    pub clash_resolved: u64,
    /// Connections that ended by timeout.
    pub expired: u64,
    /// Events lost because nobody took them.
    pub events_lost: u64,
    /// Ports and ids that NAT drew by chance.
    pub drawn: u64,
}

impl Default for Stats {
    fn default() -> Self {
        Stats {
            created: [0; 256],
            found: 0,
            invalid: 0,
            untracked: 0,
            drop: 0,
            early_drop: 0,
            insert_failed: 0,
            clash_resolved: 0,
            expired: 0,
            events_lost: 0,
            drawn: 0,
        }
    }
}

impl Stats {
    /// Connections confirmed, of all protocols.
    pub fn created_total(&self) -> u64 {
        self.created.iter().sum()
    }
}

impl Conntrack {
    /// An empty table. `seed` decides the keys of hashes, ids and the choice of random ports: the same seed, packets
    /// and times give the same result.
    pub fn new(config: Config, seed: u64) -> Conntrack {
        Conntrack {
            table: Table::new(seed, config.max),
            config,
            wheel: Wheel::default(),
            dying: VecDeque::new(),
            offloads_ended: VecDeque::new(),
            events: VecDeque::new(),
            stats: Stats::default(),
            random: seed ^ 0xa076_1d64_78bd_642f,
            seen: Instant::ZERO,
            ahead: Probe::default(),
            cones: Default::default(),
            cookies: crate::synproxy::cookie::Keys::from_seed(seed),
            synproxy_stats: SynproxyStats::default(),
            expectations: Expectations::default(),
            helpers: Helpers::built_in(),
        }
    }

    /// Finds the packet's connection or begins one (`nf_conntrack_in`). A new connection is not in the table until
    /// [`Conntrack::confirm`].
    ///
    /// `info` is what [`ironweir_wire::dissect`] found. A fragment that is not the first has no tuple and is invalid: see
    /// [`defrag`](crate::defrag). Connections whose time is up are taken out first.
    pub fn packet_in(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        info: &PacketInfo,
        template: &Template,
    ) -> PacketIn {
        self.bury(usize::MAX);
        self.expire(now);
        self.track(now, packet, info, template)
    }

    /// As [`Conntrack::packet_in`], nothing being cleared away before.
    pub(crate) fn track(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        info: &PacketInfo,
        template: &Template,
    ) -> PacketIn {
        let mut probe = Probe::default();
        if !self.table.probe_again(packet, info, template.zone, &mut probe, &self.ahead) {
            return self.invalid(InvalidReason::NoTuple);
        }
        self.seen = now;
        probe.guess = self.table.guess(probe.hash);
        let mut result = PacketIn::Drop(DropReason::TableFull);
        if self.track_known(now, packet, info, template, &probe, &mut result) {
            return result;
        }
        self.track_probe(now, packet, info, template, &probe)
    }

    /// As [`Conntrack::track`], the packet's tuple and its hash being known: the general way.
    #[inline(never)]
    pub(crate) fn track_probe(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        info: &PacketInfo,
        template: &Template,
        probe: &Probe,
    ) -> PacketIn {
        let verify = self.config.checksum && !template.local;
        if matches!(probe.l4, ipproto::ICMP | ipproto::ICMPV6)
            && let Some(result) = self.icmp(now, (packet, info), probe, template.zone, verify)
        {
            return result;
        }
        // A reopened connection is looked up a second time; it is gone then, so there is no third.
        self.attempt(now, packet, info, template, probe)
            .or_else(|| self.attempt(now, packet, info, template, probe))
            .unwrap_or_else(|| self.invalid(InvalidReason::State))
    }

    /// Looks a packet's connection up or begins one, and lets the protocol judge. `None`: the connection is over, and the
    /// packet is to be looked up again.
    fn attempt(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        info: &PacketInfo,
        template: &Template,
        probe: &Probe,
    ) -> Option<PacketIn> {
        let verify = self.config.checksum && !template.local;
        let found = if self.table.has_none(probe, template.zone) {
            None
        } else {
            self.find(now, probe, template.zone)
        };
        let (ct, direction) = match found {
            Some(found) => found,
            None => match self.begin(now, probe, template) {
                Begin::New(ct) => (ct, Direction::Original),
                Begin::Full => {
                    self.stats.drop += 1;
                    return Some(PacketIn::Drop(DropReason::TableFull));
                }
                Begin::Unanswerable => return Some(self.invalid(InvalidReason::NoAnswer)),
            },
        };
        let Table { slab, tcp, sctp, .. } = &mut self.table;
        let entry = slab.get_mut(ct)?;
        let before = entry.status;
        self.stats.found += u64::from(before.contains(Status::CONFIRMED));
        let trackers = Trackers { tcp, sctp, config: &self.config };
        let outcome = trackers.judge(now, entry, direction, packet, info, verify);
        self.conclude(now, ct, direction, before, info, outcome)
    }

    /// What its tracker says of a packet is done to its connection, whose status was `before`. `None`: the connection is
    /// over, and the packet is to be looked up again.
    pub(crate) fn conclude(
        &mut self,
        now: Instant,
        ct: CtRef,
        direction: Direction,
        before: Status,
        info: &PacketInfo,
        outcome: Outcome,
    ) -> Option<PacketIn> {
        let Some(entry) = self.table.slab.get_mut(ct) else {
            return Some(self.invalid(InvalidReason::State));
        };
        match outcome {
            Outcome::Reopen => {
                self.kill(now, ct);
                return None;
            }
            Outcome::Invalid(reason) => {
                self.release(ct);
                return Some(self.invalid(reason));
            }
            Outcome::InvalidShrink(reason, timeout) => {
                self.refresh(now, ct, timeout);
                return Some(self.invalid(reason));
            }
            Outcome::Refresh(_) | Outcome::End if entry.counts() => {
                entry.count(direction, 1, info.end.saturating_sub(info.network) as u64);
            }
            Outcome::Refresh(_) | Outcome::End | Outcome::Ignore => {}
        }
        let mut hastened = None;
        if let Outcome::Refresh(timeout) = outcome {
            hastened = entry.refresh(now, timeout, self.config.timeouts.offload);
        }
        entry.status |= Status::seen(direction);
        let changed = before != entry.status && before.contains(Status::CONFIRMED);
        if let Some(at) = hastened {
            self.wheel.hasten(ct.slot, at);
        }
        if changed {
            self.report(EventKind::Update, ct);
        }
        if outcome == Outcome::End {
            self.kill(now, ct);
        }
        Some(PacketIn::Pass(Tracking::Flow(ct, ctinfo(before, direction))))
    }

    /// Enters a new connection into the table, its packet having passed all hooks (`__nf_conntrack_confirm`). For
    /// any other packet this does nothing.
    pub fn confirm(&mut self, now: Instant, tracking: Tracking) -> Confirm {
        let Tracking::Flow(ct, info) = tracking else { return Confirm::Pass(tracking) };
        let Some(entry) = self.table.slab.get(ct) else { return Confirm::Pass(tracking) };
        if entry.status.intersects(Status::CONFIRMED | Status::DYING) || info.direction() == Direction::Reply
        {
            return Confirm::Pass(tracking);
        }
        match self.table.hashes(ct) {
            Some(hashes) => self.confirm_hashed(now, tracking, ct, hashes),
            None => Confirm::Pass(tracking),
        }
    }

    /// As [`Conntrack::confirm`] for a new connection, the hashes of its tuples being known.
    pub(crate) fn confirm_hashed(
        &mut self,
        now: Instant,
        tracking: Tracking,
        ct: CtRef,
        hashes: [u64; 2],
    ) -> Confirm {
        let Some(entry) = self.table.slab.get(ct) else { return Confirm::Pass(tracking) };
        let protocol = entry.l4();
        let table = &self.table;
        let clash = table
            .rival(entry, Direction::Original, hashes[0])
            .or_else(|| table.rival(entry, Direction::Reply, hashes[1]));
        if let Some((winner, direction)) = clash {
            return self.resolve_clash(ct, winner, direction, protocol);
        }
        if !self.table.link(ct, hashes) {
            self.release(ct);
            self.stats.insert_failed += 1;
            return Confirm::Drop(DropReason::TableFull);
        }
        let timestamps = self.config.timestamps;
        let Some(entry) = self.table.slab.get_mut(ct) else { return Confirm::Pass(tracking) };
        entry.status |= Status::CONFIRMED;
        if timestamps {
            entry.notes_mut().start = Some(now);
        }
        self.wheel.schedule(ct.slot, entry.deadline);
        self.stats.created[usize::from(protocol)] += 1;
        self.report(EventKind::New, ct);
        Confirm::Pass(tracking)
    }

    /// Forgets a connection that was not confirmed, its packet having been dropped or lost; a confirmed one stays.
    pub fn release(&mut self, ct: CtRef) {
        if self
            .table
            .slab
            .get(ct)
            .is_some_and(|entry| !entry.status.intersects(Status::CONFIRMED | Status::DYING))
        {
            // What it announced, nobody has heard.
            self.expectations.forget(ct);
            self.table.keymap.forget(ct);
            self.table.forget(ct);
        }
    }

    /// A reset is being sent into a connection: it is over (`nf_conntrack_tcp_set_closing`).
    pub fn set_closing(&mut self, now: Instant, ct: CtRef) {
        let default = &self.config.timeouts;
        let Some(entry) = self.table.slab.get_mut(ct).filter(|entry| entry.is_confirmed()) else { return };
        if entry.l4() != ipproto::TCP {
            return;
        }
        let policy = entry.timeouts();
        let Some(tcp) = self.table.tcp.get_mut(entry.kept as u32) else { return };
        let before = std::mem::replace(&mut tcp.status, TcpStatus::Close);
        entry.state = TcpStatus::Close as u8;
        if before != TcpStatus::Close {
            let timeout = policy.as_deref().unwrap_or(default).tcp[TcpStatus::Close as usize];
            self.refresh(now, ct, timeout);
        }
    }

    /// Takes a connection out of the table at once (`nf_ct_delete`). It stays readable until the next packet.
    pub fn destroy(&mut self, now: Instant, ct: CtRef) {
        self.kill(now, ct);
    }

    /// Takes every connection out of the table (`conntrack -F`).
    pub fn flush(&mut self, now: Instant) {
        let all: Vec<CtRef> = self.iter().map(|(ct, _)| ct).collect();
        for ct in all {
            self.kill(now, ct);
        }
    }

    /// Takes out connections whose time is up. [`Conntrack::packet_in`] does so by itself; call it when no packets come.
    ///
    /// One whose deadline is no whole number of milliseconds is taken out at the next.
    pub fn expire(&mut self, now: Instant) {
        self.expire_some(now, usize::MAX);
    }

    /// As [`Conntrack::expire`], but at most `limit` connections are looked at. False when there are more.
    pub fn expire_some(&mut self, now: Instant, limit: usize) -> bool {
        for _ in 0..limit {
            let Some(slot) = self.wheel.pop(now) else { return true };
            let Some(ct) = self.table.slab.reference(slot) else { continue };
            let offload = self.config.timeouts.offload;
            let Some(entry) = self.table.slab.get_mut(ct) else { continue };
            if entry.status.contains(Status::OFFLOAD) && entry.deadline <= now {
                // The flowtable decides when it ends (`nf_ct_offload_timeout`).
                entry.deadline = now + offload;
            }
            if entry.deadline > now {
                self.wheel.schedule(slot, entry.deadline);
                continue;
            }
            self.end(ct);
            // No packet is at work.
            if let Some(ct) = self.dying.pop_back() {
                self.table.forget(ct);
            }
        }
        false
    }

    /// A connection's time is up.
    fn end(&mut self, ct: CtRef) {
        let Some(deadline) = self.table.slab.get(ct).map(|entry| entry.deadline) else { return };
        self.stats.expired += 1;
        self.kill(deadline, ct);
    }

    /// When [`Conntrack::expire`] has something to do at the earliest.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.wheel.next()
    }

    /// Gives a connection's packets over to a flowtable: it does not expire until [`Conntrack::offload_end`].
    pub fn offload_begin(&mut self, now: Instant, ct: CtRef) {
        let timeout = self.config.timeouts.offload;
        if let Some(entry) = self.table.slab.get_mut(ct) {
            entry.status |= Status::OFFLOAD;
        }
        self.refresh(now, ct, timeout);
    }

    /// Takes a connection's packets back from a flowtable (`flow_offload_fixup_ct`): windows are learnt anew, and the
    /// timeout is again that of its state, less `idle`, the time an entry of the flowtable lives without packets.
    pub fn offload_end(&mut self, now: Instant, ct: CtRef, idle: Duration) {
        let Some(entry) = self.table.slab.get_mut(ct) else { return };
        let policy = entry.timeouts();
        let timeouts = policy.as_deref().unwrap_or(&self.config.timeouts);
        entry.status.remove(Status::OFFLOAD);
        let timeout = match entry.l4() {
            ipproto::TCP => {
                if let Some(tcp) = self.table.tcp.get_mut(entry.kept as u32) {
                    tcp.forget_windows();
                }
                timeouts.tcp.get(usize::from(entry.state)).copied().unwrap_or_default()
            }
            ipproto::UDP | ipproto::UDPLITE if entry.status.contains(Status::SEEN_REPLY) => {
                timeouts.udp_stream
            }
            ipproto::UDP | ipproto::UDPLITE => timeouts.udp,
            ipproto::SCTP => timeouts.sctp.get(usize::from(entry.state)).copied().unwrap_or_default(),
            _ => timeouts.generic,
        };
        self.refresh(now, ct, timeout.saturating_sub(idle));
    }

    /// The next connection that ended while a flowtable had it: who called [`Conntrack::offload_begin`] asks until there is
    /// none.
    pub fn take_offload_ended(&mut self) -> Option<CtRef> {
        self.offloads_ended.pop_front()
    }

    /// Counts packets that a flowtable carried (`nf_ct_acct_update`).
    pub fn account(&mut self, ct: CtRef, direction: Direction, packets: u64, bytes: u64) {
        if let Some(entry) = self.table.slab.get_mut(ct)
            && entry.counts()
        {
            entry.count(direction, packets, bytes);
        }
    }

    /// Attaches a connection to the packet by its tuple, tracking nothing: for packets made by this host in answer to
    /// another (`nf_ct_attach`).
    pub fn lookup(&self, tuple: &Tuple, zone: Zone) -> Option<(CtRef, Direction)> {
        self.table.find(tuple, zone)
    }

    /// The tuple of a packet, zone 0; `None` when it has none.
    pub fn tuple_of(packet: &Packet<'_>, info: &PacketInfo) -> Option<Tuple> {
        Headers::of(info)?.tuple(packet)
    }

    /// A connection to change; `None` when it is gone.
    pub fn entry_mut(&mut self, ct: CtRef) -> Option<&mut Entry> {
        self.table.slab.get_mut(ct)
    }

    /// Whether there are events to be taken.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Keeps so many events from now on ([`Config::event_capacity`]); those that are kept stay.
    pub fn set_event_capacity(&mut self, capacity: usize) {
        self.config.event_capacity = capacity;
    }

    /// Takes the events kept since the last call, oldest first.
    pub fn take_events(&mut self) -> impl Iterator<Item = Event> {
        std::mem::take(&mut self.events).into_iter()
    }

    /// Gives a new connection a timeout policy (`ct timeout set`, `nft_ct_timeout_obj_eval`): `policy` instead of
    /// [`Config::timeouts`]. One that is confirmed keeps what it has.
    pub fn set_timeouts(&mut self, now: Instant, ct: CtRef, policy: Arc<Timeouts>) {
        let Some(entry) = self.table.slab.get_mut(ct).filter(|entry| !entry.is_confirmed()) else { return };
        let first = policy.first(entry.l4());
        entry.extras_mut().timeouts = Some(policy);
        self.refresh(now, ct, first);
    }

    /// A connection; `None` when it is gone.
    pub fn entry(&self, ct: CtRef) -> Option<&Entry> {
        self.table.slab.get(ct)
    }

    /// Confirmed connections, in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = (CtRef, &Entry)> {
        self.table.slab.iter().filter(|(_, entry)| in_table(entry))
    }

    /// Confirmed connections in some of the places, for who looks at all of them in portions.
    pub fn iter_places(&self, places: Range<u32>) -> impl Iterator<Item = (CtRef, &Entry)> {
        self.table.slab.within(places).filter(|(_, entry)| in_table(entry))
    }

    /// How many places there are, used or free. It grows only.
    pub fn places(&self) -> u32 {
        self.table.slab.slots()
    }

    /// How many connections there are, those not yet confirmed included.
    pub fn len(&self) -> usize {
        self.table.slab.len() - self.dying.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How evenly tuples lie in the table: how many buckets hold how many tuples, from none to all twelve, and the most
    /// buckets that any look-up reads. It looks at every bucket.
    pub fn distribution(&self) -> ([usize; 13], usize) {
        self.table.distribution()
    }

    /// Counters.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Limits, switches and timeouts.
    pub fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn invalid(&mut self, reason: InvalidReason) -> PacketIn {
        self.stats.invalid += 1;
        PacketIn::Pass(Tracking::Invalid(reason))
    }

    /// What is special about ICMP and ICMPv6: neighbour discovery is not tracked, errors belong to the connection they
    /// quote. `None` for queries, which are tracked as other packets are.
    #[inline(never)]
    fn icmp(
        &mut self,
        now: Instant,
        (packet, info): (&Packet<'_>, &PacketInfo),
        probe: &Probe,
        zone: Zone,
        verify: bool,
    ) -> Option<PacketIn> {
        let headers = &Headers::of(info)?;
        let tuple = &probe.tuple();
        let kind = tuple.icmp_type();
        let (is_error, unknown) = match (headers.l3, headers.l4) {
            (L3::V4, ipproto::ICMP) => (icmp::v4::is_error(kind), kind > icmp::v4::MAX),
            (L3::V6, ipproto::ICMPV6) => {
                if proto::icmp::is_untracked_v6(kind) {
                    self.stats.untracked += 1;
                    return Some(PacketIn::Pass(Tracking::Untracked));
                }
                (icmp::v6::is_error(kind), false)
            }
            _ => return None,
        };
        if verify && !icmp_checksum_is_valid(packet, info, tuple) {
            return Some(self.invalid(InvalidReason::Checksum));
        }
        if unknown {
            return Some(self.invalid(InvalidReason::NotAQuery));
        }
        if !is_error {
            return None;
        }
        let quoted = Headers::quoted(packet, headers.l3, headers.transport + icmp::HEADER_LEN, headers.end);
        let tracking = quoted
            .and_then(|quoted| {
                let tuple = quoted.tuple(packet)?;
                Some(self.table.keymap.complete(packet, quoted.transport, tuple))
            })
            .and_then(|quoted| quoted.inverted())
            .map(|answer| self.table.probe_of(&answer, zone))
            .and_then(|probe| self.find(now, &probe, zone))
            .and_then(|found| self.related(found, tuple));
        Some(match tracking {
            Some(tracking) => PacketIn::Pass(tracking),
            None => self.invalid(InvalidReason::Unrelated),
        })
    }

    /// The connection of a tuple. One whose time is up, but that was not taken out yet, ends here (`nf_ct_gc_expired`).
    #[inline]
    fn find(&mut self, now: Instant, probe: &Probe, zone: Zone) -> Option<(CtRef, Direction)> {
        let (found, over) = self.table.find_probe(probe, zone, now)?;
        if !over {
            return Some(found);
        }
        self.end(found.0);
        None
    }

    /// An error is related when it goes to whoever sent the packet it quotes (`nf_conntrack_inet_error`).
    fn related(&self, (ct, direction): (CtRef, Direction), outer: &Tuple) -> Option<Tracking> {
        let entry = self.table.slab.get(ct)?;
        let info = match direction {
            Direction::Original => CtInfo::Related,
            Direction::Reply => CtInfo::RelatedReply,
        };
        (entry.tuple(direction).dst == outer.dst).then_some(Tracking::Flow(ct, info))
    }

    /// A connection for a first packet, not yet in the table (`init_conntrack`).
    fn begin(&mut self, now: Instant, probe: &Probe, template: &Template) -> Begin {
        let zone = template.zone;
        let accounting = self.config.accounting;
        let mut entry = match probe.answer(zone.id(Direction::Reply)) {
            Some(answer) => Entry::of_keys(probe, answer, now, accounting),
            None => {
                let original = probe.tuple();
                let Some(reply) = original.inverted() else { return Begin::Unanswerable };
                let reply = Tuple { zone: zone.id(Direction::Reply), ..reply };
                Entry::new(&original, &reply, now, accounting)
            }
        };
        if self.len() >= self.config.max && !self.make_room(now, &probe.tuple()) {
            return Begin::Full;
        }
        if matches!(probe.l4, ipproto::UDP | ipproto::UDPLITE) {
            entry.kept = (now + udp::STREAM_AFTER).nanos();
        }
        if template.synproxy {
            entry.extras_mut().proxied = Some(Proxied::default());
        }
        let expected = self.expected_by(now, probe, zone);
        let Some(ct) = self.table.insert(entry) else { return Begin::Full };
        if let Some(expected) = expected {
            self.fulfil(ct, &expected);
        }
        Begin::New(ct)
    }

    /// Makes room for another connection: takes out some whose time is up, or else sacrifices one.
    fn make_room(&mut self, now: Instant, tuple: &Tuple) -> bool {
        self.expire_some(now, EXPIRED_FOR_ROOM);
        self.len() < self.config.max || self.early_drop(now, tuple)
    }

    /// Sacrifices a connection that is not assured, looking from a place that the tuple decides (`early_drop`).
    fn early_drop(&mut self, now: Instant, tuple: &Tuple) -> bool {
        let slots = self.table.slab.slots();
        if slots == 0 {
            return false;
        }
        let from = (tuple.hash(&self.table.key) % u64::from(slots)) as u32;
        let victim = (0..EARLY_DROP_LOOKS.min(slots)).find_map(|step| {
            let slot = ((u64::from(from) + u64::from(step)) % u64::from(slots)) as u32;
            let entry = self.table.slab.at(slot)?;
            let spared = Status::ASSURED | Status::DYING | Status::OFFLOAD;
            (entry.is_confirmed() && !entry.status.intersects(spared))
                .then(|| self.table.slab.reference(slot))?
        });
        let Some(victim) = victim else { return false };
        self.kill(now, victim);
        self.stats.early_drop += 1;
        true
    }

    /// Moves a deadline; the timer is told only when it must look earlier than planned.
    pub(crate) fn refresh(&mut self, now: Instant, ct: CtRef, timeout: Duration) {
        let Some(entry) = self.table.slab.get_mut(ct) else { return };
        if let Some(at) = entry.refresh(now, timeout, self.config.timeouts.offload) {
            self.wheel.hasten(ct.slot, at);
        }
    }

    /// Takes a connection out of the table, and what ends with it; it stays in its place until [`Conntrack::bury`].
    pub(crate) fn kill(&mut self, now: Instant, ct: CtRef) {
        let siblings = self.kill_one(now, ct);
        self.end_siblings(now, ct, siblings);
    }

    /// Ends what tuples lead to in the zone of a connection, or else forgets that it is expected
    /// (`destroy_sibling_or_exp`).
    pub(crate) fn end_siblings(&mut self, now: Instant, ct: CtRef, tuples: [Option<Tuple>; 2]) {
        for tuple in tuples.into_iter().flatten() {
            let Some(zone) = self.entry(ct).map(Entry::zone) else { return };
            if let Some((sibling, _)) = self.table.find(&tuple, zone) {
                self.kill_one(now, sibling);
                continue;
            }
            let found = self.expectation_of(&Tuple { zone: zone.id, ..tuple });
            if let Some((id, master)) = found.map(|(id, expected)| (id, expected.master)) {
                self.unexpect(master, id);
            }
        }
    }

    /// As [`Conntrack::kill`]; gives the tuples of what is to end with it.
    fn kill_one(&mut self, now: Instant, ct: CtRef) -> [Option<Tuple>; 2] {
        let timestamps = self.config.timestamps;
        let Some(entry) = self.table.slab.get_mut(ct) else { return [None; 2] };
        if entry.status.contains(Status::DYING) {
            return [None; 2];
        }
        let siblings = entry.extras.as_ref().and_then(|extras| {
            let helper = self.helpers.find(extras.helper.as_deref()?, entry.l4())?;
            let tuples = (entry.tuple(Direction::Original), entry.tuple(Direction::Reply));
            Some(helper.siblings(&extras.helper_memory, &tuples.0, &tuples.1))
        });
        self.table.keymap.forget(ct);
        let confirmed = entry.is_confirmed();
        let offloaded = entry.status.contains(Status::OFFLOAD);
        entry.status |= Status::DYING;
        if timestamps {
            entry.notes_mut().stop = Some(now);
        }
        if confirmed {
            self.report(EventKind::Destroy, ct);
        }
        if confirmed {
            self.wheel.cancel(ct.slot);
        }
        if offloaded {
            self.offloads_ended.push_back(ct);
        }
        self.table.unlink(ct);
        self.expectations.forget(ct);
        self.dying.push_back(ct);
        siblings.unwrap_or([None; 2])
    }

    /// Frees the places of connections taken out, at most `limit`: no packet is at work.
    pub(crate) fn bury(&mut self, limit: usize) {
        for _ in 0..limit.min(self.dying.len()) {
            if let Some(ct) = self.dying.pop_front() {
                self.table.forget(ct);
            }
        }
    }

    /// Two packets began the same connection. Where a protocol allows it, the later packet joins the connection that
    /// was confirmed first (`nf_ct_resolve_clash`).
    fn resolve_clash(&mut self, loser: CtRef, winner: CtRef, direction: Direction, protocol: u8) -> Confirm {
        let same = |table: &Table| {
            let (loser, winner) = (table.slab.get(loser)?, table.slab.get(winner)?);
            let nat = Status::NAT;
            let tuples = |entry: &Entry| [entry.tuple(Direction::Original), entry.tuple(Direction::Reply)];
            Some(tuples(loser) == tuples(winner) && loser.status & nat == winner.status & nat)
        };
        let allowed = !matches!(protocol, ipproto::TCP | ipproto::SCTP);
        let joins = allowed && direction == Direction::Original && same(&self.table) == Some(true);
        self.release(loser);
        if !joins {
            self.stats.insert_failed += 1;
            return Confirm::Drop(DropReason::Clash);
        }
        self.stats.clash_resolved += 1;
        self.stats.found += 1;
        let info = ctinfo(self.entry(winner).map_or(Status::empty(), Entry::status), direction);
        Confirm::Pass(Tracking::Flow(winner, info))
    }

    #[inline]
    pub(crate) fn report(&mut self, kind: EventKind, ct: CtRef) {
        if self.config.event_capacity != 0 {
            self.keep_event(kind, ct);
        }
    }

    #[cold]
    fn keep_event(&mut self, kind: EventKind, ct: CtRef) {
        let Some(entry) = self.table.slab.get(ct) else { return };
        if self.events.len() >= self.config.event_capacity {
            self.stats.events_lost += 1;
            return;
        }
        self.events.push_back(Event { kind, entry: entry.clone() });
    }
}

/// How a packet of a direction stands to a connection with this status.
#[inline]
pub(crate) fn ctinfo(status: Status, direction: Direction) -> CtInfo {
    if direction == Direction::Reply {
        CtInfo::EstablishedReply
    } else if status.contains(Status::SEEN_REPLY) {
        CtInfo::Established
    } else if status.contains(Status::EXPECTED) {
        CtInfo::Related
    } else {
        CtInfo::New
    }
}

/// What trackers need besides the entry.
struct Trackers<'a> {
    tcp: &'a mut Pool<Tcp>,
    sctp: &'a mut Pool<Sctp>,
    config: &'a Config,
}

impl Trackers<'_> {
    /// Lets the protocol's tracker judge the packet (`nf_conntrack_handle_packet`).
    #[inline]
    fn judge(
        self,
        now: Instant,
        entry: &mut Entry,
        direction: Direction,
        packet: &Packet<'_>,
        info: &PacketInfo,
        verify: bool,
    ) -> Outcome {
        let config = self.config;
        let policy = entry.timeouts();
        let timeouts = policy.as_deref().unwrap_or(&config.timeouts);
        match entry.l4() {
            ipproto::TCP => {
                let Some(tcp) = self.tcp.get_mut(entry.kept as u32) else {
                    return Outcome::Invalid(InvalidReason::State);
                };
                tcp::packet(entry, tcp, direction, packet, info, config, timeouts, verify, now)
            }
            ipproto::UDP | ipproto::UDPLITE => udp::packet(entry, now, packet, info, timeouts, verify),
            ipproto::ICMP | ipproto::ICMPV6 => proto::icmp::packet(entry, timeouts),
            ipproto::SCTP => {
                let Some(sctp) = self.sctp.get_mut(entry.kept as u32) else {
                    return Outcome::Invalid(InvalidReason::State);
                };
                sctp::packet(entry, sctp, direction, packet, info, timeouts, verify)
            }
            ipproto::GRE => gre::packet(entry, timeouts),
            _ => generic::packet(timeouts),
        }
    }
}

enum Begin {
    New(CtRef),
    Full,
    Unanswerable,
}

fn icmp_checksum_is_valid(packet: &Packet<'_>, info: &PacketInfo, tuple: &Tuple) -> bool {
    use ironweir_wire::checksum::Sum;
    if tuple.l3 == L3::V6 {
        return proto::checksum_is_valid(packet, info, tuple, usize::MAX);
    }
    info.is_fragment()
        || Sum::ZERO.packet(packet, info.transport, info.transport_len()).is_none_or(Sum::is_valid)
}

/// Whether a connection is one that the table shows.
fn in_table(entry: &Entry) -> bool {
    entry.status.contains(Status::CONFIRMED) && !entry.status.contains(Status::DYING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, Bytes, info_of, v4, v6};
    use crate::zone::ZoneDirection;

    fn request(port: u16) -> Bytes {
        Bytes::udp((v4(1), port), (v4(2), 53), L3::V4, b"?")
    }

    fn answer(port: u16) -> Bytes {
        Bytes::udp((v4(2), 53), (v4(1), port), L3::V4, b"!!")
    }

    #[test]
    fn a_dropped_first_packet_leaves_nothing() {
        let mut bench = Bench::new(Config::default());
        let (ct, info) = bench.enter(&request(1)).flow().unwrap();
        assert_eq!(info, CtInfo::New);
        bench.ct.release(ct);
        assert!(bench.ct.is_empty() && bench.ct.entry(ct).is_none());
        assert_eq!(bench.ct.stats().created_total(), 0);
    }

    #[test]
    fn a_reply_makes_a_connection_established() {
        let mut bench = Bench::new(Config::default());
        let (ct, _) = bench.pass(&request(1)).flow().unwrap();
        assert_eq!(info_of(bench.pass(&request(1))), Some(CtInfo::New), "no reply yet");
        assert_eq!(bench.pass(&answer(1)), Tracking::Flow(ct, CtInfo::EstablishedReply));
        assert_eq!(bench.pass(&request(1)), Tracking::Flow(ct, CtInfo::Established));
        let entry = bench.ct.entry(ct).unwrap();
        assert!(entry.status().contains(Status::SEEN_REPLY | Status::CONFIRMED));
        assert_eq!(
            (entry.counter(Direction::Original).packets, entry.counter(Direction::Reply).bytes),
            (3, 30)
        );
        assert_eq!(bench.ct.stats().created[17], 1);
    }

    /// `conntrack -L -o extended` of conntrack-tools 1.4.8 prints such a line, but for the counters it has none of.
    #[test]
    fn a_line_is_that_of_conntrack() {
        let mut bench = Bench::new(Config { accounting: false, ..Config::default() });
        let (ct, _) = bench.pass(&request(1)).flow().unwrap();
        assert_eq!(
            bench.ct.entry(ct).unwrap().display(bench.now).to_string(),
            "ipv4     2 udp      17 30 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=53 [UNREPLIED] \
             src=10.0.0.2 dst=10.0.0.1 sport=53 dport=1 mark=0 use=1"
        );
    }

    #[test]
    fn udp_becomes_a_stream_after_two_seconds() {
        let mut bench = Bench::new(Config::default());
        let (ct, _) = bench.pass(&request(1)).flow().unwrap();
        bench.pass(&answer(1));
        bench.pass(&request(1));
        let seconds = |bench: &Bench| bench.ct.entry(ct).unwrap().remaining(bench.now).as_secs();
        assert_eq!(seconds(&bench), 30);
        bench.wait(3);
        bench.pass(&request(1));
        assert_eq!(seconds(&bench), 120);
        assert!(bench.ct.entry(ct).unwrap().status().contains(Status::ASSURED));
    }

    #[test]
    fn connections_end_by_timeout_and_packets_postpone_it() {
        let mut bench = Bench::new(Config { event_capacity: 8, ..Config::default() });
        bench.pass(&request(1));
        bench.wait(20);
        bench.pass(&request(1));
        bench.pass(&request(2));
        bench.wait(29);
        bench.ct.expire(bench.now);
        assert_eq!(bench.ct.len(), 2);
        bench.wait(1);
        assert_eq!(info_of(bench.enter(&request(1))), Some(CtInfo::New));
        assert_eq!((bench.ct.len(), bench.ct.stats().expired), (1, 2));
        let kinds: Vec<EventKind> = bench.ct.take_events().map(|event| event.kind).collect();
        use EventKind::{Destroy, New};
        assert_eq!(kinds, [New, New, Destroy, Destroy]);
    }

    #[test]
    fn a_full_table_sacrifices_what_is_not_assured() {
        let mut bench = Bench::new(Config { max: 4, ..Config::default() });
        for port in 1..=10 {
            bench.pass(&request(port));
        }
        assert_eq!((bench.ct.len(), bench.ct.stats().early_drop), (4, 6));
        let all: Vec<CtRef> = bench.ct.iter().map(|(ct, _)| ct).collect();
        for ct in all {
            bench.ct.entry_mut(ct).unwrap().status |= Status::ASSURED;
        }
        let now = bench.now;
        let template = Template::default();
        let result = request(99).with(|packet, info| bench.ct.packet_in(now, packet, info, &template));
        assert_eq!(result, PacketIn::Drop(DropReason::TableFull));
    }

    #[test]
    fn zones_do_not_meet() {
        let mut bench = Bench::new(Config::default());
        let (first, _) = bench.pass(&request(1)).flow().unwrap();
        bench.template.zone = Zone::both(7);
        let (second, info) = bench.pass(&request(1)).flow().unwrap();
        assert_eq!((info, first == second), (CtInfo::New, false));
        assert_eq!(bench.pass(&answer(1)), Tracking::Flow(second, CtInfo::EstablishedReply));
        // A zone for the original direction: its replies come back without one.
        bench.template.zone = Zone { id: 9, direction: ZoneDirection::Original };
        let (third, _) = bench.pass(&request(2)).flow().unwrap();
        bench.template.zone = Zone::default();
        assert_eq!(bench.pass(&answer(2)), Tracking::Flow(third, CtInfo::EstablishedReply));
        // The original direction is in zone 9, so this begins another; its replies would be those of the third.
        let other = bench.enter(&request(2));
        assert_eq!(info_of(other), Some(CtInfo::New));
        assert_eq!(bench.ct.confirm(bench.now, other), Confirm::Drop(DropReason::Clash));
    }

    #[test]
    fn icmp_echo_is_a_connection_and_a_lone_reply_is_invalid() {
        let mut bench = Bench::new(Config::default());
        let reply = Bytes::icmp(v4(2), v4(1), L3::V4, 0, 0, [0, 9, 0, 1], b"data");
        assert_eq!(bench.pass(&reply), Tracking::Invalid(InvalidReason::NotAQuery));
        assert_eq!(bench.ct.len(), 0);
        let request = Bytes::icmp(v4(1), v4(2), L3::V4, 8, 0, [0, 9, 0, 1], b"data");
        assert_eq!(info_of(bench.pass(&request)), Some(CtInfo::New));
        assert_eq!(info_of(bench.pass(&reply)), Some(CtInfo::EstablishedReply));
        let other = Bytes::icmp(v4(2), v4(1), L3::V4, 0, 0, [0, 10, 0, 1], b"data");
        assert_eq!(bench.pass(&other), Tracking::Invalid(InvalidReason::NotAQuery), "another id");
    }

    #[test]
    fn errors_are_related_to_what_they_quote() {
        let mut bench = Bench::new(Config::default());
        let error = |to, quoted: &Bytes| Bytes::icmp(v4(9), to, L3::V4, 3, 3, [0; 4], &quoted.0);
        assert_eq!(
            bench.pass(&error(v4(1), &request(1))),
            Tracking::Invalid(InvalidReason::Unrelated),
            "no such connection"
        );
        let (ct, _) = bench.pass(&request(1)).flow().unwrap();
        // An error about an original packet travels in reply direction, and the other way round.
        assert_eq!(bench.pass(&error(v4(1), &request(1))), Tracking::Flow(ct, CtInfo::RelatedReply));
        assert_eq!(bench.pass(&error(v4(2), &answer(1))), Tracking::Flow(ct, CtInfo::Related));
        assert_eq!(
            bench.pass(&error(v4(7), &request(1))),
            Tracking::Invalid(InvalidReason::Unrelated),
            "not for the sender"
        );
        let mut cut = request(1);
        cut.0.truncate(23);
        assert_eq!(
            bench.pass(&error(v4(1), &cut)),
            Tracking::Invalid(InvalidReason::Unrelated),
            "no ports in the quote"
        );
    }

    #[test]
    fn icmpv6_errors_are_related_and_neighbour_discovery_is_untracked() {
        let mut bench = Bench::new(Config::default());
        let request = Bytes::udp((v6(1), 1), (v6(2), 53), L3::V6, b"?");
        let (ct, _) = bench.pass(&request).flow().unwrap();
        let error = Bytes::icmp(v6(9), v6(1), L3::V6, 1, 4, [0; 4], &request.0);
        assert_eq!(bench.pass(&error), Tracking::Flow(ct, CtInfo::RelatedReply));
        let solicitation = Bytes::icmp(v6(1), v6(2), L3::V6, 135, 0, [0; 4], &v6(2).0);
        assert_eq!(bench.pass(&solicitation), Tracking::Untracked);
        assert_eq!(bench.ct.stats().untracked, 1);
    }

    #[test]
    fn a_second_connection_of_one_tuple_joins_the_first_or_is_dropped() {
        let mut bench = Bench::new(Config::default());
        let (first, second) = (bench.enter(&request(1)), bench.enter(&request(1)));
        assert_ne!(first, second);
        assert_eq!(bench.ct.confirm(bench.now, first), Confirm::Pass(first));
        assert_eq!(bench.ct.confirm(bench.now, second), Confirm::Pass(first));
        let syn = Bytes::tcp(Direction::Original, 2, 1, 0, 1000, &[], 0);
        let (first, second) = (bench.enter(&syn), bench.enter(&syn));
        assert_eq!(bench.ct.confirm(bench.now, first), Confirm::Pass(first));
        assert_eq!(bench.ct.confirm(bench.now, second), Confirm::Drop(DropReason::Clash));
        assert_eq!(bench.ct.len(), 2);
    }

    #[test]
    fn bad_checksums_are_invalid_when_asked_for() {
        let mut bad = request(1);
        bad.0[28] ^= 1;
        let bad_echo = {
            let mut echo = Bytes::icmp(v4(1), v4(2), L3::V4, 8, 0, [0; 4], b"data");
            echo.0[28] ^= 1;
            echo
        };
        let mut bench = Bench::new(Config::default());
        assert_eq!(info_of(bench.pass(&bad)), Some(CtInfo::New));
        let mut bench = Bench::new(Config { checksum: true, ..Config::default() });
        assert_eq!(bench.pass(&bad), Tracking::Invalid(InvalidReason::Checksum));
        assert_eq!(bench.pass(&bad_echo), Tracking::Invalid(InvalidReason::Checksum));
        assert_eq!(info_of(bench.pass(&request(1))), Some(CtInfo::New));
        bench.template.local = true;
        assert_eq!(info_of(bench.pass(&bad_echo)), Some(CtInfo::New));
    }

    #[test]
    fn a_timeout_policy_holds_from_the_first_packet_on() {
        let mut bench = Bench::new(Config::default());
        let tracking = bench.enter(&request(1));
        let (ct, _) = tracking.flow().unwrap();
        let mut policy = Timeouts::default();
        assert!(policy.set(17, 1, Duration::from_secs(5)) && policy.set(17, 2, Duration::from_secs(500)));
        bench.ct.set_timeouts(bench.now, ct, Arc::new(policy));
        bench.ct.confirm(bench.now, tracking);
        let seconds = |bench: &Bench| bench.ct.entry(ct).unwrap().remaining(bench.now).as_secs();
        assert_eq!(seconds(&bench), 5);
        for _ in 0..2 {
            bench.wait(3);
            bench.pass(&answer(1));
        }
        assert_eq!(seconds(&bench), 500);
        bench.ct.set_timeouts(bench.now, ct, Arc::new(Timeouts::default()));
        bench.pass(&request(1));
        assert_eq!(seconds(&bench), 500, "a confirmed connection keeps its policy");
    }

    #[test]
    fn an_offloaded_connection_outlives_its_timeout() {
        let mut bench = Bench::new(Config::default());
        let (ct, _) = bench.pass(&request(1)).flow().unwrap();
        bench.ct.offload_begin(bench.now, ct);
        bench.wait(3 * 86_400);
        bench.ct.expire(bench.now);
        assert!(bench.ct.entry(ct).is_some());
        bench.ct.account(ct, Direction::Reply, 5, 500);
        // Never answered: the 30 seconds of such a connection are over with the entry's.
        bench.ct.offload_end(bench.now, ct, Duration::from_secs(20));
        bench.wait(9);
        bench.ct.expire(bench.now);
        assert_eq!(bench.ct.len(), 1);
        bench.wait(2);
        bench.ct.expire(bench.now);
        assert_eq!(bench.ct.len(), 0);
    }

    #[test]
    fn a_deadline_that_jumps_is_met() {
        let mut bench = Bench::new(Config::default());
        let (ct, _) = bench.pass(&request(1)).flow().unwrap();
        for _ in 0..10_000 {
            bench.ct.refresh(bench.now, ct, Duration::from_secs(432_000));
            bench.ct.refresh(bench.now, ct, Duration::from_secs(10));
            bench.now = bench.now + Duration::from_secs(9);
            bench.ct.expire(bench.now);
        }
        assert!(bench.ct.entry(ct).is_some());
    }
}
