//! What the fuzz targets share: a ruleset in memory, what must hold of it, bytecode from bytes, and connections.

pub mod bytecode;
pub mod connections;
pub mod helpers;

use ironweir_language::ast::Rule;
use ironweir_language::cmd::{self, CommandKind, Declaration};
use ironweir_language::define::Scopes;
use ironweir_language::files::NoFiles;
use ironweir_language::parse::Parser;
use ironweir_language::print::{Options, Printer};
use ironweir_language::session::{Memory, Session};
use ironweir_language::source::Sources;
use ironweir_ruleset::Family;
use ironweir_wire::Instant;

fn session() -> Session {
    let mut session = Session::default();
    session.names.interfaces.insert("lo", 1);
    session
}

/// The ruleset that a text makes; its message where it is refused.
pub fn load(text: &str) -> Result<Memory, String> {
    let mut backend = Memory::new(Instant::from_nanos(0));
    let mut sources = Sources::new();
    let source = sources.add("fuzz", text, None).expect("inputs are short");
    let outcome = session().run(&mut sources, source, &NoFiles, &mut backend);
    if outcome.ok() {
        return Ok(backend);
    }
    let message = outcome.render(&sources);
    assert!(!message.trim().is_empty(), "refused without a word");
    Err(message)
}

/// The ruleset that a JSON document makes; its message where it is refused.
pub fn load_json(text: &str) -> Result<Memory, String> {
    let mut backend = Memory::new(Instant::from_nanos(0));
    let outcome = session().run_json("fuzz", text, &mut backend);
    if outcome.ok() {
        return Ok(backend);
    }
    let message = outcome.render(&Sources::new());
    assert!(!message.trim().is_empty(), "refused without a word");
    Err(message)
}

/// Lists everything.
pub fn list(backend: &mut Memory, json: bool) -> String {
    let mut session = session();
    session.options.json = json;
    let mut sources = Sources::new();
    let source = sources.add("list", "list ruleset", None).expect("short");
    let outcome = session.run(&mut sources, source, &NoFiles, backend);
    assert!(outcome.ok(), "{}", outcome.render(&sources));
    outcome.output
}

/// What a ruleset is listed as loads again, as text and as JSON, and is listed the same. Where the same bytes are
/// compared twice, the same matches may come in another order, once.
pub fn comes_back(backend: &mut Memory) {
    let text = list(backend, false);
    let (mut again, mut listed) = comes_back_as_text(&text);
    if without_lone_braces(&text) != without_lone_braces(&listed) {
        assert!(words(&text) == words(&listed), "listed, loaded, and listed otherwise:\n{text}\n{listed}");
        let first = listed;
        (again, listed) = comes_back_as_text(&first);
        assert!(first == listed, "listed, loaded, and listed otherwise:\n{first}\n{listed}");
    }
    let text = listed;
    let Some(listed) = comes_back_as_json(&mut again) else { return };
    let (want, got) = (without_types(&text), without_types(&listed));
    assert!(got == want, "by JSON another text:\n{want}\n{got}");
}

fn comes_back_as_text(text: &str) -> (Memory, String) {
    let mut again = load(text).unwrap_or_else(|error| panic!("listed but refused:\n{text}\n{error}"));
    let listed = list(&mut again, false);
    (again, listed)
}

fn words(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    words.sort_unstable();
    words
}

/// What a ruleset is listed as in JSON loads again, and is listed the same; as which text it is listed then.
pub fn comes_back_as_json(backend: &mut Memory) -> Option<String> {
    let json = list(backend, true);
    let mut again = match load_json(&json) {
        Ok(again) => again,
        Err(error) if WHAT_JSON_LACKS.iter().any(|lack| error.contains(lack)) => return None,
        Err(error) => panic!("listed but refused:\n{json}\n{error}"),
    };
    let listed = list(&mut again, true);
    let (want, got) = (without_handles(&json), without_handles(&listed));
    assert!(got == want, "listed as JSON, loaded, and listed otherwise:\n{want}\n{got}");
    Some(list(&mut again, false))
}

/// What the form of JSON cannot say, by the message in which that ends: of which length a map's data is that is a plain
/// number; that it is an interval; of which family `ct original saddr` is; that a name which begins with `@` is none of
/// a set.
const WHAT_JSON_LACKS: [&str; 4] = [
    "unqualified type integer",
    "a map's element needs data",
    "cannot determine ip protocol version",
    "set or map ",
];

