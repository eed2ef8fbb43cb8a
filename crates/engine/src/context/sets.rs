//! Set look-ups and changes from the packet path.

use std::time::Duration;

use ironweir_expr::dynset::{Dynset, Op};
use ironweir_expr::env::{Found, Update};
use ironweir_expr::{Data, Expr, Outcome, SetRef, Value};
use ironweir_ruleset::set::SetData;
use ironweir_ruleset::store::{Entry, SetState};
use ironweir_ruleset::{Element, ElementData, SetFlags};
use ironweir_wire::{Instant, Packet};

use super::{Context, connection};
use crate::Observer;
use crate::connections::Connections;
use crate::flight::{Flight, World};

/// How many elements whose time is over a packet that changes a set gives back: more than it may add, and never so many
/// that it is late.
const EXPIRED: usize = 2;

/// Evaluates the stateful expressions of an element (`nft_set_elem_update_expr`): whether the rule goes on.
fn run(
    exprs: &[Expr],
    connections: &mut Connections,
    conntrack: &ironweir_conntrack::Conntrack,
    flight: &Flight,
    packet: &Packet<'_>,
    now: Instant,
) -> bool {
    exprs.iter().all(|expr| {
        let outcome = match expr.known() {
            Expr::Counter(counter) => counter.eval(packet),
            Expr::Quota(quota) => quota.eval(packet),
            Expr::Limit(limit) => limit.eval(packet, now),
            Expr::Last(last) => last.eval(now),
            Expr::Connlimit(limit) => match connection::count(connections, conntrack, flight, limit, now) {
                Some(count) => Outcome::next_if((count > limit.count) == limit.over),
                None => Outcome::Break,
            },
            _ => Outcome::Next,
        };
        outcome == Outcome::Next
    })
}

fn key_of<'k>(set: &SetState, key: &'k [u8]) -> &'k [u8] {
    key.get(..set.set.key_len as usize).unwrap_or(key)
}

pub(super) fn lookup<'w>(
    world: &'w mut World,
    flight: &Flight,
    table: u32,
    set: &SetRef,
    key: &[u8],
    packet: &Packet<'_>,
) -> Found<'w> {
    let World { ruleset, connections, conntrack, now, .. } = world;
    let set = set.id.and_then(|id| ruleset.table_at(table)?.set_at(id));
    let Some(set) = set else { return Found::No };
    let Some(slot) = set.find_live(key_of(set, key), *now) else { return Found::No };
    if set.is_plain() {
        return Found::Key;
    }
    let Some(Entry { element, .. }) = set.element_at(slot) else { return Found::No };
    let Some(more) = &element.more else { return Found::Key };
    if !more.exprs.is_empty() && !run(&more.exprs, connections, conntrack, flight, packet, *now) {
        return Found::Break;
    }
    match &more.data {
        Some(ElementData::Data(Data::Value(value))) => Found::Data(value),
        Some(ElementData::Data(Data::Verdict(verdict))) => Found::Verdict(verdict.outcome()),
        Some(ElementData::Object(_)) | None => Found::Key,
    }
}

/// `nft_dynset_eval`.
pub(super) fn update<O: Observer>(
    context: &mut Context<'_, O>,
    dynset: &Dynset,
    key: &[u8],
    data: &[u8],
    packet: &Packet<'_>,
) -> Update {
    let table_slot = context.base.table;
    let World { ruleset, connections, conntrack, now, .. } = &mut *context.world;
    let now = *now;
    let Some(set_slot) = dynset.set.id else { return Update::Full };
    let Some(table) = ruleset.table_at_mut(table_slot) else { return Update::Full };
    table.expire_set(set_slot, now, EXPIRED);
    let Some(set) = table.set_at_mut(set_slot) else { return Update::Full };
    let key = key_of(set, key);
    let found = set.lookup(key, now).filter(|(_, entry)| !entry.element.key.is_empty()).map(|(slot, _)| slot);
    if dynset.op == Op::Delete {
        if let Some(slot) = found {
            table.delete_element(set_slot, slot);
        }
        return Update::Done;
    }
    let lifetime = lifetime(set, dynset);
    let slot = match found {
        Some(slot) => {
            if let (Op::Update, Some(lifetime)) = (dynset.op, lifetime) {
                set.refresh_from_packet(slot, lifetime, now);
            }
            slot
        }
        None => {
            let element = new_element(set, dynset, key, data);
            match table.insert_element(set_slot, element, None, lifetime, now) {
                Ok(slot) => {
                    context.observer.element_added(table_slot, set_slot);
                    slot
                }
                Err(_) => return Update::Full,
            }
        }
    };
    let element = table.set_at(set_slot).and_then(|set| set.element_at(slot));
    let exprs = element.map_or(&[][..], |entry| entry.element.exprs());
    if run(exprs, connections, conntrack, context.flight, packet, now) { Update::Done } else { Update::Break }
}

fn lifetime(set: &SetState, dynset: &Dynset) -> Option<Duration> {
    if !set.set.flags.contains(SetFlags::TIMEOUT) {
        return None;
    }
    let millis = if dynset.timeout != 0 { dynset.timeout } else { set.set.timeout.unwrap_or(0) };
    (millis != 0).then(|| Duration::from_millis(millis))
}

fn new_element(set: &SetState, dynset: &Dynset, key: &[u8], data: &[u8]) -> Element {
    let mut element = Element::new(Value::new(key));
    if let Some(SetData::Value { len, .. }) = set.set.data {
        let data = data.get(..len as usize).unwrap_or(data);
        element.more_mut().data = Some(ElementData::Data(Data::Value(Value::new(data))));
    }
    let exprs = if dynset.exprs.is_empty() { &set.set.exprs } else { &dynset.exprs };
    if !exprs.is_empty() {
        element.more_mut().exprs = exprs.clone();
    }
    if dynset.timeout != 0 && set.set.timeout != Some(dynset.timeout) {
        element.more_mut().timeout = Some(dynset.timeout);
    }
    element
}
