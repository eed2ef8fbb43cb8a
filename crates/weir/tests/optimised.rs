//! `nft -o` means the same: random lists of rules, loaded as they are and merged, treat random packets alike.
//!
//! ```text
//! client 192.168.1.10 --- lan0 [ rules ] wan0 --- server 203.0.113.5
//! ```
//!
//! Compared are what becomes of each packet (and in which chain), its bytes, answers to it, its mark as a table behind
//! sees it, and how much all counters of a chain counted together.

#[path = "../../engine/tests/support/mod.rs"]
mod support;

use std::cell::RefCell;
use std::collections::HashMap;

use ironweir::backend::InProcess;
use ironweir_engine::{Disposition, DropReason, Engine};
use ironweir_language::files::NoFiles;
use ironweir_language::session::{Outcome, Session};
use ironweir_language::source::Sources;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use support::{CLIENT, Frame, LAN, SERVER, WAN, router, send};

/// A selector, and what it is compared with.
type Selector = (&'static str, &'static [&'static str]);

/// What rules compare, with constants that packets of [`frame`] often have. Some of them must not be merged.
const SELECTORS: &[Selector] = &[
    (
        "ip saddr",
        &[
            "192.168.1.10",
            "192.168.1.11",
            "192.168.1.0/29",
            "192.168.1.9-192.168.1.10",
            "{ 192.168.1.12, 203.0.113.5 }",
        ],
    ),
    ("ip daddr", &["203.0.113.5", "203.0.113.6", "203.0.113.0/24", "{ 192.168.1.10, 203.0.113.7 }"]),
    ("tcp dport", &["22", "23", "24-30", "{ 80, 443 }", "22-24", "ssh", "http"]),
    ("udp dport", &["22", "53", "{ 53, 80 }", "54-60"]),
    ("th dport", &["22", "53", "23-80"]),
    ("tcp sport", &["1024", "1025", "1026-2000"]),
    (
        "tcp flags",
        &[
            "syn",
            "ack",
            "syn,ack",
            "== syn",
            "== ack",
            "{ syn, ack }",
            "!= syn",
            "syn / syn,ack",
            "ack / syn,ack",
            "2",
        ],
    ),
    ("tcp flags & (syn | ack)", &["syn", "== ack", "== syn | ack", "0", "{ syn, ack }", "!= 0"]),
    ("tcp flags & ack", &["ack", "== 0", "!= 0"]),
    (
        "ct state",
        &[
            "new",
            "established",
            "established,related",
            "invalid",
            "{ new, established }",
            "6",
            "10",
            "== new",
            "!= new",
            "untracked",
        ],
    ),
    ("ct status", &["seen-reply", "assured", "confirmed", "snat", "0x4"]),
    ("ct direction", &["original", "reply"]),
    ("ct mark", &["0", "1", "2", "1-2"]),
    ("meta mark", &["0", "1", "2", "{ 1, 3 }", "1-2", "!= 1"]),
    ("meta mark & 1", &["0", "1", "== 1"]),
    ("iifname", &["lan0", "wan0", "\"lan*\"", "{ lan0, eth7 }"]),
    ("oifname", &["lan0", "wan0", "\"w*\""]),
    ("iif", &["lan0", "wan0"]),
    ("meta l4proto", &["tcp", "udp", "{ tcp, udp }", "icmp"]),
    ("meta nfproto", &["ipv4", "ipv6"]),
    ("meta length", &["38", "40", "41-60"]),
    ("meta pkttype", &["host", "other"]),
    ("ip protocol", &["tcp", "udp", "{ tcp, 17 }"]),
    ("ip ttl", &["64", "63", "5", "1-10"]),
    ("ip version", &["4", "6"]),
    ("ip dscp", &["cs0", "cs1", "0"]),
    ("@th,16,16", &["22", "23", "53", "54-80"]),
    ("@nh,64,8", &["64", "63", "5"]),
    ("udp length", &["18", "19-30", "8"]),
    ("fib daddr type", &["local", "unicast", "broadcast"]),
    ("fib saddr . iif oif", &["lan0", "wan0", "1"]),
    ("ct original ip saddr", &["192.168.1.10", "192.168.1.11", "192.168.1.0/24"]),
    ("ct reply proto-src", &["22", "23"]),
    ("ct packets", &["0", "1", "2-3"]),
    ("ct helper", &["\"ftp\"", "\"sip\""]),
    ("tcp option maxseg size", &["1400", "1-1000"]),
    ("socket transparent", &["0", "1"]),
    ("symhash mod 2", &["0", "1"]),
    ("ip frag-off & 0x1fff", &["0", "== 0", "1"]),
    ("ip frag-off & 0x4000", &["0", "0x4000", "== 0x4000"]),
    ("meta mark >> 1", &["0", "1"]),
    ("ip saddr & 255.255.255.254", &["192.168.1.10", "== 192.168.1.11", "192.168.1.12"]),
    ("ether type", &["ip", "arp"]),
    ("ether saddr", &["02:09:09:09:09:09", "02:00:00:00:00:01"]),
    ("icmp type", &["echo-request", "echo-reply"]),
    ("numgen inc mod 2", &["0", "1"]),
    ("jhash ip saddr mod 2 seed 1", &["0", "1"]),
];

const ACTIONS: &[&str] = &[
    "accept",
    "drop",
    "return",
    "counter accept",
    "counter drop",
    "counter",
    "jump a",
    "jump b",
    "goto a",
    "goto b",
    "counter jump a",
    "log",
    "reject",
    "counter reject",
    "meta mark set 1",
    "meta mark set 2",
    "ct mark set 1",
    "ct mark set 2 accept",
    "counter meta mark set 2 jump b",
    "notrack",
    "ip ttl set 5",
    "limit rate 1/day burst 1 packets accept",
    "counter packets 3 bytes 9 accept",
];

/// Selectors that [`CHANGES`] change.
const CHANGED: &[Selector] = &[
    ("meta mark", &["0", "1", "2", "3"]),
    ("ct mark", &["0", "1", "2"]),
    ("ip ttl", &["64", "63", "5"]),
    ("ct state", &["new", "established", "untracked"]),
    ("@nh,64,8", &["64", "63", "5"]),
];

const CHANGES: &[&str] = &[
    "counter jump a",
    "counter jump b",
    "counter meta mark set 1",
    "counter meta mark set 2",
    "counter ct mark set 1",
    "counter ct mark set 2 jump b",
    "counter ip ttl set 5",
    "counter notrack",
];

const VERDICTS: &[&str] = &["accept", "drop", "return", "jump a", "jump b", "goto a", "goto b"];

/// Neighbours that compare the same, mostly in the same order, and do one of a few things.
fn neighbours(
    selectors: &'static [Selector],
    actions: &'static [&'static str],
) -> impl Strategy<Value = Vec<String>> {
    let selectors = prop_oneof![
        proptest::collection::vec(select(selectors), 1),
        proptest::collection::vec(select(selectors), 1..4),
    ];
    let actions = proptest::collection::vec(select(actions), 1..3);
    (selectors, actions, 1..6_usize).prop_flat_map(|(selectors, actions, count)| {
        let rule = (
            selectors.iter().map(|(_, values)| select(*values)).collect::<Vec<_>>(),
            select(actions),
            any::<u8>(),
        );
        proptest::collection::vec(rule, count).prop_map(move |rules| {
            let text = |(values, action, swap): (Vec<&str>, &str, u8)| {
                let mut matches: Vec<String> = selectors
                    .iter()
                    .zip(values)
                    .map(|((selector, _), value)| format!("{selector} {value}"))
                    .collect();
                if swap < 40 {
                    matches.reverse();
                }
                format!("{} {action}", matches.join(" "))
            };
            rules.into_iter().map(text).collect()
        })
    })
}

/// Neighbours that are verdict maps.
fn maps() -> impl Strategy<Value = Vec<String>> {
    let element = (any::<prop::sample::Index>(), select(VERDICTS));
    let map = (proptest::collection::vec(element, 1..3), proptest::bool::weighted(0.3));
    (select(SELECTORS), proptest::collection::vec(map, 1..4)).prop_map(|(selector, maps)| {
        maps.into_iter().map(|(elements, counter)| verdict_map(selector, &elements, counter)).collect()
    })
}

fn verdict_map(
    (selector, values): Selector,
    elements: &[(prop::sample::Index, &str)],
    counter: bool,
) -> String {
    let single: Vec<&str> =
        values.iter().copied().filter(|value| !value.contains(['{', '=', ',', '*', '/'])).collect();
    let mut taken: Vec<&str> = Vec::new();
    let mut out = Vec::new();
    for (at, verdict) in elements {
        let key = at.get(&single);
        if !taken.contains(key) {
            taken.push(key);
            out.push(format!("{key}{} : {verdict}", if counter { " counter" } else { "" }));
        }
    }
    format!("{selector} vmap {{ {} }}", out.join(", "))
}

fn rules(most: usize) -> impl Strategy<Value = Vec<String>> {
    let group = prop_oneof![
        4 => neighbours(SELECTORS, ACTIONS),
        3 => neighbours(CHANGED, CHANGES),
        1 => maps(),
    ];
    proptest::collection::vec(group, 1..most).prop_map(|groups| groups.concat())
}

/// Leaves alone the chains that a chain behind a jump may not jump to, so that none comes back to itself.
fn without_jumps(rules: &[String], to: &[&str]) -> Vec<String> {
    let leads = |rule: &&String| {
        to.iter()
            .any(|chain| rule.contains(&format!("jump {chain}")) || rule.contains(&format!("goto {chain}")))
    };
    rules.iter().filter(|rule| !leads(rule)).cloned().collect()
}

/// NAT with neighbours of one form.
fn translations() -> impl Strategy<Value = Vec<String>> {
    let form = select(
        &[
            "ip daddr A tcp dport P dnat to T:P",
            "tcp dport P dnat ip to T",
            "ip daddr A dnat ip to T",
            "ip protocol tcp tcp dport P redirect to :P",
            "iifname I udp dport P dnat ip to T",
        ][..],
    );
    let address = select(&["203.0.113.5", "203.0.113.6", "203.0.113.4/31"][..]);
    let port = select(&["22", "23", "53", "80"][..]);
    let target = select(&["192.168.1.1", "203.0.113.9", "203.0.113.10"][..]);
    let device = select(&["lan0", "wan0"][..]);
    let rule = (address, port, target, device);
    let group = (form, proptest::collection::vec(rule, 1..5)).prop_map(|(form, rules)| {
        let text = |(address, port, target, device)| {
            form.replace('A', address).replace('P', port).replace('T', target).replace('I', device)
        };
        rules.into_iter().map(text).collect::<Vec<_>>()
    });
    proptest::collection::vec(group, 0..3).prop_map(|groups| groups.concat())
}

#[derive(Debug)]
struct Case {
    a: Vec<String>,
    b: Vec<String>,
    main: Vec<String>,
    nat: Vec<String>,
}

impl Case {
    fn text(&self) -> String {
        let block = |rules: &[String]| rules.join("\n\t\t");
        format!(
            "table inet t {{
\tchain b {{\n\t\t{}\n\t}}
\tchain a {{\n\t\t{}\n\t}}
\tchain main {{\n\t\ttype filter hook forward priority 0; policy accept;\n\t\t{}\n\t}}
}}
table inet n {{
\tchain pre {{\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n\t\t{}\n\t}}
}}
",
            block(&self.b),
            block(&self.a),
            block(&self.main),
            block(&self.nat)
        )
    }
}

