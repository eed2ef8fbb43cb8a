//! The rule that stands for a group.

use std::net::IpAddr;

use ironweir_expr::Family;

use super::action::Action;
use super::group::Group;
use super::keys::Key;
use super::shape::Entry;
use crate::ast::Rule;
use crate::expr::concat::Concat;
use crate::expr::map::Map;
use crate::expr::set::{Element, ElementOptions, SetLiteral};
use crate::expr::{Expr, ExprKind};
use crate::stmt::counter::Counter;
use crate::stmt::nat::Nat;
use crate::stmt::relational::{RelOp, Relational};
use crate::stmt::vmap::Vmap;
use crate::stmt::{Stmt, StmtKind};

impl Group {
    /// What stands for all of them; `None` where nothing does.
    pub(super) fn merged(&self, family: Family) -> Option<Rule> {
        let span = self.rules.first()?.span;
        let stmt = |kind: StmtKind| Stmt::new(kind, span);
        let key = join(self.selectors.clone())?;
        let mut stmts = self.fixed.clone();
        let (first, _) = self.members.first()?;
        match first {
            Action::Vmap => stmts.push(stmt(Vmap { key, map: self.verdicts()? }.into())),
            Action::Verdict { .. } if !self.is_uniform() => {
                stmts.push(stmt(Vmap { key, map: self.verdicts()? }.into()));
            }
            // As nft does, even where all have the same target.
            Action::Nat(nat) => {
                stmts.push(stmt(self.nat(nat, key, family)?.into()));
            }
            uniform => {
                // What is under a mask is compared, never asked for flags.
                let masked = matches!(key.kind, ExprKind::Binary(_));
                let op = if masked { RelOp::Eq } else { RelOp::Implicit };
                let right = self.set(|_, _| Some((None, false)))?;
                stmts.push(stmt(Relational { left: key, op, right }.into()));
                match uniform {
                    Action::Fixed(same) => stmts.extend(same.iter().cloned()),
                    Action::Verdict { counter, verdict } => {
                        stmts.extend(counter.then(|| stmt(Counter::default().into())));
                        stmts.push(stmt(verdict.clone().into()));
                    }
                    Action::Nat(_) | Action::Vmap => return None,
                }
            }
        }
        Some(Rule { stmts, comment: None, span })
    }

    fn verdicts(&self) -> Option<Expr> {
        self.set(|action, entry| match action {
            Action::Verdict { counter, verdict } => {
                let verdict = Expr::new(ExprKind::Verdict(verdict.clone()), entry.key.first()?.expr.span);
                Some((Some(verdict), *counter))
            }
            _ => Some((Some(entry.verdict.clone()?), entry.counter)),
        })
    }

    /// A set literal of all keys, with the data that `with` gives, and whether elements count.
    fn set(&self, with: impl Fn(&Action, &Entry) -> Option<(Option<Expr>, bool)>) -> Option<Expr> {
        let span = self.rules.first()?.span;
        let mut elements = Vec::new();
        for (action, entries) in &self.members {
            for entry in entries {
                let (data, counter) = with(action, entry)?;
                let options = counter.then(|| {
                    let stmts = vec![Stmt::new(Counter::default().into(), span)];
                    Box::new(ElementOptions { stmts, ..ElementOptions::default() })
                });
                elements.push(Element { data, options, ..Element::new(key_of(&entry.key)?) });
            }
        }
        Some(Expr::new(ExprKind::Set(SetLiteral { elements }), span))
    }

    /// `dnat to KEY map { ... }`, with address, port or both from the map.
    fn nat(&self, first: &Nat, key: Expr, family: Family) -> Option<Nat> {
        let mut targets = Vec::new();
        let map = self.set(|action, _| {
            let Action::Nat(nat) = action else { return None };
            let parts = nat.address.iter().chain(&nat.port).cloned().collect();
            Some((Some(join(parts)?), false))
        })?;
        for (action, _) in &self.members {
            if let Action::Nat(Nat { address: Some(Expr { kind: ExprKind::Symbol(address), .. }), .. }) =
                action
            {
                targets.push(address.text.parse::<IpAddr>().ok()?.is_ipv6());
            }
        }
        let mapped = Expr::new(
            ExprKind::Map(Map { key: key.into(), map: map.into() }),
            first.address.as_ref().or(first.port.as_ref())?.span,
        );
        let mut nat = Nat { address: None, port: None, ..first.clone() };
        match first.address {
            None => nat.port = Some(mapped),
            Some(_) => {
                let ipv6 = *targets.first()?;
                if targets.iter().any(|other| *other != ipv6) {
                    return None;
                }
                nat.address = Some(mapped);
                if nat.family.is_none() && family == Family::Inet {
                    nat.family = Some(if ipv6 { Family::Ip6 } else { Family::Ip });
                }
            }
        }
        Some(nat)
    }
}

fn key_of(key: &Key) -> Option<Expr> {
    join(key.iter().map(|field| field.expr.clone()).collect())
}

/// One expression as it is, several as a concatenation.
fn join(mut parts: Vec<Expr>) -> Option<Expr> {
    if parts.len() > 1 {
        let span = parts.first()?.span.to(parts.last()?.span);
        return Some(Expr::new(ExprKind::Concat(Concat(parts)), span));
    }
    parts.pop()
}
