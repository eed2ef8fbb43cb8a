//! The flowtable in XDP: packets of connections that a flowtable has go from interface to interface in the kernel, in a
//! program at their driver. The engine sees none of them, but hears how many they were.
//!
//! ```text
//!   frame ─► program ─┬─ in the table: translated, counted, out by another interface
//!                     └─ not: the port, the engine ── takes it into a flowtable ──┐
//!                                                                                 │ Engine::take_flow_changes
//!   table ◄───────────────── XdpFlowtable::work ◄─────────────────────────────────┘
//!     counts ───────────────► Engine::count_carried: connection, flowtable, timeout
//! ```
//!
//! The engine's flowtable stays the master: what it ends is closed here at once, packets that the program does not carry it
//! carries itself. The program gives back whatever is not plain: fragments, options, the last hop, SYN, FIN and RST, what is
//! longer than the next link takes, whose next hop is not known or cannot be sent to in XDP, frames with VLAN tags, and packets whose checksum the sender left to its card.
//!
//! Which flowtables: those all of whose devices are ports here, and whose packets no chain would see before them at ingress
//! or behind them at egress, unless the flowtable has `flags offload`, which says that this does not matter.

mod entry;
mod grace;
mod hops;
mod program;
mod table;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ironweir_conntrack::{CtRef, Direction};
use ironweir_engine::{Carried, Engine, Flow, FlowChange, FlowId, Host};
use ironweir_io::bpf::assemble::AssembleError;
use ironweir_io::bpf::map::MMAPABLE;
use ironweir_io::bpf::{Link, LoadError, Map, MapKind, Mapped, Mode, Program};
use ironweir_io::xdp_features::XdpFeatures;
use ironweir_ruleset::{Family, Hook, Ruleset};
use ironweir_wire::{IfIndex, Instant, L3};

use crate::daemon::Attendant;
use crate::shared::Shared;
use entry::{Entry, HashKey, Layout};
use grace::Grace;
use hops::{HOPS, Hops, Target, Way};
use program::{Maps, Site};
use table::{Counts, Slot, Table};

/// How often the program's counts are looked at, at least.
const SCAN: Duration = Duration::from_secs(1);
/// How often at most: who asks again and again is told no more.
const SCAN_PAUSE: Duration = Duration::from_millis(5);
/// Connections that are looked at in one go, since packets wait for the engine meanwhile. It is less than a millisecond, and
/// the next go is so much later.
const SCAN_GO: usize = 4096;
const SCAN_NEXT: Duration = Duration::from_millis(1);
/// How soon it is looked whether the program sees closed entries no more.
const SOON: Duration = Duration::from_millis(20);
/// How often changed routes are looked at.
const ROUTES: Duration = Duration::from_millis(50);

/// Connections that find room unless the configuration says otherwise.
pub const DEFAULT_FLOWS: usize = 65_536;
/// Most connections that a configuration may ask room for: the kernel maps no more than 512 MiB at once.
pub const MAX_FLOWS: usize = 524_288;

