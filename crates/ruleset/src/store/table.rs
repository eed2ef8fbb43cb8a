//! A committed table with all it holds.

use std::collections::BTreeSet;
use std::time::Duration;

use hashbrown::{Equivalent, HashMap};
use ironweir_expr::objref::ObjectType;
use ironweir_wire::Instant;

use super::elements::{Entry, Refusal, Removed};
use super::references::verdict_chain;
use super::registry::Registry;
use super::{ChainState, SetState};
use crate::set::SetData;
use crate::{Data, Element, ElementData, Flowtable, Handle, Object, Table, Value};

/// A committed object.
#[derive(Clone, Debug)]
pub struct ObjectState {
    /// Its handle.
    pub handle: Handle,
    /// Its attributes and state.
    pub object: Object,
    /// Which slot it is in.
    pub id: u32,
    pub(super) uses: u32,
}

impl ObjectState {
    /// How many rules and elements use it.
    pub fn uses(&self) -> u32 {
        self.uses
    }
}

/// A committed flowtable.
#[derive(Clone, Debug)]
pub struct FlowtableState {
    /// Its handle.
    pub handle: Handle,
    /// Its attributes.
    pub flowtable: Flowtable,
    /// Which slot it is in.
    pub id: u32,
    pub(super) uses: u32,
}

impl FlowtableState {
    /// How many rules use it.
    pub fn uses(&self) -> u32 {
        self.uses
    }
}

/// An object's name, which is unique for each type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ObjectName(pub(super) ObjectType, pub(super) Box<str>);

#[derive(Hash)]
pub(super) struct ObjectQuery<'a>(pub(super) ObjectType, pub(super) &'a str);

impl Equivalent<ObjectName> for ObjectQuery<'_> {
    fn equivalent(&self, name: &ObjectName) -> bool {
        self.0 == name.0 && self.1 == &*name.1
    }
}

/// Numbers for the names of anonymous sets: the lowest that is free.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    next: u64,
    free: BTreeSet<u64>,
}

impl Numbers {
    pub(super) fn take(&mut self) -> u64 {
        self.free.pop_first().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        })
    }

    pub(super) fn give_back(&mut self, number: u64) {
        self.free.insert(number);
    }

    /// Takes a number that was given elsewhere; those below it are free unless they are taken as well.
    pub(super) fn occupy(&mut self, number: u64) {
        // A name is given by whoever told it, and so is its number: not as many as it says are kept.
        const MOST: u64 = 1 << 20;
        if number >= self.next && number - self.next < MOST {
            self.free.extend(self.next..number);
            self.next = number + 1;
        } else {
            self.free.remove(&number);
        }
    }

    /// Takes a certain number that was given back.
    pub(super) fn retake(&mut self, number: u64) {
        self.free.remove(&number);
    }
}

/// A committed table.
#[derive(Clone, Debug)]
pub struct TableState {
    /// Its handle, unique among all tables.
    pub handle: Handle,
    /// Its attributes.
    pub table: Table,
    /// The program that owns it, where that is known: a table with [`crate::TableFlags::OWNER`] elsewhere.
    pub owner: Option<Box<str>>,
    /// Which slot it is in.
    pub id: u32,
    pub(super) chains: Registry<Box<str>, ChainState>,
    pub(super) sets: Registry<Box<str>, SetState>,
    pub(super) objects: Registry<ObjectName, ObjectState>,
    pub(super) flowtables: Registry<Box<str>, FlowtableState>,
    pub(super) next_handle: u64,
    pub(super) anonymous: HashMap<Box<str>, Numbers>,
}

impl TableState {
    pub(super) fn new(handle: Handle, table: Table) -> TableState {
        TableState {
            handle,
            table,
            owner: None,
            id: 0,
            chains: Registry::default(),
            sets: Registry::default(),
            objects: Registry::default(),
            flowtables: Registry::default(),
            next_handle: if handle.told() == 0 { Handle::NOT_GIVEN } else { 1 },
            anonymous: HashMap::new(),
        }
    }

