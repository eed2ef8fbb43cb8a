//! `weir nft`: nft's command line.

mod options;

use std::ffi::OsString;
use std::process::ExitCode;

pub use options::{Engine, Input, Options, parse};

use crate::cli::complain;

/// Runs nft's command line.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    match parse(arguments) {
        Ok(options::Parsed::Run(_)) => {
            complain("weir nft: not built yet\n");
            ExitCode::from(1)
        }
        Ok(options::Parsed::Print(text)) => crate::cli::print(&text),
        Err(error) => {
            complain(&format!("{error}\n"));
            ExitCode::from(1)
        }
    }
}
