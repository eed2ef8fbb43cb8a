//! A committed ruleset made ready for packets: each chain's rules in a row, and for each hook what is called there in
//! which order. It never changes; rules are shared with the ruleset and with the generation before.

use std::sync::Arc;

use hashbrown::HashMap;
use ironweir_conntrack::Manip;
use ironweir_expr::counter::Counter;
use ironweir_ruleset::store::{ChainState, RuleState, TableState};
use ironweir_ruleset::{ChainType, Expr, Family, Hook, Policy, Ruleset, TableFlags};
use ironweir_wire::{IfIndex, L3};

use crate::{ChainId, Host};

/// Something that is called at a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// A base chain of type filter or route.
    Chain(ChainId),
    /// Fragments are held until they make a whole packet.
    Defragment,
    /// Connection tracking takes the packet in.
    Conntrack,
    /// NAT: the nat chains for the first packet of a connection, and the translation of every packet.
    Nat(Manip),
    /// A new connection enters the table.
    Confirm,
    /// A flowtable is looked up: table and flowtable.
    Flowtable(u32, u32),
}

/// What a base chain has beside its rules.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    pub(crate) policy: Policy,
    pub(crate) hits: Arc<Counter>,
    /// Whether packets are routed anew that it changes (`type route`).
    pub(crate) routes: bool,
}

/// A chain's rules in a row.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    version: u64,
    pub(crate) rules: Arc<[Arc<RuleState>]>,
    pub(crate) base: Option<Base>,
    /// Whether its rules need connection tracking.
    tracked: bool,
}

/// A table's chains by slot.
#[derive(Clone, Debug)]
pub(crate) struct TableProgram {
    pub(crate) family: Family,
    pub(crate) chains: Vec<Option<Program>>,
}

/// What is called at one hook, in order.
pub(crate) type HookList = Vec<Stage>;

/// The IP hooks of one network protocol.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hooks {
    /// Whether connections are tracked.
    pub(crate) tracks: bool,
    lists: [HookList; 7],
    nat: [Vec<ChainId>; 7],
}

impl Hooks {
    pub(crate) fn list(&self, hook: Hook) -> &[Stage] {
        &self.lists[hook as usize]
    }

