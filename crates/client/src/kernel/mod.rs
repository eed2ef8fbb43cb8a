//! The running kernel's nf_tables, of the network namespace that this process is in; or a daemon's, which answers alike.

mod commit;
mod events;
mod fetch;
mod hooks;
mod names;

use ironweir_io::{Endpoint, NetlinkError};
use ironweir_ruleset::Ruleset;
use ironweir_ruleset::netlink::Event;
use ironweir_ruleset::store::Mirror;
use ironweir_wire::Instant;

use crate::connection::{AskError, Connection};

pub use commit::CommitError;
pub use events::Events;

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
    /// What the kernel echoed of committed batches; `None` where it is not asked to.
    echoes: Option<Vec<Event>>,
    /// Whether the last batch was answered by more than there was room for.
    echoes_lost: bool,
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
        Kernel::open_at(&Endpoint::Kernel)
    }

    /// Opens a socket to it, or to a daemon.
    ///
    /// # Errors
    /// [`NetlinkError::Open`], [`NetlinkError::Connect`].
    pub fn open_at(endpoint: &Endpoint) -> Result<Kernel, NetlinkError> {
        Ok(Kernel {
            connection: Connection::open_at(endpoint)?,
            mirror: Mirror::default(),
            generation: None,
            now: Instant::default(),
            echoes: None,
            echoes_lost: false,
        })
    }

    /// From now on the kernel is asked to send back what a batch makes (`NLM_F_ECHO`).
    pub fn echo(&mut self) {
        self.echoes = Some(Vec::new());
    }

    /// From now on `show` gets everything that the kernel is asked or told, in words (`--debug=mnl`).
    pub fn show_requests(&mut self, show: fn(&str)) {
        self.connection.show_requests(show);
    }

    /// Takes what was sent back since the last time.
    pub fn take_echoes(&mut self) -> Vec<Event> {
        self.echoes.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Whether some of what the last batch made was not sent back, for lack of room.
    pub fn echoes_lost(&self) -> bool {
        self.echoes_lost
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
