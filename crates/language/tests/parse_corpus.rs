//! Every ruleset of the corpus parses; no hostile one makes the parser fail in another way than by diagnostics.

use std::path::{Path, PathBuf};

use ironweir_language::cmd;
use ironweir_language::define::Scopes;
use ironweir_language::diag::Severity;
use ironweir_language::files::NoFiles;
use ironweir_language::source::Sources;

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

/// The first error, rendered.
fn first_error(name: &str, text: &str) -> Option<String> {
    let mut sources = Sources::new();
    let source = sources.add(name, text, None).expect("a short text");
    let found = cmd::parse(&mut sources, source, &NoFiles, &mut Scopes::default());
    found
        .found
        .iter()
        .find(|diagnostic| diagnostic.severity == Severity::Error)
        .map(|error| error.render(&sources))
}

#[test]
fn every_listed_ruleset_parses() {
    let Some(shared) = shared() else { return };
    let mut failures = Vec::new();
    for path in files(&shared.join("corpus/dumps"), ".nft") {
        let text = std::fs::read_to_string(&path).expect("a readable file");
        failures.extend(first_error(&path.to_string_lossy(), &text));
    }
    assert!(failures.is_empty(), "{} do not parse:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn hostile_rulesets_end_in_diagnostics() {
    let Some(shared) = shared() else { return };
    for path in files(&shared.join("corpus/bogons/nft-f"), "") {
        let text = std::fs::read(&path).expect("a readable file");
        let _ = first_error("bogon", &String::from_utf8_lossy(&text));
    }
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    for (open, close) in [("(", ")"), ("{", "}"), ("jump {", "}")] {
        let text = format!("add rule t c meta mark {}1{}", open.repeat(200), close.repeat(200));
        assert!(first_error("deep", &text).is_some());
        let text = format!("table t {{ chain c {{ {} accept {} }} }}", open.repeat(200), close.repeat(200));
        assert!(first_error("deep", &text).is_some());
    }
    let error = first_error("deep", &format!("add rule t c meta mark {}1", "(".repeat(200)));
    assert!(error.expect("an error").contains("nesting is deeper than"));
    let error = first_error("long", &format!("add rule t c meta mark 1{}", " | 1".repeat(100_000)));
    assert!(error.expect("an error").contains("operators in a row"));
}
