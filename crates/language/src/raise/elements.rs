//! Elements of sets: from pairs of keys, as nf_tables keeps intervals, to values, ranges and prefixes.

use ironweir_ruleset::set::{ElementMore, SetData};
use ironweir_ruleset::userdata::{ELEMENT_COMMENT, SET_DATA_INTERVAL};
use ironweir_ruleset::{Data, Element, ElementData, ElementFlags, Set, SetFlags, Value};

use super::Raise;
use super::mask::ones;
use super::value::typed_constant;
use crate::datatype::{Datum, Order, Type};
use crate::expr;
use crate::lower::set_of;
use crate::resolve::is_interval;
use crate::stmt::{Stmt, StmtKind};
use crate::typed::{self, Kind, SetLiteral, Shape, Typed};

/// An element as it is listed.
pub struct RaisedElement {
    /// The element.
    pub element: expr::set::Element,
    /// Whether it is more than a key: such elements stand on lines of their own.
    pub several_words: bool,
}

/// Whether a set goes with its rule.
pub(super) fn is_anonymous(set: &Set) -> bool {
    set.flags.contains(SetFlags::ANONYMOUS)
}

/// Shapes of what a map maps to; `None` for verdicts and objects.
pub(super) fn data_shapes(set: &Set) -> Option<Vec<Shape>> {
    match set.data? {
        SetData::Value { .. } => set_of(set).data,
        SetData::Verdict | SetData::Object(_) => None,
    }
}

/// Elements of a set for a listing, in its order, one after another: as syntax they are large.
pub fn raise_elements(
    raise: &mut Raise<'_>,
    set: &Set,
    shapes: &[Shape],
    elements: &[Element],
    mut each: impl FnMut(RaisedElement),
) {
    for typed in literal_of(raise, set, shapes, 0, elements).elements {
        let element = raise.element_syntax(&typed);
        let several_words = element.data.is_some() || element.options.is_some();
        each(RaisedElement { element, several_words });
    }
}

/// A set's elements as a literal. Values are shifted right where the key is a bit field that is compared in place.
pub(super) fn literal_of(
    raise: &Raise<'_>,
    set: &Set,
    shapes: &[Shape],
    shift: u32,
    elements: &[Element],
) -> SetLiteral {
    let interval = set.flags.contains(SetFlags::INTERVAL);
    let data = data_shapes(set);
    let mut out: Vec<typed::Element> = Vec::with_capacity(elements.len());
    let mut push = |key: Typed, more: Option<&ElementMore>| {
        out.push(element_of(raise, set, data.as_deref(), key, more));
    };
    let (catchall, mut plain): (Vec<&Element>, Vec<&Element>) =
        elements.iter().partition(|element| element.flags.contains(ElementFlags::CATCHALL));
    if interval && shapes.len() == 1 {
        plain.sort_by(|a, b| (&a.key, !is_end(a)).cmp(&(&b.key, !is_end(b))));
        for (at, element) in plain.iter().enumerate().filter(|(_, element)| !is_end(element)) {
            let last = match plain.get(at + 1) {
                Some(next) => before(&next.key),
                None => Value::from(vec![0xff; element.key.len()]),
            };
            push(interval_key(&element.key, &last, shapes[0], shift), element.more.as_deref());
        }
    } else {
        for element in plain {
            push(key_of(element, shapes, shift), element.more.as_deref());
        }
    }
    // Ranges in concatenations have no order: nft lists such a set as the kernel keeps it.
    let ranges = |key: &Typed| matches!(&key.kind, Kind::Concat(parts) if parts.iter().any(is_interval));
    if !out.iter().any(|element| ranges(&element.key)) {
        match out.iter().all(|element| single_number(&element.key).is_some()) {
            true => out.sort_by_key(|element| single_number(&element.key)),
            false => out.sort_by_cached_key(|element| sort_key(&element.key)),
        }
    }
    for element in catchall {
        let key = Typed::new(Kind::Wildcard, Shape::of(Type::Invalid));
        out.push(element_of(raise, set, data.as_deref(), key, element.more.as_deref()));
    }
    SetLiteral { elements: out, interval }
}

