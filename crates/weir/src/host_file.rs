//! The host file: what a ruleset cannot say, in TOML.
//!
//! ```toml
//! [[interface]]
//! name = "lan0"
//! mac = "02:00:00:00:00:01"
//! addresses = ["192.168.1.1/24"]
//!
//! [[route]]
//! dst = "0.0.0.0/0"
//! via = "198.51.100.1"
//! dev = "wan0"
//!
//! [[neighbour]]
//! address = "192.168.1.7"
//! mac = "02:00:00:00:00:07"
//! dev = "lan0"
//!
//! [forwarding]
//! ipv4 = true
//!
//! [conntrack]
//! max = 65536
//! ```

use std::net::IpAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ironweir_engine::fingerprint::Fingerprints;
use ironweir_engine::host::{ConntrackSettings, HostError};
use ironweir_engine::icmp_limit::IcmpSettings;
use ironweir_engine::{Host, Interface, Neighbour, Route};
use ironweir_wire::IfIndex;
use serde::Deserialize;
use toml::Spanned;

/// Why a host file is refused.
#[derive(Debug, thiserror::Error)]
pub enum HostFileError {
    /// It cannot be read.
    #[error("{path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no TOML, or says something a host file cannot say.
    #[error("{path}:{line}:{column}: {message}", path = path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    interface: Vec<Spanned<InterfaceEntry>>,
    #[serde(default)]
    route: Vec<RouteEntry>,
    #[serde(default)]
    neighbour: Vec<NeighbourEntry>,
    #[serde(default)]
    forwarding: Forwarding,
    #[serde(default)]
    conntrack: Conntrack,
    #[serde(default)]
    icmp: Icmp,
    /// Distance of local time from UTC, in seconds.
    #[serde(default)]
    utc_offset: i32,
    /// A file of fingerprints for `osf`, beside this one.
    osf: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InterfaceEntry {
    name: Spanned<String>,
    index: Option<Spanned<u32>>,
    mac: Option<Spanned<String>>,
    #[serde(default)]
    addresses: Vec<Spanned<String>>,
    mtu: Option<u32>,
    #[serde(default)]
    rp_filter: u8,
    #[serde(default)]
    group: u32,
    #[serde(rename = "type")]
    kind: Option<Spanned<String>>,
    /// The kind of virtual link: `vlan`, `bridge`, `veth` ...
    link: Option<String>,
    /// The bridge it is a port of.
    bridge: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteEntry {
    dst: Spanned<String>,
    via: Option<Spanned<String>>,
    dev: Option<Spanned<String>>,
    #[serde(default)]
    metric: u32,
    src: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NeighbourEntry {
    address: Spanned<String>,
    mac: Spanned<String>,
    dev: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Forwarding {
    ipv4: bool,
    ipv6: bool,
}

impl Default for Forwarding {
    fn default() -> Self {
        Forwarding { ipv4: true, ipv6: true }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Conntrack {
    max: Option<usize>,
    tcp_loose: Option<bool>,
    tcp_be_liberal: Option<bool>,
    #[serde(alias = "accounting")]
    acct: Option<bool>,
    timestamp: Option<bool>,
    checksum: Option<bool>,
    full_cone: Option<bool>,
    sip_direct_signalling: Option<bool>,
    sip_direct_media: Option<bool>,
    always: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Icmp {
    ratelimit: Option<u32>,
    ratemask: Option<u32>,
    ratelimit_v6: Option<u32>,
    msgs_per_sec: Option<u32>,
    msgs_burst: Option<u32>,
}

/// Something wrong at a place of the text.
struct Wrong {
    at: Range<usize>,
    message: String,
}

impl Wrong {
    fn at<T>(at: &Spanned<T>, message: impl Into<String>) -> Wrong {
        Wrong { at: at.span(), message: message.into() }
    }
}

/// Reads a host file.
///
/// # Errors
/// If the file cannot be read, or with the place of the first thing that is wrong in it.
pub fn read(path: &Path) -> Result<Host, HostFileError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| HostFileError::Read { path: path.to_owned(), source })?;
    parse(path, &text)
}

/// Reads the text of a host file; `path` names it in errors.
///
/// # Errors
/// With the place of the first thing that is wrong.
pub fn parse(path: &Path, text: &str) -> Result<Host, HostFileError> {
    let file: Result<File, Wrong> = toml::from_str(text).map_err(|error: toml::de::Error| Wrong {
        at: error.span().unwrap_or_default(),
        message: error.message().trim_end().replace('\n', ", "),
    });
    file.and_then(|file| build(path, file)).map_err(|wrong| {
        let before = text.get(..wrong.at.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        HostFileError::Syntax {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: wrong.message,
        }
    })
}

fn build(path: &Path, file: File) -> Result<Host, Wrong> {
    let mut host = Host::default();
    if let Some(name) = &file.osf {
        let name_of = path.with_file_name(name.get_ref());
        let text = std::fs::read_to_string(name_of).map_err(|error| Wrong::at(name, error.to_string()))?;
        let fingerprints = Fingerprints::parse(&text).map_err(|error| Wrong::at(name, error.to_string()))?;
        host.fingerprints = Arc::new(fingerprints);
    }
    host.forwarding_v4 = file.forwarding.ipv4;
    host.forwarding_v6 = file.forwarding.ipv6;
    host.utc_offset = file.utc_offset;
    let defaults = ConntrackSettings::default();
    host.conntrack = ConntrackSettings {
        max: file.conntrack.max.unwrap_or(defaults.max),
        tcp_loose: file.conntrack.tcp_loose.unwrap_or(defaults.tcp_loose),
        tcp_be_liberal: file.conntrack.tcp_be_liberal.unwrap_or(defaults.tcp_be_liberal),
        accounting: file.conntrack.acct.unwrap_or(defaults.accounting),
        timestamp: file.conntrack.timestamp.unwrap_or(defaults.timestamp),
        checksum: file.conntrack.checksum.unwrap_or(defaults.checksum),
        full_cone: file.conntrack.full_cone.unwrap_or(defaults.full_cone),
        sip_direct_signalling: file.conntrack.sip_direct_signalling.unwrap_or(defaults.sip_direct_signalling),
        sip_direct_media: file.conntrack.sip_direct_media.unwrap_or(defaults.sip_direct_media),
        always: file.conntrack.always.unwrap_or(defaults.always),
    };
    let defaults = IcmpSettings::default();
    host.icmp = IcmpSettings {
        ratelimit: file.icmp.ratelimit.unwrap_or(defaults.ratelimit),
        ratemask: file.icmp.ratemask.unwrap_or(defaults.ratemask),
        ratelimit_v6: file.icmp.ratelimit_v6.unwrap_or(defaults.ratelimit_v6),
        msgs_per_sec: file.icmp.msgs_per_sec.unwrap_or(defaults.msgs_per_sec),
        msgs_burst: file.icmp.msgs_burst.unwrap_or(defaults.msgs_burst),
    };
    add_interfaces(&mut host, &file.interface)?;
    for route in &file.route {
        add_route(&mut host, route)?;
    }
    for entry in &file.neighbour {
        let neighbour = Neighbour {
            address: address(&entry.address)?,
            mac: mac(&entry.mac)?,
            interface: device(&host, &entry.dev)?,
        };
        host.add_neighbour(neighbour).map_err(|error| Wrong::at(&entry.dev, error.to_string()))?;
    }
    Ok(host)
}

fn add_interfaces(host: &mut Host, entries: &[Spanned<InterfaceEntry>]) -> Result<(), Wrong> {
    // Interfaces without an index get the lowest that nobody asks for; 1 is the loopback interface's.
    let taken: Vec<u32> = entries
        .iter()
        .filter_map(|entry| entry.get_ref().index.as_ref().map(|index| *index.get_ref()))
        .collect();
    let mut free = (2..).filter(|index| !taken.contains(index));
    let names: Vec<&str> = entries.iter().map(|entry| entry.get_ref().name.get_ref().as_str()).collect();
    if !names.contains(&"lo") && !taken.contains(&1) {
        host.add_interface(loopback()).map_err(|error| Wrong { at: 0..0, message: error.to_string() })?;
    }
    let mut indexes = Vec::new();
    for entry in entries {
        let entry = entry.get_ref();
        indexes.push(match &entry.index {
            Some(index) => *index.get_ref(),
            None if entry.name.get_ref() == "lo" && !taken.contains(&1) => 1,
            None => free.next().unwrap_or(u32::MAX),
        });
    }
    for (entry, index) in entries.iter().zip(&indexes) {
        let entry = entry.get_ref();
        let mut interface = match entry.name.get_ref().as_str() {
            "lo" if entry.addresses.is_empty() => loopback(),
            "lo" => Interface { addresses: Vec::new(), ..loopback() },
            name => Interface::new(IfIndex(*index), name),
        };
        interface.index = IfIndex(*index);
        if let Some(text) = &entry.mac {
            interface.mac = mac(text)?;
        }
        for text in &entry.addresses {
            interface.addresses.push(prefix(text)?);
        }
        interface.mtu = entry.mtu.unwrap_or(interface.mtu);
        interface.group = entry.group;
        interface.rp_filter = entry.rp_filter;
        if let Some(kind) = &entry.kind {
            interface.kind = hardware_type(kind)?;
        }
        interface.link_kind = entry.link.clone().unwrap_or_default().into();
        if let Some(bridge) = &entry.bridge {
            let at = names.iter().position(|name| name == bridge.get_ref());
            let at = at.ok_or_else(|| unknown_device(bridge, &names))?;
            interface.bridge = Some(IfIndex(indexes[at]));
        }
        host.add_interface(interface).map_err(|error| match &error {
            HostError::IndexTaken(_) | HostError::NoIndex(_) => match &entry.index {
                Some(index) => Wrong::at(index, error.to_string()),
                None => Wrong::at(&entry.name, error.to_string()),
            },
            HostError::BadPrefix { .. } => match entry.addresses.first() {
                Some(first) => Wrong::at(first, error.to_string()),
                None => Wrong::at(&entry.name, error.to_string()),
            },
            _ => Wrong::at(&entry.name, error.to_string()),
        })?;
    }
    Ok(())
}

/// The loopback interface every host has.
pub fn loopback() -> Interface {
    Interface {
        addresses: vec![
            (IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8),
            (IpAddr::V6(std::net::Ipv6Addr::LOCALHOST), 128),
        ],
        mtu: 65536,
        kind: 772,
        ..Interface::new(IfIndex(1), "lo")
    }
}

fn add_route(host: &mut Host, entry: &RouteEntry) -> Result<(), Wrong> {
    let (to, len) = match entry.dst.get_ref().as_str() {
        "default" => match &entry.via {
            Some(via) if address(via)?.is_ipv6() => (IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED), 0),
            _ => (IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0),
        },
        _ => prefix(&entry.dst)?,
    };
    let gateway = entry.via.as_ref().map(address).transpose()?;
    let source = entry.src.as_ref().map(address).transpose()?;
    if let (Some(via), Some(gateway)) = (&entry.via, gateway)
        && gateway.is_ipv6() != to.is_ipv6()
        && to.is_ipv6()
    {
        return Err(Wrong::at(via, format!("{gateway} cannot be the gateway of an IPv6 route")));
    }
    let interface = match (&entry.dev, &entry.via, gateway) {
        (Some(dev), ..) => device(host, dev)?,
        (None, Some(via), Some(gateway)) => match host.route(gateway) {
            Some(route) if route.gateway.is_none() => route.interface,
            _ => return Err(Wrong::at(via, format!("gateway {gateway} is on no interface's network"))),
        },
        _ => return Err(Wrong::at(&entry.dst, "a route needs `dev` or `via`")),
    };
    let route = Route { source, ..Route::by(interface, gateway) };
    host.add_route(to, len, route, entry.metric).map_err(|error| Wrong::at(&entry.dst, error.to_string()))
}

fn unknown_device(name: &Spanned<String>, known: &[&str]) -> Wrong {
    Wrong::at(name, format!("there is no interface {:?}; known are {}", name.get_ref(), known.join(", ")))
}

fn device(host: &Host, name: &Spanned<String>) -> Result<IfIndex, Wrong> {
    match host.interface_by_name(name.get_ref()) {
        Some(interface) => Ok(interface.index),
        None => {
            let known: Vec<&str> = host.interfaces().iter().map(|interface| &*interface.name).collect();
            Err(unknown_device(name, &known))
        }
    }
}

fn address(text: &Spanned<String>) -> Result<IpAddr, Wrong> {
    text.get_ref().parse().map_err(|_| Wrong::at(text, format!("{:?} is no IP address", text.get_ref())))
}

/// `192.0.2.1/24`; an address alone is the whole of it.
fn prefix(text: &Spanned<String>) -> Result<(IpAddr, u8), Wrong> {
    let wrong = || Wrong::at(text, format!("{:?} is no IP address with a prefix length", text.get_ref()));
    let (address, len) = match text.get_ref().split_once('/') {
        Some((address, len)) => (address, Some(len)),
        None => (text.get_ref().as_str(), None),
    };
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let len = match len {
        Some(len) => len.parse().ok().filter(|len| *len <= most).ok_or_else(wrong)?,
        None => most,
    };
    Ok((address, len))
}

fn mac(text: &Spanned<String>) -> Result<[u8; 6], Wrong> {
    let wrong = || Wrong::at(text, format!("{:?} is no Ethernet address", text.get_ref()));
    let mut mac = [0; 6];
    let mut parts = text.get_ref().split([':', '-']);
    for byte in &mut mac {
        let part = parts.next().filter(|part| (1..=2).contains(&part.len())).ok_or_else(wrong)?;
        *byte = u8::from_str_radix(part, 16).map_err(|_| wrong())?;
    }
    if parts.next().is_some() {
        return Err(wrong());
    }
    Ok(mac)
}

/// `ARPHRD_*` by the words of `ip link`, or by number (`linux/if_arp.h`).
fn hardware_type(text: &Spanned<String>) -> Result<u16, Wrong> {
    Ok(match text.get_ref().as_str() {
        "ether" => 1,
        "ppp" => 512,
        "ipip" => 768,
        "ip6tnl" | "tunnel6" => 769,
        "loopback" => 772,
        "sit" => 776,
        "ipgre" | "gre" => 778,
        "none" => 65534,
        other => other.parse().map_err(|_| {
            Wrong::at(
                text,
                format!("{other:?} is no interface type; known are ether, loopback, ppp, none ..."),
            )
        })?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Host {
        parse(Path::new("host.toml"), text).unwrap_or_else(|error| panic!("{error}"))
    }

    const GATEWAY: &str = r#"
[[interface]]
name = "lan0"
index = 4
mac = "02:00:00:00:00:01"
addresses = ["192.168.1.1/24", "2001:db8:1::1/64"]

[[interface]]
name = "wan0"
mtu = 1492

[[route]]
dst = "default"
via = "192.168.1.254"

[[route]]
dst = "10.0.0.0/8"
dev = "wan0"

[[neighbour]]
address = "192.168.1.254"
mac = "02:00:00:00:00:fe"
dev = "lan0"

[forwarding]
ipv6 = false

[conntrack]
max = 100
acct = true
"#;

    #[test]
    fn a_host_is_what_its_file_says() {
        let host = host(GATEWAY);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let lan = host.interface_by_name("lan0").unwrap();
        assert_eq!((lan.index, lan.mac), (IfIndex(4), [2, 0, 0, 0, 0, 1]));
        let wan = host.interface_by_name("wan0").unwrap();
        assert_eq!((wan.index, wan.mtu), (IfIndex(2), 1492));
        let route = host.route(ip("8.8.8.8")).unwrap();
        assert_eq!((route.interface, route.gateway), (IfIndex(4), Some(ip("192.168.1.254"))));
        assert_eq!(host.route(ip("10.1.1.1")).unwrap().interface, IfIndex(2));
        assert_eq!(host.neighbour(IfIndex(4), ip("192.168.1.254")), Some([2, 0, 0, 0, 0, 0xfe]));
        assert!(host.forwarding_v4 && !host.forwarding_v6);
        assert!(host.conntrack.accounting && host.conntrack.max == 100);
        assert_eq!(host.local_interface(ip("127.0.0.1")), Some(IfIndex(1)));
    }

    #[test]
    fn errors_name_file_line_and_column() {
        for (text, place, word) in [
            ("[[interface]]\nname = \"a\"\nmac = \"02:00\"", ":3:7:", "Ethernet address"),
            ("[[interface]]\nname = \"a\"\ncolour = 3", ":3:1:", "colour"),
            ("[[interface]]\nname = \"a\"\n[[interface]]\nname = \"a\"", ":4:8:", "twice"),
            ("[[interface]]\nname = \"a\"\naddresses = [\"1.2.3.4/33\"]", ":3:14:", "prefix"),
            ("[[route]]\ndst = \"::/0\"\ndev = \"b\"", ":3:7:", "no interface \"b\""),
            ("[[route]]\ndst = \"::/0\"", ":2:7:", "`dev` or `via`"),
            ("[[interface]\n", ":1:", ""),
        ] {
            let error = parse(Path::new("h.toml"), text).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("h.toml{place}")) && error.contains(word),
                "{text:?}: {error}"
            );
            assert!(!error.contains('\n'), "{error}");
        }
        assert!(read(Path::new("/nonexistent/host.toml")).unwrap_err().to_string().contains("No such file"));
    }
}
