//! Chains in listings.

use crate::json::one_or_array;
use serde_json::{Value, json};
use std::fmt::Write as _;

use ironweir_ruleset::store::{ChainState, TableState};
use ironweir_ruleset::userdata::COMMENT;
use ironweir_ruleset::{BaseChain, Chain, Family, Handle, Policy, TableId};

use super::{Lister, devices, priority_text, sorted};

impl Lister<'_> {
    /// A chain with its rules.
    pub(super) fn chain_block(&self, table: &TableState, chain: &ChainState, out: &mut String) {
        self.chain_declaration(table, chain, out);
        for rule in chain.rules() {
            out.push_str("\t\t");
            out.push_str(&self.rule_text(table, &rule.rule));
            self.handle(rule.handle, out);
            out.push('\n');
        }
        out.push_str("\t}\n");
    }

    /// A chain's head, up to its first rule.
    pub(crate) fn chain_declaration(&self, table: &TableState, chain: &ChainState, out: &mut String) {
        let _ = write!(out, "\tchain {} {{", chain.chain.name);
        self.handle(chain.handle, out);
        out.push('\n');
        super::comment(chain.chain.userdata.get_str(COMMENT), out);
        if let Some(base) = &chain.chain.base {
            self.base(table.table.id.family, base, out);
        }
    }

    fn base(&self, family: Family, base: &BaseChain, out: &mut String) {
        let _ = write!(out, "\t\ttype {} hook {}", base.kind.name(), base.hook);
        match &base.devices[..] {
            [] => {}
            [device] => {
                let _ = write!(out, " device \"{device}\"");
            }
            several => {
                let _ = write!(out, " devices = {}", devices(several));
            }
        }
        let numeric = self.options.priority_numbers();
        let priority = priority_text(family, base.hook, base.priority, numeric);
        let policy = base.policy.unwrap_or(Policy::Accept);
        let _ = write!(out, " priority {priority}; policy {};", policy.name());
        if base.hw_offload {
            out.push_str(" flags offload;");
        }
        out.push('\n');
    }
}

/// A chain without its rules.
pub(super) fn json(table: &TableState, state: &ChainState) -> Value {
    json_of(&table.table.id, &state.chain, state.handle)
}

/// A chain of which an event tells.
pub(crate) fn json_of(table: &TableId, chain: &Chain, handle: Handle) -> Value {
    let mut out = json!({ "family": table.family.name(), "table": table.name, "name": chain.name });
    out["handle"] = json!(handle.told());
    if let Some(comment) = chain.userdata.get_str(COMMENT) {
        out["comment"] = json!(comment);
    }
    if let Some(base) = &chain.base {
        if !base.devices.is_empty() {
            out["dev"] =
                one_or_array(sorted(&base.devices).into_iter().map(|device| json!(device)).collect());
        }
        out["type"] = json!(base.kind.name());
        out["hook"] = json!(base.hook.to_string());
        out["prio"] = json!(base.priority.0);
        out["policy"] = json!(base.policy.unwrap_or(Policy::Accept).name());
        if base.hw_offload {
            out["flags"] = json!(["offload"]);
        }
    }
    json!({ "chain": out })
}
