//! What stays and what comes back: counters, quotas, elements, tables of others.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use crate::namespace::Namespace;

/// Something of everything that has state and that every kernel with nf_tables has.
const OLD: &str = "table inet f {
	counter named { packets 7 bytes 700; }
	quota volume { 10 mbytes used 3 mbytes; }
	set seen { type ipv4_addr; flags dynamic,timeout; timeout 1h; elements = { 192.0.2.1 } }
	set plain { type ipv4_addr; counter; elements = { 192.0.2.1 counter packets 4 bytes 44, 192.0.2.9 counter packets 1 bytes 9 } }
	set ranges { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.0.2.0-192.0.2.7 } }
	map verdicts { type inet_service : verdict; elements = { 22 : jump ssh, 80 : accept } }
	chain ssh { counter packets 2 bytes 222 accept; }
	chain in {
		type filter hook input priority 0; policy accept;
		ct state established counter packets 5 bytes 500 accept
		tcp dport { 22, 80 } counter packets 6 bytes 600
		tcp dport vmap @verdicts
		ip saddr @plain counter packets 8 bytes 800
		quota 1 mbytes used 5 kbytes
		counter name \"named\"
	}
}
";

/// Policy, a set's timeout, elements and a rule are others; `ssh` is made anew since its comment changes.
const NEW: &str = "table inet f {
	counter named { }
	quota volume { 20 mbytes; }
	set seen { type ipv4_addr; flags dynamic,timeout; timeout 30m; }
	set plain { type ipv4_addr; counter; elements = { 192.0.2.1, 192.0.2.2 } }
	set ranges { type ipv4_addr; flags interval; elements = { 10.0.0.0/9 } }
	map verdicts { type inet_service : verdict; elements = { 22 : jump ssh, 443 : accept } }
	chain ssh { comment \"secure shell\"; counter accept; }
	chain in {
		type filter hook input priority 0; policy drop;
		ct state established counter accept
		udp dport 53 counter
		tcp dport { 22, 80 } counter
		tcp dport vmap @verdicts
		ip saddr @plain counter
		iif lo accept
	}
}
";

const OTHER: &str =
    "table ip other {\n chain c { type filter hook output priority 5; counter packets 1 bytes 1; }\n}\n";

/// A listing without the time that elements have left.
fn timeless(listing: &str) -> String {
    let words = listing.lines().map(|line| {
        let mut words: Vec<&str> = line.split(' ').collect();
        if let Some(at) = words.iter().position(|word| *word == "expires") {
            words.drain(at..at + 2);
        }
        words.join(" ") + "\n"
    });
    words.collect()
}

#[test]
fn counters_and_elements_stay_through_a_change() {
    let Some(ns) = Namespace::new() else { return };
    ns.load(OLD);
    ns.load(OTHER);
    let new = ns.file("new.nft", NEW);
    let handle = |listing: &str, rule: &str| {
        let line = listing.lines().find(|line| line.contains(rule)).map(str::to_owned);
        line.and_then(|line| line.rsplit(' ').next().map(str::to_owned))
    };
    let before = ns.run("nft", &["-a", "list", "ruleset"]);
    let (code, shown, told) = ns.applied(&[&new, "--yes"]);
    assert_eq!(code, 0, "{shown}{told}");
    let after = ns.run("nft", &["-a", "list", "ruleset"]);
    for rule in ["ct state established", "tcp dport { 22, 80 }", "ip saddr @plain"] {
        assert_eq!(handle(&before, rule), handle(&after, rule), "{rule}: {before}{after}");
    }
    for kept in [
        "packets 5 bytes 500 accept",
        "packets 6 bytes 600",
        "packets 8 bytes 800",
        "packets 2 bytes 222 accept",
        "packets 7 bytes 700",
        "20 mbytes used 3 mbytes",
        "192.0.2.1 counter packets 4 bytes 44",
        "table ip other",
        "policy drop",
        "192.0.2.1 expires",
    ] {
        assert!(after.contains(kept), "{kept}: {after}\n{shown}");
    }
    // Nothing is left to do.
    let (code, shown, told) = ns.applied(&[&new, "--yes"]);
    assert_eq!((code, shown.as_str()), (0, ""), "{told}");
}

