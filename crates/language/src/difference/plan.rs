//! What becomes of each thing in a table: the decisions, from which both the batch and the text follow.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use ironweir_ruleset::store::{
    ChainState, FlowtableState, ObjectState, RuleState, Ruleset, SetState, TableState,
};
use ironweir_ruleset::userdata::COMMENT;
use ironweir_ruleset::{Chain, Expr, Object, ObjectKind, SetFlags, TableFlags, TableId};

use super::Sides;
use super::elements::{Comparison, ElementPlan};
use super::reach::Things;
use super::sequence;
use crate::list::Lister;
use crate::print::Options;

/// What becomes of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is the same on both sides.
    Keep,
    /// It changes in place, and keeps its state.
    Update,
    /// It is deleted and made anew, since what changes cannot change in place.
    Replace,
    /// It is not there yet.
    New,
    /// It goes.
    Gone,
}

impl Fate {
    /// Whether what refers to it must go before and come back after.
    fn is_remade(self) -> bool {
        self == Fate::Replace
    }

    /// Whether a change of the batch removes it.
    pub(super) fn removes(self) -> bool {
        matches!(self, Fate::Replace | Fate::Gone)
    }

    /// Whether a change of the batch makes it.
    pub(super) fn makes(self) -> bool {
        matches!(self, Fate::Replace | Fate::New)
    }
}

/// A thing on both sides.
#[derive(Debug)]
pub(super) struct Part<'a, T> {
    /// As it is loaded.
    pub(super) old: Option<&'a T>,
    /// As it shall be.
    pub(super) new: Option<&'a T>,
    pub(super) fate: Fate,
}

/// A set with its elements.
#[derive(Debug)]
pub(super) struct SetPlan<'a> {
    pub(super) part: Part<'a, SetState>,
    pub(super) elements: ElementPlan,
}

/// A chain with its rules.
#[derive(Debug)]
pub(super) struct ChainPlan<'a> {
    pub(super) part: Part<'a, ChainState>,
    pub(super) steps: Vec<Step<'a>>,
}

/// What becomes of a rule; all of a chain's are in order.
#[derive(Debug)]
pub(super) enum Step<'a> {
    /// It is on both sides; `again` when it must go and come back, with its state.
    Keep { old: &'a RuleState, text: Arc<str>, again: bool },
    /// It goes.
    Gone { old: &'a RuleState, text: Arc<str> },
    /// It comes; `moved` is the same rule at another place of the chain, whose state it takes over.
    New { new: &'a RuleState, moved: Option<&'a RuleState>, text: Arc<str> },
}

/// A table with all it holds.
#[derive(Debug)]
pub(super) struct TablePlan<'a> {
    pub(super) id: &'a TableId,
    pub(super) part: Part<'a, TableState>,
    pub(super) objects: Vec<Part<'a, ObjectState>>,
    pub(super) flowtables: Vec<Part<'a, FlowtableState>>,
    pub(super) sets: Vec<SetPlan<'a>>,
    pub(super) chains: Vec<ChainPlan<'a>>,
}

/// How things are compared: as listed, without their state.
pub(super) fn lister<'a>(ruleset: &'a Ruleset, sides: &Sides<'a>) -> Lister<'a> {
    let options = Options { stateless: true, utc_offset: sides.names.utc_offset, ..Options::default() };
    Lister { ruleset, options, names: sides.names, now: sides.now }
}

/// Pairs things of both sides by name: those that go first, then in the order they shall have.
fn pair<'a, T, K: Eq + Hash>(
    old: impl Iterator<Item = &'a T>,
    new: impl Iterator<Item = &'a T>,
    key: impl Fn(&'a T) -> K,
) -> Vec<(Option<&'a T>, Option<&'a T>)> {
    let old: Vec<&T> = old.collect();
    let by_key: HashMap<K, &T> = old.iter().map(|thing| (key(thing), *thing)).collect();
    let (mut wanted, mut pairs) = (HashSet::new(), Vec::new());
    for thing in new {
        pairs.push((by_key.get(&key(thing)).copied(), Some(thing)));
        wanted.insert(key(thing));
    }
    let gone = old.into_iter().filter(|thing| !wanted.contains(&key(thing)));
    gone.map(|thing| (Some(thing), None)).chain(pairs).collect()
}

fn decide<'a, T>(
    (old, new): (Option<&'a T>, Option<&'a T>),
    anew: bool,
    change: impl FnOnce(&'a T, &'a T) -> Fate,
) -> Part<'a, T> {
    let fate = match (old, new) {
        (Some(old), Some(new)) => match change(old, new) {
            // What holds it is made anew.
            _ if anew => Fate::Replace,
            fate => fate,
        },
        (None, _) => Fate::New,
        (Some(_), None) => Fate::Gone,
    };
    Part { old, new, fate }
}

