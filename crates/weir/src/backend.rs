//! An engine as what a language session commits to.

use ironweir_engine::Engine;
use ironweir_language::session::{Backend, BackendError, Rejection};
use ironweir_ruleset::store::Applied;
use ironweir_ruleset::{Batch, Ruleset};
use ironweir_wire::Instant;

/// An engine in this process.
pub struct InProcess<'e>(pub &'e mut Engine);

impl Backend for InProcess<'_> {
    fn ruleset(&self) -> &Ruleset {
        self.0.ruleset()
    }

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn commit(&mut self, batch: &Batch) -> Result<Applied, Rejection> {
        self.0.commit(batch).map_err(Rejection::Changes)
    }
}

/// The kernel's nf_tables in the network namespace of this process.
///
/// # Errors
/// It is not there, or not for this user.
pub fn kernel() -> Result<Box<dyn Backend>, BackendError> {
    Err(BackendError::Unsupported("the kernel as backend is not there yet"))
}
