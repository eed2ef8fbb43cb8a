//! What a measured process does.

use std::path::Path;

use ironweir_language::datatype::Names;
use ironweir_language::files::NoFiles;
use ironweir_language::list::Lister;
use ironweir_language::print::Options;
use ironweir_language::session::{Backend, Memory, Rejection, Session};
use ironweir_language::source::Sources;
use ironweir_ruleset::store::Applied;
use ironweir_ruleset::{Batch, Ruleset};
use ironweir_wire::Instant;

use crate::process::{Cost, so_far, start_again};

/// Takes every batch and keeps nothing.
struct Nowhere(Ruleset);

impl Backend for Nowhere {
    fn ruleset(&self) -> &Ruleset {
        &self.0
    }

    fn now(&self) -> Instant {
        Instant::default()
    }

    fn commit(&mut self, _: &Batch) -> Result<Applied, Rejection> {
        Ok(Applied::default())
    }
}

/// From a file to a checked batch.
pub fn load(file: &Path) -> Result<(), String> {
    run(file, &mut Nowhere(Ruleset::new(0)))?;
    so_far()?.tell();
    Ok(())
}

/// From a ruleset to text.
pub fn list(file: &Path) -> Result<(), String> {
    let mut memory = Memory::new(Instant::default());
    run(file, &mut memory)?;
    let names = Names::default();
    start_again();
    let before = so_far()?;
    let lister =
        Lister { ruleset: &memory.ruleset, options: Options::default(), names: &names, now: memory.now };
    let text = lister.ruleset(None);
    let after = so_far()?;
    if text.is_empty() {
        return Err("nothing is listed".to_owned());
    }
    let (seconds, mebibytes) = (after.seconds - before.seconds, after.mebibytes - before.mebibytes);
    Cost { seconds, mebibytes }.tell();
    Ok(())
}

fn run(file: &Path, backend: &mut dyn Backend) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let mut sources = Sources::new();
    let source = sources.add("input", text, None).ok_or("the input is too long")?;
    let outcome = Session::default().run(&mut sources, source, &NoFiles, backend);
    if outcome.ok() { Ok(()) } else { Err(outcome.render(&sources)) }
}
