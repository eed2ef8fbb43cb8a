//! Rules of the corpus, each in its chain, and what it becomes.

use ironweir_language::datatype::Names;
use ironweir_language::files::NoFiles;
use ironweir_language::session::{Backend, Memory, Rejection, Session};
use ironweir_language::source::Sources;
use ironweir_ruleset::store::Applied;
use ironweir_ruleset::{Batch, Change, Family, Rule, Ruleset, TableId};
use ironweir_wire::Instant;

use crate::corpus::place;
use crate::corpus::units::{ItemKind, TableSpec, TestFile};
use crate::kernel::Kernel;
use crate::tally::{End, Tally};

/// A ruleset in memory that keeps the last batch.
#[derive(Clone)]
struct Recorder {
    memory: Memory,
    batch: Batch,
}

impl Backend for Recorder {
    fn ruleset(&self) -> &Ruleset {
        self.memory.ruleset()
    }

    fn now(&self) -> Instant {
        self.memory.now
    }

    fn commit(&mut self, batch: &Batch) -> Result<Applied, Rejection> {
        self.batch = batch.clone();
        self.memory.commit(batch)
    }
}

impl Recorder {
    fn new() -> Recorder {
        let memory = Memory::new(Instant::from_nanos(1_750_000_000_000_000_000));
        Recorder { memory, batch: Batch::default() }
    }

    /// The batch that a text becomes.
    fn run(&mut self, text: &str) -> Option<Batch> {
        let mut names = Names::default();
        names.interfaces.insert("lo", 1);
        let mut session = Session { names, ..Session::default() };
        let mut sources = Sources::new();
        let source = sources.add("in", text, None).expect("texts of the corpus are short");
        session.run(&mut sources, source, &NoFiles, self).ok().then(|| std::mem::take(&mut self.batch))
    }
}

/// A rule of the corpus in a chain.
pub(crate) struct Unit {
    pub(crate) table: TableId,
    pub(crate) chain: String,
    /// The command that adds it.
    pub(crate) command: String,
    /// What the command becomes.
    pub(crate) batch: Batch,
    /// Where it is from.
    pub(crate) place: String,
}

impl Unit {
    pub(crate) fn rule(&self) -> &Rule {
        let rule = self.batch.changes.iter().rev().find_map(|change| match change {
            Change::NewRule { rule, .. } => Some(rule),
            _ => None,
        });
        rule.expect("the command adds a rule")
    }
}

/// Makes the tables of every file in the kernel, and hands its rules to `check`.
pub(crate) fn each_file(
    kernel: &mut Kernel,
    tally: &mut Tally,
    check: &dyn Fn(&mut Kernel, &mut Tally, Vec<Unit>),
) {
    let Some(corpus) = place::corpus() else { return };
    let only = std::env::var("CORPUS_ONLY").unwrap_or_default();
    let folder = corpus.join("py");
    for name in place::files(&folder, ".t").into_iter().filter(|name| name.contains(&only)) {
        let file = TestFile::open(&folder.join(&name));
        let worlds = declare(kernel, &name, &file, tally);
        let units = units(&name, &file, &worlds, tally);
        check(kernel, tally, units);
        kernel.commit(&Batch { changes: vec![Change::FlushRuleset { family: None }] }).expect("all can go");
    }
}

/// The tables of a file, in memory and in the kernel.
fn declare(
    kernel: &mut Kernel,
    name: &str,
    file: &TestFile,
    tally: &mut Tally,
) -> Vec<(TableSpec, Recorder)> {
    let mut worlds: Vec<(TableSpec, Recorder)> = Vec::new();
    for item in &file.items {
        match &item.kind {
            ItemKind::Table(spec) => {
                let mut world = Recorder::new();
                let batch = world.run(&spec.setup()).expect("we know every kind of table and chain");
                match kernel.commit(&batch) {
                    Ok(()) => worlds.push((spec.clone(), world)),
                    Err(errno) => tally.refused(errno, name, &spec.id()),
                }
            }
            ItemKind::Declaration(line) => {
                for (spec, world) in &mut worlds {
                    let (command, _) = spec.declaration(line);
                    let Some(batch) = world.run(&format!("{command}\n")) else { continue };
                    if let Err(errno) = kernel.commit(&batch) {
                        tally.refused(errno, name, &command);
                    }
                }
            }
            ItemKind::Rule(_) => {}
        }
    }
    worlds
}

fn units(name: &str, file: &TestFile, worlds: &[(TableSpec, Recorder)], tally: &mut Tally) -> Vec<Unit> {
    let mut units = Vec::new();
    for item in &file.items {
        let ItemKind::Rule(case) = &item.kind else { continue };
        for (spec, world) in worlds.iter().filter(|_| case.ok) {
            for (chain, _) in &spec.chains {
                let place = format!("{name}:{} {} {chain} {}", item.line, spec.id(), case.text);
                let command = format!("add rule {} {chain} {}", spec.id(), case.text);
                let Some(batch) = world.clone().run(&format!("{command}\n")) else {
                    tally.count(End::Wrong("we refuse it".into()), &place);
                    continue;
                };
                let family = Family::from_name(&spec.family).expect("a family");
                let table = TableId::new(family, &*spec.name);
                units.push(Unit { table, chain: chain.clone(), command, batch, place });
            }
        }
    }
    units
}
