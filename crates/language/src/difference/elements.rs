//! Elements of one set: which come, which go, which stay.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use ironweir_expr::objref::ObjectType;
use ironweir_ruleset::set::{ElementMore, SetData};
use ironweir_ruleset::store::SetState;
use ironweir_ruleset::userdata::ELEMENT_COMMENT;
use ironweir_ruleset::{Data, Element, ElementData, ElementFlags, Expr, Set, SetFlags, Value, Verdict};
use ironweir_wire::Instant;

use super::added::Key;
use super::reach::Things;
use crate::interval::{self, Member};
use crate::source::Span;

/// What becomes of a set's elements, each as it lies in batches: an interval is two of them.
#[derive(Debug, Default)]
pub(super) struct ElementPlan {
    /// Those that go.
    pub(super) gone: Vec<Element>,
    /// Those that come.
    pub(super) new: Vec<Element>,
    /// Those that go and come back as they were, since what they lead to is made anew.
    pub(super) again: Vec<Element>,
    /// Those that stay, with their state, where they were asked for.
    pub(super) same: Vec<Element>,
}

impl ElementPlan {
    /// Whether the set stays as it is.
    pub(super) fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.new.is_empty() && self.again.is_empty()
    }
}

/// What the elements of two sets are compared with.
pub(super) struct Comparison<'a> {
    pub(super) old: &'a SetState,
    pub(super) new: &'a SetState,
    /// Rules of the table as it shall be add elements to it.
    pub(super) filled_by_packets: bool,
    /// What does not stay even so.
    pub(super) added: Option<&'a HashSet<Key>>,
    /// What is made anew.
    pub(super) replaced: &'a Things,
    /// Whether [`ElementPlan::same`] is wanted.
    pub(super) with_same: bool,
    pub(super) now: Instant,
}

/// The type of objects a map maps to.
pub(super) fn object_kind(set: &Set) -> Option<ObjectType> {
    match set.data {
        Some(SetData::Object(kind)) => Some(kind),
        _ => None,
    }
}

/// Whether intervals of a set are written as two elements each.
fn in_segments(set: &Set) -> bool {
    let flags = set.flags;
    flags.contains(SetFlags::INTERVAL) && !flags.contains(SetFlags::CONCAT) && set.fields.len() < 2
}

/// Every element of a set that lives, as a batch makes it in an empty one.
pub(super) fn all(set: &SetState, now: Instant) -> Vec<Element> {
    set.dump(now).map(by_name).collect()
}

/// An element whose verdict leads to a chain by its name.
fn by_name(mut element: Element) -> Element {
    if let Some(more) = &mut element.more
        && let Some(ElementData::Data(Data::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain)))) =
            &mut more.data
    {
        chain.id = None;
    }
    // More than its timeout no element can have left (`nft_add_set_elem`).
    if let Some(more) = &mut element.more
        && let (Some(left), Some(timeout)) = (&mut more.expiration, more.timeout)
    {
        *left = timeout.min(*left);
    }
    element
}

