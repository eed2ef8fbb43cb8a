//! `weir difftest`: the same rules, host and packets through the running kernel and through the engine.
//!
//! ```text
//!  captures ─ frames ─┬─► rig (kernel)    ─┬─ mask ─► leaving frames  ┐
//!                     │                    └─ state ─► rules, sets,   ├─► duel: equal, or the first difference
//!                     └─► mirror (engine)  ── the same two ─────────  ┘
//! ```

pub mod duel;
pub mod frames;
pub mod generate;
pub mod mask;
pub mod mirror;
pub mod options;
pub mod rig;
pub mod run;
pub mod state;
pub mod trace;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::{complain, print};

/// Runs the command line. The exit code is 0 without a difference, 2 with one, 1 if nothing could be compared.
pub fn main(arguments: &[OsString]) -> ExitCode {
    if arguments.first().is_some_and(|first| first == "generate") {
        return generate::main(arguments.get(1..).unwrap_or_default());
    }
    let options = match options::parse(arguments) {
        Ok(options) => options,
        Err(error) if error.use_stderr() => {
            complain(&error.to_string());
            return ExitCode::from(1);
        }
        Err(help) => return print(&help.to_string()),
    };
    match run::run(&options) {
        Ok(report) => {
            print(&report.text);
            ExitCode::from(if report.different { 2 } else { 0 })
        }
        Err(error) => {
            complain(&format!("weir difftest: {error}\n"));
            ExitCode::from(1)
        }
    }
}
