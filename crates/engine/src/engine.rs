//! The engine itself: what it holds, and the calls that drive it.

use std::collections::VecDeque;
use std::net::IpAddr;

use ironweir_conntrack::defrag::Defrag;
use ironweir_conntrack::{Config, Conntrack, CtRef};
use ironweir_ruleset::{Applied, Batch, ChangeError, Ruleset};
use ironweir_wire::{IfIndex, Instant, Packet};

use crate::connections::Connections;
use crate::flight::World;
use crate::flowtable::{Carried, Flow, FlowChange, FlowId, Flows, FlowtableStats};
use crate::generation::Generation;
use crate::helper_objects;
use crate::icmp_limit::IcmpLimits;
use crate::queue::{QueueCounters, QueueSettings, QueueVerdict, Queued, Queues, Resumed};
use crate::{Disposition, DropReason, Host, Observer, path};

/// A packet the engine made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The interface it leaves by.
    pub oif: IfIndex,
    /// Its bytes, from the link header on where the interface has one.
    pub bytes: Vec<u8>,
    /// Whether the bytes begin with an Ethernet header.
    pub ethernet: bool,
    /// To whom it goes on the link, where that was looked up.
    pub next_hop: Option<IpAddr>,
    /// Whether its Ethernet address is written already.
    pub addressed: bool,
}

/// A host's packet path with its ruleset, connections and flows.
pub struct Engine {
    world: World,
    generation: Generation,
    /// Packets dropped, by [`DropReason::number`].
    drops: [u64; DropReason::NAMES.len()],
}

impl Engine {
    /// An engine without a ruleset. `seed` keys hashes and is the source of all random choices.
    pub fn new(host: Host, seed: u64) -> Engine {
        let (settings, fragments) = (host.conntrack, host.fragments);
        let config = Config {
            max: settings.max,
            accounting: settings.accounting,
            timestamps: settings.timestamp,
            checksum: settings.checksum,
            tcp_loose: settings.tcp_loose,
            tcp_be_liberal: settings.tcp_be_liberal,
            full_cone: settings.full_cone,
            sip_direct_signalling: settings.sip_direct_signalling,
            sip_direct_media: settings.sip_direct_media,
            ..Config::default()
        };
        let mut world = World {
            host,
            ruleset: Ruleset::new(seed),
            conntrack: Conntrack::new(config, seed),
            defrag: Defrag::new(fragments, seed),
            flows: Flows::new(seed),
            connections: Connections::new(seed),
            icmp_limits: IcmpLimits::new(seed),
            queues: Queues::new(seed),
            output: VecDeque::new(),
            local: VecDeque::new(),
            made: VecDeque::new(),
            copies: 0,
            next_hop: None,
            addressed: false,
            now: Instant::ZERO,
            random: seed,
        };
        let mut none = Generation::default();
        let generation = Generation::new(&world.ruleset, &world.host, &mut none);
        world.random();
        Engine { world, generation, drops: [0; DropReason::NAMES.len()] }
    }

    /// Makes every change of a batch or none. Packets see the ruleset as it was before or as it is after.
    ///
    /// # Errors
    /// Each refused change with the reason.
    pub fn commit(&mut self, batch: &Batch) -> Result<Applied, Vec<ChangeError>> {
        let World { ruleset, host, flows, conntrack, now, .. } = &mut self.world;
        let batch = helper_objects::resolved(batch, ruleset, conntrack)?;
        let applied = ruleset.apply(&batch, *now)?;
        self.generation = Generation::new(ruleset, host, &mut self.generation);
        flows.keep_existing(ruleset, conntrack, *now);
        Ok(applied)
    }

    /// Begins with a ruleset that was in force before, in place of what there is.
    pub fn restore_ruleset(&mut self, ruleset: Ruleset) {
        let World { ruleset: held, host, flows, conntrack, now, .. } = &mut self.world;
        *held = ruleset;
        self.generation = Generation::new(held, host, &mut Generation::default());
        flows.keep_existing(held, conntrack, *now);
    }

