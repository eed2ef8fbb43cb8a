//! A run of nft: text in, transactions to a backend, listings out.
//!
//! A text's changes are one transaction: they are committed together at the end. Commands that read show the ruleset as
//! the commands before them leave it. Nothing is committed while any command of the text is wrong in itself.

mod at_once;
mod backend;
mod declare;
mod describe;
mod echo;
mod kernel_option;
mod lost;
mod needs;
mod refusal;
mod show;
mod view;
mod whole;

use std::collections::HashMap;

use ironweir_ruleset::debug::{print_batch, print_ruleset};
use ironweir_ruleset::netlink::Event;
use ironweir_ruleset::store::{Applied, ChangeError, ErrorKind, MAX_REFUSALS, Thing};
use ironweir_ruleset::{Batch, Change, Family, Handle, Part, Ruleset, Selector, TableId};
use ironweir_wire::Instant;

use crate::cmd::{self, Command, CommandKind, Listing, Monitor};
use crate::compile::{Compiled, Compiler, MAX_ERRORS};
use crate::complete::{Completion, complete};
use crate::datatype::Names;
use crate::define::Scopes;
use crate::diag::{Code, Diagnostic, Severity};
use crate::expr::Expr;
use crate::files::Files;
use crate::json::Document;
use crate::optimise::{Merge, optimise, tell};
use crate::parse::Parser;
use crate::print::Options;
use crate::source::{SourceId, Sources, Span};

use view::View;

pub use backend::{Backend, BackendError, Echoes, Memory, Rejection};
pub use declare::Declared;

/// What a run depends on besides the text.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// How listings are printed.
    pub options: Options,
    /// What the machine knows.
    pub names: Names,
    /// `-c`: everything is checked, nothing is committed.
    pub check: bool,
    /// `--debug=netlink`: bytecode of what is committed is printed.
    pub debug_netlink: bool,
    /// `-e`: what was made is printed, where the backend tells it.
    pub echo: bool,
    /// `-o`: rules that differ in constants alone become one.
    pub optimise: bool,
    /// `-D` and what texts run before have defined.
    pub scopes: Scopes,
}

/// What a run did.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Listings and bytecode, in order of the commands.
    pub output: String,
    /// Errors and warnings, in order of their places.
    pub diagnostics: Vec<Diagnostic>,
    /// What the reader should know about the tables listed, and which rules were merged, each without a last newline.
    pub remarks: Vec<String>,
    /// Where committed rules were written.
    pub rules: Vec<RuleOrigin>,
    /// What to watch from now on: a `monitor` command ends the text.
    pub monitor: Option<Monitor>,
    /// What was made, of a document: it is printed with the handles.
    echoed: Vec<Event>,
    /// Whether the commands are a document's.
    from_document: bool,
}

/// Where a committed rule was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleOrigin {
    /// Its table.
    pub table: TableId,
    /// Its chain; of an anonymous one `__chain%d`.
    pub chain: Box<str>,
    /// Its handle.
    pub handle: Handle,
    /// Where it is.
    pub span: Span,
}

impl Outcome {
    /// Whether nothing went wrong; warnings are nothing wrong.
    pub fn ok(&self) -> bool {
        self.diagnostics.iter().all(|diagnostic| diagnostic.severity < Severity::Error)
    }

    fn tell(&mut self, merges: &[Merge], sources: &Sources) {
        self.remarks.extend(tell(merges, sources));
    }

    /// Errors and warnings as text.
    pub fn render(&self, sources: &Sources) -> String {
        self.diagnostics.iter().map(|diagnostic| diagnostic.render(sources)).collect()
    }
}

/// What is said of texts with more errors than are told.
const NOT_READ: &str = "so many errors are told, what follows is not looked at";

/// Adds to what is told last.
fn last_note(errors: &mut [Diagnostic], note: impl Into<String>) {
    if let Some(last) = errors.iter_mut().max_by_key(|error| error.span) {
        last.notes.push(note.into());
    }
}

