//! State on disk, so that connections outlive the process: see [`file`] for the format.
//!
//! ```text
//!  thread of clients   once a second, in portions of some tens of microseconds under the engine's lock:
//!                      what changed since it was last written ─► records ─► frames
//!  thread "state"      frames ─► file, durable ─► header: they count
//! ```
//!
//! A round compares what is there with what was written, thing by thing, so packets pay nothing for it. When the file has
//! grown well beyond what a new one would hold, the next round writes all into a new one, which then takes the old one's
//! name. A round that finds the writer behind waits, so a slow disk costs freshness and no memory.

mod connections;
pub mod file;
mod ruleset;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ironweir_engine::Engine;
use ironweir_wire::Instant;

use self::connections::Connections;
use self::file::{Contents, Key, LoadError, Records, Writer};
use self::ruleset::Rules;
use crate::daemon::Attendant;
use crate::shared::Shared;

/// Kinds of records ([`Key::kind`]).
mod kind {
    /// A connection, by its number.
    pub(super) const CONNECTION: u8 = 1;
    /// Its deadline and counters, where they are newer.
    pub(super) const MOVED: u8 = 2;
    /// The next connection's number, and all expectations.
    pub(super) const EXPECTATIONS: u8 = 3;
    /// Generation, next table's handle, next anonymous chain.
    pub(super) const RULESET: u8 = 4;
    /// A table, by handle; of all that follow, the table's handle is the first number.
    pub(super) const TABLE: u8 = 5;
    /// A table's next handle.
    pub(super) const NEXT: u8 = 6;
    /// A chain, by handle.
    pub(super) const CHAIN: u8 = 7;
    /// Packets and bytes of its policy.
    pub(super) const POLICY: u8 = 8;
    /// The handles of its rules, in order.
    pub(super) const ORDER: u8 = 9;
    /// A rule, by handle.
    pub(super) const RULE: u8 = 10;
    /// What packets changed in it.
    pub(super) const RULE_LIVE: u8 = 11;
    /// A set, by handle.
    pub(super) const SET: u8 = 12;
    /// Some of its elements, the third number counting.
    pub(super) const ELEMENTS: u8 = 13;
    /// An object, by handle.
    pub(super) const OBJECT: u8 = 14;
    /// What packets changed in it.
    pub(super) const OBJECT_LIVE: u8 = 15;
    /// A flowtable, by handle.
    pub(super) const FLOWTABLE: u8 = 16;
    /// Connections that `ct count` counts, by list.
    pub(super) const COUNTED: u8 = 17;
    /// A text of the program's own.
    pub(super) const NOTE: u8 = 18;
}

/// How often what changed is written.
const PERIOD: Duration = Duration::from_secs(1);
/// Places of the connection table in one portion.
const PLACES: u32 = 512;
/// Things of the ruleset in one portion.
const THINGS: usize = 256;
/// A frame is sent when it has so many bytes.
const FRAME: usize = 256 << 10;
/// Frames that may wait for the writer.
const WAITING: usize = 16;
/// How long a turn may take.
const TURN: Duration = Duration::from_millis(1);
/// How long a writer that is behind is left alone.
const BEHIND: Duration = Duration::from_millis(5);
/// A file is written anew when it is this much longer than twice its length when it was new.
const SPARE: u64 = 32 << 20;
/// How long after a failure a new file is begun.
const RETRY: Duration = Duration::from_secs(10);

/// Reads a state. `None` where there is none.
///
/// # Errors
/// [`LoadError`]; [`file::set_aside`] moves the file out of the way.
pub fn read(path: &Path) -> Result<Option<Contents>, LoadError> {
    file::read(path)
}

/// Bytes of the program's own that are kept beside the state, and may change at any time.
#[derive(Debug, Default)]
pub struct Note(Mutex<Vec<u8>>);

impl Note {
    /// Other bytes.
    pub fn set(&self, note: Vec<u8>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = note;
    }

