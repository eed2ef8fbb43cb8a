//! `weir apply FILE` from beginning to end.

use std::io::{self, BufRead, IsTerminal};
use std::path::Path;
use std::thread;
use std::time::Duration;

use ironweir_language::datatype::Names;
use ironweir_language::difference::{Difference, Sign};
use ironweir_language::json::Document;
use ironweir_language::session::{Backend, Rejection, Session};
use ironweir_language::source::Sources;
use ironweir_ruleset::Batch;
use ironweir_ruleset::store::ChangeError;
use ironweir_wire::Instant;

use super::guardian::{Answer, Event};
use super::rendezvous::{Rendezvous, Request};
use super::starter::Starter;
use super::wanted::Wanted;
use super::{ApplyError, Ended, Open, Options};
use crate::cli::{complain, print};
use crate::files::{self, DiskFiles};
use crate::{machine, resolver};

/// How often a change that others overtake is tried.
const MAX_ATTEMPTS: usize = 20;

/// Applies a file.
pub(super) fn run(options: &Options, open: Open<'_>) -> Result<Ended, ApplyError> {
    let Some(path) = &options.file else { return Err(ApplyError::NothingPending) };
    let mut backend = open()?;
    let (wanted, name) = read(options, path, backend.now())?;
    if options.dry_run {
        let (_, found) = wanted.compare(&mut *backend)?;
        show(&found, options);
        if !found.is_empty() {
            check(&found.batch, &mut *backend)?;
        }
        return Ok(Ended::Applied);
    }
    let rendezvous = Rendezvous::open()?;
    let Some(_lock) = rendezvous.lock_apply()? else { return Err(ApplyError::Busy) };
    if rendezvous.lock_guardian()?.is_none() {
        let told = rendezvous.ask(Request::Status)?;
        return Err(told.map_or(ApplyError::Busy, ApplyError::Pending));
    }
    let (tables, found) = wanted.compare(&mut *backend)?;
    show(&found, options);
    if found.is_empty() {
        complain("nothing differs: nothing is changed\n");
        return Ok(Ended::Applied);
    }
    let on_terminal = io::stdin().is_terminal() && path.as_os_str() != "-";
    if on_terminal && !options.yes && options.confirm.is_none() && !agrees() {
        complain("nothing is changed\n");
        return Ok(Ended::Kept);
    }
    let Some(time) = options.confirm else {
        commit(&wanted, found, &mut *backend, None)?;
        complain(&format!("{name} is applied\n"));
        return Ok(Ended::Applied);
    };
    let mut guardian = Starter::start(&name, &tables, time)?;
    if let Err(error) = commit(&wanted, found, &mut *backend, Some(&mut guardian)) {
        guardian.abandon();
        return Err(error);
    }
    // What the guardian does from here on it does without us; that it cannot be told is no reason to fail.
    let _ = guardian.tell(Event::Committed);
    // Who confirms before the guardian has heard of the change would be told that there is none.
    if guardian.outcome() != Some(Answer::Waiting) {
        return Err(ApplyError::Unguarded);
    }
    confirmation(rendezvous, &name, time, on_terminal, &mut guardian)
}

/// Compiles the file.
fn read(options: &Options, path: &Path, now: Instant) -> Result<(Wanted, String), ApplyError> {
    let stdin = path.as_os_str() == "-";
    let name = if stdin { "/dev/stdin".to_owned() } else { path.display().to_string() };
    let text = match stdin {
        true => files::text_of(io::stdin())?,
        false => files::read_text(path).map_err(|error| ApplyError::File(name.clone(), error))?,
    };
    let names = Names { hosts: resolver::resolver(), ..machine::names(&machine::host()) };
    let mut session = Session { names, ..Session::default() };
    let mut sources = Sources::new();
    for (define, value) in &options.defines {
        let defined = session.define(define, value, &mut sources);
        defined.map_err(|error| ApplyError::Text(error.render(&sources)))?;
    }
    let declared = if Document::looks_like(&text) {
        session.declare_json(&name, &text, now)
    } else {
        let Some(source) = sources.add(&name, text, None) else {
            return Err(ApplyError::Text(format!("{name} is longer than 4 GiB")));
        };
        let files = DiskFiles { include_paths: options.include_paths.clone() };
        session.declare(&mut sources, source, &files, now)
    };
    let told = declared.outcome.render(&sources);
    if !declared.outcome.ok() {
        return Err(ApplyError::Text(format!("{name} is no ruleset that can be applied\n{told}")));
    }
    complain(&told);
    Ok((Wanted { declared, prune: options.prune, names: session.names }, name))
}

