//! The configuration of `weir run`.

use std::path::{Path, PathBuf};

use ironweir_router::xdp::{DEFAULT_FLOWS, MAX_FLOWS};
use serde::Deserialize;
use toml::Spanned;

use super::metrics::MetricsAddress;
use super::port_config::{Entry, PortConfig, PortConfigError};

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("{path}: {error}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: String,
    },
    /// It is no TOML, or says something that is no setting.
    #[error("{path}:{line}: {message}", path = path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A port cannot be as it is said.
    #[error("{path}:{line}: {error}", path = path.display())]
    Port {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        error: PortConfigError,
    },
    /// A port that is no interface of this machine, without a host file.
    #[error("{path}: port {port} needs a host file that says its addresses and routes", path = path.display())]
    NoHost {
        /// The file.
        path: PathBuf,
        /// The port.
        port: String,
    },
    /// A reload changes rules alone.
    #[error("{path}: other settings than the rules changed, which takes a restart", path = path.display())]
    NeedsRestart {
        /// The file.
        path: PathBuf,
    },
    /// The mode is no number of three octal digits.
    #[error("{path}: mode {mode:?} is not octal permissions such as \"0600\"", path = path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// What it says.
        mode: String,
    },
}

/// What a daemon does.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where clients come in.
    pub socket: PathBuf,
    /// Permissions of that file.
    pub mode: u32,
    /// The ruleset to begin with.
    pub rules: Option<PathBuf>,
    /// The host file; without one, addresses, routes and neighbours are followed from the kernel.
    pub host: Option<PathBuf>,
    /// Name of the device by which this machine's own packets come and go; none where a host file says what the host is.
    pub device: Option<String>,
    /// Where frames come from and go to.
    pub ports: Vec<PortConfig>,
    /// Room for so many connections in XDP, if flowtables are to be carried there.
    pub xdp_flows: Option<usize>,
    /// Where the state is kept across a restart.
    pub state: Option<PathBuf>,
    /// Where metrics are read.
    pub metrics: Option<MetricsAddress>,
    /// Where the rules are refused or the state is damaged, nothing passes; else the daemon does not start, or starts anew.
    pub fail_closed: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "default_socket")]
    socket: PathBuf,
    #[serde(default = "default_mode")]
    mode: String,
    rules: Option<PathBuf>,
    host: Option<PathBuf>,
    #[serde(default = "default_device")]
    device: String,
    state: Option<PathBuf>,
    metrics: Option<String>,
    #[serde(default)]
    interfaces: Vec<Spanned<String>>,
    #[serde(default)]
    port: Vec<Spanned<Entry>>,
    #[serde(default)]
    xdp_flowtable: bool,
    xdp_flows: Option<Spanned<usize>>,
    #[serde(default)]
    fail_closed: bool,
}

fn default_socket() -> PathBuf {
    "/run/weir/weir.sock".into()
}

fn default_device() -> String {
    "weir0".into()
}

/// What `host` says for no host file.
const KERNEL: &str = "kernel";