/// A listing where sets of one value are that value: `{ 3, 3 }` is listed as `{ 3 }`, which is loaded as `3`. nft does
/// so too.
fn without_lone_braces(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, from)) = rest.split_once("{ ") {
        out.push_str(before);
        match from.split_once(" }") {
            Some((one, behind)) if !one.contains(['{', ',', ':', ';', '\n']) => {
                out.push_str(one);
                rest = behind;
            }
            _ => {
                out.push_str("{ ");
                rest = from;
            }
        }
    }
    out + rest
}

/// A JSON listing without handles, which tell in which order things were made, and where sets of one value are that
/// value, as [`without_lone_braces`] has it for text.
fn without_handles(json: &str) -> String {
    let mut parts = json.split("\"handle\": ");
    let mut text = parts.next().unwrap_or_default().to_owned();
    parts.for_each(|part| text.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit())));
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, from)) = rest.split_once("{\"set\": [") {
        out.push_str(before);
        match only_item(from) {
            Some(one) => {
                out.push_str(one);
                rest = &from[one.len() + 2..];
            }
            None => {
                out.push_str("{\"set\": [");
                rest = from;
            }
        }
    }
    out + rest
}

/// The item of an array of one, of which the opening bracket was read, where `]}` follows it.
fn only_item(text: &str) -> Option<&str> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '[' | '{' => depth += 1,
            ',' if depth == 0 => return None,
            ']' | '}' if depth == 0 => return text[at..].starts_with("]}").then_some(&text[..at]),
            ']' | '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// A listing without the types of sets and maps: JSON says the type where text says `typeof`, of a map's data.
fn without_types(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with("\t\ttype"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// Every rule of a text, where the text can be read.
pub fn rules(text: &str) -> Vec<Rule> {
    let mut sources = Sources::new();
    let source = sources.add("fuzz", text, None).expect("inputs are short");
    let text = cmd::parse(&mut sources, source, &NoFiles, &mut Scopes::default());
    let mut rules = Vec::new();
    for command in text.commands {
        match command.kind {
            CommandKind::Rule(command) => rules.push(command.rule),
            CommandKind::Declare(_, Declaration::Chain(chain)) => rules.extend(chain.rules),
            CommandKind::Declare(_, Declaration::Table(table)) => {
                rules.extend(table.chains.into_iter().flat_map(|chain| chain.rules));
            }
            _ => {}
        }
    }
    rules
}

/// A rule as it is printed is read as the same rule. What is written otherwise than it is printed (`log level warn`,
/// which is `log`) is the same from the second time on.
pub fn is_read_as_printed(rule: &Rule) {
    let text = printed(rule);
    let once = parsed(&text);
    let twice = parsed(&printed(&once));
    assert!(once == twice, "printed and read otherwise: {text}\n{once:?}\n{twice:?}");
    assert!(printed(&once) == text, "printed and read otherwise: {text}\n{rule:?}\n{once:?}");
}

fn parsed(text: &str) -> Rule {
    let mut sources = Sources::new();
    let source = sources.add("printed", text, None).expect("short");
    let mut parser = Parser::new(&mut sources, source, &NoFiles, Scopes::default());
    let rule = Rule::parse(&mut parser);
    rule.unwrap_or_else(|error| panic!("printed but refused: {text}\n{}", error.render(&sources)))
}

fn printed(rule: &Rule) -> String {
    let mut printer = Printer::new(Options::default());
    rule.print(&mut printer);
    printer.finish()
}

/// A rule of a text, where it means something, is listed so that it comes back; and the bytecode that the listing makes
/// is raised to what makes the very same bytecode. That of the first text may be another: `ip protocol tcp` goes where
/// `tcp dport` tells it, as in nft.
pub fn rule_comes_back(family: Family, rule: &str) {
    let family = family.name();
    let rule = rule.split(['\n', ';']).next().unwrap_or_default();
    let setup = format!(
        "add table {family} t\nadd chain {family} t c\nadd chain {family} t d\n\
         add set {family} t s {{ type ipv4_addr; flags dynamic; }}\nadd map {family} t m {{ type inet_service : mark; }}\n"
    );
    let Ok(mut backend) = load(&format!("{setup}add rule {family} t c {rule}\n")) else { return };
    comes_back(&mut backend);
    let mut again = load(&list(&mut backend, false)).expect("it comes back");
    let raised = bytecode_of(&again);
    let mut last = load(&list(&mut again, false)).expect("it comes back");
    assert!(raised == bytecode_of(&last), "{rule}: {}", list(&mut last, false));
}

/// The bytecode of every rule.
fn bytecode_of(backend: &Memory) -> Vec<String> {
    let tables = backend.ruleset.tables();
    let rules = tables.flat_map(|table| table.chains()).flat_map(|chain| chain.rules());
    rules.map(|rule| format!("{:?}", rule.rule.exprs)).collect()
}