    fn get(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a state says that a [`Saver`] was given to keep ([`Saver::keep_note`]).
pub fn note(contents: &Contents) -> Option<&[u8]> {
    contents.get(Key::one(kind::NOTE, 0))
}

/// Puts a state into an engine that has neither ruleset nor connections; its clock must have been told. `seed` is the
/// engine's. All is read before anything is put. How many connections there are now.
///
/// Where the clock was set back since, times go on as if it had stood still.
///
/// # Errors
/// [`LoadError`], the engine being as it was.
pub fn restore(engine: &mut Engine, contents: &Contents, seed: u64) -> Result<usize, LoadError> {
    let now = engine.now();
    let set_back = contents.written.since(now);
    connections::check(engine, contents)?;
    let ruleset = ruleset::read(contents, seed, now, set_back)?;
    let lists = ruleset::lists(contents)?;
    let found = connections::restore(engine, contents, set_back)?;
    engine.restore_ruleset(ruleset);
    for (list, members) in lists {
        engine.restore_counted(list, members.iter().filter_map(|number| found.get(number).copied()));
    }
    Ok(found.len())
}

/// What the thread that writes says of itself.
#[derive(Debug, Default)]
pub struct Health {
    /// Bytes of the file.
    bytes: AtomicU64,
    /// When what it says was so, nanoseconds since the epoch; 0 where there is no file yet.
    written: AtomicU64,
    failed: AtomicBool,
    failures: AtomicU64,
    /// What went wrong last, until it was told.
    message: Mutex<Option<String>>,
}

impl Health {
    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// When what the file says was so.
    pub fn written(&self) -> Option<Instant> {
        Some(self.written.load(Ordering::Relaxed)).filter(|at| *at != 0).map(Instant::from_nanos)
    }

    /// How often writing failed.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }
}

enum Command {
    Begin,
    Frame(Vec<u8>),
    Commit(Instant),
    End,
}

/// Where a round is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    Connections,
    Ruleset,
    /// All is in frames, but for the word that they count.
    Commit,
}

/// Writes the state of an engine to a file, in turns.
pub struct Saver {
    connections: Connections,
    rules: Rules,
    records: Records,
    stage: Stage,
    next: Instant,
    /// When there is something to do.
    wake: Instant,
    /// A new file is to be begun.
    anew: bool,
    /// Bytes of all frames of this file, and of those of its first round.
    sent: u64,
    first: Option<u64>,
    note: Arc<Note>,
    /// The note as it was written.
    noted: Option<Vec<u8>>,
    to_writer: SyncSender<Command>,
    unsent: Option<Command>,
    thread: Option<JoinHandle<()>>,
    health: Arc<Health>,
    complain: fn(&str),
}

impl std::fmt::Debug for Saver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Saver").field("stage", &self.stage).finish_non_exhaustive()
    }
}

impl Saver {
    /// Writes to `path`, in place of what is there once the first round is done. `complain` is told what goes wrong.
    ///
    /// # Errors
    /// There can be no thread.
    pub fn new(path: &Path, complain: fn(&str)) -> io::Result<Saver> {
        let (to_writer, commands) = sync_channel(WAITING);
        let health = Arc::new(Health::default());
        let (path, shown): (PathBuf, _) = (path.into(), health.clone());
        let thread = std::thread::Builder::new().name("state".into());
        let thread = thread.spawn(move || write(&path, &commands, &shown))?;
        Ok(Saver {
            connections: Connections::default(),
            rules: Rules::default(),
            records: Records::default(),
            stage: Stage::Idle,
            next: Instant::ZERO,
            wake: Instant::ZERO,
            anew: true,
            sent: 0,
            first: None,
            note: Arc::default(),
            noted: None,
            to_writer,
            unsent: None,
            thread: Some(thread),
            health,
            complain,
        })
    }

    /// How it goes.
    pub fn health(&self) -> Arc<Health> {
        self.health.clone()
    }

    /// Bytes that are kept beside the state.
    pub fn keep_note(&mut self, note: Arc<Note>) {
        self.note = note;
    }

    /// Sends what is to be sent, as far as the writer takes it. Whether all went.
    fn flush(&mut self, least: usize) -> bool {
        if self.unsent.is_none() && self.records.len() >= least && !self.records.is_empty() {
            let frame = self.records.take();
            self.sent += frame.len() as u64;
            self.unsent = Some(Command::Frame(frame));
        }
        match self.unsent.take().map(|command| self.to_writer.try_send(command)) {
            Some(Err(TrySendError::Full(command))) => {
                self.unsent = Some(command);
                false
            }
            _ => true,
        }
    }

    /// Begins a round.
    fn begin(&mut self, engine: &Engine, now: Instant) {
        self.next = now + PERIOD;
        if self.health.failed.swap(false, Ordering::AcqRel) {
            let message = self.health.message.lock().unwrap_or_else(PoisonError::into_inner).take();
            (self.complain)(&format!("the state is not saved: {}\n", message.unwrap_or_default()));
            self.anew = true;
            self.next = now + RETRY;
            return;
        }
        if self.first.is_some_and(|first| self.sent > 2 * first + SPARE) {
            self.anew = true;
        }
        if std::mem::take(&mut self.anew) {
            self.connections.forget();
            self.rules.forget();
            self.noted = None;
            (self.sent, self.first) = (0, None);
            self.unsent = Some(Command::Begin);
        }
        self.connections.begin(engine);
        self.stage = Stage::Connections;
    }

