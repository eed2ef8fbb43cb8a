//! Intervals: how ranges of keys become the elements that nf_tables stores.
//!
//! A set of single fields keeps an interval as two elements: one at its first key, and one with
//! [`ElementFlags::INTERVAL_END`] at the first key beyond. Keys are big-endian, so that bytes compare as numbers do.
//! Three things are nft's custom rather than necessary, and bytecode must show them alike:
//!
//! * A new set, or an anonymous one, begins with an end at key 0 unless an interval begins there: the keys before the
//!   first interval are a segment of their own.
//! * In an anonymous set an interval that the next one follows without a gap has no end: the next start ends it. A named
//!   set has both, since elements come and go one by one.
//! * An interval up to the last key has no end.
//!
//! A concatenation with intervals instead keeps first and last key of each field in one element
//! ([`ElementMore::key_end`](ironweir_ruleset::set::ElementMore::key_end)), even where they are the same.

use ironweir_ruleset::{Element, ElementFlags, Value};

use crate::datatype::Type;
use crate::diag::{Code, Diagnostic, Parsed};
use crate::source::Span;
use crate::typed::Shape;

/// An element as written, with its keys worked out.
#[derive(Clone, Debug)]
pub struct Member {
    /// First key, big-endian, fields of a concatenation padded to 4 bytes each.
    pub first: Vec<u8>,
    /// Last key, of the same length; equal to the first where it is no interval.
    pub last: Vec<u8>,
    /// Data, timeout, comment and so on. Its key is not looked at; a catch-all keeps its flag and has no keys.
    pub element: Element,
    /// Where it is.
    pub span: Span,
}

/// What becomes of intervals that meet: they grow together with `auto-merge`, and in anonymous sets without data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Merge {
    /// Those that overlap are an error.
    #[default]
    Never,
    /// Those that overlap become one: of strings, for what lies between `a*` and `b` has no name.
    Overlapping,
    /// So do those without a gap between them.
    Adjacent,
}

impl Merge {
    /// For keys of these fields, where intervals that meet are to become one.
    pub fn of(fields: &[Shape], merge: bool) -> Merge {
        match (merge, fields) {
            (false, _) => Merge::Never,
            (true, [one]) if one.datatype.base() == Some(Type::String) => Merge::Overlapping,
            (true, _) => Merge::Adjacent,
        }
    }
}

/// What kind of set the elements are for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// `flags interval`.
    pub interval: bool,
    /// The key is a concatenation.
    pub concat: bool,
    /// What becomes of intervals that meet.
    pub merge: Merge,
    /// The set holds nothing yet.
    pub fresh: bool,
    /// The set is anonymous.
    pub anonymous: bool,
}

/// Elements to store for the members written.
///
/// # Errors
/// Where two intervals overlap and are not to be merged: "conflicting intervals specified", naming both.
pub fn elements(mut members: Vec<Member>, style: Style) -> Parsed<Vec<Element>> {
    let mut out = Vec::with_capacity(members.len() * (1 + usize::from(style.interval)));
    let (catchalls, keyed): (Vec<Member>, Vec<Member>) =
        members.drain(..).partition(|member| member.element.flags.contains(ElementFlags::CATCHALL));
    members = keyed;
    if !style.interval {
        out.extend(members.into_iter().map(|member| with_key(member.element, &member.first)));
    } else if style.concat {
        for member in members {
            let mut element = with_key(member.element, &member.first);
            element.more_mut().key_end = Some(Value::new(&member.last));
            out.push(element);
        }
    } else {
        segments(distinct(members, style.merge)?, style, &mut out);
    }
    out.extend(catchalls.into_iter().map(|member| member.element));
    Ok(out)
}

/// Members by key, without duplicates, merged or without overlap.
pub fn distinct(mut members: Vec<Member>, merge: Merge) -> Parsed<Vec<Member>> {
    members.sort_by(|a, b| (&a.first, &a.last).cmp(&(&b.first, &b.last)));
    let mut kept: Vec<Member> = Vec::with_capacity(members.len());
    for member in members {
        let Some(before) = kept.last_mut() else {
            kept.push(member);
            continue;
        };
        let same = before.first == member.first && before.last == member.last;
        if same && before.element.data() == member.element.data() {
            continue;
        }
        let plain = before.element.more.is_none() && member.element.more.is_none();
        if before.last >= member.first {
            if merge == Merge::Never || !plain {
                let error = overlap(member.span, before.span);
                let help = "'auto-merge' in the set's declaration makes one interval of those that overlap";
                return Err(if plain { error.help(help) } else { error });
            }
            before.last = member.last.max(std::mem::take(&mut before.last));
        } else if merge == Merge::Adjacent
            && plain
            && after(&before.last).is_some_and(|next| next == member.first)
        {
            before.last = member.last;
        } else {
            kept.push(member);
        }
    }
    Ok(kept)
}

/// The error that two intervals of a set overlap; the place that is told is the later one.
pub(crate) fn overlap(one: Span, other: Span) -> Box<Diagnostic> {
    // What is committed has no place, and sorts behind every place.
    let (earlier, later) = if one < other && other.is_some() { (one, other) } else { (other, one) };
    let (earlier, later) = if later.is_some() { (earlier, later) } else { (later, earlier) };
    Diagnostic::error(later, "conflicting intervals specified")
        .code(Code::Overlap)
        .and(earlier, "it overlaps with this one")
}

