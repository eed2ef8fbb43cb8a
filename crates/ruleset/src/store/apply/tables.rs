//! Changes to tables.

use super::{Transaction, Undo, check_name};
use crate::store::TableState;
use crate::store::error::{ErrorKind, Thing};
use crate::{Creation, Family, Handle, Selector, Table, TableFlags};

impl Transaction<'_> {
    pub(super) fn new_table(
        &mut self,
        table: &Table,
        creation: Creation,
    ) -> Result<Option<Handle>, ErrorKind> {
        if let Some(slot) = self.ruleset.tables.find(&table.id) {
            if creation == Creation::Create {
                return Err(ErrorKind::TableExists(table.id.clone()));
            }
            let state = self.table(slot);
            let (handle, old) = (state.handle, state.table.flags);
            if (old ^ table.flags).intersects(TableFlags::OWNER) {
                return Err(ErrorKind::Unsupported {
                    what: Thing::Table,
                    table: table.id.clone(),
                    name: table.id.name.clone(),
                    reason: "a table cannot get or lose an owner later",
                });
            }
            if old != table.flags {
                state.table.flags = table.flags;
                self.undo.push(Undo::TableFlags(slot, old));
            }
            return Ok(Some(handle));
        }
        check_name(Thing::Table, &table.id.name)?;
        let handle = Handle(self.ruleset.next_table_handle);
        self.ruleset.next_table_handle += 1;
        let slot =
            self.ruleset.tables.insert(handle, table.id.clone(), TableState::new(handle, table.clone()));
        self.table(slot).id = slot;
        self.undo.push(Undo::NewTable(slot));
        Ok(Some(handle))
    }

    pub(super) fn del_table(
        &mut self,
        family: Family,
        which: &Selector,
        missing_ok: bool,
    ) -> Result<Option<Handle>, ErrorKind> {
        let (slot, missing) = match which {
            Selector::Name(name) => {
                let id = crate::TableId::new(family, name.clone());
                (self.ruleset.tables.find(&id), ErrorKind::NoTable(id))
            }
            Selector::Handle(handle) => {
                let slot = self.ruleset.tables.find_handle(*handle);
                let slot = slot.filter(|slot| {
                    self.ruleset.tables.get(*slot).is_some_and(|table| table.table.id.family == family)
                });
                (slot, ErrorKind::NoTableHandle { handle: *handle })
            }
        };
        match slot {
            Some(slot) => Ok(self.remove_table(slot)),
            None if missing_ok => Ok(None),
            None => Err(missing),
        }
    }

    pub(super) fn flush_ruleset(&mut self, family: Option<Family>) -> Result<Option<Handle>, ErrorKind> {
        for slot in self.ruleset.tables.slots() {
            let its = self.table(slot).table.id.family;
            if family.is_none_or(|family| family == its) {
                self.remove_table(slot);
            }
        }
        Ok(None)
    }

    fn remove_table(&mut self, slot: u32) -> Option<Handle> {
        let (handle, id, table) = self.ruleset.tables.remove(slot)?;
        self.jumps_changed.remove(&slot);
        self.new_jumps.retain(|(_, table, _)| *table != slot);
        self.new_rules.retain(|(_, table, ..)| *table != slot);
        self.anonymous.retain(|(_, table, ..)| *table != slot);
        self.set_ids.retain(|(table, _), _| *table != slot);
        self.chain_ids.retain(|(table, _), _| *table != slot);
        self.undo.push(Undo::DelTable(Box::new((handle, id, table))));
        Some(handle)
    }
}
