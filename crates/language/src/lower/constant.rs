//! Constants as bytes of registers.

use ironweir_ruleset::{Data, Value};

use crate::datatype::{Datum, Order};
use crate::typed::{Kind, Shape, Typed};

/// A constant's bytes as they lie in registers: the fields of a concatenation padded to 4 bytes each. `None` for what
/// is no constant.
pub fn constant_bytes(typed: &Typed) -> Option<Value> {
    match &typed.kind {
        // What most constants are needs no memory of its own on the way.
        Kind::Value(Datum::Number(number)) if typed.shape.bytes() <= 16 => {
            let mut all = number.to_be_bytes();
            let bytes = &mut all[16 - typed.shape.bytes()..];
            if typed.shape.order == Order::Host && cfg!(target_endian = "little") {
                bytes.reverse();
            }
            Some(Value::new(bytes))
        }
        Kind::Value(datum) => Some(Value::from(datum_bytes(datum, typed.shape))),
        Kind::Concat(parts) => {
            let mut bytes = Vec::new();
            for part in parts {
                bytes.extend_from_slice(&constant_bytes(part)?);
                bytes.resize(bytes.len().next_multiple_of(4), 0);
            }
            Some(Value::from(bytes))
        }
        _ => None,
    }
}

/// What a map's element maps to: a value, a verdict, or both ends of a range one behind the other.
pub fn constant_data(typed: &Typed) -> Option<Data> {
    match &typed.kind {
        Kind::Verdict(verdict) => Some(Data::Verdict(verdict.clone())),
        Kind::Range(from, to) => {
            let mut bytes = constant_bytes(from)?.to_vec();
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes.extend_from_slice(&constant_bytes(to)?);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            Some(Data::Value(Value::from(bytes)))
        }
        _ => constant_bytes(typed).map(Data::Value),
    }
}

/// The first and last value that a key covers.
pub(crate) fn bounds(typed: &Typed) -> Option<(Typed, Typed)> {
    match &typed.kind {
        Kind::Value(_) => Some((typed.clone(), typed.clone())),
        Kind::Range(from, to) => Some(((**from).clone(), (**to).clone())),
        Kind::Prefix(base, len) => {
            let shape = base.shape;
            let first = match &base.kind {
                Kind::Value(Datum::Number(number)) => *number,
                Kind::Value(text @ Datum::Text(_)) => {
                    let mut low = datum_bytes(text, shape);
                    let prefix = (*len / 8) as usize;
                    low.iter_mut().skip(prefix).for_each(|byte| *byte = 0);
                    let mut high = low.clone();
                    high.iter_mut().skip(prefix).for_each(|byte| *byte = 0xff);
                    return Some((
                        Typed::new(Kind::Value(Datum::Text(low)), shape),
                        Typed::new(Kind::Value(Datum::Text(high)), shape),
                    ));
                }
                _ => return None,
            };
            let last = first | crate::resolve::ones(shape.bits.saturating_sub(*len));
            Some((Typed::number(first, shape), Typed::number(last, shape)))
        }
        Kind::Concat(parts) => {
            let mut from = Vec::new();
            let mut to = Vec::new();
            for part in parts {
                let (low, high) = bounds(part)?;
                from.push(low);
                to.push(high);
            }
            Some((Typed::new(Kind::Concat(from), typed.shape), Typed::new(Kind::Concat(to), typed.shape)))
        }
        _ => None,
    }
}

pub(crate) fn datum_bytes(datum: &Datum, shape: Shape) -> Vec<u8> {
    let len = shape.bytes();
    match datum {
        Datum::Text(text) => {
            let mut bytes = text.clone();
            bytes.resize(len, 0);
            bytes
        }
        Datum::Number(number) => {
            let all = number.to_be_bytes();
            let mut bytes = vec![0; len.saturating_sub(16)];
            bytes.extend_from_slice(&all[16 - len.min(16)..]);
            if shape.order == Order::Host && cfg!(target_endian = "little") {
                bytes.reverse();
            }
            bytes
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datatype::Type;

    #[test]
    fn bytes_follow_order_and_fields_are_padded() {
        let port = Typed::number(22, Shape::of(Type::InetService));
        let mark = Typed::number(1, Shape::of(Type::Mark));
        assert_eq!(constant_bytes(&port).as_deref(), Some(&[0, 22][..]));
        assert_eq!(constant_bytes(&mark).as_deref(), Some(&1u32.to_ne_bytes()[..]));
        let both = Typed::new(Kind::Concat(vec![port, mark]), Shape::new(Type::Invalid, 64, Order::Big));
        let [a, b, c, d] = 1u32.to_ne_bytes();
        assert_eq!(constant_bytes(&both).as_deref(), Some(&[0, 22, 0, 0, a, b, c, d][..]));
    }

    #[test]
    fn a_prefix_goes_from_zeros_to_ones() {
        let base = Typed::number(0x0a00_0000, Shape::of(Type::Ipv4Addr));
        let shape = base.shape;
        let (from, to) = bounds(&Typed::new(Kind::Prefix(base.into(), 8), shape)).expect("numbers");
        assert_eq!((from.value(), to.value()), (Some(0x0a00_0000), Some(0x0aff_ffff)));
    }
}
