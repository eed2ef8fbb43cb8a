//! Masks: what the kernel knows only as `and` and `xor` is a bit field, a set of flags or an expression of its own.

use ironweir_expr::payload::Base;

use super::Raise;
use super::field::{exthdr_typed, field_typed};
use super::load::number;
use crate::datatype::Type;
use crate::typed::{BinaryOp, Kind, Shape, Typed};

/// All bits of a width.
pub(super) fn ones(bits: u32) -> u128 {
    if bits >= 128 { u128::MAX } else { (1 << bits) - 1 }
}

/// `(left & mask) ^ xor` as it was written: with `|` where the mask clears what the xor sets
/// (`netlink_parse_bitwise_mask_xor`).
pub(super) fn mask_xor(left: Typed, mask: Typed, xor: Typed, shape: Shape) -> Typed {
    let (Some(mask), Some(xor)) = (number(&mask), number(&xor)) else { return left };
    let all = ones(shape.bits);
    let or = (mask & xor) ^ xor;
    let (mask, xor) = (mask | or, xor ^ or);
    let mut typed = left;
    for (op, operand, neutral) in [(BinaryOp::And, mask, all), (BinaryOp::Xor, xor, 0), (BinaryOp::Or, or, 0)]
    {
        if operand & all != neutral {
            typed = binary_of(op, typed, Typed::number(operand, shape), shape);
        }
    }
    typed
}

/// A binary operation whose constant operand has the type of the other one.
pub(super) fn binary_of(op: BinaryOp, left: Typed, mut right: Typed, shape: Shape) -> Typed {
    let shifts = matches!(op, BinaryOp::Lshift | BinaryOp::Rshift);
    // What is shifted is a number, whatever it was.
    let datatype = if shifts { Type::Integer } else { left.shape.datatype };
    let mut shape = Shape { datatype, ..shape };
    if matches!(right.kind, Kind::Value(_)) && !shifts {
        right.shape.datatype = left.shape.datatype;
        right.shape.hex = true;
    }
    shape.hex = true;
    Typed::new(Kind::Binary(op, left.into(), right.into()), shape)
}

/// Bits of a mask that has one run of them: the lowest, and how many.
fn run_of_ones(mask: u128) -> Option<(u32, u32)> {
    if mask == 0 {
        return None;
    }
    let low = mask.trailing_zeros();
    let run = mask >> low;
    (run & run.wrapping_add(1) == 0).then_some((low, run.count_ones()))
}

impl Raise<'_> {
    /// A masked load that is a bit field: the field, and how far constants compared with it must be shifted right
    /// (`payload_expr_trim`). The shift is 0 where the load was shifted already.
    pub(super) fn trimmed(&self, typed: &Typed) -> Option<(Typed, u32)> {
        let Kind::Binary(op, left, right) = &typed.kind else { return None };
        match op {
            BinaryOp::And => self.field_under(left, number(right)?),
            BinaryOp::Rshift => {
                let (field, shift) = self.trimmed(left)?;
                (u128::from(shift) == number(right)?).then_some((field, 0))
            }
            _ => None,
        }
    }

    fn field_under(&self, load: &Typed, mask: u128) -> Option<(Typed, u32)> {
        let (low, bits) = run_of_ones(mask)?;
        let from_first = load.shape.bits.checked_sub(low + bits)?;
        match &load.kind {
            Kind::Payload(payload) => {
                let offset = payload.offset + from_first;
                if let Some((proto, field)) = self.field_at(payload, offset, bits) {
                    let typed = field_typed(*payload, proto, field, load);
                    return Some((typed, low));
                }
                let mut raw = load.clone();
                raw.shape.bits = bits;
                raw.shape.hex = true;
                raw.kind = Kind::Payload(crate::typed::Payload { offset, ..*payload });
                (payload.base == Base::Inner && payload.inner.is_none()).then_some((raw, low))
            }
            Kind::Exthdr(header) if !header.present => {
                let (name, field) = self.exthdr_at(header, header.offset + from_first, bits)?;
                Some((exthdr_typed(*header, name, field, load), low))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_ones_has_no_gaps() {
        assert_eq!(run_of_ones(0xfc), Some((2, 6)));
        assert_eq!(run_of_ones(0x80), Some((7, 1)));
        assert_eq!(run_of_ones(0x05), None);
        assert_eq!(run_of_ones(0), None);
        assert_eq!(run_of_ones(u128::MAX), Some((0, 128)));
    }
}
