//! The examples of routers through this machine's own kernel, in a network namespace: every counter and quota of the
//! ruleset must then say what replay says. Needs root, python3, ip and nft; says so and skips elsewhere,
//! and fails if `CI=true`.

use std::path::Path;
use std::process::Command;

/// Why the kernel cannot be asked here.
fn obstacle() -> Option<String> {
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.starts_with(b"0\n"));
    if !root {
        return Some("not root".into());
    }
    for tool in ["python3", "ip", "nft"] {
        if Command::new(tool).arg("--help").output().is_err() {
            return Some(format!("no {tool}"));
        }
    }
    let name = format!("iwtest{}", std::process::id());
    let add = Command::new("ip").args(["netns", "add", &name]).output();
    let _ = Command::new("ip").args(["netns", "delete", &name]).output();
    if !add.is_ok_and(|add| add.status.success()) {
        return Some("no network namespaces".into());
    }
    None
}

/// What each counter (`packets N bytes M`) and quota (`used N`) of a listing says, in order.
fn figures(listing: &str) -> Vec<String> {
    let words: Vec<&str> = listing.split_whitespace().collect();
    let number = |word: &str| word.parse::<u64>().is_ok();
    let mut figures = Vec::new();
    for window in words.windows(4) {
        match *window {
            ["packets", packets, "bytes", bytes] if number(packets) => {
                figures.push(format!("{packets} {bytes}"))
            }
            ["used", amount, unit, _] => figures.push(format!("used {amount} {unit}")),
            _ => {}
        }
    }
    figures
}

#[test]
fn the_kernel_counts_what_replay_counts() {
    if let Some(why) = obstacle() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip: {why}");
        eprintln!("SKIPPED: the kernel cannot be asked: {why}");
        return;
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["home-gateway", "accounting"] {
        let example = here.join("../../examples").join(name);
        let kernel = Command::new("python3").arg(here.join("tests/kernel.py")).arg(&example).output();
        let kernel = kernel.expect("python3 was found");
        assert!(kernel.status.success(), "{name}: {}", String::from_utf8_lossy(&kernel.stderr));
        let replay = Command::new(env!("CARGO_BIN_EXE_weir"))
            .args(["replay", "--no-progress", "--list"])
            .args(["rules.nft", "trace.pcapng", "--host", "host.toml"])
            .current_dir(&example)
            .output()
            .expect("weir runs");
        assert!(replay.status.success(), "{name}: {}", String::from_utf8_lossy(&replay.stderr));
        let replay = String::from_utf8_lossy(&replay.stdout);
        let listing = replay.split("\npackets\n").next().unwrap_or_default();
        let theirs = figures(&String::from_utf8_lossy(&kernel.stdout));
        assert!(theirs.len() > 5, "{name}: the kernel listed no counters");
        assert_eq!(figures(listing), theirs, "{name}");
    }
}
