//! Listings as JSON: the document, and what of a table goes into it in which order.

use std::io::{self, Write};

use ironweir_ruleset::store::{ChainState, TableState};
use ironweir_ruleset::{Family, TableId};
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use serde_json::{Value, json};

use super::{Lister, chain, flowtable, table};

/// What `metainfo` calls the program.
const RELEASE_NAME: &str = "Ironweir";

/// Items of a document. Each is written at once: as a whole a large ruleset's would take many times its text.
pub(super) struct Items {
    text: String,
}

/// Blanks where nft's own JSON library puts them: behind commas and colons.
struct AsJansson;

impl Formatter for AsJansson {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

/// JSON as text, as nft spells it.
pub(crate) fn json_text(value: &Value) -> String {
    let mut bytes = Vec::new();
    // A value has no keys but strings, and there is always room in memory.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut bytes, AsJansson));
    String::from_utf8(bytes).unwrap_or_default()
}

impl Items {
    /// One more.
    pub(super) fn push(&mut self, item: Value) {
        self.text.push_str(&json_text(&item));
        self.text.push_str(", ");
    }

    /// Some more.
    pub(super) fn extend(&mut self, items: impl IntoIterator<Item = Value>) {
        items.into_iter().for_each(|item| self.push(item));
    }
}

impl Lister<'_> {
    /// `{ "nftables": [ ... ] }` on a line.
    pub(super) fn document(&self, fill: impl FnOnce(&mut Items)) -> String {
        let mut items = Items { text: "{\"nftables\": [".into() };
        items.push(json!({ "metainfo": {
            "version": env!("CARGO_PKG_VERSION"),
            "release_name": RELEASE_NAME,
            "json_schema_version": 1,
        }}));
        fill(&mut items);
        if items.text.ends_with(", ") {
            items.text.truncate(items.text.len() - 2);
        }
        items.text.push_str("]}\n");
        items.text
    }

    /// The same of some tables.
    pub(super) fn document_of(
        &self,
        family: Option<Family>,
        only: Option<&TableId>,
        inside: impl Fn(&TableState, &mut Items),
    ) -> String {
        let tables = self.tables_of(family).filter(|table| only.is_none_or(|id| table.table.id == *id));
        self.document(|items| tables.for_each(|table| inside(table, items)))
    }

    /// A table with all it holds. Chains come first, since maps and rules name them.
    pub(super) fn table_items(&self, table: &TableState, items: &mut Items) {
        items.push(table::json(table));
        items.extend(named_chains(table).map(|chain| chain::json(table, chain)));
        items.extend(table.objects().map(|object| self.object_json(table, object)));
        let sets = table.sets().filter(|set| !set.is_anonymous());
        items.extend(sets.map(|set| self.set_json(table, set, None)));
        items.extend(table.flowtables().map(|flowtable| flowtable::json(table, flowtable)));
        for chain in named_chains(table) {
            items.extend(chain.rules().map(|rule| self.rule_json(table, chain, rule)));
        }
    }
}

/// Chains that stand by themselves.
pub(super) fn named_chains(table: &TableState) -> impl Iterator<Item = &ChainState> {
    table.chains().filter(|chain| chain.chain.binding.is_none())
}

/// What most things begin with.
pub(super) fn head(table: &TableState, name: &str) -> Value {
    let id = &table.table.id;
    json!({ "family": id.family.name(), "name": name, "table": id.name })
}