thread_local! {
    /// Rules that were tried alone, and whether they load.
    static TRIED: RefCell<HashMap<String, bool>> = RefCell::default();
}

/// Those rules that load alone: `tcp dport 22 udp dport 53` is refused.
fn sound(rules: Vec<String>) -> Vec<String> {
    let loads = |rule: &String| {
        let case = Case { a: vec![], b: vec![], main: vec![rule.clone()], nat: vec![] };
        TRIED.with_borrow_mut(|tried| {
            *tried.entry(rule.clone()).or_insert_with(|| loaded(&case, false).is_ok())
        })
    };
    rules.into_iter().filter(loads).collect()
}

fn case() -> impl Strategy<Value = Case> {
    (rules(3), rules(3), rules(6), translations()).prop_map(|(b, a, main, nat)| Case {
        b: sound(without_jumps(&b, &["a", "b"])),
        a: sound(without_jumps(&a, &["a"])),
        main: sound(main),
        nat,
    })
}

fn frame() -> impl Strategy<Value = Frame> {
    let client = select(&[CLIENT, [192, 168, 1, 11], [192, 168, 1, 12], [192, 168, 1, 3]][..]);
    let server = select(&[SERVER, [203, 0, 113, 6], [203, 0, 113, 7]][..]);
    let port = select(&[22_u16, 23, 24, 53, 55, 80, 443][..]);
    let high = select(&[1024_u16, 1025, 1026][..]);
    let flags = select(&[2_u8, 0x10, 0x12, 0x11, 0x18, 4, 1, 0][..]);
    let payload = select(&[0_usize, 10, 11, 20][..]);
    (client, server, port, high, proptest::option::of(flags), payload, any::<bool>()).prop_map(
        |(client, server, port, high, flags, payload, back)| {
            let tcp = flags.map(|flags| (flags, 1, 1));
            let (src, dst, sport, dport) = match back {
                true => (server, client, port, high),
                false => (client, server, high, port),
            };
            Frame { iif: if back { WAN } else { LAN }, src, dst, sport, dport, tcp, ttl: 64, payload }
        },
    )
}

