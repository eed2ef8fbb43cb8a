//! A run of nft: text in, transactions to a backend, listings out.
//!
//! A text's changes are one transaction: they are committed together, when a command that reads them comes, or at the
//! end. Nothing is committed while any command of the text is wrong in itself.

mod backend;
mod describe;
mod refusal;
mod show;

use std::collections::HashMap;

use ironweir_ruleset::debug::print_batch;
use ironweir_ruleset::store::Applied;
use ironweir_ruleset::{Change, Handle, TableId};

use crate::cmd::{self, Command, CommandKind};
use crate::compile::{Compiled, Compiler};
use crate::datatype::Names;
use crate::define::Scopes;
use crate::diag::{Diagnostic, Severity};
use crate::expr::Expr;
use crate::files::Files;
use crate::json::Document;
use crate::parse::Parser;
use crate::print::Options;
use crate::source::{SourceId, Sources, Span};

pub use backend::{Backend, Memory};

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
    /// Where committed rules were written.
    pub rules: Vec<RuleOrigin>,
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

    /// Errors and warnings as text.
    pub fn render(&self, sources: &Sources) -> String {
        self.diagnostics.iter().map(|diagnostic| diagnostic.render(sources)).collect()
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
        let (scopes, _) = p.finish();
        self.scopes = scopes;
        let value: Expr = value?;
        self.scopes.define(name.into(), value);
        Ok(())
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
        let (commands, found) = cmd::parse(sources, source, files, &mut self.scopes);
        outcome.diagnostics = found;
        if !outcome.ok() {
            self.examine(&commands, backend, &mut outcome);
            return outcome;
        }
        self.execute(&commands, backend, &mut outcome);
        outcome
    }

    /// Runs a JSON document against a backend. Errors name the path of what they are about; `name` is what they call the
    /// document.
    pub fn run_json(&mut self, name: &str, text: &str, backend: &mut dyn Backend) -> Outcome {
        let mut outcome = Outcome::default();
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
        match outcome.ok() {
            true => self.execute(&commands, backend, &mut outcome),
            false => self.examine(&commands, backend, &mut outcome),
        }
        let found = std::mem::take(&mut outcome.diagnostics);
        outcome.diagnostics = found.into_iter().map(|error| document.with_paths(name, error)).collect();
        outcome
    }

    fn execute(&self, commands: &[Command], backend: &mut dyn Backend, outcome: &mut Outcome) {
        // Commands up to one that reads make one batch.
        let mut rest = commands;
        while !rest.is_empty() && outcome.ok() {
            let changes = rest.iter().take_while(|command| !command.reads()).count();
            let (batch, readers) = rest.split_at(changes);
            self.commit(batch, backend, outcome);
            if !outcome.ok() {
                // Errors of later commands are told as well, as far as they do not follow from this one.
                break;
            }
            let reads = readers.iter().take_while(|command| command.reads()).count();
            for command in &readers[..reads] {
                match self.read(command, backend) {
                    Ok(text) => outcome.output.push_str(&text),
                    Err(error) => outcome.diagnostics.push(*error),
                }
            }
            rest = &readers[reads..];
        }
    }

    /// Looks for errors of meaning in what could be read of a text with errors of grammar, so that all are told at once.
    fn examine(&self, commands: &[Command], backend: &dyn Backend, outcome: &mut Outcome) {
        let mut errors = Vec::new();
        let mut compiler = Compiler::new(backend.ruleset(), &self.names, backend.now());
        commands.iter().for_each(|command| compiler.command(command, &mut errors));
        // What is missing may be what could not be read.
        errors.retain(|error| !error.message.starts_with("No such file"));
        outcome.diagnostics.extend(errors);
        outcome.diagnostics.sort_by_key(|diagnostic| diagnostic.span);
    }

    fn commit(&self, commands: &[Command], backend: &mut dyn Backend, outcome: &mut Outcome) {
        if commands.is_empty() {
            return;
        }
        let mut errors = Vec::new();
        let compiled = {
            let mut compiler = Compiler::new(backend.ruleset(), &self.names, backend.now());
            commands.iter().for_each(|command| compiler.command(command, &mut errors));
            compiler.finish()
        };
        if !errors.is_empty() {
            outcome.diagnostics.extend(errors);
            return;
        }
        if self.debug_netlink {
            let ruleset = backend.ruleset();
            let known = |table: &TableId, name: &str| Some(&ruleset.table(table)?.set(name)?.set);
            outcome.output.push_str(&print_batch(&compiled.batch, &known));
        }
        let result =
            if self.check { backend.check(&compiled.batch) } else { backend.commit(&compiled.batch) };
        match result {
            Ok(applied) if !self.check => outcome.rules.extend(origins(&compiled, &applied)),
            Ok(_) => {}
            Err(refused) => outcome.diagnostics.extend(
                refused.iter().map(|refused| refusal::diagnostic(refused, &compiled, backend.ruleset())),
            ),
        }
    }

    fn read(&self, command: &Command, backend: &dyn Backend) -> Result<String, Box<Diagnostic>> {
        match &command.kind {
            CommandKind::List(listing) => self.list(listing, backend, command.span),
            CommandKind::Reset(listing) => {
                let text = self.list(listing, backend, command.span)?;
                self.reset(listing, backend)?;
                Ok(text)
            }
            CommandKind::Get(elements) => self.get(elements, backend),
            CommandKind::Describe(expr) => describe::describe(expr, &self.names),
            CommandKind::Monitor(_) => Err(Diagnostic::error(
                command.span,
                "there is nothing to monitor: only a running ruleset changes",
            )),
            _ => Ok(String::new()),
        }
    }
}

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
