//! Flowtables: connections whose packets take a short way from ingress to egress (`nf_flow_table_core.c`,
//! `nf_flow_table_ip.c`, `nft_flow_offload.c`).
//!
//! A rule in forward gives a connection to a flowtable. From then on packets of both directions that come in by one of
//! the flowtable's devices are found at ingress, translated, counted and sent on, past all other hooks. Packets that the
//! short way cannot serve (fragments, options, expiring TTL, too large, FIN and RST) take the classic way; the last two end
//! the entry.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;
use std::time::Duration;

use hashbrown::HashMap;
use ironweir_conntrack::{Conntrack, CtInfo, CtRef, Direction, Manip, NatVerdict, Status, TcpStatus};
use ironweir_expr::Outcome;
use ironweir_ruleset::{Handle, Ruleset};
use ironweir_wire::chunks::Chunks;
use ironweir_wire::protocol::ipproto;
use ironweir_wire::{IfIndex, Instant, L3, Packet, PacketInfo, ipv4, ipv6, tcp};

use crate::context::Context;
use crate::flight::{Flight, World};
use crate::flow_index::{FlowIndex, Key};
use crate::route::Lookup;
use crate::seeded::Seeded;
use crate::{Host, Observer, transmit};

/// How long an entry lives without packets (`NF_FLOW_TIMEOUT`, `nf_flowtable_tcp_timeout`, `nf_flowtable_udp_timeout`).
const TIMEOUT: Duration = Duration::from_secs(30);

/// Names an entry: its place, and which of all that were ever there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FlowId {
    slot: u32,
    serial: u64,
}

/// What became of an entry, for one who carries its packets past the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowChange {
    /// It is there.
    Begun(FlowId),
    /// It is gone.
    Ended(FlowId),
}

/// Packets that were carried past the engine.
#[derive(Clone, Copy, Debug)]
pub struct Carried {
    /// The entry; it may be gone.
    pub id: FlowId,
    /// Its connection, likewise.
    pub connection: CtRef,
    /// Slots of table and flowtable.
    pub flowtable: (u32, u32),
    /// Which way they went.
    pub direction: Direction,
    /// How many.
    pub packets: u64,
    /// Their bytes, from the network header on.
    pub bytes: u64,
}

/// One direction of an entry.
#[derive(Clone, Copy, Debug)]
pub struct Side {
    /// By which interface its packets come in.
    pub iif: IfIndex,
    /// By which they leave.
    pub oif: IfIndex,
    /// Packets carried.
    pub packets: u64,
    /// Their bytes, from the network header on.
    pub bytes: u64,
    /// Whom its packets are sent to on that link.
    pub nexthop: IpAddr,
    /// The longest of its packets that may leave there, in bytes from the network header on.
    pub mtu: usize,
    key: Key,
    lookup: Lookup,
    mac: Option<[u8; 6]>,
}

/// A connection that a flowtable carries.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Its name.
    pub id: FlowId,
    /// Slot of the table.
    pub table: u32,
    /// Slot of the flowtable in its table.
    pub flowtable: u32,
    /// The connection; its addresses and status are in connection tracking.
    pub connection: CtRef,
    /// Original and reply direction.
    pub sides: [Side; 2],
    /// When it ends if no packet comes.
    pub deadline: Instant,
    handles: (Handle, Handle),
    routes: u64,
    /// Where its flowtable's counters are.
    stats: usize,
}

impl Flow {
    /// Its routes are still what they were: they are not looked at before the next change. Neighbours may have become known.
    fn routed(&mut self, host: &Host) {
        self.routes = host.routes_version();
        for side in self.sides.iter_mut().filter(|side| side.mac.is_none()) {
            side.mac = host.neighbour(side.oif, side.nexthop);
        }
    }
}

