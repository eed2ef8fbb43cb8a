//! What one rule compares with which constants, and what it does then.

use std::cell::Cell;

use super::Place;
use super::keys::{Field, Key};
use crate::ast::Rule;
use crate::datatype::Type;
use crate::expr::binary::{Binary, BinaryOp};
use crate::expr::list::List;
use crate::expr::set::Element;
use crate::expr::verdict::{Target, Verdict};
use crate::expr::{Expr, ExprKind};
use crate::lower::{Lower, natural};
use crate::stmt::counter::Counter;
use crate::stmt::nat::Nat;
use crate::stmt::relational::{RelOp, Relational};
use crate::stmt::vmap::Vmap;
use crate::stmt::{Stmt, StmtKind};
use crate::typed;

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

/// What a rule does behind its comparisons.
#[derive(Debug, PartialEq)]
pub(super) enum Action {
    /// These statements; neighbours must do the same.
    Fixed(Vec<Stmt>),
    /// A verdict, perhaps after a counter; neighbours may have others.
    Verdict { counter: bool, verdict: Verdict },
    /// NAT to a constant address or port; neighbours may have others.
    Nat(Nat),
    /// The verdicts of a map.
    Vmap,
}

/// Most combinations of constants of one rule.
const MOST_ENTRIES: usize = 4096;

/// Most selectors of one rule: what fits into the registers.
const MOST_SELECTORS: usize = 5;

impl Shape {
    /// `None` of a rule that merges with none.
    pub(super) fn of(rule: &Rule, place: Place<'_>) -> Option<Shape> {
        if rule.comment.is_some() {
            return None;
        }
        let next_id = Cell::new(0);
        let mut to = Lower::new(place.scope(), place.table, &next_id);
        if let [Stmt { kind: StmtKind::Vmap(vmap), .. }] = &rule.stmts[..] {
            return Shape::of_vmap(vmap, &mut to);
        }
        let matches =
            rule.stmts.iter().take_while(|stmt| matches!(stmt.kind, StmtKind::Relational(_))).count();
        let (matches, actions) = rule.stmts.split_at(matches);
        let mut shape = Shape {
            selectors: Vec::new(),
            fixed: Vec::new(),
            entries: Vec::new(),
            action: Action::of(actions)?,
        };
        let mut columns: Vec<Vec<Field>> = Vec::new();
        for stmt in matches {
            let StmtKind::Relational(node) = &stmt.kind else { return None };
            match column(node, &mut to) {
                // Compared twice, it is the second comparison that counts on the first.
                Some((selector, _)) if shape.selectors.contains(&selector) => return None,
                Some((selector, fields)) => {
                    shape.selectors.push(selector);
                    columns.push(fields);
                }
                None => shape.fixed.push(stmt.clone()),
            }
        }
        shape.may_go_on()?;
        compared_alone(&shape.selectors)?;
        shape.entries = combinations(&columns)?;
        Some(shape)
    }

