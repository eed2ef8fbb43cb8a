//! The rules of the configuration: loaded at the start, and brought into force again when they were changed.
//!
//! What is in force may have been saved and restored, and clients may have changed it: so the file is not simply loaded a
//! second time. What it declares is compared with what is there, and one transaction brings its tables to what it says:
//! counters, elements and connections of what stays stay (as `weir apply` does).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ironweir_language::session::{Backend, BackendError, Rejection, Session};
use ironweir_language::source::Sources;
use ironweir_router::saved::file::digest;
use ironweir_ruleset::{Family, TableId};
use ironweir_wire::Instant;
use serde::{Deserialize, Serialize};

use crate::apply::wanted::Wanted;
use crate::cli::complain;
use crate::files::{self, DiskFiles};
use ironweir_language::datatype::Names;

/// How often it is tried while others change the ruleset.
const ATTEMPTS: usize = 20;

/// Why rules are not in force.
#[derive(Debug, thiserror::Error)]
pub(super) enum RulesError {
    /// They cannot be read.
    #[error("{path}: {error}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: String,
    },
    /// They say what no ruleset can be.
    #[error("{path}: refused\n{told}", path = path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// The errors, with their places.
        told: String,
    },
    /// The engine does not tell what is in force.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// Others changed the ruleset again and again meanwhile.
    #[error("the ruleset is being changed all the time")]
    Restless,
}

/// What is remembered of rules that were brought into force, beside the state on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct InForce {
    /// What tells whether a text is another.
    digest: u64,
    /// Tables that they declare: family and name.
    tables: BTreeSet<(u8, String)>,
}

impl InForce {
    /// With tables besides that are to go when rules are brought into force again, whatever their text.
    pub(super) fn until_reload(mut self, tables: impl IntoIterator<Item = TableId>) -> InForce {
        self.digest = 0;
        self.tables.extend(tables.into_iter().map(|id| (id.family as u8, id.name.to_string())));
        self
    }

    pub(super) fn note(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// What a note says; of none, or one of an older program, that other rules are in force.
    pub(super) fn of_note(note: Option<&[u8]>) -> InForce {
        note.and_then(|note| serde_json::from_slice(note).ok()).unwrap_or_default()
    }
}

/// Rules that were read and understood.
#[derive(Debug)]
pub(super) struct Rules {
    wanted: Wanted,
    path: PathBuf,
    now: InForce,
}

/// Reads rules and the files that they include.
pub(super) fn read(path: &Path, names: Names, now: Instant) -> Result<Rules, RulesError> {
    let failed = |error: String| RulesError::Read { path: path.into(), error };
    let text = files::read_text(path).map_err(|error| failed(error.to_string()))?;
    let mut session = Session { names, ..Session::default() };
    let mut sources = Sources::new();
    let name = path.display().to_string();
    let source = sources.add(&name, text, None).ok_or_else(|| failed("longer than 4 GiB".into()))?;
    let declared = session.declare(&mut sources, source, &DiskFiles::default(), now);
    let told = declared.outcome.render(&sources);
    if !declared.outcome.ok() {
        return Err(RulesError::Refused { path: path.into(), told });
    }
    complain(&told);
    let digest = digest(sources.iter().map(|source| source.text.as_str()));
    let tables = declared.tables().iter().map(|id| (id.family as u8, id.name.to_string())).collect();
    let now = InForce { digest, tables };
    Ok(Rules { wanted: Wanted { declared, prune: false, names: session.names }, path: path.into(), now })
}

impl Rules {
    /// What is to be remembered once they are in force.
    pub(super) fn in_force(&self) -> &InForce {
        &self.now
    }

    /// Brings them into force in place of those before, in one transaction. How many changes that took.
    pub(super) fn bring(&mut self, before: &InForce, backend: &mut dyn Backend) -> Result<usize, RulesError> {
        for (family, name) in before.tables.difference(&self.now.tables) {
            if let Some(family) = Family::from_number(*family) {
                self.wanted.declared.absent.insert(TableId::new(family, name.as_str()));
            }
        }
        for _ in 0..ATTEMPTS {
            let (_, found) = self.wanted.compare(backend)?;
            if found.is_empty() {
                return Ok(0);
            }
            match backend.commit(&found.batch) {
                Ok(_) => return Ok(found.batch.changes.len()),
                Err(Rejection::Changed) => {}
                Err(Rejection::Failed(error)) => return Err(error.into()),
                Err(Rejection::Changes(refused)) => {
                    let told = refused.iter().take(10).map(|error| format!("  {}\n", error.kind)).collect();
                    return Err(RulesError::Refused { path: self.path.clone(), told });
                }
            }
        }
        Err(RulesError::Restless)
    }
}
