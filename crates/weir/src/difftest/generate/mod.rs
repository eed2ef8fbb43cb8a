//! Rulesets and packets by chance, from a seed: what captures and examples do not think of. What parts kernel and engine is
//! made as small as it gets.

pub mod build;
pub mod campaign;
pub mod chance;
pub mod jobs;
pub mod options;
pub mod packets;
pub mod rules;
pub mod shrink;
pub mod world;

use std::ffi::OsString;
use std::process::ExitCode;

use self::campaign::{Outcome, Task};
use self::options::Options;
use super::frames;
use super::rig::obstacle;
use super::run::DifftestError;
use crate::cli::{complain, print};

/// Runs the command line. The exit code is 0 without a difference, 2 with one, 1 if nothing could be compared.
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
        Ok(outcome) => {
            print(&outcome.line());
            ExitCode::from(if outcome.found.is_empty() { 0 } else { 2 })
        }
        Err(error) => {
            complain(&format!("weir difftest: {error}\n"));
            ExitCode::from(1)
        }
    }
}

/// Compares; differences are printed as they are found.
///
/// # Errors
/// [`DifftestError`].
pub fn run(options: &Options) -> Result<Outcome, DifftestError> {
    if let Some(why) = obstacle() {
        return Err(DifftestError::Obstacle(why));
    }
    let host = world::host()?;
    let task = if options.captures.is_empty() {
        Task::Sequences
    } else {
        let mut captures = Vec::new();
        for path in &options.captures {
            let frames = frames::read(&host, path, options.packets.unwrap_or(usize::MAX))?;
            captures.push((path.display().to_string(), frames.arriving));
        }
        Task::Captures(captures)
    };
    let enough = |outcome: &Outcome| {
        let done = match task {
            Task::Sequences => outcome.sequences >= options.sequences,
            Task::Captures(_) => outcome.rulesets + outcome.refused >= options.rulesets,
        };
        done || outcome.found.len() >= options.differences
    };
    Ok(jobs::run(&host, &task, options.jobs, options.seed, enough, jobs::tell)?)
}