/// Why there is no flowtable in XDP.
#[derive(Debug, thiserror::Error)]
pub enum XdpError {
    /// The kernel has no such maps, or no room for them.
    #[error("no BPF maps: {0}")]
    Maps(#[source] io::Error),
    /// The program is not written: a mistake of ours.
    #[error("the XDP program: {0}")]
    Assemble(#[from] AssembleError),
    /// The program is not taken.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// An interface does not take it.
    #[error("{name}: the XDP program is not taken: {error}")]
    Attach {
        /// Its name.
        name: String,
        /// `EBUSY`: it has another.
        error: io::Error,
    },
}

/// An interface whose packets the program has.
#[derive(Debug)]
pub struct XdpInterface {
    /// Its number in the engine.
    pub interface: IfIndex,
    /// Its number in this thread's network namespace.
    pub device: u32,
    /// Of a port through `AF_XDP`, the sockets by queue and what holds its own program, in whose place the flowtable's comes:
    /// what is not forwarded goes to the sockets. Without, the kernel's stack has it, and so packet sockets.
    pub port: Option<(Arc<Map>, Arc<Link>)>,
}

/// An interface with its program.
#[derive(Debug)]
struct Attached {
    interface: IfIndex,
    device: u32,
    /// Whether frames that are redirected there leave.
    transmits: bool,
    _link: Arc<Link>,
}

/// What it did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct XdpStatistics {
    /// Connections that are carried now, in one direction at least.
    pub flows: u64,
    /// Packets that were carried.
    pub packets: u64,
    /// Their bytes, from the network header on.
    pub bytes: u64,
    /// Connections that were given to flowtables and not carried, in both directions: not between ports, or no room.
    pub unplaced: u64,
    /// Connections that wait for room that is being made.
    pub waiting: u64,
}

/// The table, its programs and what is known of each connection in it. The programs are taken off when it is dropped, or this
/// process ends.
#[derive(Debug)]
pub struct XdpFlowtable {
    ports: Vec<Attached>,
    /// What tells whether interfaces transmit; without, they do.
    features: Option<XdpFeatures>,
    windows: Mapped,
    tables: [Table<Mapped>; 2],
    hops: Hops<Mapped>,
    grace: Grace,
    flows: Vec<Option<Offloaded>>,
    free: Vec<u32>,
    index: HashMap<FlowId, u32>,
    /// Those that there was no room for while the table was growing.
    waiting: VecDeque<FlowId>,
    closing: VecDeque<Closing>,
    growing: Option<Growing>,
    statistics: XdpStatistics,
    /// Whether a flowtable is carried, of those that were asked for.
    carried: HashMap<(u32, u32), bool>,
    /// As of when the ruleset and the routes were looked at.
    generation: u64,
    routes: u64,
    routes_at: Instant,
    /// They have changed again since then.
    routes_changed: bool,
    scanned: Instant,
    /// Where a look goes on, if it is not over.
    scanning: Option<usize>,
    asked: Instant,
    now: Instant,
}

/// A connection of the engine's flowtables.
#[derive(Debug)]
struct Offloaded {
    id: FlowId,
    connection: CtRef,
    flowtable: (u32, u32),
    sides: [Option<Place>; 2],
}

/// Where one direction is.
#[derive(Clone, Copy, Debug)]
struct Place {
    family: usize,
    slot: Slot,
    target: Target,
    /// What the engine has been told.
    told: Counts,
}

/// One direction that is over, until the program sees it no more.
#[derive(Debug)]
struct Closing {
    period: u64,
    id: FlowId,
    connection: CtRef,
    flowtable: (u32, u32),
    direction: Direction,
    place: Place,
}

/// A table that went over to its next window.
#[derive(Debug)]
struct Growing {
    period: u64,
    family: usize,
    moved: Vec<(Slot, Slot)>,
}

impl XdpFlowtable {
    /// Puts the program at interfaces of this thread's network namespace. `flows` connections find room; `seed` is a secret.
    ///
    /// # Errors
    /// [`XdpError`]; no interface has a program then.
    pub fn new(
        host: &Host,
        ports: Vec<XdpInterface>,
        flows: usize,
        seed: u64,
    ) -> Result<XdpFlowtable, XdpError> {
        // Two directions, half of the slots.
        let largest = (flows.clamp(1, MAX_FLOWS) * 4).next_power_of_two();
        // Of IPv6 half as many: they are twice as long.
        let largest = [largest, largest / 2];
        let slots = largest.map(table::slots);
        let array = |name: &str, words: usize| -> io::Result<Map> {
            Map::new(MapKind::Array, name, 4, (words * 8) as u32, 1, MMAPABLE)
        };
        let devices = || Map::new(MapKind::DevMap, "devices", 4, 4, ports.len().max(1) as u32, 0);
        let maps = || -> io::Result<Maps> {
            let [v4, v6] = slots;
            Ok(Maps {
                windows: array("windows", 2)?,
                tables: [array("flows4", v4 * Layout::V4.words)?, array("flows6", v6 * Layout::V6.words)?],
                slots,
                hops: array("hops", HOPS * 2)?,
                devices: [devices()?, devices()?],
            })
        };
        let maps = maps().map_err(XdpError::Maps)?;
        let hash = HashKey::new(seed);
        let [memory4, memory6] = [maps.tables[0].mapped(), maps.tables[1].mapped()];
        let memory4 = memory4.map_err(XdpError::Maps)?;
        let memory6 = memory6.map_err(XdpError::Maps)?;
        let tables = [
            Table::new(memory4, Layout::V4, hash, largest[0]),
            Table::new(memory6, Layout::V6, hash, largest[1]),
        ];
        let mut attached = Vec::new();
        let mut native = false;
        for (at, port) in ports.into_iter().enumerate() {
            let (key, value) = ((at as u32).to_ne_bytes(), port.device.to_ne_bytes());
            for devices in &maps.devices {
                devices.update(&key, &value).map_err(XdpError::Maps)?;
            }
            let interface = host.interface(port.interface);
            let mac = interface.map(|interface| interface.mac).unwrap_or_default();
            let sockets = port.port.as_ref().map(|(sockets, _)| &**sockets);
            let site = Site { interface: port.interface, mac, sockets };
            let whole = Program::load("flowtable", &program::program(&maps, hash, &site, false)?)?;
            let link = match port.port {
                Some((_, link)) => {
                    native = true;
                    link.update(&whole).map(|()| link)
                }
                None => {
                    let parts = program::program(&maps, hash, &site, true)?;
                    let parts = Program::load_for_parts("flowtable", &parts)?;
                    attach(&parts, &whole, port.device).map(|(link, mode)| {
                        native |= mode == Mode::Native;
                        Arc::new(link)
                    })
                }
            };
            let name = interface.map(|interface| interface.name.to_string()).unwrap_or_default();
            let link = link.map_err(|error| XdpError::Attach { name, error })?;
            let (interface, device) = (port.interface, port.device);
            attached.push(Attached { interface, device, transmits: true, _link: link });
        }
        // In the stack, any interface takes what is redirected to it.
        let features = if native { XdpFeatures::open().ok() } else { None };
        let mut flowtable = XdpFlowtable {
            ports: attached,
            features,
            windows: maps.windows.mapped().map_err(XdpError::Maps)?,
            hops: Hops::new(maps.hops.mapped().map_err(XdpError::Maps)?),
            tables,
            grace: Grace::default(),
            flows: Vec::new(),
            free: Vec::new(),
            index: HashMap::new(),
            waiting: VecDeque::new(),
            closing: VecDeque::new(),
            growing: None,
            statistics: XdpStatistics::default(),
            carried: HashMap::new(),
            generation: 0,
            routes: 0,
            routes_at: Instant::ZERO,
            routes_changed: false,
            scanned: Instant::ZERO,
            scanning: None,
            asked: Instant::ZERO,
            now: Instant::ZERO,
        };
        flowtable.tell_windows();
        flowtable.ask_who_transmits();
        Ok(flowtable)
    }

