//! A ruleset that is committed somewhere else, put together from what its owner tells about it.
//!
//! Nothing is checked: the owner has done that. What was not asked for may be missing, and things may refer to it; such
//! references stay without a slot. Front ends list and compile against a mirror as against a ruleset of this process.

use std::sync::Arc;
use std::time::Duration;

use ironweir_expr::counter::Counter;
use ironweir_expr::immediate::Immediate;
use ironweir_expr::objref::Objref;
use ironweir_wire::Instant;

use super::apply::put_rule;
use super::apply::sets::numbered;
use super::elements::{Elements, Entry, Removed};
use super::references::verdict_chain_mut;
use super::table::ObjectName;
use super::{ChainState, FlowtableState, ObjectState, RuleState, Ruleset, SetState, TableState};
use crate::{
    Chain, Data, Element, ElementData, ElementFlags, Expr, Flowtable, Handle, Object, Rule, Set, SetRef,
    Table, TableId,
};

/// What was told is no ruleset: its jumps loop or go too deep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a ruleset whose jumps loop or go too deep")]
pub struct Unsound;

/// A ruleset on its way from elsewhere. What is told twice is taken once.
///
/// Tell tables first, then chains, sets, objects and flowtables, then elements, then rules: what is there when something
/// refers to it is found.
#[derive(Clone, Debug)]
pub struct Mirror {
    pub(super) ruleset: Ruleset,
}

impl Default for Mirror {
    fn default() -> Mirror {
        Mirror::new(0)
    }
}

impl Mirror {
    /// Nothing yet. `seed` keys the hashes of sets. What is made in a copy of its ruleset has no handle yet
    /// ([`Handle::told`] is 0): only the owner gives handles.
    pub fn new(seed: u64) -> Mirror {
        let mut ruleset = Ruleset::new(seed);
        ruleset.next_table_handle = Handle::NOT_GIVEN;
        Mirror { ruleset }
    }

    /// What was told so far.
    pub fn ruleset(&self) -> &Ruleset {
        &self.ruleset
    }

    /// Makes it a ruleset that is committed to: all was told that its owner had, and it has no other owner any more.
    /// Handles go on behind the greatest that was told, or from where [`Mirror::set_next_handle`] says.
    ///
    /// # Errors
    /// Its jumps loop or go too deep: nobody had such a ruleset.
    pub fn into_ruleset(self) -> Result<Ruleset, Unsound> {
        let mut ruleset = self.ruleset;
        if ruleset.next_table_handle >= Handle::NOT_GIVEN {
            let greatest = ruleset.tables().map(|table| table.handle.0).max().unwrap_or(0);
            ruleset.next_table_handle = greatest.saturating_add(1);
        }
        for slot in ruleset.tables.slots() {
            let Some(table) = ruleset.tables.get_mut(slot) else { continue };
            if table.next_handle >= Handle::NOT_GIVEN {
                let handles = (table.chains().map(|chain| chain.handle))
                    .chain(table.sets().map(|set| set.handle))
                    .chain(table.objects().map(|object| object.handle))
                    .chain(table.flowtables().map(|flowtable| flowtable.handle))
                    .chain(table.chains().flat_map(|chain| chain.rules().map(|rule| rule.handle)));
                table.next_handle = handles.map(|handle| handle.0).max().unwrap_or(0).saturating_add(1);
            }
            for set in table.sets.slots() {
                let Some(set) = table.sets.get_mut(set) else { continue };
                set.elsewhere = None;
                if set.is_anonymous()
                    && let Some((prefix, number)) = numbered(&set.set.name)
                {
                    table.anonymous.entry(prefix.into()).or_default().occupy(number);
                }
            }
            let reach = super::graph::walk(table).map_err(|_| Unsound)?;
            for (chain, bits) in reach {
                if let Some(chain) = table.chains.get_mut(chain) {
                    chain.reached_from = bits;
                }
            }
        }
        Ok(ruleset)
    }

    /// The handle that the next thing of a table gets.
    pub fn set_next_handle(&mut self, table: &TableId, next: u64) {
        if let Some(slot) = self.ruleset.tables.find(table)
            && let Some(table) = self.ruleset.tables.get_mut(slot)
        {
            table.next_handle = next;
        }
    }

    /// The handle that the next table gets, and the number of the next anonymous chain.
    pub fn set_next(&mut self, table: u64, anonymous_chain: u64) {
        self.ruleset.next_table_handle = table;
        self.ruleset.next_anonymous_chain = anonymous_chain;
    }

    /// Which generation of the ruleset this is.
    pub fn set_generation(&mut self, generation: u64) {
        self.ruleset.generation = generation;
    }

