//! Where the conformance data lies. It is not part of the repository (it is GPL data), so a test that needs it is
//! skipped without it, except where `CI=true` promises it.

use std::path::{Path, PathBuf};

/// The folder `corpus` of the shared data: `$IRONWEIR_SHARED`, else `../shared` beside the repository. Prints that
/// the test is skipped, and why, where there is none.
pub(crate) fn corpus() -> Option<PathBuf> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared =
        std::env::var_os("IRONWEIR_SHARED").map_or_else(|| repository.join("../shared"), PathBuf::from);
    let corpus = shared.join("corpus");
    if corpus.is_dir() {
        return Some(corpus);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "no conformance data at {}", corpus.display());
    eprintln!("skipped: no conformance data at {} (set IRONWEIR_SHARED)", corpus.display());
    None
}

/// Every file below `folder` whose name ends so, as sorted paths relative to it.
pub(crate) fn files(folder: &Path, suffix: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![folder.to_path_buf()];
    while let Some(place) = todo.pop() {
        for entry in std::fs::read_dir(&place).expect("a folder of the corpus can be read") {
            let path = entry.expect("an entry can be read").path();
            if path.is_dir() {
                todo.push(path);
            } else if path.to_string_lossy().ends_with(suffix) {
                found.push(path.strip_prefix(folder).expect("below").to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

/// A file's text, with what is no UTF-8 replaced; empty where there is no such file.
pub(crate) fn read(path: &Path) -> String {
    std::fs::read(path).map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}