impl Session {
    /// Defines a name, as `-D name=value` does.
    ///
    /// # Errors
    /// Where the value is none.
    pub fn define(&mut self, name: &str, value: &str, sources: &mut Sources) -> Result<(), Box<Diagnostic>> {
        let Some(source) = sources.add("<cmdline>", value, None) else {
            return Err(Diagnostic::error(Span::NONE, "the value is too long"));
        };
        let scopes = std::mem::take(&mut self.scopes);
        let mut p = Parser::new(sources, source, &crate::files::NoFiles, scopes);
        let value = p.definition();
        let (scopes, _, _) = p.finish();
        self.scopes = scopes;
        let value: Expr = value?;
        self.scopes.define(name.into(), value);
        Ok(())
    }

    /// What may follow a text, with the names of what a backend holds. What cannot be asked is not offered.
    pub fn complete(text: &str, backend: &mut dyn Backend) -> Completion {
        // Keywords can be offered without.
        let _ = backend.fetch(&needs::names());
        complete(text, backend.ruleset())
    }

    /// Runs a text against a backend.
    pub fn run(
        &mut self,
        sources: &mut Sources,
        source: SourceId,
        files: &dyn Files,
        backend: &mut dyn Backend,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let (before, texts) = (self.scopes.clone(), sources.iter().count());
        let mut text = cmd::parse(sources, source, files, &mut self.scopes);
        outcome.diagnostics = text.found;
        if text.gave_up {
            last_note(&mut outcome.diagnostics, NOT_READ);
        }
        if outcome.ok() {
            let mut merges = self.merge(&mut text.commands, backend);
            // What it includes might not be there to be read again.
            if self.is_large(&text.commands) && sources.iter().count() == texts {
                if self.commit_at_once(text.commands, backend, &mut outcome) {
                    outcome.tell(&merges, sources);
                    return outcome;
                }
                text = cmd::parse(sources, source, files, &mut { before });
                merges = self.merge(&mut text.commands, backend);
            }
            outcome.tell(&merges, sources);
            self.execute(&text.commands, backend, sources, &mut outcome);
        } else {
            self.examine(&text.commands, &text.lost, backend, sources, &mut outcome);
        }
        outcome
    }

    fn merge(&self, commands: &mut [Command], backend: &mut dyn Backend) -> Vec<Merge> {
        if self.optimise { optimise(commands, &self.names, backend) } else { Vec::new() }
    }

    /// Runs a JSON document against a backend. Errors name the path of what they are about; `name` is what they call the
    /// document.
    pub fn run_json(&mut self, name: &str, text: &str, backend: &mut dyn Backend) -> Outcome {
        let mut outcome = Outcome { from_document: true, ..Outcome::default() };
        let document = match Document::read(text) {
            Ok(document) => document,
            Err(mut error) => {
                error.message = format!("{name}: {}", error.message);
                outcome.diagnostics.push(*error);
                return outcome;
            }
        };
        let (commands, found) = document.commands();
        outcome.diagnostics = found;
        // Places in a document are paths, not texts.
        let sources = Sources::new();
        match outcome.ok() {
            true => self.execute(&commands, backend, &sources, &mut outcome),
            false => self.examine(&commands, &[], backend, &sources, &mut outcome),
        }
        let found = std::mem::take(&mut outcome.diagnostics);
        outcome.diagnostics = found.into_iter().map(|error| document.with_paths(name, error)).collect();
        if self.echo && outcome.ok() && !self.check {
            let echoed = std::mem::take(&mut outcome.echoed);
            outcome.output.push_str(&document.with_handles(&echoed));
        }
        outcome
    }

    fn execute(
        &self,
        commands: &[Command],
        backend: &mut dyn Backend,
        sources: &Sources,
        outcome: &mut Outcome,
    ) {
        let watches = |command: &Command| matches!(command.kind, CommandKind::Monitor(_));
        let end = if backend.has_events() { commands.iter().position(watches) } else { None };
        let monitor = end.and_then(|end| commands.get(end));
        let commands = commands.get(..end.unwrap_or(commands.len())).unwrap_or_default();
        if !self.show(commands, backend, sources, outcome) {
            return;
        }
        match self.commit(commands, backend, outcome) {
            Ok(()) => {
                if let Some(Command { kind: CommandKind::Monitor(monitor), .. }) = monitor {
                    outcome.monitor = Some(monitor.clone());
                }
            }
            Err(Failure::Refused(compiled, refused)) => {
                let mut errors = Vec::new();
                self.refusals(commands, &compiled, refused, backend, sources, &mut errors);
                errors.sort_by_key(|diagnostic| diagnostic.span);
                // A rule and what goes with it are several changes, all refused for the same reason.
                errors.dedup_by(|a, b| (a.span, &a.message) == (b.span, &b.message));
                outcome.diagnostics.extend(errors);
            }
            Err(Failure::Meaning) => self.examine(commands, &[], backend, sources, outcome),
            Err(Failure::Backend(error)) => outcome.diagnostics.push(*unavailable(&error)),
        }
    }

