//! The pages of nftables' wiki that people copy from: what they print loads as printed, with a helpful
//! error where it is no nft, and behaves as the page says.

use std::path::Path;

use crate::outside::{self, answer, complaint, scratch, shared, weir};

/// Loads a file into a fresh engine: exit code, standard output, standard error.
fn load(test: &str, text: &str) -> (Option<i32>, String, String) {
    let file = scratch(test).join("rules.nft");
    std::fs::write(&file, text).expect("scratch can be written");
    let output =
        weir(&["nft".as_ref(), "--engine".as_ref(), "new".as_ref(), "-f".as_ref(), file.as_os_str()]);
    (output.status.code(), answer(&output), complaint(&output))
}

fn page(name: &str) -> Option<String> {
    Some(std::fs::read_to_string(shared("seeds")?.join(name)).expect("the page"))
}

/// The part of a page from one line to another, both included.
fn part<'p>(page: &'p str, first: &str, last: &str) -> &'p str {
    let start = page.find(first).unwrap_or_else(|| panic!("the page has no {first:?}"));
    let end = page[start..].find(last).unwrap_or_else(|| panic!("the page has no {last:?}")) + start;
    &page[start..end + last.len()]
}

/// The page's no-break spaces, which its stored copy keeps only in part, put back where the page had them.
const FLOWTABLES: &str = "000_8e3a6babe665be58.txt";
const STATEFUL: &str = "004_09e376b0d26f0d5c.txt";

#[test]
fn the_flowtable_example_loads_as_printed() {
    let Some(page) = page(FLOWTABLES) else { return };
    let rules = part(&page, "define DEV_PRIVATE", "\n}\n");
    let (code, listing, errors) = load("flowtable_page", &format!("{rules}\nlist ruleset\n"));
    assert_eq!(code, Some(0), "{errors}");
    for line in [
        "table inet x {",
        "flowtable f {",
        "hook ingress priority filter",
        "devices = { \"eth0\", \"eth1\" }",
        "type filter hook forward priority filter; policy drop;",
        "tcp dport { 80, 443 } ct state established flow add @f counter packets 0 bytes 0",
        "iifname \"eth0\" counter packets 0 bytes 0 accept",
    ] {
        assert!(listing.contains(line), "no {line:?} in\n{listing}");
    }
}

#[test]
fn no_break_spaces_of_the_page_are_blanks_with_a_warning() {
    let Some(page) = page(FLOWTABLES) else { return };
    let rules = part(&page, "define DEV_PRIVATE", "\n}\n");
    let line = 1 + rules.lines().position(|l| l.contains('\u{a0}')).expect("the page holds no-break spaces");
    let (code, _, errors) = load("no_break_spaces", rules);
    assert_eq!(code, Some(0), "{errors}");
    assert!(errors.contains("Warning") && errors.contains(&format!("rules.nft:{line}:")), "{errors}");
}

#[test]
fn the_flowtable_example_offloads_established_http() {
    let Some(page) = page(FLOWTABLES) else { return };
    let rules = scratch("flowtable_replay").join("rules.nft");
    std::fs::write(&rules, part(&page, "define DEV_PRIVATE", "\n}\n")).expect("scratch can be written");
    let example = outside::repository().join("examples/http-offload-router");
    let report = outside::report(&[
        rules.as_os_str(),
        example.join("trace.pcapng").as_os_str(),
        "--host".as_ref(),
        example.join("host.toml").as_os_str(),
    ])
    .expect("a report");
    // Of three HTTP connections the SYN, the SYN-ACK and the packet that makes the entry go the classic way.
    let offloading =
        report["rules"].as_array().and_then(|rules| rules.first()).expect("the page's first rule");
    assert_eq!(offloading["packets"], 3, "{report:#}");
    let table = &report["flowtable"][0];
    assert_eq!(table["name"], "f", "{report:#}");
}

