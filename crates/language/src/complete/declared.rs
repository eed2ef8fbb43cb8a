//! What may stand in the block of a declaration.

use ironweir_ruleset::TableId;

use super::{FAMILIES, Offer, Place, THINGS, family};
use crate::datatype::Type;
use crate::decl::priority;

/// What a brace has opened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// A table's block.
    Table,
    /// A chain's, in a table.
    Chain(Option<TableId>),
    /// A set's or a map's.
    Set,
    /// A flowtable's.
    Flowtable,
    /// A list of values in a rule, of a table.
    Values(Option<TableId>),
    /// Any other.
    Other,
}

impl Block {
    /// What the words before a brace make of it; the last of `around` are these words.
    pub(super) fn opened_by(words: &[&str], around: &[Vec<&str>]) -> Block {
        let outer = around.split_last().map_or(&[][..], |(_, outer)| outer);
        let words = match words {
            ["add" | "create" | "delete" | "destroy", rest @ ..] => rest,
            words => words,
        };
        match words {
            ["table", ..] => Block::Table,
            ["chain", rest @ ..] => Block::Chain(table(rest, outer)),
            ["set" | "map", ..] => Block::Set,
            ["flowtable", ..] => Block::Flowtable,
            ["rule", rest @ ..] | ["insert" | "replace", "rule", rest @ ..] => {
                Block::Values(table(rest, outer))
            }
            // A rule in the block of its chain.
            _ => match outer.last().map(|before| Block::opened_by(before, outer)) {
                Some(Block::Chain(table) | Block::Values(table)) => Block::Values(table),
                _ => Block::Other,
            },
        }
    }
}

/// The table that something is in: named before its name, or by the block around it.
fn table(words: &[&str], outer: &[Vec<&str>]) -> Option<TableId> {
    if let Some(["table", rest @ ..] | ["add" | "create", "table", rest @ ..]) =
        outer.first().map(|words| &words[..])
    {
        return named(rest);
    }
    named(words)
}

fn named(words: &[&str]) -> Option<TableId> {
    let (word, rest) = words.split_first()?;
    let (family, name) = match (family(word), rest.first()) {
        (Some(family), Some(name)) => (family, name),
        _ => (ironweir_ruleset::Family::Ip, word),
    };
    Some(TableId { family, name: (*name).into() })
}

const SET_WORDS: &[&str] = &[
    "type",
    "typeof",
    "flags",
    "timeout",
    "gc-interval",
    "elements",
    "size",
    "policy",
    "auto-merge",
    "counter",
    "comment",
];
const SET_FLAGS: &[&str] = &["constant", "interval", "timeout", "dynamic"];
const TABLE_FLAGS: &[&str] = &["dormant", "owner", "persist"];
const CHAIN_TYPES: &[&str] = &["filter", "nat", "route"];
const HOOKS: &[&str] = &["prerouting", "input", "forward", "output", "postrouting", "ingress", "egress"];

impl Offer<'_> {
    /// Words in a block.
    pub(super) fn inside(&mut self, block: &Block, place: &Place<'_>, begun: &str) {
        let words = &place.words[..];
        let last = words.last().copied().unwrap_or_default();
        match block {
            Block::Table => match words {
                [] => {
                    let things = THINGS.iter().filter(|word| !matches!(**word, "table" | "rule" | "element"));
                    self.words(things.copied().chain(["flags", "comment", "}"]));
                }
                ["flags", ..] => self.words(TABLE_FLAGS.iter().copied()),
                ["ct"] => self.words(["helper", "timeout", "expectation"]),
                [_, _] => self.words(["{"]),
                _ => {}
            },
            Block::Chain(table) => {
                let known = table.as_ref().and_then(|table| self.ruleset.table(table));
                match (words.first(), last) {
                    (None, _) => {
                        self.words(["type", "policy", "flags", "comment", "}"]);
                        self.rule(known, words, begun);
                    }
                    (Some(&"type"), "type") => self.words(CHAIN_TYPES.iter().copied()),
                    (Some(&"type"), "hook") => self.words(HOOKS.iter().copied()),
                    (Some(&"type"), "priority") => {
                        let family =
                            table.as_ref().map_or(ironweir_ruleset::Family::Ip, |table| table.family);
                        for hook in ironweir_ruleset::Hook::ALL {
                            self.words(priority::named(family, hook).map(|(name, _)| name));
                        }
                    }
                    (Some(&"type"), _) => self.words(["hook", "device", "devices", "priority"]),
                    (Some(&"policy"), _) => self.words(["accept", "drop"]),
                    _ => self.rule(known, words, begun),
                }
            }
            Block::Values(table) => {
                let known = table.as_ref().and_then(|table| self.ruleset.table(table));
                let before = place.around.last().map_or(&[][..], |before| before);
                // `state { new, `: values of what stands before the brace, and verdicts behind a `:`.
                if last == ":" {
                    return self.rule(known, &[], begun);
                }
                self.rule(known, before, begun);
                self.words(["}"]);
            }
            Block::Set => match (words.first(), last) {
                (None, _) => self.words(SET_WORDS.iter().copied().chain(["}"])),
                (Some(&"type"), _) => {
                    self.words(Type::ALL.iter().map(|datatype| datatype.name()));
                    self.words(["counter", "quota", "limit", "secmark"]);
                }
                (Some(&"typeof"), _) => self.rule(None, &words[1..], begun),
                (Some(&"flags"), _) => self.words(SET_FLAGS.iter().copied()),
                (Some(&"policy"), _) => self.words(["performance", "memory"]),
                (Some(&"elements"), "elements") => self.words(["="]),
                (Some(&"elements"), _) => self.words(["{"]),
                _ => {}
            },
            Block::Flowtable => match words.first() {
                None => self.words(["hook", "devices", "counter", "flags", "}"]),
                Some(&"hook") if last == "hook" => self.words(["ingress"]),
                Some(&"hook") => self.words(["priority"]),
                Some(&"flags") => self.words(["offload"]),
                _ => {}
            },
            Block::Other => self.words(FAMILIES.iter().take(0).copied()),
        }
    }
}
