//! What a session commits to and reads from.

use ironweir_ruleset::store::{Applied, ChangeError};
use ironweir_ruleset::{Batch, Ruleset};
use ironweir_wire::Instant;

/// A ruleset somewhere.
pub trait Backend {
    /// What is committed. What it counts can be reset through it.
    fn ruleset(&self) -> &Ruleset;

    /// The time there.
    fn now(&self) -> Instant;

    /// Commits a batch whole or not at all.
    ///
    /// # Errors
    /// Every change that was refused.
    fn commit(&mut self, batch: &Batch) -> Result<Applied, Vec<ChangeError>>;

    /// Whether a batch would be committed.
    ///
    /// # Errors
    /// Every change that would be refused.
    fn check(&mut self, batch: &Batch) -> Result<Applied, Vec<ChangeError>> {
        self.ruleset().clone().apply(batch, self.now())
    }
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

    fn commit(&mut self, batch: &Batch) -> Result<Applied, Vec<ChangeError>> {
        self.ruleset.apply(batch, self.now)
    }
}
