//! Matches: what either side may be, and what both need before they can be compared.

use super::Lower;
use super::matching::Match;
use super::order::{natural, natural_single};
use super::transfer::transfer;
use crate::diag::{Code, Diagnostic, Parsed};
use crate::expr::ExprKind;
use crate::resolve::mistyped::names_of;
use crate::resolve::{can_be, has_load};
use crate::source::Span;
use crate::stmt::relational::{RelOp, Relational};
use crate::typed::{BinaryOp, Kind, Shape, Typed};

impl Lower<'_> {
    /// Lowers a comparison.
    ///
    /// # Errors
    /// Where the sides do not fit each other or earlier matches.
    pub fn relational(&mut self, node: &Relational, span: Span) -> Parsed<()> {
        let mut op = node.op;
        let mut left = match (&node.left.kind, &node.right.kind) {
            // Constants among the parts have the types of the set's key.
            (ExprKind::Concat(concat), ExprKind::SetRef(set)) if !concat.0.iter().all(has_load) => {
                let shapes = self.set_shapes(&set.name, node.right.span)?;
                self.arguments(&node.left, &shapes.key)?
            }
            _ => self.resolve_left(&node.left)?,
        };
        let mut right = match &node.right.kind {
            ExprKind::Masked(masked) => {
                if !left.shape.datatype.is_bitmask() {
                    let error = Diagnostic::error(
                        span,
                        format!("Basetype of type {} is not bitmask", left.shape.datatype.description()),
                    );
                    return Err(match prefix_of_mask(&masked.mask) {
                        Some(len) => error.help(format!("a network is written with its length: /{len}")),
                        None => error,
                    });
                }
                let mask = self.resolve_right(&masked.mask, &[left.shape])?;
                let right = self.resolve_right(&masked.value, &[left.shape])?;
                let shape = left.shape;
                left = Typed::new(Kind::Binary(BinaryOp::And, left.into(), mask.into()), shape).at(span);
                if op == RelOp::Implicit {
                    op = RelOp::Eq;
                }
                right
            }
            _ => {
                self.ask_presence(&mut left, &node.right);
                let (single, several);
                let wanted: &[Shape] = match &left.kind {
                    Kind::Concat(_) => {
                        several = natural(&left);
                        &several
                    }
                    _ => {
                        single = [natural_single(&left)];
                        &single
                    }
                };
                self.resolve_right(&node.right, wanted).map_err(|error| match error.code {
                    Some(Code::Type) => {
                        let types = names_of(wanted);
                        error.and(node.left.span, format!("this is of type {types}"))
                    }
                    _ => error,
                })?
            }
        };
        can_be(&left, &right)?;
        if matches!(right.kind, Kind::Masked(..)) {
            return Err(Diagnostic::error(right.span, "a mask stands only beside a single value"));
        }
        if let Kind::Set(set) = &right.kind
            && let [only] = &set.elements[..]
            && only.timeout.is_none()
            && only.expires.is_none()
            && only.comment.is_none()
            && only.exprs.is_empty()
            && matches!(only.key.kind, Kind::Value(_) | Kind::Prefix(..) | Kind::Range(..))
        {
            right = only.key.clone();
            if op == RelOp::Implicit && right.shape.datatype.is_bitmask() && right.value().is_some() {
                op = RelOp::Eq;
            }
        }
        if op == RelOp::Implicit && matches!(left.kind, Kind::Binary(BinaryOp::And, ..)) {
            // What is masked already is compared, not asked for flags
            op = RelOp::Eq;
        }
        self.check(&left, op, &right, span)?;
        if matches!(op, RelOp::Eq | RelOp::Implicit) {
            self.protocols.learn(&left, &right);
        }
        let (left, right) = self.convert(left, op, right)?;
        let (left, right) = transfer(left, right, span)?;
        self.pending.push(Match { left, op, right });
        Ok(())
    }

    /// What is compared with `exists` or `missing` may mean something else then.
    fn ask_presence(&self, left: &mut Typed, right: &crate::expr::Expr) {
        let ExprKind::Symbol(symbol) = &right.kind else { return };
        if !symbol.quoted
            && matches!(&*symbol.text, "exists" | "missing")
            && let Some(asked) = left.kind.presence()
        {
            *left = asked.at(left.span);
        }
    }

    fn check(&self, left: &Typed, op: RelOp, right: &Typed, span: Span) -> Parsed<()> {
        let single = matches!(right.kind, Kind::Value(_));
        match op {
            RelOp::Not => {
                if matches!(left.kind, Kind::Binary(..)) {
                    return Err(Diagnostic::error(span, "cannot combine negation with binary expression"));
                }
                if !single || !right.shape.datatype.is_bitmask() {
                    return Err(Diagnostic::error(
                        span,
                        "negation can only be used with singleton bitmask values.  Did you mean \"!=\"?",
                    ));
                }
            }
            RelOp::Lt | RelOp::Gt | RelOp::Le | RelOp::Ge => {
                if matches!(left.kind, Kind::Concat(_)) {
                    return Err(Diagnostic::error(
                        span,
                        format!(
                            "Relational expression ({}) is undefined for concatenations",
                            op.sign().trim()
                        ),
                    ));
                }
                if !single {
                    return Err(Diagnostic::error(
                        right.span,
                        format!(
                            "Relational expression ({}) is undefined for this right side",
                            op.sign().trim()
                        ),
                    ));
                }
            }
            _ => {}
        }
        if matches!(right.kind, Kind::Wildcard) {
            return Err(Diagnostic::error(right.span, "`*' stands only in sets and maps"));
        }
        Ok(())
    }
}

/// The length of the prefix that an address such as 255.255.0.0 is the mask of.
fn prefix_of_mask(mask: &crate::expr::Expr) -> Option<u32> {
    let ExprKind::Symbol(symbol) = &mask.kind else { return None };
    let bits = symbol.text.parse::<std::net::Ipv4Addr>().ok()?.to_bits();
    (bits.leading_ones() + bits.trailing_zeros() == 32 && bits != 0).then(|| bits.leading_ones())
}