/// What a flowtable did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowtableStats {
    /// Connections it has now.
    pub entries: u64,
    /// Connections it was given.
    pub offloaded: u64,
    /// Packets it carried.
    pub packets: u64,
    /// Their bytes, from the network header on.
    pub bytes: u64,
    /// Entries ended by FIN, RST, a changed route or a connection that went away.
    pub torn_down: u64,
    /// Entries ended by timeout.
    pub expired: u64,
}

/// The entries of all flowtables.
pub(crate) struct Flows {
    slots: Chunks<Option<Flow>>,
    free: Vec<u32>,
    index: FlowIndex,
    by_connection: HashMap<CtRef, u32, Seeded>,
    /// How many there ever were.
    serial: u64,
    /// What happened since that was last asked for, if it ever was.
    changes: Option<Vec<FlowChange>>,
    deadlines: BinaryHeap<Reverse<(Instant, u32)>>,
    /// By slots of table and flowtable: few.
    stats: Vec<((u32, u32), FlowtableStats)>,
}

impl Flows {
    pub(crate) fn new(seed: u64) -> Flows {
        Flows {
            slots: Chunks::default(),
            free: Vec::new(),
            index: FlowIndex::new(seed),
            by_connection: HashMap::with_hasher(Seeded(seed)),
            serial: 0,
            changes: None,
            deadlines: BinaryHeap::new(),
            stats: Vec::new(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Flow> {
        self.slots.iter().filter_map(Option::as_ref)
    }

    pub(crate) fn stats(&self, table: u32, flowtable: u32) -> FlowtableStats {
        let its = self.stats.iter().find(|(place, _)| *place == (table, flowtable));
        its.map_or(FlowtableStats::default(), |(_, stats)| *stats)
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.peek().map(|Reverse((at, _))| *at)
    }

    pub(crate) fn get(&self, id: FlowId) -> Option<&Flow> {
        self.at(id.slot).filter(|flow| flow.id == id)
    }

    #[inline]
    fn at(&self, slot: u32) -> Option<&Flow> {
        self.slots.get(slot)?.as_ref()
    }

    /// From the first call on, what happened since the last.
    pub(crate) fn take_changes(&mut self) -> Vec<FlowChange> {
        match &mut self.changes {
            Some(changes) => std::mem::take(changes),
            None => {
                self.changes = Some(Vec::new());
                self.iter().map(|flow| FlowChange::Begun(flow.id)).collect()
            }
        }
    }

    pub(crate) fn has_changes(&self) -> bool {
        self.changes.as_ref().is_some_and(|changes| !changes.is_empty())
    }

    /// Counts packets that were carried past the engine, and moves the end of their entry on.
    pub(crate) fn count(
        &mut self,
        ruleset: &Ruleset,
        conntrack: &mut Conntrack,
        now: Instant,
        carried: &Carried,
    ) {
        let (packets, bytes) = (carried.packets, carried.bytes);
        let (table, flowtable) = carried.flowtable;
        let counted = ruleset
            .table_at(table)
            .and_then(|table| table.flowtable_at(flowtable))
            .is_some_and(|flowtable| flowtable.flowtable.counter);
        if counted {
            conntrack.account(carried.connection, carried.direction, packets, bytes);
        }
        let id = carried.id;
        if let Some(Some(flow)) = self.slots.get_mut(id.slot)
            && flow.id == id
        {
            flow.deadline = now + TIMEOUT;
            let side = &mut flow.sides[carried.direction as usize];
            side.packets = side.packets.saturating_add(packets);
            side.bytes = side.bytes.saturating_add(bytes);
        }
        if let Some((_, stats)) = self.stats.iter_mut().find(|(place, _)| *place == carried.flowtable) {
            stats.packets = stats.packets.saturating_add(packets);
            stats.bytes = stats.bytes.saturating_add(bytes);
        }
    }

    fn insert(&mut self, mut flow: Flow) {
        let (keys, deadline) = (flow.sides.map(|side| side.key), flow.deadline);
        let place = (flow.table, flow.flowtable);
        flow.stats = self.stats.iter().position(|(its, _)| *its == place).unwrap_or_else(|| {
            self.stats.push((place, FlowtableStats::default()));
            self.stats.len() - 1
        });
        if let Some((_, stats)) = self.stats.get_mut(flow.stats) {
            stats.entries += 1;
            stats.offloaded += 1;
        }
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => self.slots.push(None),
        };
        self.deadlines.push(Reverse((deadline, slot)));
        self.serial += 1;
        flow.id = FlowId { slot, serial: self.serial };
        self.by_connection.insert(flow.connection, slot);
        if let Some(changes) = &mut self.changes {
            changes.push(FlowChange::Begun(flow.id));
        }
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some(flow);
        }
        let slots = &self.slots;
        for (key, direction) in keys.iter().zip([Direction::Original, Direction::Reply]) {
            self.index.insert(key, slot, direction, |slot, direction| key_at(slots, slot, direction));
        }
    }

    /// Ends an entry and gives its connection back to connection tracking (`flow_offload_teardown`).
    fn remove(&mut self, slot: u32, conntrack: &mut Conntrack, now: Instant, expired: bool) {
        let Some(flow) = self.slots.get_mut(slot).and_then(Option::take) else { return };
        for (side, direction) in flow.sides.iter().zip([Direction::Original, Direction::Reply]) {
            self.index.remove(&side.key, slot, direction);
        }
        self.free.push(slot);
        if self.by_connection.get(&flow.connection) == Some(&slot) {
            self.by_connection.remove(&flow.connection);
        }
        if let Some(changes) = &mut self.changes {
            changes.push(FlowChange::Ended(flow.id));
        }
        if let Some((_, stats)) = self.stats.get_mut(flow.stats) {
            stats.entries = stats.entries.saturating_sub(1);
            *(if expired { &mut stats.expired } else { &mut stats.torn_down }) += 1;
        }
        if conntrack.entry(flow.connection).is_some_and(|entry| !entry.status().contains(Status::DYING)) {
            conntrack.offload_end(now, flow.connection, TIMEOUT);
        }
    }

    /// Ends entries without packets, and those whose connection went away. Each ends when its time was over, however
    /// much later that is noticed: from then on its connection ages.
    pub(crate) fn expire(&mut self, conntrack: &mut Conntrack, now: Instant) {
        while let Some(ct) = conntrack.take_offload_ended() {
            if let Some(&slot) = self.by_connection.get(&ct) {
                self.remove(slot, conntrack, now, false);
            }
        }
        while let Some(&Reverse((at, slot))) = self.deadlines.peek() {
            if at > now {
                break;
            }
            self.deadlines.pop();
            match self.at(slot).map(|flow| flow.deadline) {
                Some(later) if later > now => self.deadlines.push(Reverse((later, slot))),
                Some(over) => self.remove(slot, conntrack, over, true),
                None => {}
            }
        }
    }

    /// Ends entries whose packets would be sent another way now.
    pub(crate) fn keep_routed(&mut self, host: &Host, conntrack: &mut Conntrack, now: Instant) {
        let version = host.routes_version();
        for slot in 0..self.slots.len() {
            let flow = self.slots.get_mut(slot).and_then(Option::as_mut);
            let Some(flow) = flow.filter(|flow| flow.routes != version) else { continue };
            if flow.sides.iter().all(|side| route_holds(host, side)) {
                flow.routed(host);
            } else {
                self.remove(slot, conntrack, now, false);
            }
        }
    }

    /// Ends entries whose flowtable is gone.
    pub(crate) fn keep_existing(&mut self, ruleset: &Ruleset, conntrack: &mut Conntrack, now: Instant) {
        let exists = |flow: &Flow| {
            ruleset.table_at(flow.table).filter(|table| table.handle == flow.handles.0).is_some_and(|table| {
                table.flowtable_at(flow.flowtable).is_some_and(|flowtable| flowtable.handle == flow.handles.1)
            })
        };
        for slot in 0..self.slots.len() {
            if self.at(slot).is_some_and(|flow| !exists(flow)) {
                self.remove(slot, conntrack, now, false);
            }
        }
    }
}

/// The key of an entry's direction.
#[inline]
fn key_at(slots: &Chunks<Option<Flow>>, slot: u32, direction: Direction) -> Option<&Key> {
    Some(&slots.get(slot)?.as_ref()?.sides[direction as usize].key)
}

/// Whether the packet has neither IPv4 options nor IPv6 extension headers and is no fragment.
fn is_plain(info: &PacketInfo) -> bool {
    let header = match info.l3 {
        L3::V4 => 20,
        L3::V6 => 40,
        _ => return false,
    };
    !info.is_fragment() && info.transport == info.network + header
}

/// Gives the packet's connection to a flowtable (`nft_flow_offload_eval`).
pub(crate) fn offload<O: Observer>(context: &mut Context<'_, O>, name: &str, packet: &Packet<'_>) -> Outcome {
    let world = &mut *context.world;
    let Some((ct, ctinfo)) = context.flight.tracking.flow() else { return Outcome::Break };
    let info = &context.flight.info;
    let Some(flow) = flow_of(world, context.base.table, name, ct, ctinfo, info, packet) else {
        return Outcome::Break;
    };
    let flowtable = flow.flowtable;
    world.flows.insert(flow);
    world.conntrack.offload_begin(world.now, ct);
    context.observer.flow_offloaded(context.base.table, flowtable);
    Outcome::Next
}

fn flow_of(
    world: &World,
    table: u32,
    name: &str,
    ct: CtRef,
    ctinfo: CtInfo,
    info: &PacketInfo,
    packet: &Packet<'_>,
) -> Option<Flow> {
    if !is_plain(info) {
        return None;
    }
    let entry = world.conntrack.entry(ct)?;
    let status = entry.status();
    match info.transport_header()? {
        (ipproto::TCP, at) => {
            let header = tcp::Header::read(packet, at)?;
            let closing = header.has(tcp::flag::FIN) || header.has(tcp::flag::RST);
            // nf_conntrack_tcp_established: one that was picked up midway must be answered and go on.
            let established = entry.tcp_status() == Some(TcpStatus::Established);
            if closing || !established || !status.contains(Status::ASSURED) {
                return None;
            }
        }
        (ipproto::UDP, _) => {}
        _ => return None,
    }
    let unfit = Status::SEQ_ADJUST | Status::NAT_CLASH | Status::DYING | Status::OFFLOAD;
    if entry.helper().is_some() || status.intersects(unfit) || !status.contains(Status::CONFIRMED) {
        return None;
    }
    let state = world.ruleset.table_at(table)?;
    let flowtable = state.flowtable(name)?;
    let direction = ctinfo.direction();
    let side = |its: Direction| {
        let (iif, oif) = if its == direction {
            (packet.meta.iif, packet.meta.oif)
        } else {
            (packet.meta.oif, packet.meta.iif)
        };
        let tuple = entry.tuple(its);
        // What leaves in this direction is for whom the other direction comes from.
        let away = entry.tuple(its.opposite());
        let destination = away.src.to_ip(away.l3)?;
        let from = away.dst.to_ip(away.l3)?;
        let lookup = Lookup { from: Some(from), iif, mark: packet.meta.mark, ..Lookup::to(destination) };
        let route = world.host.find_route(&lookup).route();
        let nexthop = route.and_then(|route| route.gateway).unwrap_or(destination);
        Some(Side {
            iif,
            oif,
            packets: 0,
            bytes: 0,
            key: Key::new((table, flowtable.id), iif, &tuple),
            lookup,
            nexthop,
            mac: world.host.neighbour(oif, nexthop),
            mtu: world.host.interface(oif).map_or(usize::MAX, |interface| interface.mtu as usize),
        })
    };
    Some(Flow {
        id: FlowId::default(),
        table,
        flowtable: flowtable.id,
        connection: ct,
        sides: [side(Direction::Original)?, side(Direction::Reply)?],
        deadline: world.now + TIMEOUT,
        handles: (state.handle, flowtable.handle),
        routes: world.host.routes_version(),
        stats: 0,
    })
}

/// Whether the route of one direction is still what it was.
fn route_holds(host: &Host, side: &Side) -> bool {
    // One who has become known only now is where it was.
    if side.mac.is_some() && host.neighbour(side.oif, side.nexthop) != side.mac {
        return false;
    }
    match host.find_route(&side.lookup).route() {
        Some(route) => route.interface == side.oif && route.gateway.unwrap_or(side.lookup.to) == side.nexthop,
        None => host.forward_to.is_some(),
    }
}

/// Sends a packet the short way (`nf_flow_offload_ip_hook`). Tells the interface it leaves by, or `None` for the
/// classic way, the packet being unchanged then.
pub(crate) fn carry(
    world: &mut World,
    flight: &mut Flight,
    (table, flowtable): (u32, u32),
    packet: &mut Packet<'_>,
) -> Option<IfIndex> {
    if world.flows.index.is_empty() || !is_plain(&flight.info) {
        return None;
    }
    let place = (table, flowtable);
    let key = Key::of(place, packet, &flight.info)?;
    let slots = &world.flows.slots;
    let (slot, direction) = world.flows.index.find(&key, |slot, direction| key_at(slots, slot, direction))?;
    let flow = world.flows.at(slot)?;
    let side = &flow.sides[direction as usize];
    let ct = flow.connection;
    let v4 = flight.info.l3 == L3::V4;
    if packet.byte(packet.network() + if v4 { ipv4::TTL_AT } else { ipv6::HOP_LIMIT_AT })? <= 1 {
        return None;
    }
    let len = packet.network_len();
    if len > side.mtu {
        return None;
    }
    let closing = match flight.info.transport_header() {
        Some((ipproto::TCP, at)) => tcp::Header::read(packet, at)
            .is_none_or(|header| header.has(tcp::flag::FIN) || header.has(tcp::flag::RST)),
        _ => false,
    };
    // Of a connection that is gone nothing is known.
    let status = world.conntrack.entry(ct).map_or(Status::DYING, |entry| entry.status());
    let rerouted = flow.routes != world.host.routes_version()
        && !flow.sides.iter().all(|side| route_holds(&world.host, side));
    if closing || status.contains(Status::DYING) || rerouted {
        world.flows.remove(slot, &mut world.conntrack, world.now, false);
        return None;
    }
    if status.intersects(Status::NAT) {
        let ctinfo =
            if direction == Direction::Original { CtInfo::Established } else { CtInfo::EstablishedReply };
        for manip in [Manip::Destination, Manip::Source] {
            if world.conntrack.nat_packet(packet, &flight.info, ct, ctinfo, manip) == NatVerdict::Drop {
                return None;
            }
        }
    }
    let _ = ironweir_wire::rewrite::decrement_ttl(packet, flight.info.l3);
    let counted = world
        .ruleset
        .table_at(table)
        .and_then(|table| table.flowtable_at(flowtable))
        .is_some_and(|flowtable| flowtable.flowtable.counter);
    if counted {
        world.conntrack.account(ct, direction, 1, len as u64);
    }
    let flow = world.flows.slots.get_mut(slot)?.as_mut()?;
    flow.deadline = world.now + TIMEOUT;
    if flow.routes != world.host.routes_version() {
        flow.routed(&world.host);
    }
    let side = &mut flow.sides[direction as usize];
    side.packets += 1;
    side.bytes = side.bytes.saturating_add(len as u64);
    if let Some((_, stats)) = world.flows.stats.get_mut(flow.stats) {
        stats.packets += 1;
        stats.bytes = stats.bytes.saturating_add(len as u64);
    }
    packet.meta.oif = side.oif;
    flight.nexthop = Some(side.nexthop);
    flight.addressed = transmit::write_addresses(&world.host, packet, side.oif, side.mac);
    Some(side.oif)
}
