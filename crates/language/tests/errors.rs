//! What users are told: the most common mistakes, each as `errors/NN-name.nft`, with the whole of what is told about it as
//! `errors/NN-name.err`. `UPDATE_GOLDEN=1` writes the latter anew; then read the difference as a user would.

use std::fs;
use std::path::{Path, PathBuf};

use ironweir_language::datatype::Names;
use ironweir_language::files::MemoryFiles;
use ironweir_language::session::{Memory, Session};
use ironweir_language::source::Sources;
use ironweir_wire::Instant;

#[test]
fn the_most_common_mistakes_are_told_as_the_golden_files_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let files = included(&folder);
    let mut wrong = Vec::new();
    let cases = texts(&folder);
    assert!(cases.len() >= 30, "only {} cases in {}", cases.len(), folder.display());
    for path in cases {
        let told = errors_of(&path, &files);
        let golden = path.with_extension("err");
        if update {
            fs::write(&golden, &told).expect("the folder can be written");
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if told != expected {
            wrong.push(format!("{}: told\n{told}instead of\n{expected}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}\nUPDATE_GOLDEN=1 takes what is told now", wrong.join("\n"));
}

/// Everything said about a text that must be refused.
fn errors_of(path: &Path, files: &MemoryFiles) -> String {
    let name = path.file_name().expect("a file").to_string_lossy();
    let text = fs::read_to_string(path).expect("the folder can be read");
    let mut sources = Sources::new();
    let source = sources.add(&name, &text, None).expect("short");
    let mut backend = Memory::new(Instant::from_nanos(0));
    let mut session = Session { names: machine(), ..Session::default() };
    let outcome = session.run(&mut sources, source, files, &mut backend);
    assert!(!outcome.ok(), "{name} is accepted");
    outcome.render(&sources)
}

/// A machine with two interfaces and a few services.
fn machine() -> Names {
    let mut names = Names::default();
    for (number, name) in [(1, "lo"), (2, "eth0")] {
        names.interfaces.insert(name, number);
    }
    for (number, name) in [(22, "ssh"), (53, "domain"), (80, "http"), (443, "https")] {
        names.services.insert(name, number);
    }
    names
}

/// Files that the texts include.
fn included(folder: &Path) -> MemoryFiles {
    let mut files = MemoryFiles::default();
    for path in texts(&folder.join("include")) {
        let name = format!("./include/{}", path.file_name().expect("a file").to_string_lossy());
        files.0.insert(name, fs::read_to_string(path).expect("the folder can be read"));
    }
    files
}

/// The `.nft` files of a folder in order of their names.
fn texts(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is part of the crate");
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "nft"))
        .collect();
    found.sort();
    found
}

#[test]
fn a_text_wrong_in_every_line_is_told_of_in_bounds() {
    let rules =
        |rule: &str| format!("table ip x {{\n\tchain c {{\n{}\t}}\n}}\n", format!("{rule}\n").repeat(3000));
    for rule in ["ip saddr @nothing drop", "jump nowhere", "tcp dport 22 acept", "tcp dport { 22"] {
        let mut sources = Sources::new();
        let source = sources.add("many.nft", rules(rule), None).expect("short");
        let mut backend = Memory::new(Instant::from_nanos(0));
        let outcome = Session::default().run(&mut sources, source, &MemoryFiles::default(), &mut backend);
        let told = outcome.diagnostics.len();
        assert!((1..=201).contains(&told), "{rule}: {told} errors are told");
        let text = outcome.render(&sources);
        let end = text.lines().next_back().unwrap_or_default();
        let more = ["note: so many errors are told", "note: and at least 900 more errors"];
        assert!(
            told < 100 || more.iter().any(|note| text.contains(note)),
            "{rule}: nothing of the rest: {end}"
        );
    }
}