    /// A table, and the name of the program that owns it. Everything else is told of tables that were told.
    pub fn table(&mut self, handle: Handle, table: Table, owner: Option<Box<str>>) {
        let tables = &mut self.ruleset.tables;
        if tables.find(&table.id).is_some() || tables.find_handle(handle).is_some() {
            return;
        }
        let slot = tables.insert(handle, table.id.clone(), TableState::new(handle, table));
        if let Some(state) = tables.get_mut(slot) {
            state.id = slot;
            state.owner = owner;
            state.next_handle = Handle::NOT_GIVEN;
        }
        self.ruleset.next_table_handle = self.ruleset.next_table_handle.max(handle.0.saturating_add(1));
    }

    /// A chain, with packets and bytes that came to its policy.
    pub fn chain(&mut self, table: &TableId, handle: Handle, chain: Chain, hits: Option<(u64, u64)>) {
        self.ruleset.next_version += 1;
        let version = self.ruleset.next_version;
        let Some(state) = self.state(table, handle) else { return };
        if state.chains.find(&*chain.name).is_some() || state.chains.find_handle(handle).is_some() {
            return;
        }
        let name = chain.name.clone();
        let mut made = ChainState::new(handle, chain, version);
        if let Some((packets, bytes)) = hits {
            made.policy_hits = Arc::new(Counter::new(packets, bytes));
        }
        let slot = state.chains.insert(handle, name, made);
        if let Some(made) = state.chains.get_mut(slot) {
            made.id = slot;
        }
    }

    /// A set without elements. `count` is how many its owner says it holds.
    pub fn set(&mut self, table: &TableId, handle: Handle, set: Set, count: Option<u32>) {
        let seed = self.ruleset.seed;
        let Some(state) = self.state(table, handle) else { return };
        if state.sets.find(&*set.name).is_some() || state.sets.find_handle(handle).is_some() {
            return;
        }
        let name = set.name.clone();
        let elements = Elements::new(&set, seed);
        let made = SetState {
            handle,
            set,
            id: 0,
            elements,
            uses: 0,
            targets: hashbrown::HashMap::new(),
            elsewhere: Some(count),
        };
        let slot = state.sets.insert(handle, name, made);
        if let Some(made) = state.sets.get_mut(slot) {
            made.id = slot;
        }
    }

    /// Elements of a set, in any order, all of them: starts and ends of intervals are put together.
    pub fn elements(&mut self, table: &TableId, name: &str, mut elements: Vec<Element>, now: Instant) {
        let Some(slot) = self.ruleset.tables.find(table) else { return };
        let Some(state) = self.ruleset.tables.get_mut(slot) else { return };
        let Some(set_slot) = state.sets.find(name) else { return };
        for element in &mut elements {
            let data = element.more.as_mut().and_then(|more| more.data.as_mut());
            if let Some(ElementData::Data(Data::Verdict(verdict))) = data
                && let Some(chain) = verdict_chain_mut(verdict)
            {
                chain.id = state.chains.find(&*chain.name);
            }
        }
        let Some(set) = state.sets.get_mut(set_slot) else { return };
        let held = &mut set.elements;
        held.reserve(elements.len());
        let intervals = held.has_interval_ends();
        if intervals {
            // An end comes before a beginning at the same key: there one interval follows another.
            elements.sort_by(|a, b| {
                let flag = |element: &Element, flag| element.flags.contains(flag);
                let last = |element| flag(element, ElementFlags::CATCHALL);
                let start = |element| !flag(element, ElementFlags::INTERVAL_END);
                (last(a), &a.key, start(a)).cmp(&(last(b), &b.key, start(b)))
            });
        }
        let mut elements = elements.into_iter().peekable();
        while let Some(mut element) = elements.next() {
            if intervals && element.flags.contains(ElementFlags::INTERVAL_END) {
                held.set_end_at_zero(Some(element.key));
                continue;
            }
            let end = elements
                .next_if(|next| intervals && next.flags.contains(ElementFlags::INTERVAL_END))
                .map(|end| end.key);
            let expires = element.more.as_mut().and_then(|more| more.expiration.take());
            if held.find(&element, end.as_ref()).is_some() {
                continue;
            }
            let expires = expires.map(|left| now + Duration::from_millis(left));
            held.put(Removed { entry: Entry { element, expires }, end });
        }
        set.elsewhere = None;
        state.retain_all(set_slot);
    }

    /// An object with its state.
    pub fn object(&mut self, table: &TableId, handle: Handle, object: Object) {
        let Some(state) = self.state(table, handle) else { return };
        let name = ObjectName(object.object_type(), object.name.clone());
        if state.objects.find(&name).is_some() || state.objects.find_handle(handle).is_some() {
            return;
        }
        let slot = state.objects.insert(handle, name, ObjectState { handle, object, id: 0, uses: 0 });
        if let Some(made) = state.objects.get_mut(slot) {
            made.id = slot;
        }
    }

    /// A flowtable.
    pub fn flowtable(&mut self, table: &TableId, handle: Handle, flowtable: Flowtable) {
        let Some(state) = self.state(table, handle) else { return };
        if state.flowtables.find(&*flowtable.name).is_some() || state.flowtables.find_handle(handle).is_some()
        {
            return;
        }
        let name = flowtable.name.clone();
        let slot =
            state.flowtables.insert(handle, name, FlowtableState { handle, flowtable, id: 0, uses: 0 });
        if let Some(made) = state.flowtables.get_mut(slot) {
            made.id = slot;
        }
    }

