//! Changes to objects.

use ironweir_expr::objref::ObjectType;
use ironweir_expr::quota::Quota;

use super::{Transaction, Undo, check_name};
use crate::store::ObjectState;
use crate::store::error::{ErrorKind, Thing};
use crate::store::table::{ObjectName, ObjectQuery};
use crate::{Creation, Handle, Object, ObjectKind, Selector, TableId};

impl Transaction<'_> {
    pub(super) fn new_object(
        &mut self,
        table: &TableId,
        object: &Object,
        creation: Creation,
    ) -> Result<Option<Handle>, ErrorKind> {
        let slot = self.find_table(table)?;
        let kind = object.object_type();
        check_name(Thing::Object(kind), &object.name)?;
        if let Some(old_slot) = self.table(slot).objects.find(&ObjectQuery(kind, &object.name)) {
            if creation == Creation::Create {
                return Err(ErrorKind::Exists {
                    what: Thing::Object(kind),
                    table: table.clone(),
                    name: object.name.clone(),
                });
            }
            return Ok(self.update_object(slot, old_slot, &object.kind));
        }
        let handle = self.new_handle(slot);
        let objects = &mut self.table(slot).objects;
        let name = ObjectName(kind, object.name.clone());
        let new =
            objects.insert(handle, name, ObjectState { handle, object: object.clone(), id: 0, uses: 0 });
        if let Some(state) = objects.get_mut(new) {
            state.id = new;
        }
        self.undo.push(Undo::NewObject(slot, new));
        Ok(Some(handle))
    }

    /// Quotas and synproxies can be changed (`nft_object_ops.update`); others stay as they are.
    fn update_object(&mut self, table: u32, slot: u32, wanted: &ObjectKind) -> Option<Handle> {
        let state = self.table(table).objects.get_mut(slot)?;
        let handle = state.handle;
        let new = match (&state.object.kind, wanted) {
            (ObjectKind::Quota(old), ObjectKind::Quota(new)) => {
                ObjectKind::Quota(Quota::new(new.bytes, new.over, old.consumed()))
            }
            (ObjectKind::Synproxy(_), ObjectKind::Synproxy(new)) => ObjectKind::Synproxy(*new),
            _ => return Some(handle),
        };
        let old = std::mem::replace(&mut state.object.kind, new);
        self.undo.push(Undo::Object(table, slot, Box::new(old)));
        Some(handle)
    }

    pub(super) fn del_object(
        &mut self,
        table: &TableId,
        kind: ObjectType,
        which: &Selector,
        missing_ok: bool,
    ) -> Result<Option<Handle>, ErrorKind> {
        let what = Thing::Object(kind);
        let found = self.find_table(table).and_then(|slot| {
            let state = self.table(slot);
            let (object, missing) = match which {
                Selector::Name(name) => (
                    state.objects.find(&ObjectQuery(kind, name)),
                    ErrorKind::NoSuch { what, table: table.clone(), name: name.clone() },
                ),
                Selector::Handle(handle) => (
                    state.objects.find_handle(*handle).filter(|slot| {
                        state.objects.get(*slot).is_some_and(|object| object.object.object_type() == kind)
                    }),
                    ErrorKind::NoHandle { what, table: table.clone(), handle: *handle },
                ),
            };
            Ok((slot, object.ok_or(missing)?))
        });
        let (slot, object) = match found {
            Ok(found) => found,
            Err(_) if missing_ok => return Ok(None),
            Err(error) => return Err(error),
        };
        let objects = &mut self.table(slot).objects;
        if let Some(state) = objects.get(object)
            && state.uses > 0
        {
            return Err(ErrorKind::InUse { what, table: table.clone(), name: state.object.name.clone() });
        }
        let Some(removed) = objects.remove(object) else { return Ok(None) };
        let handle = removed.0;
        self.undo.push(Undo::DelObject(slot, Box::new(removed)));
        Ok(Some(handle))
    }
}
