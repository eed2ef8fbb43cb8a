//! Anonymous sets, and elements of any set.

use ironweir_expr::SetRef;
use ironweir_ruleset::set::{ElementData, SetData, SetPolicy};
use ironweir_ruleset::{Element, Set, SetFlags, Userdata, Value, userdata};

use super::Lower;
use super::constant::{bounds, constant_bytes, constant_data};
use super::order::natural;
use crate::datatype::{Order, Type, concat_number, concat_types};
use crate::diag::{Diagnostic, Parsed};
use crate::interval::{self, Member, Merge, Style};
use crate::resolve::is_interval;
use crate::typed::{Element as TypedElement, Kind, SetLiteral, Shape, Typed};
use crate::typeof_data;

/// What a set holds.
#[derive(Clone, Debug, PartialEq)]
pub struct SetShapes {
    /// The key's fields.
    pub key: Vec<Shape>,
    /// The data's fields; `Verdict` for verdict maps, `Invalid` for object maps, `None` for sets.
    pub data: Option<Vec<Shape>>,
    /// What a `typeof` key was written as.
    pub key_typeof: Option<Typed>,
    /// What `typeof` data was written as.
    pub data_typeof: Option<Typed>,
}

/// What a set holds, by its type numbers and user data.
pub fn set_of(set: &Set) -> SetShapes {
    let order_of = |kind| match set.userdata.get_u32(kind) {
        Some(1) => Some(Order::Host),
        Some(2) => Some(Order::Big),
        _ => None,
    };
    let key_typeof = set.userdata.get(userdata::SET_KEY_TYPEOF).and_then(typeof_data::decode);
    let data_typeof = set.userdata.get(userdata::SET_DATA_TYPEOF).and_then(typeof_data::decode);
    let mut key = match &key_typeof {
        Some(typed) => natural(typed),
        None => shapes_of(set.key_type, set.key_len, &set.fields, order_of(userdata::SET_KEY_BYTEORDER)),
    };
    if set.flags.contains(SetFlags::INTERVAL) {
        for shape in &mut key {
            if !shape.datatype.is_string() {
                shape.order = Order::Big;
            }
        }
    }
    let data = match &set.data {
        None => None,
        Some(SetData::Verdict) => Some(vec![Shape::of(Type::Verdict)]),
        Some(SetData::Object(_)) => Some(vec![Shape::of(Type::Invalid)]),
        Some(SetData::Value { kind, len }) => Some(match &data_typeof {
            Some(typed) => natural(typed),
            None => {
                let ranges =
                    set.userdata.get_u32(userdata::SET_DATA_INTERVAL).is_some_and(|ranges| ranges != 0);
                let mut len = if ranges { len / 2 } else { *len };
                // An end of a range is padded; types know their length.
                if let (true, Some([one])) = (ranges, concat_types(*kind).as_deref())
                    && one.bits() > 0
                {
                    len = one.bits().div_ceil(8);
                }
                shapes_of(*kind, len, &[], order_of(userdata::SET_DATA_BYTEORDER))
            }
        }),
    };
    SetShapes { key, data, key_typeof, data_typeof }
}

fn shapes_of(number: u32, len: u32, fields: &[u32], order: Option<Order>) -> Vec<Shape> {
    let types = concat_types(number).unwrap_or_else(|| vec![Type::Integer]);
    if let [one] = types[..] {
        let bits =
            if one.bits() == 0 || one.bits().div_ceil(8) != len { len.min(64) * 8 } else { one.bits() };
        let order = match (one, order) {
            (Type::Integer | Type::Bitmask, Some(order)) => order,
            (one, _) => one.order(),
        };
        return vec![Shape::new(one, bits, order)];
    }
    types
        .iter()
        .enumerate()
        .map(|(at, t)| {
            let bits = match (t.bits(), fields.get(at)) {
                (0, Some(bytes)) => (*bytes).min(64) * 8,
                (bits, _) => bits,
            };
            Shape::new(*t, bits, t.order())
        })
        .collect()
}

