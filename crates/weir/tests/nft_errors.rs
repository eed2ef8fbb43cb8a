//! What the kernel refuses, beside the installed nft: exit code, first line and the line that points at the text are
//! the same. Both in a network namespace of their own.

use std::process::{Command, Output};

/// What is there before each command.
const SETUP: &str = "
add table ip t
add chain ip t c
add chain ip t d
add chain ip t in { type filter hook input priority 0; }
add set ip t s { type ipv4_addr; elements = { 1.2.3.4 } }
add set ip t si { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 } }
add map ip t m { type ipv4_addr : verdict; elements = { 1.2.3.4 : jump d } }
add set ip t small { type ipv4_addr; size 1; elements = { 1.1.1.1 } }
add counter ip t cnt
add quota ip t q { over 1 mbytes; }
add rule ip t c counter name \"cnt\"
add rule ip t c jump d
add rule ip t in ip saddr @s accept
";

/// Where stock points at other words, or has a word on what may have been meant in the first line, ours is left out here.
const REFUSED: &[&str] = &[
    "delete table ip nope",
    "delete table inet t",
    "list table ip nope",
    "list table inet t",
    "add rule ip t nope accept",
    "list chain ip t nope",
    "delete chain ip t nope",
    "flush chain ip t nope",
    "flush table ip nope",
    "delete set ip t nope",
    "list set ip t nope",
    "add element ip t nope { 1.2.3.4 }",
    "delete element ip t nope { 1 }",
    "delete element ip t s { 9.9.9.9 }",
    "create element ip t s { 1.2.3.4 }",
    "add element ip t si { 10.1.0.0/16 }",
    "add element ip t small { 2.2.2.2 }",
    "delete map ip t nope",
    "delete counter ip t nope",
    "list counter ip t nope",
    "delete quota ip t nope",
    "create table ip t",
    "create chain ip t c",
    "create set ip t s { type ipv4_addr; }",
    "create counter ip t cnt",
    "delete chain ip t d",
    "delete set ip t s",
    "delete counter ip t cnt",
    "add rule ip t c jump c",
    "add rule ip t d jump c",
    "add rule ip t c goto in",
    "add rule ip t c ip saddr @nope",
    "add rule ip t c ip saddr vmap @nope",
    "add rule ip t c position 99 accept",
    "get element ip t nope { 9.9.9.9 }",
];

fn run(program: &[&str], command: &str) -> Output {
    let script = format!("nft -f - <<'END'\n{SETUP}END\nexec \"$@\"");
    let mut line = Command::new("unshare");
    line.args(["-n", "sh", "-c", &script, "sh"]).args(program).arg(command).env("LC_ALL", "C");
    line.output().expect("unshare runs")
}

#[test]
fn errors_begin_as_nft_tells_them() {
    let works = Command::new("unshare").args(["-n", "nft", "list", "ruleset"]).output();
    if !works.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "nft does not run in a network namespace");
        eprintln!("skipped: nft does not run in a network namespace");
        return;
    }
    let mut wrong = String::new();
    for command in REFUSED {
        let (theirs, ours) = (run(&["nft"], command), run(&[env!("CARGO_BIN_EXE_weir"), "nft"], command));
        let said = |output: &Output| {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            text.lines().take(3).map(str::to_owned).collect::<Vec<_>>()
        };
        if (ours.status.code(), said(&ours)) != (theirs.status.code(), said(&theirs)) {
            wrong += &format!("{command}\n  ours   {:?}\n  theirs {:?}\n", said(&ours), said(&theirs));
        }
    }
    assert_eq!(wrong, "");
}
