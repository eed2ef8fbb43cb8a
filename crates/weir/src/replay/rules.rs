//! The ruleset of a replay, and where its rules stand in the source; the match of `--trace`.

use ironweir_engine::Engine;
use ironweir_language::datatype::Names;
use ironweir_language::files::NoFiles;
use ironweir_language::session::{Outcome, RuleOrigin, Session};
use ironweir_language::source::Sources;
use ironweir_ruleset::{Batch, Change, Family, Selector, TableId};

use super::collect::Places;
use super::{Options, ReplayError};
use crate::backend::InProcess;
use crate::cli::complain;
use crate::files::{self, DiskFiles};

/// Loads the ruleset into the engine. Warnings, and what commands of the file print, go to standard error.
///
/// # Errors
/// All that is wrong in the file.
pub fn load(engine: &mut Engine, names: &Names, options: &Options) -> Result<Places, ReplayError> {
    let path = &options.rules;
    let (name, text) = match path.to_str() {
        Some("-") => ("/dev/stdin".to_owned(), files::text_of(std::io::stdin()).map_err(|e| e.to_string())),
        _ => (path.display().to_string(), files::read_text(path).map_err(|error| error.to_string())),
    };
    let text = text.map_err(|error| ReplayError::File { path: name.clone(), error })?;
    let mut session = Session { names: names.clone(), ..Session::default() };
    let mut sources = Sources::new();
    for (define, value) in &options.defines {
        session.define(define, value, &mut sources).map_err(|error| ReplayError::Rules {
            what: format!("-D {define}"),
            diagnostics: error.render(&sources),
        })?;
    }
    let too_long = || ReplayError::File { path: name.clone(), error: "longer than 4 GiB".into() };
    let source = sources.add(&name, text, None).ok_or_else(too_long)?;
    let files = DiskFiles { include_paths: options.include_paths.clone() };
    let outcome = session.run(&mut sources, source, &files, &mut InProcess(engine));
    if !outcome.ok() {
        return Err(ReplayError::Rules { what: name, diagnostics: outcome.render(&sources) });
    }
    complain(&outcome.render(&sources));
    complain(&outcome.output);
    Ok(places(engine, &outcome.rules, &sources))
}

/// File and line of each rule. Lines are counted once per file, not once per rule.
fn places(engine: &Engine, rules: &[RuleOrigin], sources: &Sources) -> Places {
    let mut by_place: Vec<&RuleOrigin> = rules.iter().filter(|rule| rule.span.is_some()).collect();
    by_place.sort_by_key(|rule| (rule.span.source, rule.span.start));
    let mut places = Places::new();
    let (mut file, mut at, mut line) = (None, 0, 1);
    for rule in by_place {
        let Some(source) = sources.get(rule.span.source) else { continue };
        if file != Some(rule.span.source) {
            (file, at, line) = (Some(rule.span.source), 0, 1);
        }
        let start = (rule.span.start as usize).min(source.text.len());
        line += source.text.as_bytes()[at..start].iter().filter(|byte| **byte == b'\n').count();
        at = start;
        if let Some(table) = engine.ruleset().table(&rule.table) {
            places.insert((table.id, rule.handle), (source.name.to_string(), line));
        }
    }
    places
}

/// Tables that set `meta nftrace` on the packets that a match holds for. They are there only while packets pass.
///
/// One table is at ingress, where a packet is seen first; the other asks again at each hook, for what is not known before:
/// connection, route, output interface.
#[derive(Debug, Default)]
pub struct TraceTables {
    tables: Vec<TableId>,
    slots: Vec<u32>,
}

/// The name of tables that ask for traces.
pub const TRACE_TABLE: &str = "__weir_trace";

impl TraceTables {
    /// Adds those tables whose family the match is good for.
    ///
    /// # Errors
    /// If it is good for none: what is wrong with it.
    pub fn add(engine: &mut Engine, names: &Names, matches: &str) -> Result<TraceTables, ReplayError> {
        let lo = |name: &&str| *name != "lo";
        let devices: Vec<&str> = engine.host().interfaces().iter().map(|i| &*i.name).filter(lo).collect();
        let devices: Vec<String> = devices.iter().map(|name| format!("\"{name}\"")).collect();
        let ingress =
            format!("type filter hook ingress devices = {{ {} }} priority -2147483647;", devices.join(", "));
        let at = |hook: &str, priority: i32| format!("type filter hook {hook} priority {priority};");
        let inet = [
            at("prerouting", -2147483647),
            at("prerouting", -199),
            at("input", -2147483647),
            at("forward", -2147483647),
            at("output", -2147483647),
            at("output", -199),
            at("postrouting", -2147483647),
        ];
        let mut added = TraceTables::default();
        let mut refused = None;
        for (family, bases) in [(Family::Netdev, &[ingress][..]), (Family::Inet, &inet)] {
            let id = TableId::new(family, TRACE_TABLE);
            let outcome = add_table(engine, names, &id, bases, matches);
            match outcome {
                Ok(()) => {
                    added.slots.extend(engine.ruleset().table(&id).map(|table| table.id));
                    added.tables.push(id);
                }
                Err(diagnostics) => refused = Some(diagnostics),
            }
        }
        match refused {
            Some(diagnostics) if added.tables.is_empty() => {
                Err(ReplayError::Rules { what: format!("--trace '{matches}'"), diagnostics })
            }
            _ => Ok(added),
        }
    }

    /// Whether a table is one of them.
    pub fn contains(&self, slot: u32) -> bool {
        self.slots.contains(&slot)
    }

    /// Takes the tables away again.
    pub fn remove(&self, engine: &mut Engine) {
        let delete = |id: &TableId| Change::DelTable {
            family: id.family,
            which: Selector::Name(id.name.clone()),
            missing_ok: true,
        };
        // Nothing refers to these tables from outside.
        let _ = engine.commit(&Batch { changes: self.tables.iter().map(delete).collect() });
    }
}

fn add_table(
    engine: &mut Engine,
    names: &Names,
    id: &TableId,
    bases: &[String],
    matches: &str,
) -> Result<(), String> {
    let mut text = format!("table {id} {{\n");
    for (number, base) in bases.iter().enumerate() {
        text.push_str(&format!("chain c{number} {{ {base}\n{matches} meta nftrace set 1\n}}\n"));
    }
    text.push_str("}\n");
    let mut sources = Sources::new();
    let Some(source) = sources.add("--trace", text, None) else { return Err("too long\n".into()) };
    let mut session = Session { names: names.clone(), ..Session::default() };
    let mut outcome: Outcome = session.run(&mut sources, source, &NoFiles, &mut InProcess(engine));
    if outcome.ok() {
        return Ok(());
    }
    // Every chain of the table has the same match: its errors are told once.
    outcome.diagnostics.dedup_by(|a, b| a.message == b.message);
    Err(outcome.render(&sources))
}
