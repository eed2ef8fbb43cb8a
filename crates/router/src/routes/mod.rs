//! Routes, routing rules, addresses, neighbours and links, followed live from the kernel.
//!
//! At the beginning, and whenever changes were lost, all there is is asked for, one kind after the other; changes that come
//! meanwhile wait. Then it counts at once, and from there on every change as it comes. A change of one route costs that route's
//! way down the table, not the table.

mod message;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use hashbrown::{HashMap, HashSet};
use ironweir_engine::route::{Route, Routes, Rule};
use ironweir_engine::{Engine, Interface, Neighbour};
use ironweir_io::{NetlinkError, RouteSocket};
use ironweir_netlink::{Flags, Messages, kind};
use ironweir_wire::{IfIndex, Instant};
use std::net::IpAddr;

use self::message::{DUMPS, Event, dump, read};
use crate::daemon::Attendant;
use crate::shared::Shared;

/// Changes that wait while all is asked for; when there are more, all is asked for again.
const MOST_WAITING: usize = 1 << 16;

/// Gives the engine, for as long as something is done with it.
type With<'a> = dyn FnMut(&mut dyn FnMut(&mut Engine)) + 'a;

/// What is followed, and how far it is known.
#[derive(Debug)]
pub struct Follower {
    socket: RouteSocket,
    /// The dump that is under way, by its place in [`DUMPS`].
    step: Option<usize>,
    seq: u32,
    /// What dumps have told so far.
    snapshot: Vec<Event>,
    /// Changes that came meanwhile.
    later: Vec<Event>,
    /// Something was missed: once this round is over there is another.
    missed: bool,
    state: State,
}

/// What the engine's host does not say itself.
#[derive(Debug, Default)]
struct State {
    up: HashMap<IfIndex, bool>,
    reverse_path: HashMap<IfIndex, u8>,
    reverse_path_all: u8,
    /// Neighbours that somebody has set.
    set: HashSet<(IfIndex, IpAddr)>,
    rules: [Vec<Rule>; 2],
}

impl Follower {
    /// Follows the kernel of this thread's network namespace.
    ///
    /// # Errors
    /// [`NetlinkError::Open`], [`NetlinkError::Join`], [`NetlinkError::Send`].
    pub fn open() -> Result<Follower, NetlinkError> {
        let socket = RouteSocket::open()?;
        let (snapshot, later) = (Vec::new(), Vec::new());
        let mut follower =
            Follower { socket, step: None, seq: 0, snapshot, later, missed: false, state: State::default() };
        follower.begin()?;
        Ok(follower)
    }

