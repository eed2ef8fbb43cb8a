//! The difference between two rulesets, applied to the one, gives the other; what both have keeps its handle and what it
//! has counted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ironweir_language::datatype::Names;
use ironweir_language::difference::{Difference, Sides, between};
use ironweir_language::files::NoFiles;
use ironweir_language::list::Lister;
use ironweir_language::print::Options;
use ironweir_language::session::{Memory, Session};
use ironweir_language::source::Sources;
use ironweir_ruleset::store::RuleState;
use ironweir_ruleset::{Expr, Family, Ruleset, TableId};
use ironweir_wire::Instant;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const NOW: Instant = Instant::from_nanos(1_000_000_000_000);

fn names() -> Names {
    let mut names = Names::default();
    names.interfaces.insert("lo", 1);
    names
}

fn load(text: &str) -> Result<Ruleset, String> {
    let (mut sources, mut backend) = (Sources::new(), Memory::new(NOW));
    let mut session = Session { names: names(), ..Session::default() };
    let source = sources.add("rules", text, None).expect("short");
    let outcome = session.run(&mut sources, source, &NoFiles, &mut backend);
    if outcome.ok() { Ok(backend.ruleset) } else { Err(outcome.render(&sources)) }
}

fn loaded(text: &str) -> Ruleset {
    load(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn tables(rulesets: [&Ruleset; 2]) -> BTreeSet<TableId> {
    rulesets.into_iter().flat_map(Ruleset::tables).map(|table| table.table.id.clone()).collect()
}

fn difference(current: &Ruleset, desired: &Ruleset) -> Difference {
    let names = names();
    between(&Sides { current, desired, names: &names, now: NOW, added: None }, &tables([current, desired]))
}

/// A listing without state, tables and what they hold in order of their names: of these the order is kept by nobody.
fn listing(ruleset: &Ruleset) -> Vec<Vec<String>> {
    let names = names();
    let options = Options { stateless: true, ..Options::default() };
    let lister = Lister { ruleset, options, names: &names, now: NOW };
    let mut tables: Vec<Vec<String>> = Vec::new();
    for table in ruleset.tables() {
        let text = lister.table(&table.table.id).expect("it is there");
        let filled = |block: &str| {
            let name = block.split_whitespace().nth(1).unwrap_or_default();
            let by_rule = ["add", "update"].iter().any(|verb| text.contains(&format!("{verb} @{name} ")));
            by_rule || block.contains("dynamic") || block.contains("timeout")
        };
        let mut blocks: Vec<String> = text.split("\n\n").flat_map(head_apart).collect();
        for block in &mut blocks {
            *block = sorted_elements(block, filled(block));
        }
        blocks.sort();
        tables.push(blocks);
    }
    tables.sort();
    tables
}

/// A set with its elements in order: those of concatenations are listed as they lie. Those of a set that packets fill
/// are left out.
fn sorted_elements(block: &str, filled: bool) -> String {
    let Some((head, rest)) = block.split_once("\t\telements = { ") else { return block.to_owned() };
    let mut elements: Vec<&str> =
        rest.split([',', '}']).map(str::trim).filter(|text| !text.is_empty()).collect();
    elements.sort();
    if filled { format!("{head}\t}}") } else { format!("{head}{elements:?}") }
}

/// A table's first block with the table's head apart.
fn head_apart(block: &str) -> Vec<String> {
    let block = block.trim_end().trim_end_matches("\n}");
    match block.split_once('\n') {
        Some((head, rest)) if head.starts_with("table") => vec![head.to_owned(), rest.to_owned()],
        _ => vec![block.to_owned()],
    }
}

/// Applies the difference and checks that nothing is left to differ.
fn apply(current: &Ruleset, desired: &Ruleset) -> (Ruleset, Difference) {
    let found = difference(current, desired);
    let text = found.text.render(false);
    let mut result = current.clone();
    if let Err(errors) = result.apply(&found.batch, NOW) {
        let told: Vec<String> = errors.iter().map(|error| format!("{}: {error}", error.change)).collect();
        panic!("{told:#?}\n{text}\n{:#?}", found.batch);
    }
    assert_eq!(listing(&result), listing(desired), "after\n{text}");
    let again = difference(&result, desired);
    assert!(again.is_empty(), "left over:\n{}\n{:#?}", again.text.render(false), again.batch);
    assert_eq!(found.is_empty(), found.text.lines.is_empty(), "text and batch agree:\n{text}");
    (result, found)
}

/// Rules of a chain by text, with handles.
fn rules(ruleset: &Ruleset, table: &TableId, chain: &str) -> Vec<(String, u64, (u64, u64))> {
    let names = names();
    let options = Options { stateless: true, ..Options::default() };
    let lister = Lister { ruleset, options, names: &names, now: NOW };
    let Some(table) = ruleset.table(table) else { return Vec::new() };
    let rules = table.chain(chain).into_iter().flat_map(|chain| chain.rules());
    rules.map(|rule| (lister.rule_text(table, &rule.rule), rule.handle.0, totals(rule))).collect()
}

fn totals(rule: &RuleState) -> (u64, u64) {
    let counters = rule.rule.exprs.iter().filter_map(|expr| match expr {
        Expr::Counter(counter) => Some(counter.totals()),
        _ => None,
    });
    counters.fold((0, 0), |(packets, bytes), (p, b)| (packets + p, bytes + b))
}

fn count(ruleset: &Ruleset, bytes: u64) {
    let rules = ruleset.tables().flat_map(|table| table.chains()).flat_map(|chain| chain.rules());
    for expr in rules.flat_map(|rule| &rule.rule.exprs) {
        if let Expr::Counter(counter) = expr {
            counter.add(bytes);
        }
    }
}

fn filter() -> TableId {
    TableId::new(Family::Inet, "f")
}

/// The shared data, where this checkout has it.
fn shared() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let path = std::env::var_os("IRONWEIR_SHARED").map_or(beside, PathBuf::from);
    if path.is_dir() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "no shared data at {}", path.display());
    eprintln!("skipped: no shared data at {}", path.display());
    None
}

