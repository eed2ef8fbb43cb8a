//! Elements that are addresses and prefixes alone, without a detour by way of typed expressions.

use std::net::Ipv4Addr;

use ironweir_ruleset::{Element, Set, SetFlags, TableId, Value, userdata};

use super::Compiler;
use crate::datatype::{Order, Type};
use crate::decl::addresses::Addresses;
use crate::lower::set_of;
use crate::source::Span;

impl Compiler<'_> {
    /// The elements to store, and the place of each where they are stored one by one. `None` where the set is no plain
    /// set of IPv4 addresses or something is wrong: then they are lowered as any others are, which tells what.
    pub(super) fn addresses(
        &mut self,
        table: &TableId,
        set: &Set,
        addresses: &Addresses,
    ) -> Option<(Vec<Element>, Vec<Span>)> {
        let shapes = set_of(set);
        let [key] = shapes.key[..] else { return None };
        let merge = set.userdata.get_u32(userdata::SET_MERGE_ELEMENTS).is_some_and(|merge| merge != 0);
        if (key.datatype, key.bits, key.order) != (Type::Ipv4Addr, 32, Order::Big)
            || set.data.is_some()
            || set.flags.contains(SetFlags::CONCAT)
        {
            return None;
        }
        let interval = set.flags.contains(SetFlags::INTERVAL);
        if interval && merge {
            return None;
        }
        let known = self.cache.set_mut(self.ruleset, table, &set.name)?;
        let made = match interval {
            true => (segments(addresses, known.empty)?, Vec::new()),
            false => single(addresses)?,
        };
        known.empty = false;
        Some(made)
    }
}

fn single(addresses: &Addresses) -> Option<(Vec<Element>, Vec<Span>)> {
    let (mut elements, mut spans) =
        (Vec::with_capacity(addresses.len()), Vec::with_capacity(addresses.len()));
    for (first, last, span) in addresses.ranges() {
        if first != last {
            return None;
        }
        elements.push(Element::new(key(first)));
        spans.push(span);
    }
    Some((elements, spans))
}

/// Starts and ends of intervals in order, as [`crate::interval`] makes them of a named set.
fn segments(addresses: &Addresses, fresh: bool) -> Option<Vec<Element>> {
    let mut ranges: Vec<(u32, u32)> = addresses.ranges().map(|(first, last, _)| (first, last)).collect();
    ranges.sort_unstable();
    ranges.dedup();
    if ranges.windows(2).any(|pair| matches!(pair, [(_, last), (first, _)] if last >= first)) {
        return None;
    }
    let mut elements = Vec::with_capacity(2 * ranges.len() + 1);
    if fresh && ranges.first().is_some_and(|(first, _)| *first != 0) {
        elements.push(Element::interval_end(key(0)));
    }
    for (first, last) in ranges {
        elements.push(Element::new(key(first)));
        elements.extend(last.checked_add(1).map(|end| Element::interval_end(key(end))));
    }
    Some(elements)
}

fn key(address: u32) -> Value {
    Value::from(Ipv4Addr::from_bits(address).octets())
}
