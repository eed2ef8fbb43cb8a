//! What a rule does behind its comparisons.

use super::Role;
use crate::expr::verdict::{Target, Verdict};
use crate::expr::{Expr, ExprKind};
use crate::stmt::Stmt;
use crate::stmt::nat::Nat;

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
        let roles: Vec<Role<'_>> = stmts.iter().map(|stmt| stmt.kind.role()).collect();
        match &roles[..] {
            [Role::Verdict(verdict)] if is_plain(verdict) => {
                return Some(Action::Verdict { counter: false, verdict: (*verdict).clone() });
            }
            [Role::Counter, Role::Verdict(verdict)] if is_plain(verdict) => {
                return Some(Action::Verdict { counter: true, verdict: (*verdict).clone() });
            }
            [Role::Nat(nat)] if maps(nat) => return Some(Action::Nat((*nat).clone())),
            _ => {}
        }
        let same_for_all = |role: &Role<'_>| match role {
            Role::Counter | Role::Same => true,
            Role::Verdict(verdict) => is_plain(verdict),
            Role::Nat(nat) => nat.address.iter().chain(&nat.port).all(Expr::is_constant),
            Role::Match(_) | Role::Map(_) | Role::Alone => false,
        };
        roles.iter().all(same_for_all).then(|| Action::Fixed(stmts.to_vec()))
    }
}

/// Whether what it does is the same whatever came before it.
pub(super) fn is_plain(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Accept | Verdict::Drop | Verdict::Return => true,
        Verdict::Jump(target) | Verdict::Goto(target) => matches!(target, Target::Chain { .. }),
        Verdict::Continue | Verdict::Queue => false,
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
