//! Events as JSON: `{"add": {"table": {...}}}`, each on a line.

use ironweir_ruleset::netlink::{Gone, RuleMessage, Told, Verb};
use ironweir_ruleset::{Element, Handle, TableId};
use ironweir_wire::Instant;
use serde_json::{Value, json};

use super::Events;
use crate::json::tagged;
use crate::list::{self, json_text};

impl Events {
    /// What was made or changed, and is in the mirror by now.
    pub(super) fn made_json(&self, told: &Told, verb: Verb, now: Instant, out: &mut String) {
        let lister = self.lister(now);
        let found = self.table_of(told).and_then(|id| self.mirror.ruleset().table(id));
        let Some(table) = found else { return };
        let value = match told {
            Told::Table(_) => Some(list::table_json(table)),
            Told::Chain(told) => Some(list::chain_json(&told.table, &told.chain, told.handle)),
            Told::Set(told) => table
                .set(&told.set.name)
                .filter(|set| !set.is_anonymous())
                .map(|set| lister.set_json(table, set, Some(Vec::new()))),
            Told::Object(told) => table
                .object(told.object.object_type(), &told.object.name)
                .map(|object| lister.object_json(table, object)),
            Told::Flowtable(told) => {
                table.flowtable(&told.flowtable.name).map(|flowtable| list::flowtable_json(table, flowtable))
            }
            _ => None,
        };
        if let Some(value) = value {
            line(verb, value, out);
        }
    }

    fn table_of<'t>(&self, told: &'t Told) -> Option<&'t TableId> {
        Some(match told {
            Told::Table(told) => &told.table.id,
            Told::Chain(told) => &told.table,
            Told::Set(told) => &told.table,
            Told::Object(told) => &told.table,
            Told::Flowtable(told) => &told.table,
            _ => return None,
        })
    }

    pub(super) fn rule_json(&self, rule: &RuleMessage, verb: Verb, now: Instant, out: &mut String) {
        let Some(table) = self.mirror.ruleset().table(&rule.table) else { return };
        let value = self.lister(now).rule_json_of(table, &rule.chain, rule.handle, &rule.rule);
        line(verb, value, out);
    }

    pub(super) fn gone_json(&self, gone: &Gone, out: &mut String) {
        let named = |kind: &str, table: &TableId, name: &str, handle: Handle| {
            let mut inside = json!({ "family": table.family.name(), "name": name, "table": table.name });
            inside["handle"] = json!(handle.0);
            tagged(kind, inside)
        };
        let value = match gone {
            Gone::Table { id, handle } => {
                json!({ "table": { "family": id.family.name(), "name": id.name, "handle": handle.0 } })
            }
            Gone::Chain { table, name, handle, devices } => match self.part_of_chain(table, name, devices) {
                Some(part) => list::chain_json(table, &part, *handle),
                None => json!({ "chain": {
                    "family": table.family.name(), "table": table.name, "name": name, "handle": handle.0
                }}),
            },
            Gone::Set { table, name, handle } => {
                let set = self.mirror.ruleset().table(table).and_then(|state| state.set(name));
                if set.is_some_and(|set| set.is_anonymous()) {
                    return;
                }
                let is_map = set.is_some_and(|set| set.set.data.is_some());
                named(if is_map { "map" } else { "set" }, table, name, *handle)
            }
            Gone::Object { table, kind, name, handle } => named(kind.name(), table, name, *handle),
            Gone::Flowtable { table, name, handle, devices } => {
                let mut value = named("flowtable", table, name, *handle);
                let state = self.mirror.ruleset().table(table);
                if let Some(known) =
                    state.and_then(|state| state.flowtable(name)).filter(|_| !devices.is_empty())
                {
                    let hook = known.flowtable.hook.unwrap_or(ironweir_ruleset::Hook::Ingress);
                    value["flowtable"]["hook"] = json!(hook.to_string());
                    value["flowtable"]["prio"] = json!(known.flowtable.priority.0);
                    let devices = devices.iter().map(|device| json!(device)).collect();
                    value["flowtable"]["dev"] = crate::json::one_or_array(devices);
                }
                value
            }
            Gone::Rule(_) | Gone::Elements(_) => return,
        };
        line(Verb::Delete, value, out);
    }

    pub(super) fn element_json(
        &self,
        table: &TableId,
        set: &str,
        verb: Verb,
        element: &[Element],
        now: Instant,
        out: &mut String,
    ) {
        let state = self.mirror.ruleset().table(table);
        let Some((state, set)) = state.and_then(|state| Some((state, state.set(set)?))) else { return };
        let elements = self.lister(now).elements_json(state, &set.set, element);
        let value = json!({ "element": {
            "family": table.family.name(),
            "table": table.name,
            "name": set.set.name,
            "elem": { "set": elements },
        }});
        line(verb, value, out);
    }
}

fn line(verb: Verb, value: Value, out: &mut String) {
    out.push_str(&json_text(&tagged(verb.name(), value)));
    out.push('\n');
}
