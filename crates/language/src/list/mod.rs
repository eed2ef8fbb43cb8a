//! Listing: a committed ruleset as nft prints it.
//!
//! [`Lister`] holds what listing depends on; each kind of thing has a file. What is printed here is exactly what
//! `nft list ...` prints, so that it can be loaded again and compared with nft's own output.

mod addresses;
mod chain;
mod elements;
mod flowtable;
pub(crate) mod hooks;
mod json;
mod object;
mod priority;
mod rule;
mod set;
mod table;
mod wrap;

use std::fmt::Write as _;

use ironweir_expr::objref::ObjectType;
use ironweir_ruleset::store::{SetState, TableState};
use ironweir_ruleset::{Element, Family, Handle, Ruleset, SetFlags, TableId};
use ironweir_wire::Instant;

use crate::datatype::Names;
use crate::print::Options;

pub(crate) use chain::json_of as chain_json;
pub(crate) use flowtable::json as flowtable_json;
pub(crate) use json::json_text;
pub use priority::priority_text;
pub(crate) use table::{flag_words, json as table_json};

/// A ruleset and how to list it.
#[derive(Clone, Copy)]
pub struct Lister<'a> {
    /// What is listed.
    pub ruleset: &'a Ruleset,
    /// How.
    pub options: Options,
    /// Names of numbers.
    pub names: &'a Names,
    /// When: elements tell what is left of their time.
    pub now: Instant,
}

/// Sets or maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetKind {
    /// `set`: neither a map nor a meter.
    Set,
    /// `map`.
    Map,
    /// `meter`: a set that a rule fills.
    Meter,
}

impl SetKind {
    /// Whether a committed set is of this kind. Named sets only.
    fn includes(self, state: &SetState) -> bool {
        let flags = state.set.flags;
        let is_map = flags.intersects(SetFlags::MAP | SetFlags::OBJECT);
        !state.is_anonymous()
            && match self {
                SetKind::Set => !is_map,
                SetKind::Map => is_map,
                SetKind::Meter => !is_map && flags.contains(SetFlags::EVAL),
            }
    }
}

/// Lists one thing that may not be there.
pub type Found = Option<String>;

impl<'a> Lister<'a> {
    /// `list ruleset`, of one family or all.
    pub fn ruleset(&self, family: Option<Family>) -> String {
        if self.options.json {
            return self
                .document(|items| self.tables_of(family).for_each(|table| self.table_items(table, items)));
        }
        let mut out = String::new();
        self.tables_of(family).for_each(|table| self.table_block(table, &mut out));
        out
    }

    /// `list tables`.
    pub fn tables(&self, family: Option<Family>) -> String {
        if self.options.json {
            return self.document(|items| items.extend(self.tables_of(family).map(table::json)));
        }
        let mut out = String::new();
        for table in self.tables_of(family) {
            let _ = writeln!(out, "table {}", table.table.id);
        }
        out
    }

    /// `list table`.
    pub fn table(&self, id: &TableId) -> Found {
        let table = self.ruleset.table(id)?;
        if self.options.json {
            return Some(self.document(|items| self.table_items(table, items)));
        }
        let mut out = String::new();
        self.table_block(table, &mut out);
        Some(out)
    }

    /// `list chains`: chains without their rules, by table.
    pub fn chains(&self, family: Option<Family>) -> String {
        if self.options.json {
            return self.document_of(family, None, |table, items| {
                items.extend(json::named_chains(table).map(|chain| chain::json(table, chain)));
            });
        }
        self.by_table(family, None, true, |table, out| {
            for chain in table.chains().filter(|chain| chain.chain.binding.is_none()) {
                self.chain_declaration(table, chain, out);
                out.push_str("\t}\n");
            }
        })
    }

    /// `list chain`.
    pub fn chain(&self, id: &TableId, name: &str) -> Found {
        let table = self.ruleset.table(id)?;
        let chain = table.chain(name)?;
        if self.options.json {
            return Some(self.document(|items| {
                items.push(chain::json(table, chain));
                items.extend(chain.rules().map(|rule| self.rule_json(table, chain, rule)));
            }));
        }
        Some(self.in_table(table, |out| self.chain_block(table, chain, out)))
    }

    /// `reset rule`: a chain with one of its rules alone.
    pub fn rule(&self, id: &TableId, chain: &str, handle: Handle) -> Found {
        let table = self.ruleset.table(id)?;
        let chain = table.chain(chain)?;
        let rule = chain.rule(handle)?;
        if self.options.json {
            return Some(self.document(|items| items.push(self.rule_json(table, chain, rule))));
        }
        Some(self.in_table(table, |out| {
            let _ = write!(out, "\tchain {} {{\n\t\t{}", chain.chain.name, self.rule_text(table, &rule.rule));
            self.handle(rule.handle, out);
            out.push_str("\n\t}\n");
        }))
    }

