//! Rules in listings.

use ironweir_ruleset::store::TableState;
use ironweir_ruleset::store::{ChainState, RuleState};
use ironweir_ruleset::{Element, Handle, Rule, Set};
use serde_json::{Value, json};

use super::Lister;
use crate::ast;
use crate::print::Printer;
use crate::raise::{Chains, NoChains, Raise, print_options, raise_rule};
use crate::scope::{Scope, Sets};

/// How deep anonymous chains are listed inside one another; the kernel allows fewer.
const MAX_BLOCKS: usize = 16;

/// A table as raising sees it.
struct Context<'a> {
    lister: &'a Lister<'a>,
    table: &'a TableState,
    depth: usize,
}

impl Sets for TableState {
    fn set(&self, name: &str) -> Option<&Set> {
        TableState::set(self, name).map(|state| &state.set)
    }

    fn elements(&self, name: &str) -> Vec<Element> {
        TableState::set(self, name)
            .map(|state| state.elements().map(|listed| listed.to_element(Default::default())).collect())
            .unwrap_or_default()
    }
}

impl Chains for Context<'_> {
    fn block(&self, name: &str) -> Option<Vec<ast::Rule>> {
        let chain = self.table.chain(name).filter(|chain| chain.chain.binding.is_some())?;
        if self.depth >= MAX_BLOCKS {
            return Some(Vec::new());
        }
        let inside = Context { depth: self.depth + 1, ..*self };
        Some(chain.rules().map(|rule| inside.rule(&rule.rule)).collect())
    }
}

impl Context<'_> {
    fn rule(&self, rule: &Rule) -> ast::Rule {
        let options = print_options(&self.lister.options);
        raise_rule(self.lister.scope(self.table), options, self, self.lister.now, rule)
    }
}

impl<'a> Lister<'a> {
    /// A rule as text, of several lines where it has an anonymous chain.
    pub fn rule_text(&self, table: &TableState, rule: &Rule) -> String {
        let context = Context { lister: self, table, depth: 0 };
        let mut printer = Printer::new(self.options);
        printer.indent = 2;
        context.rule(rule).print(&mut printer);
        printer.finish()
    }

    /// A rule on one line. Anonymous chains are named.
    pub(crate) fn rule_line(&self, table: &TableState, rule: &Rule) -> String {
        let mut printer = Printer::new(self.options);
        self.rule_with_names(table, rule).print(&mut printer);
        printer.finish()
    }

    /// For raising what stands outside of rules.
    pub(super) fn raise<'s>(&'s self, table: &'s TableState) -> Raise<'s> {
        Raise::new(self.scope(table), print_options(&self.options), &crate::raise::NoChains, self.now)
    }

    fn scope<'s>(&'s self, table: &'s TableState) -> Scope<'s> {
        Scope { family: table.table.id.family, names: self.names, sets: table }
    }
}

impl Lister<'_> {
    /// A rule as JSON.
    pub(super) fn rule_json(&self, table: &TableState, chain: &ChainState, state: &RuleState) -> Value {
        let context = Context { lister: self, table, depth: 0 };
        self.raised_json(table, &chain.chain.name, state.handle, &context.rule(&state.rule))
    }

    /// A rule of which an event tells, as JSON. Anonymous chains are told by themselves and named here.
    pub(crate) fn rule_json_of(&self, table: &TableState, chain: &str, handle: Handle, rule: &Rule) -> Value {
        self.raised_json(table, chain, handle, &self.rule_with_names(table, rule))
    }

    fn rule_with_names(&self, table: &TableState, rule: &Rule) -> ast::Rule {
        raise_rule(self.scope(table), print_options(&self.options), &NoChains, self.now, rule)
    }

    fn raised_json(&self, table: &TableState, chain: &str, handle: Handle, rule: &ast::Rule) -> Value {
        let id = &table.table.id;
        let mut out = json!({
            "family": id.family.name(),
            "table": id.name,
            "chain": chain,
            "handle": handle.told(),
        });
        if let Some(comment) = &rule.comment {
            out["comment"] = json!(comment);
        }
        out["expr"] = rule.stmts.iter().map(|stmt| stmt.to_json(&self.options)).collect();
        json!({ "rule": out })
    }
}