    /// What it did so far; counts are as of the last look.
    pub fn statistics(&self) -> XdpStatistics {
        XdpStatistics { waiting: self.waiting.len() as u64, ..self.statistics }
    }

    /// When there is something to do though nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        // Of connections is told whoever has asked once.
        if self.now == Instant::ZERO {
            return Some(Instant::ZERO);
        }
        if !self.closing.is_empty() || self.growing.is_some() {
            return Some(self.now + SOON);
        }
        if self.scanning.is_some() {
            return Some(self.now + SCAN_NEXT);
        }
        if self.routes_changed {
            return Some(self.routes_at + ROUTES);
        }
        (!self.index.is_empty()).then(|| self.scanned + SCAN)
    }

    /// Brings the table to what the engine has now, and the engine's counts to what the table has.
    pub fn work(&mut self, engine: &mut Engine, now: Instant) {
        self.now = now;
        self.look_at_routes(engine, now);
        let changes = engine.take_flow_changes();
        self.look_at_rules(engine);
        for change in changes {
            match change {
                FlowChange::Begun(id) => self.begin(engine, id),
                FlowChange::Ended(id) => self.end(engine, id),
            }
        }
        self.finish_closed(engine);
        if self.growing.is_none() {
            for id in std::mem::take(&mut self.waiting) {
                self.begin(engine, id);
            }
        }
        if self.scanning.is_none() && now.since(self.scanned) >= SCAN_PAUSE {
            self.scanned = now;
            self.scanning = Some(0);
        }
        self.scan(engine);
        if !self.index.is_empty() && now.since(self.asked) >= SCAN {
            self.asked = now;
            if self.ask_who_transmits() {
                self.refresh_hops(engine.host());
            }
        }
    }

