//! Where the tests run: in a network namespace that they made, over the shared dumps.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Set in the process that runs inside the namespace.
const INSIDE: &str = "IRONWEIR_TEST_NAMESPACE";

/// A text and its name.
pub(crate) struct Dump {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// The dumps, in the process inside the namespace. Outside, runs this test again inside and gives `None`.
pub(crate) fn in_namespace(test: &str, tools: &[&str]) -> Option<Vec<Dump>> {
    if std::env::var_os(INSIDE).is_some() {
        let _ = Command::new("ip").args(["link", "set", "lo", "up"]).status();
        return Some(dumps(&shared()?));
    }
    let why = if shared().is_none() { Some("no shared data".to_owned()) } else { obstacle(tools) };
    if let Some(why) = why {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip: {why}");
        eprintln!("SKIPPED: the kernel cannot be asked: {why}");
        return None;
    }
    let program = std::env::current_exe().expect("the test's own path");
    let status = Command::new("unshare")
        .arg("-n")
        .arg(program)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .expect("unshare was found");
    assert!(status.success(), "it failed inside the namespace");
    None
}

/// Why the kernel cannot be asked here.
fn obstacle(tools: &[&str]) -> Option<String> {
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.starts_with(b"0\n"));
    if !root {
        return Some("not root".into());
    }
    if !Command::new("unshare").args(["-n", "true"]).status().is_ok_and(|status| status.success()) {
        return Some("no network namespaces".into());
    }
    let missing = |tool: &&&str| Command::new(tool).arg("--version").output().is_err();
    tools.iter().find(missing).map(|tool| format!("no {tool}"))
}

fn shared() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let path = std::env::var_os("IRONWEIR_SHARED").map_or(beside, PathBuf::from);
    path.is_dir().then_some(path)
}

fn dumps(shared: &Path) -> Vec<Dump> {
    let mut found = Vec::new();
    let mut left = vec![shared.join("corpus/dumps")];
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(&dir).expect("a readable directory") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|extension| extension == "nft") {
                let name = path.strip_prefix(shared).expect("below").display().to_string();
                let text = std::fs::read_to_string(&path).expect("a readable file");
                found.push(Dump { name, path, text });
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}
