//! What is checked when all changes are made: anonymous things are used, jumps neither loop nor go too deep, and
//! expressions may be where base chains reach them.

use hashbrown::HashMap;
use ironweir_expr::{ChainKind, ExprError, ValidateCtx};

use super::{Origin, Transaction, Undo};
use crate::store::Errno;
use crate::store::error::{ErrorKind, Thing};
use crate::store::graph::{Fault, reach_kinds, walk};
use crate::store::{ChangeError, RuleState};
use crate::{ChainType, Family, Handle, Hook};

impl Transaction<'_> {
    pub(super) fn validate(&mut self, errors: &mut Vec<ChangeError>) {
        self.check_anonymous(errors);
        let mut tables: Vec<u32> = self.jumps_changed.iter().copied().collect();
        tables.sort_unstable();
        let mut gained = Vec::new();
        for table in tables {
            self.check_jumps(table, &mut gained, errors);
        }
        if errors.is_empty() {
            self.check_expressions(&gained, errors);
        }
    }

    /// Expressions of new rules, and those of old rules that base chains of another kind reach now.
    fn check_expressions(&self, gained: &[(u32, u32, u32)], errors: &mut Vec<ChangeError>) {
        let mut new: HashMap<(u32, u32, Handle), usize> = HashMap::with_capacity(self.new_rules.len());
        for &(change, table, chain, handle) in &self.new_rules {
            new.insert((table, chain, handle), change);
            let Some(state) = self.ruleset.tables.get(table) else { continue };
            let Some(chain) = state.chains.get(chain) else { continue };
            let Some(rule) = chain.rule(handle) else { continue };
            let family = state.table.id.family;
            let outside = std::iter::once(None);
            let wheres = outside.chain(reach_kinds(chain.reached_from).map(Some));
            if let Err(kind) = check_rule(rule, family, wheres) {
                errors.push(ChangeError { change, kind });
            }
        }
        for &(table, slot, bits) in gained {
            let Some(state) = self.ruleset.tables.get(table) else { continue };
            let Some(chain) = state.chains.get(slot) else { continue };
            for rule in chain.rules().filter(|rule| !new.contains_key(&(table, slot, rule.handle))) {
                let wheres = reach_kinds(bits).map(Some);
                if let Err(kind) = check_rule(rule, state.table.id.family, wheres) {
                    let of_table = self.new_jumps.iter().rev().find(|(_, t, _)| *t == table);
                    let change = of_table.map_or(self.change, |(change, _, _)| *change);
                    errors.push(ChangeError { change, kind });
                    return;
                }
            }
        }
    }

    fn check_anonymous(&mut self, errors: &mut Vec<ChangeError>) {
        for &(change, table, slot, handle, what) in &self.anonymous {
            let Some(state) = self.ruleset.tables.get(table) else { continue };
            let unused = match what {
                Thing::Chain => state.chains.get(slot).is_some_and(|c| c.handle == handle && c.uses == 0),
                _ => state.sets.get(slot).is_some_and(|set| set.handle == handle && set.uses == 0),
            };
            if unused {
                errors.push(ChangeError {
                    change,
                    kind: ErrorKind::Unbound { what, table: state.table.id.clone() },
                });
            }
        }
    }

    fn check_jumps(&mut self, table: u32, gained: &mut Vec<(u32, u32, u32)>, errors: &mut Vec<ChangeError>) {
        let Some(state) = self.ruleset.tables.get_mut(table) else { return };
        let (chain, in_fault) = match walk(state) {
            Ok(reach) => {
                let mut old = Vec::new();
                for (slot, bits) in reach {
                    if let Some(chain) = state.chains.get_mut(slot)
                        && chain.reached_from != bits
                    {
                        let before = std::mem::replace(&mut chain.reached_from, bits);
                        gained.push((table, slot, bits & !before));
                        old.push((slot, before));
                    }
                }
                if !old.is_empty() {
                    self.undo.push(Undo::Reach(table, old));
                }
                return;
            }
            Err(Fault::Loop(chains)) => (chains.first().copied(), chains),
            Err(Fault::TooDeep(chain)) => (None, vec![chain]),
        };
        let state = &*state;
        let name_of =
            |slot: u32| state.chains.get(slot).map(|chain| chain.chain.name.clone()).unwrap_or_default();
        let id = state.table.id.clone();
        let kind = match chain {
            Some(_) => ErrorKind::Loop { table: id, chains: in_fault.iter().copied().map(name_of).collect() },
            None => {
                let deep = in_fault.first().copied().unwrap_or_default();
                ErrorKind::TooDeep { table: id, name: name_of(deep) }
            }
        };
        // Blame the last change that added a jump from or to one of these chains.
        let touches = |origin: Origin| match origin {
            Origin::Chain(from) => {
                let leads_there = |chain: &crate::store::ChainState| {
                    in_fault.contains(&from) || in_fault.iter().any(|to| chain.jumps.contains_key(to))
                };
                state.chains.get(from).is_some_and(leads_there)
            }
            Origin::Map(set) => {
                let leads_there =
                    |set: &crate::store::SetState| in_fault.iter().any(|to| set.targets.contains_key(to));
                state.sets.get(set).is_some_and(leads_there)
            }
        };
        let of_table = || self.new_jumps.iter().rev().filter(|(_, t, _)| *t == table);
        let within = |origin: Origin| matches!(origin, Origin::Chain(from) if in_fault.contains(&from));
        let blamed = of_table()
            .find(|(_, _, origin)| within(*origin) && touches(*origin))
            .or_else(|| of_table().find(|(_, _, origin)| touches(*origin)))
            .or_else(|| of_table().next());
        let change = blamed.map_or(self.change, |(change, _, _)| *change);
        errors.push(ChangeError { change, kind });
    }
}

/// Whether a rule may be where these kinds of base chains (`None`: nothing) reach it.
fn check_rule(
    rule: &RuleState,
    family: Family,
    wheres: impl Iterator<Item = Option<(ChainType, Hook)>>,
) -> Result<(), ErrorKind> {
    for place in wheres {
        let base = place.map(|(kind, hook)| {
            let kind = match kind {
                ChainType::Filter => ChainKind::Filter,
                ChainType::Nat => ChainKind::Nat,
                ChainType::Route => ChainKind::Route,
            };
            (kind, hook)
        });
        let context = ValidateCtx { family, base };
        for expr in &rule.rule.exprs {
            expr.validate(&context).map_err(|error| ErrorKind::BadRule {
                reason: error.to_string().into(),
                errno: errno(&error),
            })?;
        }
    }
    Ok(())
}

fn errno(error: &ExprError) -> Errno {
    match error {
        ExprError::RegisterRange { .. } => Errno::ERANGE,
        ExprError::Length { .. } | ExprError::Invalid(_) => Errno::EINVAL,
        ExprError::Family { .. } | ExprError::Hook { .. } | ExprError::NotNatChain { .. } => {
            Errno::EOPNOTSUPP
        }
        ExprError::Unsupported(_) => Errno::ENOENT,
    }
}
