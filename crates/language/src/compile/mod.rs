//! From commands to batches: names are looked up, declarations and rules lowered, in nft's order.
//!
//! A [`Compiler`] reads the committed ruleset and remembers what the batch under way has declared, so that a rule may use
//! a set that the same file makes. Each change keeps the place it comes from: when a backend refuses it, that is where
//! the error points.

mod addresses;
mod cache;
mod chain;
mod delete;
mod element;
mod flowtable;
mod object;
mod order;
mod rule;
mod set;
mod table;

use std::cell::Cell;

use ironweir_ruleset::{Batch, Change, Family, Ruleset, Userdata, userdata};
use ironweir_wire::Instant;

use crate::ast::Rule;
use crate::cmd::{Command, CommandKind, Declaration, Flush};
use crate::datatype::Names;
use crate::diag::{Code, Diagnostic, Parsed};
use crate::source::Span;

use cache::Cache;

/// Lowers commands, one after another.
pub struct Compiler<'a> {
    /// What is committed.
    ruleset: &'a Ruleset,
    /// What the machine knows.
    names: &'a Names,
    /// Which elements have expired.
    now: Instant,
    /// What the batch under way declares and removes.
    cache: Cache,
    /// The batch under way.
    compiled: Compiled,
    /// The last number given to a set or anonymous chain of the batch.
    next_id: Cell<u32>,
}

/// A batch, and where each change comes from.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// The changes.
    pub batch: Batch,
    /// For each change, what it comes from.
    pub origins: Vec<Origin>,
    /// Names of what could not be declared.
    pub failed: Vec<Span>,
}

/// What a change comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The place that an error points at: a name, a rule.
    pub span: Span,
    /// Places of its elements, in order of the change's own; empty for what has none.
    pub elements: Vec<Span>,
}

/// Errors of a text after which reading on helps nobody.
pub(crate) const MAX_ERRORS: usize = 100;