/// A table behind, which tells marks.
const BEHIND: &str = "table inet behind {
\tchain post {
\t\ttype filter hook postrouting priority 300; policy accept;
\t\tip dscp set cs0
\t\tmeta mark 1 ip dscp set cs1
\t\tmeta mark 2 ip dscp set cs2
\t\tmeta mark 3 ip dscp set cs3
\t\tct mark 1 ip dscp set cs4
\t}
}
";

struct Loaded {
    engine: Engine,
    merged: usize,
}

fn run(session: &mut Session, engine: &mut Engine, text: &str) -> (Outcome, String) {
    let mut sources = Sources::new();
    let source = sources.add("rules.nft", text, None).expect("short");
    let outcome = session.run(&mut sources, source, &NoFiles, &mut InProcess(engine));
    let errors = outcome.render(&sources);
    (outcome, errors)
}

/// A host's engine with the table behind.
fn engine() -> Engine {
    let mut engine = Engine::new(router(), 7);
    let (behind, errors) = run(&mut session(), &mut engine, BEHIND);
    assert!(behind.ok(), "{errors}");
    engine
}

fn session() -> Session {
    let mut session = Session::default();
    session.names.interfaces.insert("lan0", LAN.0.into());
    session.names.interfaces.insert("wan0", WAN.0.into());
    session.names.services.insert("ssh", 22);
    session.names.services.insert("http", 80);
    session
}

