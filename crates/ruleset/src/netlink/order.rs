//! In which order the kernel takes a large batch fastest.
//!
//! A rule that uses an anonymous set binds it, and for that the kernel walks through everything that the transaction has
//! made so far, without an end where it finds what it looks for (`__nft_set_trans_bind`, Linux 6.18
//! `net/netfilter/nf_tables_api.c`). So a batch of many such rules costs the product of their number and of what was sent
//! before each. What need not come before them is sent after them.
//!
//! What can be seen of a ruleset stays the same but for the numbers of handles: rules keep their order within their
//! chain, chains, sets and objects that of their kind; and what a rule refers to is still made before it.

use std::collections::HashMap;

use ironweir_expr::netlink::is_template;

use crate::store::references::{Reference, references, verdict_chain};
use crate::{Batch, ChainRef, Change, Data, Element, ElementData, Place, SetFlags, SetRef, TableId};

/// Bindings from which on another order is worth it: at so many, the kernel takes some milliseconds for them. DIVERGES:
/// handles are then other than with stock nft, which sends in the order of the text.
const MANY: usize = 512;

/// The places of all changes in the order to send them, where another than their own is faster.
pub fn quickest(batch: &Batch) -> Option<Vec<u32>> {
    let (plan, from) = Plan::of(&batch.changes)?;
    let mut sender = Sender { plan: &plan, from, sent: vec![false; batch.changes.len()], order: Vec::new() };
    sender.order.reserve_exact(batch.changes.len());
    sender.send(&batch.changes);
    Some(sender.order)
}

/// A name within its table.
type Named<'b> = (&'b TableId, &'b str);

/// A rule with the anonymous sets before it.
struct Bundle<'b> {
    /// The first change of it; the rule is the last.
    from: usize,
    /// The rule.
    rule: usize,
    /// The rule's chain.
    chain: Named<'b>,
}

/// What the additions at a batch's end consist of.
#[derive(Default)]
struct Plan<'b> {
    /// Changes that refer to no chain and that others refer to: tables, objects, flowtables, named sets.
    first: Vec<usize>,
    /// Chains, in order.
    chains: Vec<usize>,
    /// Which of them has a name.
    chain_at: HashMap<Named<'b>, usize>,
    /// Additions to named sets.
    elements: HashMap<Named<'b>, Vec<usize>>,
    /// Rules, in order.
    bundles: Vec<Bundle<'b>>,
    /// The same by chain.
    rules: HashMap<Named<'b>, Vec<usize>>,
}

impl<'b> Plan<'b> {
    /// Of the changes from the one on behind which nothing but additions comes. `None` where nothing is to be won.
    fn of(changes: &'b [Change]) -> Option<(Plan<'b>, usize)> {
        let from = changes.iter().rposition(|change| !adds(change)).map_or(0, |last| last + 1);
        let mut plan = Plan::default();
        let (mut begun, mut bindings) = (None, 0);
        for (index, change) in changes.iter().enumerate().skip(from) {
            match change {
                Change::NewSet { set, .. } if set.flags.contains(SetFlags::ANONYMOUS) => {
                    begun.get_or_insert(index);
                }
                Change::NewElements { set, .. } if is_template(&set.name) => {
                    begun?;
                }
                Change::NewRule { table, chain, .. } => {
                    let chain = (table, &*chain.name);
                    bindings += usize::from(begun.is_some());
                    let bundle = Bundle { from: begun.take().unwrap_or(index), rule: index, chain };
                    plan.rules.entry(chain).or_default().push(plan.bundles.len());
                    plan.bundles.push(bundle);
                }
                // A set that no rule follows: the batch was not made as is known here.
                _ if begun.is_some() => return None,
                Change::NewChain { table, chain, .. } => {
                    plan.chain_at.entry((table, &chain.name)).or_insert(plan.chains.len());
                    plan.chains.push(index);
                }
                Change::NewElements { table, set, .. } => {
                    plan.elements.entry((table, &set.name)).or_default().push(index);
                }
                _ => plan.first.push(index),
            }
        }
        (begun.is_none() && bindings >= MANY).then_some((plan, from))
    }
}

/// Whether a change only adds, at the end of what there is, what is known by its name.
fn adds(change: &Change) -> bool {
    match change {
        Change::NewTable { .. }
        | Change::NewSet { .. }
        | Change::NewElements { .. }
        | Change::NewObject { .. }
        | Change::NewFlowtable { .. } => true,
        Change::NewChain { chain, .. } => chain.binding.is_none(),
        Change::NewRule { chain, place, .. } => *place == Place::Last && !is_template(&chain.name),
        _ => false,
    }
}

