//! By which interface a packet comes, and without a host file, by which it leaves.

use std::path::{Path, PathBuf};

use ironweir_engine::{Engine, Host, Interface};
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
    /// There is no host file: names that come up late are no error.
    forwards: bool,
    /// `--iif`.
    iif: Option<IfIndex>,
    /// For packets of no name.
    unnamed: Option<IfIndex>,
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
        Ok(Interfaces { forwards: false, iif, unnamed, of_capture: Vec::new() })
    }

    /// A host that only forwards, with the interfaces that options and captures name: out of `oif` (or the second one
    /// that captures name, or `eth1`), and what comes in there out of the first other one.
    ///
    /// # Errors
    /// If a name in an option cannot be one.
    pub fn forwarding(
        iif: Option<&str>,
        oif: Option<&str>,
        in_captures: &[String],
    ) -> Result<(Host, Interfaces), InterfaceError> {
        let mut host = Host::default();
        for (option, name) in [("--iif", iif), ("--oif", oif)] {
            if let Some(name) = name.filter(|name| !is_name(name)) {
                return Err(InterfaceError::BadName { option, name: name.to_owned() });
            }
        }
        let mut seen = in_captures.iter().map(String::as_str);
        let first = iif.or_else(|| seen.next()).unwrap_or(DEFAULT_NAMES[0]);
        let second = seen.find(|name| *name != first && iif.is_none()).unwrap_or(DEFAULT_NAMES[1]);
        let second = oif.unwrap_or(second);
        let all =
            [first, second].into_iter().chain(in_captures.iter().map(String::as_str)).chain(DEFAULT_NAMES);
        // The loopback interface is the last, so that nothing is forwarded there.
        for name in all.chain(["lo"]) {
            if host.interface_by_name(name).is_some() {
                continue;
            }
            let next = u32::try_from(host.interfaces().len()).unwrap_or(u32::MAX).saturating_add(2);
            let interface = match name {
                "lo" => host_file::loopback(),
                _ => Interface::new(IfIndex(next), name),
            };
            // All names were looked at, and all indexes are new.
            let _ = host.add_interface(interface);
        }
        let index = |name: &str| host.interface_by_name(name).map(|interface| interface.index);
        let (unnamed, forward_to) = (index(first), index(second));
        let iif = iif.and(unnamed);
        host.forward_to = forward_to;
        Ok((host, Interfaces { forwards: true, iif, unnamed, of_capture: Vec::new() }))
    }

    /// Another capture begins, whose interfaces are counted anew.
    pub fn next_capture(&mut self) {
        self.of_capture.clear();
    }

    /// The interface that a packet comes by. Without a host file one that a capture names for the first time here is added
    /// to the engine's host.
    ///
    /// # Errors
    /// If the host does not have the interface, or none is named.
    pub fn arrival(
        &mut self,
        engine: &mut Engine,
        path: &Path,
        capture: &Capture,
        frame: &Frame,
    ) -> Result<IfIndex, InterfaceError> {
        if let Some(Some(known)) = self.of_capture.get(frame.interface) {
            return Ok(*known);
        }
        let host = engine.host();
        let name = capture.interface(frame.interface).and_then(|interface| interface.name.as_deref());
        let name = name.filter(|name| is_name(name));
        let found = match (self.iif, name) {
            (Some(iif), _) => iif,
            (None, Some(name)) => match host.interface_by_name(name) {
                Some(interface) => interface.index,
                None if self.forwards => {
                    let added = Interface::new(IfIndex(host.interfaces().len() as u32 + 2), name);
                    let index = added.index;
                    // The name is new, and so is the number.
                    engine.change_host(|host| drop(host.add_interface(added)));
                    index
                }
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
}

/// How many packets of a capture are read to learn the names of its interfaces.
const LOOK_AHEAD: usize = 1000;

/// The interfaces that captures name at their beginning, each once, in order.
///
/// # Errors
/// If a capture cannot be opened, or its first packets not be read.
pub fn named_in(captures: &[PathBuf]) -> Result<Vec<String>, CaptureError> {
    let mut names: Vec<String> = Vec::new();
    let mut frame = Frame::default();
    for path in captures {
        if !std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
            // A pipe can be read once only. What is missing is told when it is opened.
            continue;
        }
        let mut capture = Capture::open(path)?;
        let mut read = 0;
        while read < LOOK_AHEAD && capture.read(&mut frame)? {
            read += 1;
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

    /// The interface for packets without a name, and the one that packets are forwarded to.
    fn pair(iif: Option<&str>, oif: Option<&str>, named: &[&str]) -> (String, String) {
        let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
        let (host, interfaces) = Interfaces::forwarding(iif, oif, &named).unwrap();
        let name = |index: Option<IfIndex>| host.interface(index.unwrap()).unwrap().name.to_string();
        (name(interfaces.unnamed), name(host.forward_to))
    }

    #[test]
    fn without_a_host_packets_leave_by_the_other_interface() {
        let names = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(pair(None, None, &[]), names("eth0", "eth1"));
        assert_eq!(pair(None, None, &["lan0", "wan0"]), names("lan0", "wan0"));
        assert_eq!(pair(None, None, &["wan0"]), names("wan0", "eth1"));
        assert_eq!(pair(Some("a"), Some("b"), &["lan0", "wan0"]), names("a", "b"));
        assert_eq!(pair(None, Some("b"), &["b", "c"]).1, "b");
        assert!(matches!(
            Interfaces::forwarding(Some("a/b"), None, &[]),
            Err(InterfaceError::BadName { option: "--iif", .. })
        ));
    }
}
