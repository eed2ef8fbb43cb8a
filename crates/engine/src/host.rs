//! The host a ruleset runs on: what a ruleset cannot say. Interfaces, addresses, routes, neighbours, forwarding.
//!
//! Plain data and look-ups; reading it from a file is the program's work.

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use ironweir_conntrack::defrag::Limits;
use ironweir_wire::IfIndex;

use crate::fingerprint::Fingerprints;
use crate::icmp_limit::IcmpSettings;
use crate::route::{Entry, Found, Lookup, MAIN_TABLE, Route, Routes, Rule};

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its index, unique and not 0.
    pub index: IfIndex,
    /// Its name, at most 15 bytes.
    pub name: Box<str>,
    /// Its Ethernet address.
    pub mac: [u8; 6],
    /// Its addresses with the length of their prefix.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Largest packet in bytes, from the network header on.
    pub mtu: u32,
    /// `ARPHRD_*` of `linux/if_arp.h`: 1 Ethernet, 772 loopback, 65534 none.
    pub kind: u16,
    /// `ip link set group`.
    pub group: u32,
    /// The bridge it is a port of.
    pub bridge: Option<IfIndex>,
    /// The kind of virtual link (`rtnl_link_ops.kind`: `vlan`, `bridge`, `veth` ...); empty for a physical one.
    pub link_kind: Box<str>,
    /// Reverse-path filter of IPv4 (`rp_filter`, the higher of `all` and the interface's own): 1 drops what did not come in
    /// where the way back leads, 2 what no way back leads to.
    pub rp_filter: u8,
}

impl Interface {
    /// An Ethernet interface without addresses.
    pub fn new(index: IfIndex, name: impl Into<Box<str>>) -> Interface {
        Interface {
            index,
            name: name.into(),
            mac: [0; 6],
            addresses: Vec::new(),
            mtu: 1500,
            kind: 1,
            group: 0,
            bridge: None,
            link_kind: "".into(),
            rp_filter: 0,
        }
    }
}

/// A neighbour whose Ethernet address is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its address.
    pub address: IpAddr,
    /// Its Ethernet address.
    pub mac: [u8; 6],
    /// Through which interface it is reached.
    pub interface: IfIndex,
}

/// Limits and switches of connection tracking (`net.netfilter.nf_conntrack_*`).
///
/// Accounting is on and checksums are not checked unless asked for: see [`ironweir_conntrack::Config`] for why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConntrackSettings {
    /// Most connections at once (`nf_conntrack_max`).
    pub max: usize,
    /// Picks up TCP connections in the middle (`nf_conntrack_tcp_loose`).
    pub tcp_loose: bool,
    /// Only RSTs outside the window are invalid (`nf_conntrack_tcp_be_liberal`).
    pub tcp_be_liberal: bool,
    /// Counts packets and bytes of each connection (`nf_conntrack_acct`).
    pub accounting: bool,
    /// Notes when connections begin and end (`nf_conntrack_timestamp`).
    pub timestamp: bool,
    /// Checks transport checksums (`nf_conntrack_checksum`).
    pub checksum: bool,
    /// Full-cone NAT for UDP: see [`ironweir_conntrack::Config::full_cone`].
    pub full_cone: bool,
    /// SIP: calls from the registrar alone (`sip_direct_signalling`).
    pub sip_direct_signalling: bool,
    /// SIP: streams between those who talk alone (`sip_direct_media`).
    pub sip_direct_media: bool,
    /// Tracks connections even if no rule needs it. Linux begins to track a family's connections when the first rule
    /// that needs it is loaded (`nf_ct_netns_get`).
    pub always: bool,
}

impl Default for ConntrackSettings {
    fn default() -> Self {
        ConntrackSettings {
            max: 262_144,
            tcp_loose: true,
            tcp_be_liberal: false,
            accounting: true,
            timestamp: false,
            checksum: false,
            full_cone: false,
            sip_direct_signalling: true,
            sip_direct_media: true,
            always: false,
        }
    }
}