impl<'a> Compiler<'a> {
    /// Over a committed ruleset.
    pub fn new(ruleset: &'a Ruleset, names: &'a Names, now: Instant) -> Compiler<'a> {
        Compiler {
            ruleset,
            names,
            now,
            cache: Cache::default(),
            compiled: Compiled::default(),
            next_id: Cell::new(0),
        }
    }

    /// The changes compiled so far.
    pub fn finish(mut self) -> Compiled {
        order::additions(&mut self.compiled);
        self.compiled
    }

    /// Adds a command's changes to the batch. Commands that only read add none. All errors of a command are added to
    /// `errors`; its changes are then of no use.
    pub fn command(&mut self, command: &Command, errors: &mut Vec<Diagnostic>) {
        if errors.len() >= MAX_ERRORS {
            return;
        }
        let mut note = |result: Parsed<()>| {
            if let Err(error) = result {
                errors.push(*error);
            }
        };
        match &command.kind {
            CommandKind::Declare(creation, declaration) => match declaration {
                Declaration::Table(table) => self.table(table, *creation, errors),
                Declaration::Chain(chain) => {
                    let declared = self.chain(chain, *creation);
                    self.note_failed(&declared, chain.name.span);
                    note(declared);
                    self.rules_of(chain, &chain.rules, errors);
                }
                Declaration::Set(set) => {
                    let declared = self.set(set, *creation);
                    let ok = declared.is_ok();
                    self.note_failed(&declared, set.name.span);
                    note(declared);
                    if ok {
                        self.elements_of(set, errors);
                    }
                }
                Declaration::Elements(elements) => self.add_elements(elements, *creation, errors),
                Declaration::Flowtable(flowtable) => note(self.flowtable(flowtable, *creation)),
                Declaration::Object(object) => note(self.object(object, *creation)),
            },
            CommandKind::Rule(rule) => note(self.rule_command(rule)),
            CommandKind::Delete { what, missing_ok } => note(self.delete(what, *missing_ok, command.span)),
            CommandKind::Flush(flush) => note(self.flush(flush)),
            CommandKind::Rename { table, chain, to } => note(self.rename(table, chain, to)),
            CommandKind::List(_)
            | CommandKind::Reset(_)
            | CommandKind::Get(_)
            | CommandKind::Describe(_)
            | CommandKind::Monitor(_) => {}
        }
    }

    /// As [`Compiler::command`], of a command that nobody needs afterwards: each rule makes room for what it becomes.
    pub fn consume(&mut self, mut command: Command, errors: &mut Vec<Diagnostic>) {
        let chains = match &mut command.kind {
            CommandKind::Declare(_, Declaration::Table(table)) => &mut table.chains[..],
            CommandKind::Declare(_, Declaration::Chain(chain)) => std::slice::from_mut(chain),
            _ => &mut [],
        };
        let rules: Vec<Vec<Rule>> = chains.iter_mut().map(|chain| std::mem::take(&mut chain.rules)).collect();
        self.command(&command, errors);
        // A block's rules come last in any case.
        let chains = match &command.kind {
            CommandKind::Declare(_, Declaration::Table(table)) => &table.chains[..],
            CommandKind::Declare(_, Declaration::Chain(chain)) => std::slice::from_ref(chain),
            _ => &[],
        };
        for (chain, rules) in chains.iter().zip(rules) {
            self.rules_of(chain, rules, errors);
        }
    }

    /// Remembers the name of what could not be declared.
    fn note_failed(&mut self, declared: &Parsed<()>, name: Span) {
        if declared.is_err() {
            self.compiled.failed.push(name);
        }
    }

    fn flush(&mut self, flush: &Flush) -> Parsed<()> {
        match flush {
            Flush::Ruleset(family) => {
                self.cache.flush_ruleset(*family);
                self.push(Change::FlushRuleset { family: *family }, Span::NONE);
            }
            Flush::Table(table) => {
                self.cache.flush_rules(&table.id, None);
                self.push(Change::FlushRules { table: table.id.clone(), chain: None }, table.span);
            }
            Flush::Chain(table, chain) => {
                self.cache.flush_rules(&table.id, Some(&chain.text));
                let change = Change::FlushRules { table: table.id.clone(), chain: Some(chain.text.clone()) };
                self.push(change, chain.span);
            }
            Flush::Set(kind, table, set) => {
                let known = self.cache.set(self.ruleset, &table.id, &set.text);
                if known.is_some_and(|known| !kind.includes(known)) {
                    return Err(Diagnostic::error(set.span, "No such file or directory").code(Code::Missing));
                }
                self.cache.flush_set(self.ruleset, &table.id, &set.text);
                let change = Change::DelElements {
                    table: table.id.clone(),
                    set: set.text.clone(),
                    elements: None,
                    missing_ok: false,
                };
                self.push(change, set.span);
            }
        }
        Ok(())
    }

    fn push(&mut self, change: Change, span: Span) {
        self.push_with(change, span, Vec::new());
    }

    fn push_with(&mut self, change: Change, span: Span, elements: Vec<Span>) {
        self.compiled.batch.changes.push(change);
        self.compiled.origins.push(Origin { span, elements });
    }

    /// Number of the next change.
    fn next_change(&self) -> u32 {
        u32::try_from(self.compiled.batch.changes.len()).unwrap_or(u32::MAX)
    }

    /// A number that no other set or anonymous chain of the batch has.
    fn new_id(&self) -> u32 {
        let id = self.next_id.get() + 1;
        self.next_id.set(id);
        id
    }
}

/// User data with a comment alone, as tables, chains and objects have it.
fn comment(text: Option<&str>, span: Span) -> Parsed<Userdata> {
    let mut data = Userdata::default();
    match text {
        Some(text) if !data.push_str(userdata::COMMENT, text) => {
            Err(Diagnostic::error(span, "comment is too long"))
        }
        _ => Ok(data),
    }
}

/// Whether a family's chains may stand at that hook, else nft's words for it.
fn no_hook(family: Family, span: Span) -> Box<Diagnostic> {
    Diagnostic::error(span, format!("The {family} family does not support this hook"))
        .code(crate::diag::Code::Refused)
}
