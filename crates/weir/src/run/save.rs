//! State across a restart: what the daemon's start makes of the file, see [`ironweir_router::saved`].

use std::path::Path;

use ironweir_engine::Engine;
use ironweir_router::saved;

use super::rules::InForce;
use crate::cli::complain;

/// What became of a saved state.
#[derive(Debug)]
pub(super) enum Restored {
    /// There is none.
    Nothing,
    /// It is in the engine, with these rules in force.
    All(InForce),
    /// It is damaged, and is set aside.
    Refused,
}

/// Puts a saved state into a fresh engine. Where it is refused, that is told.
pub(super) fn restore(engine: &mut Engine, path: &Path, seed: u64) -> Restored {
    let read = saved::read(path).and_then(|contents| match contents {
        Some(contents) => saved::restore(engine, &contents, seed).map(|count| Some((contents, count))),
        None => Ok(None),
    });
    match read {
        Ok(None) => Restored::Nothing,
        Ok(Some((contents, count))) => {
            let age = engine.now().since(contents.written);
            complain(&format!("{}: {count} connections, {age:.1?} old\n", path.display()));
            Restored::All(InForce::of_note(saved::note(&contents)))
        }
        Err(error) => {
            let aside = match saved::file::set_aside(path) {
                Ok(aside) => format!("it is now {}", aside.display()),
                Err(error) => format!("it cannot be set aside: {error}"),
            };
            complain(&format!("{}: the saved state is refused: {error}; {aside}\n", path.display()));
            Restored::Refused
        }
    }
}