/// The order as it grows.
struct Sender<'p, 'b> {
    plan: &'p Plan<'b>,
    from: usize,
    sent: Vec<bool>,
    order: Vec<u32>,
}

impl Sender<'_, '_> {
    fn send(&mut self, changes: &[Change]) {
        let plan = self.plan;
        (0..self.from).chain(plan.first.iter().copied()).for_each(|index| self.push(index));
        for bundle in plan.bundles.iter().filter(|bundle| bundle.from < bundle.rule) {
            let earlier = plan.rules.get(&bundle.chain).map(Vec::as_slice).unwrap_or_default();
            let unsent = earlier.partition_point(|&index| {
                plan.bundles.get(index).is_some_and(|bundle| self.is_sent(bundle.rule))
            });
            for earlier in earlier[unsent..].iter().filter_map(|&index| plan.bundles.get(index)) {
                if earlier.rule > bundle.rule {
                    break;
                }
                self.bundle(changes, earlier);
            }
        }
        for index in self.from..changes.len() {
            self.push(index);
        }
    }

    fn is_sent(&self, index: usize) -> bool {
        self.sent.get(index).is_some_and(|sent| *sent)
    }

    fn push(&mut self, index: usize) {
        if let Some(sent) = self.sent.get_mut(index)
            && !std::mem::replace(sent, true)
        {
            self.order.push(index as u32);
        }
    }

    /// A rule behind what it refers to.
    fn bundle(&mut self, changes: &[Change], bundle: &Bundle<'_>) {
        let (table, chain) = bundle.chain;
        self.chain(table, chain);
        let parts = changes.get(bundle.from..=bundle.rule).unwrap_or_default();
        for part in parts {
            match part {
                Change::NewElements { elements, .. } => self.targets(table, elements),
                Change::NewRule { rule, .. } => {
                    for reference in references(&rule.exprs) {
                        match reference {
                            Reference::Chain(chain) => self.chain(table, &chain.name),
                            Reference::Set(set) => self.elements(changes, table, set),
                            Reference::Object(..) | Reference::Flowtable(_) => {}
                        }
                    }
                }
                _ => {}
            }
        }
        (bundle.from..=bundle.rule).for_each(|index| self.push(index));
    }

    /// A chain, behind those before it.
    fn chain(&mut self, table: &TableId, name: &str) {
        let plan = self.plan;
        let Some(&at) = plan.chain_at.get(&(table, name)) else { return };
        let chains = plan.chains.get(..=at).unwrap_or_default();
        let unsent = chains.partition_point(|&index| self.is_sent(index));
        chains[unsent..].iter().for_each(|&index| self.push(index));
    }

    /// What is added to a named set: a constant one takes nothing more once a rule uses it.
    fn elements(&mut self, changes: &[Change], table: &TableId, set: &SetRef) {
        let plan = self.plan;
        for &index in plan.elements.get(&(table, &*set.name)).into_iter().flatten() {
            if self.is_sent(index) {
                break;
            }
            if let Some(Change::NewElements { elements, .. }) = changes.get(index) {
                self.targets(table, elements);
            }
        }
        for &index in plan.elements.get(&(table, &*set.name)).into_iter().flatten() {
            if self.is_sent(index) {
                break;
            }
            self.push(index);
        }
    }

    /// The chains that elements of a map lead to.
    fn targets(&mut self, table: &TableId, elements: &[Element]) {
        for element in elements {
            if let Some(chain) = target(element) {
                self.chain(table, &chain.name);
            }
        }
    }
}

