//! The rules of a chain, in order: a list in slots, so that a rule is put anywhere, found by its handle and taken out in
//! constant time whatever the chain's length.

use std::sync::Arc;

use hashbrown::HashMap;

use super::RuleState;
use crate::Handle;

const NONE: u32 = u32::MAX;

#[derive(Clone, Debug)]
struct Slot {
    rule: Option<Arc<RuleState>>,
    before: u32,
    next: u32,
}

/// A chain's rules.
#[derive(Clone, Debug)]
pub(crate) struct RuleList {
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_handle: HashMap<Handle, u32>,
    first: u32,
    last: u32,
}

impl Default for RuleList {
    fn default() -> Self {
        RuleList { slots: Vec::new(), free: Vec::new(), by_handle: HashMap::new(), first: NONE, last: NONE }
    }
}

impl RuleList {
    pub(crate) fn len(&self) -> usize {
        self.by_handle.len()
    }

    pub(crate) fn find(&self, handle: Handle) -> Option<&Arc<RuleState>> {
        self.slots[*self.by_handle.get(&handle)? as usize].rule.as_ref()
    }

    pub(crate) fn contains(&self, handle: Handle) -> bool {
        self.by_handle.contains_key(&handle)
    }

    pub(crate) fn last(&self) -> Option<Handle> {
        self.slots.get(self.last as usize)?.rule.as_ref().map(|rule| rule.handle)
    }

    /// The handle of the rule before that one.
    pub(crate) fn before(&self, handle: Handle) -> Option<Handle> {
        let slot = &self.slots[*self.by_handle.get(&handle)? as usize];
        self.slots.get(slot.before as usize)?.rule.as_ref().map(|rule| rule.handle)
    }

    /// Puts a rule behind another; at the beginning if there is none such.
    pub(crate) fn insert_after(&mut self, after: Option<Handle>, rule: Arc<RuleState>) {
        let before = after.and_then(|handle| self.by_handle.get(&handle).copied()).unwrap_or(NONE);
        let next = if before == NONE { self.first } else { self.slots[before as usize].next };
        let handle = rule.handle;
        let filled = Slot { rule: Some(rule), before, next };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = filled;
                slot
            }
            None => {
                self.slots.push(filled);
                (self.slots.len() - 1) as u32
            }
        };
        *self.next_of(before) = slot;
        *self.before_of(next) = slot;
        self.by_handle.insert(handle, slot);
    }

    /// Takes a rule out, telling which one it stood behind.
    pub(crate) fn remove(&mut self, handle: Handle) -> Option<(Option<Handle>, Arc<RuleState>)> {
        let before = self.before(handle);
        let slot = self.by_handle.remove(&handle)?;
        let Slot { rule, before: b, next: n } =
            std::mem::replace(&mut self.slots[slot as usize], Slot { rule: None, before: NONE, next: NONE });
        *self.next_of(b) = n;
        *self.before_of(n) = b;
        self.free.push(slot);
        Some((before, rule?))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<RuleState>> {
        let mut at = self.first;
        std::iter::from_fn(move || {
            let slot = self.slots.get(at as usize)?;
            at = slot.next;
            slot.rule.as_ref()
        })
    }

    fn next_of(&mut self, slot: u32) -> &mut u32 {
        match self.slots.get_mut(slot as usize) {
            Some(slot) => &mut slot.next,
            None => &mut self.first,
        }
    }

    fn before_of(&mut self, slot: u32) -> &mut u32 {
        match self.slots.get_mut(slot as usize) {
            Some(slot) => &mut slot.before,
            None => &mut self.last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rule;

    fn order(list: &RuleList) -> Vec<u64> {
        list.iter().map(|rule| rule.handle.0).collect()
    }

    fn rule(handle: u64) -> Arc<RuleState> {
        Arc::new(RuleState { handle: Handle(handle), rule: Rule::default() })
    }

    #[test]
    fn rules_go_anywhere_and_come_back_to_where_they_were() {
        let mut list = RuleList::default();
        list.insert_after(None, rule(1));
        list.insert_after(list.last(), rule(2));
        list.insert_after(Some(Handle(1)), rule(3));
        list.insert_after(None, rule(4));
        assert_eq!(order(&list), [4, 1, 3, 2]);
        let (before, taken) = list.remove(Handle(1)).expect("rule 1");
        assert_eq!((before, order(&list)), (Some(Handle(4)), vec![4, 3, 2]));
        list.insert_after(before, taken);
        assert_eq!(order(&list), [4, 1, 3, 2]);
        list.remove(Handle(2));
        list.remove(Handle(4));
        assert_eq!((order(&list), list.last()), (vec![1, 3], Some(Handle(3))));
    }
}