fn is_end(element: &Element) -> bool {
    element.flags.contains(ElementFlags::INTERVAL_END)
}

/// The key just below; of zero, zero.
fn before(key: &Value) -> Value {
    let mut bytes = key.to_vec();
    for byte in bytes.iter_mut().rev() {
        let (less, borrow) = byte.overflowing_sub(1);
        *byte = less;
        if !borrow {
            return bytes.into();
        }
    }
    key.clone()
}

/// Keys of interval sets are in network order whatever their type.
fn interval_key(first: &Value, last: &Value, shape: Shape, shift: u32) -> Typed {
    if shape.datatype.is_string() {
        return string_key(first, last, shape);
    }
    let big = Shape { order: Order::Big, ..shape };
    let value = |bytes: &Value| Typed { shape, ..bit_field(bytes, big, shift) };
    interval_of(value(first), value(last), false)
}

/// A name, or the names that begin alike.
fn string_key(first: &Value, last: &Value, shape: Shape) -> Typed {
    let text = |bytes: Vec<u8>| Typed::new(Kind::Value(Datum::Text(bytes)), shape);
    let alike = first.iter().zip(last.iter()).take_while(|(a, b)| a == b).count();
    let wild = alike < first.len()
        && first[alike..].iter().all(|byte| *byte == 0)
        && last[alike..].iter().all(|byte| *byte == 0xff);
    let mut bytes = first[..if wild { alike } else { first.len() }].to_vec();
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    let bits = bytes.len() as u32 * 8;
    let name = text(bytes);
    if wild { Typed::new(Kind::Prefix(name.into(), bits), shape) } else { name }
}

/// One value, a prefix where the type is written so, or a range.
pub(crate) fn interval_of(first: Typed, last: Typed, even_alone: bool) -> Typed {
    let shape = first.shape;
    let (Some(from), Some(to)) = (first.value(), last.value()) else { return first };
    let prefixes = matches!(shape.datatype, Type::Ipv4Addr | Type::Ipv6Addr);
    if from == to && !(even_alone && prefixes) {
        return first;
    }
    let differ = from ^ to;
    let bits = 128 - differ.leading_zeros();
    if prefixes && differ == ones(bits) && from & differ == 0 && bits <= shape.bits {
        return Typed::new(Kind::Prefix(first.into(), shape.bits - bits), shape);
    }
    Typed::new(Kind::Range(first.into(), last.into()), shape)
}

fn shifted(mut typed: Typed, shift: u32) -> Typed {
    if let Kind::Value(Datum::Number(number)) = &mut typed.kind {
        *number >>= shift;
    }
    typed
}

fn key_of(element: &Element, shapes: &[Shape], shift: u32) -> Typed {
    match (element.key_end(), shapes) {
        (Some(last), _) => between(typed_constant(&element.key, shapes), &element.key, last, shapes, false),
        (None, [shape]) => bit_field(&element.key, *shape, shift),
        (None, _) => typed_constant(&element.key, shapes),
    }
}

/// What a field holds, out of the bytes it lies in, which may be more than it alone would fill.
fn bit_field(bytes: &Value, shape: Shape, shift: u32) -> Typed {
    if shift == 0 {
        return typed_constant(bytes, &[shape]);
    }
    let whole = Shape { bits: bytes.len() as u32 * 8, ..shape };
    Typed { shape, ..shifted(typed_constant(bytes, &[whole]), shift) }
}

/// Each part of a concatenation from its first to its last value. Bytes of both ends are in network order.
fn between(whole: Typed, first: &[u8], last: &[u8], shapes: &[Shape], even_alone: bool) -> Typed {
    let mut at = 0;
    let mut parts: Vec<Typed> = shapes
        .iter()
        .map(|shape| {
            let len = shape.words() as usize * 4;
            let field = |bytes: &[u8]| {
                Value::new(bytes.get(at..).unwrap_or(&[]).get(..len).unwrap_or(&bytes[at.min(bytes.len())..]))
            };
            let (from, to) = (field(first), field(last));
            at += len;
            if shape.datatype.is_string() {
                let used = shape.bytes();
                let cut = |value: &Value| Value::new(&value[..used.min(value.len())]);
                return string_key(&cut(&from), &cut(&to), *shape);
            }
            let big = Shape { order: Order::Big, ..*shape };
            let value = |bytes: &Value| Typed { shape: *shape, ..typed_constant(bytes, &[big]) };
            let single = |bytes: &Value| typed_constant(bytes, &[*shape]);
            if from == to && !even_alone {
                single(&from)
            } else {
                interval_of(value(&from), value(&to), even_alone)
            }
        })
        .collect();
    match parts.len() {
        1 => parts.swap_remove(0),
        _ => Typed { kind: Kind::Concat(parts), ..whole },
    }
}

