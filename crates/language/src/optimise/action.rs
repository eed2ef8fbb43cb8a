//! What a rule does behind its comparisons.

use crate::expr::verdict::{Target, Verdict};
use crate::expr::{Expr, ExprKind};
use crate::stmt::counter::Counter;
use crate::stmt::nat::Nat;
use crate::stmt::{Stmt, StmtKind};

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

impl Action {
    /// Of the statements behind a rule's comparisons; `None` where one might not do the same in a merged rule.
    pub(super) fn of(stmts: &[Stmt]) -> Option<Action> {
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
            // What `reject` leaves out is compared when it is lowered.
            StmtKind::Log(_) | StmtKind::Notrack(_) | StmtKind::Reject(_) => true,
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
pub(super) fn is_plain(verdict: &Verdict) -> bool {
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
