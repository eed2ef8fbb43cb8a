//! Ports in the configuration: `[[port]]`, and `interfaces` for those that need no more than their name.

use std::path::{Path, PathBuf};

use ironweir_io::bpf::Mode;
use ironweir_io::port::XdpOptions;
use ironweir_io::port::xdp::{Copying, Partial};
use serde::Deserialize;

use super::port_wrappers::{self, FaultsEntry, RateEntry, RecordEntry, Wrappers};

/// A port as configured.
#[derive(Clone, Debug, PartialEq)]
pub struct PortConfig {
    /// The interface of the host file that it is.
    pub name: String,
    /// Where frames come from and go to.
    pub kind: PortKind,
    /// What is put over it.
    pub wrappers: Wrappers,
}

/// Where a port's frames come from and go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortKind {
    /// An interface of this machine, through a packet socket.
    Packet {
        /// Its name here.
        device: String,
    },
    /// An interface of this machine, through `AF_XDP`.
    Xdp {
        /// Its name here.
        device: String,
        /// What can be chosen.
        options: XdpOptions,
    },
    /// A TAP device.
    Tap {
        /// Its name here.
        device: String,
    },
    /// A TUN device.
    Tun {
        /// Its name here.
        device: String,
    },
    /// Captures.
    Capture {
        /// What comes.
        read: Option<PathBuf>,
        /// What is sent.
        write: Option<PathBuf>,
        /// Frames come at the capture's pace.
        paced: bool,
    },
    /// A virtual machine over a stream socket.
    Stream {
        /// Who listens.
        end: End,
        /// The socket's file.
        path: PathBuf,
    },
    /// A virtual machine over a datagram socket.
    Datagram {
        /// Our socket's file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// The other's; who comes, without.
        peer: Option<PathBuf>,
    },
}

/// Which end of a stream socket is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Others come to us; the file has these permissions.
    Listens(u32),
    /// We go to others.
    Connects,
}

impl PortKind {
    /// The interface of this machine whose frames its own stack must not see.
    pub fn taken(&self) -> Option<&str> {
        match self {
            // What has no socket in XDP goes on to the kernel.
            PortKind::Packet { device } | PortKind::Xdp { device, .. } => Some(device),
            PortKind::Tap { .. }
            | PortKind::Tun { .. }
            | PortKind::Stream { .. }
            | PortKind::Datagram { .. }
            | PortKind::Capture { .. } => None,
        }
    }
}

impl PortKind {
    /// Whether somebody may be at the other end from the start who knows addresses by Ethernet's.
    pub fn has_link(&self) -> bool {
        matches!(self, PortKind::Packet { .. } | PortKind::Xdp { .. } | PortKind::Tap { .. })
    }
}

/// What is wrong with a port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortConfigError {
    /// No such type.
    #[error("port {name}: {kind:?} is no type of port; known are {}", KINDS.map(|(kind, ..)| kind).join(", "))]
    Kind {
        /// The port.
        name: String,
        /// What it says.
        kind: String,
    },
    /// A setting of another type.
    #[error("port {name}: {setting} is no setting of type {kind}")]
    Setting {
        /// The port.
        name: String,
        /// The setting.
        setting: &'static str,
        /// The port's type.
        kind: &'static str,
    },
    /// Something is missing.
    #[error("port {name}: type {kind} needs {settings}")]
    Missing {
        /// The port.
        name: String,
        /// The port's type.
        kind: &'static str,
        /// The setting, or which of them.
        settings: &'static str,
    },
    /// Two settings of which one alone can be.
    #[error("port {name}: {one} and {other} exclude each other")]
    Both {
        /// The port.
        name: String,
        /// The one.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
    /// A setting's value cannot be.
    #[error("port {name}: {setting}: {value} is not {wanted}")]
    Value {
        /// The port.
        name: String,
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What it can be.
        wanted: &'static str,
    },
    /// The same name again.
    #[error("port {0} is there twice")]
    Twice(String),
}

/// Types, and which settings each has besides those of all.
const KINDS: [(&str, &[&str]); 7] = [
    ("packet", &["device"]),
    ("xdp", &["device", "xdp_mode", "copy", "partial_checksums"]),
    ("tap", &["device"]),
    ("tun", &["device"]),
    ("stream", &["listen", "connect", "mode"]),
    ("dgram", &["listen", "peer", "mode"]),
    ("capture", &["read", "write", "paced"]),
];