#[test]
fn a_lost_confirmation_restores_the_old_ruleset_with_its_counters() {
    let Some(ns) = Namespace::new() else { return };
    ns.load(OLD);
    ns.load(OTHER);
    let before = ns.list();
    let new = ns.file("new.nft", NEW);
    let mut apply = ns
        .apply(&[&new, "--confirm", "1s"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("weir runs");
    let mut told = BufReader::new(apply.stderr.take().expect("it is piped"));
    let mut line = String::new();
    told.read_line(&mut line).expect("it tells");
    assert!(line.contains("is applied"), "{line}");
    // What others do meanwhile to tables not concerned stays.
    ns.run("nft", &["add", "chain", "ip", "other", "late"]);
    assert!(ns.list().contains("policy drop"));
    assert_eq!(apply.wait().expect("it ends").code(), Some(2));
    ns.run("nft", &["delete", "chain", "ip", "other", "late"]);
    let after = ns.list();
    // Chains and sets that were made anew are listed last: all there is, in any order.
    let sorted = |listing: &str| {
        let timeless = timeless(listing);
        let mut lines: Vec<String> =
            timeless.lines().map(|line| line.trim_end_matches(',').to_owned()).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&before), sorted(&after), "{before}{after}");
}

#[test]
fn a_confirmation_here_or_elsewhere_keeps_the_new_ruleset() {
    let Some(ns) = Namespace::new() else { return };
    ns.load(OLD);
    let new = ns.file("new.nft", NEW);
    let (code, status, _) = ns.applied(&["status"]);
    assert_eq!((code, status.as_str()), (0, "no apply waits for its confirmation\n"));
    assert_eq!(ns.applied(&["confirm"]).0, 1);
    // By a word at its input.
    let mut apply = ns
        .apply(&[&new, "--confirm", "60s"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("weir runs");
    apply.stdin.take().expect("it is piped").write_all(b"yes\n").expect("it reads");
    let output = apply.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(ns.list().contains("policy drop"));
    // By another process; while it waits, the next is refused.
    let old = ns.file("old.nft", OLD);
    let mut apply = ns
        .apply(&[&old, "--confirm", "60s"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("weir runs");
    let mut told = BufReader::new(apply.stderr.take().expect("it is piped"));
    let mut line = String::new();
    told.read_line(&mut line).expect("it tells");
    let (code, _, refused) = ns.applied(&[&new, "--yes"]);
    assert!(code == 1 && refused.contains("another apply"), "{refused}");
    assert!(ns.applied(&["status"]).1.contains("old.nft is applied and waits"), "{line}");
    assert_eq!(ns.applied(&["confirm"]).0, 0);
    assert_eq!(apply.wait().expect("it ends").code(), Some(0));
    assert!(ns.list().contains("policy accept"));
    // And rolled back on demand.
    let mut apply = ns
        .apply(&[&new, "--confirm", "60s"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("weir runs");
    let mut told = BufReader::new(apply.stderr.take().expect("it is piped"));
    told.read_line(&mut line).expect("it tells");
    assert_eq!(ns.applied(&["rollback"]).0, 0);
    assert_eq!(apply.wait().expect("it ends").code(), Some(2));
    assert!(ns.list().contains("policy accept"));
}

#[test]
fn a_dry_run_changes_nothing_and_tells_what_the_kernel_would_refuse() {
    let Some(ns) = Namespace::new() else { return };
    ns.load(OLD);
    let before = timeless(&ns.list());
    let new = ns.file("new.nft", NEW);
    let (code, shown, told) = ns.applied(&[&new, "--dry-run"]);
    assert_eq!(code, 0, "{told}");
    for line in [
        "-\t\ttype filter hook input priority filter; policy accept;",
        "+\t\ttype filter hook input priority filter; policy drop;",
        "+\t\tudp dport 53 counter",
        "-\t\t\t80 : accept,",
        "+\t\t\t443 : accept,",
        "+\t\tcomment \"secure shell\"",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
    }
    let text = "table inet f {\n ct helper h { type \"nobody-has-this\" protocol tcp; }\n}\n";
    let missing = ns.file("missing.nft", text);
    let (code, _, told) = ns.applied(&[&missing, "--dry-run"]);
    assert!(code == 1 && told.contains("refused"), "{told}");
    let wrong = ns.file("wrong.nft", "table inet f { chain in { tcp dprt 1 } }");
    let (code, _, told) = ns.applied(&[&wrong, "--dry-run"]);
    assert!(code == 1 && told.contains("wrong.nft:1:31-34: Error"), "{told}");
    assert_eq!(timeless(&ns.list()), before);
}

#[test]
fn tables_of_iptables_and_of_nobody_stay_and_others_are_pruned() {
    let Some(ns) = Namespace::new() else { return };
    ns.load(OTHER);
    let iptables = ns
        .command(
            "iptables-nft",
            &["-A", "INPUT", "-p", "tcp", "-m", "comment", "--comment", "x", "-j", "ACCEPT"],
        )
        .output();
    let has_iptables = iptables.is_ok_and(|output| output.status.success());
    let new = ns.file("new.nft", &format!("flush ruleset\n{OLD}"));
    assert_eq!(ns.applied(&[&new, "--yes"]).0, 0);
    assert!(ns.list().contains("table ip other"));
    let (code, shown, told) = ns.applied(&[&new, "--yes", "--prune"]);
    assert_eq!(code, 0, "{told}");
    assert!(!ns.list().contains("table ip other") && shown.contains("-table ip other {"), "{shown}");
    assert_eq!(ns.list().contains("table ip filter"), has_iptables);
    if !has_iptables {
        eprintln!("SKIPPED in part: no iptables-nft");
    }
}

#[test]
fn what_packets_added_to_a_set_stays() {
    let Some(ns) = Namespace::new() else { return };
    let text = |rule: &str| {
        format!(
            "table ip f {{ set s {{ type ipv4_addr; flags dynamic,timeout; timeout 1h; }}
             chain in {{ type filter hook input priority 0; icmp type echo-request add @s {{ ip saddr }} counter; {rule}; }}\n}}"
        )
    };
    ns.load(&text("accept"));
    ns.run("ping", &["-c", "1", "-W", "1", "127.0.0.1"]);
    let before = ns.list();
    assert!(
        before.contains("127.0.0.1 expires") && before.contains("counter packets 1 bytes 84"),
        "{before}"
    );
    let new = ns.file("new.nft", &text("udp dport 9 drop"));
    let (code, _, told) = ns.applied(&[&new, "--yes"]);
    assert_eq!(code, 0, "{told}");
    let after = ns.list();
    for kept in ["127.0.0.1 expires", "counter packets 1 bytes 84", "udp dport 9 drop"] {
        assert!(after.contains(kept), "{kept}: {after}");
    }
}

/// Rules of iptables with matches that the kernel refuses unless it is told the protocol, which it does not tell again.
#[test]
fn rules_of_iptables_come_back_byte_for_byte() {
    let Some(ns) = Namespace::new() else { return };
    let rules: [&[&str]; 7] = [
        &["-A", "INPUT", "-p", "tcp", "-m", "multiport", "--dports", "22,80", "-j", "ACCEPT"],
        &["-A", "INPUT", "!", "-p", "udp", "-m", "comment", "--comment", "not udp", "-j", "DROP"],
        &["-A", "INPUT", "-p", "tcp", "-m", "tcp", "--tcp-option", "8", "-j", "RETURN"],
        &["-A", "INPUT", "-p", "icmp", "-m", "icmp", "--icmp-type", "8", "-m", "ttl", "--ttl-eq", "3"],
        &["-A", "OUTPUT", "-p", "tcp", "--dport", "25", "-j", "REJECT", "--reject-with", "tcp-reset"],
        &[
            "-A",
            "OUTPUT",
            "-m",
            "conntrack",
            "--ctstate",
            "NEW",
            "-m",
            "limit",
            "--limit",
            "5/min",
            "-j",
            "LOG",
        ],
        &["-A", "OUTPUT", "-s", "192.0.2.0/24", "-p", "udp", "-m", "udp", "--sport", "53", "-j", "ACCEPT"],
    ];
    let mut loaded = 0;
    for rule in rules {
        // What a kernel was built without is not there.
        loaded +=
            usize::from(ns.command("iptables-nft", rule).output().is_ok_and(|out| out.status.success()));
    }
    if loaded == 0 {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip");
        eprintln!("SKIPPED: no iptables-nft");
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rules.py");
    let told = || ns.run("python3", &[script]);
    let (before, saved) = (told(), ns.run("iptables-nft-save", &[]));
    assert_eq!(before.lines().count(), loaded);
    assert!(before.contains("6d61746368"), "no xtables match: {before}");
    let new = ns.file(
        "new.nft",
        "table ip filter { chain INPUT { type filter hook input priority 0; tcp dport 22 accept; }; }",
    );
    let mut apply = ns.apply(&[&new, "--yes", "--confirm", "60s"]).spawn().expect("weir runs");
    let gone = || !ns.run("python3", &[script]).contains("6d61746368");
    let begun = std::time::Instant::now();
    while !gone() {
        assert!(begun.elapsed().as_secs() < 60, "it is applied in time");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let (code, _, said) = ns.applied(&["rollback"]);
    assert_eq!(code, 0, "{said}");
    apply.wait().expect("it ends");
    assert_eq!(told(), before);
    let rules_of = |saved: &str| {
        saved.lines().filter(|line| !line.starts_with('#')).map(String::from).collect::<Vec<_>>()
    };
    assert_eq!(rules_of(&ns.run("iptables-nft-save", &[])), rules_of(&saved));
}
