//! By which interface a packet comes, and without a host file, by which it leaves.

use std::path::{Path, PathBuf};

use ironweir_engine::{Host, Interface};
use ironweir_io::{Capture, CaptureError, Frame};
use ironweir_wire::IfIndex;

use crate::host_file;

/// Why no interface can be told.
#[derive(Debug, thiserror::Error)]
pub enum InterfaceError {
    /// The option names one that the host file does not have.
    #[error("{option} {name}: the host has no such interface; it has {known}")]
    Option {
        /// `--iif` or `--oif`.
        option: &'static str,
        /// What it names.
        name: String,
        /// What there is.
        known: String,
    },
    /// The name cannot be that of an interface.
    #[error("{option} {name:?}: a name of an interface has 1 to 15 characters without blank or slash")]
    BadName {
        /// `--iif` or `--oif`.
        option: &'static str,
        /// What it names.
        name: String,
    },
    /// The capture names one that the host file does not have.
    #[error(
        "{path}: packet {packet} came by interface {name}, which the host file does not have; it has {known} \
         (--iif NAME says which one to take instead)", path = path.display()
    )]
    Unknown {
        /// The capture.
        path: PathBuf,
        /// The first such packet.
        packet: u64,
        /// What it names.
        name: String,
        /// What there is.
        known: String,
    },
    /// The capture names none, and the host has several.
    #[error(
        "{path}: the capture does not say by which interface its packets came; --iif NAME does, with one of {known}",
        path = path.display()
    )]
    Unnamed {
        /// The capture.
        path: PathBuf,
        /// What there is.
        known: String,
    },
}

/// Interfaces by the names that captures and options give.
#[derive(Debug)]
pub struct Interfaces {
    /// Without a host file every packet leaves by an interface chosen here.
    forwards: bool,
    /// `--iif`.
    iif: Option<IfIndex>,
    /// `--oif`.
    oif: Option<IfIndex>,
    /// For packets of no name.
    unnamed: Option<IfIndex>,
    /// Names seen in captures, in order; without a host file.
    named: Vec<IfIndex>,
    /// What the capture's interfaces are, filled as they are asked for.
    of_capture: Vec<Option<IfIndex>>,
}

/// Where a packet without a host file goes when nothing names another interface.
const DEFAULT_NAMES: [&str; 2] = ["eth0", "eth1"];

fn is_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && name != "any" // what `tcpdump -i any` writes
        && !name.contains(|c: char| c.is_whitespace() || c == '/' || c.is_control())
}

fn known(host: &Host) -> String {
    let names: Vec<&str> = host.interfaces().iter().map(|interface| &*interface.name).collect();
    names.join(", ")
}

impl Interfaces {
    /// Those of a host file.
    ///
    /// # Errors
    /// If `iif` is none of them.
    pub fn of_host(host: &Host, iif: Option<&str>) -> Result<Interfaces, InterfaceError> {
        let iif = match iif {
            Some(name) => {
                Some(host.interface_by_name(name).map(|interface| interface.index).ok_or_else(|| {
                    InterfaceError::Option { option: "--iif", name: name.to_owned(), known: known(host) }
                })?)
            }
            None => None,
        };
        let others: Vec<IfIndex> =
            host.interfaces().iter().filter(|i| &*i.name != "lo").map(|i| i.index).collect();
        let unnamed = match others[..] {
            [only] => Some(only),
            _ => None,
        };
        let named = Vec::new();
        Ok(Interfaces { forwards: false, iif, oif: None, unnamed, named, of_capture: Vec::new() })
    }

    /// A host that only forwards, with the interfaces that options and captures name.
    ///
    /// # Errors
    /// If a name in an option cannot be one.
    pub fn forwarding(
        iif: Option<&str>,
        oif: Option<&str>,
        in_captures: &[String],
    ) -> Result<(Host, Interfaces), InterfaceError> {
        let mut host = Host::default();
        let mut add = |name: &str| -> Option<IfIndex> {
            if let Some(interface) = host.interface_by_name(name) {
                return Some(interface.index);
            }
            let index = IfIndex(u32::try_from(host.interfaces().len()).ok()? + 1);
            let added = match name {
                "lo" => Interface { index, ..host_file::loopback() },
                _ => Interface::new(index, name),
            };
            host.add_interface(added).ok()?;
            Some(index)
        };
        add("lo");
        let mut option = |option, name: Option<&str>| match name {
            Some(name) if !is_name(name) => Err(InterfaceError::BadName { option, name: name.to_owned() }),
            Some(name) => Ok(add(name)),
            None => Ok(None),
        };
        let (iif, oif) = (option("--iif", iif)?, option("--oif", oif)?);
        let named: Vec<IfIndex> = in_captures.iter().filter_map(|name| add(name)).collect();
        let unnamed = add(DEFAULT_NAMES[0]);
        add(DEFAULT_NAMES[1]);
        let interfaces = Interfaces { forwards: true, iif, oif, unnamed, named, of_capture: Vec::new() };
        Ok((host, interfaces))
    }

