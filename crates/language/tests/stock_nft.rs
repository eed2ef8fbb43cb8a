//! Held against Debian's nft over this machine's kernel, in a network namespace: what this crate lists, stock nft
//! loads and lists the same; what stock nft lists, this crate does; both make the same bytecode. Texts that stock nft itself refuses (newer than
//! it, or than its kernel) are counted. Needs root, `unshare` and `nft`; says so and skips elsewhere.
//!
//! `STOCK_FAILS=FILE` writes every difference there, `STOCK_ALL=1` tries rules in every table they are for.

mod corpus;
mod stock;

use corpus::units::{ItemKind, TableSpec, TestFile};

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use corpus::place::{self, files, read};
use stock::versions::{EXCUSED, EXCUSED_CODE, normal};

/// One text, and where it is from.
struct Case {
    name: String,
    text: String,
}

impl Case {
    /// Whether it is the one of this file, or line of a file.
    fn is(&self, place: &str) -> bool {
        self.name.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    }
}

/// How many texts came to which end.
#[derive(Debug, Default)]
struct Tally {
    /// Both directions agree.
    same: usize,
    /// Stock nft refuses the text itself.
    unknown: usize,
    /// Stock nft differs, and we know why.
    excused: usize,
    /// Something differs.
    differs: usize,
    /// The bytecode is the same.
    code_same: usize,
    /// The bytecode differs, and we know why.
    code_older: usize,
}

fn first_difference(want: &str, got: &str) -> Option<String> {
    if want == got {
        return None;
    }
    let (mut want, mut got) = (want.lines(), got.lines());
    loop {
        match (want.next(), got.next()) {
            (a, b) if a == b && a.is_some() => {}
            (a, b) => {
                let line = |line: Option<&str>| line.unwrap_or("(its end)").trim().to_string();
                return Some(format!("\n  stock {}\n  ours  {}", line(a), line(b)));
            }
        }
    }
}

fn split(answers: impl Iterator<Item = (stock::Answer, String)>) -> (Vec<stock::Answer>, Vec<String>) {
    answers.unzip()
}

/// Compares both programs over all texts.
fn compare(cases: &[Case]) -> (Tally, String) {
    let texts: Vec<String> = cases.iter().map(|case| case.text.clone()).collect();
    let (ours, our_code) = split(texts.iter().map(|text| match stock::ours::load_list_and_code(text) {
        Ok((listing, code)) => (Ok(listing), code),
        Err(why) => (Err(why), String::new()),
    }));
    let (theirs, their_code) = split(stock::load_list_and_code(&texts).into_iter());
    // What is listed in the very same words need not be loaded again.
    let told = |(ours, theirs): (&stock::Answer, &stock::Answer)| match (ours, theirs) {
        (Ok(ours), Ok(theirs)) if ours != theirs => Some(ours.clone()),
        _ => None,
    };
    let again: Vec<Option<String>> = ours.iter().zip(&theirs).map(told).collect();
    let mut answers = stock::load_and_list(&again.iter().flatten().cloned().collect::<Vec<_>>()).into_iter();
    let reloaded: Vec<stock::Answer> =
        again
            .iter()
            .zip(&theirs)
            .map(|(again, theirs)| {
                if again.is_some() {
                    answers.next().unwrap_or_else(|| theirs.clone())
                } else {
                    theirs.clone()
                }
            })
            .collect();
    let (mut tally, mut report) = (Tally::default(), String::new());
    let mut excused: BTreeMap<&str, bool> = BTreeMap::new();
    for (at, case) in cases.iter().enumerate() {
        let mut wrong = String::new();
        match (&theirs[at], &ours[at], &reloaded[at]) {
            (Err(why), ..) => {
                tally.unknown += 1;
                let _ = writeln!(report, "unknown {}: {}", case.name, why.lines().next().unwrap_or_default());
                continue;
            }
            (_, Err(why), _) => wrong.push_str(why),
            (Ok(_), Ok(_), Err(why)) => {
                let _ = write!(wrong, "our listing is refused: {why}");
            }
            (Ok(theirs), Ok(ours), Ok(reloaded)) => {
                if let Some(line) = first_difference(&normal(reloaded), &normal(ours)) {
                    let _ = write!(wrong, "our listing is listed otherwise{line}");
                }
                match stock::ours::load_and_list(theirs) {
                    Err(why) => {
                        let _ = write!(wrong, "their listing is refused: {why}");
                    }
                    Ok(ours) => {
                        if let Some(line) = first_difference(&normal(theirs), &normal(&ours)) {
                            let _ = write!(wrong, "we list their listing otherwise{line}");
                        }
                    }
                }
                match stock::bytecode::difference(&our_code[at], &their_code[at]) {
                    None => tally.code_same += 1,
                    Some(_) if EXCUSED_CODE.iter().any(|(name, _)| case.is(name)) => tally.code_older += 1,
                    Some(lines) => {
                        let _ = write!(wrong, "the bytecode differs{lines}");
                    }
                }
            }
        }
        if let Some((name, _)) = EXCUSED.iter().find(|(name, _)| case.is(name)) {
            tally.excused += 1;
            excused.entry(*name).and_modify(|agrees| *agrees &= wrong.is_empty()).or_insert(wrong.is_empty());
        } else if wrong.is_empty() {
            tally.same += 1;
        } else {
            tally.differs += 1;
            let _ = writeln!(report, "differs {}: {}", case.name, wrong.trim_end());
        }
    }
    for (name, _) in excused.iter().filter(|(_, agrees)| **agrees) {
        tally.differs += 1;
        let _ = writeln!(report, "differs {name}: is excused, but agrees in every table");
    }
    (tally, report)
}