fn element_of(
    raise: &Raise<'_>,
    set: &Set,
    data: Option<&[Shape]>,
    key: Typed,
    more: Option<&ElementMore>,
) -> typed::Element {
    let mut element = typed::Element::new(key);
    let Some(more) = more else { return element };
    element.data = more.data.as_ref().map(|datum| data_of(raise, set, data, datum));
    element.comment = more.userdata.get_str(ELEMENT_COMMENT).map(Into::into);
    element.timeout = more.timeout.filter(|timeout| Some(*timeout) != set.timeout);
    element.expires = more.expiration.filter(|_| more.timeout.is_some() || set.timeout.is_some());
    element.exprs = more.exprs.clone();
    element
}

fn data_of(raise: &Raise<'_>, set: &Set, shapes: Option<&[Shape]>, datum: &ElementData) -> Typed {
    let _ = raise;
    match datum {
        ElementData::Object(name) => Typed::new(Kind::Object(name.clone()), Shape::of(Type::String)),
        ElementData::Data(Data::Verdict(verdict)) => {
            Typed::new(Kind::Verdict(verdict.clone()), Shape::of(Type::Verdict))
        }
        ElementData::Data(Data::Value(value)) => {
            let bits = value.len() as u32 * 8;
            let unknown = [Shape::new(Type::Integer, bits, Order::Host)];
            let shapes = shapes.unwrap_or(&unknown);
            if set.userdata.get_u32(SET_DATA_INTERVAL).is_some_and(|interval| interval != 0) {
                let (first, last) = value.split_at(value.len() / 2);
                return between(typed_constant(first, shapes), first, last, shapes, shapes.len() == 1);
            }
            typed_constant(value, shapes)
        }
    }
}

/// By what elements are sorted: their first value, field by field.
pub fn sort_key(key: &Typed) -> Vec<(u128, Vec<u8>)> {
    match &key.kind {
        // Of several flags the first alone counts.
        Kind::Value(Datum::Number(number)) if key.shape.datatype == Type::TcpFlag => {
            vec![(number & number.wrapping_neg(), Vec::new())]
        }
        Kind::Value(Datum::Number(number)) => vec![(*number, Vec::new())],
        Kind::Value(Datum::Text(text)) => vec![(0, text.clone())],
        Kind::Prefix(first, _) | Kind::Range(first, _) => sort_key(first),
        Kind::Concat(parts) => parts.iter().flat_map(sort_key).collect(),
        _ => vec![(u128::MAX, Vec::new())],
    }
}

/// The whole of [`sort_key`] where that is one number.
fn single_number(key: &Typed) -> Option<u128> {
    match &key.kind {
        Kind::Prefix(first, _) | Kind::Range(first, _) => single_number(first),
        _ if key.shape.datatype == Type::TcpFlag => None,
        _ => key.value(),
    }
}

impl Raise<'_> {
    /// An element as AST.
    pub(super) fn element_syntax(&mut self, element: &typed::Element) -> expr::set::Element {
        let mut out = expr::set::Element::new(self.syntax(&element.key));
        out.data = element.data.as_ref().map(|data| self.syntax(data));
        let stmts: Vec<Stmt> =
            element.exprs.iter().filter_map(|expr| StmtKind::raise(expr, self).map(Stmt::raised)).collect();
        let options = expr::set::ElementOptions {
            timeout: element.timeout,
            expires: element.expires,
            comment: element.comment.clone(),
            stmts,
        };
        if options != expr::set::ElementOptions::default() {
            out.options = Some(options.into());
        }
        out
    }
}
