//! The ruleset as nft lists it.

use ironweir_engine::Engine;
use ironweir_language::datatype::Names;
use ironweir_language::list::Lister;
use ironweir_language::print::Options;
use ironweir_ruleset::store::{RuleState, TableState};

/// A rule's text on one line; `state` shows counters and what else changes.
pub fn rule(engine: &Engine, names: &Names, table: &TableState, rule: &RuleState, state: bool) -> String {
    let text = lister(engine, names, !state).rule_text(table, &rule.rule);
    // Only anonymous chains take several lines.
    if text.contains('\n') { text.split_whitespace().collect::<Vec<_>>().join(" ") } else { text }
}

/// The whole ruleset with its state.
pub fn ruleset(engine: &Engine, names: &Names) -> String {
    lister(engine, names, false).ruleset(None)
}

fn lister<'a>(engine: &'a Engine, names: &'a Names, stateless: bool) -> Lister<'a> {
    let options = Options { stateless, utc_offset: names.utc_offset, ..Options::default() };
    Lister { ruleset: engine.ruleset(), options, names, now: engine.now() }
}
