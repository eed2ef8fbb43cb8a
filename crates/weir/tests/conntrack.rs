//! Our conntrack beside the stock one: the same connections, the same command lines, the same output, messages and exit
//! codes. Needs root, network namespaces, python3, nft and conntrack-tools 1.4.7; says so and skips elsewhere, and fails
//! if `CI=true`.

use std::process::Command;

/// Why they cannot be compared here.
fn obstacle() -> Option<String> {
    let output = |program: &str, word: &str| Command::new(program).arg(word).output().ok();
    if !output("id", "-u").is_some_and(|id| id.stdout.starts_with(b"0\n")) {
        return Some("not root".into());
    }
    for tool in ["python3", "ip", "nft"] {
        if output(tool, "--help").is_none() {
            return Some(format!("no {tool}"));
        }
    }
    match output("conntrack", "--version") {
        None => return Some("no conntrack".into()),
        Some(version) if !version.stdout.starts_with(b"conntrack v1.4.7 (conntrack-tools)") => {
            return Some(format!("other than 1.4.7: {}", String::from_utf8_lossy(&version.stdout)));
        }
        Some(_) => {}
    }
    let listed = Command::new("unshare").args(["-n", "-m", "conntrack", "-C"]).output();
    match listed {
        Ok(listed) if listed.status.success() => None,
        _ => Some("no network namespace with connection tracking".into()),
    }
}

#[test]
fn it_answers_as_the_stock_tool_does() {
    if let Some(why) = obstacle() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip: {why}");
        eprintln!("SKIPPED: conntrack cannot be compared: {why}");
        return;
    }
    let folder = std::env::temp_dir().join(format!("ironweir-conntrack-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    // By the name that makes the program conntrack.
    let ours = folder.join("conntrack");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_weir"), &ours).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conntrack.py");
    let run = Command::new("unshare").args(["-n", "-m", "python3", script]).arg(&ours).output().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    println!("{}", String::from_utf8_lossy(&run.stdout));
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}
