//! Rulesets of nftables' own tests, one applied after the other: what the kernel then tells of each differs in nothing from
//! its file. Every fifth; all with `WEIR_ALL_DUMPS=1`.

use std::path::{Path, PathBuf};

use crate::namespace::Namespace;

/// The shared data, where this checkout has it.
fn shared() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let path = std::env::var_os("IRONWEIR_SHARED").map_or(beside, PathBuf::from);
    if path.is_dir() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "no shared data at {}", path.display());
    eprintln!("SKIPPED: no shared data at {}", path.display());
    None
}

fn dumps(under: &Path) -> Vec<PathBuf> {
    let (mut found, mut left) = (Vec::new(), vec![under.to_owned()]);
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(directory).expect("a readable directory") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|ending| ending == "nft") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn what_is_applied_differs_in_nothing() {
    let (Some(shared), Some(ns)) = (shared(), Namespace::new()) else { return };
    let step = if std::env::var_os("WEIR_ALL_DUMPS").is_some() { 1 } else { 5 };
    let (mut applied, mut refused, mut report) = (0, Vec::new(), String::new());
    for path in dumps(&shared.join("corpus/dumps")).iter().step_by(step) {
        let path = path.display().to_string();
        let (code, _, told) = ns.applied(&[&path, "--yes", "--prune"]);
        if code != 0 {
            // This kernel has no flowtables, for one.
            let weir = env!("CARGO_BIN_EXE_weir");
            ns.run("nft", &["flush", "ruleset"]);
            let loads =
                ns.command(weir, &["nft", "-f", &path]).output().is_ok_and(|nft| nft.status.success());
            ns.run("nft", &["flush", "ruleset"]);
            if loads {
                report.push_str(&format!("{path} loads but is not applied: {told}\n"));
            }
            refused.push(path);
            continue;
        }
        applied += 1;
        let (code, shown, told) = ns.applied(&[&path, "--dry-run", "--prune"]);
        if code != 0 || !shown.is_empty() {
            report.push_str(&format!("{path} still differs: {told}\n{shown}\n"));
        }
    }
    println!("{applied} applied; this kernel refuses {}: {refused:#?}", refused.len());
    assert!(report.is_empty(), "{report}");
    assert!(applied > 250 / step, "only {applied} were applied");
}
