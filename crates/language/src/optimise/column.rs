//! What one comparison compares with which constants.

use super::keys::Field;
use crate::datatype::Type;
use crate::expr::binary::{Binary, BinaryOp};
use crate::expr::list::List;
use crate::expr::set::Element;
use crate::expr::{Expr, ExprKind};
use crate::lower::{Lower, natural};
use crate::stmt::relational::{RelOp, Relational};
use crate::typed;

/// Selector and constants of a comparison for equality; `None` of any other.
pub(super) fn column(node: &Relational, to: &mut Lower<'_>) -> Option<(Expr, Vec<Field>)> {
    let (left, right) = sides(node);
    let masked = matches!(left.kind, ExprKind::Binary(_));
    match node.op {
        RelOp::Implicit => {}
        RelOp::Eq if !is_state(&left) => {}
        _ => return None,
    }
    let shape = selector_shape(&left, to)?;
    let values: Vec<&Expr> = match &right.kind {
        ExprKind::Set(set) => set.elements.iter().map(plain).collect::<Option<_>>()?,
        // Any of several states: a packet is in one.
        ExprKind::List(list) if is_state(&left) => list.0.iter().collect(),
        _ => vec![&right],
    };
    if masked && !values.iter().all(|value| is_flags(value)) {
        return None;
    }
    let fields = values.into_iter().map(|value| Field::of(value, shape, to)).collect::<Option<Vec<_>>>()?;
    // Numbers may be several states, of which any is asked for; those in a set are compared as they are.
    if is_state(&left) && !matches!(right.kind, ExprKind::Set(_)) && !fields.iter().all(Field::is_one_bit) {
        return None;
    }
    Some((left, fields))
}

/// Both sides, where a mask behind the value goes to the selector.
fn sides(node: &Relational) -> (Expr, Expr) {
    written_under_mask(node).unwrap_or_else(|| (node.left.clone(), node.right.clone()))
}

/// What is compared for equality, as [`column`] has it; `None` of other comparisons.
pub(super) fn selector(node: &Relational) -> Option<Expr> {
    matches!(node.op, RelOp::Implicit | RelOp::Eq).then(|| sides(node).0)
}

/// `tcp flags syn / syn,ack` as `tcp flags & (syn | ack) == syn`.
fn written_under_mask(node: &Relational) -> Option<(Expr, Expr)> {
    let ExprKind::Masked(masked) = &node.right.kind else { return None };
    let joined = |flags: &Expr| match &flags.kind {
        ExprKind::List(List(parts)) => {
            let mut parts = parts.iter().cloned();
            let first = parts.next()?;
            Some(parts.fold(first, |left, right| binary(BinaryOp::Or, left, right)))
        }
        _ => Some(flags.clone()),
    };
    Some((binary(BinaryOp::And, node.left.clone(), joined(&masked.mask)?), joined(&masked.value)?))
}

fn binary(op: BinaryOp, left: Expr, right: Expr) -> Expr {
    let span = left.span.to(right.span);
    Expr::new(ExprKind::Binary(Binary { op, left: left.into(), right: right.into() }), span)
}

/// The key of an element that is nothing more.
fn plain(element: &Element) -> Option<&Expr> {
    (element.options.is_none() && element.data.is_none()).then_some(&element.key)
}

fn is_state(selector: &Expr) -> bool {
    matches!(&selector.kind, ExprKind::Ct(ct) if &*ct.key == "state")
}

/// Words, numbers, and those joined by `|`.
fn is_flags(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::Symbol(_) => true,
        ExprKind::Binary(node) => node.op == BinaryOp::Or && is_flags(&node.left) && is_flags(&node.right),
        _ => false,
    }
}

/// The type of a selector that has one value per packet; `None` of any other expression.
pub(super) fn selector_shape(selector: &Expr, to: &mut Lower<'_>) -> Option<typed::Shape> {
    let is_state = is_state(selector);
    let (field, masked) = match &selector.kind {
        ExprKind::Binary(node) if node.op == BinaryOp::And && is_flags(&node.right) => (&*node.left, true),
        _ => (selector, false),
    };
    let one_value = match &field.kind {
        // Each reading of the clock gives another.
        ExprKind::Meta(meta) => field.is_steady() && !matches!(&*meta.key, "time" | "day" | "hour"),
        ExprKind::Ct(ct) => &*ct.key != "expiration",
        ExprKind::Binary(_) | ExprKind::Concat(_) | ExprKind::Inner(_) => false,
        _ => field.is_steady(),
    };
    if !one_value || masked && is_state {
        return None;
    }
    let typed = to.resolve_left(selector).ok()?;
    // One of several flags, of which a packet has any: no constant stands for all packets that match.
    if typed.shape.datatype.is_bitmask() && !masked && !is_state {
        return None;
    }
    match natural(&typed)[..] {
        [shape] if shape.datatype != Type::Invalid => Some(shape),
        _ => None,
    }
}

/// Whether a comparison that neighbours share may as well be made once for all of them: it counts nothing, limits
/// nothing, and draws no numbers.
pub(super) fn is_steady(node: &Relational) -> bool {
    node.left.is_steady() && node.right.is_constant()
}
