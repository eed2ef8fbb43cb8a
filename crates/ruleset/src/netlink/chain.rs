//! Chains in messages.

use ironweir_netlink::{Attribute, Attributes, DecodeError, EncodeError, Writer};

use super::hook::{self, Hooked, Numbers};
use super::{Unknown, handle, name, put_userdata, required, userdata};
use crate::{BaseChain, Chain, ChainType, Family, Handle, Hook, Policy, Priority, TableId, Userdata};

/// `NFTA_CHAIN_TABLE`.
pub(super) const TABLE: u16 = 1;
/// `NFTA_CHAIN_HANDLE`.
pub(super) const HANDLE: u16 = 2;
/// `NFTA_CHAIN_NAME`.
pub(super) const NAME: u16 = 3;
/// `NFTA_CHAIN_HOOK`.
const HOOK: u16 = 4;
/// `NFTA_CHAIN_POLICY`.
const POLICY: u16 = 5;
/// `NFTA_CHAIN_USE`.
const USE: u16 = 6;
/// `NFTA_CHAIN_TYPE`.
const TYPE: u16 = 7;
/// `NFTA_CHAIN_COUNTERS`.
const COUNTERS: u16 = 8;
/// `NFTA_CHAIN_PAD`.
const PAD: u16 = 9;
/// `NFTA_CHAIN_FLAGS`.
const FLAGS: u16 = 10;
/// `NFTA_CHAIN_ID`.
const ID: u16 = 11;
/// `NFTA_CHAIN_USERDATA`.
const USERDATA: u16 = 12;

/// `NFTA_HOOK_HOOKNUM`, `NFTA_HOOK_PRIORITY`, `NFTA_HOOK_DEV`, `NFTA_HOOK_DEVS`.
const HOOK_NUMBERS: Numbers = Numbers { number: 1, priority: 2, device: Some(3), devices: 4 };

/// `NFTA_COUNTER_BYTES`.
const COUNTER_BYTES: u16 = 1;
/// `NFTA_COUNTER_PACKETS`.
const COUNTER_PACKETS: u16 = 2;

/// `NFT_CHAIN_BASE`.
const FLAG_BASE: u32 = 1;
/// `NFT_CHAIN_HW_OFFLOAD`.
const FLAG_HW_OFFLOAD: u32 = 2;
/// `NFT_CHAIN_BINDING`.
const FLAG_BINDING: u32 = 4;

/// What a message tells of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainMessage {
    /// Its table.
    pub table: TableId,
    /// The chain. The number of an anonymous one is not told by the kernel and 0.
    pub chain: Chain,
    /// Its handle.
    pub handle: Handle,
    /// How many rules it has and how many jump to it.
    pub uses: u32,
    /// Packets and bytes that came to its policy; counted only where the kernel was asked to.
    pub counters: Option<(u64, u64)>,
}

/// What the attributes say, as far as they say it.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) table: Option<Box<str>>,
    pub(super) handle: Option<Handle>,
    pub(super) name: Option<Box<str>>,
    pub(super) devices: Vec<Box<str>>,
    base: Option<BaseChain>,
    id: Option<u32>,
    flags: u32,
    uses: u32,
    counters: Option<(u64, u64)>,
    userdata: Userdata,
    unknown: Unknown,
}

/// Puts what a request says of a new chain.
pub(super) fn put_new(writer: &mut Writer<'_>, table: &TableId, chain: &Chain) {
    writer.put_str(TABLE, &table.name);
    // The kernel names a chain without name itself, if it is bound to a rule.
    if chain.binding.is_none() {
        writer.put_str(NAME, &chain.name);
    }
    let mut flags = 0;
    if let Some(base) = &chain.base {
        put_hook(writer, table.family, base, hook::put_devices);
        writer.put_str(TYPE, base.kind.name());
        put_policy(writer, base.policy);
        if base.hw_offload {
            // An update of a base chain must name the very flags that it has (nf_tables_updchain).
            flags |= FLAG_BASE | FLAG_HW_OFFLOAD;
        }
    }
    if let Some(id) = chain.binding {
        flags |= FLAG_BINDING;
        writer.put_u32_be(ID, id);
    }
    if flags != 0 {
        writer.put_u32_be(FLAGS, flags);
    }
    put_userdata(writer, USERDATA, &chain.userdata);
    chain.unknown.put(writer);
}

/// Puts the devices that leave a base chain. In the inet family the hook must be named with them: Linux 6.18 answers
/// `EOPNOTSUPP` otherwise, observed of `nft_delchain_hook`.
pub(super) fn put_leaving(writer: &mut Writer<'_>, family: Family, devices: &[Box<str>]) {
    writer.nest(HOOK, |writer| {
        if let (Family::Inet, Some(number)) = (family, Hook::Ingress.number(family)) {
            writer.put_u32_be(HOOK_NUMBERS.number, number);
        }
        hook::put_devices(writer, &HOOK_NUMBERS, devices);
    });
}

fn put_policy(writer: &mut Writer<'_>, policy: Option<Policy>) {
    if let Some(policy) = policy {
        // NF_DROP and NF_ACCEPT.
        writer.put_u32_be(POLICY, u32::from(policy == Policy::Accept));
    }
}

