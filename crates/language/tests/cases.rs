//! The project's own rule cases (`cases/*.txt`): accepted or refused, listing, bytecode.
//!
//! Lines of a case file:
//!
//! ```text
//! @ FAMILY CHAIN [SPEC]    a fresh world: table FAMILY t, with a chain of that name and specification
//! + COMMAND                a command that prepares that world
//! > RULE                   a rule that must be accepted ...
//! = LISTED                 ... and is listed so (omitted: as it was written)
//!   [ ... ]                ... and has this bytecode (omitted: anything)
//! ! RULE                   a rule that must be refused ...
//! ? PART                   ... with a message that contains this (omitted: anything)
//! # comment
//! ```

mod corpus;

use std::path::Path;

use corpus::compare::{code_lines, difference, rule_text};
use corpus::place::{files, read};
use corpus::world::{Refusal, World};

/// A rule of a case file and what is expected of it.
struct Case {
    line: usize,
    rule: String,
    refused: bool,
    listed: Option<String>,
    code: String,
    message: Option<String>,
}

struct Bench {
    world: World,
    family: String,
    chain: String,
}

fn bench(line: &str) -> Bench {
    let mut words = line.splitn(3, ' ');
    let (family, chain) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let body = words.next().map_or_else(String::new, |spec| format!(" {{ {spec}; }}"));
    let mut world = World::default();
    let setup = format!("add table {family} t\nadd chain {family} t {chain}{body}\n");
    world.run(&setup).unwrap_or_else(|refusal| panic!("{line}: {}", refusal.first_line()));
    Bench { world, family: family.to_string(), chain: chain.to_string() }
}

fn check(bench: &Bench, case: &Case) -> Result<(), String> {
    let place = format!("{} t {}", bench.family, bench.chain);
    let mut world = bench.world.clone();
    let output = match (world.run(&format!("add rule {place} {}\n", case.rule)), case.refused) {
        (Err(Refusal::Error(text)), true) => {
            let part = case.message.as_deref().unwrap_or_default();
            return if text.contains(part) { Ok(()) } else { Err(format!("another message: {text}")) };
        }
        (Err(refusal), _) => return Err(refusal.first_line()),
        (Ok(_), true) => return Err("accepted".to_string()),
        (Ok(output), false) => output,
    };
    if !case.code.is_empty()
        && let Some(differs) = difference(&code_lines(&case.code), &code_lines(&output.bytecode))
    {
        return Err(differs);
    }
    let listing = world.run(&format!("list table {} t\n", bench.family)).map_err(|r| r.first_line())?.listing;
    let (want, got) = (case.listed.as_ref().unwrap_or(&case.rule), rule_text(&listing, &bench.chain));
    if *want == got { Ok(()) } else { Err(format!("want: {want} got: {got}")) }
}

fn run_file(name: &str, text: &str, fails: &mut Vec<String>) -> usize {
    let mut at: Option<Bench> = None;
    let mut cases: Vec<Case> = Vec::new();
    let (mut tried, mut unprepared) = (0, Vec::new());
    let mut flush = |at: &Option<Bench>, cases: &mut Vec<Case>| {
        for case in cases.drain(..) {
            let bench = at.as_ref().expect("a case file begins with a chain");
            tried += 1;
            if let Err(why) = check(bench, &case) {
                fails.push(format!("{name}:{} {}: {why}", case.line, case.rule));
            }
        }
    };
    for (index, line) in text.lines().enumerate() {
        let rest = line.get(2..).unwrap_or_default();
        let new = |refused| Case {
            line: index + 1,
            rule: rest.to_string(),
            refused,
            listed: None,
            code: String::new(),
            message: None,
        };
        match line.get(..2).unwrap_or_default() {
            "@ " => {
                flush(&at, &mut cases);
                at = Some(bench(rest));
            }
            "+ " => {
                flush(&at, &mut cases);
                let world = &mut at.as_mut().expect("a chain before it").world;
                if let Err(refusal) = world.run(&format!("{rest}\n")) {
                    unprepared.push(format!("{name}:{} {rest}: {}", index + 1, refusal.first_line()));
                }
            }
            "> " => cases.push(new(false)),
            "! " => cases.push(new(true)),
            "= " => cases.last_mut().expect("a rule before it").listed = Some(rest.to_string()),
            "? " => cases.last_mut().expect("a rule before it").message = Some(rest.to_string()),
            "  " | "\te" => {
                let code = &mut cases.last_mut().expect("a rule before it").code;
                code.push_str(line);
                code.push('\n');
            }
            "# " | "#" | "" => {}
            other => panic!("{name}:{}: no line of a case file begins with {other:?}", index + 1),
        }
    }
    flush(&at, &mut cases);
    fails.append(&mut unprepared);
    tried
}

#[test]
fn own_cases_are_accepted_listed_and_compiled_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let (mut fails, mut tried) = (Vec::new(), 0);
    for name in files(&folder, ".txt") {
        tried += run_file(&name, &read(&folder.join(&name)), &mut fails);
    }
    assert!(fails.is_empty(), "{} of {tried} cases fail:\n{}", fails.len(), fails.join("\n"));
}