/// Everything the engine knows of the machine it stands for.
#[derive(Clone, Debug)]
pub struct Host {
    interfaces: Vec<Interface>,
    by_index: HashMap<IfIndex, usize>,
    by_name: HashMap<Box<str>, usize>,
    local: HashMap<IpAddr, IfIndex>,
    broadcast: HashMap<IpAddr, IfIndex>,
    anycast: HashSet<IpAddr>,
    routes: Routes,
    routes_version: u64,
    links_version: u64,
    neighbours: HashMap<(IfIndex, IpAddr), [u8; 6]>,
    /// Forwards IPv4 (`net.ipv4.ip_forward`).
    pub forwarding_v4: bool,
    /// Forwards IPv6 (`net.ipv6.conf.all.forwarding`).
    pub forwarding_v6: bool,
    /// Connection tracking.
    pub conntrack: ConntrackSettings,
    /// How much of fragments is held, and how long (`net.ipv4.ipfrag_*`, `nf_conntrack_frag6_timeout`).
    pub fragments: Limits,
    /// How many ICMP errors it sends.
    pub icmp: IcmpSettings,
    /// What `osf` knows systems by.
    pub fingerprints: Arc<Fingerprints>,
    /// Without knowledge of a host: everything that arrives is forwarded out of this interface.
    pub forward_to: Option<IfIndex>,
    /// Packets come from a wire and go to one: each is one packet as it was sent, not several put together, what comes from
    /// the wire was not sent by this host, and what is for this host is handed to it ([`crate::Engine::poll_local`]). False for
    /// captures, which may hold all of that.
    pub live: bool,
    /// Interfaces do without ARP and neighbour discovery: a next hop that is no neighbour has the interface's own Ethernet
    /// address (`IFF_NOARP`; `arp_constructor`, `ndisc_constructor`).
    pub noarp: bool,
    /// The local time zone's distance from UTC in seconds, for `meta hour` and `meta day`.
    pub utc_offset: i32,
}

impl Default for Host {
    fn default() -> Self {
        Host {
            interfaces: Vec::new(),
            by_index: HashMap::new(),
            by_name: HashMap::new(),
            local: HashMap::new(),
            broadcast: HashMap::new(),
            anycast: HashSet::new(),
            routes: Routes::default(),
            routes_version: 0,
            links_version: 0,
            neighbours: HashMap::new(),
            forwarding_v4: true,
            forwarding_v6: true,
            conntrack: ConntrackSettings::default(),
            fragments: Limits::default(),
            icmp: IcmpSettings::default(),
            fingerprints: Arc::default(),
            forward_to: None,
            live: false,
            noarp: false,
            utc_offset: 0,
        }
    }
}

/// Why something cannot be part of a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Two interfaces have one index.
    #[error("interface index {0} is used twice")]
    IndexTaken(IfIndex),
    /// Two interfaces have one name.
    #[error("interface name {0} is used twice")]
    NameTaken(Box<str>),
    /// Index 0 is no interface.
    #[error("interface {0} needs an index above 0")]
    NoIndex(Box<str>),
    /// A name is empty or too long.
    #[error("interface name {0:?} is empty or longer than 15 bytes")]
    BadName(Box<str>),
    /// Something names an interface that is not there.
    #[error("there is no interface with index {0}")]
    NoInterface(IfIndex),
    /// A prefix is longer than an address.
    #[error("prefix length {len} is too long for {address}")]
    BadPrefix {
        /// The address.
        address: IpAddr,
        /// The length.
        len: u8,
    },
}

impl Host {
    /// Adds an interface, with routes to the networks of its addresses.
    ///
    /// # Errors
    /// If its index or name is unusable or taken, or a prefix is too long; the host is unchanged then.
    pub fn add_interface(&mut self, interface: Interface) -> Result<(), HostError> {
        let (index, addresses) = (interface.index, interface.addresses.clone());
        self.add_link(interface)?;
        for (address, len) in addresses {
            let _ = self.routes.insert(address, len, connected(index, address), 0);
        }
        Ok(())
    }

    /// Adds an interface without routes: somebody else says them.
    ///
    /// # Errors
    /// As [`Host::add_interface`].
    pub fn add_link(&mut self, interface: Interface) -> Result<(), HostError> {
        if !interface.index.is_some() {
            return Err(HostError::NoIndex(interface.name));
        }
        if interface.name.is_empty() || interface.name.len() > 15 {
            return Err(HostError::BadName(interface.name));
        }
        if self.by_index.contains_key(&interface.index) {
            return Err(HostError::IndexTaken(interface.index));
        }
        if self.by_name.contains_key(&interface.name) {
            return Err(HostError::NameTaken(interface.name));
        }
        if let Some(&(address, len)) = interface.addresses.iter().find(|one| is_too_long(one)) {
            return Err(HostError::BadPrefix { address, len });
        }
        self.interfaces.push(interface);
        self.links_changed();
        Ok(())
    }

