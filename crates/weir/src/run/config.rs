//! The configuration of `weir run`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

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
    /// Interfaces without a host file.
    #[error("{path}: interfaces need a host file that says their addresses and routes", path = path.display())]
    NoHost {
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where clients come in.
    pub socket: PathBuf,
    /// Permissions of that file.
    pub mode: u32,
    /// The ruleset to begin with.
    pub rules: Option<PathBuf>,
    /// The host file.
    pub host: Option<PathBuf>,
    /// Names of interfaces that are taken from the kernel.
    pub interfaces: Vec<String>,
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
    #[serde(default)]
    interfaces: Vec<String>,
}

fn default_socket() -> PathBuf {
    "/run/weir/weir.sock".into()
}

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
            let start = error.span().map_or(0, |span| span.start).min(text.len());
            let line = 1 + text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count();
            ConfigError::Syntax { path: path.to_owned(), line, message: error.message().to_owned() }
        })?;
        let mode = u32::from_str_radix(&file.mode, 8).ok().filter(|mode| *mode <= 0o777);
        let mode =
            mode.ok_or_else(|| ConfigError::Mode { path: path.to_owned(), mode: file.mode.clone() })?;
        // A host that nobody described has no addresses to route between.
        if !file.interfaces.is_empty() && file.host.is_none() {
            return Err(ConfigError::NoHost { path: path.to_owned() });
        }
        let beside = |name: PathBuf| path.parent().unwrap_or(Path::new("")).join(name);
        Ok(Config {
            socket: file.socket,
            mode,
            rules: file.rules.map(beside),
            host: file.host.map(beside),
            interfaces: file.interfaces,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("/etc/weir/weir.toml"), text).map_err(|error| error.to_string())
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
    fn what_is_no_setting_is_told_with_its_line() {
        assert!(parse("\nsockets = 1").unwrap_err().starts_with("/etc/weir/weir.toml:2: unknown field"));
        assert!(parse("mode = \"rw\"").unwrap_err().contains("\"rw\" is not octal"));
        assert!(parse("mode = \"7777\"").is_err());
    }
}
