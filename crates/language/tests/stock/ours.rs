//! The program under test: loads a text into an empty ruleset in memory and lists that.

use ironweir_language::files::NoFiles;
use ironweir_language::session::{Memory, Session};
use ironweir_language::source::Sources;
use ironweir_wire::Instant;

use super::Answer;

/// `load_and_list` of this crate.
pub(crate) fn load_and_list(text: &str) -> Answer {
    load_list_and_code(text).map(|(listing, _)| listing)
}

/// The same, and the bytecode.
pub(crate) fn load_list_and_code(text: &str) -> Result<(String, String), String> {
    let mut sources = Sources::new();
    let mut session = Session { debug_netlink: true, ..Session::default() };
    session.names.interfaces.insert("lo", 1);
    let mut backend = Memory::new(Instant::from_nanos(0));
    let (mut listing, mut code) = (String::new(), String::new());
    for text in [text, "list ruleset"] {
        let source = sources.add("in", text, None).ok_or("too long")?;
        let outcome = session.run(&mut sources, source, &NoFiles, &mut backend);
        if !outcome.ok() {
            return Err(outcome.render(&sources));
        }
        code = std::mem::replace(&mut listing, outcome.output);
    }
    Ok((listing, code))
}
