//! The `.t` and `.payload` files: what is declared, which rules are tried, what is expected.

use std::collections::HashMap;
use std::path::Path;

use super::place::read;

/// An item of a `.t` file, with its line number from 1.
pub(crate) struct Item {
    /// Line in the file.
    pub(crate) line: usize,
    /// What it says.
    pub(crate) kind: ItemKind,
}

/// What a line of a `.t` file says.
pub(crate) enum ItemKind {
    /// `*family;table;chain,chain`, with the specifications of the chains.
    Table(TableSpec),
    /// `!`, `?`, `%`: something declared in every table so far.
    Declaration(String),
    /// A rule to try in every chain of every table so far.
    Rule(RuleCase),
}

/// A table and its chains as a file declares them.
#[derive(Clone)]
pub(crate) struct TableSpec {
    pub(crate) family: String,
    pub(crate) name: String,
    /// Name and specification (`type filter hook ...`, or empty).
    pub(crate) chains: Vec<(String, String)>,
}

impl TableSpec {
    /// `family name`.
    pub(crate) fn id(&self) -> String {
        format!("{} {}", self.family, self.name)
    }

    /// Commands that create it.
    pub(crate) fn setup(&self) -> String {
        let mut text = format!("add table {}\n", self.id());
        for (name, spec) in &self.chains {
            let body = if spec.is_empty() { String::new() } else { format!(" {{ {spec}; }}") };
            text.push_str(&format!("add chain {} {name}{body}\n", self.id()));
        }
        text
    }

    /// The command for a `!`, `?` or `%` line, and whether it must be accepted.
    pub(crate) fn declaration(&self, line: &str) -> (String, bool) {
        let (kind, line) = line.split_at(1);
        let line = line.trim_end();
        // A specification may hold `;` inside braces.
        let cut = line.rfind('}').map_or(0, |at| at + 1);
        let (head, state) = line[cut..].split_once(';').unwrap_or((&line[cut..], ""));
        let whole = format!("{}{head}", &line[..cut]);
        let (name, spec) = whole.trim().split_once(' ').unwrap_or((whole.trim(), ""));
        let id = self.id();
        let command = match kind {
            "?" => format!("add element {id} {name} {{ {spec} }}"),
            "!" => {
                let word = if spec.contains(" : ") { "map" } else { "set" };
                let spec = spec.replace(" timeout ", "; timeout ").replace(" flags ", "; flags ");
                format!("add {word} {id} {name} {{ {spec}; }}")
            }
            _ => {
                let spec = spec.strip_prefix("type").unwrap_or(spec).trim_start();
                let words = if spec.starts_with("ct ") { 2 } else { 1 };
                let at = spec.match_indices(' ').nth(words - 1).map_or(spec.len(), |(at, _)| at);
                format!("add {} {id} {name} {}", &spec[..at], spec[at..].trim_start())
            }
        };
        (command, state.trim() == "ok")
    }
}

/// A rule of a `.t` file.
pub(crate) struct RuleCase {
    /// As it is written.
    pub(crate) text: String,
    /// Whether it must be accepted.
    pub(crate) ok: bool,
    /// How it is listed.
    pub(crate) listed: String,
}

/// Everything a `.t` file says, and the bytecode that lies beside it.
pub(crate) struct TestFile {
    pub(crate) items: Vec<Item>,
    general: HashMap<String, String>,
    by_family: HashMap<&'static str, HashMap<String, String>>,
    json: HashMap<String, String>,
    json_output: HashMap<String, String>,
}

impl TestFile {
    /// Reads `X.t` and its `.payload` files.
    pub(crate) fn open(path: &Path) -> TestFile {
        let text = read(path);
        let mut items = Vec::new();
        let mut chains = HashMap::new();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with(['#', '-']) {
                continue;
            }
            let parts: Vec<&str> = line.split(';').collect();
            let kind = match (&line[..1], &parts[..]) {
                (":", [name, ..]) => {
                    let spec = line.split_once(';').map_or("", |(_, spec)| spec).trim();
                    chains.insert(name[1..].to_string(), spec.to_string());
                    continue;
                }
                ("*", [family, name, list, ..]) => ItemKind::Table(TableSpec {
                    family: family[1..].to_string(),
                    name: (*name).to_string(),
                    chains: list
                        .trim()
                        .split(',')
                        .map(|c| (c.to_string(), chains.get(c).cloned().unwrap_or_default()))
                        .collect(),
                }),
                ("!" | "?" | "%", _) => ItemKind::Declaration(line.to_string()),
                (_, [rule, state]) if ["ok", "fail"].contains(&state.trim()) => rule_case(rule, state, rule),
                (_, [rule, state, listed]) if ["ok", "fail"].contains(&state.trim()) => {
                    rule_case(rule, state, if listed.trim().is_empty() { rule } else { listed })
                }
                _ => continue,
            };
            items.push(Item { line: index + 1, kind });
        }
        let beside = |suffix: &str| {
            let mut name = path.as_os_str().to_os_string();
            name.push(suffix);
            blocks(&read(Path::new(&name)))
        };
        let families = ["arp", "bridge", "inet", "ip", "ip6", "netdev"];
        TestFile {
            items,
            general: beside(".payload"),
            json: beside(".json"),
            json_output: beside(".json.output"),
            by_family: families.map(|family| (family, beside(&format!(".payload.{family}")))).into(),
        }
    }

    /// The expected bytecode of a rule in a family, as text; `None` where none is given.
    pub(crate) fn payload(&self, rule: &str, family: &str) -> Option<&str> {
        let own = self.by_family.get(family).and_then(|blocks| blocks.get(rule));
        own.filter(|text| !text.trim().is_empty())
            .or_else(|| self.general.get(rule))
            .map(String::as_str)
            .filter(|text| !text.trim().is_empty())
    }

    /// The `expr` array of a rule: as it is given, and as it is listed.
    pub(crate) fn json(&self, rule: &str) -> Option<(serde_json::Value, serde_json::Value)> {
        let read = |blocks: &HashMap<String, String>| serde_json::from_str(blocks.get(rule)?).ok();
        let given: serde_json::Value = read(&self.json)?;
        let listed = read(&self.json_output).unwrap_or_else(|| given.clone());
        Some((given, listed))
    }
}

fn rule_case(rule: &str, state: &str, listed: &str) -> ItemKind {
    ItemKind::Rule(RuleCase {
        text: rule.trim().to_string(),
        ok: state.trim() == "ok",
        listed: listed.trim().to_string(),
    })
}

/// The `# RULE` blocks of a `.payload` file. The first block of a rule counts.
fn blocks(text: &str) -> HashMap<String, String> {
    let mut blocks: HashMap<String, String> = HashMap::new();
    let mut current: Option<String> = None;
    for line in text.split_inclusive('\n') {
        if let Some(rule) = line.strip_prefix("# ") {
            let rule = rule.trim().to_string();
            let known = blocks.entry(rule.clone()).or_default();
            current = known.trim().is_empty().then_some(rule);
        } else if let Some(rule) = &current {
            blocks.entry(rule.clone()).or_default().push_str(line);
        }
    }
    blocks
}
