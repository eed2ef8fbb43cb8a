//! Changes to the elements of sets.

use std::time::Duration;

use super::{Origin, Transaction, Undo};
use crate::set::SetData;
use crate::store::elements::{Elements, Refusal, Removed};
use crate::store::error::{ErrorKind, Thing};
use crate::store::references::verdict_chain;
use crate::store::table::ObjectQuery;
use crate::{
    Batch, Change, Creation, Data, Element, ElementData, ElementFlags, Handle, Selector, Set, SetFlags,
    SetRef, TableId, Value,
};

/// What an element must be like to be in a set (`nft_add_set_elem`); the reason why it may not.
fn check_element(set: &Set, element: &Element) -> Result<(), &'static str> {
    let catchall = element.flags.contains(ElementFlags::CATCHALL);
    if catchall && (element.flags.contains(ElementFlags::INTERVAL_END) || !element.key.is_empty()) {
        return Err("a catch-all has no key");
    }
    if !catchall && element.key.len() != set.key_len as usize {
        return Err("its key has the wrong length");
    }
    if let Some(end) = element.key_end() {
        if !set.flags.contains(SetFlags::INTERVAL) {
            return Err("the set holds no intervals");
        }
        if end.len() != set.key_len as usize {
            return Err("the end of its interval has the wrong length");
        }
    }
    if element.flags.contains(ElementFlags::INTERVAL_END) {
        if !set.flags.contains(SetFlags::INTERVAL) {
            return Err("the set holds no intervals");
        }
        return Ok(());
    }
    match (element.data(), set.data) {
        (None, None)
        | (Some(ElementData::Object(_)), Some(SetData::Object(_)))
        | (Some(ElementData::Data(Data::Verdict(_))), Some(SetData::Verdict)) => {}
        (Some(ElementData::Data(Data::Value(value))), Some(SetData::Value { len, .. })) => {
            // A map to intervals has both ends in its data.
            if value.len() != len as usize && value.len() != 2 * len as usize {
                return Err("its data has the wrong length");
            }
        }
        (None, Some(_)) => return Err("a map's element needs data"),
        (Some(_), None) => return Err("the set is no map"),
        _ => return Err("its data is of the wrong type"),
    }
    if let Some(more) = &element.more
        && (more.timeout.is_some() || more.expiration.is_some())
        && !set.flags.contains(SetFlags::TIMEOUT)
    {
        return Err("the set has no timeouts");
    }
    Ok(())
}

/// How many elements whose time is over a change gives back: it is not to wait for a million.
const EXPIRED: usize = 1024;

/// How long an element lives from now on.
fn lifetime(set: &Set, element: &Element) -> Option<Duration> {
    if !set.flags.contains(SetFlags::TIMEOUT) {
        return None;
    }
    let more = element.more.as_deref();
    let millis = more.and_then(|more| more.expiration.or(more.timeout)).or(set.timeout)?;
    (millis > 0).then(|| Duration::from_millis(millis))
}

/// Where elements go to or are taken from, and which.
fn elements_of(change: &Change) -> Option<(bool, &TableId, &str, &[Element])> {
    match change {
        Change::NewElements { table, set, elements, .. } => Some((true, table, &set.name, elements)),
        Change::DelElements { table, set, elements: Some(elements), .. } => {
            Some((false, table, set, elements))
        }
        _ => None,
    }
}

/// Whether an interval begins at the end of a change and ends with the first element of the next one: a message holds no
/// more than 64 KiB, and clients cut anywhere.
fn is_cut(change: Option<&Change>, next: Option<&Change>) -> bool {
    let (Some(one), Some(two)) = (change.and_then(elements_of), next.and_then(elements_of)) else {
        return false;
    };
    let is_end = |element: &Element| element.flags.contains(ElementFlags::INTERVAL_END);
    (one.0, one.1, one.2) == (two.0, two.1, two.2)
        && one.3.last().is_some_and(|last| !is_end(last) && !last.flags.contains(ElementFlags::CATCHALL))
        && two.3.first().is_some_and(is_end)
}

