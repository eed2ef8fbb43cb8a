//! The running kernel's nf_tables, of the network namespace that this process is in.

mod commit;
mod fetch;

use ironweir_io::NetlinkError;
use ironweir_ruleset::Ruleset;
use ironweir_ruleset::store::Mirror;
use ironweir_wire::Instant;

use crate::connection::{AskError, Connection};

pub use commit::CommitError;

/// The kernel as a place for rulesets: what is known of its ruleset, and the way to ask and change it.
#[derive(Debug)]
pub struct Kernel {
    connection: Connection,
    /// What was fetched last.
    mirror: Mirror,
    /// Which generation of the kernel's ruleset the mirror shows; `None` where nothing was fetched.
    generation: Option<u32>,
    /// When that was.
    now: Instant,
}

/// Why the kernel's ruleset cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The kernel does not answer, or not so that it can be understood.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The ruleset changed during every attempt.
    #[error("the ruleset changed during every attempt to read it")]
    Restless,
}

impl Kernel {
    /// Opens a socket to it.
    ///
    /// # Errors
    /// [`NetlinkError::Open`].
    pub fn open() -> Result<Kernel, NetlinkError> {
        Ok(Kernel {
            connection: Connection::open()?,
            mirror: Mirror::default(),
            generation: None,
            now: Instant::default(),
        })
    }

    /// What was fetched last.
    pub fn ruleset(&self) -> &Ruleset {
        self.mirror.ruleset()
    }

    /// When that was.
    pub fn now(&self) -> Instant {
        self.now
    }
}