impl Lower<'_> {
    /// The set that a lookup of `key` goes to: a named one, or an anonymous one that is made now. Gives back the key in
    /// the byte order that the set wants.
    pub(crate) fn map_reference(&mut self, key: &Typed, set: &Typed) -> Parsed<(SetRef, Typed)> {
        match &set.kind {
            Kind::SetRef(name, _) => {
                let interval =
                    self.scope.sets.set(name).is_some_and(|set| set.flags.contains(SetFlags::INTERVAL));
                let key = if interval { self.in_order_deep(key.clone(), Order::Big) } else { key.clone() };
                Ok((SetRef::new(name.clone()), key))
            }
            Kind::Set(literal) => {
                let mut literal = literal.clone();
                let mut key = key.clone();
                if literal.interval {
                    key = self.in_order_deep(key, Order::Big);
                    for element in &mut literal.elements {
                        element.key = self.in_order_deep(element.key.clone(), Order::Big);
                    }
                }
                let made = self.literal_set(&key, &literal, set)?;
                Ok((made, key))
            }
            _ => Err(Diagnostic::error(set.span, "a set or map is expected here")),
        }
    }

    fn literal_set(&mut self, key: &Typed, literal: &SetLiteral, whole: &Typed) -> Parsed<SetRef> {
        let fields = key.fields();
        let is_map = literal.elements.iter().any(|element| element.data.is_some());
        let mut flags = SetFlags::ANONYMOUS | SetFlags::CONSTANT;
        if literal.interval {
            flags |= SetFlags::INTERVAL;
            if fields.len() > 1 {
                flags |= SetFlags::CONCAT;
            }
        }
        let mut data = None;
        // What user data says of the data: its byte order, whether it is ranges, how `typeof` writes it.
        let (mut data_order, mut ranges, mut data_typeof) = (None, 0, None);
        if is_map {
            flags |= SetFlags::MAP;
            let first = literal.elements.iter().find_map(|element| element.data.as_ref());
            data = first.map(|first| match &first.kind {
                Kind::Verdict(_) => {
                    (data_order, data_typeof) = (Some(0), Some(typeof_data::verdict()));
                    SetData::Verdict
                }
                Kind::Object(_) => SetData::Object(ironweir_expr::objref::ObjectType::Counter),
                _ => {
                    let shapes = match &first.kind {
                        Kind::Prefix(base, _) => base.fields(),
                        _ => first.fields(),
                    };
                    let types: Vec<Type> = shapes.iter().map(|shape| shape.datatype).collect();
                    let mut len = match &shapes[..] {
                        [one] => one.bytes() as u32,
                        parts => parts.iter().map(|shape| shape.words() * 4).sum(),
                    };
                    if has_ranges(&literal.elements) {
                        len = ranges_len(len);
                        ranges = 1;
                    }
                    data_order = Some(order_number(&shapes));
                    SetData::Value { kind: concat_number(&types), len }
                }
            });
            if let Some(SetData::Object(_)) = data {
                flags = (flags - SetFlags::MAP) | SetFlags::OBJECT;
            }
        }
        let mut user = Userdata::default();
        let mut fits = user.push_u32(userdata::SET_KEY_BYTEORDER, order_number(&fields));
        if let Some(order) = data_order {
            fits &= user.push_u32(userdata::SET_DATA_BYTEORDER, order);
        }
        if literal.interval && !is_map {
            fits &= user.push_u32(userdata::SET_MERGE_ELEMENTS, 1);
        }
        // nft keeps the key of a map only where it is a concatenation (`expr_evaluate_map`).
        if let Some(bytes) = typeof_data::encode(key).filter(|_| !is_map || fields.len() > 1) {
            fits &= user.push(userdata::SET_KEY_TYPEOF, &bytes);
        }
        if let Some(bytes) = data_typeof {
            fits &= user.push(userdata::SET_DATA_TYPEOF, &bytes);
        }
        if is_map {
            fits &= user.push_u32(userdata::SET_DATA_INTERVAL, ranges);
        }
        if !fits {
            user = Userdata::default();
        }
        let types: Vec<Type> = fields.iter().map(|shape| shape.datatype).collect();
        let key_len = match &fields[..] {
            [one] => one.bytes() as u32,
            parts => parts.iter().map(|shape| shape.words() * 4).sum(),
        };
        let set = Set {
            name: match data {
                None => "__set%d".into(),
                Some(SetData::Object(_)) => "__objmap%d".into(),
                Some(_) => "__map%d".into(),
            },
            id: 0,
            flags,
            key_type: concat_number(&types),
            key_len,
            fields: if fields.len() > 1 {
                fields.iter().map(|shape| shape.bytes() as u32).collect()
            } else {
                Vec::new()
            },
            data,
            size: u32::try_from(literal.elements.len()).ok(),
            timeout: None,
            gc_interval: None,
            policy: SetPolicy::default(),
            exprs: Vec::new(),
            userdata: user,
            unknown: Default::default(),
        };
        let _ = whole;
        let ranges = has_ranges(&literal.elements);
        let members =
            literal.elements.iter().map(|element| member(element, ranges)).collect::<Parsed<Vec<_>>>()?;
        let style = Style {
            interval: literal.interval,
            concat: fields.len() > 1,
            merge: Merge::of(&fields, !is_map),
            fresh: true,
            anonymous: true,
        };
        let elements = interval::elements(members, style)?;
        Ok(self.anonymous_set(set, elements))
    }
}

