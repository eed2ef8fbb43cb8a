//! Changes to sets.

use super::{Transaction, Undo, check_name};
use crate::set::SetData;
use crate::store::error::{ErrorKind, Thing};
use crate::store::{Elements, SetState};
use crate::{Creation, Handle, Selector, Set, SetFlags, TableId};

/// What `nf_tables_newset` refuses.
fn check_set(table: &TableId, set: &Set) -> Result<(), ErrorKind> {
    let bad = |reason| Err(ErrorKind::BadSet { table: table.clone(), name: set.name.clone(), reason });
    let unsupported =
        |reason| Err(ErrorKind::UnsupportedSet { table: table.clone(), name: set.name.clone(), reason });
    let flags = set.flags;
    if !(1..=64).contains(&set.key_len) {
        return bad("keys have 1 to 64 bytes");
    }
    if let Some(SetData::Value { len, .. }) = set.data
        && !(1..=64).contains(&len)
    {
        return bad("data has 1 to 64 bytes");
    }
    if flags.contains(SetFlags::MAP | SetFlags::OBJECT) {
        return unsupported("a map maps either to objects or to data");
    }
    if flags.contains(SetFlags::EVAL | SetFlags::OBJECT) {
        return unsupported("rules cannot add objects to maps");
    }
    if matches!(set.data, Some(SetData::Object(_))) != flags.contains(SetFlags::OBJECT)
        || matches!(set.data, Some(SetData::Value { .. } | SetData::Verdict)) != flags.contains(SetFlags::MAP)
    {
        return bad("its flags do not say what it maps to");
    }
    if (set.timeout.is_some() || set.gc_interval.is_some()) && !flags.contains(SetFlags::TIMEOUT) {
        return bad("a timeout needs the timeout flag");
    }
    if !set.fields.is_empty() {
        let padded: u32 =
            set.fields.iter().map(|len| len.saturating_add(3) & !3).fold(0, u32::saturating_add);
        if set.fields.contains(&0) || padded != set.key_len {
            return bad("the fields of the concatenation are not as long as the key");
        }
    }
    if flags.contains(SetFlags::INTERVAL | SetFlags::EVAL) {
        return unsupported("a set with intervals cannot be dynamic");
    }
    Ok(())
}

/// In what two sets differ (`nft_set_is_same`).
fn difference(old: &Set, new: &Set) -> Option<&'static str> {
    Some(match () {
        () if old.key_type != new.key_type || old.key_len != new.key_len => "its keys are of another type",
        () if old.data != new.data => "it maps to another type",
        // The kernel knows, and tells, the fields of intervals alone: what was read from it may lack them.
        () if new.flags.contains(SetFlags::CONCAT) && old.fields != new.fields => {
            "its concatenation is another"
        }
        () if old.flags != new.flags => "its flags are others",
        () if old.size != new.size => "its size is another",
        () if old.policy != new.policy => "its policy is another",
        () if old.exprs.len() != new.exprs.len() => "its stateful expressions are others",
        () => return None,
    })
}

impl Transaction<'_> {
    pub(super) fn new_set(
        &mut self,
        table: &TableId,
        set: &Set,
        creation: Creation,
    ) -> Result<Option<Handle>, ErrorKind> {
        let slot = self.find_table(table)?;
        check_name(Thing::Set, &set.name)?;
        check_set(table, set)?;
        if let Some(old_slot) = self.table(slot).sets.find(&*set.name) {
            let Some(old) = self.table(slot).sets.get(old_slot) else { return Ok(None) };
            if creation == Creation::Create {
                return Err(ErrorKind::Exists {
                    what: Thing::Set,
                    table: table.clone(),
                    name: set.name.clone(),
                });
            }
            if let Some(difference) = difference(&old.set, set) {
                return Err(ErrorKind::Differs {
                    what: Thing::Set,
                    table: table.clone(),
                    name: set.name.clone(),
                    difference,
                });
            }
            let handle = old.handle;
            self.set_ids.insert((slot, set.id), old_slot);
            return Ok(Some(handle));
        }
        let mut set = set.clone();
        let number = set.id;
        if let Some(prefix) = set.name.strip_suffix("%d").map(Box::<str>::from) {
            let numbers = self.table(slot).anonymous.entry(prefix.clone()).or_default();
            let number = numbers.take();
            set.name = format!("{prefix}{number}").into();
            self.undo.push(Undo::TakeNumber(slot, prefix, number));
            if self.table(slot).sets.find(&*set.name).is_some() {
                return Err(ErrorKind::Exists { what: Thing::Set, table: table.clone(), name: set.name });
            }
        }
        let anonymous = set.flags.contains(SetFlags::ANONYMOUS);
        let handle = self.new_handle(slot);
        let elements = Elements::new(&set, self.ruleset.seed);
        let name = set.name.clone();
        let state = SetState {
            handle,
            set,
            id: 0,
            elements,
            uses: 0,
            targets: hashbrown::HashMap::new(),
            elsewhere: None,
        };
        let sets = &mut self.table(slot).sets;
        let set_slot = sets.insert(handle, name, state);
        if let Some(state) = sets.get_mut(set_slot) {
            state.id = set_slot;
        }
        self.set_ids.insert((slot, number), set_slot);
        self.undo.push(Undo::NewSet(slot, set_slot));
        if anonymous {
            self.anonymous.push((self.change, slot, set_slot, handle, Thing::Set));
        }
        Ok(Some(handle))
    }

    pub(super) fn find_set(&mut self, table: u32, which: &Selector) -> Result<u32, ErrorKind> {
        let state = self.table(table);
        let (slot, missing) = match which {
            Selector::Name(name) => (
                state.sets.find(&**name),
                ErrorKind::NoSuch { what: Thing::Set, table: state.table.id.clone(), name: name.clone() },
            ),
            Selector::Handle(handle) => (
                state.sets.find_handle(*handle),
                ErrorKind::NoHandle { what: Thing::Set, table: state.table.id.clone(), handle: *handle },
            ),
        };
        slot.ok_or(missing)
    }

    pub(super) fn del_set(
        &mut self,
        table: &TableId,
        which: &Selector,
        missing_ok: bool,
    ) -> Result<Option<Handle>, ErrorKind> {
        let found = self.find_table(table).and_then(|slot| Ok((slot, self.find_set(slot, which)?)));
        let (slot, set) = match found {
            Ok(found) => found,
            Err(_) if missing_ok => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(state) = self.table(slot).sets.get(set) else { return Ok(None) };
        let handle = state.handle;
        if state.uses > 0 {
            let name = state.set.name.clone();
            return Err(ErrorKind::InUse { what: Thing::Set, table: table.clone(), name });
        }
        self.remove_set(slot, set);
        Ok(Some(handle))
    }

    /// Takes a set out with its elements.
    pub(super) fn remove_set(&mut self, table: u32, slot: u32) {
        let state = self.table(table);
        state.release_all(slot);
        let Some((handle, name, set)) = state.sets.remove(slot) else { return };
        if set.is_anonymous()
            && let Some((prefix, number)) = numbered(&name)
            && let Some(numbers) = state.anonymous.get_mut(prefix)
        {
            numbers.give_back(number);
        }
        self.undo.push(Undo::DelSet(table, Box::new((handle, name, set))));
    }
}

/// The pattern and number of an anonymous set's name.
pub(in crate::store) fn numbered(name: &str) -> Option<(&str, u64)> {
    let prefix = name.trim_end_matches(|c: char| c.is_ascii_digit());
    Some((prefix, name[prefix.len()..].parse().ok()?))
}
