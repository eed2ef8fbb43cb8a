//! What a rule refers to, also through the anonymous sets and chains that go with it.

use std::collections::HashSet;

use ironweir_expr::immediate::Immediate;
use ironweir_expr::objref::{ObjectType, Objref};
use ironweir_ruleset::store::TableState;
use ironweir_ruleset::{Data, ElementData, Expr, Verdict};

/// Anonymous chains inside one another; the kernel allows fewer.
const MOST_DEPTH: usize = 16;

/// Names of things of one table.
#[derive(Clone, Debug, Default)]
pub(super) struct Things {
    pub(super) chains: HashSet<Box<str>>,
    pub(super) sets: HashSet<Box<str>>,
    pub(super) objects: HashSet<(ObjectType, Box<str>)>,
    pub(super) flowtables: HashSet<Box<str>>,
}

impl Things {
    pub(super) fn is_empty(&self) -> bool {
        self.chains.is_empty()
            && self.sets.is_empty()
            && self.objects.is_empty()
            && self.flowtables.is_empty()
    }

    /// Whether an element of a map leads to one of them.
    pub(super) fn has_target(&self, data: Option<&ElementData>, kind: Option<ObjectType>) -> bool {
        match data {
            Some(ElementData::Data(Data::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain)))) => {
                self.chains.contains(&chain.name)
            }
            Some(ElementData::Object(name)) => {
                kind.is_some_and(|kind| self.objects.contains(&(kind, name.clone())))
            }
            _ => false,
        }
    }

    /// Whether expressions of a rule of `table` refer to one of them.
    pub(super) fn reached_by(&self, table: &TableState, exprs: &[Expr]) -> bool {
        self.reached(table, exprs, 0)
    }

    fn reached(&self, table: &TableState, exprs: &[Expr], depth: usize) -> bool {
        exprs.iter().any(|expr| match expr {
            Expr::Immediate(Immediate::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain))) => {
                self.chains.contains(&chain.name) || self.inside(table, &chain.name, depth)
            }
            Expr::Lookup(lookup) => self.through_set(table, &lookup.set.name),
            Expr::Dynset(dynset) => self.through_set(table, &dynset.set.name),
            Expr::Objref(Objref::Map { set, .. }) => self.through_set(table, &set.name),
            Expr::Objref(Objref::Name { kind, name }) => self.objects.contains(&(*kind, name.clone())),
            Expr::FlowOffload(offload) => self.flowtables.contains(&offload.flowtable),
            _ => false,
        })
    }

    /// Whether rules of an anonymous chain refer to one of them.
    fn inside(&self, table: &TableState, chain: &str, depth: usize) -> bool {
        let chain = table.chain(chain).filter(|chain| chain.chain.binding.is_some() && depth < MOST_DEPTH);
        chain.is_some_and(|chain| chain.rules().any(|rule| self.reached(table, &rule.rule.exprs, depth + 1)))
    }

    /// Whether a set is one of them, or an anonymous one whose elements lead to one.
    fn through_set(&self, table: &TableState, name: &str) -> bool {
        if self.sets.contains(name) {
            return true;
        }
        let Some(set) = table.set(name).filter(|set| set.is_anonymous()) else { return false };
        let kind = super::elements::object_kind(&set.set);
        set.elements().any(|element| self.has_target(element.more.and_then(|more| more.data.as_ref()), kind))
    }
}
