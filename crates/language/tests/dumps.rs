//! Rulesets as stock nft listed them: loaded into memory and listed again, they read the same.

use std::path::{Path, PathBuf};

use ironweir_language::files::NoFiles;
use ironweir_language::session::{Memory, Session};
use ironweir_language::source::Sources;
use ironweir_wire::Instant;

/// How many of the dumps must come back byte by byte; more is better, and then this number grows.
const ROUND_TRIPS: usize = 284;

/// The shared data, where this checkout has it.
fn shared() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let path = std::env::var_os("IRONWEIR_SHARED").map_or(beside, PathBuf::from);
    if path.is_dir() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "no shared data at {}", path.display());
    eprintln!("skipped: no shared data at {}", path.display());
    None
}

fn files(under: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![under.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(&dir).expect("a readable directory") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                left.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Loads a text into an empty ruleset and lists it; errors as text.
fn load_and_list(name: &str, text: &str) -> Result<String, String> {
    let mut sources = Sources::new();
    let mut session = Session::default();
    session.names.interfaces.insert("lo", 1);
    let mut backend = Memory::new(Instant::from_nanos(0));
    for (name, text) in [(name, text), ("list", "list ruleset")] {
        let source = sources.add(name, text, None).expect("short");
        let outcome = session.run(&mut sources, source, &NoFiles, &mut backend);
        if !outcome.ok() {
            return Err(outcome.render(&sources));
        }
        if name == "list" {
            return Ok(outcome.output);
        }
    }
    Ok(String::new())
}

#[test]
fn dumps_come_back_as_they_were() {
    let Some(shared) = shared() else { return };
    let paths = files(&shared.join("corpus/dumps"), ".nft");
    let (mut same, mut report) = (0, String::new());
    for path in &paths {
        let text = std::fs::read_to_string(path).expect("a readable file");
        let name = path.strip_prefix(&shared).expect("below").display().to_string();
        match load_and_list(&name, &text) {
            Ok(listed) if listed == text => same += 1,
            Ok(listed) => {
                let differs = text.lines().zip(listed.lines()).find(|(a, b)| a != b);
                let (want, got) = differs.unwrap_or(("(its end)", "(its end)"));
                report.push_str(&format!("{name}: listed otherwise\n  want {want}\n  got  {got}\n"));
            }
            Err(error) => report.push_str(&format!("{error}\n")),
        }
    }
    println!("{report}{same} of {} dumps come back", paths.len());
    assert!(same >= ROUND_TRIPS, "only {same} of {} dumps come back, {ROUND_TRIPS} did before", paths.len());
}

#[test]
fn hostile_rulesets_are_refused() {
    let Some(shared) = shared() else { return };
    let mut accepted = Vec::new();
    for path in files(&shared.join("corpus/bogons/nft-f"), "") {
        let text = std::fs::read(&path).expect("a readable file");
        if load_and_list("bogon", &String::from_utf8_lossy(&text)).is_ok() {
            accepted.push(path.display().to_string());
        }
    }
    assert!(accepted.is_empty(), "accepted:\n{}", accepted.join("\n"));
}