    /// Changes an interface: anything but its index and its addresses. False when it is not there, or its new name is unusable
    /// or taken; nothing changes then.
    pub fn change_link(&mut self, interface: &Interface) -> bool {
        let Some(&at) = self.by_index.get(&interface.index) else { return false };
        let named = self.by_name.get(&interface.name).is_none_or(|other| *other == at);
        if !named || interface.name.is_empty() || interface.name.len() > 15 {
            return false;
        }
        let Some(old) = self.interfaces.get_mut(at) else { return false };
        let new = Interface { addresses: std::mem::take(&mut old.addresses), ..interface.clone() };
        *old = new;
        self.links_changed();
        true
    }

    /// Takes an interface away, with its addresses and neighbours; its routes are the caller's. False when it is not there.
    pub fn remove_link(&mut self, index: IfIndex) -> bool {
        let Some(&at) = self.by_index.get(&index) else { return false };
        self.interfaces.remove(at);
        self.neighbours.retain(|(interface, _), _| *interface != index);
        self.links_changed();
        true
    }

    /// Gives an interface an address, without a route to its network. One it has is given the new prefix length.
    ///
    /// # Errors
    /// If the interface is not there or the prefix is too long.
    pub fn add_address(&mut self, interface: IfIndex, address: IpAddr, len: u8) -> Result<(), HostError> {
        if is_too_long(&(address, len)) {
            return Err(HostError::BadPrefix { address, len });
        }
        let at = self.by_index.get(&interface).copied();
        let Some(its) = at.and_then(|at| self.interfaces.get_mut(at)) else {
            return Err(HostError::NoInterface(interface));
        };
        match its.addresses.iter_mut().find(|(own, _)| *own == address) {
            Some(own) => own.1 = len,
            None => its.addresses.push((address, len)),
        }
        self.learn_addresses();
        Ok(())
    }

    fn links_changed(&mut self) {
        let places = || self.interfaces.iter().enumerate();
        self.by_index = places().map(|(at, interface)| (interface.index, at)).collect();
        self.by_name = places().map(|(at, interface)| (interface.name.clone(), at)).collect();
        self.links_version += 1;
        self.learn_addresses();
    }

    /// What is local, by the addresses of all interfaces.
    fn learn_addresses(&mut self) {
        self.routes_version += 1;
        self.local.clear();
        self.anycast.clear();
        self.broadcast.clear();
        for interface in &self.interfaces {
            for &(address, len) in &interface.addresses {
                self.local.insert(address, interface.index);
                match address {
                    IpAddr::V6(v6) if len < 127 => {
                        let net = u128::from(v6) & !u128::MAX.checked_shr(len.into()).unwrap_or(0);
                        if net != 0 {
                            self.anycast.insert(IpAddr::V6(net.into()));
                        }
                    }
                    IpAddr::V4(v4) if len < 31 => {
                        let host_bits = u32::MAX.checked_shr(len.into()).unwrap_or(0);
                        self.broadcast
                            .insert(IpAddr::V4((u32::from(v4) | host_bits).into()), interface.index);
                    }
                    _ => {}
                }
            }
        }
    }

    /// Adds a route; of several to one prefix the lowest metric counts.
    ///
    /// # Errors
    /// If the prefix is too long or the interface is not there.
    pub fn add_route(&mut self, prefix: IpAddr, len: u8, route: Route, metric: u32) -> Result<(), HostError> {
        if self.interface(route.interface).is_none() {
            return Err(HostError::NoInterface(route.interface));
        }
        self.routes_version += 1;
        self.routes
            .insert(prefix, len, route, metric)
            .map_err(|_| HostError::BadPrefix { address: prefix, len })
    }

    /// Adds a neighbour.
    ///
    /// # Errors
    /// If its interface is not there.
    pub fn add_neighbour(&mut self, neighbour: Neighbour) -> Result<(), HostError> {
        if self.interface(neighbour.interface).is_none() {
            return Err(HostError::NoInterface(neighbour.interface));
        }
        self.routes_version += 1;
        self.neighbours.insert((neighbour.interface, neighbour.address), neighbour.mac);
        Ok(())
    }

