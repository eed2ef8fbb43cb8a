//! The program under test: this crate over a ruleset in memory.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// A ruleset in memory and what a command does to it.
#[derive(Clone, Default)]
pub struct World {}

/// What a run printed.
#[derive(Debug, Default)]
pub struct Output {
    /// Listings.
    pub listing: String,
    /// `--debug=netlink`.
    pub bytecode: String,
}

/// Why nothing was changed.
#[derive(Debug)]
pub enum Refusal {
    /// An ordinary error, as text.
    Error(String),
    /// A panic.
    Crash(String),
}

impl Refusal {
    /// The first line of it.
    pub fn first_line(&self) -> String {
        match self {
            Refusal::Error(text) => text.lines().next().unwrap_or("no message").to_string(),
            Refusal::Crash(text) => format!("CRASH: {text}"),
        }
    }
}

impl World {
    /// Runs a file's text as one transaction. Options are those of `-s -p`.
    pub fn run(&mut self, text: &str) -> Result<Output, Refusal> {
        catch_unwind(AssertUnwindSafe(|| self.run_unguarded(text)))
            .unwrap_or_else(|panic| Err(Refusal::Crash(panic_text(&*panic))))
    }

    fn run_unguarded(&mut self, _text: &str) -> Result<Output, Refusal> {
        Err(Refusal::Error("not yet".to_string()))
    }
}

fn panic_text(panic: &dyn std::any::Any) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
