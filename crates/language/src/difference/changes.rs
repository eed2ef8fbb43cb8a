//! From decisions to a batch, in an order in which each change is possible when it is its turn: rules go first, then
//! elements, sets, chains, objects and flowtables, which nothing uses any more; they come in the opposite order.

use std::collections::HashMap;

use ironweir_expr::immediate::Immediate;
use ironweir_expr::last::Last;
use ironweir_expr::objref::Objref;
use ironweir_ruleset::object::ObjectKind;
use ironweir_ruleset::store::{Ruleset, TableState};
use ironweir_ruleset::{
    Batch, Chain, ChainRef, Change, Creation, Element, Expr, Object, Place, Rule, RuleSelector, Selector,
    Set, SetRef, TableId, Userdata, Verdict,
};
use ironweir_wire::Instant;

use super::Sides;
use super::elements;
use super::plan::{ChainPlan, Fate, SetPlan, Step, TablePlan};

/// Anonymous chains inside one another; the kernel allows fewer.
const MOST_DEPTH: usize = 16;

/// A batch in the making.
pub(super) struct Emitter<'a> {
    current: &'a Ruleset,
    desired: &'a Ruleset,
    now: Instant,
    batch: Batch,
    /// The last number given to a set or an anonymous chain.
    last_id: u32,
}

/// Anonymous sets made for a rule, by the names that its expressions know them by.
type Made = HashMap<Box<str>, SetRef>;