impl Comparison<'_> {
    /// Whether an element that is not in the new set stays: packets may have added it.
    fn stays(&self, key: &Value, more: Option<&ElementMore>) -> bool {
        let end = more.and_then(|more| more.key_end.clone());
        if self.added.is_some_and(|added| added.contains(&(key.clone(), end))) {
            return false;
        }
        let expires = more.is_some_and(|more| more.expiration.is_some() || more.timeout.is_some());
        self.is_filled() || self.new.set.flags.contains(SetFlags::TIMEOUT) && expires
    }

    /// Whether packets add elements to the set.
    fn is_filled(&self) -> bool {
        self.filled_by_packets || self.new.set.flags.contains(SetFlags::EVAL)
    }

    /// An element of the old set as the new one takes it.
    fn carried(&self, element: Element) -> Element {
        let mut element = by_name(element);
        if let Some(more) = &mut element.more {
            if !same_exprs(&more.exprs, &self.new.set.exprs) {
                more.exprs.clear();
            }
            if !self.new.set.flags.contains(SetFlags::TIMEOUT) {
                (more.timeout, more.expiration) = (None, None);
            }
            // Time that is left is told with a time to live, the element's own or the set's.
            match (&mut more.expiration, more.timeout.or(self.new.set.timeout)) {
                (Some(left), Some(timeout)) => *left = timeout.min(*left),
                (Some(left), None) => more.timeout = Some(*left),
                (None, _) => {}
            }
        }
        element
    }

    /// Whether an element of the same key is the same.
    fn equal(&self, old: Option<&ElementMore>, new: Option<&ElementMore>) -> bool {
        let empty = ElementMore::default();
        let (a, b) = (old.unwrap_or(&empty), new.unwrap_or(&empty));
        let comment = |more: &ElementMore| more.userdata.get(ELEMENT_COMMENT).map(<[u8]>::to_vec);
        let timeout = |more: &ElementMore, set: &Set| more.timeout.or(set.timeout).unwrap_or(0);
        same_data(a.data.as_ref(), b.data.as_ref())
            && comment(a) == comment(b)
            && (timeout(a, &self.old.set) == timeout(b, &self.new.set) || self.is_filled())
            && same_exprs(&a.exprs, &b.exprs)
    }

    fn is_forced(&self, more: Option<&ElementMore>) -> bool {
        let data = more.and_then(|more| more.data.as_ref());
        data.is_some() && self.replaced.has_target(data, object_kind(&self.old.set))
    }

    /// What becomes of an element of the old set, beside the one of the same key in the new set.
    fn judge(
        &self,
        key: &Value,
        known: Option<&ElementMore>,
        wanted: Option<Option<&ElementMore>>,
    ) -> Judged {
        let keeps = match wanted {
            Some(wanted) => self.equal(known, wanted),
            None => self.stays(key, known),
        };
        match keeps {
            false => Judged::Gone,
            true if self.is_forced(known) => Judged::Again,
            true => Judged::Same,
        }
    }

    /// What is to be done. Elements of `same` and `again` keep their state.
    pub(super) fn plan(&self) -> ElementPlan {
        let mut plan = ElementPlan::default();
        match in_segments(&self.old.set) {
            true => self.segments(&mut plan),
            false => self.keyed(&mut plan),
        }
        plan
    }

    fn keyed(&self, plan: &mut ElementPlan) {
        let mut old: HashMap<(Cow<'_, Value>, Option<&Value>), _> =
            HashMap::with_capacity(self.old.element_count());
        for element in self.old.elements().filter(|element| element.expires.is_none_or(|at| at > self.now)) {
            old.insert((element.key.clone(), end_of(&element.key, element.more)), element);
        }
        for new in self.new.elements() {
            let Some(known) = old.remove(&(new.key.clone(), end_of(&new.key, new.more))) else {
                plan.new.push(by_name(new.to_element(self.now)));
                continue;
            };
            match self.judge(&known.key, known.more, Some(new.more)) {
                Judged::Gone => {
                    plan.gone.push(by_name(known.to_element(self.now)));
                    plan.new.push(by_name(new.to_element(self.now)));
                }
                Judged::Again => plan.again.push(self.carried(known.to_element(self.now))),
                Judged::Same if self.with_same => plan.same.push(self.carried(known.to_element(self.now))),
                Judged::Same => {}
            }
        }
        let mut left: Vec<Element> =
            old.into_values().map(|element| by_name(element.to_element(self.now))).collect();
        left.sort_by(|a, b| (&a.key, a.key_end()).cmp(&(&b.key, b.key_end())));
        let concatenations = self.new.set.flags.contains(SetFlags::INTERVAL);
        for element in left {
            match self.judge(&element.key, element.more.as_deref(), None) {
                Judged::Gone => plan.gone.push(element),
                _ if concatenations
                    && plan.new.iter().any(|new| overlap(&self.new.set.fields, &element, new)) =>
                {
                    plan.gone.push(element);
                }
                Judged::Again => plan.again.push(self.carried(element)),
                Judged::Same if self.with_same => plan.same.push(self.carried(element)),
                Judged::Same => {}
            }
        }
    }

    fn segments(&self, plan: &mut ElementPlan) {
        let (old, wanted) = (self.members(self.old), self.members(self.new));
        let overlaps = |known: &Member| {
            let at = wanted.partition_point(|wanted| wanted.last < known.first);
            wanted.get(at).is_some_and(|wanted| wanted.first <= known.last && !known.first.is_empty())
        };
        let (mut old, mut new) = (old.into_iter().peekable(), wanted.iter().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => (&a.first, &a.last).cmp(&(&b.first, &b.last)),
            };
            let known = if order.is_le() { old.next() } else { None };
            let wanted = if order.is_ge() { new.next() } else { None };
            let Some(known) = known else {
                wanted.into_iter().for_each(|wanted| push(&mut plan.new, wanted.clone()));
                continue;
            };
            let judged = self.judge(
                &known.element.key,
                known.element.more.as_deref(),
                wanted.map(|wanted| wanted.element.more.as_deref()),
            );
            match judged {
                Judged::Gone => {
                    push(&mut plan.gone, known);
                    wanted.into_iter().for_each(|wanted| push(&mut plan.new, wanted.clone()));
                }
                _ if wanted.is_none() && overlaps(&known) => push(&mut plan.gone, known),
                Judged::Again => push(&mut plan.again, self.carried_member(known)),
                Judged::Same if self.with_same => push(&mut plan.same, self.carried_member(known)),
                Judged::Same => {}
            }
        }
    }

    /// Intervals of a set in order; the catch-all, which has no keys, is the first.
    fn members(&self, set: &SetState) -> Vec<Member> {
        let stored = all(set, self.now);
        let catchall = stored.iter().find(|element| element.flags.contains(ElementFlags::CATCHALL)).cloned();
        let catchall =
            catchall.map(|element| Member { first: Vec::new(), last: Vec::new(), element, span: Span::NONE });
        catchall.into_iter().chain(interval::intervals(stored)).collect()
    }

    fn carried_member(&self, member: Member) -> Member {
        Member { element: self.carried(member.element), ..member }
    }
}