#[test]
fn the_quota_example_points_at_port_and_proposes_dport_and_sport() {
    let Some(page) = page(STATEFUL) else { return };
    let rules = part(&page, "table inet foo {", "\n}\n");
    let (code, _, errors) = load("quota_page", rules);
    assert_eq!(code, Some(1), "{errors}");
    let at = 1 + rules.lines().position(|l| l.contains("udp port 5060")).expect("the trap");
    let column = 1 + rules.lines().nth(at - 1).and_then(|l| l.find("port")).expect("the word");
    assert!(errors.contains(&format!("rules.nft:{at}:{column}-{}", column + 3)), "{errors}");
    assert!(errors.contains("dport") && errors.contains("sport"), "{errors}");
    let (code, listing, errors) =
        load("quota_page_mended", &format!("{}\nlist ruleset\n", rules.replace("udp port", "udp dport")));
    assert_eq!(code, Some(0), "{errors}");
    assert!(listing.contains("over 100 mbytes"), "{listing}");
    assert!(listing.contains("udp dport 5060 quota name \"example\" drop"), "{listing}");
}

/// The page's shell commands (`% nft ...`) as lines of nft; its printed outputs are left out.
fn commands(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(mut command) = line.strip_prefix("% nft ").map(str::to_owned) else { continue };
        while let Some(open) = command.strip_suffix('\\') {
            command = format!("{open} {}", lines.next().unwrap_or_default().trim());
        }
        found.push(command.replace("\\;", ";"));
    }
    found
}

#[test]
fn the_commands_for_stateful_objects_run_one_after_another() {
    let Some(page) = page(STATEFUL) else { return };
    // The page's map names two counters which it never makes.
    let all = commands(&page);
    let map = all.iter().position(|c| c.contains("counter name tcp dport map")).expect("the map of counters");
    let (code, _, errors) = load("objects_missing", &(all[..=map].join("\n") + "\n"));
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("http-traffic") || errors.contains("No such file"), "{errors}");

    let mut whole = all.clone();
    whole.insert(map, "add counter filter http-traffic; add counter filter foo-counter".to_owned());
    // And it lists a table of another family.
    whole.insert(0, "add table inet filter".to_owned());
    let (code, listing, errors) = load("objects", &(whole.join("\n") + "\nlist ruleset\n"));
    assert_eq!(code, Some(0), "{errors}");
    for line in [
        "counter https-traffic {",
        "tcp dport 443 counter name \"https-traffic\"",
        "quota name tcp dport map @ports",
        "over 25 mbytes",
        "80 : \"http-quota\"",
        "22 : \"ssh-quota\"",
    ] {
        assert!(listing.contains(line), "no {line:?} in\n{listing}");
    }
}

#[test]
fn a_quota_drops_what_comes_after_its_threshold() {
    let capture = outside::repository().join("examples/accounting/trace.pcapng");
    let rules = scratch("quota_threshold").join("rules.nft");
    std::fs::write(
        &rules,
        "table inet foo {\n quota example { over 20 kbytes used 0 bytes }\n chain after {\n  type filter hook postrouting priority 0; policy accept;\n  tcp sport 80 quota name \"example\" drop\n }\n}\n",
    )
    .expect("scratch can be written");
    let host = capture.with_file_name("host.toml");
    let output = weir(&[
        "replay".as_ref(),
        rules.as_os_str(),
        capture.as_os_str(),
        "--host".as_ref(),
        host.as_os_str(),
        "--no-progress".as_ref(),
        "--list".as_ref(),
    ]);
    assert!(output.status.success(), "{}", complaint(&output));
    let passed =
        outside::report(&[rules.as_os_str(), capture.as_os_str(), "--host".as_ref(), host.as_os_str()])
            .expect("a report");
    assert!(passed["packets"]["dropped"].as_u64() > Some(0), "{passed:#}");
    assert!(Path::new(&rules).exists() && answer(&output).contains("quota example"), "{}", answer(&output));
}
