//! What a session commits to and reads from.

use std::error::Error;

use ironweir_ruleset::netlink::{Event, Hooked};
use ironweir_ruleset::store::{Applied, ChangeError, Errno};
use ironweir_ruleset::{Batch, Element, Family, Hook, Part, Ruleset, TableId};
use ironweir_wire::Instant;

/// A ruleset somewhere.
///
/// What is in this process is always there whole. What is elsewhere - in the kernel, behind a socket - is asked for in
/// parts, so that a command fetches no more than it needs.
pub trait Backend {
    /// What is committed, as far as it was fetched. What a ruleset of this process counts can be reset through it.
    fn ruleset(&self) -> &Ruleset;

    /// The time there.
    fn now(&self) -> Instant;

    /// Makes [`Backend::ruleset`] hold these parts as they are now, and nothing else that is older. What does not exist
    /// is no error.
    ///
    /// # Errors
    /// The ruleset cannot be asked.
    fn fetch(&mut self, parts: &[Part]) -> Result<(), BackendError> {
        let _ = parts;
        Ok(())
    }

    /// Makes the ruleset hold those elements of a set alone that hold these keys, of those that there are; with `reset`,
    /// what they counted begins at zero again there, and is told as it was. A concatenation's key has its end.
    ///
    /// # Errors
    /// The ruleset cannot be asked.
    fn fetch_elements(
        &mut self,
        table: &TableId,
        set: &str,
        keys: &[Element],
        reset: bool,
    ) -> Result<(), BackendError> {
        let _ = (table, set, keys, reset);
        Ok(())
    }

    /// Commits a batch whole or not at all.
    ///
    /// # Errors
    /// Why it was not.
    fn commit(&mut self, batch: &Batch) -> Result<Applied, Rejection>;

    /// What the commits since the last call made, as the ruleset's owner tells it (`-e`), if it was asked to.
    fn take_echoes(&mut self) -> Echoes {
        Echoes::default()
    }

    /// What hangs at a hook, in the order in which it is called.
    ///
    /// # Errors
    /// It cannot be asked, or has no hooks.
    fn hooked(
        &mut self,
        family: Family,
        hook: Hook,
        device: Option<&str>,
    ) -> Result<Vec<Hooked>, BackendError> {
        let _ = (family, hook, device);
        Err(BackendError::Unsupported("hooks are the kernel's: there are none to list here"))
    }

    /// Whether it tells of changes that others make.
    fn has_events(&self) -> bool {
        false
    }

    /// Whether a batch would be committed.
    ///
    /// # Errors
    /// Why it would not.
    fn check(&mut self, batch: &Batch) -> Result<Applied, Rejection> {
        self.ruleset().clone().apply(batch, self.now()).map_err(Rejection::Changes)
    }
}

/// What commits made.
#[derive(Clone, Debug, Default)]
pub struct Echoes {
    /// In the order of the batch.
    pub events: Vec<Event>,
    /// Some are missing: there was no room for them.
    pub lost: bool,
}

/// Why a batch was not committed.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    /// Every change that was refused.
    #[error("{} changes were refused", .0.len())]
    Changes(Vec<ChangeError>),
    /// The ruleset has changed since it was fetched: what was compiled against it may be wrong now.
    #[error("the ruleset has changed meanwhile")]
    Changed,
    /// The backend could not be asked.
    #[error(transparent)]
    Failed(#[from] BackendError),
}

/// Why a backend cannot do anything that it is asked.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The user may not change or read rulesets.
    #[error("Operation not permitted (you must be root)")]
    NotPermitted,
    /// It does not know what is asked at all (`nfnetlink_rcv_msg` without the subsystem).
    #[error("this kernel has no nf_tables: it was built without CONFIG_NF_TABLES, or the module is missing")]
    NoNfTables,
    /// It answers with an error number to the question itself.
    #[error("cache initialization failed: {}", .0.text())]
    Answer(Errno),
    /// It changes faster than it can be read.
    #[error("cache initialization failed: the ruleset changed during every attempt to read it")]
    Restless,
    /// It has nothing of what is asked, such as events.
    #[error("{0}")]
    Unsupported(&'static str),
    /// It cannot be reached, or cannot be understood.
    #[error(transparent)]
    Unreachable(Box<dyn Error + Send + Sync>),
}

/// A ruleset in memory without packets.
#[derive(Clone, Debug)]
pub struct Memory {
    /// The ruleset.
    pub ruleset: Ruleset,
    /// The time; it stands still.
    pub now: Instant,
}

impl Memory {
    /// An empty ruleset.
    pub fn new(now: Instant) -> Memory {
        Memory { ruleset: Ruleset::new(0), now }
    }
}

impl Backend for Memory {
    fn ruleset(&self) -> &Ruleset {
        &self.ruleset
    }

    fn now(&self) -> Instant {
        self.now
    }

    fn commit(&mut self, batch: &Batch) -> Result<Applied, Rejection> {
        self.ruleset.apply(batch, self.now).map_err(Rejection::Changes)
    }
}