fn judge(name: &str, cases: &[Case]) {
    let (tally, report) = compare(cases);
    if let Some(path) = std::env::var_os("STOCK_FAILS") {
        let path = Path::new(&path).with_extension(name);
        std::fs::write(path, &report).expect("the differences can be written");
    }
    println!("{name}: {tally:?} of {}", cases.len());
    assert_eq!(tally.differs, 0, "{name}:\n{report}");
}

#[test]
fn dumps_of_the_test_suite_mean_the_same_to_stock_nft() {
    let Some(corpus) = place::corpus() else { return };
    if stock::obstacle().is_some() {
        return;
    }
    let folder = corpus.join("dumps");
    let case = |name: String| Case { text: read(&folder.join(&name)), name };
    let cases: Vec<Case> = files(&folder, ".nft").into_iter().map(case).collect();
    judge("dumps", &cases);
}

#[test]
fn examples_mean_the_same_to_stock_nft() {
    if stock::obstacle().is_some() {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let case = |name: String| Case { text: read(&folder.join(&name)), name };
    let cases: Vec<Case> = files(&folder, ".nft").into_iter().map(case).collect();
    judge("examples", &cases);
}

/// A ruleset with one rule: each rule of the suite in one of the tables it is for, or with `STOCK_ALL` in each.
fn rules(name: &str, file: &TestFile, cases: &mut Vec<Case>) {
    let (mut tables, mut declared): (Vec<&TableSpec>, Vec<&str>) = (Vec::new(), Vec::new());
    for item in &file.items {
        match &item.kind {
            ItemKind::Table(spec) => tables.push(spec),
            ItemKind::Declaration(line) => declared.push(line),
            ItemKind::Rule(rule) if rule.ok && !tables.is_empty() => {
                // All of them take minutes; one after another of the tables shows most
                let all = std::env::var_os("STOCK_ALL").is_some();
                let rotating = item.line % tables.len();
                for (_, table) in tables.iter().enumerate().filter(|(at, _)| all || *at == rotating) {
                    let Some((chain, _)) = table.chains.first() else { continue };
                    let mut text = table.setup();
                    for line in &declared {
                        let (command, ok) = table.declaration(line);
                        let name = line[1..].split_whitespace().next().unwrap_or_default();
                        if ok && rule.text.contains(name) {
                            text.push_str(&format!("{command}\n"));
                        }
                    }
                    text.push_str(&format!("add rule {} {chain} {}\n", table.id(), rule.text));
                    let name = format!("{name}:{} {}: {}", item.line, table.id(), rule.text);
                    cases.push(Case { name, text });
                }
            }
            ItemKind::Rule(_) => {}
        }
    }
}

#[test]
fn rules_of_the_test_suite_mean_the_same_to_stock_nft() {
    let Some(corpus) = place::corpus() else { return };
    if stock::obstacle().is_some() {
        return;
    }
    let mut cases = Vec::new();
    for name in files(&corpus.join("py"), ".t") {
        rules(&name, &TestFile::open(&corpus.join("py").join(&name)), &mut cases);
    }
    judge("rules", &cases);
}

#[test]
fn own_cases_mean_the_same_to_stock_nft() {
    if stock::obstacle().is_some() {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut cases = Vec::new();
    for name in files(&folder, ".txt") {
        let (mut setup, mut place) = (String::new(), String::new());
        for (line, text) in read(&folder.join(&name)).lines().enumerate() {
            let rest = text.get(2..).unwrap_or_default();
            match text.get(..2) {
                Some("@ ") => {
                    let mut words = rest.splitn(3, ' ');
                    let (family, chain) =
                        (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                    let body = words.next().map_or_else(String::new, |spec| format!(" {{ {spec}; }}"));
                    place = format!("{family} t {chain}");
                    setup = format!("add table {family} t\nadd chain {place}{body}\n");
                }
                Some("+ ") => setup.push_str(&format!("{rest}\n")),
                Some("> ") => {
                    let text = format!("{setup}add rule {place} {rest}\n");
                    cases.push(Case { name: format!("{name}:{} {place} {rest}", line + 1), text });
                }
                _ => {}
            }
        }
    }
    judge("cases", &cases);
}

#[test]
fn the_recorded_user_data_is_what_stock_nft_stores() {
    if stock::obstacle().is_some() {
        return;
    }
    if std::process::Command::new("python3").arg("--version").output().is_err() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no python3");
        eprintln!("skipped: no python3");
        return;
    }
    let lines: Vec<Vec<&str>> = include_str!("typeof/sets.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(" | ").collect())
        .collect();
    let declared = lines.iter().map(|line| {
        let (family, (kind, body)) = (line[0], line[1].split_once(' ').expect("set or map, then its body"));
        format!("add table {family} t; add {kind} {family} t s {{ {body}; }}")
    });
    let stored = stock::userdata(&declared.collect::<Vec<_>>());
    assert_eq!(stored.len(), lines.len());
    for (line, stored) in lines.iter().zip(&stored) {
        // What nft stores of an option's raw bits depends on what lay in memory.
        if !line[1].contains('@') {
            assert_eq!(stored, line[2], "{}", line[1]);
        }
    }
}