fn default_mode() -> String {
    "0600".into()
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError`], which names the file and the place.
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        let text = crate::files::read_text(path)
            .map_err(|error| ConfigError::Read { path: path.to_owned(), error: error.to_string() })?;
        Config::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
        let file: File = toml::from_str(text).map_err(|error| {
            let line = line_of(text, error.span().map_or(0, |span| span.start));
            ConfigError::Syntax { path: path.to_owned(), line, message: error.message().to_owned() }
        })?;
        let mode = u32::from_str_radix(&file.mode, 8).ok().filter(|mode| *mode <= 0o777);
        let mode =
            mode.ok_or_else(|| ConfigError::Mode { path: path.to_owned(), mode: file.mode.clone() })?;
        let directory = path.parent().unwrap_or(Path::new(""));
        let beside = |name: PathBuf| directory.join(name);
        let mut ports: Vec<PortConfig> = Vec::new();
        let interfaces =
            file.interfaces.into_iter().map(|name| (name.span().start, Entry::interface(name.into_inner())));
        let entries = file.port.into_iter().map(|entry| (entry.span().start, entry.into_inner()));
        for (at, entry) in interfaces.chain(entries) {
            let port = entry.check(directory).and_then(|port| {
                let twice = ports.iter().any(|other| other.name == port.name);
                if twice { Err(PortConfigError::Twice(port.name)) } else { Ok(port) }
            });
            let wrong = |error| ConfigError::Port { path: path.to_owned(), line: line_of(text, at), error };
            ports.push(port.map_err(wrong)?);
        }
        let host = file.host.filter(|host| host.as_os_str() != KERNEL);
        // The kernel does not know what nobody has told it.
        let unknown = ports.iter().find(|port| port.kind.taken() != Some(&port.name));
        if let (None, Some(port)) = (&host, unknown) {
            return Err(ConfigError::NoHost { path: path.to_owned(), port: port.name.clone() });
        }
        let device =
            Some(file.device).filter(|device| host.is_none() && !ports.is_empty() && !device.is_empty());
        let xdp_flows = match file.xdp_flows {
            Some(flows) if !(1..=MAX_FLOWS).contains(flows.get_ref()) => {
                let message = format!("xdp_flows: {} is not 1 to {MAX_FLOWS}", flows.get_ref());
                let line = line_of(text, flows.span().start);
                return Err(ConfigError::Syntax { path: path.to_owned(), line, message });
            }
            Some(flows) => flows.into_inner(),
            None => DEFAULT_FLOWS,
        };
        Ok(Config {
            socket: file.socket,
            mode,
            rules: file.rules.map(beside),
            host: host.map(beside),
            device,
            ports,
            xdp_flows: file.xdp_flowtable.then_some(xdp_flows),
            state: file.state.map(beside),
            metrics: file.metrics.as_deref().map(MetricsAddress::parse),
            fail_closed: file.fail_closed,
        })
    }
}

/// The line of a byte of the text, from 1.
fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("/etc/weir/weir.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn the_packaged_configuration_is_one() {
        let text = include_str!("../../../../packaging/weir.toml");
        let config = parse(text).unwrap();
        assert_eq!(config.metrics, Some(MetricsAddress::Tcp("127.0.0.1:9469".into())));
        assert_eq!(config.state, Some("/var/lib/weir/state".into()));
        // Every setting that is commented out is one as well, but for those that need files.
        let lines = text
            .lines()
            .map(|line| line.strip_prefix("# ").filter(|line| line.contains(" = ")).unwrap_or(line));
        let all: String = lines.map(|line| format!("{line}\n")).collect();
        let config = parse(&all).unwrap();
        assert!(config.rules.is_some() && config.host.is_some() && config.ports.len() == 2);
    }

    #[test]
    fn paths_lie_beside_the_configuration() {
        let config =
            parse("socket = \"/tmp/s\"\nrules = \"a.nft\"\nhost = \"/h.toml\"\nmode = \"660\"").unwrap();
        assert_eq!(config.rules, Some("/etc/weir/a.nft".into()));
        assert_eq!(config.host, Some("/h.toml".into()));
        assert_eq!(config.mode, 0o660);
        assert_eq!(parse("").unwrap().socket, Path::new("/run/weir/weir.sock"));
    }

    #[test]
    fn without_a_host_file_the_kernel_is_followed_and_its_packets_have_a_device() {
        let config = parse("interfaces = [\"a\"]").unwrap();
        assert_eq!((config.host, config.device.as_deref()), (None, Some("weir0")));
        let config = parse("host = \"kernel\"\ninterfaces = [\"a\"]\ndevice = \"\"").unwrap();
        assert_eq!((config.host, config.device), (None, None));
        assert_eq!(parse("host = \"h\"\ninterfaces = [\"a\"]").unwrap().device, None);
    }

    #[test]
    fn what_is_no_setting_is_told_with_its_line() {
        assert!(parse("\nsockets = 1").unwrap_err().starts_with("/etc/weir/weir.toml:2: unknown field"));
        assert!(parse("mode = \"rw\"").unwrap_err().contains("\"rw\" is not octal"));
        assert!(parse("mode = \"7777\"").is_err());
    }

    #[test]
    fn flowtables_are_in_xdp_if_that_is_said() {
        assert_eq!(parse("").unwrap().xdp_flows, None);
        assert_eq!(parse("xdp_flowtable = true").unwrap().xdp_flows, Some(65_536));
        assert_eq!(parse("xdp_flowtable = true\nxdp_flows = 9").unwrap().xdp_flows, Some(9));
        let error = parse("\nxdp_flows = 0").unwrap_err();
        assert_eq!(error, "/etc/weir/weir.toml:2: xdp_flows: 0 is not 1 to 524288");
    }

    #[test]
    fn interfaces_are_ports_and_no_name_is_there_twice() {
        let config = parse(
            "host = \"h\"\ninterfaces = [\"lan0\"]\n\n[[port]]\nname = \"vm0\"\ntype = \"stream\"\nlisten = \"s\"",
        )
        .unwrap();
        assert_eq!(config.ports.iter().map(|port| &*port.name).collect::<Vec<_>>(), ["lan0", "vm0"]);
        let error = |text: &str| parse(text).unwrap_err();
        assert_eq!(
            error("[[port]]\nname = \"a\"\ntype = \"stream\"\nlisten = \"s\""),
            "/etc/weir/weir.toml: port a needs a host file that says its addresses and routes"
        );
        assert_eq!(
            error("host = \"h\"\ninterfaces = [\"a\"]\n\n[[port]]\nname = \"a\""),
            "/etc/weir/weir.toml:4: port a is there twice"
        );
        assert_eq!(
            error("\n[[port]]\nname = \"a\"\n\n[[port]]\nname = \"b\"\ntype = \"x\"").split("; ").next(),
            Some("/etc/weir/weir.toml:5: port b: \"x\" is no type of port")
        );
    }
}