fn dumps(under: &Path) -> Vec<(PathBuf, Ruleset)> {
    let (mut found, mut left) = (Vec::new(), vec![under.to_owned()]);
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(&dir).expect("a readable directory") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|ending| ending == "nft") {
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                found.extend(load(&text).ok().map(|ruleset| (path, ruleset)));
            }
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[test]
fn any_dump_becomes_any_other() {
    let Some(shared) = shared() else { return };
    let dumps = dumps(&shared.join("corpus/dumps"));
    assert!(dumps.len() > 250, "only {} dumps load", dumps.len());
    let empty = Ruleset::new(0);
    for (at, (path, one)) in dumps.iter().enumerate() {
        eprintln!("{}", path.display());
        assert!(difference(one, one).is_empty(), "{}", difference(one, one).text.render(false));
        apply(&empty, one);
        apply(one, &empty);
        // Neighbours are of one kind and often have tables of the same name.
        for (_, other) in dumps.iter().cycle().skip(at + 1).take(4) {
            apply(one, other);
        }
    }
}

#[test]
fn rules_that_stay_keep_handles_and_counters() {
    let old = loaded(
        "table inet f { chain c { type filter hook input priority 0; policy accept;
            tcp dport 1 counter; tcp dport 2 counter; tcp dport { 3, 4 } counter; tcp dport 5 counter } }",
    );
    count(&old, 100);
    let new = loaded(
        "table inet f { chain c { type filter hook input priority 0; policy drop;
            tcp dport 9 counter; tcp dport 1 counter; tcp dport { 3, 4 } counter packets 7 bytes 7;
            tcp dport 8 counter; tcp dport 5 counter; tcp dport 2 counter } }",
    );
    let before: BTreeMap<_, _> =
        rules(&old, &filter(), "c").into_iter().map(|(text, handle, _)| (text, handle)).collect();
    let (result, found) = apply(&old, &new);
    for (text, handle, totals) in rules(&result, &filter(), "c") {
        let new = text.contains("dport 9") || text.contains("dport 8");
        assert_eq!(totals, if new { (0, 0) } else { (1, 100) }, "{text}");
        // The rule that moved is another one, with the old one's counter.
        let stays = !new && !text.contains("dport 2");
        assert_eq!(before.get(&text) == Some(&handle), stays, "{text}");
    }
    // What nft's listing and diff -u would show.
    assert_eq!(
        found.text.render(false),
        " table inet f {
 \tchain c {
-\t\ttype filter hook input priority filter; policy accept;
+\t\ttype filter hook input priority filter; policy drop;
+\t\ttcp dport 9 counter
 \t\ttcp dport 1 counter
-\t\ttcp dport 2 counter
 \t\ttcp dport { 3, 4 } counter
+\t\ttcp dport 8 counter
 \t\ttcp dport 5 counter
+\t\ttcp dport 2 counter
 \t}
 }
