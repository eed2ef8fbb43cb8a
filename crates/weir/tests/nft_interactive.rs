//! `nft -i` at a terminal: what is typed, completed and remembered. Needs python3 for the terminal; says so and skips
//! elsewhere, and fails if `CI=true`.

mod made;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use made::Directory;

const TYPED: &str = "type";
const SEEN: &str = "see";
const TAB: &str = "\t";
const UP: &str = "\u{1b}[A";
const CONTROL_C: &str = "\u{3}";
const CONTROL_D: &str = "\u{4}";

/// Runs `nft --engine new -i` with what is typed and what must be seen; `None` where there is no terminal to be had.
fn at_terminal(home: &Directory, steps: &[(&str, &str)]) -> Option<Output> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nft_interactive.py");
    let child = Command::new("python3")
        .args([script, env!("CARGO_BIN_EXE_weir"), "nft", "--engine", "new", "-i"])
        .env("HOME", home.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        assert!(std::env::var_os("CI").is_none(), "python3 is not installed");
        eprintln!("skipped: python3 is not installed");
        return None;
    };
    let steps = serde_json::to_vec(steps).unwrap();
    child.stdin.take().unwrap().write_all(&steps).unwrap();
    Some(child.wait_with_output().unwrap())
}

/// The same, and it ends well.
fn ends_well(home: &Directory, steps: &[(&str, &str)]) -> Option<String> {
    let output = at_terminal(home, steps)?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {said}", output.status);
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn lines_are_completed_remembered_and_run() {
    let home = Directory::new("nft-interactive");
    let first = ends_well(
        &home,
        &[
            (SEEN, "nft> "),
            (TYPED, "add table inet wall\r"),
            (SEEN, "nft> "),
            // A keyword, a family, the name of what was made.
            (TYPED, &["list tab", TAB, TAB].concat()),
            (SEEN, "tables"),
            (TYPED, &[" inet w", TAB, "\r"].concat()),
            (SEEN, "table inet wall {"),
            (SEEN, "nft> "),
            (TYPED, "quit\r"),
        ],
    );
    if first.is_none() {
        return;
    }
    let history = std::fs::read_to_string(home.path(".nft.history")).unwrap();
    assert_eq!(
        history,
        "_HiStOrY_V2_\nadd\\040table\\040inet\\040wall\nlist\\040table\\040inet\\040wall\\040\nquit\n"
    );
    // The next session has the lines of this one.
    ends_well(
        &home,
        &[
            (SEEN, "nft> "),
            (TYPED, &[UP, UP, UP, "\r"].concat()),
            (SEEN, "add table inet wall"),
            (SEEN, "nft> "),
            (TYPED, "list tables\r"),
            (SEEN, "table inet wall"),
            (SEEN, "nft> "),
            (TYPED, CONTROL_D),
        ],
    );
}

#[test]
fn a_command_goes_on_until_its_braces_are_closed() {
    let home = Directory::new("nft-interactive-more");
    ends_well(
        &home,
        &[
            (SEEN, "nft> "),
            (TYPED, "table ip x {\r"),
            (SEEN, ".... "),
            (TYPED, &["cha", TAB, "y {\r"].concat()),
            (SEEN, ".... "),
            (TYPED, "}\r"),
            (SEEN, ".... "),
            (TYPED, "}\r"),
            (SEEN, "nft> "),
            (TYPED, "list \\\r"),
            (SEEN, ".... "),
            (TYPED, "ruleset\r"),
            (SEEN, "chain y {"),
            (SEEN, "nft> "),
            // An error does not end it, and neither does giving a command up.
            (TYPED, "list nonsense\r"),
            (SEEN, "Error: syntax error"),
            (SEEN, "nft> "),
            (TYPED, "table ip z {\r"),
            (SEEN, ".... "),
            (TYPED, CONTROL_C),
            (SEEN, "nft> "),
            (TYPED, "list tables\r"),
            (SEEN, "table ip x"),
            (SEEN, "nft> "),
            (TYPED, "exit\r"),
        ],
    );
}
