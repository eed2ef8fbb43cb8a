//! What `weir difftest` can be told.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;

/// Send the packets of captures through the running kernel and through the engine, and compare.
///
/// The kernel is a router in network namespaces that are made for it and go with the program; nothing of this machine's own
/// network is touched. Compared are the packets that leave, counters, sets and objects, and the connection table. Times
/// between packets are left out. Needs root.
#[derive(Clone, Debug, Parser)]
#[command(name = "weir difftest", version, max_term_width = 100)]
pub struct Options {
    /// The ruleset, in nft's language
    pub rules: PathBuf,
    /// The machine that the rules run on: interfaces, routes, neighbours (TOML)
    pub host: PathBuf,
    /// Captures (pcap or pcapng, gzip or not), each from a fresh start
    #[arg(required = true)]
    pub captures: Vec<PathBuf>,
    /// Take no more than so many packets of each capture
    #[arg(long, value_name = "N")]
    pub packets: Option<usize>,
    /// Compare state after each packet, not only behind the last
    #[arg(long)]
    pub each: bool,
    /// Print every difference in what leaves, not the first alone
    #[arg(long)]
    pub all: bool,
}

/// Reads a command line without the program's name.
///
/// # Errors
/// What is wrong with it, or what `--help` prints.
pub fn parse(arguments: &[OsString]) -> Result<Options, clap::Error> {
    let name = OsString::from("weir difftest");
    Options::try_parse_from(std::iter::once(&name).chain(arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Options::command().debug_assert();
        assert!(parse(&["r.nft", "h.toml"].map(Into::into)).is_err());
    }
}
