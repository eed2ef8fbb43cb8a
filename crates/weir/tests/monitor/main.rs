//! `monitor` and `-e` against the running kernel: every file of the corpus' event tests, four ways.

mod namespace;
mod steps;
mod watcher;

use std::path::{Path, PathBuf};

use namespace::Namespace;
use serde_json::Value;
use steps::{Step, steps};
use watcher::Watcher;

/// How events are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Monitor,
    MonitorJson,
    Echo,
    EchoJson,
}

const WAYS: [Way; 4] = [Way::Monitor, Way::MonitorJson, Way::Echo, Way::EchoJson];

/// What became of a file.
#[derive(Debug, PartialEq)]
enum Result {
    Passed(usize),
    /// The kernel lacks something.
    Skipped(String),
    Failed(String),
}

fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let path = std::env::var_os("IRONWEIR_SHARED").map_or(beside, PathBuf::from).join("corpus/monitor");
    path.is_dir().then_some(path)
}

#[test]
fn events_are_told_as_the_corpus_has_them() {
    let Some(corpus) = corpus() else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip: no shared data");
        eprintln!("SKIPPED: no shared data");
        return;
    };
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(corpus).expect("readable").map(|entry| entry.expect("readable").path()).collect();
    files.sort();
    assert_eq!(files.len(), 12);
    let (mut passed, mut skipped, mut failed) = (0, Vec::new(), Vec::new());
    for file in &files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(file).expect("readable");
        for way in WAYS {
            // Each from an empty ruleset: handles are counted from one.
            let Some(namespace) = Namespace::new() else { return };
            match run(&namespace, way, &steps(&text)) {
                Result::Passed(steps) => {
                    passed += 1;
                    println!("{name} {way:?}: {steps} steps");
                }
                Result::Skipped(why) => skipped.push(format!("{name} {way:?}: {why}")),
                Result::Failed(why) => failed.push(format!("{name} {way:?}: {why}")),
            }
        }
    }
    println!("{passed} passed, {} skipped, {} failed", skipped.len(), failed.len());
    skipped.iter().for_each(|line| println!("SKIPPED {line}"));
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    // Of the twelve only flowtables may be missing in a kernel.
    assert!(skipped.iter().all(|line| line.starts_with("flowtable-simple.t")), "{skipped:?}");
}

#[test]
fn lost_events_are_told_and_monitoring_goes_on() {
    let Some(namespace) = Namespace::new() else { return };
    let mut watcher = Watcher::start(&namespace, &["-nn", "monitor"]);
    watcher.signal("-STOP");
    // More than the 16 MiB of room hold: an event of one element takes some 100 bytes there.
    let elements: Vec<String> = (0..450_000u32).map(|number| (number << 3).to_string()).collect();
    let text =
        format!("add table ip t\nadd set ip t s {{ type mark; elements = {{ {} }}; }}", elements.join(","));
    let (ok, _, told) = namespace.nft(&["-f", "-"], &text);
    assert!(ok, "{told}");
    watcher.signal("-CONT");
    let lines = watcher.until_now(&namespace);
    assert!(lines.len() < 450_000, "{} events were told, nothing was lost", lines.len());
    // The set is known again, though perhaps not from its event.
    let (ok, _, told) = namespace.nft(&["-f", "-"], "add element ip t s { 7 }");
    assert!(ok, "{told}");
    let after = watcher.until_now(&namespace);
    assert!(
        after.iter().any(|line| line.starts_with("add element ip t s { 0x00000007")),
        "{:?}",
        after.last()
    );
    let told = watcher.end();
    assert!(told.contains("# ERROR: We lost some netlink events!"), "{told:?}");
}