fn show(found: &Difference, options: &Options) {
    if options.json {
        let lines = found
            .text
            .lines
            .iter()
            .map(|line| serde_json::json!({ "sign": line.sign.char().to_string(), "text": line.text }));
        let count = |sign| found.text.lines.iter().filter(|line| line.sign == sign).count();
        let document = serde_json::json!({
            "changes": found.batch.changes.len(),
            "added": count(Sign::New),
            "removed": count(Sign::Gone),
            "difference": lines.collect::<Vec<_>>(),
        });
        print(&format!("{document}\n"));
        return;
    }
    let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    print(&found.text.render(colour));
}

fn agrees() -> bool {
    complain("Apply this? [y/N] ");
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    read.is_ok() && matches!(line.trim(), "y" | "Y" | "yes")
}

fn check(batch: &Batch, backend: &mut dyn Backend) -> Result<(), ApplyError> {
    match backend.check(batch) {
        Ok(_) => Ok(()),
        Err(Rejection::Changed) => Err(ApplyError::Restless),
        Err(Rejection::Failed(error)) => Err(error.into()),
        Err(Rejection::Changes(refused)) => Err(refusal(&refused, batch, backend)),
    }
}

/// Commits the difference that was shown. Others may change the ruleset meanwhile: as long as the difference stays the
/// same, it is tried again.
fn commit(
    wanted: &Wanted,
    mut found: Difference,
    backend: &mut dyn Backend,
    mut guardian: Option<&mut Starter>,
) -> Result<(), ApplyError> {
    for _ in 0..MAX_ATTEMPTS {
        if let Some(guardian) = &mut guardian {
            let kept = guardian.snapshot()?;
            if kept != backend.ruleset().generation() {
                found = again(wanted, found, backend)?;
                if kept != backend.ruleset().generation() {
                    continue;
                }
            }
            guardian.tell(Event::Committing).map_err(|_| ApplyError::GuardianGone)?;
        }
        match backend.commit(&found.batch) {
            Ok(_) => return Ok(()),
            Err(Rejection::Changed) => found = again(wanted, found, backend)?,
            Err(Rejection::Failed(error)) => return Err(error.into()),
            Err(Rejection::Changes(refused)) => return Err(refusal(&refused, &found.batch, backend)),
        }
    }
    Err(ApplyError::Restless)
}

/// The difference to what is loaded now.
fn again(wanted: &Wanted, shown: Difference, backend: &mut dyn Backend) -> Result<Difference, ApplyError> {
    let (_, found) = wanted.compare(backend)?;
    if found.text == shown.text { Ok(found) } else { Err(ApplyError::Overtaken) }
}

/// What was refused. A kernel tells a number alone; the same change made to what is known of the ruleset tells what it
/// is about.
fn refusal(refused: &[ChangeError], batch: &Batch, backend: &dyn Backend) -> ApplyError {
    let known = backend.ruleset().clone().apply(batch, backend.now()).err().unwrap_or_default();
    let told = refused.iter().take(10).map(|error| {
        let same =
            |other: &&ChangeError| other.change == error.change && other.kind.errno() == error.kind.errno();
        let error = known.iter().find(same).unwrap_or(error);
        format!("  {}\n", error.kind)
    });
    ApplyError::Refused(told.collect())
}

/// Waits until somebody says that all is well, or does not.
fn confirmation(
    rendezvous: Rendezvous,
    name: &str,
    time: Duration,
    on_terminal: bool,
    guardian: &mut Starter,
) -> Result<Ended, ApplyError> {
    let how = if on_terminal { "Enter here or `weir apply confirm`" } else { "`weir apply confirm`" };
    complain(&format!(
        "{name} is applied; it is rolled back in {} s unless confirmed by {how}\n",
        time.as_secs()
    ));
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let asked = match line.trim() {
                // Who only pipes nothing in has not agreed.
                "" if on_terminal => rendezvous.ask(Request::Confirm),
                "y" | "yes" | "confirm" => rendezvous.ask(Request::Confirm),
                "n" | "no" | "rollback" => rendezvous.ask(Request::Rollback),
                _ => {
                    complain("Enter or `yes` keeps what is applied, `no` rolls it back\n");
                    continue;
                }
            };
            if let Ok(Some(Answer::Failed(why))) = asked.map(|line| line.map(|line| Answer::from_line(&line)))
            {
                complain(&format!("{why}\n"));
            }
        }
    });
    loop {
        match guardian.outcome() {
            Some(Answer::Confirmed) => {
                complain("confirmed\n");
                return Ok(Ended::Applied);
            }
            Some(Answer::RolledBack) => {
                complain("rolled back: the old ruleset is loaded\n");
                return Ok(Ended::Kept);
            }
            Some(Answer::Failed(why)) => {
                complain(&format!(
                    "weir apply: the old ruleset could not be loaded, which is tried again: {why}\n"
                ));
            }
            Some(Answer::Ready(_) | Answer::Waiting) => {}
            None => return Err(ApplyError::Unguarded),
        }
    }
}
