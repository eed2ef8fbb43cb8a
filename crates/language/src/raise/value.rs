//! Constants: bytes to numbers and characters, and those to the words that listing prints.

use super::Raise;
use crate::datatype::{Datum, Order, Type, print_datum};
use crate::expr::{Expr, ExprKind, binary, list};
use crate::typed::{BinaryOp, Kind, Shape, Typed};

/// The value that bytes of a register have in a type.
pub fn datum_of(bytes: &[u8], shape: Shape) -> Datum {
    if shape.datatype.is_string() {
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        return Datum::Text(bytes[..end].to_vec());
    }
    let mut number = 0u128;
    let mut add = |byte: &u8| number = (number << 8) | u128::from(*byte);
    match shape.order {
        Order::Host if cfg!(target_endian = "little") => bytes.iter().rev().for_each(&mut add),
        _ => bytes.iter().for_each(&mut add),
    }
    Datum::Number(number)
}

/// Bytes of one or several values side by side, each in registers of its own.
pub(super) fn typed_constant(bytes: &[u8], shapes: &[Shape]) -> Typed {
    let one = |bytes: &[u8], shape: Shape| {
        let used = shape.bytes().clamp(1, bytes.len().max(1)).min(bytes.len());
        let datum = datum_of(&bytes[..used], shape);
        Typed::new(Kind::Value(datum), shape)
    };
    match shapes {
        [shape] => one(bytes, Shape { bits: width(*shape, bytes), ..*shape }),
        several => {
            let mut rest = bytes;
            let parts = several
                .iter()
                .map(|shape| {
                    let (field, after) = rest.split_at((shape.words() as usize * 4).min(rest.len()));
                    rest = after;
                    one(field, *shape)
                })
                .collect();
            let bits = bytes.len() as u32 * 8;
            Typed::new(Kind::Concat(parts), Shape::new(Type::Invalid, bits, Order::None))
        }
    }
}

/// A type without a width of its own is as wide as its bytes.
fn width(shape: Shape, bytes: &[u8]) -> u32 {
    if shape.bits == 0 { bytes.len() as u32 * 8 } else { shape.bits }
}

impl Raise<'_> {
    /// A constant as listing prints it. Flags are joined by `|`.
    pub(super) fn constant_syntax(&self, datum: &Datum, shape: Shape) -> Expr {
        match datum {
            Datum::Number(number) if shape.datatype.is_bitmask() => {
                let flags = self.flags(*number, shape);
                let mut flags = flags.into_iter();
                let Some(first) = flags.next() else { return self.word(datum, shape) };
                flags.fold(first, |left, right| {
                    Expr::raised(ExprKind::Binary(binary::Binary {
                        op: BinaryOp::Or,
                        left: left.into(),
                        right: right.into(),
                    }))
                })
            }
            _ => self.word(datum, shape),
        }
    }

    /// Flags as a list joined by commas.
    pub(super) fn flag_list(&self, number: u128, shape: Shape) -> Expr {
        let mut flags = self.flags(number, shape);
        match flags.len() {
            0 => self.word(&Datum::Number(number), shape),
            1 => flags.swap_remove(0),
            _ => Expr::raised(ExprKind::List(list::List(flags))),
        }
    }

    /// Each flag of a number by itself.
    fn flags(&self, number: u128, shape: Shape) -> Vec<Expr> {
        (0..128)
            .map(|bit| 1u128 << bit)
            .filter(|flag| number & flag != 0)
            .map(|flag| self.word(&Datum::Number(flag), shape))
            .collect()
    }

    fn word(&self, datum: &Datum, shape: Shape) -> Expr {
        if let (true, Datum::Number(number)) = (self.options.json, datum) {
            return self.json_word(*number, shape);
        }
        let text = print_datum(shape.datatype, datum, shape.bits, shape.hex, self.scope.names, &self.options);
        if let Some(inside) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            return Expr::quoted(inside);
        }
        match text.parse() {
            Ok(number) if !text.starts_with('+') => Expr::number(number),
            _ => Expr::symbol(text),
        }
    }
}

impl Raise<'_> {
    /// A number as JSON has it: what text spells in hexadecimal or as a time is a number there.
    fn json_word(&self, number: u128, shape: Shape) -> Expr {
        let t = shape.datatype;
        match t {
            Type::Boolean => return Expr::symbol(if number == 0 { "missing" } else { "exists" }),
            Type::CtLabel => {
                let text = print_datum(
                    t,
                    &Datum::Number(number),
                    shape.bits,
                    false,
                    self.scope.names,
                    &self.options,
                );
                let text = text.trim_matches('"');
                return text.parse().map_or_else(|_| Expr::quoted(text), Expr::number);
            }
            Type::Time => return Expr::number(u64::try_from(number / 1000).unwrap_or(u64::MAX)),
            _ => {}
        }
        let datum = Datum::Number(number);
        let text = print_datum(t, &datum, shape.bits, shape.hex, self.scope.names, &self.options);
        let unquoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let is_number = text.starts_with("0x") || text.bytes().all(|byte| byte.is_ascii_digit());
        let written_otherwise =
            matches!(t, Type::LlAddr | Type::EtherAddr | Type::Classid | Type::IfaceIndex);
        match (unquoted, u64::try_from(number)) {
            (Some(word), _) => Expr::quoted(word),
            (None, Ok(number)) if is_number && !written_otherwise => Expr::number(number),
            (None, Err(_)) if is_number && !written_otherwise => Expr::symbol(format!("0x{number:x}")),
            _ => Expr::symbol(text),
        }
    }
}