    fn look_at_routes(&mut self, engine: &mut Engine, now: Instant) {
        let version = engine.host().routes_version();
        self.routes_changed = version != self.routes && now.since(self.routes_at) < ROUTES;
        if version == self.routes || self.routes_changed {
            return;
        }
        (self.routes, self.routes_at) = (version, now);
        engine.end_rerouted_flows();
        self.refresh_hops(engine.host());
    }

    fn refresh_hops(&self, host: &Host) {
        self.hops.refresh(|target| way(host, &self.ports, target));
    }

    /// Looks which interfaces redirected frames leave by; true if that has changed.
    fn ask_who_transmits(&mut self) -> bool {
        let Some(features) = &self.features else { return false };
        let mut changed = false;
        for port in &mut self.ports {
            // One that is gone transmits nothing.
            let transmits = features.transmits(port.device).unwrap_or(false);
            changed |= std::mem::replace(&mut port.transmits, transmits) != transmits;
        }
        changed
    }

    fn look_at_rules(&mut self, engine: &mut Engine) {
        let generation = engine.ruleset().generation();
        if generation == self.generation {
            return;
        }
        self.generation = generation;
        let before = std::mem::take(&mut self.carried);
        for (flowtable, carried) in before {
            let carries = self.is_carried(engine, flowtable);
            if carried && !carries {
                let flows = self.flows.iter().flatten().filter(|flow| flow.flowtable == flowtable);
                for id in flows.map(|flow| flow.id).collect::<Vec<_>>() {
                    self.end(engine, id);
                }
            }
            if carries && !carried {
                let flows = engine.flows().filter(|flow| (flow.table, flow.flowtable) == flowtable);
                for id in flows.map(|flow| flow.id).collect::<Vec<_>>() {
                    self.begin(engine, id);
                }
            }
        }
    }

    fn is_carried(&mut self, engine: &Engine, flowtable: (u32, u32)) -> bool {
        if let Some(carried) = self.carried.get(&flowtable) {
            return *carried;
        }
        let carried = self.carries(engine.host(), engine.ruleset(), flowtable);
        self.carried.insert(flowtable, carried);
        carried
    }

    /// Whether the program may carry what a flowtable has.
    fn carries(&self, host: &Host, ruleset: &Ruleset, (table, flowtable): (u32, u32)) -> bool {
        let Some(flowtable) = ruleset.table_at(table).and_then(|table| table.flowtable_at(flowtable)) else {
            return false;
        };
        let flowtable = &flowtable.flowtable;
        let is_port = |name: &str| {
            host.interface_by_name(name)
                .is_some_and(|interface| self.ports.iter().any(|port| port.interface == interface.index))
        };
        if !flowtable.devices.iter().all(|name| is_port(name)) {
            return false;
        }
        let bases = ruleset
            .tables()
            .filter(|table| matches!(table.table.id.family, Family::Netdev | Family::Inet))
            .flat_map(|table| table.chains())
            .filter_map(|chain| chain.chain.base.as_ref());
        let sees = |hook: Hook, priority: i32| match hook {
            Hook::Ingress => priority <= flowtable.priority.0,
            Hook::Egress => true,
            _ => false,
        };
        flowtable.hw_offload || !bases.into_iter().any(|base| sees(base.hook, base.priority.0))
    }

    /// A connection is in a flowtable.
    fn begin(&mut self, engine: &Engine, id: FlowId) {
        if self.index.contains_key(&id) {
            return;
        }
        let Some(flow) = engine.flow(id) else { return };
        let flowtable = (flow.table, flow.flowtable);
        if !self.is_carried(engine, flowtable) {
            return;
        }
        if self.tables.iter().any(Table::is_tight) {
            self.grow();
            // It grows already, and the larger window is as good as full.
            if self.tables.iter().any(Table::is_tight) {
                return self.waiting.push_back(id);
            }
        }
        let sides = [Direction::Original, Direction::Reply].map(|way| self.place(engine, flow, way));
        if sides.iter().all(Option::is_none) {
            self.statistics.unplaced += 1;
            return;
        }
        let flow = Offloaded { id, connection: flow.connection, flowtable, sides };
        self.statistics.flows += 1;
        let at = match self.free.pop() {
            Some(at) => at,
            None => {
                self.flows.push(None);
                (self.flows.len() - 1) as u32
            }
        };
        self.index.insert(id, at);
        if let Some(place) = self.flows.get_mut(at as usize) {
            *place = Some(flow);
        }
    }