"
    );
}

#[test]
fn what_is_made_anew_takes_what_refers_to_it_along() {
    let text = |hook: &str, set: &str, limit: &str| {
        format!(
            "table inet f {{
                limit l {{ rate {limit}/second }}
                set s {{ type ipv4_addr; {set} }}
                map m {{ type inet_service : verdict; elements = {{ 1 : jump r, 2 : accept }} }}
                chain r {{ {hook} counter }}
                chain c {{ type filter hook input priority 0; policy accept;
                    ip saddr @s counter accept; limit name l counter; tcp dport vmap @m;
                    udp dport vmap {{ 1 : goto r, 2 : drop }}; counter jump r }} }}"
        )
    };
    let old = loaded(&text("comment \"a\";", "elements = { 1.1.1.1 }", "1"));
    count(&old, 60);
    let new = loaded(&text("comment \"b\";", "flags interval; elements = { 1.1.1.0/24 }", "2"));
    let (result, _) = apply(&old, &new);
    for chain in ["r", "c"] {
        for (text, _, totals) in rules(&result, &filter(), chain) {
            assert_eq!(totals, if text.contains("counter") { (1, 60) } else { (0, 0) }, "{text}");
        }
    }
}

#[test]
fn elements_that_packets_or_others_added_stay() {
    let old = loaded(
        "table inet f {
            set dynamic { type ipv4_addr; flags dynamic; elements = { 1.1.1.1, 2.2.2.2 } }
            set timed { type ipv4_addr; flags timeout; elements = { 1.1.1.1, 2.2.2.2 timeout 1h } }
            set filled { type ipv4_addr; size 9; elements = { 2.2.2.2 } }
            set plain { type ipv4_addr; elements = { 1.1.1.1, 2.2.2.2 } }
            chain c { add @filled { ip saddr } } }",
    );
    let new = loaded(
        "table inet f {
            set dynamic { type ipv4_addr; flags dynamic; elements = { 3.3.3.3 } }
            set timed { type ipv4_addr; flags timeout; elements = { 3.3.3.3 } }
            set filled { type ipv4_addr; size 9; }
            set plain { type ipv4_addr; elements = { 2.2.2.2, 3.3.3.3 } }
            chain c { add @filled { ip saddr } } }",
    );
    let found = difference(&old, &new);
    let mut result = old.clone();
    result.apply(&found.batch, NOW).expect("it is possible");
    let keys = |set: &str| {
        let set = result.table(&filter()).and_then(|table| table.set(set)).expect("it is there");
        let mut keys: Vec<u8> = set.elements().map(|element| element.key[0]).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys("dynamic"), [1, 2, 3]);
    assert_eq!(keys("timed"), [2, 3]);
    assert_eq!(keys("filled"), [2]);
    assert_eq!(keys("plain"), [2, 3]);
    assert!(difference(&result, &new).is_empty());
}

