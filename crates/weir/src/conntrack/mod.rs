//! `weir conntrack`: conntrack(8)'s command line.

pub mod address;
pub mod change;
pub mod clock;
pub mod error;
pub mod events;
pub mod expectation;
pub mod filter;
pub mod help;
pub mod json;
pub mod labels;
pub mod options;
pub mod output;
pub mod parse;
pub mod protocol;
pub mod run;
pub mod save;
pub mod text;
pub mod words;
pub mod xml;

use std::ffi::OsString;
use std::process::ExitCode;

pub use error::{Failure, Usage};

use crate::cli::complain;

/// Runs conntrack's command line.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let words: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    match parse::parse(&words).map_err(Failure::from).and_then(run::run) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        // Nobody reads on: as with any listing, that is no failure of ours.
        Err(Failure::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&format!("{}: {failure}\n", error::NAME));
            ExitCode::from(failure.code())
        }
    }
}
