//! Killed at any moment, a large apply leaves the old ruleset or the new one, never a mixture; and the old one comes back
//! with its counters where nobody confirmed.
//!
//! `WEIR_KILLS=200` kills as often as that instead of 20 times, and prints what was found.

use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::namespace::Namespace;

/// How many rules each of the chains has.
const RULES: usize = 400;
const CHAINS: usize = 10;
const ELEMENTS: usize = 4000;

/// Two large rulesets that differ everywhere.
fn ruleset(new: bool) -> String {
    let mut text = String::from("table inet big {\n");
    let elements: Vec<String> =
        (0..ELEMENTS).map(|n| format!("10.{}.{}.{}", u8::from(new), n / 250, n % 250)).collect();
    text.push_str(&format!("set s {{ type ipv4_addr; elements = {{ {} }} }}\n", elements.join(", ")));
    for chain in 0..CHAINS {
        text.push_str(&format!("chain c{chain} {{\n"));
        for rule in 0..RULES {
            // Every third rule is on both sides.
            let port = if new && !rule.is_multiple_of(3) { 20_000 + rule } else { 10_000 + rule };
            let counted = if new { String::new() } else { format!("packets {rule} bytes {}", rule * 100) };
            text.push_str(&format!("tcp dport {port} counter {counted} accept\n"));
        }
        text.push_str("}\n");
    }
    text.push_str("chain in { type filter hook input priority 0; ");
    text.push_str(if new { "policy drop; iif lo accept;" } else { "policy accept;" });
    (0..CHAINS).for_each(|chain| text.push_str(&format!(" ip saddr @s jump c{chain};")));
    text.push_str(" }\n}\n");
    text
}

/// Children of a process that are there now (`/proc/PID/task/TID/children`).
fn children(parent: u32) -> Vec<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn is_there(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // One that has ended and that nobody has asked about is a zombie.
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z') && !rest.is_empty())
}

fn kill(pid: u32) {
    let _ = std::process::Command::new("kill").args(["-9", &pid.to_string()]).output();
}

/// Lines in order of the alphabet: chains and sets that were made anew are listed last.
fn sorted(listing: &str) -> Vec<String> {
    let mut lines: Vec<String> = listing.lines().map(|line| line.trim_end_matches(',').to_owned()).collect();
    lines.sort();
    lines
}

fn spawn(ns: &Namespace, new: &str) -> Child {
    let mut apply = ns.apply(&[new, "--confirm", "1s"]);
    apply.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("weir runs")
}

/// Waits for a process that is not ours.
fn wait_for_end(pid: u32, most: Duration) {
    let end = Instant::now() + most;
    while is_there(pid) {
        assert!(Instant::now() < end, "the guardian does not end");
        sleep(Duration::from_millis(10));
    }
}

#[test]
fn killed_at_any_moment_it_leaves_the_old_or_the_new_ruleset() {
    let Some(ns) = Namespace::new() else { return };
    let kills: u32 = std::env::var("WEIR_KILLS").ok().and_then(|number| number.parse().ok()).unwrap_or(20);
    let (old, new) = (ruleset(false), ns.file("new.nft", &ruleset(true)));
    ns.load(&ruleset(true));
    let after = sorted(&ns.list_stateless());
    ns.run("nft", &["flush", "ruleset"]);
    ns.load(&old);
    let before = sorted(&ns.list());
    let stateless = sorted(&ns.list_stateless());
    // How long it takes, so that kills fall into all of it.
    let begun = Instant::now();
    let mut apply = spawn(&ns, &new);
    while sorted(&ns.list_stateless()) != after {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is never applied");
    }
    let whole = begun.elapsed();
    apply.wait().expect("it ends");
    assert_eq!(sorted(&ns.list()), before, "the old ruleset is back, with its counters");

    let (mut as_before, mut rolled_back, mut orphans) = (0, 0, 0);
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..kills {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let delay = Duration::from_nanos(random % (whole.as_nanos() as u64 * 12 / 10));
        let mut apply = spawn(&ns, &new);
        sleep(delay);
        let guardians = children(apply.id());
        apply.kill().expect("it is ours");
        apply.wait().expect("it is dead");
        // Every fourth time the guardian goes as well.
        let alone = round % 4 == 3;
        if alone {
            guardians.iter().for_each(|pid| kill(*pid));
        }
        let found = sorted(&ns.list_stateless());
        assert!(found == stateless || found == after, "round {round}, after {delay:?}: a mixture");
        let changed = found == after;
        if alone {
            if changed {
                orphans += 1;
                assert_eq!(sorted(&ns.list_stateless()), after, "nobody is left to roll back");
                ns.run("nft", &["flush", "ruleset"]);
                ns.load(&old);
            } else {
                as_before += 1;
            }
        } else {
            guardians.iter().for_each(|pid| wait_for_end(*pid, Duration::from_secs(30)));
            match changed {
                true => rolled_back += 1,
                false => as_before += 1,
            }
        }
        assert_eq!(
            sorted(&ns.list()),
            before,
            "round {round}, after {delay:?}: the old ruleset with its counters"
        );
    }
    println!(
        "{kills} kills within {whole:?}: {as_before} before the change, {rolled_back} after it and rolled back with \
         all counters, {orphans} with the guardian killed too and the new ruleset whole"
    );
}
