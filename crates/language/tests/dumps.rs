//! Rulesets as stock nft listed them: loaded into memory and listed again, they read the same.

use std::path::{Path, PathBuf};

use ironweir_language::files::NoFiles;
use ironweir_language::session::{Memory, Session};
use ironweir_language::source::Sources;
use ironweir_wire::Instant;
use serde_json::{Map, Value, json};

/// How many of the dumps come back byte by byte. One more fails too: then this number grows, and a gap leaves the list.
const ROUND_TRIPS: usize = 284;

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

fn files(under: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![under.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(&dir).expect("a readable directory") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                left.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Loads a text into an empty ruleset and lists it; errors as text.
fn load_and_list(name: &str, text: &str) -> Result<String, String> {
    let mut sources = Sources::new();
    let mut session = Session::default();
    session.names.interfaces.insert("lo", 1);
    let mut backend = Memory::new(Instant::from_nanos(0));
    for (name, text) in [(name, text), ("list", "list ruleset")] {
        let source = sources.add(name, text, None).expect("short");
        let outcome = session.run(&mut sources, source, &NoFiles, &mut backend);
        if !outcome.ok() {
            return Err(outcome.render(&sources));
        }
        if name == "list" {
            return Ok(outcome.output);
        }
    }
    Ok(String::new())
}

#[test]
fn dumps_come_back_as_they_were() {
    let Some(shared) = shared() else { return };
    let paths = files(&shared.join("corpus/dumps"), ".nft");
    let (mut same, mut report) = (0, String::new());
    for path in &paths {
        let text = std::fs::read_to_string(path).expect("a readable file");
        let name = path.strip_prefix(&shared).expect("below").display().to_string();
        match load_and_list(&name, &text) {
            Ok(listed) if listed == text => same += 1,
            Ok(listed) => {
                let differs = text.lines().zip(listed.lines()).find(|(a, b)| a != b);
                let (want, got) = differs.unwrap_or(("(its end)", "(its end)"));
                report.push_str(&format!("{name}: listed otherwise\n  want {want}\n  got  {got}\n"));
            }
            Err(error) => report.push_str(&format!("{error}\n")),
        }
    }
    println!("{report}{same} of {} dumps come back", paths.len());
    assert_eq!(same, ROUND_TRIPS, "of {} dumps that come back", paths.len());
}

/// How many dumps are listed as JSON, loaded from JSON and listed so, loaded from JSON and listed as text. One document
/// does not come back: sets/0024named_objects_0 has its chain behind its objects and sets, unlike all others; no text
/// lies beside it.
const JSON_LEVELS: [usize; 3] = [236, 236, 236];

/// The items of a document, handles and versions made alike as in the dumps.
fn items(document: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let mut items = document["nftables"].as_array().cloned().unwrap_or_default();
    for item in &mut items {
        for thing in
            item.as_object_mut().into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut)
        {
            for (key, alike) in [("handle", json!(0)), ("version", json!("")), ("release_name", json!(""))] {
                if let Some(value) = thing.get_mut(key) {
                    *value = alike;
                }
            }
        }
    }
    items
}

/// Loads a ruleset, as text or JSON, and lists it as text or JSON.
fn load(ruleset: &str, json_in: bool, json_out: bool) -> Result<String, String> {
    let mut session = Session::default();
    session.names.interfaces.insert("lo", 1);
    session.names.utc_offset = 7200;
    session.options.json = json_out;
    let (mut sources, mut backend) = (Sources::new(), Memory::new(Instant::from_nanos(0)));
    let outcome = match json_in {
        true => session.run_json("json", ruleset, &mut backend),
        false => {
            let source = sources.add("text", ruleset, None).expect("short");
            session.run(&mut sources, source, &NoFiles, &mut backend)
        }
    };
    let source = sources.add("list", "list ruleset", None).expect("short");
    let listed = session.run(&mut sources, source, &NoFiles, &mut backend);
    match outcome.ok() && listed.ok() {
        true => Ok(listed.output),
        false => Err(outcome.render(&sources) + &listed.render(&sources)),
    }
}

#[test]
fn dumps_are_the_same_in_text_and_json() {
    let Some(shared) = shared() else { return };
    let (mut passed, mut tried, mut report) = ([0; 3], [0; 3], String::new());
    for path in files(&shared.join("corpus/dumps"), ".json-nft") {
        let json = std::fs::read_to_string(&path).expect("a readable file");
        let text = std::fs::read_to_string(path.with_extension("nft")).unwrap_or_default();
        let want = items(&json);
        if want.len() < 2 {
            continue;
        }
        let name = path.strip_prefix(&shared).expect("below").display().to_string();
        for (measure, (json_in, json_out)) in
            [(false, true), (true, true), (true, false)].into_iter().enumerate()
        {
            if text.is_empty() && (!json_in || !json_out) {
                continue;
            }
            tried[measure] += 1;
            let got = load(if json_in { &json } else { &text }, json_in, json_out);
            let differs = match &got {
                Err(error) => Some(error.clone()),
                Ok(got) if json_out => {
                    let got = items(got);
                    let count = want.len().max(got.len());
                    let at = (0..count).find(|at| want.get(*at) != got.get(*at));
                    at.map(|at| format!("want {:?}\n  got  {:?}", want.get(at), got.get(at)))
                }
                Ok(got) if *got == text => None,
                Ok(got) => {
                    let differs = text.lines().zip(got.lines()).find(|(a, b)| a != b);
                    Some(format!("{:?}", differs.unwrap_or_default()))
                }
            };
            match differs {
                None => passed[measure] += 1,
                Some(why) => report.push_str(&format!("{measure} {name}: {}\n", why.trim_end())),
            }
        }
    }
    println!("{report}text to JSON, JSON to JSON, JSON to text: {passed:?} of {tried:?}");
    assert_eq!(passed, JSON_LEVELS, "of {tried:?} that come back");
}

#[test]
fn hostile_rulesets_are_refused() {
    let Some(shared) = shared() else { return };
    let mut accepted = Vec::new();
    for path in files(&shared.join("corpus/bogons/nft-f"), "") {
        let text = std::fs::read(&path).expect("a readable file");
        if load_and_list("bogon", &String::from_utf8_lossy(&text)).is_ok() {
            accepted.push(path.display().to_string());
        }
    }
    assert!(accepted.is_empty(), "accepted:\n{}", accepted.join("\n"));
}
