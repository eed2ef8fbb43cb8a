//! What these tests need from outside of the repository: captures and pages, other programs, the binary.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/weir lies two below").to_owned()
}

/// A folder or file of the shared material, which lies beside the repository or where `IRONWEIR_SHARED`
/// says. `None`, after a line that says so, where there is none; a failure if `CI=true`.
pub(crate) fn shared(part: &str) -> Option<PathBuf> {
    let root = std::env::var_os("IRONWEIR_SHARED")
        .map_or_else(|| repository().parent().unwrap_or(Path::new("/")).join("shared"), PathBuf::from);
    let path = root.join(part);
    if path.exists() {
        return Some(path);
    }
    skip(&format!("{} is not there", path.display()))
}

/// Whether a program can be run; says so, and fails if `CI=true`, where not.
pub(crate) fn program(name: &str) -> Option<()> {
    match Command::new(name).arg("--version").output() {
        Ok(_) => Some(()),
        Err(error) => skip(&format!("{name}: {error}")),
    }
}

fn skip<T>(why: &str) -> Option<T> {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI must not skip: {why}");
    eprintln!("SKIPPED: {why}");
    None
}

/// All captures of the shared material, in the order of their names.
pub(crate) fn captures() -> Option<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(shared("pcap")?).expect("the folder of captures").flatten() {
        let Ok(files) = std::fs::read_dir(folder.path()) else { continue };
        found.extend(files.flatten().map(|file| file.path()).filter(|path| {
            path.extension()
                .is_some_and(|extension| ["pcap", "pcapng", "cap"].iter().any(|e| extension == *e))
        }));
    }
    found.sort();
    Some(found)
}

/// A capture's name in lists: folder and file.
pub(crate) fn short(capture: &Path) -> String {
    let file = capture.file_name().unwrap_or_default().display();
    let folder = capture.parent().and_then(Path::file_name).unwrap_or_default().display();
    format!("{folder}/{file}")
}

/// Runs `weir` with these arguments.
pub(crate) fn weir<S: AsRef<OsStr>>(arguments: &[S]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_weir")).args(arguments).output().expect("the binary of this package")
}

/// A new empty folder for one test.
pub(crate) fn scratch(test: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).expect("the target folder can be written");
    path
}

/// Standard error as text.
pub(crate) fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Standard output as text.
pub(crate) fn answer(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The report of `weir replay --json` for one capture, or what it complained of.
pub(crate) fn report(arguments: &[&OsStr]) -> Result<serde_json::Value, String> {
    let mut all = vec![OsStr::new("replay"), OsStr::new("--json"), OsStr::new("--no-progress")];
    all.extend(arguments);
    let output = weir(&all);
    if !output.status.success() {
        return Err(complaint(&output));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("{error}: {}", answer(&output)))
}

/// Does `job` for every item on as many threads as the machine has, results in order.
pub(crate) fn for_all<T: Sync, R: Send>(items: &[T], job: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let mut results: Vec<(usize, R)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut done = Vec::new();
                    loop {
                        let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        let Some(item) = items.get(at) else { return done };
                        done.push((at, job(item)));
                    }
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker panicked")).collect()
    });
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}
