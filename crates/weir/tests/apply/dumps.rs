//! Rulesets of nftables' own tests, one applied after the other: what the kernel then tells of each differs in nothing from
//! its file, and the next one rolled back leaves it as it was. Every fifth; all with `WEIR_ALL_DUMPS=1`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

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

/// Every word of a listing, sorted: what was made anew is listed in another order. Time that is left is left out.
fn words(listing: &str) -> Vec<String> {
    let mut words: Vec<&str> = listing.split_whitespace().map(|word| word.trim_end_matches(',')).collect();
    while let Some(at) = words.iter().position(|word| *word == "expires") {
        words.drain(at..(at + 2).min(words.len()));
    }
    words.retain(|word| !word.is_empty());
    words.sort();
    words.into_iter().map(str::to_owned).collect()
}

#[test]
fn what_is_rolled_back_is_what_was() {
    let (Some(shared), Some(ns)) = (shared(), Namespace::new()) else { return };
    let step = if std::env::var_os("WEIR_ALL_DUMPS").is_some() { 1 } else { 5 };
    let paths: Vec<PathBuf> = dumps(&shared.join("corpus/dumps")).into_iter().step_by(step).collect();
    let weir = env!("CARGO_BIN_EXE_weir");
    let (mut rolled_back, mut report) = (0, String::new());
    for (old, new) in paths.iter().zip(paths.iter().cycle().skip(1)) {
        let (old, new) = (old.display().to_string(), new.display().to_string());
        ns.run("nft", &["flush", "ruleset"]);
        if !ns.command(weir, &["nft", "-f", &old]).output().is_ok_and(|nft| nft.status.success()) {
            continue;
        }
        let list = || ns.run(weir, &["nft", "list", "ruleset"]);
        let before = list();
        let mut apply = ns.apply(&[&new, "--prune", "--confirm", "60s"]);
        let mut apply = apply.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("weir runs");
        let told = BufReader::new(apply.stderr.take().expect("it is piped")).lines();
        let mut said = String::new();
        if told.map_while(Result::ok).any(|line| line.contains("rolled back in")) {
            // Where it cannot be told to, it rolls back by itself when its time is over.
            let (code, _, told) = ns.applied(&["rollback"]);
            said = format!("exit {code}: {told}");
            rolled_back += 1;
        }
        apply.wait().expect("it ends");
        let after = list();
        if words(&before) != words(&after) {
            report.push_str(&format!("{old} is another after {new} ({said}): {before}{after}\n"));
        }
    }
    println!("{rolled_back} of {} rolled back", paths.len());
    assert!(report.is_empty(), "{report}");
    assert!(rolled_back > 200 / step, "only {rolled_back} were rolled back");
}
