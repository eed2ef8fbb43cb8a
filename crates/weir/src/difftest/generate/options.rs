//! What `weir difftest generate` can be told.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;

/// Send packets through rulesets made by chance, in the running kernel and in the engine, and compare.
///
/// Without captures the packets are made by chance, too. What parts the two is made small and printed; the same seed makes
/// the same rules and packets again. Needs root.
#[derive(Clone, Debug, Parser)]
#[command(name = "weir difftest generate", version, max_term_width = 100)]
pub struct Options {
    /// Captures (pcap or pcapng, gzip or not) that pass each ruleset, instead of packets by chance
    pub captures: Vec<PathBuf>,
    /// The first ruleset's seed; those that follow have the next numbers
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// So many sequences of packets, twenty for each ruleset
    #[arg(long, value_name = "N", default_value_t = 1000, conflicts_with = "captures")]
    pub sequences: usize,
    /// So many rulesets
    #[arg(long, value_name = "N", default_value_t = 20, requires = "captures")]
    pub rulesets: usize,
    /// Take no more than so many packets of each capture
    #[arg(long, value_name = "N", requires = "captures")]
    pub packets: Option<usize>,
    /// End after so many differences
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub differences: usize,
    /// So many routers at once, a processor each
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub jobs: usize,
}

/// Reads a command line without the program's name.
///
/// # Errors
/// What is wrong with it, or what `--help` prints.
pub fn parse(arguments: &[OsString]) -> Result<Options, clap::Error> {
    let name = OsString::from("weir difftest generate");
    Options::try_parse_from(std::iter::once(&name).chain(arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Options::command().debug_assert();
        assert!(parse(&["--rulesets", "3"].map(Into::into)).is_err(), "rulesets are counted with captures");
        assert_eq!(parse(&["--rulesets", "3", "a.pcap"].map(Into::into)).unwrap().rulesets, 3);
    }
}