    /// A rule, the last of its chain.
    pub fn rule(&mut self, table: &TableId, chain: &str, handle: Handle, mut rule: Rule) {
        let Some(state) = self.state(table, handle) else { return };
        let Some(slot) = state.chains.find(chain) else { return };
        let Some(known) = state.chains.get(slot) else { return };
        if known.rules.contains(handle) {
            return;
        }
        let last = known.rules.last();
        refer(state, &mut rule.exprs);
        put_rule(state, slot, last, Arc::new(RuleState { handle, rule }));
    }

    /// A table that something with this handle is told of: its next handle is greater.
    fn state(&mut self, table: &TableId, handle: Handle) -> Option<&mut TableState> {
        let slot = self.ruleset.tables.find(table)?;
        let state = self.ruleset.tables.get_mut(slot)?;
        state.next_handle = state.next_handle.max(handle.0.saturating_add(1));
        Some(state)
    }
}

/// Fills in slots of what expressions refer to by name.
fn refer(table: &TableState, exprs: &mut [Expr]) {
    let find = |set: &mut SetRef| set.id = table.sets.find(&*set.name);
    for expr in exprs {
        match expr.known_mut() {
            Expr::Immediate(Immediate::Verdict(verdict)) => {
                if let Some(chain) = verdict_chain_mut(verdict) {
                    chain.id = table.chains.find(&*chain.name);
                }
            }
            Expr::Lookup(lookup) => find(&mut lookup.set),
            Expr::Dynset(dynset) => find(&mut dynset.set),
            Expr::Objref(Objref::Map { set, .. }) => find(set),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Family, SetFlags, Value};

    fn id() -> TableId {
        TableId::new(Family::Ip, "t")
    }

    fn mirror_with(flags: SetFlags) -> Mirror {
        let mut mirror = Mirror::new(0);
        let table = Table {
            id: id(),
            flags: Default::default(),
            userdata: Default::default(),
            unknown: Default::default(),
        };
        mirror.table(Handle(4), table, None);
        let set = Set {
            name: "s".into(),
            id: 0,
            flags,
            key_type: 7,
            key_len: 4,
            fields: Vec::new(),
            data: None,
            size: None,
            timeout: None,
            gc_interval: None,
            policy: Default::default(),
            exprs: Vec::new(),
            userdata: Default::default(),
            unknown: Default::default(),
        };
        mirror.set(&id(), Handle(9), set, None);
        mirror
    }

    fn keys(mirror: &Mirror) -> Vec<(u8, bool)> {
        let set = mirror.ruleset().table(&id()).and_then(|table| table.set("s")).expect("the set");
        set.elements().map(|e| (e.key[3], e.flags.contains(ElementFlags::INTERVAL_END))).collect()
    }

    fn key(last: u8) -> Value {
        Value::new(&[10, 0, 0, last])
    }

    #[test]
    fn intervals_are_put_together_from_a_dump_in_descending_order() {
        // As linux 6.12 dumps an rbtree (nft_set_rbtree.c keeps keys in descending order): 10.0.0.1-3, 4-5, 9-.
        let mut mirror = mirror_with(SetFlags::INTERVAL);
        assert!(mirror.ruleset().table(&id()).unwrap().set("s").is_some_and(|set| !set.is_empty()));
        let dump = vec![
            Element::new(key(9)),
            Element::interval_end(key(6)),
            Element::new(key(4)),
            Element::interval_end(key(4)),
            Element::new(key(1)),
            Element::interval_end(key(0)),
        ];
        mirror.elements(&id(), "s", dump, Instant::from_nanos(0));
        let wanted = [(0, true), (1, false), (4, true), (4, false), (6, true), (9, false)];
        assert_eq!(keys(&mirror), wanted);
    }

    #[test]
    fn what_is_told_twice_is_taken_once_and_what_is_missing_does_no_harm() {
        let mut mirror = mirror_with(SetFlags::empty());
        let elements = vec![Element::new(key(1)), Element::new(key(1))];
        mirror.elements(&id(), "s", elements, Instant::from_nanos(0));
        assert_eq!(keys(&mirror), [(1, false)]);
        let other = TableId::new(Family::Ip6, "t");
        mirror.elements(&other, "s", vec![Element::new(key(1))], Instant::from_nanos(0));
        mirror.rule(&id(), "no", Handle(10), Rule::default());
        let chain = |name: &str| Chain {
            name: name.into(),
            base: None,
            binding: None,
            userdata: Default::default(),
            unknown: Default::default(),
        };
        mirror.chain(&id(), Handle(11), chain("c"), None);
        mirror.chain(&id(), Handle(12), chain("c"), None);
        assert_eq!(mirror.ruleset().table(&id()).map(TableState::chain_count), Some(1));
    }
}
