//! Changes to chains.

use super::{Transaction, Undo, check_name, family_is_inet};
use crate::store::ChainState;
use crate::store::error::{ErrorKind, Thing};
use crate::{BaseChain, Chain, ChainType, Creation, Family, Handle, Hook, Policy, Selector, TableId};

/// Which hooks a family's chains of a type may be at (`struct nft_chain_type.hook_mask`,
/// `net/netfilter/nft_chain_filter.c`, `nft_chain_nat.c`, `nft_chain_route.c`).
fn hook_exists(family: Family, kind: ChainType, hook: Hook) -> bool {
    match kind {
        ChainType::Filter => hook.number(family).is_some(),
        ChainType::Nat => {
            family_is_inet(family)
                && matches!(hook, Hook::Prerouting | Hook::Input | Hook::Output | Hook::Postrouting)
        }
        ChainType::Route => family_is_inet(family) && hook == Hook::Output,
    }
}

fn check_base(family: Family, base: &BaseChain) -> Result<(), ErrorKind> {
    if !hook_exists(family, base.kind, base.hook) {
        return Err(ErrorKind::NoSuchHook { family, hook: base.hook, kind: base.kind.name() });
    }
    if base.kind == ChainType::Nat && base.priority.0 <= -200 {
        return Err(ErrorKind::NatPriority);
    }
    let on_devices = matches!(base.hook, Hook::Ingress | Hook::Egress);
    if on_devices && base.devices.is_empty() && family == Family::Inet {
        return Err(ErrorKind::NeedsDevice(base.hook));
    }
    if !on_devices && !base.devices.is_empty() {
        return Err(ErrorKind::NoDevicesHere);
    }
    Ok(())
}

