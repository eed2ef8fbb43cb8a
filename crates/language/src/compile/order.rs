//! The order in which intervals are added.
//!
//! nft takes commands that add to the same set, one behind the other, as one, and adds intervals in order of their keys.
//! Whoever watches sees them in that order.

use ironweir_ruleset::{Change, Element, ElementFlags, Value};

use super::{Compiled, Origin};

/// Puts additions to the same set of intervals, one behind the other, in order of their least keys.
pub(super) fn additions(compiled: &mut Compiled) {
    let Compiled { batch, origins, .. } = compiled;
    let mut from = 0;
    while from < batch.changes.len() {
        let run = batch.changes[from..].iter().take_while(|change| same_set(&batch.changes[from], change));
        let to = from + run.count().max(1);
        if to - from > 1 && batch.changes[from..to].iter().any(has_ends) && origins.len() >= to {
            sort(&mut batch.changes[from..to], &mut origins[from..to]);
        }
        from = to;
    }
}

fn sort(changes: &mut [Change], origins: &mut [Origin]) {
    let mut order: Vec<usize> = (0..changes.len()).collect();
    order.sort_by(|a, b| least(&changes[*a]).cmp(&least(&changes[*b])));
    if order.is_sorted() {
        return;
    }
    let (from, places) = (changes.to_vec(), origins.to_vec());
    for (to, index) in order.into_iter().enumerate() {
        changes[to] = from[index].clone();
        origins[to] = places[index].clone();
    }
}

fn same_set(a: &Change, b: &Change) -> bool {
    match (a, b) {
        (
            Change::NewElements { table, set, creation, .. },
            Change::NewElements { table: other_table, set: other, creation: other_creation, .. },
        ) => creation == other_creation && set == other && table == other_table,
        _ => false,
    }
}

fn is_end(element: &Element) -> bool {
    element.flags.contains(ElementFlags::INTERVAL_END)
}

/// Whether its intervals are told as two elements.
fn has_ends(change: &Change) -> bool {
    matches!(change, Change::NewElements { elements, .. } if elements.iter().any(is_end))
}

fn least(change: &Change) -> Option<&Value> {
    let Change::NewElements { elements, .. } = change else { return None };
    elements.iter().filter(|element| !is_end(element)).map(|element| &element.key).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Span;
    use ironweir_ruleset::{Creation, Family, SetRef, TableId};

    fn add(set: &str, keys: &[(u16, bool)]) -> Change {
        let element = |(key, end): &(u16, bool)| {
            let key = Value::new(&key.to_be_bytes());
            if *end { Element::interval_end(key) } else { Element::new(key) }
        };
        Change::NewElements {
            table: TableId::new(Family::Ip, "t"),
            set: SetRef { name: set.into(), id: None },
            elements: keys.iter().map(element).collect(),
            creation: Creation::Add,
        }
    }

    #[test]
    fn intervals_of_following_commands_are_added_in_order_and_those_of_other_sets_stay() {
        let changes = vec![
            add("s", &[(1024, false)]),
            add("s", &[(100, false), (201, true)]),
            add("other", &[(7, false)]),
            add("other", &[(3, false)]),
        ];
        let origins = vec![Origin { span: Span::NONE, elements: Vec::new() }; 4];
        let mut compiled = Compiled { origins, ..Compiled::default() };
        compiled.batch.changes = changes.clone();
        additions(&mut compiled);
        assert_eq!(compiled.batch.changes[..2], [changes[1].clone(), changes[0].clone()]);
        assert_eq!(compiled.batch.changes[2..], changes[2..]);
    }
}