impl<'a> Emitter<'a> {
    pub(super) fn new(sides: &Sides<'a>) -> Emitter<'a> {
        Emitter {
            current: sides.current,
            desired: sides.desired,
            now: sides.now,
            batch: Batch::default(),
            last_id: 0,
        }
    }

    pub(super) fn finish(self) -> Batch {
        self.batch
    }

    fn push(&mut self, change: Change) {
        self.batch.changes.push(change);
    }

    fn new_id(&mut self) -> u32 {
        self.last_id += 1;
        self.last_id
    }

    /// Adds what makes one table what it shall be.
    pub(super) fn table(&mut self, plan: &TablePlan<'_>) {
        if plan.part.fate.removes() {
            self.push(Change::DelTable {
                family: plan.id.family,
                which: Selector::Name(plan.id.name.clone()),
                missing_ok: false,
            });
        }
        if plan.part.fate == Fate::Gone {
            return;
        }
        if let Some(new) = plan.part.new.filter(|_| plan.part.fate != Fate::Keep) {
            self.push(Change::NewTable { table: new.table.clone(), creation: Creation::Add });
        }
        if !plan.part.fate.removes() {
            self.remove(plan);
        }
        self.make(plan);
    }

    fn remove(&mut self, plan: &TablePlan<'_>) {
        for chain in &plan.chains {
            self.remove_rules(plan.id, chain);
        }
        for set in plan.sets.iter().filter(|set| set.part.fate == Fate::Keep) {
            let gone: Vec<Element> = set.elements.gone.iter().chain(&set.elements.again).cloned().collect();
            let name = set.part.old.map(|set| set.set.name.clone());
            if let (Some(name), false) = (name, gone.is_empty()) {
                let (table, elements) = (plan.id.clone(), Some(gone));
                self.push(Change::DelElements { table, set: name, elements, missing_ok: false });
            }
        }
        for set in plan.sets.iter().filter(|set| set.part.fate.removes()) {
            let Some(old) = set.part.old else { continue };
            let set = Selector::Name(old.set.name.clone());
            self.push(Change::DelSet { table: plan.id.clone(), set, missing_ok: false });
        }
        for chain in plan.chains.iter().filter(|chain| chain.part.fate.removes()) {
            let Some(old) = chain.part.old else { continue };
            let (table, chain) = (plan.id.clone(), Selector::Name(old.chain.name.clone()));
            self.push(Change::DelChain { table, chain, devices: Vec::new(), missing_ok: false });
        }
        for object in plan.objects.iter().filter(|object| object.fate.removes()) {
            let Some(old) = object.old else { continue };
            let (kind, object) = (old.object.object_type(), Selector::Name(old.object.name.clone()));
            self.push(Change::DelObject { table: plan.id.clone(), kind, object, missing_ok: false });
        }
        for flowtable in plan.flowtables.iter().filter(|flowtable| flowtable.fate.removes()) {
            let Some(old) = flowtable.old else { continue };
            let (table, flowtable) = (plan.id.clone(), Selector::Name(old.flowtable.name.clone()));
            self.push(Change::DelFlowtable { table, flowtable, devices: Vec::new(), missing_ok: false });
        }
    }

    fn remove_rules(&mut self, table: &TableId, plan: &ChainPlan<'_>) {
        let Some(chain) = plan.part.old else { return };
        let stays = |step: &Step<'_>| matches!(step, Step::Keep { again: false, .. });
        if !plan.steps.iter().any(stays) {
            if chain.rule_count() > 0 {
                let chain = Some(chain.chain.name.clone());
                self.push(Change::FlushRules { table: table.clone(), chain });
            }
            return;
        }
        for step in &plan.steps {
            let (Step::Gone { old, .. } | Step::Keep { old, again: true, .. }) = step else { continue };
            self.push(Change::DelRule {
                table: table.clone(),
                chain: chain.chain.name.clone(),
                rule: RuleSelector::Handle(old.handle),
                missing_ok: false,
            });
        }
    }

    fn make(&mut self, plan: &TablePlan<'_>) {
        for object in plan.objects.iter().filter(|object| object.fate.makes() || object.fate == Fate::Update)
        {
            let Some(new) = object.new else { continue };
            let object = with_state(&new.object, object.old.map(|old| &old.object));
            self.push(Change::NewObject { table: plan.id.clone(), object, creation: Creation::Add });
        }
        for flowtable in plan.flowtables.iter().filter(|flowtable| flowtable.fate.makes()) {
            let Some(new) = flowtable.new else { continue };
            let (table, flowtable) = (plan.id.clone(), new.flowtable.clone());
            self.push(Change::NewFlowtable { table, flowtable, creation: Creation::Add });
        }
        for set in plan.sets.iter().filter(|set| set.part.fate.makes()) {
            let Some(new) = set.part.new else { continue };
            let set = Set { id: self.new_id(), ..new.set.clone() };
            self.push(Change::NewSet { table: plan.id.clone(), set, creation: Creation::Add });
        }
        for chain in
            plan.chains.iter().filter(|chain| chain.part.fate.makes() || chain.part.fate == Fate::Update)
        {
            let Some(new) = chain.part.new else { continue };
            let (table, chain) = (plan.id.clone(), new.chain.clone());
            self.push(Change::NewChain { table, chain, creation: Creation::Add });
        }
        for set in &plan.sets {
            self.add_elements(plan.id, set);
        }
        for chain in &plan.chains {
            self.add_rules(plan.id, chain);
        }
    }

    fn add_elements(&mut self, table: &TableId, plan: &SetPlan<'_>) {
        let Some(new) = plan.part.new else { return };
        let added = &plan.elements;
        let added = added.new.iter().chain(&added.again);
        let mut added: Vec<Element> = match plan.part.fate.makes() {
            true => added.chain(&plan.elements.same).cloned().collect(),
            false => added.cloned().collect(),
        };
        for element in &mut added {
            if let Some(more) = &mut element.more {
                more.exprs.iter_mut().for_each(|expr| settle(expr, self.now));
            }
        }
        if !added.is_empty() {
            let (table, set) = (table.clone(), SetRef::new(new.set.name.clone()));
            self.push(Change::NewElements { table, set, elements: added, creation: Creation::Add });
        }
    }

    /// Adds rules, each before the next one that stays, or at the end.
    fn add_rules(&mut self, table: &TableId, plan: &ChainPlan<'_>) {
        let Some(chain) = plan.part.new else { return };
        let chain = ChainRef::new(chain.chain.name.clone());
        let places = plan.steps.iter().rev().scan(Place::Last, |place, step| {
            let here = *place;
            if let Step::Keep { old, again: false, .. } = step {
                *place = Place::Before(RuleSelector::Handle(old.handle));
            }
            Some(here)
        });
        let mut places: Vec<Place> = places.collect();
        places.reverse();
        for (step, place) in plan.steps.iter().zip(places) {
            let (ruleset, rule) = match step {
                Step::Keep { old, again: true, .. } | Step::New { moved: Some(old), .. } => {
                    (self.current, old)
                }
                Step::New { new, moved: None, .. } => (self.desired, new),
                Step::Keep { again: false, .. } | Step::Gone { .. } => continue,
            };
            let Some(state) = ruleset.table(table) else { continue };
            self.rule(table, state, &chain, &rule.rule, place, 0);
        }
    }

    /// Adds a rule, and before it the anonymous sets and chains that go with it.
    fn rule(
        &mut self,
        table: &TableId,
        state: &TableState,
        chain: &ChainRef,
        rule: &Rule,
        place: Place,
        depth: usize,
    ) {
        let mut rule = rule.clone();
        let mut made = Made::default();
        let mut blocks = Vec::new();
        for expr in &mut rule.exprs {
            settle(expr, self.now);
            match expr {
                Expr::Lookup(lookup) => self.set_of_rule(table, state, &mut lookup.set, &mut made),
                Expr::Dynset(dynset) => {
                    dynset.exprs.iter_mut().for_each(|expr| settle(expr, self.now));
                    self.set_of_rule(table, state, &mut dynset.set, &mut made);
                }
                Expr::Objref(Objref::Map { set, .. }) => self.set_of_rule(table, state, set, &mut made),
                Expr::Immediate(Immediate::Verdict(Verdict::Jump(to) | Verdict::Goto(to))) => {
                    let block = state.chain(&to.name).filter(|chain| chain.chain.binding.is_some());
                    let Some(block) = block.filter(|_| depth < MOST_DEPTH) else {
                        to.id = None;
                        continue;
                    };
                    let id = self.new_id();
                    *to = ChainRef { name: "__chain%d".into(), id: Some(id) };
                    let chain = Chain { name: to.name.clone(), binding: to.id, ..block.chain.clone() };
                    let table = table.clone();
                    self.push(Change::NewChain { table, chain, creation: Creation::Add });
                    blocks.push((to.clone(), block));
                }
                _ => {}
            }
        }
        for (to, block) in blocks {
            for inner in block.rules() {
                self.rule(table, state, &to, &inner.rule, Place::Last, depth + 1);
            }
        }
        self.push(Change::NewRule { table: table.clone(), chain: chain.clone(), rule, place });
    }

    /// A set that a rule uses: makes an anonymous one, and refers to others by name.
    fn set_of_rule(&mut self, table: &TableId, state: &TableState, set: &mut SetRef, made: &mut Made) {
        let Some(anonymous) = state.set(&set.name).filter(|set| set.is_anonymous()) else {
            set.id = None;
            return;
        };
        if let Some(known) = made.get(&set.name) {
            *set = known.clone();
            return;
        }
        let id = self.new_id();
        let digits = set.name.trim_end_matches(|c: char| c.is_ascii_digit());
        let name: Box<str> = format!("{digits}%d").into();
        let reference = SetRef { name: name.clone(), id: Some(id) };
        made.insert(std::mem::replace(&mut set.name, name.clone()), reference.clone());
        *set = reference.clone();
        let copy = Set { name, id, ..anonymous.set.clone() };
        self.push(Change::NewSet { table: table.clone(), set: copy, creation: Creation::Add });
        let elements = elements::all(anonymous, self.now);
        if !elements.is_empty() {
            let (table, set) = (table.clone(), reference);
            self.push(Change::NewElements { table, set, elements, creation: Creation::Add });
        }
    }
}

/// Turns a moment into how long ago it was, which is what can be loaded.
fn settle(expr: &mut Expr, now: Instant) {
    if let Expr::Last(last) = expr
        && let Some(at) = last.at()
    {
        *last = Last::before(u64::try_from(now.since(at).as_millis()).unwrap_or(u64::MAX));
    }
}

/// An object that takes over what another of its name has counted.
fn with_state(new: &Object, old: Option<&Object>) -> Object {
    let kind = match (&new.kind, old.map(|old| &old.kind)) {
        (ObjectKind::Counter(_), Some(old @ ObjectKind::Counter(_))) => old.clone(),
        (ObjectKind::Quota(new), Some(ObjectKind::Quota(old))) => {
            ObjectKind::Quota(ironweir_expr::quota::Quota::new(new.bytes, new.over, old.consumed()))
        }
        (new, _) => new.clone(),
    };
    let userdata: Userdata = new.userdata.clone();
    Object { name: new.name.clone(), kind, userdata, unknown: Default::default() }
}
