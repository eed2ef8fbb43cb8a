//! The guardian: keeps the state from before a change, and brings it back unless the change is confirmed.
//!
//! ```text
//!            snapshot         committing          committed
//!   (start) ─────────► Before ──────────► During ──────────► Pending ─── confirm ──────────► (end, all stays)
//!              ready     │ the other        │ the other         │
//!                        ▼ ends             ▼ ends              └─ rollback, time over ───► (end, old state)
//!                      (end)        did anything change?
//!                                   no: (end)  yes: Pending
//! ```
//!
//! What it does at each event is here; [`super::guard`] is the process around it. The change itself is one transaction
//! of another process: whatever is killed and when, there is the old ruleset or the new one.

use std::collections::BTreeSet;

use ironweir_language::difference::Added;
use ironweir_language::session::{Backend, BackendError, Rejection};
use ironweir_ruleset::{Batch, Change, Ruleset, Selector, TableId};
use ironweir_wire::Instant;

use super::wanted::{fetch, restoring};

/// How often a change that others overtake is tried.
const MAX_ATTEMPTS: usize = 20;

/// Tables as they were.
#[derive(Debug)]
pub(super) struct Snapshot {
    ruleset: Ruleset,
    tables: BTreeSet<TableId>,
    /// Elements that the change added to sets; what packets add later stays.
    added: Added,
}

/// Why the old state could not be brought back.
#[derive(Debug, thiserror::Error)]
pub(super) enum RestoreError {
    #[error(transparent)]
    Backend(#[from] BackendError),
    #[error("{}", .0.first().map(ToString::to_string).unwrap_or_default())]
    Refused(Vec<ironweir_ruleset::store::ChangeError>),
    #[error("the ruleset changes faster than it can be read")]
    Restless,
}

impl Snapshot {
    /// Tables as they are now.
    pub(super) fn take(
        backend: &mut dyn Backend,
        tables: &BTreeSet<TableId>,
    ) -> Result<Snapshot, BackendError> {
        fetch(backend, tables)?;
        let (ruleset, tables) = (backend.ruleset().clone(), tables.clone());
        Ok(Snapshot { ruleset, tables, added: Added::default() })
    }

    /// Which generation it shows.
    pub(super) fn generation(&self) -> u64 {
        self.ruleset.generation()
    }

    /// What brings them back, and nothing where they are as they were.
    fn difference(&self, backend: &mut dyn Backend) -> Result<Batch, BackendError> {
        fetch(backend, &self.tables)?;
        Ok(self.to(backend.ruleset(), backend.now()))
    }

    fn to(&self, current: &Ruleset, now: Instant) -> Batch {
        restoring(current, &self.ruleset, &self.tables, Some(&self.added), now).batch
    }

    /// Notes what the change that was just made has added.
    fn changed(&mut self, backend: &mut dyn Backend) {
        // Without it, elements in sets that packets fill are taken for theirs and stay.
        if fetch(backend, &self.tables).is_ok() {
            self.added = Added::between(&self.ruleset, backend.ruleset(), &self.tables);
        }
    }

    /// Brings them back: what differs now, so that all else stays. Where that is refused, the tables as a whole.
    pub(super) fn restore(&self, backend: &mut dyn Backend) -> Result<(), RestoreError> {
        for _ in 0..MAX_ATTEMPTS {
            let batch = self.difference(backend)?;
            if batch.changes.is_empty() {
                return Ok(());
            }
            let refused = match backend.commit(&batch) {
                Ok(_) => return Ok(()),
                Err(Rejection::Changed) => continue,
                Err(Rejection::Failed(error)) => return Err(error.into()),
                Err(Rejection::Changes(refused)) => refused,
            };
            match backend.commit(&self.as_a_whole(backend)) {
                Ok(_) => return Ok(()),
                Err(Rejection::Changed) => {}
                Err(Rejection::Failed(error)) => return Err(error.into()),
                // What was wrong with the smaller change tells more.
                Err(Rejection::Changes(_)) => return Err(RestoreError::Refused(refused)),
            }
        }
        Err(RestoreError::Restless)
    }

    /// Deletes the tables and makes them as they were.
    fn as_a_whole(&self, backend: &dyn Backend) -> Batch {
        let there = backend.ruleset().tables().map(|table| &table.table.id);
        let gone = there.filter(|id| self.tables.contains(id)).map(|id| Change::DelTable {
            family: id.family,
            which: Selector::Name(id.name.clone()),
            missing_ok: false,
        });
        let mut batch = Batch { changes: gone.collect() };
        let made = self.to(&Ruleset::new(0), backend.now());
        batch.changes.extend(made.changes);
        batch
    }
}

/// What happens to a guardian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The one who applies wants the state kept that is now.
    Snapshot,
    /// The change is about to be made.
    Committing,
    /// It was made.
    Committed,
    /// It will not be made.
    Abandon,
    /// The one who applies has ended.
    Alone,
    /// Somebody says that all is well.
    Confirm,
    /// Somebody wants the old state back.
    Rollback,
    /// Nobody has said so in time.
    TimeOver,
}