    /// The handle that the next thing in it gets.
    pub fn next_handle(&self) -> u64 {
        self.next_handle
    }

    /// Its chains in the order they were made.
    pub fn chains(&self) -> impl Iterator<Item = &ChainState> {
        self.chains.iter().map(|(_, chain)| chain)
    }

    /// Its sets and maps in the order they were made, anonymous ones included.
    pub fn sets(&self) -> impl Iterator<Item = &SetState> {
        self.sets.iter().map(|(_, set)| set)
    }

    /// Its objects in the order they were made.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectState> {
        self.objects.iter().map(|(_, object)| object)
    }

    /// Its flowtables in the order they were made.
    pub fn flowtables(&self) -> impl Iterator<Item = &FlowtableState> {
        self.flowtables.iter().map(|(_, flowtable)| flowtable)
    }

    /// A chain by name.
    pub fn chain(&self, name: &str) -> Option<&ChainState> {
        self.chains.get(self.chains.find(name)?)
    }

    /// A chain by handle.
    pub fn chain_by_handle(&self, handle: Handle) -> Option<&ChainState> {
        self.chains.get(self.chains.find_handle(handle)?)
    }

    /// The chain in a slot.
    pub fn chain_at(&self, slot: u32) -> Option<&ChainState> {
        self.chains.get(slot)
    }

    /// One more than the greatest slot a chain ever had.
    pub fn chain_bound(&self) -> usize {
        self.chains.bound()
    }

    /// How many chains it has.
    pub fn chain_count(&self) -> usize {
        self.chains.len()
    }

    /// A set by name.
    pub fn set(&self, name: &str) -> Option<&SetState> {
        self.sets.get(self.sets.find(name)?)
    }

    /// A set by handle.
    pub fn set_by_handle(&self, handle: Handle) -> Option<&SetState> {
        self.sets.get(self.sets.find_handle(handle)?)
    }

    /// The set in a slot.
    pub fn set_at(&self, slot: u32) -> Option<&SetState> {
        self.sets.get(slot)
    }

    /// The set in a slot, to change its elements.
    pub fn set_at_mut(&mut self, slot: u32) -> Option<&mut SetState> {
        self.sets.get_mut(slot)
    }

    /// An object by type and name.
    pub fn object(&self, kind: ObjectType, name: &str) -> Option<&ObjectState> {
        self.objects.get(self.objects.find(&ObjectQuery(kind, name))?)
    }

    /// An object by type and handle.
    pub fn object_by_handle(&self, kind: ObjectType, handle: Handle) -> Option<&ObjectState> {
        let object = self.objects.get(self.objects.find_handle(handle)?)?;
        (object.object.object_type() == kind).then_some(object)
    }

    /// A flowtable by name.
    pub fn flowtable(&self, name: &str) -> Option<&FlowtableState> {
        self.flowtables.get(self.flowtables.find(name)?)
    }

    /// A flowtable by handle.
    pub fn flowtable_by_handle(&self, handle: Handle) -> Option<&FlowtableState> {
        self.flowtables.get(self.flowtables.find_handle(handle)?)
    }

    /// The flowtable in a slot.
    pub fn flowtable_at(&self, slot: u32) -> Option<&FlowtableState> {
        self.flowtables.get(slot)
    }

    /// Gives back the memory of a set's elements whose time is over, `most` of them at once. Whether that was all.
    pub fn expire_set(&mut self, slot: u32, now: Instant, most: usize) -> bool {
        let Some(set) = self.sets.get_mut(slot) else { return true };
        let mut gone = Vec::new();
        let all = set.elements.expire(now, most, |entry| gone.extend(Referred::by(&entry)));
        for referred in gone {
            self.count_use(slot, referred, -1);
        }
        all
    }

    /// Puts an element into a set: see [`Elements::insert`](super::Elements::insert). What is over is not in its way.
    pub fn insert_element(
        &mut self,
        slot: u32,
        element: Element,
        end: Option<Value>,
        lifetime: Option<Duration>,
        now: Instant,
    ) -> Result<u32, Refusal> {
        /// How many may be given back to make room for one.
        const MOST: usize = 64;
        let mut cleared = false;
        let result = loop {
            let Some(set) = self.sets.get(slot) else { return Err(Refusal::Full) };
            match set.elements.check(&element, end.as_ref()) {
                Err(Refusal::Full) if !cleared => {
                    self.expire_set(slot, now, MOST);
                    cleared = true;
                }
                Err(Refusal::Exists(other) | Refusal::Overlaps(other))
                    if set.elements.get(other).is_some_and(|entry| entry.is_expired(now)) =>
                {
                    self.delete_element(slot, other);
                }
                result => break result,
            }
        };
        result?;
        let Some(set) = self.sets.get_mut(slot) else { return Err(Refusal::Full) };
        let expires = lifetime.map(|lifetime| now + lifetime);
        let new = set.elements.put(Removed { entry: Entry { element, expires }, end });
        if set.set.data.is_some() {
            self.retain_slot(slot, new);
        }
        Ok(new)
    }

    /// Removes an element from the packet path.
    pub fn delete_element(&mut self, set: u32, element: u32) {
        self.release_slot(set, element);
        if let Some(state) = self.sets.get_mut(set) {
            state.elements.remove(element);
        }
    }

    /// What the element in a slot maps to is used once less.
    pub(super) fn release_slot(&mut self, set: u32, element: u32) {
        let entry = self.sets.get(set).and_then(|set| set.elements.get(element));
        if let Some(referred) = entry.and_then(Referred::by) {
            self.count_use(set, referred, -1);
        }
    }

    /// What the element in a slot maps to is used once more.
    pub(super) fn retain_slot(&mut self, set: u32, element: u32) {
        let entry = self.sets.get(set).and_then(|set| set.elements.get(element));
        if let Some(referred) = entry.and_then(Referred::by) {
            self.count_use(set, referred, 1);
        }
    }

    /// What the elements of a set map to is used once less each.
    pub(super) fn release_all(&mut self, set: u32) {
        self.count_all(set, -1);
    }

    /// What the elements of a set map to is used once more each.
    pub(super) fn retain_all(&mut self, set: u32) {
        self.count_all(set, 1);
    }

    fn count_all(&mut self, set: u32, by: i32) {
        let Some(state) = self.sets.get(set) else { return };
        if !matches!(state.set.data, Some(SetData::Verdict | SetData::Object(_))) {
            return;
        }
        let entries = state.elements.order().into_iter().filter_map(|slot| state.elements.get(slot));
        let referred: Vec<Referred> = entries.filter_map(Referred::by).collect();
        for referred in referred {
            self.count_use(set, referred, by);
        }
    }

    fn count_use(&mut self, set: u32, referred: Referred, by: i32) {
        let Some(state) = self.sets.get_mut(set) else { return };
        match referred {
            Referred::Chain(id) => {
                let number = state.targets.entry(id).or_insert(0);
                *number = number.saturating_add_signed(by);
                if *number == 0 {
                    state.targets.remove(&id);
                }
                if let Some(chain) = self.chains.get_mut(id) {
                    chain.uses = chain.uses.saturating_add_signed(by);
                }
            }
            Referred::Object(name) => {
                let Some(SetData::Object(kind)) = state.set.data else { return };
                let slot = self.objects.find(&ObjectQuery(kind, &name));
                if let Some(object) = slot.and_then(|slot| self.objects.get_mut(slot)) {
                    object.uses = object.uses.saturating_add_signed(by);
                }
            }
        }
    }
}

/// What an element of a map refers to.
enum Referred {
    Chain(u32),
    Object(Box<str>),
}

impl Referred {
    fn by(entry: &Entry) -> Option<Referred> {
        match entry.element.data()? {
            ElementData::Data(Data::Verdict(verdict)) => verdict_chain(verdict)?.id.map(Referred::Chain),
            ElementData::Data(_) => None,
            ElementData::Object(name) => Some(Referred::Object(name.clone())),
        }
    }
}