fn listing(engine: &mut Engine) -> String {
    let (listed, errors) = run(&mut session(), engine, "list table inet t; list table inet n");
    assert!(listed.ok(), "{errors}");
    listed.output
}

/// What is told where a rule is refused.
fn loaded(case: &Case, optimise: bool) -> Result<Loaded, String> {
    let mut engine = engine();
    let mut session = Session { optimise, ..session() };
    match run(&mut session, &mut engine, &case.text()) {
        (outcome, _) if outcome.ok() => Ok(Loaded { engine, merged: outcome.remarks.len() }),
        (_, errors) => Err(errors),
    }
}

impl Loaded {
    /// What becomes of packets, one after another.
    fn fates(&mut self, frames: &[Frame]) -> Vec<String> {
        let mut fates = Vec::new();
        for (at, frame) in frames.iter().enumerate() {
            let passed = send(&mut self.engine, at as u64, frame);
            let fate = match passed.disposition {
                // Handles of rules differ.
                Disposition::Dropped(DropReason::Rule(rule)) => format!("dropped in {:?}", rule.chain),
                other => format!("{other:?}"),
            };
            let mut answers = Vec::new();
            while let Some(answer) = self.engine.poll_output() {
                answers.push((answer.oif, answer.bytes));
            }
            fates.push(format!("{fate} {:02x?} {answers:02x?}", passed.bytes));
        }
        fates
    }

