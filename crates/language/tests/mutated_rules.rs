//! Hostile rules: those of the corpus, or else the project's own cases, with tokens dropped, doubled, swapped and
//! replaced. They are accepted or refused, and what is accepted can be listed; nothing panics.

mod corpus;

use std::path::Path;

use corpus::place::{corpus, files, read};
use corpus::world::{Refusal, World};

/// How many mutants are tried; `MUTANTS=N` tries more.
const MUTANTS: usize = 3000;

/// Tokens that are put where they do not belong.
const ODD: [&str; 28] = [
    "{",
    "}",
    "(",
    ")",
    "map",
    "vmap",
    ".",
    ",",
    "-",
    "/",
    ":",
    "&",
    "|",
    "<<",
    "!",
    "!=",
    "0",
    "1",
    "65536",
    "4294967296",
    "0xffffffffffffffff",
    "\"\"",
    "\"*\"",
    "::",
    "255.255.255.255/0",
    "@s",
    "jump",
    "set",
];

/// A small generator of numbers (xorshift), so that every run tries the same mutants.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

fn rules() -> Vec<String> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut rules: Vec<String> = Vec::new();
    for name in files(&own, ".txt") {
        let text = read(&own.join(name));
        rules.extend(text.lines().filter_map(|line| line.strip_prefix("> ")).map(str::to_owned));
    }
    if let Some(corpus) = corpus() {
        for name in files(&corpus.join("py"), ".t") {
            let text = read(&corpus.join("py").join(name));
            let lines = text.lines().filter(|line| line.contains(';') && !line.starts_with([':', '*', '#']));
            rules.extend(lines.filter_map(|line| line.split(';').next()).map(str::to_owned));
        }
    }
    rules
}

fn mutate(rules: &[String], chance: &mut Chance) -> String {
    let mut words: Vec<&str> = rules[chance.below(rules.len())].split(' ').collect();
    let other: Vec<&str> = rules[chance.below(rules.len())].split(' ').collect();
    for _ in 0..chance.below(4) {
        let at = chance.below(words.len());
        match chance.below(6) {
            0 if words.len() > 1 => drop(words.remove(at)),
            1 => words.insert(at, ODD[chance.below(ODD.len())]),
            2 => words[at] = ODD[chance.below(ODD.len())],
            3 => words.insert(at, words[at]),
            4 => words[at] = other[chance.below(other.len())],
            _ => {
                words.truncate(at + 1);
                words.extend(&other[chance.below(other.len())..]);
            }
        }
    }
    words.join(" ")
}

const FAMILIES: [&str; 6] = ["ip", "ip6", "inet", "arp", "bridge", "netdev"];

/// A table of each family, with a chain and a set.
fn worlds() -> Vec<(&'static str, World)> {
    let make = |family| {
        let mut world = World::default();
        let setup = format!(
            "add table {family} t\nadd chain {family} t c\nadd set {family} t s {{ type ipv4_addr; flags dynamic; }}\n"
        );
        world.run(&setup).unwrap_or_else(|refusal| panic!("{}", refusal.first_line()));
        (family, world)
    };
    FAMILIES.map(make).to_vec()
}

#[test]
fn no_mutated_rule_makes_anything_panic() {
    let rules = rules();
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let tried = std::env::var("MUTANTS").ok().and_then(|n| n.parse().ok()).unwrap_or(MUTANTS);
    let worlds = worlds();
    let (mut accepted, mut crashes) = (0, Vec::new());
    for _ in 0..tried {
        let rule = mutate(&rules, &mut chance);
        let (family, world) = &worlds[chance.below(worlds.len())];
        let mut world = world.clone();
        let result = world
            .run(&format!("add rule {family} t c {rule}\n"))
            .and_then(|_| world.run(&format!("list table {family} t\n")));
        match result {
            Ok(_) => accepted += 1,
            Err(Refusal::Error(text)) => assert!(!text.trim().is_empty(), "silently refused: {rule}"),
            Err(Refusal::Crash(why)) => crashes.push(format!("{family}: {rule}: {why}")),
        }
    }
    println!("{accepted} of {tried} mutants were accepted");
    assert!(crashes.is_empty(), "{} crashes:\n{}", crashes.len(), crashes.join("\n"));
}

#[test]
fn what_a_mutated_rule_is_listed_as_comes_back() {
    let rules = rules();
    let mut chance = Chance(0x1f83_d9ab_fb41_bd6b);
    let tried = std::env::var("MUTANTS").ok().and_then(|n| n.parse().ok()).unwrap_or(MUTANTS);
    let worlds = worlds();
    let (mut accepted, mut lost) = (0, Vec::new());
    for _ in 0..tried {
        let rule = mutate(&rules, &mut chance);
        let (family, world) = &worlds[chance.below(FAMILIES.len())];
        let mut world = world.clone();
        if world.run(&format!("add rule {family} t c {rule}\n")).is_err() {
            continue;
        }
        accepted += 1;
        let list = format!("list table {family} t\n");
        let table = format!("{family} t");
        let listing = world.run(&list).expect("it is listed").listing;
        let mut by_text = World::default();
        match by_text.run(&listing) {
            Err(refusal) => lost.push(format!("{family}: {rule}\nTEXT {}", refusal.first_line())),
            Ok(_) => {
                let again = by_text.run(&list).expect("it is listed").listing;
                if again != listing {
                    lost.push(format!("{family}: {rule}\nTEXT {}", different(&listing, &again)));
                }
            }
        }
        let json = world.list_json(&table);
        let mut by_json = World::default();
        match by_json.run_json(&json) {
            Err(refusal) => lost.push(format!("{family}: {rule}\nJSON {}", refusal.first_line())),
            Ok(_) => {
                let again = by_json.run(&list).expect("it is listed").listing;
                if again != listing {
                    lost.push(format!("{family}: {rule}\nJSON {}", different(&listing, &again)));
                }
            }
        }
    }
    println!("{accepted} of {tried} mutants were accepted");
    assert!(lost.is_empty(), "{} do not come back:\n{}", lost.len(), lost.join("\n"));
}

/// The first line in which two texts differ.
fn different(a: &str, b: &str) -> String {
    let pair = a.lines().zip(b.lines()).find(|(a, b)| a != b);
    pair.map_or_else(|| "one goes on".to_owned(), |(a, b)| format!("{} / {}", a.trim(), b.trim()))
}
