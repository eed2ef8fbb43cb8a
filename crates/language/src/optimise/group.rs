//! Neighbouring rules that become one.

use super::action::Action;
use super::keys::Apart;
use super::shape::{Entry, Shape};
use crate::ast::Rule;
use crate::expr::Expr;
use crate::stmt::Stmt;
use crate::stmt::nat::Nat;

/// Rules of one shape, in order, whose keys are apart.
pub(super) struct Group {
    /// What they compare.
    pub selectors: Vec<Expr>,
    /// What else they compare.
    pub fixed: Vec<Stmt>,
    /// The rules.
    pub rules: Vec<Rule>,
    /// Action and entries of each.
    pub members: Vec<(Action, Vec<Entry>)>,
    apart: Apart,
}

impl Group {
    /// Of one rule; the rule itself where its own constants overlap.
    pub(super) fn new(shape: Shape, rule: Rule) -> Result<Group, Rule> {
        let mut apart = Apart::default();
        if !apart.add(&shape.entries.iter().map(|entry| &entry.key).collect::<Vec<_>>()) {
            return Err(rule);
        }
        let (selectors, fixed) = (shape.selectors, shape.fixed);
        Ok(Group { selectors, fixed, rules: vec![rule], members: vec![(shape.action, shape.entries)], apart })
    }

    /// Takes the rule that follows; gives it back where it does not fit.
    pub(super) fn take(&mut self, mut shape: Shape, rule: Rule) -> Option<(Shape, Rule)> {
        let like = |(action, entries): &(Action, Vec<Entry>)| {
            let counter = |entries: &[Entry]| entries.first().map(|entry| entry.counter);
            fits(action, &shape.action) && counter(entries) == counter(&shape.entries)
        };
        if self.fixed != shape.fixed || !self.members.first().is_some_and(like) {
            return Some((shape, rule));
        }
        if !shape.order_as(&self.selectors) {
            return Some((shape, rule));
        }
        if !self.apart.add(&shape.entries.iter().map(|entry| &entry.key).collect::<Vec<_>>()) {
            return Some((shape, rule));
        }
        self.members.push((shape.action, shape.entries));
        self.rules.push(rule);
        None
    }

    /// Whether what stands for them ends with what each of them ends with, not with a map.
    pub(super) fn ends_alike(&self) -> bool {
        let in_map = |(action, _): &(Action, _)| matches!(action, Action::Vmap | Action::Nat(_));
        self.is_uniform() && !self.members.iter().any(in_map)
    }

    /// Whether all do the same.
    pub(super) fn is_uniform(&self) -> bool {
        self.members.windows(2).all(|pair| pair[0].0 == pair[1].0)
    }
}

/// Whether one rule can do both, each for its keys.
fn fits(one: &Action, other: &Action) -> bool {
    match (one, other) {
        (Action::Verdict { counter, .. }, Action::Verdict { counter: other, .. }) => counter == other,
        (Action::Nat(one), Action::Nat(other)) => form(one) == form(other),
        (one, other) => one == other,
    }
}

/// What one NAT statement with a map has once for all keys.
fn form(nat: &Nat) -> Nat {
    let part = |expr: &Option<Expr>| expr.as_ref().map(|_| Expr::number(0));
    Nat { address: part(&nat.address), port: part(&nat.port), ..nat.clone() }
}
