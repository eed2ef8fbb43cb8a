//! Exit codes and messages of options, beside the installed nft: both in a network namespace of their own.

mod made;

use std::process::{Command, Output};

use made::Directory;

fn isolated(program: &[&str], words: &[&str]) -> Option<Output> {
    Command::new("unshare").arg("-n").args(program).args(words).output().ok()
}

#[test]
fn exit_codes_and_messages_are_those_of_nft() {
    let stock = isolated(&["nft"], &["list", "ruleset"]);
    if !stock.is_some_and(|output| output.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "nft does not run in a network namespace");
        eprintln!("skipped: nft does not run in a network namespace");
        return;
    }
    let directory = Directory::new("nft-options");
    let good = directory.file("good.nft", "list ruleset\n");
    let bad = directory.file("bad.nft", "foo bar\n");
    let (good, bad) = (good.as_str(), bad.as_str());
    // The second says whether standard error is compared too; nft writes half of what it says of misplaced options to
    // standard output.
    let lines: &[(&[&str], bool)] = &[
        (&[], true),
        (&["-v"], true),
        (&["--version"], true),
        (&["-V"], true),
        (&["-h"], true),
        (&["-k"], true),
        (&["--nope"], true),
        (&["-f"], true),
        (&["-I"], true),
        (&["-a"], true),
        (&["--check=yes", "list", "ruleset"], true),
        (&["-D", "x", "list", "ruleset"], true),
        (&["-D", "x=1", "list", "ruleset"], true),
        (&["-d", "foo", "list", "ruleset"], true),
        (&["list", "ruleset", "-a"], false),
        (&["list", "-a", "ruleset"], false),
        (&["add", "table", "x", "--"], false),
        (&["-f", good, "-a"], true),
        (&["-a", "-f", good], true),
        (&["-c", "-f", good], true),
        (&["-j", "-f", good], true),
        (&["-o", "-f", good], true),
        (&["-f", bad], false),
        (&["-f", good, bad], false),
        (&["-f", "/nonexistent/file"], false),
        (&["-f", "-"], true),
        (&["-f", "/dev/stdin"], true),
        (&["-f", good, "-f", bad], false),
        (&["--", "list", "ruleset"], true),
        (&["-I", "/nonexistent", "list", "ruleset"], true),
        (&["-nn", "list", "ruleset"], true),
        (&["-nasSut", "list", "ruleset"], true),
        (&["-ypT", "list", "ruleset"], true),
        (&["--hand", "list", "ruleset"], true),
        (&["--numeric-pri", "list", "ruleset"], true),
        (&["add table x; list tables"], true),
        (&["-e", "add", "table", "x"], true),
        (&["-c", "add", "table", "x"], true),
        (&["delete", "table", "x"], false),
        (&["list", "table", "x"], false),
        (&["add", "chain", "x", "y", "{ type filter hook input priority -5; }"], false),
        (&[""], true),
        (&["-vk"], true),
        (&["-kv"], true),
        (&["-hv"], true),
        (&["-aVx", "list", "tables"], true),
        (&["--vers"], true),
        (&["--nope=1"], true),
        (&["--h"], true),
        (&["--s", "list", "tables"], true),
        (&["--num", "list", "tables"], true),
        (&["--numeric-pr", "list", "tables"], true),
        (&["--file"], true),
        (&["--define"], true),
        (&["--debug"], true),
        (&["--includepath"], true),
        (&["-D"], true),
        (&["-d"], true),
        (&["-a", "--nope", "list", "tables"], true),
        (&["-ax", "list", "tables"], true),
        (&["-ak"], true),
        (&["-j"], true),
        (&["-n", "-a"], true),
        (&["-d", "eval,foo", "list", "tables"], true),
        (&["-d", "", "list", "tables"], true),
        (&["-d", "mnl,segtree,proto-ctx", "list", "tables"], true),
        (&["--fil", good], true),
        (&["--file", good, "--check"], true),
        (&["-fgood", "-a"], false),
        (&["-f", ""], false),
        (&["-D", "x=1", "-D", "x=2", "-f", good], false),
        (&["-D", "=1", "-f", good], false),
        (&["-D", "x=", "-f", good], false),
        (&["-D", "x={1,2}", "-f", good], true),
        (&["-Dx=t", "-f", good], true),
        (&["list", "ruleset", "--", "-a"], false),
        (&["--", "-a", "list", "ruleset"], false),
        (&["list", "tables", "-v"], false),
        (&["list tables; list chains"], true),
        (&["list tables", "list chains"], false),
        (&["list tables;", "list", "chains"], true),
        (&["", "list", "tables"], true),
        (&[" "], true),
        (&["list"], false),
        (&["foo"], false),
        (&["list", "ruleset", "ip"], true),
        (&["list", "ruleset", "inet"], true),
        (&["-j", r#"{"nftables":[{"list":{"tables":null}}]}"#], true),
        (&["describe", "tcp", "dport"], true),
        (&["-i", "list", "tables"], true),
    ];
    for (line, messages) in lines {
        let theirs = isolated(&["nft"], line).unwrap();
        let ours = isolated(&[env!("CARGO_BIN_EXE_weir"), "nft"], line).unwrap();
        let said = (String::from_utf8_lossy(&ours.stderr), String::from_utf8_lossy(&theirs.stderr));
        assert_eq!(ours.status.code(), theirs.status.code(), "{line:?}: {said:?}");
        if *messages {
            assert_eq!(said.0, said.1, "{line:?}");
        }
    }
}