    /// Puts one direction into the table.
    fn place(&mut self, engine: &Engine, flow: &Flow, direction: Direction) -> Option<Place> {
        let host = engine.host();
        let side = flow.sides.get(direction as usize)?;
        let state = engine.ruleset().table_at(flow.table)?.flowtable_at(flow.flowtable)?;
        let iif = host.interface(side.iif)?;
        let oif = host.interface(side.oif)?;
        let ports = &self.ports;
        let is_port = |interface: IfIndex| ports.iter().any(|port| port.interface == interface);
        if !state.flowtable.devices.contains(&iif.name)
            || !is_port(side.iif)
            || !is_port(side.oif)
            || side.mtu < oif.mtu as usize
        {
            return None;
        }
        let connection = engine.conntrack().entry(flow.connection)?;
        let from = connection.tuple(direction);
        let to = connection.tuple(direction.opposite()).inverted()?;
        let family = usize::from(from.l3 == L3::V6);
        let target = (side.oif, side.nexthop);
        let hop = self.hops.take(target, way(host, ports, target))?;
        let slot = Entry::new(side.iif, &from, &to, hop)
            .and_then(|entry| self.tables.get_mut(family)?.insert(&entry));
        let Some(slot) = slot else {
            self.hops.give_back(target);
            return None;
        };
        Some(Place { family, slot, target, told: (0, 0) })
    }

    /// A connection is in no flowtable any more, or in one that is not carried: its packets go the slow way from here on.
    fn end(&mut self, engine: &mut Engine, id: FlowId) {
        let Some(at) = self.index.remove(&id) else { return };
        let Some(mut flow) = self.flows.get_mut(at as usize).and_then(Option::take) else { return };
        self.free.push(at);
        self.statistics.flows = self.statistics.flows.saturating_sub(1);
        let period = self.grace.begin();
        for direction in [Direction::Original, Direction::Reply] {
            let Some(place) = &mut flow.sides[direction as usize] else { continue };
            let Some(table) = self.tables.get_mut(place.family) else { continue };
            table.close(place.slot);
            let (connection, flowtable) = (flow.connection, flow.flowtable);
            let mut closing = Closing { period, id, connection, flowtable, direction, place: *place };
            if self.growing.is_none() {
                closing.tell(engine, table, &mut self.statistics);
            }
            self.closing.push_back(closing);
        }
    }

    /// Finishes what the program sees no more.
    fn finish_closed(&mut self, engine: &mut Engine) {
        let over = self.grace.over();
        if let Some(growing) = self.growing.take_if(|growing| growing.period <= over) {
            self.reclaim(engine, growing.period);
            if let Some(table) = self.tables.get_mut(growing.family) {
                for (from, to) in growing.moved {
                    table.add(to, table.counts(from));
                }
                table.clear();
            }
        }
        if self.growing.is_none() {
            self.reclaim(engine, over);
        }
    }

    /// Reclaims what was closed before a period that is over.
    fn reclaim(&mut self, engine: &mut Engine, period: u64) {
        while let Some(mut closing) = self.closing.pop_front_if(|closing| closing.period <= period) {
            let Some(table) = self.tables.get_mut(closing.place.family) else { continue };
            closing.tell(engine, table, &mut self.statistics);
            table.reclaim(closing.place.slot);
            self.hops.give_back(closing.place.target);
        }
    }

    /// Tells the engine what was carried since it was last told, of some connections.
    fn scan(&mut self, engine: &mut Engine) {
        // Half of a connection's counts may be in the old window.
        let Some(begin) = self.scanning.filter(|_| self.growing.is_none()) else { return };
        let end = (begin + SCAN_GO).min(self.flows.len());
        for flow in self.flows.get_mut(begin..end).into_iter().flatten().flatten() {
            for direction in [Direction::Original, Direction::Reply] {
                let Some(place) = &mut flow.sides[direction as usize] else { continue };
                let Some(table) = self.tables.get(place.family) else { continue };
                let ids = (flow.id, flow.connection, flow.flowtable);
                place.tell(engine, table, &mut self.statistics, ids, direction);
            }
        }
        self.scanning = (end < self.flows.len()).then_some(end);
    }