fn target(element: &Element) -> Option<&ChainRef> {
    match element.data()? {
        ElementData::Data(Data::Verdict(verdict)) => verdict_chain(verdict),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use ironweir_expr::Register;
    use ironweir_expr::immediate::Immediate;

    use super::*;
    use crate::{Chain, Creation, Expr, Family, Rule, Set, Verdict};

    fn table() -> TableId {
        TableId::new(Family::Ip, "t")
    }

    fn chain(name: &str) -> Change {
        let chain = Chain {
            name: name.into(),
            base: None,
            binding: None,
            userdata: Default::default(),
            unknown: Default::default(),
        };
        Change::NewChain { table: table(), chain, creation: Creation::Add }
    }

    fn rule(chain: &str, exprs: Vec<Expr>) -> Change {
        let rule = Rule { exprs, ..Rule::default() };
        Change::NewRule { table: table(), chain: ChainRef::new(chain), rule, place: Place::Last }
    }

    fn goto(chain: &str) -> Expr {
        Expr::Immediate(Immediate::Verdict(Verdict::Goto(ChainRef::new(chain))))
    }

    /// An anonymous map that leads to a chain, with the number `id`.
    fn map(id: u32, to: &str) -> [Change; 2] {
        let name: Box<str> = "__map%d".into();
        let set = Set { name: name.clone(), id, flags: SetFlags::ANONYMOUS | SetFlags::MAP, ..set("") };
        let mut element = Element::new(crate::Value::new(&[0; 4]));
        let verdict = Verdict::Goto(ChainRef::new(to));
        element.more_mut().data = Some(ElementData::Data(Data::Verdict(verdict)));
        let elements = Change::NewElements {
            table: table(),
            set: SetRef { name, id: Some(id) },
            elements: vec![element],
            creation: Creation::Add,
        };
        [Change::NewSet { table: table(), set, creation: Creation::Add }, elements]
    }

    fn set(name: &str) -> Set {
        Set {
            name: name.into(),
            id: 0,
            flags: SetFlags::empty(),
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
        }
    }

    fn lookup(set: &str) -> Expr {
        Expr::Lookup(ironweir_expr::lookup::Lookup {
            set: SetRef::new(set),
            source: Register::R1,
            result: ironweir_expr::lookup::Outcome::Test { invert: false },
        })
    }

    /// Services as kube-proxy has them: each a chain whose second rule has a map to the endpoint's chain.
    fn services(count: usize) -> Vec<Change> {
        let mut changes = vec![Change::FlushRuleset { family: None }];
        for n in 0..count {
            changes.extend([chain(&format!("end{n}")), chain(&format!("service{n}"))]);
        }
        changes.push(Change::NewSet { table: table(), set: set("known"), creation: Creation::Add });
        let elements = vec![Element::new(crate::Value::new(&[1; 4]))];
        let known = SetRef::new("known");
        changes.push(Change::NewElements { table: table(), set: known, elements, creation: Creation::Add });
        for n in 0..count {
            let (end, service) = (format!("end{n}"), format!("service{n}"));
            changes.push(rule(&end, Vec::new()));
            // One of them needs what another set has been told before.
            let first = if n == 3 { vec![lookup("known")] } else { vec![goto(&end)] };
            changes.push(rule(&service, first));
            changes.extend(map(n as u32 + 1, &end));
            changes.push(rule(&service, Vec::new()));
        }
        changes
    }

    fn place(order: &[u32], index: usize) -> usize {
        order.iter().position(|at| *at as usize == index).expect("every change is sent")
    }

    #[test]
    fn bindings_come_first_behind_what_they_refer_to() {
        let batch = Batch { changes: services(MANY) };
        let order = quickest(&batch).expect("another order");
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..batch.changes.len() as u32), "each change once");
        assert_eq!(order[0], 0, "what is taken away before goes before");
        // Chains 1.., the set and its elements, then five changes for each service.
        let (elements, rules) = (2 * MANY + 2, 2 * MANY + 3);
        let chains: Vec<usize> = (1..=2 * MANY).map(|chain| place(&order, chain)).collect();
        assert!(chains.is_sorted(), "chains are listed in the order they were made");
        for n in 0..MANY {
            let [end, first, map, members, binding] =
                [0, 1, 2, 3, 4].map(|at| place(&order, rules + 5 * n + at));
            assert!(chains[2 * n + 1] < first && first < map && map + 1 == members && members + 1 == binding);
            assert!(binding < end, "a rule that binds nothing waits");
        }
        assert!(place(&order, elements) < place(&order, rules + 5 * 3 + 1));
        let last = (0..MANY).map(|n| place(&order, rules + 5 * n + 4)).max();
        assert_eq!(last, Some(batch.changes.len() - 1 - MANY), "all bindings are before all that waits");
    }

    #[test]
    fn few_bindings_and_anything_that_takes_away_behind_them_keep_the_order() {
        assert_eq!(quickest(&Batch { changes: services(MANY - 1) }), None);
        let mut changes = services(MANY);
        changes.push(Change::FlushRules { table: table(), chain: None });
        assert_eq!(quickest(&Batch { changes }), None);
    }
}