    /// The lists of connections that `ct count` counts, by number: see [`Engine::restore_counted`].
    pub fn counted(&self) -> impl Iterator<Item = (u32, Vec<CtRef>)> {
        self.world.connections.lists()
    }

    /// Puts back a list of [`Engine::counted`]. Its number is that which the expression had.
    pub fn restore_counted(&mut self, list: u32, members: impl Iterator<Item = CtRef>) {
        let world = &mut self.world;
        world.connections.restore(list, members, world.now);
    }

    /// How many packets were dropped for each reason ([`DropReason::name`]).
    pub fn drops(&self) -> impl Iterator<Item = (&'static str, u64)> {
        DropReason::NAMES.into_iter().zip(self.drops)
    }

    /// The committed ruleset with its live state.
    pub fn ruleset(&self) -> &Ruleset {
        &self.world.ruleset
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.world.host
    }

    /// Changes the host: new routes and neighbours count from the next packet on.
    pub fn change_host(&mut self, change: impl FnOnce(&mut Host)) {
        let what_rules_know = |host: &Host| (host.links_version(), host.conntrack.always);
        let before = what_rules_know(&self.world.host);
        change(&mut self.world.host);
        if what_rules_know(&self.world.host) == before {
            // Rules know of the host what its interfaces are, not where packets go.
            return;
        }
        self.generation = Generation::new(&self.world.ruleset, &self.world.host, &mut self.generation);
    }

    /// Connections, with their listing and statistics.
    pub fn conntrack(&self) -> &Conntrack {
        &self.world.conntrack
    }

    /// Forgets every connection, as `conntrack -F` does, and fragments that wait for others.
    pub fn forget_connections(&mut self) {
        let world = &mut self.world;
        world.conntrack.flush(world.now);
        let seed = u64::from(world.random());
        world.defrag = Defrag::new(world.host.fragments, seed);
    }

    /// Connections, to change and delete them and to take their events.
    pub fn conntrack_mut(&mut self) -> &mut Conntrack {
        &mut self.world.conntrack
    }

    /// The connections that flowtables carry now.
    pub fn flows(&self) -> impl Iterator<Item = &Flow> {
        self.world.flows.iter()
    }

    /// What a flowtable did so far, by the slots of table and flowtable.
    pub fn flowtable_stats(&self, table: u32, flowtable: u32) -> FlowtableStats {
        self.world.flows.stats(table, flowtable)
    }

    /// One of them, if it is still there.
    pub fn flow(&self, id: FlowId) -> Option<&Flow> {
        self.world.flows.get(id)
    }

    /// What became of flowtables' entries since the last call; the first tells all that are there. Who has begun to ask
    /// must go on, since what happens is kept until then.
    pub fn take_flow_changes(&mut self) -> Vec<FlowChange> {
        self.world.flows.take_changes()
    }

    /// Whether there is something that [`Engine::take_flow_changes`] has not told, to one who has asked before.
    pub fn has_flow_changes(&self) -> bool {
        self.world.flows.has_changes()
    }

    /// Says that packets of a flowtable's entry were carried past the engine: they count as if it had carried them itself,
    /// and the entry lives on.
    pub fn count_carried(&mut self, carried: &Carried) {
        let World { ruleset, flows, conntrack, now, .. } = &mut self.world;
        flows.count(ruleset, conntrack, *now, carried);
    }

    /// Ends flowtables' entries whose packets would be sent another way now, as the next packet of each would.
    pub fn end_rerouted_flows(&mut self) {
        let World { host, flows, conntrack, now, .. } = &mut self.world;
        flows.keep_routed(host, conntrack, *now);
    }

    /// The latest time the engine was told.
    pub fn now(&self) -> Instant {
        self.world.now
    }