    /// The nat chains at a hook, in order.
    pub(crate) fn nat(&self, hook: Hook) -> &[ChainId] {
        &self.nat[hook as usize]
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Generation {
    tables: Vec<Option<TableProgram>>,
    pub(crate) v4: Hooks,
    pub(crate) v6: Hooks,
    pub(crate) arp: Hooks,
    pub(crate) bridge: Hooks,
    ingress: HashMap<IfIndex, HookList>,
    egress: HashMap<IfIndex, HookList>,
}

/// Where fragments are put together (`NF_IP_PRI_CONNTRACK_DEFRAG`).
const DEFRAGMENT: i32 = -400;
/// Where connection tracking is called (`NF_IP_PRI_CONNTRACK`).
const CONNTRACK: i32 = -200;
/// Where destination NAT is called (`NF_IP_PRI_NAT_DST`).
const NAT_DST: i32 = -100;
/// Where source NAT is called (`NF_IP_PRI_NAT_SRC`).
const NAT_SRC: i32 = 100;
/// Where connections are confirmed (`NF_IP_PRI_CONNTRACK_CONFIRM`).
const CONFIRM: i32 = i32::MAX;

/// A stage with what orders it: priority; core stages before chains; younger chains before older ones of the same
/// priority (`nf_hook_entries_grow`).
type Ordered = (i32, u8, std::cmp::Reverse<(usize, u64)>, Stage);

fn needs_conntrack(expr: &Expr) -> bool {
    let expr = expr.known();
    matches!(
        expr,
        Expr::CtGet(_)
            | Expr::CtSet(_)
            | Expr::Connlimit(_)
            | Expr::FlowOffload(_)
            | Expr::Masq(_)
            | Expr::Nat(_)
            | Expr::Notrack(_)
            | Expr::Redir(_)
            | Expr::Synproxy(_)
    ) || matches!(expr, Expr::Dynset(dynset) if dynset.exprs.iter().any(needs_conntrack))
        || matches!(expr, Expr::Objref(ironweir_expr::objref::Objref::Name { kind, .. }) if {
            use ironweir_expr::objref::ObjectType::{CtExpectation, CtHelper, CtTimeout, Connlimit, Synproxy};
            matches!(kind, CtExpectation | CtHelper | CtTimeout | Connlimit | Synproxy)
        })
}

impl Program {
    fn new(chain: &ChainState) -> Program {
        let rules: Arc<[Arc<RuleState>]> = chain.rules().cloned().collect();
        let base = chain.chain.base.as_ref().map(|base| Base {
            policy: base.policy.unwrap_or(Policy::Accept),
            hits: chain.policy_hits.clone(),
            routes: base.kind == ChainType::Route,
        });
        let nat = chain.chain.base.as_ref().is_some_and(|base| base.kind == ChainType::Nat);
        let tracked = nat || rules.iter().any(|rule| rule.rule.exprs.iter().any(needs_conntrack));
        Program { version: chain.version(), rules, base, tracked }
    }
}

impl Generation {
    /// The generation of a ruleset. Chains that did not change are taken over from the one before.
    pub(crate) fn new(ruleset: &Ruleset, host: &Host, before: &mut Generation) -> Generation {
        let mut generation = Generation::default();
        for (slot, table) in ruleset.table_slots() {
            let old = before.tables.get_mut(slot as usize).and_then(Option::take);
            let program = table_program(table, old);
            let slot = slot as usize;
            if generation.tables.len() <= slot {
                generation.tables.resize_with(slot + 1, || None);
            }
            generation.tables[slot] = Some(program);
        }
        generation.order_hooks(ruleset, host);
        generation
    }

    /// A chain's rules.
    pub(crate) fn program(&self, chain: ChainId) -> Option<&Program> {
        self.tables.get(chain.table as usize)?.as_ref()?.chains.get(chain.chain as usize)?.as_ref()
    }

    /// A table's family.
    pub(crate) fn family(&self, table: u32) -> Option<Family> {
        self.tables.get(table as usize)?.as_ref().map(|table| table.family)
    }

    pub(crate) fn hooks(&self, l3: L3) -> Option<&Hooks> {
        match l3 {
            L3::V4 => Some(&self.v4),
            L3::V6 => Some(&self.v6),
            L3::Arp => Some(&self.arp),
            L3::Other => None,
        }
    }

    pub(crate) fn ingress(&self, device: IfIndex) -> &[Stage] {
        self.ingress.get(&device).map_or(&[], |list| list)
    }

    pub(crate) fn egress(&self, device: IfIndex) -> &[Stage] {
        self.egress.get(&device).map_or(&[], |list| list)
    }

    fn tracked(&self, family: Family, host: &Host) -> bool {
        host.conntrack.always
            || self.tables.iter().flatten().any(|table| {
                (table.family == family || table.family == Family::Inet)
                    && table.chains.iter().flatten().any(|chain| chain.tracked)
            })
    }

    fn order_hooks(&mut self, ruleset: &Ruleset, host: &Host) {
        let active = |table: &&TableState| !table.table.flags.contains(TableFlags::DORMANT);
        for family in [Family::Ip, Family::Ip6, Family::Arp, Family::Bridge] {
            let ip = matches!(family, Family::Ip | Family::Ip6);
            let tracked = ip && self.tracked(family, host);
            let mut ordered: [Vec<Ordered>; 7] = Default::default();
            let mut nat: [Vec<Ordered>; 7] = Default::default();
            for (at, table) in ruleset.tables().filter(active).enumerate() {
                let its = table.table.id.family;
                if its != family && !(ip && its == Family::Inet) {
                    continue;
                }
                for chain in table.chains() {
                    let Some(base) = &chain.chain.base else { continue };
                    let id = ChainId { table: table.id, chain: chain.id };
                    let entry =
                        (base.priority.0, 1, std::cmp::Reverse((at, chain.handle.0)), Stage::Chain(id));
                    match base.kind {
                        ChainType::Nat => nat[base.hook as usize].push(entry),
                        _ if base.hook == Hook::Ingress => {}
                        _ => ordered[base.hook as usize].push(entry),
                    }
                }
            }
            if tracked {
                let has_nat = nat.iter().any(|list| !list.is_empty());
                let none = std::cmp::Reverse((0, 0));
                for (hook, priority, stage, wanted) in [
                    (Hook::Prerouting, DEFRAGMENT, Stage::Defragment, true),
                    (Hook::Output, DEFRAGMENT, Stage::Defragment, true),
                    (Hook::Prerouting, CONNTRACK, Stage::Conntrack, true),
                    (Hook::Output, CONNTRACK, Stage::Conntrack, true),
                    (Hook::Prerouting, NAT_DST, Stage::Nat(Manip::Destination), has_nat),
                    (Hook::Output, NAT_DST, Stage::Nat(Manip::Destination), has_nat),
                    (Hook::Input, NAT_SRC, Stage::Nat(Manip::Source), has_nat),
                    (Hook::Postrouting, NAT_SRC, Stage::Nat(Manip::Source), has_nat),
                    (Hook::Input, CONFIRM, Stage::Confirm, true),
                    (Hook::Postrouting, CONFIRM, Stage::Confirm, true),
                ] {
                    if wanted {
                        // Confirmation is the last of all, other stages come before chains of their priority.
                        let rank = if stage == Stage::Confirm { 2 } else { 0 };
                        ordered[hook as usize].push((priority, rank, none, stage));
                    }
                }
            }
            let target = match family {
                Family::Ip => &mut self.v4,
                Family::Ip6 => &mut self.v6,
                Family::Arp => &mut self.arp,
                _ => &mut self.bridge,
            };
            target.tracks = tracked;
            for (list, mut ordered) in target.lists.iter_mut().zip(ordered) {
                ordered.sort_by_key(|(priority, rank, age, _)| (*priority, *rank, *age));
                *list = ordered.into_iter().map(|(_, _, _, stage)| stage).collect();
            }
            for (list, mut ordered) in target.nat.iter_mut().zip(nat) {
                ordered.sort_by_key(|(priority, rank, age, _)| (*priority, *rank, *age));
                *list = ordered
                    .into_iter()
                    .filter_map(|(_, _, _, stage)| match stage {
                        Stage::Chain(id) => Some(id),
                        _ => None,
                    })
                    .collect();
            }
        }
        self.order_devices(ruleset, host);
    }

    fn order_devices(&mut self, ruleset: &Ruleset, host: &Host) {
        let mut ingress: HashMap<IfIndex, Vec<Ordered>> = HashMap::new();
        let mut egress: HashMap<IfIndex, Vec<Ordered>> = HashMap::new();
        let tables = ruleset.tables().filter(|table| !table.table.flags.contains(TableFlags::DORMANT));
        for (at, table) in tables.enumerate() {
            for chain in table.chains() {
                let Some(base) = &chain.chain.base else { continue };
                let lists = match base.hook {
                    Hook::Ingress => &mut ingress,
                    Hook::Egress => &mut egress,
                    _ => continue,
                };
                let stage = Stage::Chain(ChainId { table: table.id, chain: chain.id });
                let entry = (base.priority.0, 1, std::cmp::Reverse((at, chain.handle.0)), stage);
                for device in devices(host, &base.devices) {
                    lists.entry(device).or_default().push(entry);
                }
            }
            for flowtable in table.flowtables() {
                let stage = Stage::Flowtable(table.id, flowtable.id);
                let age = std::cmp::Reverse((at, flowtable.handle.0));
                for device in devices(host, &flowtable.flowtable.devices) {
                    ingress.entry(device).or_default().push((flowtable.flowtable.priority.0, 1, age, stage));
                }
            }
        }
        for (lists, target) in [(ingress, &mut self.ingress), (egress, &mut self.egress)] {
            for (device, mut ordered) in lists {
                ordered.sort_by_key(|(priority, rank, age, _)| (*priority, *rank, *age));
                target.insert(device, ordered.into_iter().map(|(_, _, _, stage)| stage).collect());
            }
        }
    }
}

/// The host's interfaces that device names mean; a name may end in `*`. Names of no interface mean none: the device
/// may come later.
fn devices<'h>(host: &'h Host, names: &'h [Box<str>]) -> impl Iterator<Item = IfIndex> + 'h {
    let mentioned = |name: &str| {
        names.iter().any(|wanted| match wanted.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => **wanted == *name,
        })
    };
    host.interfaces()
        .iter()
        .filter(move |interface| mentioned(&interface.name))
        .map(|interface| interface.index)
}

fn table_program(table: &TableState, mut old: Option<TableProgram>) -> TableProgram {
    let mut chains: Vec<Option<Program>> = Vec::new();
    chains.resize_with(table.chain_bound(), || None);
    for chain in table.chains() {
        let slot = chain.id as usize;
        let kept = old.as_mut().and_then(|old| old.chains.get_mut(slot)?.take());
        let kept = kept.filter(|program| program.version == chain.version());
        if let Some(place) = chains.get_mut(slot) {
            *place = Some(kept.unwrap_or_else(|| Program::new(chain)));
        }
    }
    TableProgram { family: table.table.id.family, chains }
}