    /// Goes over to a larger window where there is little room.
    fn grow(&mut self) {
        for family in 0..self.tables.len() {
            let Some(table) = self.tables.get_mut(family).filter(|table| table.is_tight()) else { continue };
            if self.growing.is_some() {
                return;
            }
            let moved = table.grow();
            self.tell_windows();
            let places: HashMap<Slot, Slot> = moved.iter().copied().collect();
            let period = self.grace.begin();
            for flow in self.flows.iter_mut().flatten() {
                let (id, connection, flowtable) = (flow.id, flow.connection, flow.flowtable);
                for direction in [Direction::Original, Direction::Reply] {
                    let side = &mut flow.sides[direction as usize];
                    let Some(place) = side.filter(|place| place.family == family) else { continue };
                    *side = places.get(&place.slot).map(|slot| Place { slot: *slot, ..place });
                    if side.is_none() {
                        // No room any more, as may happen to one in a million: its packets go the slow way.
                        let closing = Closing { period, id, connection, flowtable, direction, place };
                        self.closing.push_back(closing);
                    }
                }
            }
            self.growing = Some(Growing { period, family, moved });
        }
    }

    fn tell_windows(&mut self) {
        for (word, table) in self.windows.words().iter().zip(&self.tables) {
            word.store(table.window(), Ordering::Release);
        }
    }
}

impl Place {
    fn tell(
        &mut self,
        engine: &mut Engine,
        table: &Table<Mapped>,
        statistics: &mut XdpStatistics,
        (id, connection, flowtable): (FlowId, CtRef, (u32, u32)),
        direction: Direction,
    ) {
        let counts = table.counts(self.slot);
        if counts.0 == self.told.0 {
            return;
        }
        let packets = counts.0.wrapping_sub(self.told.0);
        let bytes = counts.1.wrapping_sub(self.told.1);
        self.told = counts;
        statistics.packets += packets;
        statistics.bytes += bytes;
        engine.count_carried(&Carried { id, connection, flowtable, direction, packets, bytes });
    }
}

impl Closing {
    fn tell(&mut self, engine: &mut Engine, table: &Table<Mapped>, statistics: &mut XdpStatistics) {
        let ids = (self.id, self.connection, self.flowtable);
        self.place.tell(engine, table, statistics, ids, self.direction);
    }
}

/// How packets leave towards a next hop; `None` as long as that is not known.
fn way(host: &Host, ports: &[Attached], (oif, nexthop): Target) -> Option<Way> {
    let device = ports.iter().position(|port| port.interface == oif && port.transmits)?;
    let interface = host.interface(oif)?;
    Some(Way {
        destination: host.neighbour(oif, nexthop)?,
        source: interface.mac,
        mtu: u16::try_from(interface.mtu).unwrap_or(u16::MAX),
        device: device as u16,
    })
}

/// Puts the program where the driver runs it, or else the stack.
fn attach(parts: &Program, whole: &Program, device: u32) -> io::Result<(Link, Mode)> {
    let tries = [(parts, Mode::Native), (whole, Mode::Native), (parts, Mode::Generic)];
    let mut result = Err(io::ErrorKind::Unsupported.into());
    for (program, mode) in tries {
        result = Link::attach(program, device, mode).map(|link| (link, mode));
        // Another program is there: it is not ours to push aside.
        if !matches!(&result, Err(error) if error.kind() != io::ErrorKind::ResourceBusy) {
            break;
        }
    }
    result
}

impl Attendant for XdpFlowtable {
    fn deadline(&self) -> Option<Instant> {
        XdpFlowtable::deadline(self)
    }

    fn turn(&mut self, shared: &Shared, now: Instant) -> io::Result<()> {
        self.work(&mut shared.lock(), now);
        Ok(())
    }

    fn served(&mut self, shared: &Shared, now: Instant) -> io::Result<()> {
        self.work(&mut shared.lock(), now);
        Ok(())
    }
}