impl Transaction<'_> {
    /// The slot of a chain.
    pub(super) fn find_chain(&mut self, table: u32, which: &Selector) -> Result<u32, ErrorKind> {
        let state = self.table(table);
        let (slot, missing) = match which {
            Selector::Name(name) => (
                state.chains.find(&**name),
                ErrorKind::NoSuch { what: Thing::Chain, table: state.table.id.clone(), name: name.clone() },
            ),
            Selector::Handle(handle) => (
                state.chains.find_handle(*handle),
                ErrorKind::NoHandle { what: Thing::Chain, table: state.table.id.clone(), handle: *handle },
            ),
        };
        slot.ok_or(missing)
    }

    pub(super) fn new_chain(
        &mut self,
        table: &TableId,
        chain: &Chain,
        creation: Creation,
    ) -> Result<Option<Handle>, ErrorKind> {
        let slot = self.find_table(table)?;
        if let Some(number) = chain.binding {
            return self.new_anonymous_chain(slot, table, chain, number);
        }
        check_name(Thing::Chain, &chain.name)?;
        if let Some(old) = self.table(slot).chains.find(&*chain.name) {
            if creation == Creation::Create {
                return Err(ErrorKind::Exists {
                    what: Thing::Chain,
                    table: table.clone(),
                    name: chain.name.clone(),
                });
            }
            return self.update_chain(slot, old, table, chain);
        }
        let mut chain = chain.clone();
        if let Some(base) = &mut chain.base {
            check_base(table.family, base)?;
            base.policy.get_or_insert(Policy::Accept);
            let mut seen = hashbrown::HashSet::new();
            base.devices.retain(|device| seen.insert(device.clone()));
        }
        if chain.base.is_some() {
            self.jumps_changed.insert(slot);
        }
        Ok(Some(self.put_chain(slot, chain).1))
    }

    fn put_chain(&mut self, table: u32, chain: Chain) -> (u32, Handle) {
        let handle = self.new_handle(table);
        let version = self.new_version();
        let chains = &mut self.table(table).chains;
        let slot = chains.insert(handle, chain.name.clone(), ChainState::new(handle, chain, version));
        if let Some(chain) = chains.get_mut(slot) {
            chain.id = slot;
        }
        self.undo.push(Undo::NewChain(table, slot));
        (slot, handle)
    }

    fn new_anonymous_chain(
        &mut self,
        slot: u32,
        table: &TableId,
        chain: &Chain,
        number: u32,
    ) -> Result<Option<Handle>, ErrorKind> {
        if chain.base.is_some() {
            return Err(ErrorKind::Unsupported {
                what: Thing::Chain,
                table: table.clone(),
                name: chain.name.clone(),
                reason: "an anonymous chain cannot be a base chain",
            });
        }
        let mut chain = chain.clone();
        chain.name = format!("__chain{}", self.ruleset.next_anonymous_chain).into();
        self.ruleset.next_anonymous_chain += 1;
        if self.table(slot).chains.find(&*chain.name).is_some() {
            return Err(ErrorKind::Exists { what: Thing::Chain, table: table.clone(), name: chain.name });
        }
        let (chain, handle) = self.put_chain(slot, chain);
        self.chain_ids.insert((slot, number), chain);
        self.anonymous.push((self.change, slot, chain, handle, Thing::Chain));
        Ok(Some(handle))
    }

    /// `nf_tables_updchain`: policy and devices may change, nothing else.
    fn update_chain(
        &mut self,
        slot: u32,
        chain_slot: u32,
        table: &TableId,
        wanted: &Chain,
    ) -> Result<Option<Handle>, ErrorKind> {
        let Some(state) = self.table(slot).chains.get(chain_slot) else { return Ok(None) };
        let handle = state.handle;
        let differs = |difference| ErrorKind::Differs {
            what: Thing::Chain,
            table: table.clone(),
            name: wanted.name.clone(),
            difference,
        };
        let mut chain = state.chain.clone();
        match (&mut chain.base, &wanted.base) {
            (None, Some(_)) => return Err(differs("it is no base chain")),
            (Some(base), Some(wanted)) => {
                if base.kind != wanted.kind {
                    return Err(differs("its type is another"));
                }
                if base.hook != wanted.hook {
                    return Err(differs("its hook is another"));
                }
                if base.priority != wanted.priority {
                    return Err(differs("its priority is another"));
                }
                if !matches!(base.hook, Hook::Ingress | Hook::Egress) && !wanted.devices.is_empty() {
                    return Err(ErrorKind::NoDevicesHere);
                }
                for device in &wanted.devices {
                    if !base.devices.contains(device) {
                        base.devices.push(device.clone());
                    }
                }
                base.policy = wanted.policy.or(base.policy);
            }
            (_, None) => {}
        }
        chain.unknown.update(&wanted.unknown);
        if chain != state.chain {
            self.replace_attributes(slot, chain_slot, chain);
        }
        Ok(Some(handle))
    }

    fn replace_attributes(&mut self, table: u32, slot: u32, chain: Chain) {
        let Some(state) = self.table(table).chains.get_mut(slot) else { return };
        let old = std::mem::replace(&mut state.chain, chain);
        self.undo.push(Undo::Chain(table, slot, Box::new(old)));
        self.touch_chain(table, slot);
    }

    pub(super) fn rename_chain(
        &mut self,
        table: &TableId,
        which: &Selector,
        name: &str,
    ) -> Result<Option<Handle>, ErrorKind> {
        let slot = self.find_table(table)?;
        let chain = self.find_chain(slot, which)?;
        check_name(Thing::Chain, name)?;
        let chains = &mut self.table(slot).chains;
        if chains.find(name).is_some() {
            return Err(ErrorKind::Exists { what: Thing::Chain, table: table.clone(), name: name.into() });
        }
        chains.rename(chain, name.into());
        let Some(state) = chains.get_mut(chain) else { return Ok(None) };
        let handle = state.handle;
        let old = std::mem::replace(&mut state.chain.name, name.into());
        self.undo.push(Undo::RenameChain(slot, chain, old));
        self.touch_chain(slot, chain);
        Ok(Some(handle))
    }

    pub(super) fn del_chain(
        &mut self,
        table: &TableId,
        which: &Selector,
        devices: &[Box<str>],
        missing_ok: bool,
    ) -> Result<Option<Handle>, ErrorKind> {
        let found = self.find_table(table).and_then(|slot| Ok((slot, self.find_chain(slot, which)?)));
        let (slot, chain_slot) = match found {
            Ok(found) => found,
            Err(_) if missing_ok => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(state) = self.table(slot).chains.get(chain_slot) else { return Ok(None) };
        let handle = state.handle;
        let name = || state.chain.name.clone();
        if !devices.is_empty() {
            let mut chain = state.chain.clone();
            let missing = |device: &str| ErrorKind::NoSuch {
                what: Thing::Chain,
                table: table.clone(),
                name: format!("{} on device {device}", chain.name).into(),
            };
            let Some(base) = &state.chain.base else { return Err(missing(&devices[0])) };
            let mut base = base.clone();
            for device in devices {
                let Some(at) = base.devices.iter().position(|other| other == device) else {
                    return Err(missing(device));
                };
                base.devices.remove(at);
            }
            chain.base = Some(base);
            self.replace_attributes(slot, chain_slot, chain);
            return Ok(Some(handle));
        }
        if state.chain.binding.is_some() {
            return Err(ErrorKind::Unsupported {
                what: Thing::Chain,
                table: table.clone(),
                name: name(),
                reason: "an anonymous chain goes with its rule",
            });
        }
        if state.uses > 0 {
            return Err(ErrorKind::InUse { what: Thing::Chain, table: table.clone(), name: name() });
        }
        // Its rules go with it (`nf_tables_delchain`).
        let rules: Vec<Handle> = state.rules().map(|rule| rule.handle).collect();
        for rule in rules {
            self.remove_rule(slot, chain_slot, rule);
        }
        self.remove_chain(slot, chain_slot);
        Ok(Some(handle))
    }

    /// Takes out a chain that has no rules any more.
    pub(super) fn remove_chain(&mut self, table: u32, slot: u32) {
        if let Some(removed) = self.table(table).chains.remove(slot) {
            self.undo.push(Undo::DelChain(table, Box::new(removed)));
        }
    }
}
