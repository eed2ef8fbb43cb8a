//! Changes to flowtables.

use super::{Transaction, Undo, check_name, family_is_inet};
use crate::store::FlowtableState;
use crate::store::error::{ErrorKind, Thing};
use crate::{Creation, Flowtable, Handle, Hook, Selector, TableId};

impl Transaction<'_> {
    pub(super) fn new_flowtable(
        &mut self,
        table: &TableId,
        flowtable: &Flowtable,
        creation: Creation,
    ) -> Result<Option<Handle>, ErrorKind> {
        let slot = self.find_table(table)?;
        check_name(Thing::Flowtable, &flowtable.name)?;
        if !family_is_inet(table.family) {
            return Err(ErrorKind::FlowtableFamily(table.family));
        }
        let old = self.table(slot).flowtables.find(&*flowtable.name);
        if old.is_some() && creation == Creation::Create {
            let name = flowtable.name.clone();
            return Err(ErrorKind::Exists { what: Thing::Flowtable, table: table.clone(), name });
        }
        for other in self.table(slot).flowtables().filter(|other| Some(other.id) != old) {
            if let Some(device) =
                flowtable.devices.iter().find(|device| other.flowtable.devices.contains(device))
            {
                return Err(ErrorKind::DeviceTaken {
                    table: table.clone(),
                    device: device.clone(),
                    other: other.flowtable.name.clone(),
                });
            }
        }
        if let Some(old) = old {
            return self.update_flowtable(slot, old, table, flowtable);
        }
        if flowtable.hook != Some(Hook::Ingress) {
            return Err(ErrorKind::FlowtableHook { table: table.clone(), name: flowtable.name.clone() });
        }
        let handle = self.new_handle(slot);
        let flowtables = &mut self.table(slot).flowtables;
        let state = FlowtableState { handle, flowtable: flowtable.clone(), id: 0, uses: 0 };
        let new = flowtables.insert(handle, flowtable.name.clone(), state);
        if let Some(state) = flowtables.get_mut(new) {
            state.id = new;
            let mut seen = hashbrown::HashSet::new();
            state.flowtable.devices.retain(|device| seen.insert(device.clone()));
        }
        self.undo.push(Undo::NewFlowtable(slot, new));
        Ok(Some(handle))
    }

    /// `nft_flowtable_update`: more devices.
    fn update_flowtable(
        &mut self,
        table: u32,
        slot: u32,
        id: &TableId,
        wanted: &Flowtable,
    ) -> Result<Option<Handle>, ErrorKind> {
        let Some(state) = self.table(table).flowtables.get_mut(slot) else { return Ok(None) };
        let differs = |difference| ErrorKind::Differs {
            what: Thing::Flowtable,
            table: id.clone(),
            name: wanted.name.clone(),
            difference,
        };
        if let Some(hook) = wanted.hook
            && (Some(hook) != state.flowtable.hook || wanted.priority != state.flowtable.priority)
        {
            return Err(differs("its hook or priority is another"));
        }
        if wanted.hw_offload != state.flowtable.hw_offload {
            return Err(differs("its flags are others"));
        }
        let (old, handle) = (state.flowtable.clone(), state.handle);
        state.flowtable.unknown.update(&wanted.unknown);
        for device in &wanted.devices {
            if !state.flowtable.devices.contains(device) {
                state.flowtable.devices.push(device.clone());
            }
        }
        self.undo.push(Undo::Flowtable(table, slot, Box::new(old)));
        Ok(Some(handle))
    }

    pub(super) fn del_flowtable(
        &mut self,
        table: &TableId,
        which: &Selector,
        devices: &[Box<str>],
        missing_ok: bool,
    ) -> Result<Option<Handle>, ErrorKind> {
        let what = Thing::Flowtable;
        let found = self.find_table(table).and_then(|slot| {
            let flowtables = &self.table(slot).flowtables;
            let (found, missing) = match which {
                Selector::Name(name) => (
                    flowtables.find(&**name),
                    ErrorKind::NoSuch { what, table: table.clone(), name: name.clone() },
                ),
                Selector::Handle(handle) => (
                    flowtables.find_handle(*handle),
                    ErrorKind::NoHandle { what, table: table.clone(), handle: *handle },
                ),
            };
            Ok((slot, found.ok_or(missing)?))
        });
        let (table_slot, slot) = match found {
            Ok(found) => found,
            Err(_) if missing_ok => return Ok(None),
            Err(error) => return Err(error),
        };
        let flowtables = &mut self.table(table_slot).flowtables;
        let Some(state) = flowtables.get_mut(slot) else { return Ok(None) };
        let handle = state.handle;
        if !devices.is_empty() {
            let mut left = state.flowtable.devices.clone();
            for device in devices {
                let Some(at) = left.iter().position(|other| other == device) else {
                    let name = format!("{} on device {device}", state.flowtable.name).into();
                    return Err(ErrorKind::NoSuch { what, table: table.clone(), name });
                };
                left.remove(at);
            }
            let old = state.flowtable.clone();
            state.flowtable.devices = left;
            self.undo.push(Undo::Flowtable(table_slot, slot, Box::new(old)));
            return Ok(Some(handle));
        }
        if state.uses > 0 {
            let name = state.flowtable.name.clone();
            return Err(ErrorKind::InUse { what, table: table.clone(), name });
        }
        if let Some(removed) = flowtables.remove(slot) {
            self.undo.push(Undo::DelFlowtable(table_slot, Box::new(removed)));
        }
        Ok(Some(handle))
    }
}