    /// Packets and bytes that the counters of each chain counted, those of elements too.
    fn counted(&mut self) -> Vec<(String, u64, u64)> {
        let mut counted = Vec::new();
        for line in listing(&mut self.engine).lines() {
            if let Some(chain) = line.trim().strip_prefix("chain ") {
                counted.push((chain.to_owned(), 0, 0));
            }
            for counter in line.split("counter packets ").skip(1) {
                let mut words = counter.split([' ', ',']);
                let packets: u64 = words.next().and_then(|word| word.parse().ok()).expect("packets");
                let bytes: u64 = words.nth(1).and_then(|word| word.parse().ok()).expect("bytes");
                let (_, all, length) = counted.last_mut().expect("a chain");
                *all += packets;
                *length += bytes;
            }
        }
        counted
    }
}

fn compare(case: &Case, frames: &[Frame]) -> Result<usize, TestCaseError> {
    let before = loaded(case, false);
    let after = loaded(case, true);
    let (mut before, mut after) = match (before, after) {
        (Ok(before), Ok(after)) => (before, after),
        (before, after) => {
            let (before, after) = (before.err(), after.err());
            prop_assert_eq!(before.is_some(), after.is_some(), "{:?} {:?}\n{}", before, after, case.text());
            return Ok(0);
        }
    };
    prop_assert_eq!(before.merged, 0);
    // What is listed then means that, too, where what was written comes back at all: no packet is both `ip protocol tcp`
    // and `meta nfproto ipv6`, and a `reject` behind both is listed as one that is refused.
    let reload = |listed: &mut Loaded| {
        let mut again = Loaded { engine: engine(), merged: 0 };
        let (outcome, errors) = run(&mut session(), &mut again.engine, &listing(&mut listed.engine));
        if outcome.ok() { Ok(again) } else { Err(errors) }
    };
    let again = reload(&mut before).is_ok().then(|| reload(&mut after));
    let fates = before.fates(frames);
    match again {
        Some(Ok(mut again)) => {
            prop_assert_eq!(&again.fates(frames), &fates, "{}\n{}", case.text(), listing(&mut again.engine));
        }
        Some(Err(errors)) => prop_assert!(false, "{} {}", errors, case.text()),
        None => {}
    }
    let fates_after = after.fates(frames);
    for (at, (fate, fate_after)) in fates.iter().zip(&fates_after).enumerate() {
        prop_assert_eq!(fate, fate_after, "packet {}\n{}\n{}", at, case.text(), listing(&mut after.engine));
    }
    prop_assert_eq!(before.counted(), after.counted(), "{}\n{}", case.text(), listing(&mut after.engine));
    Ok(after.merged)
}

/// 96 cases, or as many as `PROPTEST_CASES` says.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(96),
        failure_persistence: None,
        max_shrink_iters: 300,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn merged_rules_treat_packets_alike(case in case(), frames in proptest::collection::vec(frame(), 24)) {
        compare(&case, &frames)?;
    }
}

/// So that the test above is no idle one.
#[test]
fn random_rules_are_merged_often() {
    let mut runner = TestRunner::deterministic();
    let (mut loads, mut merged) = (0, 0);
    for _ in 0..60 {
        let case = case().new_tree(&mut runner).expect("a case").current();
        if let Ok(loaded) = loaded(&case, true) {
            loads += 1;
            merged += usize::from(loaded.merged > 0);
        }
    }
    eprintln!("{loads} of 60 load, {merged} are merged");
    assert!(loads >= 20 && merged * 3 >= loads, "{loads} of 60 load, {merged} are merged");
}
