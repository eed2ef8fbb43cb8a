//! In which order a concatenation has its selectors.

use super::Role;
use super::column::selector;
use super::shape::Shape;
use crate::ast::Rule;
use crate::expr::{Expr, ExprKind};

/// What a chain compares, in the order in which its rules first do so: nft has the selectors of every concatenation in
/// that order (`rule_collect_stmts`, `rule_build_stmt_matrix_stmts`).
pub(super) struct Order(Vec<Expr>);

/// Most selectors that are looked for: of raw payload there are any number.
const MOST: usize = 64;

impl Order {
    pub(super) fn of(rules: &[Rule]) -> Order {
        let mut order = Vec::new();
        for stmt in rules.iter().flat_map(|rule| &rule.stmts) {
            let Role::Match(node) = stmt.kind.role() else { continue };
            if let Some(selector) = selector(node)
                && !matches!(selector.kind, ExprKind::Concat(_))
                && order.len() < MOST
                && !order.contains(&selector)
            {
                order.push(selector);
            }
        }
        Order(order)
    }

    /// Puts the selectors of a rule into that order; those of a verdict map stay as they were written.
    pub(super) fn sort(&self, shape: &mut Shape) {
        if shape.selectors.len() > 1 && !shape.is_of_maps() {
            let place = |selector: &Expr| self.0.iter().position(|known| known == selector).unwrap_or(MOST);
            let mut selectors = shape.selectors.clone();
            selectors.sort_by_key(place);
            shape.order_as(&selectors);
        }
    }
}