    /// Takes an address from an interface; connections masqueraded with it end (`masq_inet_event`). False when the interface
    /// has no such address.
    pub fn remove_address(&mut self, interface: IfIndex, address: IpAddr) -> bool {
        let world = &mut self.world;
        let removed = world.host.remove_address(interface, address);
        if removed {
            world.conntrack.masquerade_gone(world.now, interface.0, Some(address.into()));
        }
        removed
    }

    /// Says that an interface went down; connections masqueraded out of it end (`masq_device_event`). Its routes are the
    /// caller's to change.
    pub fn interface_down(&mut self, interface: IfIndex) {
        let world = &mut self.world;
        world.conntrack.masquerade_gone(world.now, interface.0, None);
    }

    /// Lets time pass. Time never goes back: an earlier `now` changes nothing.
    pub fn advance(&mut self, now: Instant) {
        let world = &mut self.world;
        world.now = world.now.max(now);
        world.flows.expire(&mut world.conntrack, world.now);
    }

    /// Gives back what expired connections and set elements occupy: a few thousand of each at most, so that
    /// packets need not wait for a million. Nothing that is asked depends on it; call it when no packets come, at
    /// [`Engine::next_deadline`]. Tells whether that was all.
    pub fn collect(&mut self, now: Instant) -> bool {
        /// Connections, and elements of each set.
        const EXPIRED: usize = 4096;
        self.advance(now);
        let world = &mut self.world;
        let mut all = world.conntrack.expire_some(world.now, EXPIRED);
        world.defrag.expire(world.now);
        let tables: Vec<u32> = world.ruleset.table_slots().map(|(slot, _)| slot).collect();
        for table in tables {
            let Some(table) = world.ruleset.table_at_mut(table) else { continue };
            let due = |set: &&ironweir_ruleset::store::SetState| {
                set.next_deadline().is_some_and(|deadline| deadline <= world.now)
            };
            let sets: Vec<u32> = table.sets().filter(due).map(|set| set.id).collect();
            for set in sets {
                all &= table.expire_set(set, world.now, EXPIRED);
            }
        }
        all
    }

    /// When [`Engine::collect`] has something to do next.
    pub fn next_deadline(&self) -> Option<Instant> {
        let world = &self.world;
        let sets =
            world.ruleset.tables().flat_map(|table| table.sets()).filter_map(|set| set.next_deadline());
        sets.chain(world.flows.next_deadline()).chain(world.conntrack.next_deadline()).min()
    }

    /// One packet's whole way. It begins with its link header; `meta.iif` says where it came in. The packet is changed as
    /// it is on the way: translated, marked, its TTL decremented, its Ethernet addresses rewritten where the host knows
    /// the next hop's.
    pub fn process(
        &mut self,
        now: Instant,
        packet: &mut Packet<'_>,
        observer: &mut impl Observer,
    ) -> Disposition {
        self.advance(now);
        let disposition = path::process(&self.generation, &mut self.world, observer, packet);
        self.count(disposition);
        disposition
    }

    fn count(&mut self, disposition: Disposition) {
        if let Disposition::Dropped(reason) = disposition
            && let Some(drops) = self.drops.get_mut(reason.number())
        {
            *drops += 1;
        }
    }

    /// Makes a queue, as somebody listens to it from now on. False where there is one already.
    pub fn bind_queue(&mut self, number: u16) -> bool {
        self.world.queues.bind(number)
    }

    /// Ends a queue, and what waits there ([`Engine::resume`]). False where there is none.
    pub fn unbind_queue(&mut self, number: u16) -> bool {
        self.world.queues.unbind(number)
    }

    /// How a queue treats packets, to be changed.
    pub fn queue_settings(&mut self, number: u16) -> Option<&mut QueueSettings> {
        self.world.queues.settings(number)
    }

    /// How many packets a queue has, and lost.
    pub fn queue_counters(&self, number: u16) -> Option<QueueCounters> {
        self.world.queues.counters(number)
    }

    /// The queues that somebody listens to, by number.
    pub fn queues(&self) -> impl Iterator<Item = (u16, QueueCounters)> {
        self.world.queues.all()
    }