    /// Prints what commands read, as the commands before each leave it: nothing is committed yet. Whether all of it is
    /// there; else nothing must be committed.
    fn show(
        &self,
        commands: &[Command],
        backend: &mut dyn Backend,
        sources: &Sources,
        outcome: &mut Outcome,
    ) -> bool {
        if !commands.iter().any(Command::reads) {
            return true;
        }
        if commands.iter().all(Command::reads) {
            let read = |_, command: &Command, outcome: &mut Outcome| self.print(command, backend, outcome);
            return show_all(commands, read, outcome);
        }
        // What is wrong in itself is told before anything is shown.
        if let Err(error) = backend.fetch(&needs::of_changes(commands)) {
            outcome.diagnostics.push(*unavailable(&error));
            return false;
        }
        let mut errors = Vec::new();
        self.compile(commands, backend, &mut errors);
        if !errors.is_empty() {
            self.examine(commands, &[], backend, sources, outcome);
            return false;
        }
        let mut view = View::new(backend, &self.names);
        let read = |at, command: &Command, outcome: &mut Outcome| {
            view.after(commands.get(..at).unwrap_or_default());
            self.print(command, &mut view, outcome)?;
            if let CommandKind::Reset(listing) = &command.kind {
                self.reset(listing, view.committed());
            }
            Ok(())
        };
        show_all(commands, read, outcome)
    }

    fn print(
        &self,
        command: &Command,
        backend: &mut dyn Backend,
        outcome: &mut Outcome,
    ) -> Result<(), Box<Diagnostic>> {
        let text = self.read(command, backend)?;
        // What is in this process is not read: it was shown when it was made.
        let was_read = backend.has_events() && !matches!(command.kind, CommandKind::Describe(_));
        if self.debug_netlink && was_read {
            outcome.output.push_str(&print_ruleset(backend.ruleset(), backend.now()));
        }
        outcome.output.push_str(&text);
        if let (CommandKind::List(listing), false) = (&command.kind, self.options.json) {
            outcome.remarks.extend(show::foreign(listing, backend.ruleset()));
        }
        Ok(())
    }

    /// Looks for everything that is wrong with commands of which something is: errors of meaning, and what the backend
    /// would refuse of the rest, so that all are told at once. `lost` is what could not be read of their text.
    fn examine(
        &self,
        commands: &[Command],
        lost: &[Span],
        backend: &mut dyn Backend,
        sources: &Sources,
        outcome: &mut Outcome,
    ) {
        let (mut errors, readable) = (Vec::new(), lost.is_empty());
        // With the names of all there is, to tell which of them was meant.
        let mut parts = needs::of_changes(commands);
        parts.extend(needs::names());
        if let Err(error) = backend.fetch(&parts) {
            // What is wrong with the text is told without; only where nothing is, this is what is wrong.
            if outcome.ok() {
                outcome.diagnostics.push(*unavailable(&error));
            }
            return;
        }
        let compiled = self.compile(commands, backend, &mut errors);
        // What lies behind so many errors is not read, and seems to be missing.
        let whole = errors.len() < MAX_ERRORS;
        if !whole {
            last_note(&mut errors, NOT_READ);
        }
        let refused = if whole { would_be_refused(&compiled.batch, backend) } else { Vec::new() };
        if !refused.is_empty() {
            self.refusals(commands, &compiled, refused, backend, sources, &mut errors);
        }
        // What is missing may be what could not be read or has no meaning.
        let lost = lost::Lost::new(lost, &compiled.failed, sources);
        // What a definition lacks may be what could not be read of it.
        let damaged = |error: &Diagnostic| error.code == Some(Code::Incomplete) && !readable;
        errors.retain(|error| !lost.explains(error, sources) && !damaged(error));
        outcome.diagnostics.extend(errors);
        outcome.diagnostics.sort_by_key(|diagnostic| diagnostic.span);
        outcome.diagnostics.dedup_by(|a, b| (a.span, &a.message) == (b.span, &b.message) && a.span.is_some());
    }

