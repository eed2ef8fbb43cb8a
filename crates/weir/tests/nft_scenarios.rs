//! Shell scripts that call `nft`, once with ours first in `PATH` and once with stock's: each in a network namespace of
//! its own, they must print the same. What is told on standard error is not compared. Some run programs of Debian that
//! drive `nft` (`# needs: PROGRAM`), and are skipped where these are not there.
//!
//! Needs root, `unshare`, `bash` and `nft` (1.0.6); says so and skips elsewhere.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// What a script prints, with the exit code of its last command, where `nft` is found in `path` first.
fn printed(script: &Path, place: &Path, path: Option<&Path>) -> String {
    let _ = fs::remove_dir_all(place);
    fs::create_dir_all(place).expect("a directory for tests can be made");
    let found = std::env::var("PATH").unwrap_or_default();
    let path = path.map_or(found.clone(), |first| format!("{}:{found}", first.display()));
    let command = "ip link set lo up; exec timeout 300 bash \"$0\"";
    let run = Command::new("unshare")
        .args(["-n", "bash", "-c", command])
        .arg(script)
        .current_dir(place)
        .env("PATH", path)
        .env("BASH_ENV", script.with_file_name("functions.bash"))
        .output()
        .expect("unshare was found");
    format!("{}exit {:?}\n", String::from_utf8_lossy(&run.stdout), run.status.code())
}

fn obstacle() -> Option<String> {
    match Command::new("unshare").args(["-n", "nft", "list", "ruleset"]).output() {
        Err(error) => Some(format!("unshare: {error}")),
        Ok(run) if !run.status.success() => Some(String::from_utf8_lossy(&run.stderr).trim().to_owned()),
        Ok(_) => None,
    }
}

/// The program that a script needs besides `nft`, where it is not there.
fn needs(text: &str) -> Option<&str> {
    let program = text.lines().find_map(|line| line.strip_prefix("# needs: "))?;
    let found = Command::new("sh").args(["-c", "command -v \"$0\"", program]).output();
    if found.is_ok_and(|found| found.status.success()) { None } else { Some(program) }
}

#[test]
fn scripts_see_of_ours_what_they_see_of_stock() {
    if let Some(why) = obstacle() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip: {why}");
        eprintln!("SKIPPED: needs root, network namespaces and nft: {why}");
        return;
    }
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nft_scenarios");
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nft_scenarios");
    let bin = place.join("bin");
    let _ = fs::remove_dir_all(&bin);
    fs::create_dir_all(&bin).expect("a directory for tests can be made");
    symlink(env!("CARGO_BIN_EXE_weir"), bin.join("nft")).expect("the directory is new");
    let mut paths: Vec<_> = fs::read_dir(scripts).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "sh"));
    paths.sort();
    let mut wrong = String::new();
    for script in paths {
        let name = script.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(program) = needs(&fs::read_to_string(&script).unwrap()) {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip: no {program}");
            eprintln!("SKIPPED: {name}: no {program}");
            continue;
        }
        let ours = printed(&script, &place.join("ours").join(&name), Some(&bin));
        let stock = printed(&script, &place.join("stock").join(&name), None);
        if ours != stock {
            wrong.push_str(&format!("{name}, of ours:\n{ours}{name}, of stock:\n{stock}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
