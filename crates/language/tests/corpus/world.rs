//! The program under test: this crate over a ruleset in memory.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ironweir_language::ast::Rule;
use ironweir_language::datatype::Names;
use ironweir_language::define::Scopes;
use ironweir_language::files::NoFiles;
use ironweir_language::lower::lower_rule;
use ironweir_language::parse::Parser;
use ironweir_language::scope::{NoSets, Scope};
use ironweir_language::source::Sources;
use ironweir_ruleset::debug::print_batch;
use ironweir_ruleset::{Batch, ChainRef, Change, Family, TableId};

/// A ruleset in memory and what a command does to it.
#[derive(Clone, Default)]
pub(crate) struct World {}

/// What a run printed.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// Listings.
    pub(crate) listing: String,
    /// `--debug=netlink`.
    pub(crate) bytecode: String,
}

/// Why nothing was changed.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// An ordinary error, as text.
    Error(String),
    /// A panic.
    Crash(String),
}

impl Refusal {
    /// The first line of it.
    pub(crate) fn first_line(&self) -> String {
        match self {
            Refusal::Error(text) => text.lines().next().unwrap_or("no message").to_string(),
            Refusal::Crash(text) => format!("CRASH: {text}"),
        }
    }
}

impl World {
    /// Runs a file's text as one transaction. Options are those of `-s -p`.
    pub(crate) fn run(&mut self, text: &str) -> Result<Output, Refusal> {
        catch_unwind(AssertUnwindSafe(|| self.run_unguarded(text)))
            .unwrap_or_else(|panic| Err(Refusal::Crash(panic_text(&*panic))))
    }

    fn run_unguarded(&mut self, text: &str) -> Result<Output, Refusal> {
        let Some(rest) = text.strip_prefix("add rule ") else {
            return Ok(Output::default());
        };
        let mut words = rest.splitn(4, ' ');
        let (family, table, chain) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        let rule = words.next().unwrap_or_default().trim_end();
        let mut sources = Sources::new();
        let source = sources.add("rule", rule, None).expect("short");
        let mut parser = Parser::new(&mut sources, source, &NoFiles, Scopes::default());
        let parsed = Rule::parse(&mut parser).and_then(|rule| parser.end_of_statement().map(|()| rule));
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                drop(parser);
                return Err(Refusal::Error(error.render(&sources)));
            }
        };
        drop(parser);
        let family = Family::from_name(family).expect("a family");
        let mut names = Names::default();
        names.interfaces.insert("lo", 1);
        names.utc_offset = 7200;
        let scope = Scope { family, names: &names, sets: &NoSets };
        let table = TableId::new(family, table);
        let lowered = lower_rule(&parsed, scope, &table, &Cell::new(0))
            .map_err(|error| Refusal::Error(error.render(&sources)))?;
        let mut batch = Batch { changes: lowered.changes };
        let chain = ChainRef::new(chain);
        batch.changes.push(Change::NewRule { table, chain, rule: lowered.rule, place: Default::default() });
        Ok(Output { listing: String::new(), bytecode: print_batch(&batch, &|_, _| None) })
    }
}

fn panic_text(panic: &dyn std::any::Any) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
