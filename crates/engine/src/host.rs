//! The host a ruleset runs on: what a ruleset cannot say. Interfaces, addresses, routes, neighbours, forwarding.
//!
//! Plain data and look-ups; reading it from a file is the program's work.

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use ironweir_wire::IfIndex;

use crate::fingerprint::Fingerprints;
use crate::icmp_limit::IcmpSettings;
use crate::route::{Route, Routes};

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
    neighbours: HashMap<(IfIndex, IpAddr), [u8; 6]>,
    /// Forwards IPv4 (`net.ipv4.ip_forward`).
    pub forwarding_v4: bool,
    /// Forwards IPv6 (`net.ipv6.conf.all.forwarding`).
    pub forwarding_v6: bool,
    /// Connection tracking.
    pub conntrack: ConntrackSettings,
    /// How many ICMP errors it sends.
    pub icmp: IcmpSettings,
    /// What `osf` knows systems by.
    pub fingerprints: Arc<Fingerprints>,
    /// Without knowledge of a host: everything that arrives is forwarded out of this interface.
    pub forward_to: Option<IfIndex>,
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
            neighbours: HashMap::new(),
            forwarding_v4: true,
            forwarding_v6: true,
            conntrack: ConntrackSettings::default(),
            icmp: IcmpSettings::default(),
            fingerprints: Arc::default(),
            forward_to: None,
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
        let too_long = |(address, len): &&(IpAddr, u8)| *len > if address.is_ipv4() { 32 } else { 128 };
        if let Some(&(address, len)) = interface.addresses.iter().find(too_long) {
            return Err(HostError::BadPrefix { address, len });
        }
        let index = interface.index;
        self.routes_version += 1;
        for &(address, len) in &interface.addresses {
            self.local.insert(address, index);
            let _ = self.routes.insert(
                address,
                len,
                Route { interface: index, gateway: None, source: Some(address) },
                0,
            );
            if let IpAddr::V6(v6) = address
                && len < 127
            {
                let net = u128::from(v6) & !u128::MAX.checked_shr(len.into()).unwrap_or(0);
                if net != 0 {
                    self.anycast.insert(IpAddr::V6(net.into()));
                }
            }
            if let IpAddr::V4(v4) = address
                && len < 31
            {
                let host_bits = u32::MAX.checked_shr(len.into()).unwrap_or(0);
                let net = u32::from(v4) & !host_bits;
                self.broadcast.insert(IpAddr::V4((net | host_bits).into()), index);
            }
        }
        let at = self.interfaces.len();
        self.by_index.insert(index, at);
        self.by_name.insert(interface.name.clone(), at);
        self.interfaces.push(interface);
        Ok(())
    }

    /// Adds a route; of several to one prefix the lowest metric counts.
    ///
    /// # Errors
    /// If the prefix is too long or the interface is not there.
    pub fn add_route(&mut self, prefix: IpAddr, len: u8, route: Route, metric: u32) -> Result<(), HostError> {
        if self.interface(route.interface).is_none() {
            return Err(HostError::NoInterface(route.interface));
        }
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
    pub(crate) fn routes_version(&self) -> u64 {
        self.routes_version
    }

    /// Takes an address from an interface, with the route and the broadcast address that came with it. False when it has no
    /// such address.
    pub(crate) fn remove_address(&mut self, interface: IfIndex, address: IpAddr) -> bool {
        let Some(at) = self.by_index.get(&interface).copied() else { return false };
        let Some(its) = self.interfaces.get_mut(at) else { return false };
        let Some(place) = its.addresses.iter().position(|(other, _)| *other == address) else { return false };
        let (_, len) = its.addresses.remove(place);
        self.routes_version += 1;
        self.local.remove(&address);
        self.routes.remove(address, len);
        if let IpAddr::V4(v4) = address {
            let host_bits = u32::MAX.checked_shr(len.into()).unwrap_or(0);
            self.broadcast.remove(&IpAddr::V4((u32::from(v4) | host_bits).into()));
        }
        true
    }

    /// Forgets every route to exactly this prefix.
    pub fn remove_route(&mut self, prefix: IpAddr, len: u8) {
        self.routes_version += 1;
        self.routes.remove(prefix, len);
    }

    /// The best route to an address.
    pub fn route(&self, to: IpAddr) -> Option<Route> {
        self.routes.find(to)
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

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.segments()[0] & 0xffc0 == 0xfe80)
}
