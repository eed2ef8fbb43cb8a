//! What `weir top` can be told.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Show what passes now: connections by rate, rules by what they count, why packets end.
///
/// Of a daemon (weir run), or of the running kernel, which does not tell why packets end, and counts connections only with
/// net.netfilter.nf_conntrack_acct. Rules are shown if they have a counter. On a terminal it goes on until q; keys: s sorts
/// another way, / sets a filter, f r d show or hide flows, rules and drops, + and - change the interval, space holds.
#[derive(Clone, Debug, Parser)]
#[command(name = "weir top", version, max_term_width = 100)]
pub struct Options {
    /// The daemon's socket; without it, the kernel of this network namespace
    #[arg(long, value_name = "SOCKET")]
    pub engine: Option<PathBuf>,
    /// Print one page as plain text, and end
    #[arg(long, conflicts_with = "batch")]
    pub once: bool,
    /// Print so many pages as plain text, one behind the other, and end
    #[arg(long, value_name = "N")]
    pub batch: Option<u64>,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = interval)]
    pub interval: f64,
    /// What flows and rules are sorted by
    #[arg(long, value_enum, default_value_t)]
    pub sort: Sort,
    /// Only lines that hold all of these words
    #[arg(long, default_value = "", hide_default_value = true, value_name = "WORDS")]
    pub filter: String,
    /// What is shown
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [View::Flows, View::Rules, View::Drops])]
    pub show: Vec<View>,
    /// Lines of each part, in plain text
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub lines: usize,
}

/// What lines are sorted by, the most first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// Bytes per second
    #[default]
    Rate,
    /// Packets per second
    Packets,
    /// Bytes so far
    Bytes,
}

impl Sort {
    /// The next way.
    pub fn next(self) -> Sort {
        match self {
            Sort::Rate => Sort::Packets,
            Sort::Packets => Sort::Bytes,
            Sort::Bytes => Sort::Rate,
        }
    }
}

/// A part of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum View {
    /// Connections
    Flows,
    /// Rules with counters
    Rules,
    /// Why packets ended
    Drops,
}

impl Options {
    /// How many pages there are to be, if the terminal is not to be used.
    pub fn times(&self) -> Option<u64> {
        if self.once { Some(1) } else { self.batch }
    }

    /// How long between two looks.
    pub fn interval(&self) -> Duration {
        Duration::from_secs_f64(self.interval)
    }

    /// Whether a part is shown.
    pub fn shows(&self, view: View) -> bool {
        self.show.contains(&view)
    }

    /// Shows a part, or hides it.
    pub fn toggle(&mut self, view: View) {
        match self.show.iter().position(|shown| *shown == view) {
            Some(at) => drop(self.show.remove(at)),
            None => self.show.push(view),
        }
    }

    /// Whether a line holds all words of the filter.
    pub fn lets_pass(&self, line: &str) -> bool {
        self.filter.split_whitespace().all(|word| line.contains(word))
    }
}

fn interval(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.05..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("seconds from 0.05 to 3600 are wanted".into()),
    }
}

/// Reads a command line without the program's name.
///
/// # Errors
/// What is wrong with it, or what `--help` prints.
pub fn parse(arguments: &[OsString]) -> Result<Options, clap::Error> {
    let name = OsString::from("weir top");
    Options::try_parse_from(std::iter::once(&name).chain(arguments))
}