/// One `[[port]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    name: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    device: Option<String>,
    xdp_mode: Option<String>,
    copy: Option<String>,
    partial_checksums: Option<bool>,
    listen: Option<PathBuf>,
    connect: Option<PathBuf>,
    peer: Option<PathBuf>,
    mode: Option<String>,
    read: Option<PathBuf>,
    write: Option<PathBuf>,
    paced: Option<bool>,
    record: Option<RecordEntry>,
    faults: Option<FaultsEntry>,
    rate: Option<RateEntry>,
}

impl Entry {
    /// The short form: an interface of this machine by its name.
    pub(super) fn interface(name: String) -> Entry {
        Entry { name, ..Entry::default() }
    }

    /// Checks it; relative paths are beside the configuration.
    pub(super) fn check(self, directory: &Path) -> Result<PortConfig, PortConfigError> {
        let name = self.name.clone();
        let said = self.kind.as_deref().unwrap_or("packet");
        let Some((kind, settings)) = KINDS.into_iter().find(|(kind, _)| *kind == said) else {
            return Err(PortConfigError::Kind { name, kind: said.to_owned() });
        };
        let strange = self.said().find(|setting| !settings.contains(setting));
        if let Some(setting) = strange {
            return Err(PortConfigError::Setting { name, setting, kind });
        }
        let missing = |settings| PortConfigError::Missing { name: name.clone(), kind, settings };
        let mode = self.permissions()?;
        let options = self.xdp()?;
        let beside = |path: PathBuf| directory.join(path);
        let device = self.device.unwrap_or_else(|| name.clone());
        let wrappers = port_wrappers::check(&name, directory, self.record, self.faults, self.rate)?;
        let kind = match kind {
            "stream" => {
                let (end, path) = match (self.listen, self.connect) {
                    (Some(path), None) => (End::Listens(mode), path),
                    (None, Some(path)) => (End::Connects, path),
                    (None, None) => return Err(missing("listen or connect")),
                    (Some(_), Some(_)) => {
                        return Err(PortConfigError::Both { name, one: "listen", other: "connect" });
                    }
                };
                PortKind::Stream { end, path: beside(path) }
            }
            "dgram" => {
                let path = beside(self.listen.ok_or_else(|| missing("listen"))?);
                PortKind::Datagram { path, mode, peer: self.peer.map(beside) }
            }
            "capture" if self.read.is_none() && self.write.is_none() => return Err(missing("read or write")),
            "capture" => PortKind::Capture {
                read: self.read.map(beside),
                write: self.write.map(beside),
                paced: self.paced.unwrap_or_default(),
            },
            "xdp" => PortKind::Xdp { device, options },
            "tap" => PortKind::Tap { device },
            "tun" => PortKind::Tun { device },
            _ => PortKind::Packet { device },
        };
        Ok(PortConfig { name, kind, wrappers })
    }