    /// Whether there are packets of which [`Engine::take_queued`] has not told.
    pub fn has_queued(&self) -> bool {
        self.world.queues.has_fresh()
    }

    /// The next packet that began to wait: queue, and number in it.
    pub fn take_queued(&mut self) -> Option<(u16, u32)> {
        self.world.queues.take_fresh()
    }

    /// A packet that waits.
    pub fn queued(&self, number: u16, id: u32) -> Option<Queued<'_>> {
        let parked = self.world.queues.get(number, id)?;
        let entry = |ct| self.world.conntrack.entry(ct);
        Some(Queued {
            family: parked.family,
            hook: parked.hook,
            since: parked.since,
            bytes: &parked.bytes,
            network: parked.network,
            link: parked.link,
            meta: parked.meta,
            connection: parked.flight.tracking.flow().and_then(|(ct, info)| Some((entry(ct)?, info))),
        })
    }

    /// The connection of a packet that waits, to be changed.
    pub fn queued_connection(&mut self, number: u16, id: u32) -> Option<CtRef> {
        self.world.queues.get(number, id)?.flight.tracking.flow().map(|(ct, _)| ct)
    }

    /// Says what becomes of a packet that waits, with other bytes from the network header on and another mark, if there are
    /// such. It goes on in [`Engine::resume`]. False where there is no such packet.
    pub fn judge(
        &mut self,
        (number, id): (u16, u32),
        verdict: QueueVerdict,
        mark: Option<u32>,
        payload: Option<&[u8]>,
    ) -> bool {
        self.world.queues.judge(number, id, verdict, |parked| {
            parked.meta.mark = mark.unwrap_or(parked.meta.mark);
            if let Some(payload) = payload {
                parked.bytes.truncate(parked.network);
                parked.bytes.extend_from_slice(payload);
            }
        })
    }

    /// [`Engine::judge`] of every packet of a queue up to one. False where there is none.
    pub fn judge_up_to(
        &mut self,
        (number, id): (u16, u32),
        verdict: QueueVerdict,
        mark: Option<u32>,
    ) -> bool {
        let ids = self.world.queues.up_to(number, id);
        ids.iter().for_each(|id| {
            self.judge((number, *id), verdict, mark, None);
        });
        !ids.is_empty()
    }

    /// Says that nobody could be told of a packet: it ends, or passes where its queue fails open.
    pub fn lose_queued(&mut self, number: u16, id: u32) {
        self.world.queues.lose(number, id);
    }

    /// Whether there are packets for [`Engine::resume`].
    pub fn has_judged(&self) -> bool {
        self.world.queues.has_judged()
    }

    /// Lets the next packet that was judged go the rest of its way, as [`Engine::process`] does.
    pub fn resume(&mut self, now: Instant, observer: &mut impl Observer) -> Option<Resumed> {
        let (parked, verdict) = self.world.queues.take_judged()?;
        self.advance(now);
        let resumed = path::resume(&self.generation, &mut self.world, observer, parked, verdict);
        self.count(resumed.disposition);
        Some(resumed)
    }

    /// Says that nobody has the next hop's address, for which this packet waited that [`Engine::process`] or
    /// [`Engine::poll_output`] gave: its sender is told (`arp_error_report`, `ndisc_error_report`).
    pub fn unreachable(&mut self, now: Instant, packet: &mut Packet<'_>) {
        self.advance(now);
        path::unreachable(&self.generation, &mut self.world, packet);
    }

    /// The next hop of the packet that [`Engine::process`] let go last, and whether its address on the link is written already.
    pub fn next_hop(&self) -> (Option<IpAddr>, bool) {
        (self.world.next_hop, self.world.addressed)
    }

    /// The next packet for the host itself that [`Engine::process`] did not leave in its buffer, from the network header on:
    /// put together of fragments, or made here. Live hosts alone have any.
    pub fn poll_local(&mut self) -> Option<Vec<u8>> {
        self.world.local.pop_front()
    }

    /// The next packet the engine made.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.world.output.pop_front()
    }
}