    /// Takes what there is until all is known: for the beginning, when no packets wait.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub fn settle(&mut self, engine: &mut Engine) -> io::Result<()> {
        while self.step.is_some() {
            let mut fds = [rustix::event::PollFd::new(&self.socket, rustix::event::PollFlags::IN)];
            rustix::event::poll(&mut fds, None)?;
            self.read(&mut |change| change(engine)).map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// Asks for all there is.
    fn begin(&mut self) -> Result<(), NetlinkError> {
        self.snapshot.clear();
        self.later.clear();
        self.missed = false;
        self.ask(0)
    }

    fn ask(&mut self, step: usize) -> Result<(), NetlinkError> {
        self.seq = self.seq.wrapping_add(1).max(1);
        self.step = Some(step);
        match DUMPS.get(step) {
            Some(&what) => self.socket.send(&dump(what, self.seq)),
            None => Ok(()),
        }
    }

    /// Reads what waits. `with` gives the engine to what is to be done with it.
    fn read(&mut self, with: &mut With<'_>) -> Result<(), NetlinkError> {
        loop {
            let datagram = match self.socket.receive() {
                Ok(Some(datagram)) => datagram,
                Ok(None) => return Ok(()),
                Err(NetlinkError::Lost | NetlinkError::TooLong(_)) => {
                    if self.step.is_none() {
                        self.begin()?;
                    } else {
                        self.missed = true;
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            let mut events = Vec::new();
            let mut done = false;
            // A message that makes no sense ends its datagram; what the kernel sends makes sense.
            for message in Messages::new(datagram).map_while(Result::ok) {
                let asked = self.step.is_some() && message.header.seq == self.seq;
                if asked && message.header.flags.contains(Flags::DUMP_INTR) {
                    self.missed = true;
                }
                match message.header.kind {
                    // A kernel without IPv6 has no answer to some.
                    kind::DONE | kind::ERROR if asked => done = true,
                    _ => match read(&message) {
                        Some(event) if asked => self.snapshot.push(event),
                        Some(event) => events.push(event),
                        None => {}
                    },
                }
            }
            if self.step.is_some() {
                self.later.append(&mut events);
                if self.later.len() > MOST_WAITING {
                    self.later.clear();
                    self.missed = true;
                }
            } else if !events.is_empty() {
                with(&mut |engine| {
                    for event in &events {
                        self.state.apply(engine, event);
                    }
                });
            }
            if done {
                self.next(with)?;
            }
        }
    }

    /// A dump is over.
    fn next(&mut self, with: &mut With<'_>) -> Result<(), NetlinkError> {
        let step = self.step.map_or(0, |step| step + 1);
        if step < DUMPS.len() {
            return self.ask(step);
        }
        if self.missed {
            return self.begin();
        }
        self.step = None;
        let snapshot = std::mem::take(&mut self.snapshot);
        let mut whole = Whole::of(snapshot);
        with(&mut |engine| self.state.replace(engine, &mut whole));
        // What was replaced is given back when no packet waits for it.
        drop(whole);
        let later = std::mem::take(&mut self.later);
        with(&mut |engine| {
            for event in &later {
                self.state.apply(engine, event);
            }
        });
        Ok(())
    }
}

impl Attendant for Follower {
    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.socket.as_fd()]
    }

    fn turn(&mut self, shared: &Shared, _: Instant) -> io::Result<()> {
        self.read(&mut |change| change(&mut shared.lock())).map_err(io::Error::other)
    }
}

/// All there is, by kinds.
#[derive(Debug, Default)]
struct Whole {
    links: Vec<(Interface, bool)>,
    addresses: Vec<(IfIndex, IpAddr, u8)>,
    routes: Routes,
    rules: [Vec<Rule>; 2],
    neighbours: Vec<Neighbour>,
    reverse_path: Vec<(Option<IfIndex>, u8)>,
}

impl Whole {
    fn of(snapshot: Vec<Event>) -> Whole {
        let mut whole = Whole::default();
        for event in snapshot {
            match event {
                Event::Link(interface, up) => whole.links.push((interface, up)),
                Event::Address(index, address, len) => whole.addresses.push((index, address, len)),
                Event::Route(entry, _) => {
                    // The kernel has no prefixes that are too long.
                    let _ = whole.routes.add(&entry, false);
                }
                Event::Rule(v6, rule) => whole.rules[usize::from(v6)].push(rule),
                Event::Neighbour(neighbour) => whole.neighbours.push(neighbour),
                Event::ReversePath(interface, value) => whole.reverse_path.push((interface, value)),
                _ => {}
            }
        }
        whole
    }
}

impl State {
    /// The host is from now on as the snapshot says; what has not changed has not changed.
    fn replace(&mut self, engine: &mut Engine, whole: &mut Whole) {
        self.reverse_path.clear();
        self.reverse_path_all = 0;
        for (interface, value) in &whole.reverse_path {
            match interface {
                Some(interface) => drop(self.reverse_path.insert(*interface, *value)),
                None => self.reverse_path_all = *value,
            }
        }
        let there: HashSet<IfIndex> = whole.links.iter().map(|(interface, _)| interface.index).collect();
        let known: Vec<IfIndex> = engine.host().interfaces().iter().map(|one| one.index).collect();
        for index in known.into_iter().filter(|index| !there.contains(index)) {
            self.apply(engine, &Event::LinkGone(index));
        }
        for (interface, up) in std::mem::take(&mut whole.links) {
            self.apply(engine, &Event::Link(interface, up));
        }
        let own: HashSet<(IfIndex, IpAddr)> =
            whole.addresses.iter().map(|(index, address, _)| (*index, *address)).collect();
        let before: Vec<(IfIndex, IpAddr)> = engine
            .host()
            .interfaces()
            .iter()
            .flat_map(|one| one.addresses.iter().map(|(address, _)| (one.index, *address)))
            .collect();
        for (index, address) in before.into_iter().filter(|one| !own.contains(one)) {
            engine.remove_address(index, address);
        }
        for (index, address, len) in &whole.addresses {
            engine.change_host(|host| drop(host.add_address(*index, *address, *len)));
        }
        for (v6, rules) in [false, true].into_iter().zip(&whole.rules) {
            whole.routes.set_rules(v6, rules.clone());
        }
        self.rules = whole.rules.clone();
        engine.change_host(|host| host.swap_routes(&mut whole.routes));
        for (interface, address) in std::mem::take(&mut self.set) {
            engine.change_host(|host| host.remove_neighbour(interface, address));
        }
        for neighbour in &whole.neighbours {
            self.apply(engine, &Event::Neighbour(*neighbour));
        }
    }

    /// One change.
    fn apply(&mut self, engine: &mut Engine, event: &Event) {
        match event {
            Event::Link(interface, up) => self.link(engine, interface, *up),
            Event::LinkGone(index) => {
                self.up.remove(index);
                self.reverse_path.remove(index);
                self.set.retain(|(interface, _)| interface != index);
                engine.interface_down(*index);
                engine.change_host(|host| {
                    host.remove_link(*index);
                    host.retain_routes(|entry| entry.route.interface != *index);
                });
            }
            Event::Address(index, address, len) => {
                engine.change_host(|host| drop(host.add_address(*index, *address, *len)));
            }
            Event::AddressGone(index, address) => {
                engine.remove_address(*index, *address);
                if address.is_ipv4() {
                    // Routes that packets took with this address go without a word (`fib_sync_down_addr`).
                    engine.change_host(|host| {
                        host.retain_routes(|entry| entry.route.source != Some(*address));
                    });
                }
            }
            Event::Route(entry, replace) => {
                engine.change_host(|host| drop(host.put_route(entry, *replace)));
            }
            Event::RouteGone(gone) => engine.change_host(|host| {
                let same = |route: &Route| {
                    (route.kind, route.interface, route.gateway)
                        == (gone.route.kind, gone.route.interface, gone.route.gateway)
                };
                host.take_route(gone.table, gone.prefix, gone.len, |metric, route| {
                    metric == gone.metric && same(route)
                });
            }),
            Event::Neighbour(neighbour) => {
                self.set.insert((neighbour.interface, neighbour.address));
                engine.change_host(|host| drop(host.add_neighbour(*neighbour)));
            }
            Event::NeighbourGone(interface, address) => {
                // Others were learned by the router itself.
                if self.set.remove(&(*interface, *address)) {
                    engine.change_host(|host| host.remove_neighbour(*interface, *address));
                }
            }
            Event::Rule(v6, rule) => {
                let rules = &mut self.rules[usize::from(*v6)];
                if !rules.contains(rule) {
                    let at = rules.partition_point(|other| other.priority <= rule.priority);
                    rules.insert(at, rule.clone());
                }
                engine.change_host(|host| host.set_rules(*v6, rules.clone()));
            }
            Event::RuleGone(v6, rule) => {
                let rules = &mut self.rules[usize::from(*v6)];
                if let Some(at) = rules.iter().position(|other| other == rule) {
                    rules.remove(at);
                }
                engine.change_host(|host| host.set_rules(*v6, rules.clone()));
            }
            Event::ReversePath(interface, value) => {
                match interface {
                    Some(interface) => drop(self.reverse_path.insert(*interface, *value)),
                    None => self.reverse_path_all = *value,
                }
                self.set_reverse_path(engine, *interface);
            }
        }
    }

    fn link(&mut self, engine: &mut Engine, interface: &Interface, up: bool) {
        let index = interface.index;
        let was_up = self.up.insert(index, up).unwrap_or(false);
        let interface = Interface { rp_filter: self.reverse_path_of(index), ..interface.clone() };
        let same = engine.host().interface(index).is_some_and(|old| {
            let addresses = old.addresses.clone();
            *old == Interface { addresses, ..interface.clone() }
        });
        if !same {
            engine.change_host(|host| {
                if !host.change_link(&interface) {
                    // A name or an index that is taken is about to be free: the kernel has each but once.
                    let _ = host.add_link(interface);
                }
            });
        }
        if was_up && !up {
            engine.interface_down(index);
            // Those of IPv4 go without a word (`fib_sync_down_dev`).
            engine.change_host(|host| {
                host.retain_routes(|entry| entry.route.interface != index || entry.prefix.is_ipv6());
            });
        }
    }

    fn reverse_path_of(&self, index: IfIndex) -> u8 {
        self.reverse_path.get(&index).copied().unwrap_or(0).max(self.reverse_path_all)
    }

    /// Tells the host of one interface's filter, or of all.
    fn set_reverse_path(&self, engine: &mut Engine, only: Option<IfIndex>) {
        let wanted: Vec<Interface> = engine
            .host()
            .interfaces()
            .iter()
            .filter(|one| only.is_none_or(|only| one.index == only))
            .filter(|one| one.rp_filter != self.reverse_path_of(one.index))
            .map(|one| Interface { rp_filter: self.reverse_path_of(one.index), ..one.clone() })
            .collect();
        for interface in wanted {
            engine.change_host(|host| {
                // It is there: its description is the host's own.
                let _ = host.change_link(&interface);
            });
        }
    }
}
