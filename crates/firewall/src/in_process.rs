//! An engine as what a session of nft's language commits to.

use ironweir_engine::Engine;
use ironweir_language::session::{Backend, Rejection};
use ironweir_ruleset::{Applied, Batch, Ruleset};
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
