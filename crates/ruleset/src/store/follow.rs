//! A mirror that follows its owner: events say what was made, changed and deleted after it was filled.

use super::apply::take_rule;
use super::table::ObjectName;
use super::{Mirror, TableState};
use crate::netlink::{Gone, Told};
use crate::{Handle, Table, TableId};

impl Mirror {
    /// From a ruleset that was put together before.
    pub fn of(ruleset: super::Ruleset) -> Mirror {
        Mirror { ruleset }
    }

    /// Makes a table known of which nothing was told but that it is there. Its handle is one that no table has.
    pub fn expect_table(&mut self, id: &TableId) {
        if self.ruleset.table(id).is_none() {
            let handle = Handle(u64::MAX - self.ruleset.tables.len() as u64);
            let (flags, userdata) = Default::default();
            self.table(handle, Table { id: id.clone(), flags, userdata, unknown: Default::default() }, None);
        }
    }

    /// Takes over what an event tells. Elements are not followed: see [`Mirror::elements`]. Order matters, gaps do not:
    /// what goes and was never told of does no harm.
    pub fn follow(&mut self, told: &Told) {
        match told {
            Told::Table(told) => match self.known(&told.table.id) {
                Some(state) if state.handle == told.handle => state.table = told.table.clone(),
                _ => {
                    self.forget_table(&told.table.id);
                    self.table(told.handle, told.table.clone(), None);
                }
            },
            Told::Chain(told) => self.follow_chain(told),
            Told::Set(told) => {
                let known = self.known(&told.table).and_then(|state| {
                    let slot = state.sets.find(&*told.set.name)?;
                    state.sets.get_mut(slot).filter(|set| set.handle == told.handle)
                });
                match known {
                    // Its timeout or size may be another one now.
                    Some(set) => set.set = told.set.clone(),
                    None => {
                        self.forget_set(&told.table, &told.set.name, told.handle);
                        self.set(&told.table, told.handle, told.set.clone(), told.count);
                    }
                }
            }
            Told::Object(told) => {
                let name = ObjectName(told.object.object_type(), told.object.name.clone());
                self.forget_object(&told.table, &name, told.handle);
                self.object(&told.table, told.handle, told.object.clone());
            }
            Told::Flowtable(told) => {
                self.forget_flowtable(&told.table, &told.flowtable.name, told.handle);
                self.flowtable(&told.table, told.handle, told.flowtable.clone());
            }
            Told::Rule(told) => {
                self.forget_rule(&told.table, &told.chain, told.handle);
                self.rule(&told.table, &told.chain, told.handle, told.rule.clone());
            }
            Told::Generation(told) => self.set_generation(told.id.into()),
            Told::Gone(gone) => self.follow_gone(gone),
            Told::Elements(_) | Told::Trace(_) | Told::Unknown => {}
        }
    }

    fn follow_chain(&mut self, told: &crate::netlink::ChainMessage) {
        let Some(state) = self.known(&told.table) else { return };
        let slot = state.chains.find_handle(told.handle);
        let Some(known) = slot.and_then(|slot| state.chains.get_mut(slot)) else {
            if let Some(slot) = state.chains.find(&*told.chain.name) {
                state.chains.remove(slot);
            }
            self.chain(&told.table, told.handle, told.chain.clone(), told.counters);
            return;
        };
        let renamed = known.chain.name != told.chain.name;
        let devices = known.chain.base.take().map(|base| base.devices).unwrap_or_default();
        known.chain = told.chain.clone();
        // An update tells the devices that are new.
        if let Some(base) = &mut known.chain.base {
            let new = std::mem::replace(&mut base.devices, devices);
            for device in new {
                if !base.devices.contains(&device) {
                    base.devices.push(device);
                }
            }
        }
        if let (true, Some(slot)) = (renamed, slot) {
            state.chains.rename(slot, told.chain.name.clone());
        }
    }

    fn follow_gone(&mut self, gone: &Gone) {
        match gone {
            Gone::Table { id, .. } => self.forget_table(id),
            Gone::Chain { table, name, handle, devices } => {
                let Some(state) = self.known(table) else { return };
                let slot = state.chains.find(&**name).or_else(|| state.chains.find_handle(*handle));
                let Some(slot) = slot else { return };
                if devices.is_empty() {
                    state.chains.remove(slot);
                } else if let Some(base) =
                    state.chains.get_mut(slot).and_then(|chain| chain.chain.base.as_mut())
                {
                    base.devices.retain(|device| !devices.contains(device));
                }
            }
            Gone::Rule(told) => self.forget_rule(&told.table, &told.chain, told.handle),
            Gone::Set { table, name, handle } => self.forget_set(table, name, *handle),
            Gone::Elements(_) => {}
            Gone::Object { table, kind, name, handle } => {
                self.forget_object(table, &ObjectName(*kind, name.clone()), *handle);
            }
            Gone::Flowtable { table, name, handle, devices } => {
                if devices.is_empty() {
                    return self.forget_flowtable(table, name, *handle);
                }
                let Some(state) = self.known(table) else { return };
                let slot = state.flowtables.find(&**name);
                if let Some(known) = slot.and_then(|slot| state.flowtables.get_mut(slot)) {
                    known.flowtable.devices.retain(|device| !devices.contains(device));
                }
            }
        }
    }