#[test]
fn traces_name_the_rules_of_a_packet() {
    let Some(namespace) = Namespace::new() else { return };
    let rules = "table inet t { chain in { type filter hook input priority 0; policy drop; meta nftrace set 1; \
                 ip protocol udp udp dport 7 jump seven; }; chain seven { return; }; }";
    let (ok, _, told) = namespace.nft(&["-f", "-"], rules);
    assert!(ok, "{told}");
    let mut watcher = Watcher::start(&namespace, &["monitor"]);
    namespace.packet();
    let lines = watcher.until_now(&namespace);
    let text: Vec<&str> =
        lines.iter().filter_map(|line| line.split_once(" inet t ")).map(|(_, text)| text).collect();
    // The forms are those of nft 1.0.6; of the packet's own numbers the length is fixed.
    assert!(
        text.first().is_some_and(|line| line
            .starts_with("in packet: iif \"lo\" @ll,0,112 0x800 ip saddr 127.0.0.1 ip daddr 127.0.0.1 ")),
        "{lines:#?}"
    );
    assert!(
        text.first().is_some_and(|line| line.ends_with(" udp dport 7 udp length 11 @th,64,24 0x68690a ")),
        "{lines:#?}"
    );
    let rest = [
        "in rule meta nftrace set 1 (verdict continue)",
        "in rule ip protocol udp udp dport 7 jump seven (verdict jump seven)",
        "seven rule return (verdict return)",
        "in policy drop ",
    ];
    assert_eq!(text[1..], rest, "{lines:#?}");
}

fn run(namespace: &Namespace, way: Way, steps: &[Step]) -> Result {
    let mut watcher = match way {
        Way::Monitor => Some(Watcher::start(namespace, &["-nn", "monitor"])),
        Way::MonitorJson => Some(Watcher::start(namespace, &["-nn", "monitor", "vm", "json"])),
        Way::Echo | Way::EchoJson => None,
    };
    let arguments: &[&str] = match way {
        Way::Monitor | Way::MonitorJson => &["-f", "-"],
        Way::Echo => &["-nn", "-e", "-f", "-"],
        Way::EchoJson => &["-nn", "-e", "-j", "-f", "-"],
    };
    for (number, step) in steps.iter().enumerate() {
        let (ok, echoed, told) = namespace.nft(arguments, &step.input.join("\n"));
        if !ok && told.contains("CONFIG_") {
            return Result::Skipped(told.lines().last().unwrap_or_default().to_owned());
        }
        if !ok {
            return Result::Failed(format!("step {number} is refused: {told}"));
        }
        let lines = match &mut watcher {
            Some(watcher) => watcher.until_now(namespace),
            None => echoed.lines().map(str::to_owned).collect(),
        };
        let (wanted, got) = match way {
            Way::Monitor => (texts(&step.text), texts(&lines)),
            Way::Echo => (texts(&step.echoed(&step.text)), texts(&lines)),
            Way::MonitorJson => (values(&step.json), values(&lines)),
            Way::EchoJson => (values(&step.echoed(&step.json)), items(&echoed)),
        };
        if wanted != got {
            return Result::Failed(format!("step {number}\nwanted {wanted:#?}\ngot    {got:#?}"));
        }
    }
    Result::Passed(steps.len())
}

/// Lines without blanks and without comments, as `diff -w -I '^# '` compares.
fn texts(lines: &[String]) -> Vec<String> {
    let words = |line: &String| line.split_whitespace().collect::<String>();
    lines.iter().filter(|line| !line.starts_with("# ")).map(words).collect()
}

fn values(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| normal(serde_json::from_str(line).expect("JSON"))).collect()
}

/// Items of `{"nftables": [...]}`; none where nothing was printed.
fn items(document: &str) -> Vec<String> {
    if document.trim().is_empty() {
        return Vec::new();
    }
    let document: Value = serde_json::from_str(document).expect("JSON");
    document["nftables"].as_array().expect("an array").iter().cloned().map(normal).collect()
}

/// Handles are 0, keys in order.
fn normal(mut value: Value) -> String {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(object) => {
                if let Some(handle) = object.get_mut("handle") {
                    *handle = Value::from(0);
                }
                object.sort_keys();
                object.values_mut().for_each(walk);
            }
            Value::Array(array) => array.iter_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut value);
    value.to_string()
}
