//! What the fuzz targets share: a ruleset in memory, and bytecode from bytes.

pub mod bytecode;

use ironweir_language::files::NoFiles;
use ironweir_language::session::{Memory, Session};
use ironweir_language::source::Sources;
use ironweir_wire::Instant;

fn session() -> Session {
    let mut session = Session::default();
    session.names.interfaces.insert("lo", 1);
    session
}

/// The ruleset that a text makes; `None` where it is refused, which takes a message.
pub fn load(text: &str) -> Option<Memory> {
    let mut backend = Memory::new(Instant::from_nanos(0));
    let mut sources = Sources::new();
    let source = sources.add("fuzz", text, None)?;
    let outcome = session().run(&mut sources, source, &NoFiles, &mut backend);
    if outcome.ok() {
        return Some(backend);
    }
    assert!(!outcome.render(&sources).trim().is_empty(), "refused without a word");
    None
}

/// The ruleset that a JSON document makes.
pub fn load_json(text: &str) -> Option<Memory> {
    let mut backend = Memory::new(Instant::from_nanos(0));
    let outcome = session().run_json("fuzz", text, &mut backend);
    if outcome.ok() {
        return Some(backend);
    }
    assert!(!outcome.render(&Sources::new()).trim().is_empty(), "refused without a word");
    None
}

/// Lists everything.
pub fn list(backend: &mut Memory, json: bool) -> String {
    let mut session = session();
    session.options.json = json;
    let mut sources = Sources::new();
    let source = sources.add("list", "list ruleset", None).expect("short");
    let outcome = session.run(&mut sources, source, &NoFiles, backend);
    assert!(outcome.ok(), "{}", outcome.render(&sources));
    outcome.output
}
