//! Keys of sets and maps in the making, and whether they are apart.

use std::collections::{BTreeMap, HashSet};

use crate::datatype::Datum;
use crate::expr::Expr;
use crate::lower::{Lower, bounds, datum_bytes};
use crate::typed::{Kind, Shape, Typed};

/// One value or interval of one field.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// As written.
    pub expr: Expr,
    /// Its lowest value; bytes that compare as the values do.
    first: Vec<u8>,
    /// Its highest value.
    last: Vec<u8>,
}

impl Field {
    /// `None` of what is no constant number, address or name, nor an interval of numbers.
    pub(super) fn of(expr: &Expr, shape: Shape, to: &mut Lower<'_>) -> Option<Field> {
        let typed = to.resolve_right(expr, &[shape]).ok()?;
        // Wildcards of interfaces' names are prefixes of text.
        let is_text = |typed: &Typed| typed.value().is_none();
        match &typed.kind {
            Kind::Value(_) => {}
            Kind::Prefix(base, _) if !is_text(base) => {}
            Kind::Range(from, to) if !is_text(from) && !is_text(to) => {}
            _ => return None,
        }
        let (first, last) = bounds(&typed)?;
        let (first, last) = (comparable(&first)?, comparable(&last)?);
        (first <= last).then(|| Field { expr: expr.clone(), first, last })
    }

    fn is_value(&self) -> bool {
        self.first == self.last
    }

    /// Whether it is a single value with a single bit set.
    pub(super) fn is_one_bit(&self) -> bool {
        self.is_value() && self.first.iter().map(|byte| byte.count_ones()).sum::<u32>() == 1
    }
}

fn comparable(typed: &Typed) -> Option<Vec<u8>> {
    match &typed.kind {
        Kind::Value(Datum::Number(number)) => Some(number.to_be_bytes().to_vec()),
        Kind::Value(text @ Datum::Text(_)) => Some(datum_bytes(text, typed.shape)),
        _ => None,
    }
}

/// The fields of a key, one per selector.
pub(super) type Key = Vec<Field>;

/// Most keys of which some are intervals of several fields: each is compared with all others.
const MOST_COMPARED: usize = 2048;

/// The lowest and the highest value of each field of a key.
type Bounds = Vec<(Vec<u8>, Vec<u8>)>;

/// Keys of one group so far, none of which meet.
#[derive(Debug, Default)]
pub(super) struct Apart {
    /// Of keys of one field: the last value by the first.
    line: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Keys of several fields, by their lowest values.
    values: HashSet<Vec<u8>>,
    /// The same with their highest values, as many as may be compared with an interval.
    boxes: Vec<Bounds>,
    /// Whether some are intervals.
    intervals: bool,
}

impl Apart {
    /// Adds keys if none meets another; else adds none.
    pub(super) fn add(&mut self, keys: &[&Key]) -> bool {
        for (at, key) in keys.iter().enumerate() {
            if !self.add_one(key) {
                keys[..at].iter().for_each(|key| self.remove(key));
                return false;
            }
        }
        true
    }

    fn add_one(&mut self, key: &Key) -> bool {
        if let [field] = &key[..] {
            let before = self.line.range(..=field.last.clone()).next_back();
            if before.is_some_and(|(_, last)| *last >= field.first) {
                return false;
            }
            self.line.insert(field.first.clone(), field.last.clone());
            return true;
        }
        let interval = !key.iter().all(Field::is_value);
        if interval || self.intervals {
            let meets = |(field, (first, last)): (&Field, &(Vec<u8>, Vec<u8>))| {
                field.first <= *last && *first <= field.last
            };
            let meets = |other: &Bounds| key.iter().zip(other).all(meets);
            if self.values.len() >= MOST_COMPARED || self.boxes.iter().any(meets) {
                return false;
            }
        } else if self.values.contains(&joined(key)) {
            return false;
        }
        self.values.insert(joined(key));
        if self.boxes.len() < MOST_COMPARED {
            self.boxes.push(key.iter().map(|field| (field.first.clone(), field.last.clone())).collect());
        }
        self.intervals |= interval;
        true
    }

    /// Takes back a key of those that were added last.
    fn remove(&mut self, key: &Key) {
        if let [field] = &key[..] {
            self.line.remove(&field.first);
        } else {
            self.values.remove(&joined(key));
            self.boxes.truncate(self.values.len());
        }
    }
}

/// The first values of a key one behind the other; each field has its own fixed length.
fn joined(key: &Key) -> Vec<u8> {
    key.iter().flat_map(|field| field.first.iter().copied()).collect()
}