    /// Every interface, in the order they were added.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// An interface by index.
    pub fn interface(&self, index: IfIndex) -> Option<&Interface> {
        self.interfaces.get(*self.by_index.get(&index)?)
    }

    /// An interface by name.
    pub fn interface_by_name(&self, name: &str) -> Option<&Interface> {
        self.interfaces.get(*self.by_name.get(name)?)
    }

    /// The interface that has this address.
    pub fn local_interface(&self, address: IpAddr) -> Option<IfIndex> {
        if let Some(interface) = self.local.get(&address) {
            return Some(*interface);
        }
        let loopback = match address {
            IpAddr::V4(v4) => v4.is_loopback(),
            IpAddr::V6(v6) => v6.is_loopback(),
        };
        match self.interface_by_name("lo") {
            Some(lo) if loopback => Some(lo.index),
            // A host has one even if nobody says so; without a host, nothing is local.
            None if loopback && self.forward_to.is_none() => Some(IfIndex::NONE),
            _ => None,
        }
    }

    /// Whether this is the subnet-router anycast address of a network the host is a router of (RFC 4291 §2.6.1,
    /// `addrconf_join_anycast`).
    pub fn is_anycast(&self, address: IpAddr) -> bool {
        self.forwarding_v6 && self.anycast.contains(&address)
    }

    /// Whether this is the broadcast address of a network the host is in, or of all.
    pub fn is_broadcast(&self, address: IpAddr) -> bool {
        address == IpAddr::V4(std::net::Ipv4Addr::BROADCAST) || self.broadcast.contains_key(&address)
    }

    /// The interface whose network has this broadcast address.
    pub(crate) fn broadcast_interface(&self, address: IpAddr) -> Option<IfIndex> {
        self.broadcast.get(&address).copied()
    }

    /// A number that changes with every new route, interface or neighbour.
    pub fn routes_version(&self) -> u64 {
        self.routes_version
    }

    /// A number that changes with every interface that comes, goes or is another.
    pub(crate) fn links_version(&self) -> u64 {
        self.links_version
    }

    /// Takes an address from an interface, with the route and the broadcast address that came with it. False when it has no
    /// such address.
    pub(crate) fn remove_address(&mut self, interface: IfIndex, address: IpAddr) -> bool {
        let Some(at) = self.by_index.get(&interface).copied() else { return false };
        let Some(its) = self.interfaces.get_mut(at) else { return false };
        let Some(place) = its.addresses.iter().position(|(other, _)| *other == address) else { return false };
        let (_, len) = its.addresses.remove(place);
        let route = connected(interface, address);
        self.routes.take(MAIN_TABLE, address, len, |_, one| *one == route);
        self.learn_addresses();
        true
    }

    /// Adds a route of any table; with `replace` in the place of the first of the same prefix and metric.
    ///
    /// # Errors
    /// As [`Host::add_route`].
    pub fn put_route(&mut self, entry: &Entry, replace: bool) -> Result<(), HostError> {
        if entry.route.interface.is_some() && self.interface(entry.route.interface).is_none() {
            return Err(HostError::NoInterface(entry.route.interface));
        }
        self.routes_version += 1;
        self.routes
            .add(entry, replace)
            .map_err(|_| HostError::BadPrefix { address: entry.prefix, len: entry.len })
    }

    /// Forgets the routes of a table to exactly this prefix of which `gone` is true, by metric and route.
    pub fn take_route(&mut self, table: u32, prefix: IpAddr, len: u8, gone: impl Fn(u32, &Route) -> bool) {
        self.routes_version += 1;
        self.routes.take(table, prefix, len, gone);
    }

    /// Forgets every route to exactly this prefix.
    pub fn remove_route(&mut self, prefix: IpAddr, len: u8) {
        self.routes_version += 1;
        self.routes.remove(prefix, len);
    }

    /// Forgets all routes, those to the networks of addresses as well.
    pub fn clear_routes(&mut self) {
        self.routes_version += 1;
        self.routes.clear();
    }

    /// Gives the host other routes and rules, and takes those it had.
    pub fn swap_routes(&mut self, routes: &mut Routes) {
        self.routes_version += 1;
        std::mem::swap(&mut self.routes, routes);
    }