#[test]
fn tables_that_are_not_named_stay() {
    let old = loaded("table ip other { chain c { accept } }\ntable inet f { chain c { drop } }");
    let new = loaded("table inet f { chain c { accept } }");
    let names = names();
    let sides = Sides { current: &old, desired: &new, names: &names, now: NOW, added: None };
    let found = between(&sides, &BTreeSet::from([filter()]));
    let mut result = old.clone();
    result.apply(&found.batch, NOW).expect("it is possible");
    let other = TableId::new(Family::Ip, "other");
    assert_eq!(result.table(&other).map(|table| table.chains().count()), Some(1));
}

#[test]
fn a_long_chain_of_which_most_changes_is_made_anew_with_its_counters() {
    let text = |changed: bool| {
        let rule = |n: u32| {
            format!("tcp dport {} counter\n", if changed && !n.is_multiple_of(3) { 30_000 + n } else { n })
        };
        format!("table inet f {{ chain c {{\n{}}} }}", (0..16_000).map(rule).collect::<String>())
    };
    let (old, new) = (loaded(&text(false)), loaded(&text(true)));
    count(&old, 10);
    let (result, found) = apply(&old, &new);
    // Emptied once, and no rule deleted or placed by a handle, each of which would be a search through the chain.
    assert_eq!(found.batch.changes.len(), 16_001);
    for (at, (_, _, totals)) in rules(&result, &filter(), "c").into_iter().enumerate() {
        assert_eq!(totals, if !at.is_multiple_of(3) { (0, 0) } else { (1, 10) }, "rule {at}");
    }
}

const RULES: [&str; 12] = [
    "counter",
    "tcp dport 22 counter accept",
    "tcp dport { 22, 80, 443 } counter",
    "ip saddr { 10.0.0.0/8, 192.168.0.0-192.168.7.255 } drop",
    "tcp dport vmap { 22 : accept, 80 : jump r1 }",
    "jump r1",
    "goto r2",
    "jump { ip saddr 1.1.1.1 drop; counter }",
    "ct state established,related accept comment \"known\"",
    "limit rate 5/second accept",
    "quota 10 mbytes",
    "udp dport . ip saddr { 53 . 1.1.1.1, 54 . 2.2.2.0/24 } log prefix \"x\"",
];

/// Declarations by name, and rules that need them.
const THINGS: [(&str, &[&str], &[&str]); 7] = [
    ("counter n", &["{ }", "{ comment \"x\"; }"], &["counter name n"]),
    ("quota q", &["{ 10 mbytes; }", "{ over 20 mbytes; }"], &["quota name q drop"]),
    (
        "limit l",
        &["{ rate 1/second; }", "{ rate 2/minute; }"],
        &["limit name l", "limit name tcp dport map { 1 : \"l\" }"],
    ),
    (
        "set s",
        &[
            "{ type ipv4_addr; elements = { 1.1.1.1, 2.2.2.2 }; }",
            "{ type ipv4_addr; elements = { 1.1.1.1 comment \"c\", 3.3.3.3 }; }",
            "{ type ipv4_addr; flags interval; elements = { 1.1.1.0/24, 2.2.2.2-2.2.2.9 }; }",
            "{ type ipv4_addr; flags interval; elements = { 1.1.1.0-1.1.1.127, 3.0.0.0/8, 255.0.0.0/8 }; }",
            "{ type ipv4_addr; flags constant; elements = { 1.1.1.1, 2.2.2.2 }; }",
            "{ type ipv4_addr; flags constant; elements = { 1.1.1.1 }; }",
            "{ type ipv4_addr; size 4; counter; elements = { 1.1.1.1 counter packets 3 bytes 4 }; }",
        ],
        &["ip saddr @s drop", "ip saddr != @s counter"],
    ),
    (
        "map v",
        &[
            "{ type inet_service : verdict; elements = { 1 : accept, 2 : jump r1, 3 : goto r2 }; }",
            "{ type inet_service : verdict; elements = { 1 : drop, 2 : jump r1, 3 : goto r1 }; }",
            "{ type inet_service : verdict; flags interval; elements = { 1-5 : drop, 7 : jump r2 }; }",
        ],
        &["tcp dport vmap @v", "udp dport vmap @v"],
    ),
    (
        "map d",
        &[
            "{ type inet_service : ipv4_addr; elements = { 1 : 1.1.1.1 }; }",
            "{ type inet_service : ipv4_addr; elements = { 1 : 2.2.2.2, 2 : 1.1.1.1 }; }",
        ],
        &["meta mark set tcp dport map { 1 : 2 }"],
    ),
    (
        "set p",
        &[
            "{ type ipv4_addr . inet_service; flags interval; elements = { 1.1.1.0/24 . 80, 2.2.2.2 . 1-9 }; }",
            "{ type ipv4_addr . inet_service; flags interval; elements = { 1.1.1.0/24 . 80, 2.2.2.2 . 1-8 }; }",
        ],
        &["ip saddr . tcp dport @p accept"],
    ),
];

