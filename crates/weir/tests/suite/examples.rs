//! The examples count what the kernel counted when their captures were recorded.
//!
//! `kernel.nft` beside each capture is the listing of the same ruleset in the kernel through which those
//! packets went.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::outside::{self, answer, complaint, weir};

fn example(name: &str) -> PathBuf {
    outside::repository().join("examples").join(name)
}

fn replay(folder: &Path, more: &[&str]) -> std::process::Output {
    let (rules, trace, host) =
        (folder.join("rules.nft"), folder.join("trace.pcapng"), folder.join("host.toml"));
    let mut arguments: Vec<&OsStr> = vec![
        "replay".as_ref(),
        rules.as_os_str(),
        trace.as_os_str(),
        "--host".as_ref(),
        host.as_os_str(),
        "--no-progress".as_ref(),
    ];
    arguments.extend(more.iter().map(OsStr::new));
    weir(&arguments)
}

/// What a listing counts: the place (table, then chain or object), the rule without its numbers, the numbers.
fn counts(listing: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let (mut table, mut inner) = (String::new(), String::new());
    for line in listing.lines() {
        let text = line.trim();
        if line.starts_with("table ") {
            table = text.trim_end_matches(" {").to_owned();
        } else if text.ends_with('{') && !text.contains('=') {
            inner = text.trim_end_matches(" {").to_owned();
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        for (at, pair) in words.windows(4).enumerate() {
            if pair[0] == "packets" && pair[2] == "bytes" {
                let start = words[..at].iter().take(4).copied().collect::<Vec<_>>().join(" ");
                found.push((format!("{table} / {inner} / {start}"), pair.join(" ")));
            }
        }
        if let Some(used) = words.iter().position(|word| *word == "used") {
            let numbers = words.get(used..used + 3).map(|w| w.join(" ")).unwrap_or_default();
            found.push((format!("{table} / {inner}"), numbers));
        }
    }
    found
}

fn counts_as_the_kernel(name: &str) {
    let folder = example(name);
    let kernel = std::fs::read_to_string(folder.join("kernel.nft")).expect("kernel.nft");
    let output = replay(&folder, &["--list"]);
    assert!(output.status.success(), "{}", complaint(&output));
    let report = answer(&output);
    // The ruleset comes first, then the report.
    let listing = report.split("\npackets\n").next().unwrap_or_default();
    assert_eq!(counts(&kernel), counts(listing), "\nkernel:\n{kernel}\nweir:\n{report}");
}

#[test]
fn accounting_counts_as_the_kernel_did() {
    counts_as_the_kernel("accounting");
}

#[test]
fn home_gateway_counts_as_the_kernel_did() {
    counts_as_the_kernel("home-gateway");
}

#[test]
fn server_counts_as_the_kernel_did() {
    counts_as_the_kernel("server");
}

#[test]
fn offloaded_connections_leave_the_classic_path() {
    let folder = example("http-offload-router");
    let output = replay(&folder, &["--json"]);
    assert!(output.status.success(), "{}", complaint(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    // The kernel, which had no flowtable, saw all packets of these connections' original direction in forward.
    let kernel = std::fs::read_to_string(folder.join("kernel.nft")).expect("kernel.nft");
    let (_, all) =
        counts(&kernel).into_iter().find(|(place, _)| place.contains("offered")).expect("a counter");
    let all: u64 = all.split(' ').nth(1).and_then(|number| number.parse().ok()).expect("packets N bytes N");
    let offered = report["rules"]
        .as_array()
        .and_then(|rules| {
            rules.iter().find(|rule| rule["rule"].as_str().is_some_and(|r| r.contains("offered")))
        })
        .expect("the rule that counts");
    let packets = offered["packets"].as_u64().expect("a number");
    assert!((6..all / 2).contains(&packets), "{packets} of {all} went the classic way");
    let offloaded = report["packets"]["offloaded"].as_u64().expect("a number");
    assert!(offloaded > all, "both directions: {offloaded} by flowtable");
    assert_eq!(report["packets"]["malformed"], 0);
    assert!(report["flowtable"].as_array().is_some_and(|tables| !tables.is_empty()), "{report:#}");
}
