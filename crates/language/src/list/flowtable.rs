//! Flowtables in listings.

use super::json::head;
use crate::json::one_or_array;
use serde_json::{Value, json};
use std::fmt::Write as _;

use ironweir_ruleset::Hook;
use ironweir_ruleset::store::{FlowtableState, TableState};

use super::{Lister, devices, priority_text, sorted};

impl Lister<'_> {
    /// A flowtable.
    pub(crate) fn flowtable_block(&self, table: &TableState, state: &FlowtableState, out: &mut String) {
        let flowtable = &state.flowtable;
        let _ = write!(out, "\tflowtable {} {{", flowtable.name);
        self.handle(state.handle, out);
        let hook = flowtable.hook.unwrap_or(Hook::Ingress);
        let numeric = self.options.priority_numbers();
        let priority = priority_text(table.table.id.family, hook, flowtable.priority, numeric);
        let _ = writeln!(out, "\n\t\thook {hook} priority {priority}");
        if !flowtable.devices.is_empty() {
            let _ = writeln!(out, "\t\tdevices = {}", devices(&flowtable.devices));
        }
        if flowtable.hw_offload {
            out.push_str("\t\tflags offload\n");
        }
        if flowtable.counter {
            out.push_str("\t\tcounter\n");
        }
        out.push_str("\t}\n");
    }
}

/// A flowtable.
pub(crate) fn json(table: &TableState, state: &FlowtableState) -> Value {
    let flowtable = &state.flowtable;
    let mut out = head(table, &flowtable.name);
    out["handle"] = json!(state.handle.told());
    out["hook"] = json!(flowtable.hook.unwrap_or(Hook::Ingress).to_string());
    out["prio"] = json!(flowtable.priority.0);
    if !flowtable.devices.is_empty() {
        out["dev"] =
            one_or_array(sorted(&flowtable.devices).into_iter().map(|device| json!(device)).collect());
    }
    if flowtable.hw_offload {
        out["flags"] = json!(["offload"]);
    }
    if flowtable.counter {
        out["counter"] = json!(true);
    }
    json!({ "flowtable": out })
}
