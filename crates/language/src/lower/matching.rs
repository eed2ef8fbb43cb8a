//! Matches as expressions: comparisons, ranges and lookups.

use ironweir_expr as x;
use ironweir_expr::{Expr, Value};

use super::Lower;
use super::constant::constant_bytes;
use super::reduce::{is_flags, reduce};
use crate::datatype::{Order, Type};
use crate::diag::{Diagnostic, Parsed};
use crate::source::Span;
use crate::stmt::relational::RelOp;
use crate::typed::{Kind, SetLiteral, Shape, Typed};

/// A match whose sides are resolved.
#[derive(Clone, Debug)]
pub(crate) struct Match {
    pub(crate) left: Typed,
    pub(crate) op: RelOp,
    pub(crate) right: Typed,
}

impl Lower<'_> {
    /// Adds an equality.
    pub(crate) fn match_equal(&mut self, left: Typed, right: Typed) {
        self.pending.push(Match { left, op: RelOp::Eq, right });
    }

    /// Adds a lookup in a literal set.
    pub(crate) fn lookup_literal(
        &mut self,
        left: Typed,
        set: SetLiteral,
        negated: bool,
        span: Span,
    ) -> Parsed<()> {
        let shape = left.shape;
        let op = if negated { RelOp::Ne } else { RelOp::Implicit };
        self.pending.push(Match { left, op, right: Typed::new(Kind::Set(set), shape).at(span) });
        Ok(())
    }

    /// Emits the matches collected so far: a statement that is no match follows.
    pub fn flush(&mut self) {
        self.emit_matches(false);
    }

    /// The same at the end of the rule.
    pub(crate) fn finish(&mut self) {
        self.emit_matches(true);
    }

    fn emit_matches(&mut self, last: bool) {
        let matches = std::mem::take(&mut self.pending);
        if matches.is_empty() {
            return;
        }
        let words = std::mem::replace(&mut self.words, 0);
        for one in reduce(matches, self.scope.family, last) {
            self.words = 0;
            if let Err(error) = self.emit_match(one) {
                self.failure.get_or_insert(error);
            }
        }
        self.words = words;
    }

    fn emit_match(&mut self, one: Match) -> Parsed<()> {
        let Match { mut left, op, right } = one;
        let negated = op == RelOp::Ne;
        match &right.kind {
            Kind::Set(_) | Kind::SetRef(..) => {
                let (set, left) = self.map_reference(&left, &right)?;
                let source = self.load(&left)?;
                let result = x::lookup::Outcome::Test { invert: negated };
                self.emit(Expr::Lookup(x::lookup::Lookup { set, source, result }));
                Ok(())
            }
            Kind::Range(from, to) => {
                let (Some(from), Some(to)) = (constant_bytes(from), constant_bytes(to)) else {
                    return Err(Diagnostic::error(right.span, "a range of constants is expected"));
                };
                // An hour range around midnight is what lies not between its ends
                let (from, to, negated) = if right.shape.datatype == Type::Hour && from > to {
                    (to, from, !negated)
                } else {
                    (from, to, negated)
                };
                let source = self.load(&left)?;
                self.emit(Expr::Range(x::range::Range { source, negated, from, to }));
                Ok(())
            }
            Kind::Prefix(base, len) => {
                let bytes = constant_bytes(base)
                    .ok_or_else(|| Diagnostic::error(right.span, "a prefix of constants is expected"))?;
                let whole = *len > 0
                    && len % 8 == 0
                    && (right.shape.datatype.is_string() || right.shape.order != Order::Host);
                let op = comparison(op);
                if whole {
                    left.shape.bits = *len;
                    let source = self.load(&left)?;
                    let data = Value::new(bytes.get(..(*len / 8) as usize).unwrap_or(&bytes));
                    self.emit(Expr::Cmp(x::cmp::Cmp { source, op, data }));
                    return Ok(());
                }
                let source = self.load(&left)?;
                let shape = base.shape;
                let ones = crate::resolve::ones(shape.bits);
                let mask = ones ^ crate::resolve::ones(shape.bits.saturating_sub(*len));
                self.emit_mask(source, mask, shape);
                self.emit(Expr::Cmp(x::cmp::Cmp { source, op, data: bytes }));
                Ok(())
            }
            _ => {
                let data = constant_bytes(&right)
                    .ok_or_else(|| Diagnostic::error(right.span, "a constant is expected here"))?;
                let flags = op == RelOp::Not || is_flags(op, &right);
                let source = self.load(&left)?;
                if flags {
                    self.emit_mask(source, right.value().unwrap_or(0), right.shape);
                    let op = if op == RelOp::Not { x::cmp::Op::Eq } else { x::cmp::Op::Neq };
                    self.emit(Expr::Cmp(x::cmp::Cmp { source, op, data: Value::zeroed(data.len()) }));
                } else {
                    self.emit(Expr::Cmp(x::cmp::Cmp { source, op: comparison(op), data }));
                }
                Ok(())
            }
        }
    }

    fn emit_mask(&mut self, register: x::Register, mask: u128, shape: Shape) {
        let mask = constant_bytes(&Typed::number(mask, shape)).unwrap_or_else(|| Value::new(&[]));
        let xor = Value::zeroed(mask.len());
        self.emit(Expr::Bitwise(x::bitwise::Bitwise {
            source: register,
            destination: register,
            len: mask.len() as u32,
            op: x::bitwise::Op::MaskXor { mask, xor },
        }));
    }
}

fn comparison(op: RelOp) -> x::cmp::Op {
    match op {
        RelOp::Implicit | RelOp::Eq | RelOp::Not => x::cmp::Op::Eq,
        RelOp::Ne => x::cmp::Op::Neq,
        RelOp::Lt => x::cmp::Op::Lt,
        RelOp::Gt => x::cmp::Op::Gt,
        RelOp::Le => x::cmp::Op::Lte,
        RelOp::Ge => x::cmp::Op::Gte,
    }
}
