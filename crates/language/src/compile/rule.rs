//! Rules and where they go.

use std::borrow::Borrow;

use ironweir_ruleset::{ChainRef, Change, Expr, Place, RuleSelector, SetFlags, TableId};

use super::Compiler;
use super::cache::TableSets;
use crate::ast::Rule;
use crate::cmd::{Position, RuleCommand, RuleVerb};
use crate::decl::chain::ChainDecl;
use crate::diag::{Diagnostic, Parsed};
use crate::lower::lower_rule;
use crate::scope::Scope;

impl Compiler<'_> {
    /// The rules that a chain's block holds, each with its own errors.
    pub(super) fn rules_of<R: Borrow<Rule>>(
        &mut self,
        decl: &ChainDecl,
        rules: impl IntoIterator<Item = R>,
        errors: &mut Vec<Diagnostic>,
    ) {
        for rule in rules {
            if let Err(error) = self.rule(&decl.table.id, &decl.name.text, rule.borrow(), Place::Last) {
                errors.push(*error);
                if errors.len() >= super::MAX_ERRORS {
                    break;
                }
            }
        }
    }

    /// `add rule`, `insert rule`, `replace rule`.
    pub(super) fn rule_command(&mut self, command: &RuleCommand) -> Parsed<()> {
        let table = &command.table.id;
        let other = match &command.position {
            None => None,
            Some((Position::Handle(handle), _)) => Some(RuleSelector::Handle(*handle)),
            Some((Position::Index(index), span)) => {
                let rules = self.cache.rules(self.ruleset, table, &command.chain.text);
                let at = usize::try_from(*index).ok().and_then(|index| rules.get(index));
                let Some(rule) = at else {
                    let message =
                        format!("there is no rule with index {index}: the chain has {}", rules.len());
                    return Err(Diagnostic::error(*span, message));
                };
                Some(*rule)
            }
        };
        let place = match (command.verb, other) {
            (RuleVerb::Add, None) | (RuleVerb::Replace, None) => Place::Last,
            (RuleVerb::Add, Some(other)) => Place::After(other),
            (RuleVerb::Insert, None) => Place::First,
            (RuleVerb::Insert, Some(other)) => Place::Before(other),
            (RuleVerb::Replace, Some(other)) => Place::Instead(other),
        };
        self.rule(table, &command.chain.text, &command.rule, place)
    }

    fn rule(&mut self, table: &TableId, chain: &str, rule: &Rule, place: Place) -> Parsed<()> {
        let lowered = {
            let sets = TableSets { cache: &self.cache, ruleset: self.ruleset, table };
            let scope = Scope { family: table.family, names: self.names, sets: &sets };
            lower_rule(rule, scope, table, &self.next_id)?
        };
        for expr in &lowered.rule.exprs {
            if let Expr::Dynset(dynset) = expr
                && dynset.data.is_none()
            {
                self.filled_by_packets(table, &dynset.set.name);
            }
        }
        // Rules of anonymous chains among the changes refer to no position: only the counting must be right.
        for change in lowered.changes {
            self.push(change, rule.span);
        }
        let made = RuleSelector::Change(self.next_change());
        self.place_rule(table, chain, made, place);
        let change =
            Change::NewRule { table: table.clone(), chain: ChainRef::new(chain), rule: lowered.rule, place };
        self.push(change, rule.span);
        Ok(())
    }

    /// A set of this batch that a rule adds to is made so that packets can, though its declaration does not say
    /// `flags dynamic`: some of the kernel's sets cannot (`NFT_SET_EVAL`, `nft_select_set_ops`).
    fn filled_by_packets(&mut self, table: &TableId, name: &str) {
        if self.cache.place(table, name).is_none() {
            return;
        }
        let Some(known) = self.cache.set_mut(self.ruleset, table, name) else { return };
        if known.set.flags.contains(SetFlags::EVAL) {
            return;
        }
        known.set.flags |= SetFlags::EVAL;
        let made = self.compiled.batch.changes.iter_mut().rev().find_map(|change| match change {
            Change::NewSet { table: of, set, .. } if of == table && &*set.name == name => Some(set),
            _ => None,
        });
        if let Some(set) = made {
            set.flags |= SetFlags::EVAL;
        }
    }

    /// Remembers where a rule stands among the others of its chain.
    fn place_rule(&mut self, table: &TableId, chain: &str, made: RuleSelector, place: Place) {
        if place == Place::Last {
            return self.cache.add_rule(self.ruleset, table, chain, made);
        }
        let rules = self.cache.rules(self.ruleset, table, chain);
        let at = |other: RuleSelector| rules.iter().position(|known| *known == other);
        match place {
            Place::Last => rules.push(made),
            Place::First => rules.insert(0, made),
            Place::After(other) => match at(other) {
                Some(at) => rules.insert(at + 1, made),
                None => rules.push(made),
            },
            Place::Before(other) => {
                let at = at(other).unwrap_or(0);
                rules.insert(at, made);
            }
            Place::Instead(other) => {
                if let Some(at) = at(other) {
                    rules[at] = made;
                }
            }
        }
    }
}
