//! Changes to rules.

use std::sync::Arc;

use ironweir_expr::immediate::Immediate;
use ironweir_expr::objref::Objref;

use super::{Origin, Transaction, Undo};
use crate::set::SetData;
use crate::store::Errno;
use crate::store::error::{ErrorKind, Thing};
use crate::store::references::{Reference, references};
use crate::store::table::ObjectQuery;
use crate::store::{RuleState, SetState, TableState};
use crate::{
    ChainRef, Expr, Handle, Place, Rule, RuleSelector, Selector, SetFlags, SetRef, TableId, Verdict,
};

/// How many expressions a rule may have (`NFT_RULE_MAXEXPRS`).
const MOST_EXPRESSIONS: usize = 128;

fn bad(reason: &str, errno: Errno) -> ErrorKind {
    ErrorKind::BadRule { reason: reason.into(), errno }
}

impl Transaction<'_> {
    pub(super) fn new_rule(
        &mut self,
        table: &TableId,
        chain: &ChainRef,
        rule: &Rule,
        place: Place,
    ) -> Result<Option<Handle>, ErrorKind> {
        let slot = self.find_table(table)?;
        let anonymous = chain.id.and_then(|id| self.chain_ids.get(&(slot, id)).copied());
        let chain_slot = match anonymous {
            Some(chain) => chain,
            None => self.find_chain(slot, &Selector::Name(chain.name.clone()))?,
        };
        let mut rule = rule.clone();
        self.resolve_rule(slot, &mut rule)?;
        let Some(state) = self.table(slot).chains.get(chain_slot) else { return Ok(None) };
        if anonymous.is_none() && state.chain.binding.is_some() {
            return Err(ErrorKind::Unsupported {
                what: Thing::Chain,
                table: table.clone(),
                name: chain.name.clone(),
                reason: "rules are added to an anonymous chain only with it",
            });
        }
        let after = match place {
            Place::Last => state.rules.last(),
            Place::First => None,
            Place::After(which) | Place::Instead(which) => Some(self.find_rule(slot, chain_slot, which)?),
            Place::Before(which) => {
                let before = self.find_rule(slot, chain_slot, which)?;
                self.table(slot).chains.get(chain_slot).and_then(|chain| chain.rules.before(before))
            }
        };
        let handle = self.new_handle(slot);
        let jumps = references(&rule.exprs).any(|reference| match reference {
            Reference::Chain(_) => true,
            Reference::Set(set) => {
                let set = set.id.and_then(|id| self.ruleset.tables.get(slot)?.sets.get(id));
                set.is_some_and(|set| set.set.data == Some(SetData::Verdict))
            }
            _ => false,
        });
        if jumps {
            self.jumps_changed.insert(slot);
            self.new_jumps.push((self.change, slot, Origin::Chain(chain_slot)));
        }
        self.new_rules.push((self.change, slot, chain_slot, handle));
        self.put_rule(slot, chain_slot, after, Arc::new(RuleState { handle, rule }));
        self.undo.push(Undo::NewRule(slot, chain_slot, handle));
        self.made_rules.insert(self.change as u32, (slot, chain_slot, handle));
        if let (Place::Instead(_), Some(old)) = (place, after) {
            self.remove_rule(slot, chain_slot, old);
        }
        self.touch_chain(slot, chain_slot);
        Ok(Some(handle))
    }

    /// The handle of a rule that is in the chain.
    fn find_rule(&mut self, table: u32, chain: u32, which: RuleSelector) -> Result<Handle, ErrorKind> {
        let made = match which {
            RuleSelector::Handle(handle) => Some(handle),
            RuleSelector::Change(change) => self
                .made_rules
                .get(&change)
                .filter(|(t, c, _)| (*t, *c) == (table, chain))
                .map(|(_, _, handle)| *handle),
        };
        let state = self.table(table);
        let there =
            |handle: &Handle| state.chains.get(chain).is_some_and(|chain| chain.rules.contains(*handle));
        made.filter(there).ok_or_else(|| ErrorKind::NoHandle {
            what: Thing::Rule,
            table: state.table.id.clone(),
            handle: made.unwrap_or_default(),
        })
    }

    pub(super) fn del_rule(
        &mut self,
        table: &TableId,
        chain: &str,
        which: RuleSelector,
        missing_ok: bool,
    ) -> Result<Option<Handle>, ErrorKind> {
        let found = self.find_table(table).and_then(|slot| {
            let chain = self.find_chain(slot, &Selector::Name(chain.into()))?;
            Ok((slot, chain, self.find_rule(slot, chain, which)?))
        });
        match found {
            Ok((slot, chain, handle)) => {
                self.remove_rule(slot, chain, handle);
                self.touch_chain(slot, chain);
                Ok(Some(handle))
            }
            Err(_) if missing_ok => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn flush_rules(
        &mut self,
        table: &TableId,
        chain: Option<&str>,
    ) -> Result<Option<Handle>, ErrorKind> {
        let slot = self.find_table(table)?;
        let chains = match chain {
            Some(name) => vec![self.find_chain(slot, &Selector::Name(name.into()))?],
            None => {
                let chains = &self.table(slot).chains;
                chains
                    .iter()
                    .filter(|(_, chain)| chain.chain.binding.is_none())
                    .map(|(chain, _)| chain)
                    .collect()
            }
        };
        for chain in chains {
            let Some(state) = self.table(slot).chains.get(chain) else { continue };
            let handles: Vec<Handle> = state.rules().map(|rule| rule.handle).collect();
            for handle in handles {
                self.remove_rule(slot, chain, handle);
            }
            self.touch_chain(slot, chain);
        }
        Ok(None)
    }

    fn put_rule(&mut self, table: u32, chain: u32, after: Option<Handle>, rule: Arc<RuleState>) {
        put_rule(self.table(table), chain, after, rule);
    }

    /// Takes a rule out, and with it the anonymous sets and chains it uses, their rules and so on.
    pub(super) fn remove_rule(&mut self, table: u32, chain: u32, handle: Handle) {
        let mut chains = Vec::new();
        self.remove_one_rule(table, chain, handle, &mut chains);
        while let Some(chain) = chains.pop() {
            let Some(state) = self.table(table).chains.get(chain) else { continue };
            let handles: Vec<Handle> = state.rules().map(|rule| rule.handle).collect();
            for handle in handles {
                self.remove_one_rule(table, chain, handle, &mut chains);
            }
            self.remove_chain(table, chain);
        }
    }

    /// Takes a rule and its anonymous sets out; anonymous chains that nothing uses any more are left to the caller.
    fn remove_one_rule(&mut self, table: u32, chain: u32, handle: Handle, unused: &mut Vec<u32>) {
        let Some((before, rule)) = take_rule(self.table(table), chain, handle) else { return };
        self.undo.push(Undo::DelRule(table, chain, before, rule.clone()));
        for reference in references(&rule.rule.exprs) {
            match reference {
                Reference::Set(SetRef { id: Some(id), .. }) => {
                    let set = self.table(table).sets.get(*id);
                    if set.is_some_and(|set| set.is_anonymous() && set.uses == 0) {
                        self.remove_set(table, *id);
                    }
                }
                Reference::Chain(ChainRef { id: Some(id), .. }) => {
                    let chain = self.table(table).chains.get(*id);
                    if chain.is_some_and(|chain| chain.chain.binding.is_some() && chain.uses == 0) {
                        unused.push(*id);
                    }
                }
                _ => {}
            }
        }
    }

    /// Fills in what the expressions refer to.
    fn resolve_rule(&mut self, table: u32, rule: &mut Rule) -> Result<(), ErrorKind> {
        if rule.exprs.len() > MOST_EXPRESSIONS {
            return Err(ErrorKind::TooManyExpressions);
        }
        let mut anonymous: Vec<u32> = Vec::new();
        for expr in &mut rule.exprs {
            match expr.known_mut() {
                Expr::Immediate(Immediate::Verdict(verdict)) => self.resolve_verdict(table, verdict)?,
                Expr::Lookup(lookup) => {
                    self.resolve_set(table, &mut lookup.set, &mut anonymous)?;
                }
                Expr::Dynset(dynset) => {
                    let set = self.resolve_set(table, &mut dynset.set, &mut anonymous)?;
                    let name = &set.set.name;
                    if set.set.flags.contains(SetFlags::CONSTANT) {
                        let name = set.set.name.clone();
                        return Err(ErrorKind::Constant { table: self.table(table).table.id.clone(), name });
                    }
                    if set.set.flags.contains(SetFlags::INTERVAL) {
                        let reason = format!("set {name} has flag interval: rules cannot change it");
                        return Err(bad(&reason, Errno::EOPNOTSUPP));
                    }
                    if dynset.timeout != 0 && !set.set.flags.contains(SetFlags::TIMEOUT) {
                        let reason = format!("set {name} has no flag timeout");
                        return Err(bad(&reason, Errno::EOPNOTSUPP));
                    }
                    match (dynset.data, set.set.data) {
                        (Some(_), None) => {
                            return Err(bad(&format!("set {name} is no map"), Errno::EOPNOTSUPP));
                        }
                        (Some(_), Some(SetData::Verdict | SetData::Object(_))) => {
                            return Err(bad(
                                "rules cannot add verdicts or objects to maps",
                                Errno::EOPNOTSUPP,
                            ));
                        }
                        _ => {}
                    }
                }
                Expr::Objref(Objref::Map { set, .. }) => {
                    let set = self.resolve_set(table, set, &mut anonymous)?;
                    if !matches!(set.set.data, Some(SetData::Object(_))) {
                        return Err(bad("the map does not map to objects", Errno::EINVAL));
                    }
                }
                Expr::Objref(Objref::Name { kind, name }) => {
                    let state = self.table(table);
                    if state.objects.find(&ObjectQuery(*kind, name)).is_none() {
                        return Err(ErrorKind::NoSuch {
                            what: Thing::Object(*kind),
                            table: state.table.id.clone(),
                            name: name.clone(),
                        });
                    }
                }
                Expr::FlowOffload(offload) => {
                    let state = self.table(table);
                    if state.flowtables.find(&*offload.flowtable).is_none() {
                        return Err(ErrorKind::NoSuch {
                            what: Thing::Flowtable,
                            table: state.table.id.clone(),
                            name: offload.flowtable.clone(),
                        });
                    }
                }
                Expr::Unknown(_) => return Err(bad("unknown expression", Errno::ENOENT)),
                Expr::XtMatch(_) | Expr::XtTarget(_) => {
                    return Err(bad("xtables extensions are not there", Errno::ENOENT));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Fills in the chain of a jump or goto.
    pub(super) fn resolve_verdict(&mut self, table: u32, verdict: &mut Verdict) -> Result<(), ErrorKind> {
        let (Verdict::Jump(chain) | Verdict::Goto(chain)) = verdict else { return Ok(()) };
        let anonymous = chain.id.and_then(|id| self.chain_ids.get(&(table, id)).copied());
        let state = self.table(table);
        let slot = anonymous.or_else(|| state.chains.find(&*chain.name));
        let Some((slot, target)) = slot.and_then(|slot| Some((slot, state.chains.get(slot)?))) else {
            return Err(ErrorKind::NoSuch {
                what: Thing::Chain,
                table: state.table.id.clone(),
                name: chain.name.clone(),
            });
        };
        if target.chain.base.is_some() {
            return Err(ErrorKind::JumpToBase { table: state.table.id.clone(), name: chain.name.clone() });
        }
        if target.chain.binding.is_some() && (anonymous.is_none() || target.uses > 0) {
            return Err(ErrorKind::InUse {
                what: Thing::Chain,
                table: state.table.id.clone(),
                name: target.chain.name.clone(),
            });
        }
        *chain = ChainRef { name: target.chain.name.clone(), id: Some(slot) };
        Ok(())
    }

    /// Fills in a set by name, or by its number when it is of this batch.
    fn resolve_set(
        &mut self,
        table: u32,
        reference: &mut SetRef,
        anonymous: &mut Vec<u32>,
    ) -> Result<&SetState, ErrorKind> {
        let by_id = reference.id.and_then(|id| self.set_ids.get(&(table, id)).copied());
        let state = self.ruleset.tables.get(table).expect("the slot was found in this very change");
        let slot = state.sets.find(&*reference.name).or(by_id);
        let Some((slot, set)) = slot.and_then(|slot| Some((slot, state.sets.get(slot)?))) else {
            return Err(ErrorKind::NoSuch {
                what: Thing::Set,
                table: state.table.id.clone(),
                name: reference.name.clone(),
            });
        };
        if set.is_anonymous() {
            if set.uses > 0 || anonymous.contains(&slot) {
                return Err(ErrorKind::InUse {
                    what: Thing::Set,
                    table: state.table.id.clone(),
                    name: set.set.name.clone(),
                });
            }
            anonymous.push(slot);
        }
        *reference = SetRef { name: set.set.name.clone(), id: Some(slot) };
        Ok(set)
    }
}

/// Puts a rule into a chain and counts what it refers to.
pub(in crate::store) fn put_rule(
    table: &mut TableState,
    chain: u32,
    after: Option<Handle>,
    rule: Arc<RuleState>,
) {
    count_references(table, chain, &rule.rule, 1);
    if let Some(state) = table.chains.get_mut(chain) {
        state.rules.insert_after(after, rule);
    }
}

/// Takes a rule out of a chain and no longer counts what it refers to.
pub(in crate::store) fn take_rule(
    table: &mut TableState,
    chain: u32,
    handle: Handle,
) -> Option<(Option<Handle>, Arc<RuleState>)> {
    let (before, rule) = table.chains.get_mut(chain)?.rules.remove(handle)?;
    count_references(table, chain, &rule.rule, -1);
    Some((before, rule))
}

fn count(map: &mut hashbrown::HashMap<u32, u32>, key: u32, by: i32) {
    let number = map.entry(key).or_insert(0);
    *number = number.saturating_add_signed(by);
    if *number == 0 {
        map.remove(&key);
    }
}

fn count_references(table: &mut TableState, chain: u32, rule: &Rule, by: i32) {
    for reference in references(&rule.exprs) {
        match reference {
            Reference::Chain(ChainRef { id: Some(target), .. }) => {
                if let Some(target) = table.chains.get_mut(*target) {
                    target.uses = target.uses.saturating_add_signed(by);
                }
                if let Some(from) = table.chains.get_mut(chain) {
                    count(&mut from.jumps, *target, by);
                }
            }
            Reference::Set(SetRef { id: Some(id), .. }) => {
                let Some(set) = table.sets.get_mut(*id) else { continue };
                set.uses = set.uses.saturating_add_signed(by);
                if set.set.data == Some(SetData::Verdict)
                    && let Some(from) = table.chains.get_mut(chain)
                {
                    count(&mut from.maps, *id, by);
                }
            }
            Reference::Object(kind, name) => {
                let slot = table.objects.find(&ObjectQuery(kind, name));
                if let Some(object) = slot.and_then(|slot| table.objects.get_mut(slot)) {
                    object.uses = object.uses.saturating_add_signed(by);
                }
            }
            Reference::Flowtable(name) => {
                let slot = table.flowtables.find(name);
                if let Some(flowtable) = slot.and_then(|slot| table.flowtables.get_mut(slot)) {
                    flowtable.uses = flowtable.uses.saturating_add_signed(by);
                }
            }
            Reference::Chain(_) | Reference::Set(_) => {}
        }
    }
}
