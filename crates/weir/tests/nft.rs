//! `weir nft` as its users see it.

mod made;

use made::{Directory, weir};

fn nft<'a>(arguments: impl IntoIterator<Item = &'a str>) -> made::Run {
    weir(["nft", "--engine", "new"].into_iter().chain(arguments))
}

const FILE: &str = "\
table ip x {
	chain y {
		type filter hook input priority filter + 5; policy drop;
		meta l4proto tcp tcp dport 22 counter packets 3 bytes 4 accept
	}
}
";

#[test]
fn a_listing_shows_what_the_options_ask_for() {
    let directory = Directory::new("nft-list");
    let file = directory.file("f.nft", format!("{FILE}list ruleset\n"));
    for (options, expected) in [
        (vec![], vec!["priority filter + 5; policy drop;", "tcp dport 22 counter packets 3 bytes 4 accept"]),
        (vec!["-s"], vec!["tcp dport 22 counter accept"]),
        (vec!["-a"], vec!["chain y { # handle 1", "accept # handle 2"]),
        (vec!["-y"], vec!["priority 5; policy drop;"]),
        (vec!["-nn"], vec!["priority 5; policy drop;"]),
        (vec!["-D", "unused=1"], vec!["table ip x {"]),
    ] {
        let run = nft(options.iter().copied().chain(["-f", &file]));
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{options:?}");
        for line in expected {
            assert!(run.out.contains(line), "{options:?}: no {line:?} in {}", run.out);
        }
    }
}

#[test]
fn what_is_listed_loads_again_and_lists_the_same() {
    let directory = Directory::new("nft-again");
    let first = nft(["-f", &directory.file("a.nft", format!("{FILE}list ruleset\n"))]);
    let second = nft(["-f", &directory.file("b.nft", format!("{}list ruleset\n", first.out))]);
    assert_eq!((second.code, second.out), (Some(0), first.out));
}

#[test]
fn with_j_rulesets_are_listed_as_json_and_read_from_it() {
    let directory = Directory::new("nft-json");
    let text = directory.file("a.nft", format!("{FILE}list ruleset\n"));
    let (listed, json) = (nft(["-f", &text]), nft(["-j", "-f", &text]));
    assert_eq!((json.code, json.err.as_str()), (Some(0), ""));
    assert!(json.out.contains(r#""prio": 5"#) && json.out.contains(r#""right": 22"#), "{}", json.out);
    // What is listed, and then asked for again: once as JSON, once as text
    let document = json.out.trim_end().strip_suffix("]}").expect("a document").to_owned();
    let again = directory.file("b.json", format!("{document},{{\"list\":{{\"ruleset\":null}}}}]}}"));
    assert_eq!(nft(["-j", "-f", &again]).out, json.out);
    let load = nft(["-j", "-c", "-f", &directory.file("c.json", &json.out)]);
    assert_eq!((load.code, load.out.as_str(), load.err.as_str()), (Some(0), "", ""));
    assert!(listed.out.contains("tcp dport 22"));
    let wrong = nft(["-j", "-f", &directory.file("d.json", json.out.replace("22", "99999"))]);
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.err.contains("nftables[3].rule.expr["), "{}", wrong.err);
}

#[test]
fn commands_are_taken_from_the_command_line() {
    let run = nft(["add table ip6 t;", "add", "counter", "ip6", "t", "c", ";", "list", "counters"]);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    assert!(run.out.contains("counter c {") && run.out.contains("packets 0 bytes 0"), "{}", run.out);
}

#[test]
fn bytecode_is_printed_as_nft_prints_it() {
    let directory = Directory::new("nft-debug");
    let run = nft(["--debug=netlink", "-f", &directory.file("f.nft", FILE)]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    for line in [
        "[ meta load l4proto => reg 1 ]",
        "[ payload load 2b @ transport header + 2 => reg 1 ]",
        "[ immediate reg 0 accept ]",
    ] {
        assert!(run.out.contains(line), "no {line:?} in {}", run.out);
    }
}

#[test]
fn errors_are_all_told_with_their_places() {
    let directory = Directory::new("nft-errors");
    let file = directory.file("f.nft", "table ip x {\n\tchain y {\n\t\ttcp dprt 1\n\t\tudp port 2\n\t}\n}\n");
    for option in ["-c", "-s"] {
        let run = nft([option, "-f", &file]);
        assert_eq!((run.code, run.out.as_str()), (Some(1), ""));
        for place in ["f.nft:3:7-10: Error:", "f.nft:4:7-10: Error:"] {
            assert!(run.err.contains(place), "no {place} in {}", run.err);
        }
    }
    let run = nft(["-f", &directory.path("none")]);
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("No such file or directory"), "{}", run.err);
}

/// As stock nft: what stands on the command line is seen whole.
#[test]
fn errors_on_the_command_line_have_no_places_but_marks() {
    let run = nft(["add table ip x; add rule ip x y accept"]);
    let wanted = "Error: Could not process rule: No such file or directory\n\
                  add table ip x; add rule ip x y accept\n                              ^\n";
    assert!(run.err.starts_with(wanted), "{}", run.err);
}

#[cfg(unix)]
#[test]
fn under_the_name_nft_it_is_nft() {
    let directory = Directory::new("nft-name");
    let link = directory.path("nft");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_weir"), &link).unwrap();
    let run =
        std::process::Command::new(&link).args(["--engine", "new", "add table ip x; list tables"]).output();
    assert_eq!(String::from_utf8(run.unwrap().stdout).unwrap(), "table ip x\n");
}