fn put_hook(
    writer: &mut Writer<'_>,
    family: Family,
    base: &BaseChain,
    put_devices: fn(&mut Writer<'_>, &Numbers, &[Box<str>]),
) {
    let Some(number) = base.hook.number(family) else {
        return writer.fail(EncodeError::Value { kind: HOOK });
    };
    writer.nest(HOOK, |writer| {
        writer.put_u32_be(HOOK_NUMBERS.number, number);
        writer.put_u32_be(HOOK_NUMBERS.priority, base.priority.0 as u32);
        put_devices(writer, &HOOK_NUMBERS, &base.devices);
    });
}

impl ChainMessage {
    pub(super) fn put(&self, writer: &mut Writer<'_>) {
        let chain = &self.chain;
        writer.put_str(TABLE, &self.table.name);
        writer.put_str(NAME, &chain.name);
        writer.put_u64_be(HANDLE, self.handle.0);
        let mut flags = 0;
        if let Some(base) = &chain.base {
            put_hook(writer, self.table.family, base, hook::put_told);
            put_policy(writer, base.policy);
            writer.put_str(TYPE, base.kind.name());
            if let Some((packets, bytes)) = self.counters {
                writer.nest(COUNTERS, |writer| {
                    writer.put_u64_be(COUNTER_PACKETS, packets);
                    writer.put_u64_be(COUNTER_BYTES, bytes);
                });
            }
            flags = FLAG_BASE | if base.hw_offload { FLAG_HW_OFFLOAD } else { 0 };
        }
        if chain.binding.is_some() {
            flags |= FLAG_BINDING;
        }
        if flags != 0 {
            writer.put_u32_be(FLAGS, flags);
        }
        writer.put_u32_be(USE, self.uses);
        put_userdata(writer, USERDATA, &chain.userdata);
        self.chain.unknown.put(writer);
    }

    pub(super) fn read(family: Family, attributes: Attributes<'_>) -> Result<ChainMessage, DecodeError> {
        let given = Given::read(family, attributes)?;
        Ok(ChainMessage {
            table: TableId { family, name: required(given.table, TABLE)? },
            chain: Chain {
                name: required(given.name, NAME)?,
                base: given.base,
                binding: (given.flags & FLAG_BINDING != 0).then_some(0),
                userdata: given.userdata,
                unknown: given.unknown,
            },
            handle: given.handle.unwrap_or_default(),
            uses: given.uses,
            counters: given.counters,
        })
    }
}

impl Given {
    pub(super) fn read(family: Family, attributes: Attributes<'_>) -> Result<Given, DecodeError> {
        let mut given = Given::default();
        let (mut hook, mut kind, mut policy) = (None, ChainType::Filter, None);
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                TABLE => given.table = Some(name(&attribute)?),
                HANDLE => given.handle = Some(handle(&attribute)?),
                NAME => given.name = Some(name(&attribute)?),
                HOOK => hook = Some((attribute, hook::read(&attribute, &HOOK_NUMBERS)?)),
                POLICY => {
                    policy = Some(match attribute.u32_be()? {
                        0 => Policy::Drop,
                        1 => Policy::Accept,
                        _ => return Err(attribute.bad_value()),
                    });
                }
                USE => given.uses = attribute.u32_be()?,
                TYPE => {
                    kind = ChainType::from_name(attribute.str()?).ok_or_else(|| attribute.bad_value())?;
                }
                COUNTERS => given.counters = Some(counters(&attribute)?),
                FLAGS => given.flags = attribute.u32_be()?,
                ID => given.id = Some(attribute.u32_be()?),
                USERDATA => given.userdata = userdata(&attribute),
                PAD => {}
                _ => given.unknown.keep(&attribute)?,
            }
        }
        if let Some((attribute, hooked)) = hook {
            given.take_hook(family, &attribute, hooked, kind, policy)?;
        }
        Ok(given)
    }

    /// A new chain, as a request says it.
    pub(super) fn chain(self) -> Result<Chain, DecodeError> {
        let binding = match self.flags & FLAG_BINDING {
            0 => None,
            _ => Some(required(self.id, ID)?),
        };
        let name = match binding {
            Some(_) => self.name.unwrap_or_else(|| "__chain%d".into()),
            None => required(self.name, NAME)?,
        };
        Ok(Chain { name, base: self.base, binding, userdata: self.userdata, unknown: self.unknown })
    }

    /// Without a number or a priority, the hook names only devices: those that leave or have left.
    fn take_hook(
        &mut self,
        family: Family,
        attribute: &Attribute<'_>,
        hooked: Hooked,
        kind: ChainType,
        policy: Option<Policy>,
    ) -> Result<(), DecodeError> {
        let leaving = hooked.priority.is_none() && !hooked.devices.is_empty();
        let Some(number) = hooked.number.filter(|_| !leaving) else {
            self.devices = hooked.devices;
            return Ok(());
        };
        self.devices = hooked.devices.clone();
        self.base = Some(BaseChain {
            kind,
            hook: Hook::from_number(family, number).ok_or_else(|| attribute.bad_value())?,
            priority: Priority(
                hooked.priority.ok_or_else(|| attribute.nested().missing(HOOK_NUMBERS.priority))?,
            ),
            devices: hooked.devices,
            policy,
            hw_offload: self.flags & FLAG_HW_OFFLOAD != 0,
        });
        Ok(())
    }
}

fn counters(attribute: &Attribute<'_>) -> Result<(u64, u64), DecodeError> {
    let number = |kind| attribute.nested().require(kind)?.u64_be();
    Ok((number(COUNTER_PACKETS)?, number(COUNTER_BYTES)?))
}