    /// `list sets`, `list maps`, `list meters`, of one table or all.
    pub fn sets(&self, family: Option<Family>, only: Option<&TableId>, kind: SetKind) -> String {
        if self.options.json {
            return self.document_of(family, only, |table, items| {
                let sets = table.sets().filter(|set| kind.includes(set));
                items.extend(sets.map(|set| self.set_json(table, set, None)));
            });
        }
        self.by_table(family, only, true, |table, out| {
            for set in table.sets().filter(|set| kind.includes(set)) {
                self.set_block(table, set, out);
            }
        })
    }

    /// `list set`, `list map`, `list meter`.
    pub fn set(&self, id: &TableId, name: &str) -> Found {
        let table = self.ruleset.table(id)?;
        let set = table.set(name)?;
        if self.options.json {
            return Some(self.document(|items| items.push(self.set_json(table, set, None))));
        }
        Some(self.in_table(table, |out| self.set_block(table, set, out)))
    }

    /// `get element`: a set with those of its elements alone.
    pub fn set_with(&self, id: &TableId, name: &str, elements: Vec<Element>) -> Found {
        let table = self.ruleset.table(id)?;
        let set = table.set(name)?;
        if self.options.json {
            return Some(self.document(|items| items.push(self.set_json(table, set, Some(elements)))));
        }
        Some(self.in_table(table, |out| self.set_block_with(table, set, Some(elements), out)))
    }

    /// `list counters`, `list quotas`, ..., of one table or all.
    pub fn objects(&self, family: Option<Family>, only: Option<&TableId>, kind: ObjectType) -> String {
        if self.options.json {
            return self.document_of(family, only, |table, items| {
                let objects = table.objects().filter(|object| object.object.object_type() == kind);
                items.extend(objects.map(|object| self.object_json(table, object)));
            });
        }
        self.by_table(family, only, false, |table, out| {
            for object in table.objects().filter(|object| object.object.object_type() == kind) {
                self.object_block(object, out);
            }
        })
    }

    /// `list counter`, `list quota`, ...
    pub fn object(&self, id: &TableId, kind: ObjectType, name: &str) -> Found {
        let table = self.ruleset.table(id)?;
        let object = table.object(kind, name)?;
        if self.options.json {
            return Some(self.document(|items| items.push(self.object_json(table, object))));
        }
        Some(self.in_table(table, |out| self.object_block(object, out)))
    }

    /// `list flowtables`, of one table or all.
    pub fn flowtables(&self, family: Option<Family>, only: Option<&TableId>) -> String {
        if self.options.json {
            return self.document_of(family, only, |table, items| {
                items.extend(table.flowtables().map(|flowtable| flowtable::json(table, flowtable)));
            });
        }
        self.by_table(family, only, true, |table, out| {
            table.flowtables().for_each(|flowtable| self.flowtable_block(table, flowtable, out));
        })
    }

    /// `list flowtable`.
    pub fn flowtable(&self, id: &TableId, name: &str) -> Found {
        let table = self.ruleset.table(id)?;
        let flowtable = table.flowtable(name)?;
        if self.options.json {
            return Some(self.document(|items| items.push(flowtable::json(table, flowtable))));
        }
        Some(self.in_table(table, |out| self.flowtable_block(table, flowtable, out)))
    }

    fn tables_of(&self, family: Option<Family>) -> impl Iterator<Item = &'a TableState> + use<'a> {
        self.ruleset.tables().filter(move |table| family.is_none_or(|family| table.table.id.family == family))
    }

    /// A block for each table, with what `inside` prints. Tables for which it prints nothing show only `with_empty`.
    fn by_table(
        &self,
        family: Option<Family>,
        only: Option<&TableId>,
        with_empty: bool,
        inside: impl Fn(&TableState, &mut String),
    ) -> String {
        let mut out = String::new();
        for table in self.tables_of(family).filter(|table| only.is_none_or(|id| table.table.id == *id)) {
            let mut body = String::new();
            inside(table, &mut body);
            if with_empty || !body.is_empty() {
                let _ = write!(out, "table {} {{\n{body}}}\n", table.table.id);
            }
        }
        out
    }

    fn in_table(&self, table: &TableState, inside: impl FnOnce(&mut String)) -> String {
        let mut out = format!("table {} {{\n", table.table.id);
        inside(&mut out);
        out.push_str("}\n");
        out
    }

    /// ` # handle 7`, where handles are asked for.
    pub(crate) fn handle(&self, handle: Handle, out: &mut String) {
        if self.options.handles {
            let _ = write!(out, " # handle {handle}");
        }
    }
}

/// `comment "..."` on a line of its own, two tabs deep.
fn comment(text: Option<&str>, out: &mut String) {
    if let Some(text) = text {
        let _ = writeln!(out, "\t\tcomment \"{text}\"");
    }
}

/// Devices by name, as stock nft 1.0.6 lists them; the kernel has them in the order they came.
pub(super) fn sorted(devices: &[Box<str>]) -> Vec<&str> {
    let mut names: Vec<&str> = devices.iter().map(|device| &**device).collect();
    names.sort_unstable();
    names
}

/// `{ "a", "b" }`.
pub(crate) fn devices(devices: &[Box<str>]) -> String {
    let quoted: Vec<String> = sorted(devices).iter().map(|device| format!("\"{device}\"")).collect();
    format!("{{ {} }}", quoted.join(", "))
}
