//! Rules as nft lists them.

use ironweir_ruleset::Ruleset;
use ironweir_ruleset::store::{RuleState, TableState};

/// A rule's text; `state` shows counters and what else changes.
pub fn rule(ruleset: &Ruleset, table: &TableState, rule: &RuleState, state: bool) -> String {
    let _ = (ruleset, table, state);
    format!("rule {}", rule.handle)
}
