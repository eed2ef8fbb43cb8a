//! `nft -o` against what nft 1.1 lists after its own `-o` (`../shared/corpus/dumps/optimizations`).
//!
//! `tests/optimise/*.nft` are rules as they may have been before; each becomes the listing of the same name. A listing
//! itself has nothing left to merge.

use std::path::{Path, PathBuf};

use ironweir_language::files::NoFiles;
use ironweir_language::session::{Memory, Session};
use ironweir_language::source::Sources;
use ironweir_wire::Instant;

fn dumps() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let path = std::env::var_os("IRONWEIR_SHARED").map_or(beside, PathBuf::from);
    if path.is_dir() {
        return Some(path.join("corpus/dumps/optimizations"));
    }
    assert!(std::env::var_os("CI").is_none(), "no shared data at {}", path.display());
    eprintln!("skipped: no shared data at {}", path.display());
    None
}

/// What is listed after loading a file with `-o`.
fn optimised(path: &Path) -> String {
    let mut sources = Sources::new();
    let mut session = Session { optimise: true, ..Session::default() };
    session.names.interfaces.insert("lo", 1);
    let mut backend = Memory::new(Instant::from_nanos(0));
    let mut output = String::new();
    for text in [read(path), "list ruleset".to_owned()] {
        let source = sources.add(&path.to_string_lossy(), text, None).expect("short");
        let outcome = session.run(&mut sources, source, &NoFiles, &mut backend);
        assert!(outcome.ok(), "{}", outcome.render(&sources));
        output = outcome.output;
    }
    output
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("a readable directory");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "nft"));
    files.sort();
    files
}

#[test]
fn rules_become_what_nft_lists() {
    let Some(dumps) = dumps() else { return };
    let inputs = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/optimise"));
    assert!(inputs.len() >= 10, "{inputs:?}");
    for path in inputs {
        let listed = read(&dumps.join(path.file_name().expect("a name")));
        assert_eq!(optimised(&path), listed, "{}", path.display());
    }
}

#[test]
fn what_nft_merged_and_left_alone_stays_as_it_is() {
    let Some(dumps) = dumps() else { return };
    for path in files(&dumps) {
        // Nothing merged these: nft's own `-o` would (1.0.6 does).
        if path.ends_with("dependency_kill.nft") {
            continue;
        }
        assert_eq!(optimised(&path), read(&path), "{}", path.display());
    }
}