/// Heads of the chains `in`, `r1` and `r2`, which is to be there always.
const CHAINS: [(&str, &[&str]); 3] = [
    (
        "in",
        &[
            "type filter hook input priority 0; policy accept;",
            "type filter hook input priority 0; policy drop;",
            "type filter hook forward priority 5; policy drop;",
            "",
            "comment \"regular\";",
        ],
    ),
    ("r1", &["", "comment \"first\";"]),
    ("r2", &["", "comment \"second\";"]),
];

fn ruleset() -> impl Strategy<Value = String> {
    let things: Vec<_> = THINGS.iter().map(|(_, forms, _)| option::of(select(forms.to_vec()))).collect();
    let heads: Vec<_> = CHAINS.iter().map(|(_, heads)| select(heads.to_vec())).collect();
    (things, heads, option::of(select(vec!["flags dormant;", "comment \"t\";"]))).prop_flat_map(
        |(things, heads, table)| {
            let mut of_base: Vec<&str> = RULES.to_vec();
            let mut declared = String::new();
            for ((name, _, rules), form) in THINGS.iter().zip(&things) {
                if let Some(form) = form {
                    declared.push_str(&format!("{name} {form}\n"));
                    of_base.extend(*rules);
                }
            }
            // Only the first chain jumps, so that there are no loops.
            let plain: Vec<&str> = of_base
                .iter()
                .copied()
                .filter(|rule| !rule.contains('r') || rule.contains("ip saddr @s"))
                .collect();
            let count = of_base.len();
            (
                subsequence(of_base, 0..count).prop_shuffle(),
                vec(select(plain.clone()), 0..5),
                vec(select(plain), 0..3),
            )
                .prop_map(move |(base, r1, r2)| {
                    let mut text = format!("table inet f {{ {}\n{declared}", table.unwrap_or_default());
                    for (((name, _), head), rules) in CHAINS.iter().zip(&heads).zip([base, r1, r2]).rev() {
                        text.push_str(&format!("chain {name} {{ {head}\n{}\n}}\n", rules.join("\n")));
                    }
                    text.push('}');
                    text
                })
        },
    )
}

proptest! {
    #[test]
    fn any_ruleset_becomes_any_other(old in ruleset(), new in ruleset()) {
        let (old, new) = (loaded(&old), loaded(&new));
        count(&old, 10);
        let (result, _) = apply(&old, &new);
        // A rule that both have, once each, keeps what it has counted.
        for chain in ["in", "r1", "r2"] {
            let (before, after) = (rules(&old, &filter(), chain), rules(&result, &filter(), chain));
            let once = |rules: &[(String, u64, (u64, u64))], text: &str| rules.iter().filter(|rule| rule.0 == text).count() == 1;
            for (text, _, totals) in &after {
                if once(&before, text) && once(&after, text) {
                    let known = before.iter().find(|rule| rule.0 == *text).map(|rule| rule.2);
                    prop_assert_eq!(Some(*totals), known, "{}", text);
                }
            }
        }
    }
}