impl<'r> Transaction<'r> {
    /// The end of the interval that this change begins and the next one ends.
    fn cut_end(&self) -> Option<&'r Element> {
        let batch: &'r Batch = self.batch;
        let next = batch.changes.get(self.change + 1);
        let cut = is_cut(batch.changes.get(self.change), next);
        elements_of(next.filter(|_| cut)?).and_then(|(.., elements)| elements.first())
    }

    /// Whether the first element of this change ends what the change before began.
    fn continues(&self) -> bool {
        let before = self.change.checked_sub(1).and_then(|before| self.batch.changes.get(before));
        is_cut(before, self.batch.changes.get(self.change))
    }

    /// The set that elements go to: by name, or by its number when it is of this batch.
    fn find_element_set(&mut self, table: u32, set: &SetRef) -> Result<u32, ErrorKind> {
        let by_id = set.id.and_then(|id| self.set_ids.get(&(table, id)).copied());
        match self.find_set(table, &Selector::Name(set.name.clone())) {
            Ok(slot) => Ok(slot),
            Err(error) => by_id.ok_or(error),
        }
    }

    pub(super) fn new_elements(
        &mut self,
        table: &TableId,
        set: &SetRef,
        elements: &[Element],
        creation: Creation,
    ) -> Result<Option<Handle>, ErrorKind> {
        let slot = self.find_table(table)?;
        let set_slot = self.find_element_set(slot, set)?;
        self.check_changeable(slot, set_slot)?;
        let now = self.now;
        self.table(slot).expire_set(set_slot, now, EXPIRED);
        let mut added = Vec::with_capacity(elements.len());
        if let Some(set) = self.table(slot).sets.get_mut(set_slot) {
            set.elements.reserve(elements.len());
        }
        let result = self.add_elements(slot, set_slot, elements, creation, &mut added);
        if !added.is_empty() {
            self.undo.push(Undo::NewElements(slot, set_slot, added));
        }
        result.map(|()| None)
    }

    /// A constant set that a rule uses, or an anonymous one, does not change any more.
    fn check_changeable(&mut self, table: u32, set: u32) -> Result<(), ErrorKind> {
        let state = self.table(table);
        match state.sets.get(set) {
            Some(set)
                if set.uses > 0 && set.set.flags.intersects(SetFlags::CONSTANT | SetFlags::ANONYMOUS) =>
            {
                Err(ErrorKind::Constant { table: state.table.id.clone(), name: set.set.name.clone() })
            }
            _ => Ok(()),
        }
    }

    fn add_elements(
        &mut self,
        table: u32,
        set_slot: u32,
        elements: &[Element],
        creation: Creation,
        added: &mut Vec<u32>,
    ) -> Result<(), ErrorKind> {
        let id = self.table(table).table.id.clone();
        let cut = self.cut_end().map(|end| (elements.len(), end));
        let elements = elements.iter().enumerate().skip(usize::from(self.continues()));
        let mut elements = elements.chain(cut).peekable();
        while let Some((index, element)) = elements.next() {
            let state = self.table(table);
            let Some(set) = state.sets.get_mut(set_slot) else { return Ok(()) };
            let name = || set.set.name.clone();
            if let Err(reason) = check_element(&set.set, element) {
                return Err(ErrorKind::BadElement { table: id, set: name(), element: index, reason });
            }
            if element.flags.contains(ElementFlags::INTERVAL_END) {
                // An end without a beginning: what nft writes where the first interval does not begin at zero.
                let old = set.elements.set_end_at_zero(Some(element.key.clone()));
                self.undo.push(Undo::EndAtZero(table, set_slot, old));
                continue;
            }
            let mut end: Option<Value> = None;
            if set.elements.has_interval_ends()
                && !element.flags.contains(ElementFlags::CATCHALL)
                && let Some((_, next)) = elements.peek()
            {
                if next.key.len() == element.key.len() && next.key > element.key {
                    end = Some(next.key.clone());
                }
                if next.flags.contains(ElementFlags::INTERVAL_END) {
                    if end.is_none() {
                        let reason = "its interval ends before it begins";
                        return Err(ErrorKind::BadElement { table: id, set: name(), element: index, reason });
                    }
                    elements.next();
                }
            }
            let mut element = element.clone();
            let lifetime = lifetime(&set.set, &element);
            if element.exprs().is_empty() && !set.set.exprs.is_empty() {
                element.more_mut().exprs = set.set.exprs.clone();
            }
            if set.set.data.is_some() {
                self.resolve_data(table, set_slot, &mut element)?;
            }
            let now = self.now;
            let data = element.data().cloned();
            let state = self.table(table);
            let inserted = state.insert_element(set_slot, element, end, lifetime, now);
            let Some(set) = state.sets.get(set_slot) else { return Ok(()) };
            match inserted {
                Ok(slot) => added.push(slot),
                Err(Refusal::Full) => {
                    let size = set.set.size.unwrap_or(u32::MAX);
                    return Err(ErrorKind::SetFull { table: id, set: set.set.name.clone(), size });
                }
                Err(Refusal::Overlaps(_)) => {
                    return Err(ErrorKind::Overlap { table: id, set: set.set.name.clone(), element: index });
                }
                Err(Refusal::Exists(slot)) => {
                    let old = set.elements.get(slot);
                    let same = old.is_some_and(|old| old.element.data() == data.as_ref());
                    if creation == Creation::Create || !same {
                        return Err(ErrorKind::ElementExists {
                            table: id,
                            set: set.set.name.clone(),
                            element: index,
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// Fills in the chain or checks the object an element maps to.
    fn resolve_data(&mut self, table: u32, set_slot: u32, element: &mut Element) -> Result<(), ErrorKind> {
        let Some(more) = &mut element.more else { return Ok(()) };
        match &mut more.data {
            Some(ElementData::Data(Data::Verdict(verdict))) => {
                self.resolve_verdict(table, verdict)?;
                if verdict_chain(verdict).is_some() {
                    self.jumps_changed.insert(table);
                    self.new_jumps.push((self.change, table, Origin::Map(set_slot)));
                }
            }
            Some(ElementData::Object(name)) => {
                let state = self.table(table);
                let kind = match state.sets.get(set_slot).and_then(|set| set.set.data) {
                    Some(SetData::Object(kind)) => kind,
                    _ => return Ok(()),
                };
                if state.objects.find(&ObjectQuery(kind, name)).is_none() {
                    return Err(ErrorKind::NoSuch {
                        what: Thing::Object(kind),
                        table: state.table.id.clone(),
                        name: name.clone(),
                    });
                }
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn del_elements(
        &mut self,
        table: &TableId,
        set: &str,
        elements: Option<&[Element]>,
        missing_ok: bool,
    ) -> Result<Option<Handle>, ErrorKind> {
        let found = self
            .find_table(table)
            .and_then(|slot| Ok((slot, self.find_set(slot, &Selector::Name(set.into()))?)));
        let (slot, set_slot) = match found {
            Ok(found) => found,
            Err(_) if missing_ok => return Ok(None),
            Err(error) => return Err(error),
        };
        self.check_changeable(slot, set_slot)?;
        let now = self.now;
        self.table(slot).expire_set(set_slot, now, EXPIRED);
        let mut removed = Vec::new();
        let result = match elements {
            None => {
                // All at once: what a flush costs is not to grow with the set.
                self.table(slot).release_all(set_slot);
                let seed = self.ruleset.seed;
                if let Some(set) = self.table(slot).sets.get_mut(set_slot) {
                    let none = Elements::new(&set.set, seed);
                    let old = std::mem::replace(&mut set.elements, none);
                    self.undo.push(Undo::FlushSet(slot, set_slot, Box::new(old)));
                }
                Ok(())
            }
            Some(elements) => self.remove_elements(slot, set_slot, elements, missing_ok, &mut removed),
        };
        if !removed.is_empty() {
            self.undo.push(Undo::DelElements(slot, set_slot, removed));
        }
        result.map(|()| None)
    }

    fn remove_elements(
        &mut self,
        table: u32,
        set_slot: u32,
        elements: &[Element],
        missing_ok: bool,
        removed: &mut Vec<Removed>,
    ) -> Result<(), ErrorKind> {
        let now = self.now;
        let cut = self.cut_end().map(|end| (elements.len(), end));
        let elements = elements.iter().enumerate().skip(usize::from(self.continues()));
        let mut elements = elements.chain(cut).peekable();
        while let Some((index, element)) = elements.next() {
            let state = self.table(table);
            let Some(set) = state.sets.get(set_slot) else { return Ok(()) };
            if element.flags.contains(ElementFlags::INTERVAL_END) {
                continue;
            }
            let catchall = element.flags.contains(ElementFlags::CATCHALL);
            let mut end = None;
            if set.elements.has_interval_ends() && !catchall {
                end = elements
                    .next_if(|(_, next)| next.flags.contains(ElementFlags::INTERVAL_END))
                    .map(|(_, next)| &next.key);
            }
            let right_length = catchall || element.key.len() == set.set.key_len as usize;
            let live = |slot: &u32| set.elements.get(*slot).is_some_and(|entry| !entry.is_expired(now));
            match set.elements.find(element, end).filter(|_| right_length).filter(live) {
                Some(slot) => self.remove_element(table, set_slot, slot, removed),
                None if missing_ok => {}
                None => {
                    return Err(ErrorKind::NoElement {
                        table: state.table.id.clone(),
                        set: set.set.name.clone(),
                        element: index,
                    });
                }
            }
        }
        Ok(())
    }

    fn remove_element(&mut self, table: u32, set: u32, element: u32, removed: &mut Vec<Removed>) {
        let state = self.table(table);
        state.release_slot(set, element);
        if let Some(gone) = state.sets.get_mut(set).and_then(|set| set.elements.remove(element)) {
            removed.push(gone);
        }
    }
}
