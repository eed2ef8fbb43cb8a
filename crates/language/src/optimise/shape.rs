//! What one rule compares with which constants, and what it does then.

use std::cell::Cell;

use super::action::{Action, is_plain};
use super::column::{column, is_steady, selector_shape};
use super::effects::read;
use super::keys::{Field, Key};
use super::{Parts, Place, Role};
use crate::ast::Rule;
use crate::expr::verdict::{Target, Verdict};
use crate::expr::{Expr, ExprKind};
use crate::lower::Lower;
use crate::stmt::Stmt;
use crate::stmt::relational::Relational;
use crate::stmt::vmap::Vmap;
use crate::typed;

/// What a chain changes with all that it jumps to.
pub(super) type Behind<'a> = dyn FnMut(&str) -> Parts + 'a;

/// A rule as merging sees it.
#[derive(Debug)]
pub(super) struct Shape {
    /// What is compared.
    pub selectors: Vec<Expr>,
    /// Comparisons of anything else, which neighbours must share.
    pub fixed: Vec<Stmt>,
    /// With what the selectors are compared: every combination.
    pub entries: Vec<Entry>,
    /// What is done then.
    pub action: Action,
}

/// One combination of constants.
#[derive(Debug)]
pub(super) struct Entry {
    /// A field per selector.
    pub key: Key,
    /// What a verdict map has for it.
    pub verdict: Option<Expr>,
    /// The element it was, in a verdict map.
    pub counter: bool,
}

/// Most combinations of constants of one rule.
const MOST_ENTRIES: usize = 4096;

/// Most selectors of one rule: what fits into the registers.
const MOST_SELECTORS: usize = 5;

impl Shape {
    /// `None` of a rule that merges with none.
    pub(super) fn of(rule: &Rule, place: Place<'_>, behind: &mut Behind<'_>) -> Option<Shape> {
        if rule.comment.is_some() {
            return None;
        }
        let next_id = Cell::new(0);
        let mut to = Lower::new(place.scope(), place.table, &next_id);
        if let [only] = &rule.stmts[..]
            && let Role::Map(vmap) = only.kind.role()
        {
            return Shape::of_vmap(vmap, &mut to).filter(|shape| shape.finds_the_same(behind));
        }
        let matches = rule.stmts.iter().map_while(|stmt| match stmt.kind.role() {
            Role::Match(node) => Some((stmt, node)),
            _ => None,
        });
        let matches: Vec<(&Stmt, &Relational)> = matches.collect();
        let mut shape = Shape {
            selectors: Vec::new(),
            fixed: Vec::new(),
            entries: Vec::new(),
            action: Action::of(rule.stmts.get(matches.len()..)?)?,
        };
        let mut columns: Vec<Vec<Field>> = Vec::new();
        for (stmt, node) in matches {
            match column(node, &mut to) {
                // Compared twice, it is the second comparison that counts on the first.
                Some((selector, _)) if shape.selectors.contains(&selector) => return None,
                Some((selector, fields)) => {
                    shape.selectors.push(selector);
                    columns.push(fields);
                }
                None if is_steady(node) => shape.fixed.push(stmt.clone()),
                None => return None,
            }
        }
        shape.entries = combinations(&columns)?;
        shape.finds_the_same(behind).then_some(shape)
    }

