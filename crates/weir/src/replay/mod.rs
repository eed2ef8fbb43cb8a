//! `weir replay`: packets of captures through a ruleset.
//!
//! ```text
//!  captures ─ interfaces ─► engine ─► outputs (--out, --dropped)
//!                             │ tally (an observer): hits, drops, traces
//!                             ▼
//!                    collect ─► report ─► human | JSON | html
//! ```

pub mod collect;
pub mod html;
pub mod human;
pub mod interfaces;
pub mod options;
pub mod output;
pub mod progress;
pub mod report;
pub mod rules;
pub mod run;
pub mod tally;

use std::ffi::OsString;
use std::process::ExitCode;

pub use options::Options;
pub use run::{Prepared, ReplayError, prepare, run};

use crate::cli::{complain, print};

/// Runs the command line.
pub fn main(arguments: &[OsString]) -> ExitCode {
    let options = match options::parse(arguments) {
        Ok(options) => options,
        Err(error) if error.use_stderr() => {
            complain(&error.to_string());
            return ExitCode::from(1);
        }
        Err(help) => return print(&help.to_string()),
    };
    match run(&options) {
        Ok(text) => print(&text),
        Err(error) => {
            complain(&format!("weir replay: {error}\n"));
            ExitCode::from(1)
        }
    }
}
