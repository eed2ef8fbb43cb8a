//! How each change is taken back. Undone in reverse, each finds things as its change left them; so what is put back
//! comes into the slot it was in.

use std::sync::Arc;

use super::Transaction;
use super::rules::{put_rule, take_rule};
use super::sets::numbered;
use crate::store::elements::{Elements, Removed};
use crate::store::table::ObjectName;
use crate::store::{ChainState, FlowtableState, ObjectState, RuleState, SetState, TableState};
use crate::{Chain, Flowtable, Handle, ObjectKind, TableFlags, TableId, Value};

/// One step back. The first number is the slot of the table, the second that of the thing.
pub(super) enum Undo {
    NewTable(u32),
    DelTable(Box<(Handle, TableId, TableState)>),
    TableFlags(u32, TableFlags),
    NewChain(u32, u32),
    DelChain(u32, Box<(Handle, Box<str>, ChainState)>),
    Chain(u32, u32, Box<Chain>),
    RenameChain(u32, u32, Box<str>),
    NewRule(u32, u32, Handle),
    DelRule(u32, u32, Option<Handle>, Arc<RuleState>),
    NewSet(u32, u32),
    DelSet(u32, Box<(Handle, Box<str>, SetState)>),
    TakeNumber(u32, Box<str>, u64),
    NewElements(u32, u32, Vec<u32>),
    DelElements(u32, u32, Vec<Removed>),
    FlushSet(u32, u32, Box<Elements>),
    EndAtZero(u32, u32, Option<Value>),
    NewObject(u32, u32),
    DelObject(u32, Box<(Handle, ObjectName, ObjectState)>),
    Object(u32, u32, Box<ObjectKind>),
    NewFlowtable(u32, u32),
    DelFlowtable(u32, Box<(Handle, Box<str>, FlowtableState)>),
    Flowtable(u32, u32, Box<Flowtable>),
    Reach(u32, Vec<(u32, u32)>),
}

impl Transaction<'_> {
    /// Takes every change back.
    pub(super) fn roll_back(&mut self) {
        while let Some(step) = self.undo.pop() {
            self.take_back(step);
        }
        for (handle, next) in std::mem::take(&mut self.next_handles) {
            let slot = self.ruleset.tables.find_handle(handle);
            if let Some(table) = slot.and_then(|slot| self.ruleset.tables.get_mut(slot)) {
                table.next_handle = next;
            }
        }
    }

    fn take_back(&mut self, step: Undo) {
        let slot = match step {
            Undo::NewTable(slot) => {
                self.ruleset.tables.remove(slot);
                return;
            }
            Undo::DelTable(removed) => {
                let (handle, id, table) = *removed;
                self.ruleset.tables.insert(handle, id, table);
                return;
            }
            Undo::TableFlags(slot, _)
            | Undo::NewChain(slot, _)
            | Undo::DelChain(slot, _)
            | Undo::Chain(slot, ..)
            | Undo::RenameChain(slot, ..)
            | Undo::NewRule(slot, ..)
            | Undo::DelRule(slot, ..)
            | Undo::NewSet(slot, _)
            | Undo::DelSet(slot, _)
            | Undo::TakeNumber(slot, ..)
            | Undo::NewElements(slot, ..)
            | Undo::DelElements(slot, ..)
            | Undo::FlushSet(slot, ..)
            | Undo::EndAtZero(slot, ..)
            | Undo::NewObject(slot, _)
            | Undo::DelObject(slot, _)
            | Undo::Object(slot, ..)
            | Undo::NewFlowtable(slot, _)
            | Undo::DelFlowtable(slot, _)
            | Undo::Flowtable(slot, ..)
            | Undo::Reach(slot, _) => slot,
        };
        if let Some(table) = self.ruleset.tables.get_mut(slot) {
            take_back_in(table, step);
        }
    }
}

fn take_back_in(table: &mut TableState, step: Undo) {
    match step {
        Undo::NewTable(_) | Undo::DelTable(_) => {}
        Undo::TableFlags(_, flags) => table.table.flags = flags,
        Undo::NewChain(_, slot) => {
            table.chains.remove(slot);
        }
        Undo::DelChain(_, removed) => {
            let (handle, name, chain) = *removed;
            table.chains.insert(handle, name, chain);
        }
        Undo::Chain(_, slot, old) => {
            if let Some(chain) = table.chains.get_mut(slot) {
                chain.chain = *old;
            }
        }
        Undo::RenameChain(_, slot, old) => {
            table.chains.rename(slot, old.clone());
            if let Some(chain) = table.chains.get_mut(slot) {
                chain.chain.name = old;
            }
        }
        Undo::NewRule(_, chain, handle) => {
            take_rule(table, chain, handle);
        }
        Undo::DelRule(_, chain, before, rule) => put_rule(table, chain, before, rule),
        Undo::NewSet(_, slot) => {
            table.release_all(slot);
            table.sets.remove(slot);
        }
        Undo::DelSet(_, removed) => {
            let (handle, name, set) = *removed;
            if set.is_anonymous()
                && let Some((prefix, number)) = numbered(&name)
                && let Some(numbers) = table.anonymous.get_mut(prefix)
            {
                numbers.retake(number);
            }
            let slot = table.sets.insert(handle, name, set);
            table.retain_all(slot);
        }
        Undo::TakeNumber(_, prefix, number) => {
            if let Some(numbers) = table.anonymous.get_mut(&prefix) {
                numbers.give_back(number);
            }
        }
        Undo::NewElements(_, set, added) => {
            for element in added.into_iter().rev() {
                table.release_slot(set, element);
                if let Some(set) = table.sets.get_mut(set) {
                    set.elements.remove(element);
                }
            }
        }
        Undo::FlushSet(_, slot, old) => {
            table.release_all(slot);
            if let Some(set) = table.sets.get_mut(slot) {
                set.elements = *old;
            }
            table.retain_all(slot);
        }
        Undo::DelElements(_, set, removed) => {
            for element in removed.into_iter().rev() {
                let slot = table.sets.get_mut(set).map(|set| set.elements.put(element));
                if let Some(slot) = slot {
                    table.retain_slot(set, slot);
                }
            }
        }
        Undo::EndAtZero(_, set, old) => {
            if let Some(set) = table.sets.get_mut(set) {
                set.elements.set_end_at_zero(old);
            }
        }
        Undo::NewObject(_, slot) => {
            table.objects.remove(slot);
        }
        Undo::DelObject(_, removed) => {
            let (handle, name, object) = *removed;
            table.objects.insert(handle, name, object);
        }
        Undo::Object(_, slot, old) => {
            if let Some(object) = table.objects.get_mut(slot) {
                object.object.kind = *old;
            }
        }
        Undo::NewFlowtable(_, slot) => {
            table.flowtables.remove(slot);
        }
        Undo::DelFlowtable(_, removed) => {
            let (handle, name, flowtable) = *removed;
            table.flowtables.insert(handle, name, flowtable);
        }
        Undo::Flowtable(_, slot, old) => {
            if let Some(flowtable) = table.flowtables.get_mut(slot) {
                flowtable.flowtable = *old;
            }
        }
        Undo::Reach(_, old) => {
            for (slot, reach) in old {
                if let Some(chain) = table.chains.get_mut(slot) {
                    chain.reached_from = reach;
                }
            }
        }
    }
}
