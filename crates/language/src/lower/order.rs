//! Byte order of both sides of a match.

use super::Lower;
use super::transfer::takes_shift;
use crate::datatype::Order;
use crate::diag::Parsed;
use crate::source::Span;
use crate::stmt::relational::RelOp;
use crate::typed::{BinaryOp, Kind, Shape, Typed};

impl Lower<'_> {
    /// Brings both sides to one byte order: the network's where order matters.
    pub(super) fn convert(&mut self, left: Typed, op: RelOp, right: Typed) -> Parsed<(Typed, Typed)> {
        let ordered = matches!(op, RelOp::Lt | RelOp::Gt | RelOp::Le | RelOp::Ge)
            || match &right.kind {
                Kind::Range(..) => true,
                Kind::Set(set) => set.interval,
                Kind::SetRef(name, _) => self.is_interval_set(name),
                _ => false,
            };
        if ordered {
            // A field's own shift moves to constants on the right, which are compared with what was loaded
            let moves = left.is_shifted_field() && takes_shift(&right);
            let left = if moves { left } else { self.in_order_deep(left, Order::Big) };
            let right = self.in_order_deep(right, Order::Big);
            return Ok((left, right));
        }
        let order = left.shape.order;
        let right = match &right.kind {
            Kind::Concat(_) | Kind::SetRef(..) | Kind::Set(_) => self.match_orders(right, &left),
            _ => self.in_order_deep(right, order),
        };
        Ok((left, right))
    }

    /// Gives the keys of a literal the byte orders of the expression that is looked up.
    pub(crate) fn with_left_orders(&mut self, map: Typed, key: &Typed) -> Typed {
        if !matches!(map.kind, Kind::Set(_)) {
            return map;
        }
        self.match_orders(map, key)
    }

    /// Gives constants the byte orders of the expression they are compared with.
    fn match_orders(&mut self, right: Typed, left: &Typed) -> Typed {
        if !matches!(left.kind, Kind::Concat(_)) {
            return self.with_orders(right, &[left.shape.order]);
        }
        let orders: Vec<Order> = natural(left).iter().map(|shape| shape.order).collect();
        self.with_orders(right, &orders)
    }

    fn with_orders(&mut self, typed: Typed, orders: &[Order]) -> Typed {
        let Typed { kind, shape, span } = typed;
        let kind = match kind {
            Kind::Set(mut set) => {
                for element in &mut set.elements {
                    element.key = self.with_orders(element.key.clone(), orders);
                }
                Kind::Set(set)
            }
            Kind::Concat(parts) => Kind::Concat(
                parts.into_iter().zip(orders).map(|(part, order)| self.in_order_deep(part, *order)).collect(),
            ),
            kind => {
                let typed = Typed { kind, shape, span };
                return match orders {
                    [one] => self.in_order_deep(typed, *one),
                    _ => typed,
                };
            }
        };
        Typed { kind, shape, span }
    }

    /// Converts the parts of concatenations and the elements of sets too.
    pub(crate) fn in_order_deep(&mut self, typed: Typed, order: Order) -> Typed {
        let Typed { kind, shape, span } = typed;
        match kind {
            Kind::Concat(parts) => {
                let parts = parts.into_iter().map(|part| self.in_order_deep(part, order)).collect();
                Typed { kind: Kind::Concat(parts), shape, span }
            }
            Kind::Set(mut set) => {
                for element in &mut set.elements {
                    element.key = self.in_order_deep(element.key.clone(), order);
                }
                let shape = if shape.datatype.is_string() { shape } else { Shape { order, ..shape } };
                Typed { kind: Kind::Set(set), shape, span }
            }
            kind @ Kind::SetRef(..) => Typed { kind, shape, span },
            kind => self.in_order(Typed { kind, shape, span }, order),
        }
    }

    fn is_interval_set(&self, name: &str) -> bool {
        self.scope.sets.set(name).is_some_and(|set| set.flags.contains(ironweir_ruleset::SetFlags::INTERVAL))
    }
}

/// Shapes by which the right side of an expression is read: of bits that were masked and shifted, the field's own.
pub(crate) fn natural(left: &Typed) -> Vec<Shape> {
    match &left.kind {
        Kind::Concat(parts) => parts.iter().flat_map(natural).collect(),
        _ => vec![natural_single(left)],
    }
}

/// The same of what is no concatenation.
pub(super) fn natural_single(left: &Typed) -> Shape {
    Shape { bits: left.bits_of_value(), ..left.shape }
}

impl Typed {
    /// Whether it is a field that was shifted to its place (`expr_evaluate_bits`), not one that was written so.
    fn is_shifted_field(&self) -> bool {
        matches!(&self.kind, Kind::Binary(BinaryOp::Rshift, _, by) if by.span == Span::NONE)
    }

    /// How many bits its value has once masks and shifts of a field are applied.
    fn bits_of_value(&self) -> u32 {
        match &self.kind {
            Kind::Binary(BinaryOp::Rshift, left, by) => {
                let by = by.value().and_then(|by| u32::try_from(by).ok()).unwrap_or(0);
                left.bits_of_value().saturating_sub(by)
            }
            Kind::Binary(BinaryOp::And, left, mask) if left.span == self.span && mask.span == Span::NONE => {
                // The mask of a field, not one that was written
                mask.value().map_or(self.shape.bits, |mask| 128 - mask.leading_zeros())
            }
            Kind::Swap(operand) => operand.bits_of_value(),
            _ => self.shape.bits,
        }
    }
}
