//! Echo of a document: the same document, and in it the handle of everything that was made (libnftables(3),
//! `nft_ctx_output_set_flags`, `NFT_CTX_OUTPUT_ECHO`).

use std::collections::{HashMap, VecDeque};

use ironweir_ruleset::netlink::{Event, Told};
use ironweir_ruleset::{Handle, TableId};
use serde_json::{Value, json};

use super::Document;
use crate::list::json_text;

/// What a command of a document makes: kind, family, table and name. Rules have their chain for a name.
type Made = (&'static str, &'static str, Box<str>, Box<str>);

impl Document {
    /// The document as text, with the handles of what the events tell.
    pub fn with_handles(&self, events: &[Event]) -> String {
        let mut handles: HashMap<Made, VecDeque<Handle>> = HashMap::new();
        for event in events {
            if let Some((made, handle)) = made(&event.told) {
                handles.entry(made).or_default().push_back(handle);
            }
        }
        let mut root = self.root.clone();
        if let Some(items) = root.get_mut("nftables").and_then(Value::as_array_mut) {
            items.iter_mut().for_each(|item| fill(item, &mut handles));
        }
        let mut text = json_text(&root);
        text.push('\n');
        text
    }
}

/// Gives a command the handle of what it made. Rules of one chain were made in the order of their commands.
fn fill(item: &mut Value, handles: &mut HashMap<Made, VecDeque<Handle>>) {
    for verb in ["add", "create", "insert", "replace"] {
        let Some(command) = item.get_mut(verb).and_then(Value::as_object_mut) else { continue };
        let Some((kind, what)) = command.iter_mut().next() else { continue };
        let Some(kind) = KINDS.iter().find(|known| *known == kind) else { continue };
        let field = |name: &str| what.get(name).and_then(Value::as_str).unwrap_or_default();
        let family = if field("family").is_empty() { "ip" } else { field("family") };
        let Some(family) = FAMILIES.iter().find(|known| **known == family) else { continue };
        let name: Box<str> = field(if *kind == "rule" { "chain" } else { "name" }).into();
        let table: Box<str> = if *kind == "table" { name.clone() } else { field("table").into() };
        let Some(waiting) = handles.get_mut(&(*kind, *family, table, name)) else { continue };
        let handle = if *kind == "rule" { waiting.pop_front() } else { waiting.front().copied() };
        if let (Some(handle), Some(what)) = (handle, what.as_object_mut()) {
            what.insert("handle".into(), json!(handle.0));
        }
    }
}

const FAMILIES: [&str; 6] = ["ip", "ip6", "inet", "arp", "bridge", "netdev"];

const KINDS: [&str; 16] = [
    "table",
    "chain",
    "rule",
    "set",
    "map",
    "flowtable",
    "counter",
    "quota",
    "limit",
    "ct helper",
    "ct timeout",
    "ct expectation",
    "synproxy",
    "secmark",
    "tunnel",
    "meter",
];

fn made(told: &Told) -> Option<(Made, Handle)> {
    let key = |kind: &'static str, table: &TableId, name: &str| {
        (kind, table.family.name(), table.name.clone(), name.into())
    };
    Some(match told {
        Told::Table(told) => (key("table", &told.table.id, &told.table.id.name), told.handle),
        Told::Chain(told) => (key("chain", &told.table, &told.chain.name), told.handle),
        Told::Rule(told) => (key("rule", &told.table, &told.chain), told.handle),
        Told::Set(told) => {
            let kind = if told.set.data.is_some() { "map" } else { "set" };
            (key(kind, &told.table, &told.set.name), told.handle)
        }
        Told::Object(told) => {
            (key(told.object.object_type().name(), &told.table, &told.object.name), told.handle)
        }
        Told::Flowtable(told) => (key("flowtable", &told.table, &told.flowtable.name), told.handle),
        _ => return None,
    })
}