impl Event {
    const WORDS: [(Event, &'static str); 6] = [
        (Event::Snapshot, "snapshot"),
        (Event::Committing, "committing"),
        (Event::Committed, "committed"),
        (Event::Abandon, "abandon"),
        (Event::Confirm, "confirm"),
        (Event::Rollback, "rollback"),
    ];

    /// The word by which the one who applies tells it.
    pub(super) fn word(self) -> &'static str {
        Event::WORDS.iter().find(|(event, _)| *event == self).map_or("", |(_, word)| word)
    }

    /// From the word.
    pub(super) fn from_word(word: &str) -> Option<Event> {
        Event::WORDS.into_iter().find(|(_, known)| *known == word).map(|(event, _)| event)
    }
}

/// Where an apply stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing is changed.
    Before,
    /// The change may be made or not.
    During,
    /// It is made, and not confirmed.
    Pending,
    /// There is nothing more to do.
    Ended,
}

/// What a guardian says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The state of that generation is kept.
    Ready(u64),
    /// From now on a confirmation is waited for.
    Waiting,
    /// All stays as it is now.
    Confirmed,
    /// The old state is back.
    RolledBack,
    /// It could not be done.
    Failed(String),
}

impl Answer {
    /// As a line.
    pub(super) fn line(&self) -> String {
        match self {
            Answer::Ready(generation) => format!("ready {generation}"),
            Answer::Waiting => "waiting".to_owned(),
            Answer::Confirmed => "confirmed".to_owned(),
            Answer::RolledBack => "rolled back".to_owned(),
            Answer::Failed(why) => format!("failed {}", why.replace('\n', " ")),
        }
    }

    /// From a line.
    pub(super) fn from_line(line: &str) -> Answer {
        let ready = line.strip_prefix("ready ").and_then(|number| number.parse().ok());
        match (ready, line) {
            (Some(generation), _) => Answer::Ready(generation),
            (None, "waiting") => Answer::Waiting,
            (None, "confirmed") => Answer::Confirmed,
            (None, "rolled back") => Answer::RolledBack,
            (None, line) => Answer::Failed(line.strip_prefix("failed ").unwrap_or(line).to_owned()),
        }
    }
}

/// A guardian.
#[derive(Debug)]
pub(super) struct Guardian {
    tables: BTreeSet<TableId>,
    snapshot: Option<Snapshot>,
    phase: Phase,
}

impl Guardian {
    /// One that will keep these tables.
    pub(super) fn new(tables: BTreeSet<TableId>) -> Guardian {
        Guardian { tables, snapshot: None, phase: Phase::Before }
    }

    /// Where it stands.
    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// What it does and says when something happens.
    pub(super) fn on(&mut self, event: Event, backend: &mut dyn Backend) -> Option<Answer> {
        match (self.phase, event) {
            (Phase::Ended, _) => None,
            (Phase::Before, Event::Snapshot) => match Snapshot::take(backend, &self.tables) {
                Ok(snapshot) => {
                    let generation = snapshot.generation();
                    self.snapshot = Some(snapshot);
                    Some(Answer::Ready(generation))
                }
                Err(error) => {
                    self.phase = Phase::Ended;
                    Some(Answer::Failed(error.to_string()))
                }
            },
            (Phase::Before, Event::Committing) => {
                self.phase = Phase::During;
                None
            }
            (Phase::During, Event::Committed) => {
                self.phase = Phase::Pending;
                self.snapshot.iter_mut().for_each(|snapshot| snapshot.changed(backend));
                Some(Answer::Waiting)
            }
            // The change was refused or overtaken; another try may follow.
            (Phase::During, Event::Snapshot) => {
                self.phase = Phase::Before;
                self.on(Event::Snapshot, backend)
            }
            (Phase::Before | Phase::During, Event::Abandon) | (Phase::Before, Event::Alone) => {
                self.phase = Phase::Ended;
                None
            }
            (Phase::During, Event::Alone) => {
                // Whoever made the change ended before they could tell how it went. While the kernel works on a
                // transaction its sender does not end, so it is made by now or never will be.
                let snapshot = self.snapshot.as_ref();
                let made = snapshot.is_none_or(|snapshot| {
                    snapshot.difference(backend).map_or(true, |batch| !batch.changes.is_empty())
                });
                self.phase = if made { Phase::Pending } else { Phase::Ended };
                if made {
                    self.snapshot.iter_mut().for_each(|snapshot| snapshot.changed(backend));
                }
                None
            }
            (Phase::Pending, Event::Confirm) => {
                self.phase = Phase::Ended;
                Some(Answer::Confirmed)
            }
            (Phase::Pending, Event::Rollback | Event::TimeOver) => {
                let restored = match &self.snapshot {
                    Some(snapshot) => snapshot.restore(backend).map_err(|error| error.to_string()),
                    None => Err("nothing was kept".to_owned()),
                };
                match restored {
                    Ok(()) => {
                        self.phase = Phase::Ended;
                        Some(Answer::RolledBack)
                    }
                    Err(why) => Some(Answer::Failed(why)),
                }
            }
            (Phase::Before | Phase::During, Event::Confirm | Event::Rollback) => {
                Some(Answer::Failed("nothing is applied yet".to_owned()))
            }
            (_, Event::TimeOver | Event::Alone | Event::Snapshot | Event::Committing)
            | (_, Event::Committed | Event::Abandon) => None,
        }
    }
}

#[cfg(test)]
mod tests;