/// What becomes of an element of the old set.
enum Judged {
    /// It goes.
    Gone,
    /// It goes and comes back.
    Again,
    /// It stays.
    Same,
}

/// Whether two elements of a concatenation of intervals have a key in common.
fn overlap(fields: &[u32], a: &Element, b: &Element) -> bool {
    if a.flags.contains(ElementFlags::CATCHALL) || b.flags.contains(ElementFlags::CATCHALL) {
        return false;
    }
    let end = |element: &Element| element.key_end().unwrap_or(&element.key).to_vec();
    let (a_end, b_end) = (end(a), end(b));
    let mut at = 0;
    fields.iter().all(|len| {
        let field = at..at + *len as usize;
        at += len.next_multiple_of(4) as usize;
        a.key.get(field.clone()) <= b_end.get(field.clone()) && b.key.get(field.clone()) <= a_end.get(field)
    })
}

/// An interval as two elements, where it has an end.
fn push(to: &mut Vec<Element>, member: Member) {
    let catchall = member.element.flags.contains(ElementFlags::CATCHALL);
    to.push(member.element);
    if !catchall {
        to.extend(interval::after(&member.last).map(|end| Element::interval_end(Value::from(end))));
    }
}

/// The end of an interval of a concatenation, where it is more than one key.
fn end_of<'a>(key: &Value, more: Option<&'a ElementMore>) -> Option<&'a Value> {
    more?.key_end.as_ref().filter(|end| *end != key)
}

/// Whether two elements map to the same.
fn same_data(a: Option<&ElementData>, b: Option<&ElementData>) -> bool {
    use Verdict::{Goto, Jump};
    match (a, b) {
        (Some(ElementData::Data(Data::Verdict(a))), Some(ElementData::Data(Data::Verdict(b)))) => {
            match (a, b) {
                (Jump(a), Jump(b)) | (Goto(a), Goto(b)) => a.name == b.name,
                _ => a == b,
            }
        }
        _ => a == b,
    }
}

/// Whether stateful expressions say the same, whatever they have counted.
fn same_exprs(a: &[Expr], b: &[Expr]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| match (a, b) {
            (Expr::Counter(_), Expr::Counter(_)) | (Expr::Last(_), Expr::Last(_)) => true,
            (Expr::Quota(a), Expr::Quota(b)) => (a.bytes, a.over) == (b.bytes, b.over),
            _ => a == b,
        })
}