/// What becomes of the table `id`; `None` where neither side has it.
pub(super) fn table<'a>(sides: &Sides<'a>, id: &'a TableId) -> Option<TablePlan<'a>> {
    let (old, new) = (sides.current.table(id), sides.desired.table(id));
    if old.is_none() && new.is_none() {
        return None;
    }
    let part = decide((old, new), false, |old, new| {
        // Only whether it is dormant can change (`nf_tables_updtable`).
        let fixed = |table: &TableState| {
            (
                table.table.flags - TableFlags::DORMANT,
                table.table.userdata.get_str(COMMENT).map(str::to_owned),
            )
        };
        match () {
            () if fixed(old) != fixed(new) => Fate::Replace,
            () if old.table.flags != new.table.flags => Fate::Update,
            () => Fate::Keep,
        }
    });
    let mut planner = Planner {
        id,
        old: old.map(|table| (lister(sides.current, sides), table)),
        new: new.map(|table| (lister(sides.desired, sides), table)),
        anew: part.fate == Fate::Replace,
        replaced: Things::default(),
        sides,
    };
    let objects = planner.objects();
    let flowtables = planner.flowtables();
    let chains = planner.chains();
    let sets = planner.sets();
    let chains = chains.into_iter().map(|part| ChainPlan { steps: planner.rules(&part), part }).collect();
    Some(TablePlan { id, part, objects, flowtables, sets, chains })
}

struct Planner<'p, 'a> {
    id: &'a TableId,
    old: Option<(Lister<'a>, &'a TableState)>,
    new: Option<(Lister<'a>, &'a TableState)>,
    /// The whole table is made anew.
    anew: bool,
    /// What is made anew while the table stays.
    replaced: Things,
    sides: &'p Sides<'a>,
}