    /// What a backend refused, at the text that asked for it.
    fn refusals(
        &self,
        commands: &[Command],
        compiled: &Compiled,
        mut refused: Vec<ChangeError>,
        backend: &mut dyn Backend,
        sources: &Sources,
        errors: &mut Vec<Diagnostic>,
    ) {
        explain(&mut refused, compiled, backend);
        let more = refused.len().saturating_sub(MAX_ERRORS);
        let at_least = if refused.len() < MAX_REFUSALS { "" } else { "at least " };
        refused.truncate(MAX_ERRORS);
        let (ruleset, now) = (backend.ruleset(), backend.now());
        let refusals = refusal::Refusals { commands, compiled, ruleset, sources };
        let own = refused.iter().filter(|error| !refusal::follows(error, &refused, compiled));
        errors.extend(own.map(|error| {
            let told = refusals.diagnostic(error);
            let overlap = match &error.kind {
                ErrorKind::Overlap { table, set, .. } => {
                    self.overlap(table, set, commands, told.span, ruleset, now)
                }
                _ => None,
            };
            if let Some(overlap) = overlap {
                return *overlap;
            }
            let mut diagnostic = told;
            if let Some((table, set, element)) = refusals.interval(error) {
                let compiler = self.compiled(commands, ruleset, now);
                let place = compiler.place_of(table, set, element, commands);
                diagnostic.span = place.unwrap_or(diagnostic.span);
            }
            diagnostic
        }));
        if more > 0 {
            last_note(errors, format!("and {at_least}{more} more errors"));
        }
    }

    /// Which two intervals of one text overlap in a set.
    fn overlap(
        &self,
        table: &TableId,
        set: &str,
        commands: &[Command],
        at: Span,
        ruleset: &Ruleset,
        now: Instant,
    ) -> Option<Box<Diagnostic>> {
        self.compiled(commands, ruleset, now).overlap(table, set, commands, at)
    }

    /// A compiler that has read these commands before.
    fn compiled<'c>(&'c self, commands: &[Command], ruleset: &'c Ruleset, now: Instant) -> Compiler<'c> {
        let mut compiler = Compiler::new(ruleset, &self.names, now);
        let mut errors = Vec::new();
        commands.iter().for_each(|command| compiler.command(command, &mut errors));
        compiler
    }

    /// Commits commands as one batch. Where the ruleset changes between reading it and the commit, both are done again.
    fn commit(
        &self,
        commands: &[Command],
        backend: &mut dyn Backend,
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        if commands.iter().all(Command::reads) {
            return Ok(());
        }
        let mut needs = needs::of_changes(commands);
        let mut read: Vec<Part> = Vec::new();
        for _ in 0..MAX_ATTEMPTS {
            backend.fetch(&needs)?;
            let mut errors = Vec::new();
            let mut compiled = self.compile(commands, backend, &mut errors);
            if !errors.is_empty() {
                return Err(Failure::Meaning);
            }
            let overlaps = whole::overlaps(&compiled.batch, backend.ruleset(), &read, backend.now());
            if !overlaps.is_empty() {
                return Err(Failure::Refused(Box::new(compiled), overlaps));
            }
            let more = whole::needed(&compiled.batch, backend.ruleset());
            if !more.is_empty() {
                needs.extend_from_slice(&more);
                read.extend(more);
                continue;
            }
            let mut code = String::new();
            if self.debug_netlink {
                let ruleset = backend.ruleset();
                let known = |table: &TableId, name: &str| Some(&ruleset.table(table)?.set(name)?.set);
                code = print_batch(&compiled.batch, &known);
            }
            let demanded = whole::demand_new(&mut compiled.batch, backend.ruleset());
            let result = self.send(&compiled.batch, backend);
            whole::demand_nothing(&mut compiled.batch, &demanded);
            if let Err(Rejection::Changes(refused)) = &result {
                let more = whole::refused(&compiled.batch, &demanded, refused);
                if !more.is_empty() {
                    needs.extend_from_slice(&more);
                    read.extend(more);
                    continue;
                }
            }
            if !matches!(result, Err(Rejection::Changed)) {
                outcome.output.push_str(&code);
            }
            match result {
                Ok(applied) => {
                    self.committed(&compiled, &applied, backend, outcome);
                    return Ok(());
                }
                Err(Rejection::Changes(refused)) => {
                    return Err(Failure::Refused(Box::new(compiled), refused));
                }
                Err(Rejection::Failed(error)) => return Err(error.into()),
                Err(Rejection::Changed) => {}
            }
        }
        Err(BackendError::Restless.into())
    }

