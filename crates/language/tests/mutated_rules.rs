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

#[test]
fn no_mutated_rule_makes_anything_panic() {
    let rules = rules();
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let tried = std::env::var("MUTANTS").ok().and_then(|n| n.parse().ok()).unwrap_or(MUTANTS);
    let worlds: Vec<(&str, World)> = ["ip", "ip6", "inet", "arp", "bridge", "netdev"]
        .into_iter()
        .map(|family| {
            let mut world = World::default();
            let setup = format!(
                "add table {family} t\nadd chain {family} t c\nadd set {family} t s {{ type ipv4_addr; flags dynamic; }}\n"
            );
            world.run(&setup).unwrap_or_else(|refusal| panic!("{}", refusal.first_line()));
            (family, world)
        })
        .collect();
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
