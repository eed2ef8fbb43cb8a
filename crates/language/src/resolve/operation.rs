//! Bitwise operations and changes of byte order.

use crate::datatype::{Order, Type};
use crate::diag::{Diagnostic, Parsed};
use crate::expr::Expr;
use crate::lower::Lower;
use crate::source::Span;
use crate::typed::{BinaryOp, Kind, Shape, Typed};

impl Lower<'_> {
    /// `left op right`, the type taken from the left, at least `bits` wide.
    pub(crate) fn operation(
        &mut self,
        op: BinaryOp,
        left: Typed,
        right: &Expr,
        bits: u32,
        span: Span,
    ) -> Parsed<Typed> {
        if matches!(left.kind, Kind::Concat(_)) {
            return Err(Diagnostic::error(span, "Binary operation is undefined for concatenations"));
        }
        if left.shape.datatype.is_string() {
            let shape = left.shape;
            return Err(Diagnostic::error(
                span,
                format!(
                    "Binary operation ({}) is undefined for {} types",
                    op.sign(),
                    shape.datatype.description()
                ),
            ));
        }
        let mut shape = left.shape;
        shape.bits = shape.bits.max(bits);
        let is_shift = matches!(op, BinaryOp::Lshift | BinaryOp::Rshift);
        if is_shift {
            let by = self.resolve_right(right, &[Shape::new(Type::Integer, 32, Order::Host)])?;
            let Some(bits) = by.value() else {
                return Err(Diagnostic::error(
                    right.span,
                    "Right hand side of binary operation must be constant",
                ));
            };
            if bits >= u128::from(shape.bits) {
                return Err(Diagnostic::error(
                    span,
                    format!("shift of {bits} bits is undefined for type of {} bits width", shape.bits),
                ));
            }
            let left = self.in_order(left, Order::Host);
            let shape = Shape { bits: shape.bits, ..left.shape };
            return Ok(Typed::new(Kind::Binary(op, left.into(), by.into()), shape).at(span));
        }
        let right = self.resolve_argument(right, shape)?;
        if let (Some(a), Some(b)) = (left.value(), right.value()) {
            let value = match op {
                BinaryOp::And => a & b,
                BinaryOp::Or => a | b,
                BinaryOp::Xor => a ^ b,
                BinaryOp::Lshift | BinaryOp::Rshift => a,
            };
            return Ok(Typed::number(value, shape).at(span));
        }
        let right = if right.is_load() { self.in_order(right, shape.order) } else { right };
        Ok(Typed::new(Kind::Binary(op, left.into(), right.into()), shape).at(span))
    }

    /// Converted to another byte order, where that makes a difference (`byteorder_conversion`).
    pub(crate) fn in_order(&mut self, typed: Typed, order: Order) -> Typed {
        let from = typed.shape.order;
        if typed.shape.datatype.is_string() || from == order || from == Order::None || order == Order::None {
            return typed;
        }
        let shape = Shape { order, ..typed.shape };
        let span = typed.span;
        match typed.kind {
            Kind::Value(_) => Typed { shape, ..typed },
            Kind::Range(from, to) => {
                let (from, to) = (self.in_order(*from, order), self.in_order(*to, order));
                Typed::new(Kind::Range(from.into(), to.into()), shape).at(span)
            }
            Kind::Prefix(base, len) => {
                let base = self.in_order(*base, order);
                Typed::new(Kind::Prefix(base.into(), len), shape).at(span)
            }
            Kind::Concat(_) | Kind::Wildcard => typed,
            _ if typed.shape.bits <= 8 => Typed { shape, ..typed },
            _ => Typed::new(Kind::Swap(typed.into()), shape).at(span),
        }
    }
}