    /// Commits a batch, or with `-c` only asks whether it would be.
    fn send(&self, batch: &Batch, backend: &mut dyn Backend) -> Result<Applied, Rejection> {
        if self.check { backend.check(batch) } else { backend.commit(batch) }
    }

    /// What is told of a batch that was committed.
    fn committed(
        &self,
        compiled: &Compiled,
        applied: &Applied,
        backend: &mut dyn Backend,
        outcome: &mut Outcome,
    ) {
        if self.check {
            return;
        }
        if self.echo {
            self.echo(backend, outcome);
        }
        outcome.rules.extend(origins(compiled, applied));
    }

    fn compile(&self, commands: &[Command], backend: &dyn Backend, errors: &mut Vec<Diagnostic>) -> Compiled {
        let mut compiler = Compiler::new(backend.ruleset(), &self.names, backend.now());
        commands.iter().for_each(|command| compiler.command(command, errors));
        compiler.finish()
    }

    fn read(&self, command: &Command, backend: &mut dyn Backend) -> Result<String, Box<Diagnostic>> {
        let fetch = |backend: &mut dyn Backend, parts: Vec<Part>| {
            backend.fetch(&parts).map_err(|error| unavailable(&error))
        };
        let found = match &command.kind {
            CommandKind::List(Listing::Hooks(family, device)) => {
                show::hooks(*family, device.as_ref().map(|device| &*device.text), backend)
            }
            CommandKind::List(listing) => {
                fetch(backend, needs::of_listing(listing, self.options.terse, false))?;
                self.list(listing, backend, command.span)
            }
            CommandKind::Reset(Listing::Elements(elements)) => self.get(elements, backend, true),
            CommandKind::Reset(listing) => {
                fetch(backend, needs::of_listing(listing, self.options.terse, true))?;
                let text = self.list(listing, backend, command.span);
                if text.is_ok() {
                    self.reset(listing, backend);
                }
                text
            }
            CommandKind::Get(elements) => self.get(elements, backend, false),
            CommandKind::Describe(expr) => describe::describe(expr, &self.names),
            CommandKind::Monitor(_) => Err(Diagnostic::error(
                command.span,
                "there is nothing to monitor: only a running ruleset changes",
            )),
            _ => Ok(String::new()),
        };
        // Nearest names and the same name elsewhere are told from what was not needed before.
        match (found, &command.kind) {
            (Err(error), CommandKind::List(listing) | CommandKind::Reset(listing))
                if error.code == Some(Code::Missing) =>
            {
                fetch(backend, needs::names())?;
                self.list(listing, backend, command.span).and(Err(error))
            }
            (found, _) => found,
        }
    }
}

/// Prints what commands read, one after another. Where something that is named is missing, nothing is shown, as nft finds
/// that before it prints; but what a reset has counted is told in any case, for it is gone.
fn show_all(
    commands: &[Command],
    mut read: impl FnMut(usize, &Command, &mut Outcome) -> Result<(), Box<Diagnostic>>,
    outcome: &mut Outcome,
) -> bool {
    let (shown, mut whole) = (outcome.output.len(), true);
    let (mut missing, mut reset) = (false, false);
    for (at, command) in commands.iter().enumerate().filter(|(_, command)| command.reads()) {
        match read(at, command, outcome) {
            Ok(()) => reset |= matches!(command.kind, CommandKind::Reset(_)),
            Err(error) => {
                missing |= error.code == Some(Code::Missing);
                outcome.diagnostics.push(*error);
                whole = false;
            }
        }
    }
    if missing && !reset {
        outcome.output.truncate(shown);
        outcome.remarks.clear();
    }
    whole
}

/// What a backend would refuse of a batch that will not be committed. A kernel is not asked: that would take handles,
/// which count up whether or not a batch is committed. What was fetched of it tells of names.
fn would_be_refused(batch: &Batch, backend: &mut dyn Backend) -> Vec<ChangeError> {
    let elsewhere = backend.has_events();
    let checked = match elsewhere {
        true => backend.ruleset().clone().apply(batch, backend.now()).map_err(Rejection::Changes),
        false => backend.check(batch),
    };
    let Err(Rejection::Changes(mut refused)) = checked else { return Vec::new() };
    refused.retain(|error| !elsewhere || is_of_names(&error.kind));
    refused
}