impl<'a> Planner<'_, 'a> {
    /// Whether two things read the same, each written by its side.
    fn reads_alike(&self, write: impl Fn(&Lister<'a>, &'a TableState, bool, &mut String)) -> bool {
        let (Some((old_lister, old)), Some((new_lister, new))) = (&self.old, &self.new) else { return false };
        let (mut a, mut b) = (String::new(), String::new());
        write(old_lister, old, true, &mut a);
        write(new_lister, new, false, &mut b);
        a == b
    }

    fn both<T: 'a, I: Iterator<Item = &'a T>>(
        &self,
        things: impl Fn(&'a TableState) -> I,
    ) -> (impl Iterator<Item = &'a T>, impl Iterator<Item = &'a T>) {
        let of = |side: &Option<(Lister<'a>, &'a TableState)>| {
            side.as_ref().map(|(_, table)| things(table)).into_iter().flatten()
        };
        (of(&self.old), of(&self.new))
    }

    fn objects(&mut self) -> Vec<Part<'a, ObjectState>> {
        let (old, new) = self.both(TableState::objects);
        let pairs = pair(old, new, |object| (object.object.object_type(), &object.object.name));
        let mut parts = Vec::with_capacity(pairs.len());
        for both in pairs {
            let part = decide(both, self.anew, |old, new| {
                let alike = self.reads_alike(|lister, _, of_old, out| {
                    lister.object_block(if of_old { old } else { new }, out);
                });
                match alike {
                    true => Fate::Keep,
                    false if changes_in_place(&old.object, &new.object) => Fate::Update,
                    false => Fate::Replace,
                }
            });
            if let (Some(old), true) = (part.old, part.fate.is_remade()) {
                self.replaced.objects.insert((old.object.object_type(), old.object.name.clone()));
            }
            parts.push(part);
        }
        parts
    }

    fn flowtables(&mut self) -> Vec<Part<'a, FlowtableState>> {
        let (old, new) = self.both(TableState::flowtables);
        let pairs = pair(old, new, |flowtable| &flowtable.flowtable.name);
        let mut parts = Vec::with_capacity(pairs.len());
        for both in pairs {
            let part = decide(both, self.anew, |old, new| {
                let sorted = |flowtable: &FlowtableState| {
                    let mut flowtable = flowtable.flowtable.clone();
                    flowtable.devices.sort();
                    flowtable
                };
                if sorted(old) == sorted(new) { Fate::Keep } else { Fate::Replace }
            });
            if let (Some(old), true) = (part.old, part.fate.is_remade()) {
                self.replaced.flowtables.insert(old.flowtable.name.clone());
            }
            parts.push(part);
        }
        parts
    }

    fn chains(&mut self) -> Vec<Part<'a, ChainState>> {
        let named = |table: &'a TableState| table.chains().filter(|chain| chain.chain.binding.is_none());
        let (old, new) = self.both(named);
        let pairs = pair(old, new, |chain| &chain.chain.name);
        let mut parts = Vec::with_capacity(pairs.len());
        for both in pairs {
            let part = decide(both, self.anew, |old, new| chain_change(&old.chain, &new.chain));
            if let (Some(old), true) = (part.old, part.fate.is_remade()) {
                self.replaced.chains.insert(old.chain.name.clone());
            }
            parts.push(part);
        }
        parts
    }

    fn sets(&mut self) -> Vec<SetPlan<'a>> {
        let named = |table: &'a TableState| table.sets().filter(|set| !set.is_anonymous());
        let (old, new) = self.both(named);
        let pairs = pair(old, new, |set| &set.set.name);
        let filled = self.filled_by_packets();
        let mut plans = Vec::with_capacity(pairs.len());
        for both in pairs {
            let mut part = decide(both, self.anew, |old, new| {
                let alike = self.reads_alike(|lister, table, of_old, out| {
                    lister.set_block_with(table, if of_old { old } else { new }, Some(Vec::new()), out);
                });
                if alike { Fate::Keep } else { Fate::Replace }
            });
            let mut elements = ElementPlan::default();
            if let (Some(old), Some(new)) = (part.old, part.new) {
                let mut comparison = Comparison {
                    old,
                    new,
                    filled_by_packets: filled.contains(&old.set.name),
                    added: self.sides.added.and_then(|added| added.to(self.id, &old.set.name)),
                    replaced: &self.replaced,
                    with_same: part.fate == Fate::Replace,
                    now: self.sides.now,
                };
                if comparable(old, new) {
                    elements = comparison.plan();
                } else {
                    elements.gone = super::elements::all(old, self.sides.now);
                    elements.new = super::elements::all(new, self.sides.now);
                }
                // The elements of a constant set do not change while rules use it.
                if part.fate == Fate::Keep
                    && old.set.flags.contains(SetFlags::CONSTANT)
                    && !elements.is_empty()
                {
                    part.fate = Fate::Replace;
                    comparison.with_same = true;
                    elements = comparison.plan();
                }
            } else if let Some(new) = part.new {
                elements.new = super::elements::all(new, self.sides.now);
            }
            if let (Some(old), true) = (part.old, part.fate.is_remade()) {
                self.replaced.sets.insert(old.set.name.clone());
            }
            plans.push(SetPlan { part, elements });
        }
        plans
    }

    /// Sets that rules of the table as it shall be add elements to.
    fn filled_by_packets(&self) -> HashSet<Box<str>> {
        let chains = self.new.iter().flat_map(|(_, table)| table.chains());
        let filled = chains.flat_map(ChainState::rules).flat_map(|rule| &rule.rule.exprs);
        let filled = filled.filter_map(|expr| match expr {
            Expr::Dynset(dynset) => Some(dynset.set.name.clone()),
            _ => None,
        });
        filled.collect()
    }

    fn rules(&self, chain: &Part<'a, ChainState>) -> Vec<Step<'a>> {
        let mut texts = Texts::default();
        let mut side = |side: &Option<(Lister<'a>, &'a TableState)>, chain: Option<&'a ChainState>| {
            let mut rules: Vec<(u32, &'a RuleState)> = Vec::new();
            if let (Some((lister, table)), Some(chain)) = (side, chain) {
                rules.extend(chain.rules().map(|rule| (texts.number(lister, table, rule), &**rule)));
            }
            rules
        };
        let old = side(&self.old, chain.old);
        let new = side(&self.new, chain.new);
        let numbers =
            |rules: &[(u32, &RuleState)]| rules.iter().map(|(number, _)| *number).collect::<Vec<_>>();
        let mut common = sequence::common(&numbers(&old), &numbers(&new)).into_iter().peekable();
        let remade = chain.fate.is_remade();
        let (mut steps, mut at, mut next) = (Vec::with_capacity(old.len().max(new.len())), 0, 0);
        // Rules that go, by what they say: one that comes elsewhere takes over what it has counted.
        let mut left: HashMap<u32, Vec<&RuleState>> = HashMap::new();
        loop {
            let pair = common.next();
            let (old_end, new_end) = pair.unwrap_or((old.len(), new.len()));
            for (number, rule) in old.get(at..old_end).unwrap_or_default() {
                left.entry(*number).or_default().push(rule);
                steps.push(Step::Gone { old: rule, text: texts.text(*number) });
            }
            for (number, rule) in new.get(next..new_end).unwrap_or_default() {
                steps.push(Step::New { new: rule, moved: None, text: texts.text(*number) });
            }
            if pair.is_none() {
                break;
            }
            if let Some((number, rule)) = old.get(old_end) {
                let forced = || match self.old {
                    Some((_, table)) if !self.replaced.is_empty() => {
                        self.replaced.reached_by(table, &rule.rule.exprs)
                    }
                    _ => false,
                };
                let again = remade || forced();
                steps.push(Step::Keep { old: rule, text: texts.text(*number), again });
            }
            (at, next) = (old_end + 1, new_end + 1);
        }
        if hops(&steps) > MOST_HOPS {
            for step in &mut steps {
                if let Step::Keep { again, .. } = step {
                    *again = true;
                }
            }
        }
        left.values_mut().for_each(|rules| rules.reverse());
        for step in &mut steps {
            if let Step::New { moved, text, .. } = step
                && let Some(rules) = texts.find(text).and_then(|number| left.get_mut(&number))
            {
                *moved = rules.pop();
            }
        }
        steps
    }
}

