//! `weir apply`: what is loaded becomes what a file says, in one transaction that touches only what differs, and comes
//! back unless it is confirmed.
//!
//! ```text
//!  file ─► declared ─┐                        ┌─► text, to read
//!                    ├─► wanted: difference ──┴─► batch ─► commit ─► confirmed?
//!  loaded ───────────┘                                               │ no, or nobody is left to say so
//!                                    guardian: snapshot ◄── deadline ┘
//! ```

mod guard;
mod guardian;
mod options;
mod rendezvous;
mod run;
mod starter;
pub(crate) mod wanted;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use ironweir_language::session::{Backend, BackendError};

pub use options::{Control, Guard, Options, parse};

use crate::cli::{complain, print};
use rendezvous::{Rendezvous, Request};

/// Opens the place where the ruleset is.
type Open<'a> = &'a dyn Fn() -> Result<Box<dyn Backend>, BackendError>;

/// What an apply came to. A file that is no ruleset, and a change that is refused, are errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// What the file says is loaded, or would be.
    Applied,
    /// The old state is back, or was never left.
    Kept,
}

/// Why an apply failed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // messages say it
pub enum ApplyError {
    #[error("{0}: {1}")]
    File(String, ironweir_language::files::FileError),
    #[error("{0}")]
    Text(String),
    #[error("another apply is under way")]
    Busy,
    #[error("{0}: `weir apply confirm` or `weir apply rollback` first")]
    Pending(String),
    #[error("no apply waits for its confirmation")]
    NothingPending,
    #[error("the change is refused and nothing is changed:\n{0}")]
    Refused(String),
    #[error("the ruleset changes faster than it can be read; nothing is changed")]
    Restless,
    #[error("the ruleset has changed since the difference was shown; nothing is changed")]
    Overtaken,
    #[error("the guardian cannot keep the old state, so nothing is changed: {0}")]
    Guardian(String),
    #[error("the guardian has ended without a word; nothing is changed")]
    GuardianGone,
    #[error("the guardian has ended without a word: the new ruleset stays, and nobody will roll it back")]
    Unguarded,
    #[error("{0}")]
    Told(String),
    #[error(transparent)]
    Backend(#[from] BackendError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs the command line. Exit code 0: applied, and confirmed where that was asked for; 1: an error; 2: the old state is
/// loaded, since it was not confirmed or somebody said no.
pub fn main(arguments: &[OsString]) -> ExitCode {
    let options = match parse(arguments) {
        Ok(options) => options,
        Err(error) if error.use_stderr() => {
            complain(&error.to_string());
            return ExitCode::from(1);
        }
        Err(help) => return print(&help.to_string()),
    };
    let open: Open<'_> = &crate::backend::kernel;
    let ended = match &options.control {
        Some(Control::Guard(guard)) => return guard::main(guard, open),
        Some(Control::Confirm) => control(Request::Confirm),
        Some(Control::Rollback) => control(Request::Rollback),
        Some(Control::Status) => status(),
        None => run::run(&options, open),
    };
    match ended {
        Ok(Ended::Applied) => ExitCode::SUCCESS,
        Ok(Ended::Kept) => ExitCode::from(2),
        Err(error) => {
            complain(&format!("weir apply: {}\n", error.to_string().trim_end()));
            ExitCode::from(1)
        }
    }
}

fn control(request: Request) -> Result<Ended, ApplyError> {
    let answer = Rendezvous::open()?.ask(request)?.ok_or(ApplyError::NothingPending)?;
    match guardian::Answer::from_line(&answer) {
        guardian::Answer::Confirmed => complain("confirmed\n"),
        guardian::Answer::RolledBack => complain("rolled back\n"),
        guardian::Answer::Failed(why) => return Err(ApplyError::Told(why)),
        guardian::Answer::Ready(_) | guardian::Answer::Waiting => return Err(ApplyError::Told(answer)),
    }
    Ok(Ended::Applied)
}

fn status() -> Result<Ended, ApplyError> {
    let told = Rendezvous::open()?.ask(Request::Status)?;
    print(&format!("{}\n", told.as_deref().unwrap_or("no apply waits for its confirmation")));
    Ok(Ended::Applied)
}