/// Whether a refusal is about names and declarations, all of which are fetched, rather than about rules and elements.
fn is_of_names(kind: &ErrorKind) -> bool {
    use ErrorKind::*;
    match kind {
        NoSuch { what, .. } | Exists { what, .. } | Differs { what, .. } => *what != Thing::Rule,
        NoTable(_)
        | TableExists(_)
        | BadName { .. }
        | NoSuchHook { .. }
        | NatPriority
        | NeedsDevice(_)
        | NoDevicesHere
        | JumpToBase { .. } => true,
        _ => false,
    }
}

/// Why commands were not committed.
enum Failure {
    /// Something is wrong with what they mean.
    Meaning,
    /// The backend refused changes.
    Refused(Box<Compiled>, Vec<ChangeError>),
    /// The backend could not be asked.
    Backend(BackendError),
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Failure {
        Failure::Backend(error)
    }
}

/// How often a batch is made anew when others keep changing the ruleset.
const MAX_ATTEMPTS: usize = 64;

fn unavailable(error: &BackendError) -> Box<Diagnostic> {
    Diagnostic::error(Span::NONE, error.to_string())
}

/// A kernel answers with an error number. The same batch applied to what is known of the ruleset tells what it is about.
/// What the kernel alone refuses is then left out, which tells what follows from it.
fn explain(refused: &mut [ChangeError], compiled: &Compiled, backend: &mut dyn Backend) {
    let is_answer = |error: &ChangeError| matches!(error.kind, ErrorKind::Answer { .. });
    if !refused.iter().any(is_answer) {
        return;
    }
    let changes = &compiled.batch.changes;
    let told = refused.iter().filter_map(|error| Some((changes.get(error.change)?, error.kind.errno())));
    if backend.fetch(&needs::reasons(told)).is_err() {
        return;
    }
    let mut batch = compiled.batch.clone();
    let mut left_out = 0;
    for _ in 0..MAX_ROOTS {
        let known = backend.ruleset().clone().apply(&batch, backend.now()).err().unwrap_or_default();
        for error in refused.iter_mut().filter(|error| is_answer(error)) {
            let same = |other: &&ChangeError| {
                other.change == error.change && other.kind.errno() == error.kind.errno()
            };
            if let Some(known) = known.iter().find(same) {
                error.kind = known.kind.clone();
            }
        }
        let root = refused.iter().find(|error| is_answer(error) && error.change >= left_out);
        let Some(change) = root.and_then(|root| batch.changes.get_mut(root.change)) else { return };
        left_out = root.map_or(left_out, |root| root.change + 1);
        let nothing = Selector::Handle(Handle(0));
        *change = Change::DelTable { family: Family::Ip, which: nothing, missing_ok: true };
    }
}

/// How many refusals of the kernel's own are looked into for what follows from them.
const MAX_ROOTS: usize = 16;

impl Command {
    /// Whether it shows something rather than change it.
    fn reads(&self) -> bool {
        matches!(
            self.kind,
            CommandKind::List(_)
                | CommandKind::Reset(_)
                | CommandKind::Get(_)
                | CommandKind::Describe(_)
                | CommandKind::Monitor(_)
        )
    }
}

/// Where the rules of a committed batch were written. A rule that replaced another in the same batch has the handle.
fn origins(compiled: &Compiled, applied: &Applied) -> Vec<RuleOrigin> {
    let mut found = Vec::new();
    let mut places: HashMap<(TableId, Handle), usize> = HashMap::new();
    let changes = compiled.batch.changes.iter().zip(&compiled.origins).zip(&applied.handles);
    for ((change, origin), handle) in changes {
        if let (Change::NewRule { table, chain, .. }, Some(handle)) = (change, handle) {
            let made = RuleOrigin {
                table: table.clone(),
                chain: chain.name.clone(),
                handle: *handle,
                span: origin.span,
            };
            match places.insert((table.clone(), *handle), found.len()) {
                Some(at) => found[at] = made,
                None => found.push(made),
            }
        }
    }
    found
}