/// Whether an element of a concatenation of intervals begins or ends inside of an earlier one: only that the kernel takes
/// for an overlap (`nft_pipapo_insert`).
pub(crate) fn meets(fields: &[u32], earlier: &Member, later: &Member) -> bool {
    let inside = |key: &[u8]| {
        let mut at = 0;
        fields.iter().all(|len| {
            let field = at..at + *len as usize;
            at += len.next_multiple_of(4) as usize;
            let key = key.get(field.clone());
            earlier.first.get(field.clone()) <= key && key <= earlier.last.get(field)
        })
    };
    inside(&later.first) || inside(&later.last)
}

/// Starts and ends of intervals in order.
fn segments(members: Vec<Member>, style: Style, out: &mut Vec<Element>) {
    if let Some(member) = members.first()
        && (style.fresh || style.anonymous)
        && member.first.iter().any(|byte| *byte != 0)
    {
        out.push(Element::interval_end(Value::zeroed(member.first.len())));
    }
    let mut members = members.into_iter().peekable();
    while let Some(member) = members.next() {
        let end = after(&member.last);
        out.push(with_key(member.element, &member.first));
        let next = members.peek().map(|next| &next.first);
        if let Some(end) = end.filter(|end| !(style.anonymous && next == Some(end))) {
            out.push(Element::interval_end(Value::from(end)));
        }
    }
}

fn with_key(mut element: Element, key: &[u8]) -> Element {
    element.key = Value::new(key);
    element
}

/// The key behind `key`; `None` behind the last one.
pub fn after(key: &[u8]) -> Option<Vec<u8>> {
    let mut next = key.to_vec();
    for byte in next.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return Some(next);
        }
    }
    None
}

/// The key before `key`; `None` before the first one.
pub fn before(key: &[u8]) -> Option<Vec<u8>> {
    let mut last = key.to_vec();
    for byte in last.iter_mut().rev() {
        let borrowed = *byte == 0;
        *byte = byte.wrapping_sub(1);
        if !borrowed {
            return Some(last);
        }
    }
    None
}

/// Intervals of a committed set, from its elements as stored, by key. An interval without an end ends before the next
/// start, or at the last key.
pub fn intervals(stored: impl IntoIterator<Item = Element>) -> Vec<Member> {
    let mut stored: Vec<Element> =
        stored.into_iter().filter(|element| !element.flags.contains(ElementFlags::CATCHALL)).collect();
    // An end sorts before a start of the same key: it ends what came before.
    stored.sort_by(|a, b| {
        let start = |element: &Element| !element.flags.contains(ElementFlags::INTERVAL_END);
        (&a.key, start(a)).cmp(&(&b.key, start(b)))
    });
    let mut found: Vec<Member> = Vec::new();
    let mut open: Option<Element> = None;
    let mut close = |open: Option<Element>, last: Option<Vec<u8>>| {
        if let (Some(element), Some(last)) = (open, last) {
            let first = element.key.to_vec();
            found.push(Member { first, last, element, span: Span::NONE });
        }
    };
    for element in stored {
        let key = element.key.clone();
        close(open.take(), before(&key));
        if !element.flags.contains(ElementFlags::INTERVAL_END) {
            open = Some(element);
        }
    }
    let last = open.as_ref().map(|element| vec![0xff; element.key.len()]);
    close(open, last);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(first: u8, last: u8) -> Member {
        let element = Element::new(Value::new(&[]));
        Member { first: vec![first], last: vec![last], element, span: Span::NONE }
    }

    fn keys(elements: &[Element]) -> Vec<(u8, bool)> {
        elements.iter().map(|e| (e.key[0], e.flags.contains(ElementFlags::INTERVAL_END))).collect()
    }

    fn stored(members: Vec<Member>, style: Style) -> Vec<(u8, bool)> {
        keys(&elements(members, Style { interval: true, ..style }).expect("no overlap"))
    }

    #[test]
    fn an_anonymous_set_shares_borders_and_a_named_one_does_not() {
        // As nft --debug=netlink shows `ip hdrlength vmap { 0-4 : drop, 5 : accept, 6 : continue }`.
        let members = || {
            let mut members = vec![member(0, 4), member(5, 5), member(6, 6)];
            for (at, member) in members.iter_mut().enumerate() {
                member.element.more_mut().timeout = Some(at as u64);
            }
            members
        };
        let anonymous = Style { anonymous: true, ..Style::default() };
        assert_eq!(stored(members(), anonymous), [(0, false), (5, false), (6, false), (7, true)]);
        let named = stored(members(), Style { fresh: true, ..Style::default() });
        assert_eq!(named, [(0, false), (5, true), (5, false), (6, true), (6, false), (7, true)]);
    }

    #[test]
    fn a_fresh_set_begins_with_the_segment_before_its_first_interval() {
        let fresh = Style { fresh: true, ..Style::default() };
        assert_eq!(stored(vec![member(3, 255)], fresh), [(0, true), (3, false)]);
        assert_eq!(stored(vec![member(3, 3)], Style::default()), [(3, false), (4, true)]);
    }

    #[test]
    fn overlaps_are_merged_or_refused() {
        let merge = Style { merge: Merge::Adjacent, ..Style::default() };
        assert_eq!(stored(vec![member(5, 9), member(1, 3), member(4, 6)], merge), [(1, false), (10, true)]);
        let refused =
            elements(vec![member(5, 9), member(4, 6)], Style { interval: true, ..Style::default() });
        assert_eq!(refused.expect_err("they overlap").message, "conflicting intervals specified");
    }

    #[test]
    fn stored_elements_give_back_the_intervals() {
        let fresh = Style { interval: true, fresh: true, ..Style::default() };
        let members = vec![member(1, 3), member(4, 4), member(200, 255)];
        let back = intervals(elements(members, fresh).expect("no overlap"));
        let back: Vec<_> = back.iter().map(|m| (m.first[0], m.last[0])).collect();
        assert_eq!(back, [(1, 3), (4, 4), (200, 255)]);
    }
}
