//! `bench/live/soak.py` for a while: mixed traffic and changes through `weir run`, counted at both ends.
//!
//! `IRONWEIR_SOAK` says for how many seconds; without it five minutes in CI and twenty seconds elsewhere. Needs root, `ip`,
//! `ping` and `python3`; says so and skips elsewhere.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn nothing_leaks_and_counters_agree_at_both_ends() {
    let root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let has = |program: &str| Command::new(program).arg("-V").stdout(Stdio::null()).status().is_ok();
    let ci = std::env::var("CI").as_deref() == Ok("true");
    if !(root && has("ip") && has("ping") && has("python3")) {
        assert!(!ci, "CI must not skip");
        eprintln!("SKIPPED: needs root, ip, ping and python3");
        return;
    }
    let seconds = std::env::var("IRONWEIR_SOAK").unwrap_or(if ci { "300" } else { "20" }.into());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/live/soak.py");
    let mut soak = Command::new("python3");
    // Nothing of Python's beside the sources.
    soak.env("PYTHONDONTWRITEBYTECODE", "1").arg(script).arg(env!("CARGO_BIN_EXE_weir"));
    let ended = soak.args([&seconds, "0.2"]).status().unwrap();
    assert!(ended.success(), "{ended}");
}
