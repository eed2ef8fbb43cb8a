//! Intervals in events: their beginning and the first key beyond come apart.
//!
//! New intervals are told in the order of the request, beginning first. A set that is emptied is told from its greatest
//! key down, ends first. An interval up to the greatest key has no end; a set whose least key is no member may have an
//! end without a beginning, at zero.

use ironweir_ruleset::netlink::Verb;
use ironweir_ruleset::{Element, ElementFlags, Set, SetFlags, TableId};

/// The beginning or the end of an interval.
#[derive(Clone, Debug)]
pub(super) struct Half {
    pub(super) table: TableId,
    pub(super) set: Box<str>,
    pub(super) verb: Verb,
    pub(super) element: Element,
}

/// What a half and the one before it are.
#[derive(Debug)]
pub(super) enum Joined {
    /// Both ends of one interval, the beginning first.
    Whole(Half, [Element; 2]),
    /// Not of one interval: the one before has no other half, and that of the other is still to come.
    Apart(Option<Half>, Option<Half>),
}

/// Whether a set's intervals are told as two elements.
pub(super) fn has_ends(set: &Set) -> bool {
    set.flags.contains(SetFlags::INTERVAL) && !set.flags.contains(SetFlags::CONCAT)
}

fn is_end(element: &Element) -> bool {
    element.flags.contains(ElementFlags::INTERVAL_END)
}

impl Half {
    /// Looks whether two halves are of one interval.
    pub(super) fn join(before: Option<Half>, after: Half) -> Joined {
        let Some(before) = before else { return Joined::Apart(None, Some(after)) };
        let same = before.verb == after.verb && before.table == after.table && before.set == after.set;
        let catchall = after.element.flags.contains(ElementFlags::CATCHALL);
        match (is_end(&before.element), is_end(&after.element)) {
            (false, true) if same && !catchall && before.element.key < after.element.key => {
                let pair = [before.element.clone(), after.element];
                Joined::Whole(before, pair)
            }
            (true, false) if same && !catchall && after.element.key < before.element.key => {
                let pair = [after.element.clone(), before.element];
                Joined::Whole(after, pair)
            }
            _ => Joined::Apart(Some(before), Some(after)),
        }
    }

    /// What a half is whose other half does not come: an interval without end, or an end that is no element.
    pub(super) fn alone(self) -> Option<(Half, [Element; 1])> {
        let element = self.element.clone();
        (!is_end(&element)).then_some((self, [element]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironweir_ruleset::{Family, Value};

    fn half(key: u16, end: bool) -> Half {
        let key = Value::new(&key.to_be_bytes());
        let element = if end { Element::interval_end(key) } else { Element::new(key) };
        Half { table: TableId::new(Family::Ip, "t"), set: "s".into(), verb: Verb::Add, element }
    }

    fn joined(halves: &[(u16, bool)]) -> Vec<(u16, Option<u16>)> {
        let number = |element: &Element| u16::from_be_bytes([element.key[0], element.key[1]]);
        let (mut out, mut waiting) = (Vec::new(), None::<Half>);
        let alone = |half: Option<Half>| half.and_then(Half::alone).map(|(_, [one])| (number(&one), None));
        for (key, end) in halves {
            match Half::join(waiting.take(), half(*key, *end)) {
                Joined::Whole(_, [from, to]) => out.push((number(&from), Some(number(&to)))),
                Joined::Apart(before, after) => {
                    out.extend(alone(before));
                    waiting = after;
                }
            }
        }
        out.extend(alone(waiting));
        out
    }

    #[test]
    fn halves_find_each_other_in_either_direction() {
        // As Linux 6.18 tells `{ 20-30, 40-50 }` when it is added, behind the end at zero.
        let added = [(0, true), (20, false), (31, true), (40, false), (51, true)];
        assert_eq!(joined(&added), [(20, Some(31)), (40, Some(51))]);
        // And `flush set` of `{ 1-10, 20-30, 1024-65535 }`.
        let flushed = [(1024, false), (31, true), (20, false), (11, true), (1, false), (0, true)];
        assert_eq!(joined(&flushed), [(1024, None), (20, Some(31)), (1, Some(11))]);
    }

    #[test]
    fn an_interval_without_end_is_one_by_itself() {
        let added = [(1024, false), (100, false), (201, true)];
        assert_eq!(joined(&added), [(1024, None), (100, Some(201))]);
    }
}