    fn known(&mut self, table: &TableId) -> Option<&mut TableState> {
        let slot = self.ruleset.tables.find(table)?;
        self.ruleset.tables.get_mut(slot)
    }

    fn forget_table(&mut self, id: &TableId) {
        if let Some(slot) = self.ruleset.tables.find(id) {
            self.ruleset.tables.remove(slot);
        }
    }

    fn forget_set(&mut self, table: &TableId, name: &str, handle: Handle) {
        let Some(state) = self.known(table) else { return };
        // Anonymous sets' names are used again; the handle is the older one's.
        for slot in [state.sets.find_handle(handle), state.sets.find(name)].into_iter().flatten() {
            state.sets.remove(slot);
        }
    }

    fn forget_object(&mut self, table: &TableId, name: &ObjectName, handle: Handle) {
        let Some(state) = self.known(table) else { return };
        for slot in [state.objects.find_handle(handle), state.objects.find(name)].into_iter().flatten() {
            state.objects.remove(slot);
        }
    }

    fn forget_flowtable(&mut self, table: &TableId, name: &str, handle: Handle) {
        let Some(state) = self.known(table) else { return };
        for slot in [state.flowtables.find_handle(handle), state.flowtables.find(name)].into_iter().flatten()
        {
            state.flowtables.remove(slot);
        }
    }

    fn forget_rule(&mut self, table: &TableId, chain: &str, handle: Handle) {
        let Some(state) = self.known(table) else { return };
        if let Some(slot) = state.chains.find(chain) {
            take_rule(state, slot, handle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::{ChainMessage, RuleMessage, TableMessage};
    use crate::{Chain, Family, Rule};

    fn id() -> TableId {
        TableId::new(Family::Inet, "t")
    }

    fn table() -> Told {
        let table = Table {
            id: id(),
            flags: Default::default(),
            userdata: Default::default(),
            unknown: Default::default(),
        };
        Told::Table(TableMessage { table, handle: Handle(1), uses: 0, owner: None })
    }

    fn chain(name: &str) -> Told {
        let chain = Chain {
            name: name.into(),
            base: None,
            binding: None,
            userdata: Default::default(),
            unknown: Default::default(),
        };
        Told::Chain(ChainMessage { table: id(), chain, handle: Handle(2), uses: 0, counters: None })
    }

    fn rule(chain: &str, handle: u64) -> RuleMessage {
        RuleMessage {
            table: id(),
            chain: chain.into(),
            rule: Rule::default(),
            handle: Handle(handle),
            position: None,
        }
    }

    #[test]
    fn a_renamed_chain_keeps_its_rules() {
        let mut mirror = Mirror::new(0);
        for told in [table(), chain("a"), Told::Rule(rule("a", 3)), chain("b"), Told::Rule(rule("b", 4))] {
            mirror.follow(&told);
        }
        let table = mirror.ruleset().table(&id()).expect("told");
        assert!(table.chain("a").is_none());
        assert_eq!(table.chain("b").map(|chain| chain.rule_count()), Some(2));
    }

    #[test]
    fn a_replaced_rule_with_the_same_handle_is_the_new_one() {
        let mut mirror = Mirror::new(0);
        for told in [table(), chain("a"), Told::Rule(rule("a", 3))] {
            mirror.follow(&told);
        }
        mirror.follow(&Told::Gone(Gone::Rule(rule("a", 3))));
        mirror.follow(&Told::Gone(Gone::Rule(rule("nowhere", 9))));
        let count = |mirror: &Mirror| mirror.ruleset().table(&id()).unwrap().chain("a").unwrap().rule_count();
        assert_eq!(count(&mirror), 0);
        mirror.follow(&Told::Rule(rule("a", 3)));
        mirror.follow(&Told::Rule(rule("a", 3)));
        assert_eq!(count(&mirror), 1);
        mirror.follow(&Told::Gone(Gone::Table { id: id(), handle: Handle(1) }));
        assert_eq!(mirror.ruleset().tables().count(), 0);
    }
}