    /// Does a portion of a round. False when it cannot go on now, or the round is over.
    fn portion(&mut self, engine: &Engine, now: Instant) -> bool {
        if !self.flush(FRAME) {
            return false;
        }
        match self.stage {
            Stage::Idle => return false,
            Stage::Connections => {
                if self.connections.portion(engine, PLACES, &mut self.records) {
                    self.connections.end(engine, &mut self.records);
                    self.rules.begin(engine);
                    self.stage = Stage::Ruleset;
                }
            }
            Stage::Ruleset => {
                if self.rules.portion(engine, THINGS, &mut self.records) {
                    let note = self.note.get();
                    if self.noted.as_ref() != Some(&note) {
                        self.records.put(Key::one(kind::NOTE, 0), |out| out.extend(&note));
                        self.noted = Some(note);
                    }
                    self.stage = Stage::Commit;
                }
            }
            Stage::Commit => {
                if !self.flush(0) || self.unsent.is_some() {
                    return false;
                }
                if self.records.is_empty() {
                    self.first.get_or_insert(self.sent);
                    self.unsent = Some(Command::Commit(now));
                    self.stage = Stage::Idle;
                }
            }
        }
        true
    }
}

impl Attendant for Saver {
    fn deadline(&self) -> Option<Instant> {
        Some(self.wake)
    }

    fn turn(&mut self, shared: &Shared, now: Instant) -> io::Result<()> {
        let begun = std::time::Instant::now();
        if self.stage == Stage::Idle
            && self.flush(0)
            && (now >= self.next || self.next.since(now) > PERIOD + RETRY)
        {
            self.begin(&shared.lock(), now);
        }
        while self.stage != Stage::Idle && begun.elapsed() < TURN {
            // The guard goes with the statement: packets have their turn between portions.
            if !self.portion(&shared.lock(), now) {
                break;
            }
        }
        self.flush(FRAME);
        self.wake = match (&self.unsent, self.stage) {
            // A writer that is behind is looked at again when it had time.
            (Some(_), _) => now + BEHIND,
            (None, Stage::Idle) => self.next,
            (None, _) => now,
        };
        Ok(())
    }

    fn end(&mut self, shared: &Shared, now: Instant) {
        let engine = &*shared.lock();
        // What of a round was done is older than what is there now.
        if self.stage == Stage::Idle {
            self.begin(engine, now);
        } else {
            self.connections.begin(engine);
            self.stage = Stage::Connections;
        }
        while self.stage != Stage::Idle || self.unsent.is_some() {
            self.portion(engine, now);
            if let Some(command) = self.unsent.take() {
                // The writer went with an error that was told.
                let _ = self.to_writer.send(command);
            }
        }
        let _ = self.to_writer.send(Command::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if self.health.failed.load(Ordering::Acquire) {
            let message = self.health.message.lock().unwrap_or_else(PoisonError::into_inner).take();
            (self.complain)(&format!("the state is not saved: {}\n", message.unwrap_or_default()));
        }
    }
}

/// The thread that writes.
fn write(path: &Path, commands: &Receiver<Command>, health: &Health) {
    let mut writer: Option<Writer> = None;
    while let Ok(command) = commands.recv() {
        let done = match (command, &mut writer) {
            (Command::Begin, writer) => Writer::begin(path).map(|new| *writer = Some(new)),
            (Command::Frame(payload), Some(writer)) => writer.frame(&payload),
            (Command::Commit(at), Some(writer)) => writer.commit(at).inspect(|()| {
                health.bytes.store(writer.len(), Ordering::Relaxed);
                health.written.store(at.nanos(), Ordering::Relaxed);
            }),
            (Command::End, writer) => {
                if let Some(writer) = writer
                    && let Err(error) = writer.sync()
                {
                    fail(health, path, &error);
                }
                return;
            }
            // Behind a failure nothing is written until a new file begins.
            (_, None) => Ok(()),
        };
        if let Err(error) = done {
            writer = None;
            fail(health, path, &error);
        }
    }
}

fn fail(health: &Health, path: &Path, error: &io::Error) {
    let message = format!("{}: {error}", path.display());
    *health.message.lock().unwrap_or_else(PoisonError::into_inner) = Some(message);
    health.failures.fetch_add(1, Ordering::Relaxed);
    health.failed.store(true, Ordering::Release);
}
