//! An expression or statement is named in its own file and in the registry, and nowhere else: so adding one touches one
//! file and one line. Those that passes over whole rules look into stand here, each with its reason.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Passes and helpers that name an expression or statement, and why.
const NAMED_ELSEWHERE: &[(&str, &str, &str)] = &[
    (
        "ExprKind::Fib",
        "stmt/relational.rs",
        "JSON of a match leaves to the right side that presence is asked for",
    ),
    ("Kind::Symhash", "lower/transfer.rs", "a test needs any load"),
    ("StmtKind::Assign", "stmt/relational.rs", "what begins with an expression is told apart behind it"),
    ("StmtKind::Vmap", "stmt/relational.rs", "what begins with an expression is told apart behind it"),
    ("StmtKind::Vmap", "raise/relational.rs", "made of several expressions of bytecode"),
    ("StmtKind::Relational", "raise/relational.rs", "made of several expressions of bytecode"),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// Variants of a registry's groups, with the file of each.
fn listed(registry: &str, groups: &[&str]) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(Path::new("src").join(registry)).unwrap();
    let list = text.split("$then! {").nth(1).unwrap().split("macro").next().unwrap().to_owned();
    let mut variants = BTreeMap::new();
    for group in groups {
        let inside =
            list.split(&format!("{group} {{")).nth(1).unwrap().split("\n            }").next().unwrap();
        for line in inside.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (variant, path) = line.split_once('(').unwrap();
            let path = path.trim_start_matches("Box<").trim_start_matches("super::");
            variants.insert(variant.to_owned(), format!("{}.rs", path.split("::").next().unwrap()));
        }
    }
    assert!(variants.len() > 8, "the list of {registry} was not read");
    variants
}

/// Whether `text` has `name` as a whole, not as the end or beginning of a longer one.
fn names(text: &str, name: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name)
        .any(|(at, _)| !text[..at].ends_with(word) && !text[at + name.len()..].starts_with(word))
}

#[test]
fn what_is_listed_in_the_registry_is_named_in_its_own_file_only() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let mut wanted = Vec::new();
    for (variant, file) in listed("expr/registry.rs", &["selectors"]) {
        wanted.push((format!("ExprKind::{variant}"), format!("expr/{file}")));
        wanted.push((format!("Kind::{variant}"), format!("expr/{file}")));
    }
    for (variant, file) in listed("stmt/registry.rs", &["stateful", "worded", "led"]) {
        wanted.push((format!("StmtKind::{variant}"), format!("stmt/{file}")));
    }
    let (mut found, mut used) = (Vec::new(), Vec::new());
    for path in &files {
        let place = path.strip_prefix("src").unwrap().to_str().unwrap();
        if place.ends_with("registry.rs") {
            continue;
        }
        // Objects of the ruleset have kinds of the same names
        let text = std::fs::read_to_string(path).unwrap().replace("ObjectKind::", "");
        for (name, own) in &wanted {
            if place == own || !names(&text, name) {
                continue;
            }
            match NAMED_ELSEWHERE.iter().find(|(known, at, _)| known == name && at == &place) {
                Some(reason) => used.push(*reason),
                None => found.push(format!("{place} names {name}, which belongs to {own}")),
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    let unused: Vec<_> = NAMED_ELSEWHERE.iter().filter(|reason| !used.contains(reason)).collect();
    assert!(unused.is_empty(), "no longer so: {unused:?}");
}
