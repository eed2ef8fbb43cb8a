//! Tables in listings.

use serde_json::{Value, json};
use std::fmt::Write as _;

use ironweir_ruleset::TableFlags;
use ironweir_ruleset::store::TableState;
use ironweir_ruleset::userdata::COMMENT;

use super::Lister;

impl Lister<'_> {
    /// A table with all it holds: objects, sets, flowtables, chains.
    pub(super) fn table_block(&self, table: &TableState, out: &mut String) {
        let mut blocks = Blocks { any: self.table_head(table, out) };
        for object in table.objects() {
            blocks.next(out);
            self.object_block(object, out);
        }
        for set in table.sets().filter(|set| !set.is_anonymous()) {
            blocks.next(out);
            self.set_block(table, set, out);
        }
        for flowtable in table.flowtables() {
            blocks.next(out);
            self.flowtable_block(table, flowtable, out);
        }
        for chain in table.chains().filter(|chain| chain.chain.binding.is_none()) {
            blocks.next(out);
            self.chain_block(table, chain, out);
        }
        out.push_str("}\n");
    }

    /// A table's head, up to what it holds. Tells whether it has attributes.
    pub(crate) fn table_head(&self, table: &TableState, out: &mut String) -> bool {
        let _ = write!(out, "table {} {{", table.table.id);
        self.handle(table.handle, out);
        if let Some(owner) = table.owner.as_ref().filter(|_| table.table.flags.contains(TableFlags::OWNER)) {
            let _ = write!(out, "{} progname {owner}", if self.options.handles { "" } else { " #" });
        }
        out.push('\n');
        let head = out.len();
        flags(table.table.flags, out);
        if let Some(comment) = table.table.userdata.get_str(COMMENT) {
            let _ = writeln!(out, "\tcomment \"{comment}\"");
        }
        out.len() > head
    }
}

/// Puts an empty line between blocks.
struct Blocks {
    any: bool,
}

impl Blocks {
    fn next(&mut self, out: &mut String) {
        if std::mem::replace(&mut self.any, true) {
            out.push('\n');
        }
    }
}

const FLAGS: [(TableFlags, &str); 3] =
    [(TableFlags::DORMANT, "dormant"), (TableFlags::OWNER, "owner"), (TableFlags::PERSIST, "persist")];

/// The words for flags.
pub(crate) fn flag_words(flags: TableFlags) -> Vec<&'static str> {
    FLAGS.into_iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, word)| word).collect()
}

fn flags(flags: TableFlags, out: &mut String) {
    let words = flag_words(flags);
    if !words.is_empty() {
        let _ = writeln!(out, "\tflags {}", words.join(","));
    }
}

/// A table without what it holds.
pub(crate) fn json(table: &TableState) -> Value {
    let id = &table.table.id;
    let mut out = json!({ "family": id.family.name(), "name": id.name, "handle": table.handle.told() });
    let flags = flag_words(table.table.flags);
    if !flags.is_empty() {
        out["flags"] = json!(flags);
    }
    if let Some(comment) = table.table.userdata.get_str(COMMENT) {
        out["comment"] = json!(comment);
    }
    json!({ "table": out })
}