    /// The settings that not all types have and that it says.
    fn said(&self) -> impl Iterator<Item = &'static str> {
        [
            ("device", self.device.is_some()),
            ("xdp_mode", self.xdp_mode.is_some()),
            ("copy", self.copy.is_some()),
            ("partial_checksums", self.partial_checksums.is_some()),
            ("listen", self.listen.is_some()),
            ("connect", self.connect.is_some()),
            ("peer", self.peer.is_some()),
            ("mode", self.mode.is_some()),
            ("read", self.read.is_some()),
            ("write", self.write.is_some()),
            ("paced", self.paced.is_some()),
        ]
        .into_iter()
        .filter_map(|(setting, said)| said.then_some(setting))
    }

    fn xdp(&self) -> Result<XdpOptions, PortConfigError> {
        let wrong = |setting, value: &str, wanted| PortConfigError::Value {
            name: self.name.clone(),
            setting,
            value: format!("{value:?}"),
            wanted,
        };
        let mode = match self.xdp_mode.as_deref() {
            None | Some("auto") => None,
            Some("native") => Some(Mode::Native),
            Some("generic") => Some(Mode::Generic),
            Some(other) => return Err(wrong("xdp_mode", other, "auto, native or generic")),
        };
        let copying = match self.copy.as_deref() {
            None | Some("auto") => Copying::Automatic,
            Some("always") => Copying::Copy,
            Some("never") => Copying::ZeroCopy,
            Some(other) => return Err(wrong("copy", other, "auto, always or never")),
        };
        let partial = match self.partial_checksums {
            None => Partial::Automatic,
            Some(true) => Partial::Yes,
            Some(false) => Partial::No,
        };
        Ok(XdpOptions { mode, copying, partial })
    }

    fn permissions(&self) -> Result<u32, PortConfigError> {
        let Some(mode) = &self.mode else { return Ok(0o600) };
        let number = u32::from_str_radix(mode, 8).ok().filter(|mode| *mode <= 0o777);
        number.ok_or_else(|| PortConfigError::Value {
            name: self.name.clone(),
            setting: "mode",
            value: format!("{mode:?}"),
            wanted: "octal permissions such as \"0600\"",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<PortConfig, String> {
        let entry: Entry = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        entry.check(Path::new("/etc/weir")).map_err(|error| error.to_string())
    }

    #[test]
    fn each_type_has_its_settings() {
        let kind = |text: &str| check(text).unwrap().kind;
        assert_eq!(kind("name = \"lan0\""), PortKind::Packet { device: "lan0".into() });
        assert_eq!(kind("name = \"lan0\"\ndevice = \"eth1\""), PortKind::Packet { device: "eth1".into() });
        let native = XdpOptions { mode: Some(Mode::Native), ..XdpOptions::default() };
        assert_eq!(
            kind("name = \"eth0\"\ntype = \"xdp\"\nxdp_mode = \"native\""),
            PortKind::Xdp { device: "eth0".into(), options: native }
        );
        assert_eq!(
            kind("name = \"vm\"\ntype = \"stream\"\nlisten = \"vm.sock\"\nmode = \"0660\""),
            PortKind::Stream { end: End::Listens(0o660), path: "/etc/weir/vm.sock".into() }
        );
        assert_eq!(
            kind("name = \"up\"\ntype = \"stream\"\nconnect = \"/run/passt\""),
            PortKind::Stream { end: End::Connects, path: "/run/passt".into() }
        );
        assert_eq!(
            kind("name = \"vm\"\ntype = \"dgram\"\nlisten = \"/a\"\npeer = \"/b\""),
            PortKind::Datagram { path: "/a".into(), mode: 0o600, peer: Some("/b".into()) }
        );
    }

    #[test]
    fn any_port_can_be_recorded_disturbed_and_slowed() {
        let port = check(
            "name = \"a\"\ntype = \"tap\"\n[record]\nfile = \"a.pcapng\"\nlimit_mb = 2\n\
             [faults]\nseed = 7\ndrop = 0.5\ndelay = 1\ndelay_ms = 30\n[rate]\nbits = 1000000\nburst_ms = 5",
        )
        .unwrap();
        assert_eq!(port.kind, PortKind::Tap { device: "a".into() });
        assert_eq!(port.wrappers.record, Some(("/etc/weir/a.pcapng".into(), 2 << 20)));
        let faults = port.wrappers.faults.unwrap();
        assert_eq!((faults.seed, faults.drop, faults.delay, faults.late.as_millis()), (7, 0.5, 1.0, 30));
        let rate = port.wrappers.rate.unwrap();
        assert_eq!((rate.bits, rate.packets, rate.burst.as_millis()), (Some(1_000_000), None, 5));
    }

    #[test]
    fn errors_name_the_port_and_the_setting() {
        for (text, message) in [
            ("name = \"a\"\ntype = \"tape\"", "port a: \"tape\" is no type of port; known are packet, "),
            ("name = \"a\"\nlisten = \"x\"", "port a: listen is no setting of type packet"),
            ("name = \"a\"\ntype = \"stream\"", "port a: type stream needs listen or connect"),
            (
                "name = \"a\"\ntype = \"stream\"\nlisten = \"x\"\nconnect = \"y\"",
                "port a: listen and connect exclude each other",
            ),
            ("name = \"a\"\ntype = \"dgram\"\npeer = \"x\"", "port a: type dgram needs listen"),
            (
                "name = \"a\"\ntype = \"dgram\"\nlisten = \"x\"\nmode = \"rw\"",
                "port a: mode: \"rw\" is not octal",
            ),
            (
                "name = \"a\"\ntype = \"xdp\"\ncopy = \"no\"",
                "port a: copy: \"no\" is not auto, always or never",
            ),
            ("name = \"a\"\ntype = \"capture\"", "port a: type capture needs read or write"),
            ("name = \"a\"\n[faults]\ndrop = 2", "port a: faults.drop: 2 is not a probability"),
            ("name = \"a\"\n[rate]\nbits = 0", "port a: rate.bits: 0 is not a number per second"),
            ("name = \"a\"\n[rate]\nbytes = 0", "unknown field `bytes`"),
            ("type = \"stream\"", "missing field `name`"),
            ("name = \"a\"\ncolour = 1", "unknown field `colour`"),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.starts_with(message), "{text:?}: {error}");
        }
    }
}