    /// Keeps the routes of which `keep` is true: looks at every one.
    pub fn retain_routes(&mut self, keep: impl Fn(&Entry) -> bool) {
        let gone: Vec<Entry> = self.routes.entries().filter(|entry| !keep(entry)).collect();
        for entry in gone {
            self.take_route(entry.table, entry.prefix, entry.len, |metric, route| {
                metric == entry.metric && *route == entry.route
            });
        }
    }

    /// The rules that choose a routing table.
    pub fn rules(&self, v6: bool) -> Vec<Rule> {
        self.routes.rules(v6)
    }

    /// Sets the rules that choose a routing table.
    pub fn set_rules(&mut self, v6: bool, rules: Vec<Rule>) {
        self.routes_version += 1;
        self.routes.set_rules(v6, rules);
    }

    /// The best route to an address.
    pub fn route(&self, to: IpAddr) -> Option<Route> {
        self.find_route(&Lookup::to(to)).route()
    }

    /// The best route for a packet, own addresses aside.
    pub fn find_route(&self, lookup: &Lookup) -> Found {
        self.routes.find(lookup, |name| self.interface_by_name(name).map(|interface| interface.index))
    }

    /// Forgets a neighbour.
    pub fn remove_neighbour(&mut self, interface: IfIndex, address: IpAddr) {
        if self.neighbours.remove(&(interface, address)).is_some() {
            self.routes_version += 1;
        }
    }

    /// All routes of all tables.
    pub fn all_routes(&self) -> &Routes {
        &self.routes
    }

    /// Every route with its prefix, those to the networks of addresses included.
    pub fn routes(&self) -> impl Iterator<Item = (IpAddr, u8, Route)> {
        self.routes.iter()
    }

    /// Every neighbour, in no order.
    pub fn neighbours(&self) -> impl Iterator<Item = Neighbour> {
        self.neighbours.iter().map(|(&(interface, address), &mac)| Neighbour { address, mac, interface })
    }

    /// The Ethernet address of a neighbour.
    pub fn neighbour(&self, interface: IfIndex, address: IpAddr) -> Option<[u8; 6]> {
        self.neighbours.get(&(interface, address)).copied()
    }

    /// The address packets from an interface take towards a neighbour: for IPv4 the first whose network he is in
    /// (`inet_select_addr`), for IPv6 the one of the right scope that has most bits in common (`ipv6_dev_get_saddr`); failing
    /// that as [`Host::source_address`].
    pub fn source_address_towards(&self, interface: IfIndex, to: IpAddr) -> Option<IpAddr> {
        let common = |own: IpAddr, len: u8| match (own, to) {
            (IpAddr::V4(own), IpAddr::V4(to)) => {
                (u32::from(own) ^ u32::from(to)).leading_zeros().min(len.into())
            }
            (IpAddr::V6(own), IpAddr::V6(to)) => {
                (u128::from(own) ^ u128::from(to)).leading_zeros().min(len.into())
            }
            _ => 0,
        };
        let addresses = &self.interface(interface)?.addresses;
        let mut best: Option<(u32, IpAddr)> = None;
        for &(own, len) in addresses.iter().filter(|(own, _)| own.is_ipv4() == to.is_ipv4()) {
            let shared = common(own, len);
            let fits = own.is_ipv6() || shared == u32::from(len);
            let right_scope = own.is_ipv4() || is_link_local(own) == is_link_local(to);
            if fits && right_scope && best.is_none_or(|(most, _)| own.is_ipv6() && shared > most) {
                best = Some((shared, own));
            }
        }
        best.map(|(_, own)| own).or_else(|| self.source_address(interface, to.is_ipv6()))
    }

    /// The address packets from an interface take when nothing says otherwise: its first of that family that is not
    /// link-local, or failing that its first.
    pub fn source_address(&self, interface: IfIndex, v6: bool) -> Option<IpAddr> {
        let addresses = &self.interface(interface)?.addresses;
        let mut of_family = addresses.iter().map(|(address, _)| *address).filter(|a| a.is_ipv6() == v6);
        of_family.clone().find(|address| !is_link_local(*address)).or_else(|| of_family.next())
    }
}

/// The route that comes with an address.
fn connected(interface: IfIndex, address: IpAddr) -> Route {
    Route { source: Some(address), ..Route::by(interface, None) }
}

fn is_too_long((address, len): &(IpAddr, u8)) -> bool {
    *len > if address.is_ipv4() { 32 } else { 128 }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.segments()[0] & 0xffc0 == 0xfe80)
}
