//! `weir replay`: packets of captures through a ruleset.

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the command line.
pub fn main(arguments: &[OsString]) -> ExitCode {
    let _ = arguments;
    crate::cli::complain("weir replay: not built yet\n");
    ExitCode::from(1)
}