    /// Another capture begins, whose interfaces are counted anew.
    pub fn next_capture(&mut self) {
        self.of_capture.clear();
    }

    /// The interface that a packet comes by.
    ///
    /// # Errors
    /// If the host does not have the interface, or none is named.
    pub fn arrival(
        &mut self,
        host: &Host,
        path: &Path,
        capture: &Capture,
        frame: &Frame,
    ) -> Result<IfIndex, InterfaceError> {
        if let Some(Some(known)) = self.of_capture.get(frame.interface) {
            return Ok(*known);
        }
        let name = capture.interface(frame.interface).and_then(|interface| interface.name.as_deref());
        let name = name.filter(|name| is_name(name));
        let found = match (self.iif, name) {
            (Some(iif), _) => iif,
            (None, Some(name)) => match host.interface_by_name(name) {
                Some(interface) => interface.index,
                // A name that comes up in the middle of a capture, after the interfaces were made.
                None if self.forwards => self.unnamed.unwrap_or_default(),
                None => {
                    let (path, packet) = (path.to_owned(), frame.number);
                    let (name, known) = (name.to_owned(), known(host));
                    return Err(InterfaceError::Unknown { path, packet, name, known });
                }
            },
            (None, None) => self
                .unnamed
                .ok_or_else(|| InterfaceError::Unnamed { path: path.to_owned(), known: known(host) })?,
        };
        if self.of_capture.len() <= frame.interface {
            self.of_capture.resize(frame.interface + 1, None);
        }
        self.of_capture[frame.interface] = Some(found);
        Ok(found)
    }

    /// The interface that a packet leaves by which came by `iif`; `None` when routes decide.
    pub fn departure(&self, host: &Host, iif: IfIndex) -> Option<IfIndex> {
        if !self.forwards {
            return None;
        }
        if self.oif.is_some() && self.oif != Some(iif) {
            return self.oif;
        }
        // With both ends of the path in the capture, what comes by one leaves by the other.
        let other = self.named.iter().find(|index| **index != iif).copied();
        let back = self.iif.filter(|index| *index != iif);
        back.or(other).or_else(|| {
            let by_name = |name: &&str| host.interface_by_name(name).map(|interface| interface.index);
            DEFAULT_NAMES.iter().rev().filter_map(by_name).find(|index| *index != iif)
        })
    }
}

/// The interfaces that captures name before their first packet, each once, in order.
///
/// # Errors
/// If a capture cannot be opened, or its first packet not be read.
pub fn named_in(captures: &[PathBuf]) -> Result<Vec<String>, CaptureError> {
    let mut names: Vec<String> = Vec::new();
    let mut frame = Frame::default();
    for path in captures {
        if !std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
            // A pipe can be read once only. What is missing is told when it is opened.
            continue;
        }
        let mut capture = Capture::open(path)?;
        if !capture.read(&mut frame)? {
            continue;
        }
        for name in (0..).map_while(|at| capture.interface(at)).filter_map(|i| i.name.as_deref()) {
            if is_name(name) && !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(iif: Option<&str>, oif: Option<&str>, named: &[&str]) -> (Host, Interfaces) {
        let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
        Interfaces::forwarding(iif, oif, &named).unwrap()
    }

    fn leaves(host: &Host, interfaces: &Interfaces, iif: &str) -> String {
        let iif = host.interface_by_name(iif).unwrap().index;
        let oif = interfaces.departure(host, iif).unwrap();
        host.interface(oif).unwrap().name.to_string()
    }

    #[test]
    fn without_a_host_packets_leave_by_the_other_interface() {
        let (host, interfaces) = pair(None, None, &[]);
        assert_eq!(leaves(&host, &interfaces, "eth0"), "eth1");
        let (host, interfaces) = pair(None, None, &["lan0", "wan0"]);
        assert_eq!(leaves(&host, &interfaces, "lan0"), "wan0");
        assert_eq!(leaves(&host, &interfaces, "wan0"), "lan0");
        let (host, interfaces) = pair(Some("a"), Some("b"), &["lan0", "wan0"]);
        assert_eq!(leaves(&host, &interfaces, "a"), "b");
        let (host, interfaces) = pair(None, Some("b"), &["b", "c"]);
        assert_eq!(leaves(&host, &interfaces, "c"), "b");
        assert_eq!(leaves(&host, &interfaces, "b"), "c");
        assert!(matches!(
            Interfaces::forwarding(Some("a/b"), None, &[]),
            Err(InterfaceError::BadName { option: "--iif", .. })
        ));
    }
}
