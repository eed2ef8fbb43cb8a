//! Reversible operations with constants move from the left side of a match to the right.

use crate::diag::{Diagnostic, Parsed};
use crate::source::Span;
use crate::typed::{BinaryOp, Kind, Shape, Typed};

/// Moves reversible operations with constants to the right side (`binop_transfer`).
pub(crate) fn transfer(mut left: Typed, mut right: Typed, span: Span) -> Parsed<(Typed, Typed)> {
    if !takes_shift(&right) {
        return Ok((left, right));
    }
    while let Kind::Binary(op, inner, constant) = &left.kind {
        let (Some(constant), false) = (constant.value(), matches!(op, BinaryOp::And | BinaryOp::Or)) else {
            break;
        };
        let op = *op;
        let mut inner = (**inner).clone();
        if let (Kind::Swap(operand), BinaryOp::Rshift | BinaryOp::Lshift) = (&inner.kind, op) {
            inner = (**operand).clone();
        }
        right = shifted(right, op, constant, inner.shape, span)?;
        left = inner;
    }
    // A field's value is as wide as what is loaded of it
    if !matches!(left.kind, Kind::Concat(_)) {
        widen(&mut right, left.shape);
    }
    Ok((left, right))
}

/// Whether operations can move to a right side (`binop_can_transfer`): to constants, not to what is known by name, a
/// prefix or "all others".
pub(super) fn takes_shift(right: &Typed) -> bool {
    match &right.kind {
        Kind::SetRef(..) | Kind::Prefix(..) | Kind::Wildcard => false,
        Kind::Set(set) => set.elements.iter().all(|element| takes_shift(&element.key)),
        _ => true,
    }
}

fn widen(right: &mut Typed, shape: Shape) {
    if right.shape.bits != shape.bits && !matches!(right.kind, Kind::SetRef(..)) && shape.bits > 0 {
        right.shape.bits = shape.bits;
    }
    match &mut right.kind {
        Kind::Range(from, to) => {
            widen(from, shape);
            widen(to, shape);
        }
        Kind::Prefix(base, _) => widen(base, shape),
        Kind::Set(set) => set.elements.iter_mut().for_each(|element| widen(&mut element.key, shape)),
        _ => {}
    }
}

fn shifted(right: Typed, op: BinaryOp, by: u128, shape: Shape, span: Span) -> Parsed<Typed> {
    let Typed { kind, shape: own, span: at } = right;
    let shape = Shape { datatype: own.datatype, hex: own.hex, ..shape };
    let never = || Diagnostic::error(span, "Comparison is always false");
    let kind = match kind {
        Kind::Value(datum) => {
            let Some(value) = datum.number() else { return Err(never()) };
            let value = match op {
                BinaryOp::Xor => value ^ by,
                BinaryOp::Rshift => {
                    let moved = value.checked_shl(by as u32).unwrap_or(0);
                    if moved > crate::resolve::ones(shape.bits) {
                        return Err(never());
                    }
                    moved
                }
                _ => {
                    if value & crate::resolve::ones(by as u32) != 0 {
                        return Err(never());
                    }
                    value >> by
                }
            };
            return Ok(Typed::number(value, shape).at(at));
        }
        Kind::Range(from, to) => {
            let from = shifted(*from, op, by, shape, span)?;
            let to = shifted(*to, op, by, shape, span)?;
            Kind::Range(from.into(), to.into())
        }
        Kind::Prefix(base, len) => Kind::Prefix(shifted(*base, op, by, shape, span)?.into(), len),
        Kind::Set(mut set) => {
            for element in &mut set.elements {
                element.key = shifted(element.key.clone(), op, by, shape, span)?;
            }
            Kind::Set(set)
        }
        other => other,
    };
    Ok(Typed { kind, shape, span: at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datatype::{Order, Type};
    use crate::expr::hash::Symhash;

    #[test]
    fn shifts_and_exclusive_or_move_but_masks_stay() {
        let byte = Shape::new(Type::Integer, 8, Order::Big);
        let load = Typed::new(Kind::Symhash(Symhash { modulus: 1, offset: 0 }), byte);
        let mask =
            Typed::new(Kind::Binary(BinaryOp::And, load.into(), Typed::number(0xfc, byte).into()), byte);
        let by = Typed::number(2, Shape::new(Type::Integer, 32, Order::Host));
        let field = Typed::new(Kind::Binary(BinaryOp::Rshift, mask.clone().into(), by.into()), byte);
        let value = |value| Typed::number(value, Shape { bits: 6, ..byte });
        let (left, right) = transfer(field.clone(), value(0x2e), Span::NONE).expect("it fits");
        assert_eq!((left, right.value()), (mask.clone(), Some(0xb8)));
        assert!(transfer(field, value(0x40), Span::NONE).is_err(), "six bits cannot be 64");
        let flipped =
            Typed::new(Kind::Binary(BinaryOp::Xor, mask.clone().into(), Typed::number(3, byte).into()), byte);
        let (left, right) = transfer(flipped, value(1), Span::NONE).expect("it fits");
        assert_eq!((left, right.value()), (mask, Some(2)));
    }
}