/// Byte order as user data has it: of one field, for a concatenation has none.
fn order_number(fields: &[Shape]) -> u32 {
    match fields {
        [Shape { order: Order::Host, .. }] => 1,
        [Shape { order: Order::Big, .. }] => 2,
        _ => 0,
    }
}

/// An element with its keys worked out, for [`crate::interval`].
///
/// `ranges` says that the map's data are ranges: what is none has the same value at both ends.
pub(crate) fn member(element: &TypedElement, ranges: bool) -> Parsed<Member> {
    let bad = || Diagnostic::error(element.key.span, "a constant is expected here");
    let span = element.key.span;
    if let Kind::Wildcard = element.key.kind {
        return Ok(Member {
            first: Vec::new(),
            last: Vec::new(),
            element: dressed(Element::catchall(), element, ranges),
            span,
        });
    }
    let (from, to) = bounds(&element.key).ok_or_else(bad)?;
    let first = constant_bytes(&from).ok_or_else(bad)?.to_vec();
    let last = constant_bytes(&to).ok_or_else(bad)?.to_vec();
    Ok(Member { first, last, element: dressed(Element::new(Value::new(&[])), element, ranges), span })
}

/// Bytes of data that are ranges of values of so many bytes: both ends, each padded.
pub(crate) fn ranges_len(len: u32) -> u32 {
    len.next_multiple_of(4) * 2
}

/// Whether some element maps to a range: then all of them have both ends of one.
fn has_ranges(elements: &[TypedElement]) -> bool {
    elements.iter().filter_map(|element| element.data.as_ref()).any(is_interval)
}

fn dressed(mut made: Element, from: &TypedElement, ranges: bool) -> Element {
    if let Some(data) = &from.data {
        let data = match &data.kind {
            Kind::Object(name) => Some(ElementData::Object(name.clone())),
            _ if ranges => bounds(data).and_then(|(low, high)| {
                let shape = data.shape;
                constant_data(&Typed::new(Kind::Range(low.into(), high.into()), shape)).map(ElementData::Data)
            }),
            _ => constant_data(data).map(ElementData::Data),
        };
        made.more_mut().data = data;
    }
    if let Some(comment) = &from.comment {
        // One longer than user data holds was refused by the parser
        let _ = made.more_mut().userdata.push_str(userdata::ELEMENT_COMMENT, comment);
    }
    if from.timeout.is_some() || from.expires.is_some() {
        let more = made.more_mut();
        more.timeout = from.timeout;
        more.expiration = from.expires;
    }
    if !from.exprs.is_empty() {
        made.more_mut().exprs = from.exprs.clone();
    }
    made
}