    fn of_vmap(vmap: &Vmap, to: &mut Lower<'_>) -> Option<Shape> {
        let selectors = match &vmap.key.kind {
            ExprKind::Concat(concat) => concat.0.clone(),
            _ => vec![vmap.key.clone()],
        };
        let shapes: Vec<typed::Shape> =
            selectors.iter().map(|selector| selector_shape(selector, to)).collect::<Option<_>>()?;
        compared_alone(&selectors)?;
        let ExprKind::Set(set) = &vmap.map.kind else { return None };
        let mut shape = Shape { selectors, fixed: Vec::new(), entries: Vec::new(), action: Action::Vmap };
        for element in &set.elements {
            let counter = match &element.options {
                None => false,
                Some(options) => {
                    let plain = options.timeout.or(options.expires).is_none() && options.comment.is_none();
                    let [Stmt { kind: StmtKind::Counter(counter), .. }] = &options.stmts[..] else {
                        return None;
                    };
                    if !plain || *counter != Counter::default() {
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
            if matches!(word, Verdict::Jump(_)) && !shape.is_unchanging() || !is_plain(word) {
                return None;
            }
            shape.entries.push(Entry { key, verdict: Some(verdict), counter });
        }
        // An element that counts takes an expression of the set: all or none.
        let counter = shape.entries.first()?.counter;
        shape.entries.iter().all(|entry| entry.counter == counter).then_some(shape)
    }

    /// Whether evaluation ends with the rule, or what comes next finds the selectors as they were.
    fn may_go_on(&self) -> Option<()> {
        let going_on = match &self.action {
            Action::Verdict { verdict, .. } => matches!(verdict, Verdict::Jump(_)),
            Action::Fixed(stmts) => match stmts.last() {
                Some(Stmt { kind: StmtKind::Verdict(Verdict::Jump(_)), .. }) => true,
                Some(last) if last.is_terminal() => false,
                // Counting and logging leave packets as they are.
                _ => {
                    let harmless = |stmt: &Stmt| matches!(stmt.kind, StmtKind::Counter(_) | StmtKind::Log(_));
                    return stmts.iter().all(harmless).then_some(());
                }
            },
            Action::Nat(_) | Action::Vmap => false,
        };
        (!going_on || self.is_unchanging()).then_some(())
    }

    /// Whether no statement of any chain changes what is compared.
    fn is_unchanging(&self) -> bool {
        self.selectors.iter().all(|selector| {
            let ExprKind::Meta(meta) = &selector.kind else { return false };
            matches!(
                &*meta.key,
                "iif"
                    | "iifname"
                    | "iiftype"
                    | "iifgroup"
                    | "oif"
                    | "oifname"
                    | "oiftype"
                    | "oifgroup"
                    | "l4proto"
                    | "nfproto"
            )
        })
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

impl Action {
    fn of(stmts: &[Stmt]) -> Option<Action> {
        let uncounted =
            |stmt: &Stmt| matches!(&stmt.kind, StmtKind::Counter(counter) if *counter == Counter::default());
        match stmts {
            [Stmt { kind: StmtKind::Verdict(verdict), .. }] if is_plain(verdict) => {
                return Some(Action::Verdict { counter: false, verdict: verdict.clone() });
            }
            [first, Stmt { kind: StmtKind::Verdict(verdict), .. }]
                if uncounted(first) && is_plain(verdict) =>
            {
                return Some(Action::Verdict { counter: true, verdict: verdict.clone() });
            }
            [Stmt { kind: StmtKind::Nat(nat), .. }] if maps(nat) => return Some(Action::Nat(nat.clone())),
            _ => {}
        }
        let same_for_all = |stmt: &Stmt| match &stmt.kind {
            StmtKind::Counter(counter) => *counter == Counter::default(),
            StmtKind::Verdict(verdict) => is_plain(verdict),
            StmtKind::Log(_) | StmtKind::Notrack(_) => true,
            // What is left out follows from what was compared.
            StmtKind::Reject(reject) => reject.with.is_some(),
            StmtKind::Nat(nat) => is_constant(nat.address.as_ref()) && is_constant(nat.port.as_ref()),
            StmtKind::Assign(assign) => {
                matches!(assign.target.kind, ExprKind::Meta(_) | ExprKind::Ct(_))
                    && is_constant(Some(&assign.value))
            }
            _ => false,
        };
        stmts.iter().all(same_for_all).then(|| Action::Fixed(stmts.to_vec()))
    }
}

/// What it does is the same whatever came before it.
fn is_plain(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Accept | Verdict::Drop | Verdict::Return => true,
        Verdict::Jump(target) | Verdict::Goto(target) => matches!(target, Target::Chain { .. }),
        Verdict::Continue | Verdict::Queue => false,
    }
}

fn is_constant(expr: Option<&Expr>) -> bool {
    match expr.map(|expr| &expr.kind) {
        None | Some(ExprKind::Number(_) | ExprKind::Symbol(_)) => true,
        Some(ExprKind::Range(range)) => is_constant(Some(&range.from)) && is_constant(Some(&range.to)),
        Some(ExprKind::Prefix(prefix)) => is_constant(Some(&prefix.base)),
        _ => false,
    }
}

/// Whether a map may give address and port: each one value.
fn maps(nat: &Nat) -> bool {
    let is_value = |expr: &Expr| matches!(expr.kind, ExprKind::Number(_) | ExprKind::Symbol(_));
    let is_address = |expr: &Expr| match &expr.kind {
        ExprKind::Symbol(symbol) => symbol.text.parse::<std::net::IpAddr>().is_ok(),
        _ => false,
    };
    !nat.prefix
        && nat.address.as_ref().is_none_or(is_address)
        && nat.port.as_ref().is_none_or(is_value)
        && (nat.address.is_some() || nat.port.is_some())
}

/// Selector and constants of a comparison for equality; `None` of any other.
fn column(node: &Relational, to: &mut Lower<'_>) -> Option<(Expr, Vec<Field>)> {
    let (left, right) = written_under_mask(node).unwrap_or_else(|| (node.left.clone(), node.right.clone()));
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
    Some((left, fields))
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
fn selector_shape(selector: &Expr, to: &mut Lower<'_>) -> Option<typed::Shape> {
    let is_state = is_state(selector);
    let (field, masked) = match &selector.kind {
        ExprKind::Binary(node) if node.op == BinaryOp::And && is_flags(&node.right) => (&*node.left, true),
        _ => (selector, false),
    };
    let one_value = match &field.kind {
        ExprKind::Payload(_) => true,
        // Each reading of the clock or of random numbers gives another.
        ExprKind::Meta(meta) => !matches!(&*meta.key, "random" | "time" | "day" | "hour"),
        ExprKind::Ct(ct) => {
            matches!(&*ct.key, "state" | "mark" | "direction" | "zone" | "protocol" | "l3proto")
        }
        _ => false,
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

/// What is under a mask is no part of a concatenation.
fn compared_alone(selectors: &[Expr]) -> Option<()> {
    let masked = selectors.iter().any(|selector| matches!(selector.kind, ExprKind::Binary(_)));
    (!masked || selectors.len() == 1).then_some(())
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
