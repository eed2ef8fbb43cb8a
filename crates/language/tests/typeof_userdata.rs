//! The user data of sets declared by `typeof` is what Debian's nft stores, byte for byte: so stock nft lists our sets as
//! they were declared, and we list those that it made. `typeof/sets.txt` holds what nft 1.0.6 stored.

use ironweir_language::files::NoFiles;
use ironweir_language::session::{Memory, Session};
use ironweir_language::source::Sources;
use ironweir_ruleset::{Family, TableId};
use ironweir_wire::Instant;

/// Its first lines say how it is read.
const SETS: &str = include_str!("typeof/sets.txt");

/// User data of the one set of a ruleset, and the ruleset's listing.
fn ours(family: &str, declaration: &str) -> Result<(String, String), String> {
    let mut backend = Memory::new(Instant::from_nanos(0));
    let (mut session, mut sources) = (Session::default(), Sources::new());
    let (kind, body) = declaration.split_once(' ').expect("set or map, then its body");
    let text = format!("add table {family} t\nadd {kind} {family} t s {{ {body}; }}\n");
    let mut listing = String::new();
    for text in [text.as_str(), "list ruleset"] {
        let source = sources.add("in", text, None).expect("short");
        let outcome = session.run(&mut sources, source, &NoFiles, &mut backend);
        if !outcome.ok() {
            return Err(outcome.render(&sources).lines().next().unwrap_or_default().to_string());
        }
        listing = outcome.output;
    }
    let id = TableId::new(Family::from_name(family).expect("a family"), "t");
    let userdata =
        backend.ruleset.table(&id).expect("made").sets().next().expect("made").set.userdata.clone();
    Ok((userdata.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect(), listing))
}

/// What is wrong with one line of the table.
fn check(line: &str) -> Result<(), String> {
    let parts: Vec<&str> = line.split(" | ").collect();
    let [family, declaration, stored, note @ ..] = &parts[..] else { panic!("{line}") };
    let note = note.first().copied().unwrap_or_default();
    let (bytes, listing) = ours(family, declaration)?;
    if (bytes == *stored) == note.starts_with('~') {
        return Err(format!("{note}\n  stock {stored}\n  ours  {bytes}"));
    }
    let declared = declaration.split_once(' ').map_or(*declaration, |(_, body)| body);
    let typing = note.strip_prefix("= ").unwrap_or(declared.split(';').next().unwrap_or_default());
    if listing.contains(&format!("\t{typing}\n")) { Ok(()) } else { Err(format!("listed as {listing}")) }
}

#[test]
fn typeof_is_stored_as_stock_nft_stores_it_and_listed_as_declared() {
    let lines: Vec<&str> = SETS.lines().filter(|line| !line.starts_with('#')).collect();
    let fail = |line: &&str| check(line).err().map(|why| format!("{line}: {why}"));
    let fails: Vec<String> = lines.iter().filter_map(fail).collect();
    assert!(fails.is_empty(), "{} of {} differ:\n{}", fails.len(), lines.len(), fails.join("\n"));
}