    fn of_vmap(vmap: &Vmap, to: &mut Lower<'_>) -> Option<Shape> {
        let selectors = match &vmap.key.kind {
            ExprKind::Concat(concat) => concat.0.clone(),
            _ => vec![vmap.key.clone()],
        };
        let shapes: Vec<typed::Shape> =
            selectors.iter().map(|selector| selector_shape(selector, to)).collect::<Option<_>>()?;
        let ExprKind::Set(set) = &vmap.map.kind else { return None };
        let mut shape = Shape { selectors, fixed: Vec::new(), entries: Vec::new(), action: Action::Vmap };
        for element in &set.elements {
            let counter = match &element.options {
                None => false,
                Some(options) => {
                    let stmts: Vec<Role<'_>> = options.stmts.iter().map(|stmt| stmt.kind.role()).collect();
                    let plain = options.timeout.or(options.expires).is_none() && options.comment.is_none();
                    if !plain || !matches!(stmts[..], [Role::Counter]) {
                        return None;
                    }
                    true
                }
            };
            let parts = match &element.key.kind {
                ExprKind::Concat(concat) => &concat.0[..],
                _ => std::slice::from_ref(&element.key),
            };
            if parts.len() != shapes.len() {
                return None;
            }
            let fields = parts.iter().zip(&shapes).map(|(part, shape)| Field::of(part, *shape, to));
            let key = fields.collect::<Option<Key>>()?;
            let verdict = element.data.clone()?;
            let ExprKind::Verdict(word) = &verdict.kind else { return None };
            if !is_plain(word) {
                return None;
            }
            shape.entries.push(Entry { key, verdict: Some(verdict), counter });
        }
        // An element that counts takes an expression of the set: all or none.
        let counter = shape.entries.first()?.counter;
        shape.entries.iter().all(|entry| entry.counter == counter).then_some(shape)
    }

    /// Whether a rule that comes next, if one does, finds the selectors as this one did.
    fn finds_the_same(&self, behind: &mut Behind<'_>) -> bool {
        let reads = self.selectors.iter().fold(Parts::empty(), |all, selector| all | read(selector));
        let mut jump = |verdict: &Verdict| match verdict {
            Verdict::Jump(Target::Chain { name, .. }) if !reads.is_empty() => behind(name),
            _ => Parts::empty(),
        };
        let writes = match &self.action {
            Action::Verdict { verdict, .. } => jump(verdict),
            Action::Fixed(stmts) => {
                let own = stmts.iter().fold(Parts::empty(), |all, stmt| all | stmt.kind.writes());
                match stmts.last() {
                    Some(last) if last.is_terminal() => match last.kind.role() {
                        Role::Verdict(verdict @ Verdict::Jump(_)) => own | jump(verdict),
                        _ => Parts::empty(),
                    },
                    _ => own,
                }
            }
            Action::Nat(_) => Parts::empty(),
            Action::Vmap => self.entries.iter().fold(Parts::empty(), |all, entry| match &entry.verdict {
                Some(Expr { kind: ExprKind::Verdict(verdict), .. }) => all | jump(verdict),
                _ => all,
            }),
        };
        !reads.intersects(writes)
    }

    /// Whether it is a verdict map.
    pub(super) fn is_of_maps(&self) -> bool {
        self.action == Action::Vmap
    }

    /// Puts the fields into the order of these selectors; false where the selectors are others.
    pub(super) fn order_as(&mut self, selectors: &[Expr]) -> bool {
        if self.selectors == selectors {
            return true;
        }
        let order: Option<Vec<usize>> =
            selectors.iter().map(|wanted| self.selectors.iter().position(|own| own == wanted)).collect();
        let Some(order) = order.filter(|order| order.len() == self.selectors.len()) else {
            return false;
        };
        for entry in &mut self.entries {
            entry.key = order.iter().filter_map(|at| entry.key.get(*at).cloned()).collect();
        }
        self.selectors = selectors.to_vec();
        true
    }
}

/// Every combination of one field of each column.
fn combinations(columns: &[Vec<Field>]) -> Option<Vec<Entry>> {
    let count = columns.iter().try_fold(1_usize, |count, column| count.checked_mul(column.len()))?;
    if !(1..=MOST_SELECTORS).contains(&columns.len()) || !(1..=MOST_ENTRIES).contains(&count) {
        return None;
    }
    let mut keys: Vec<Key> = vec![Vec::new()];
    for column in columns {
        keys = keys
            .iter()
            .flat_map(|key| {
                column.iter().map(|field| {
                    let mut key = key.clone();
                    key.push(field.clone());
                    key
                })
            })
            .collect();
    }
    Some(keys.into_iter().map(|key| Entry { key, verdict: None, counter: false }).collect())
}
