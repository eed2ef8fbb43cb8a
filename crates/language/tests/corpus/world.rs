//! The program under test: this crate over a ruleset in memory.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ironweir_language::datatype::Names;
use ironweir_language::files::NoFiles;
use ironweir_language::list::Lister;
use ironweir_language::print::Options;
use ironweir_language::session::{Memory, Session};
use ironweir_language::source::Sources;
use ironweir_ruleset::{Family, TableId};
use ironweir_wire::Instant;

/// A ruleset in memory and what a command does to it.
#[derive(Clone)]
pub(crate) struct World(Memory);

impl Default for World {
    fn default() -> World {
        World(Memory::new(Instant::from_nanos(1_750_000_000_000_000_000)))
    }
}

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
            Refusal::Error(text) => {
                let mut lines = text.lines();
                let first = lines.next().unwrap_or("no message");
                let help = lines.find(|line| line.starts_with("help:")).unwrap_or_default();
                format!("{first} {help}")
            }
            Refusal::Crash(text) => format!("CRASH: {text}"),
        }
    }
}

impl World {
    /// Runs a file's text as one transaction, listing as `-s -p` do.
    pub(crate) fn run(&mut self, text: &str) -> Result<Output, Refusal> {
        catch_unwind(AssertUnwindSafe(|| self.run_unguarded(text)))
            .unwrap_or_else(|panic| Err(Refusal::Crash(panic_text(&*panic))))
    }

    /// Runs a JSON document as one transaction.
    pub(crate) fn run_json(&mut self, document: &serde_json::Value) -> Result<Output, Refusal> {
        catch_unwind(AssertUnwindSafe(|| {
            let outcome = session().run_json("in", &document.to_string(), &mut self.0);
            if !outcome.ok() {
                return Err(Refusal::Error(outcome.render(&Sources::new())));
            }
            Ok(Output { listing: String::new(), bytecode: outcome.output })
        }))
        .unwrap_or_else(|panic| Err(Refusal::Crash(panic_text(&*panic))))
    }

    /// `nft -j -s -p list table`.
    pub(crate) fn list_json(&self, table: &str) -> serde_json::Value {
        let mut session = session();
        session.options.json = true;
        let text = self.list(table, session.options, &session.names);
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn run_unguarded(&mut self, text: &str) -> Result<Output, Refusal> {
        let mut session = session();
        if let Some(place) = text.strip_prefix("list table ") {
            let listing = self.list(place.trim(), session.options, &session.names);
            return Ok(Output { listing, bytecode: String::new() });
        }
        let mut sources = Sources::new();
        let source = sources.add("in", text, None).expect("texts of the corpus are short");
        let outcome = session.run(&mut sources, source, &NoFiles, &mut self.0);
        if !outcome.ok() {
            return Err(Refusal::Error(outcome.render(&sources)));
        }
        Ok(Output { listing: String::new(), bytecode: outcome.output })
    }

    fn list(&self, place: &str, options: Options, names: &Names) -> String {
        let (family, table) = place.split_once(' ').unwrap_or_default();
        let lister = Lister { ruleset: &self.0.ruleset, options, names, now: self.0.now };
        let family = Family::from_name(family).expect("the corpus names families");
        lister.table(&TableId::new(family, table)).unwrap_or_default()
    }
}

/// As the suite runs nft: `-s -p --debug=netlink`.
fn session() -> Session {
    let options = Options { stateless: true, numeric_protocol: true, utc_offset: 7200, ..Options::default() };
    Session { options, names: names(), debug_netlink: true, ..Session::default() }
}

/// What the machine knows that the suite runs on: one interface, and a clock with TZ=UTC-2.
fn names() -> Names {
    let mut names = Names::default();
    names.interfaces.insert("lo", 1);
    names.utc_offset = 7200;
    names
}

fn panic_text(panic: &dyn std::any::Any) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
