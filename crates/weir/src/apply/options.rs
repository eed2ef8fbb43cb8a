//! What `weir apply` can be told.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// Make the loaded ruleset what a file says, touching only what differs, and roll back unless confirmed.
///
/// The file says by itself what its tables shall hold. What is the same stays, with its counters, its handle and the
/// elements that packets added; tables that the file does not name stay as they are. With --confirm a process of its
/// own brings the old state back unless it is told in time that all is well, by Enter here or by `weir apply confirm`
/// anywhere; it needs no terminal and does not end with this one.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "weir apply",
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true
)]
pub struct Options {
    /// Speak with an apply that waits for its confirmation
    #[command(subcommand)]
    pub control: Option<Control>,
    /// The ruleset, in nft's language or its JSON; - is standard input
    #[arg(required = true)]
    pub file: Option<PathBuf>,
    /// Roll back unless confirmed within this time, such as 60s or 5m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub confirm: Option<Duration>,
    /// Show the difference and whether it could be applied; change nothing
    #[arg(long, conflicts_with = "confirm")]
    pub dry_run: bool,
    /// Also delete tables that the file does not name, but for those of other owners and of iptables-nft
    #[arg(long)]
    pub prune: bool,
    /// Do not ask on the terminal before the change
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// Print the difference as JSON
    #[arg(long)]
    pub json: bool,
    /// Define a variable of the ruleset
    #[arg(short = 'D', long = "define", value_name = "NAME=VALUE", value_parser = definition)]
    pub defines: Vec<(String, String)>,
    /// Look for included files in this directory; default /etc
    #[arg(short = 'I', long = "includepath", value_name = "DIR")]
    pub include_paths: Vec<PathBuf>,
}

/// What else can be asked for.
#[derive(Clone, Debug, Subcommand)]
pub enum Control {
    /// Keep what is applied
    Confirm,
    /// Bring the old state back now
    Rollback,
    /// Tell what waits for its confirmation
    Status,
    /// The process that rolls back; started by `weir apply --confirm`
    #[command(hide = true)]
    Guard(Guard),
}

/// What the process that rolls back is told.
#[derive(Clone, Debug, clap::Args)]
pub struct Guard {
    /// How long it waits, in milliseconds
    #[arg(long)]
    pub milliseconds: u64,
    /// What is applied, for messages
    #[arg(long)]
    pub name: String,
    /// Tables to bring back, as `family name`
    #[arg(long = "table", value_parser = table)]
    pub tables: Vec<ironweir_ruleset::TableId>,
}

/// A time such as `90`, `90s`, `5m`, `1h30m`: seconds where no unit is given. A day at most.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a time such as 60s or 5m, up to a day".to_owned();
    let (mut seconds, mut number) = (0u64, None::<u64>);
    for c in text.chars() {
        let unit = match c {
            '0'..='9' => {
                let digit = u64::from(c as u32 - '0' as u32);
                number = Some(number.unwrap_or(0).saturating_mul(10).saturating_add(digit));
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3600,
            _ => return Err(wrong()),
        };
        seconds = seconds.saturating_add(number.take().ok_or_else(wrong)?.saturating_mul(unit));
    }
    seconds = seconds.saturating_add(number.unwrap_or(0));
    if (1..=86_400).contains(&seconds) { Ok(Duration::from_secs(seconds)) } else { Err(wrong()) }
}

fn definition(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

fn table(text: &str) -> Result<ironweir_ruleset::TableId, String> {
    let found = text.split_once(' ').and_then(|(family, name)| {
        Some(ironweir_ruleset::TableId::new(ironweir_ruleset::Family::from_name(family)?, name))
    });
    found.ok_or_else(|| "expected a family and a name".to_owned())
}

/// Reads a command line without the program's name.
///
/// # Errors
/// What is wrong with it, or what `--help` prints.
pub fn parse(arguments: &[OsString]) -> Result<Options, clap::Error> {
    let name = OsString::from("weir apply");
    Options::try_parse_from(std::iter::once(&name).chain(arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, seconds) in [("60s", 60), ("5m", 300), ("1h30m", 5400), ("90", 90), ("86400", 86_400)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "0", "s", "5x", "1d", "86401", "99999999999999999999999s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_or_a_word_of_control() {
        let parse = |words: &[&str]| parse(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(parse(&["rules.nft", "--confirm", "60s", "--prune"]).is_ok());
        assert!(matches!(parse(&["confirm"]), Ok(Options { control: Some(Control::Confirm), .. })));
        assert!(parse(&[]).is_err());
        assert!(parse(&["rules.nft", "--dry-run", "--confirm", "9"]).is_err());
    }
}