/// How many rules the kernel may walk past in one chain before the whole chain is made anew: it finds a rule by its handle
/// in a list (`__nft_rule_lookup`), some 10 ns for each rule before it (Linux 6.18). Of 40,000 rules in one chain two
/// thirds were changed one by one in 18 s of the kernel's time, and in 1.4 s by emptying the chain; then no rule keeps its
/// handle, and all keep what they have counted.
const MOST_HOPS: usize = 100_000_000;

/// How many rules the kernel walks past to make each change of a chain.
fn hops(steps: &[Step<'_>]) -> usize {
    let last = steps.iter().rposition(|step| matches!(step, Step::Keep { .. })).unwrap_or(0);
    let costs = steps.iter().enumerate().map(|(at, step)| match step {
        Step::Gone { .. } => at,
        // What comes behind all that stays goes to the end, which is no search.
        Step::New { .. } if at < last => at,
        Step::New { .. } | Step::Keep { .. } => 0,
    });
    costs.sum()
}

/// Whether elements of one set may be compared with those of another: their keys are of the same type.
fn comparable(old: &SetState, new: &SetState) -> bool {
    let (old, new) = (&old.set, &new.set);
    let intervals = SetFlags::INTERVAL | SetFlags::CONCAT;
    // The kernel knows fields only of concatenations of intervals.
    let fields = !new.flags.contains(SetFlags::CONCAT) || old.fields == new.fields;
    (old.key_type, old.key_len, old.data) == (new.key_type, new.key_len, new.data)
        && fields
        && old.flags & intervals == new.flags & intervals
}

/// Objects that the kernel changes in place (`nft_object_ops.update`); their comment it does not.
fn changes_in_place(old: &Object, new: &Object) -> bool {
    let kinds = (&old.kind, &new.kind);
    let known = matches!(
        kinds,
        (ObjectKind::Quota(_), ObjectKind::Quota(_)) | (ObjectKind::Synproxy(_), ObjectKind::Synproxy(_))
    );
    known && old.userdata.get_str(COMMENT) == new.userdata.get_str(COMMENT)
}

/// A chain's policy changes in place (`nf_tables_updchain`), nothing else does here.
fn chain_change(old: &Chain, new: &Chain) -> Fate {
    let fixed = |chain: &Chain| {
        let mut base = chain.base.clone();
        if let Some(base) = &mut base {
            base.devices.sort();
            base.policy = None;
        }
        (base, chain.userdata.get_str(COMMENT).map(str::to_owned))
    };
    let policy = |chain: &Chain| {
        chain.base.as_ref().map(|base| base.policy.unwrap_or(ironweir_ruleset::Policy::Accept))
    };
    match () {
        () if fixed(old) != fixed(new) => Fate::Replace,
        () if policy(old) != policy(new) => Fate::Update,
        () => Fate::Keep,
    }
}

/// Rules as text, each text once: two rules of the same text say the same.
#[derive(Default)]
struct Texts {
    numbers: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

impl Texts {
    fn number(&mut self, lister: &Lister<'_>, table: &TableState, rule: &RuleState) -> u32 {
        let mut text = lister.rule_text(table, &rule.rule);
        // Of these a listing shows the name alone.
        let unread = |expr: &&Expr| matches!(expr, Expr::XtMatch(_) | Expr::XtTarget(_) | Expr::Unknown(_));
        for expr in rule.rule.exprs.iter().filter(unread) {
            text.push_str(&format!("{UNREAD}{expr:?}"));
        }
        let text: Arc<str> = text.into();
        let next = self.texts.len() as u32;
        *self.numbers.entry(text.clone()).or_insert_with(|| {
            self.texts.push(text);
            next
        })
    }

    fn text(&self, number: u32) -> Arc<str> {
        self.texts.get(number as usize).cloned().unwrap_or_default()
    }

    fn find(&self, text: &str) -> Option<u32> {
        self.numbers.get(text).copied()
    }
}

/// What follows it in a rule's text tells rules apart but is not shown.
pub(super) const UNREAD: char = '\0';
