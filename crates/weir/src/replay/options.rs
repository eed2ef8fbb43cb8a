//! What `weir replay` can be told.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;

/// Filter captures through a ruleset and say what became of every packet, and why.
///
/// Time is taken from the captures; no privileges are needed and nothing is sent. Without --host every packet is
/// forwarded: from the interface the capture names (or --iif, or eth0) to --oif (or the other interface the capture
/// names, or eth1).
#[derive(Clone, Debug, Parser)]
#[command(name = "weir replay", version, max_term_width = 100)]
pub struct Options {
    /// The ruleset, in nft's language; - is standard input
    pub rules: PathBuf,
    /// Captures (pcap or pcapng, gzip or not), replayed one after the other
    #[arg(required = true)]
    pub captures: Vec<PathBuf>,
    /// The machine that the rules run on: interfaces, routes, neighbours (TOML)
    #[arg(long, value_name = "FILE")]
    pub host: Option<PathBuf>,
    /// The interface that every packet comes in by, whatever the capture says
    #[arg(long, value_name = "NAME")]
    pub iif: Option<String>,
    /// Without --host: the interface that packets are forwarded to
    #[arg(long, value_name = "NAME", conflicts_with = "host")]
    pub oif: Option<String>,
    /// Print the report as one JSON document
    #[arg(long)]
    pub json: bool,
    /// Write the packets that passed, as they leave, to this pcapng file
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write the other packets, as they came, with the reason in their comment
    #[arg(long, value_name = "FILE")]
    pub dropped: Option<PathBuf>,
    /// Print the way of each packet that this nft match holds for, as `nft monitor trace` does
    #[arg(long, value_name = "MATCH")]
    pub trace: Option<String>,
    /// Print the ruleset afterwards, with its counters
    #[arg(long)]
    pub list: bool,
    /// Write a page that shows hooks, chains and rules with their share of the packets
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Show no progress bar
    #[arg(long)]
    pub no_progress: bool,
    /// Define a variable of the ruleset
    #[arg(short = 'D', long = "define", value_name = "NAME=VALUE", value_parser = definition)]
    pub defines: Vec<(String, String)>,
    /// Look for included files in this directory; default /etc
    #[arg(short = 'I', long = "includepath", value_name = "DIR")]
    pub include_paths: Vec<PathBuf>,
    /// Seed of all random choices (ports of masquerade, numgen random ...)
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

fn definition(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// Reads a command line without the program's name.
///
/// # Errors
/// What is wrong with it, or what `--help` prints.
pub fn parse(arguments: &[OsString]) -> Result<Options, clap::Error> {
    let name = OsString::from("weir replay");
    Options::try_parse_from(std::iter::once(&name).chain(arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Options::command().debug_assert();
        let options =
            parse(&["r.nft", "a.pcap", "b.pcap", "--trace", "tcp dport 22", "-Da=b"].map(Into::into));
        let options = options.unwrap();
        assert_eq!((options.captures.len(), options.trace.as_deref()), (2, Some("tcp dport 22")));
        assert_eq!(options.defines, [("a".to_owned(), "b".to_owned())]);
        assert!(parse(&["r.nft"].map(Into::into)).is_err());
    }
}
