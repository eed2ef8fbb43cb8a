//! Flowtables in messages.

use ironweir_netlink::{Attribute, Attributes, DecodeError, EncodeError, Writer};

use super::hook::{self, Numbers};
use super::{Unknown, handle, name, required};
use crate::{Family, Flowtable, Handle, Hook, Priority, TableId};

/// `NFTA_FLOWTABLE_TABLE`.
pub(super) const TABLE: u16 = 1;
/// `NFTA_FLOWTABLE_NAME`.
pub(super) const NAME: u16 = 2;
/// `NFTA_FLOWTABLE_HOOK`.
const HOOK: u16 = 3;
/// `NFTA_FLOWTABLE_USE`.
const USE: u16 = 4;
/// `NFTA_FLOWTABLE_HANDLE`.
pub(super) const HANDLE: u16 = 5;
/// `NFTA_FLOWTABLE_PAD`.
const PAD: u16 = 6;
/// `NFTA_FLOWTABLE_FLAGS`.
const FLAGS: u16 = 7;

/// `NFTA_FLOWTABLE_HOOK_NUM`, `NFTA_FLOWTABLE_HOOK_PRIORITY`, `NFTA_FLOWTABLE_HOOK_DEVS`.
const HOOK_NUMBERS: Numbers = Numbers { number: 1, priority: 2, device: None, devices: 3 };

/// `NFT_FLOWTABLE_HW_OFFLOAD`.
const FLAG_HW_OFFLOAD: u32 = 1;
/// `NFT_FLOWTABLE_COUNTER`.
const FLAG_COUNTER: u32 = 2;

/// What a message tells of a flowtable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowtableMessage {
    /// Its table.
    pub table: TableId,
    /// The flowtable.
    pub flowtable: Flowtable,
    /// Its handle.
    pub handle: Handle,
    /// How many rules refer to it.
    pub uses: u32,
}

/// What the attributes say, as far as they say it.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) table: Option<Box<str>>,
    pub(super) name: Option<Box<str>>,
    pub(super) handle: Option<Handle>,
    pub(super) devices: Vec<Box<str>>,
    hook: Option<Hook>,
    priority: i32,
    uses: u32,
    flags: u32,
    unknown: Unknown,
}

/// The family whose hook numbers flowtables use: all hang at devices (`nft_flowtable_parse_hook`).
const HOOK_FAMILY: Family = Family::Netdev;

/// Puts what a request says of a new flowtable, or of more devices for one.
pub(super) fn put_new(writer: &mut Writer<'_>, table: &TableId, flowtable: &Flowtable) {
    writer.put_str(TABLE, &table.name);
    writer.put_str(NAME, &flowtable.name);
    put_definition(writer, flowtable);
    flowtable.unknown.put(writer);
}

/// Puts the devices that leave a flowtable.
pub(super) fn put_leaving(writer: &mut Writer<'_>, devices: &[Box<str>]) {
    writer.nest(HOOK, |writer| hook::put_devices(writer, &HOOK_NUMBERS, devices));
}

fn put_definition(writer: &mut Writer<'_>, flowtable: &Flowtable) {
    let number = flowtable.hook.map(|hook| hook.number(HOOK_FAMILY));
    if number == Some(None) {
        return writer.fail(EncodeError::Value { kind: HOOK });
    }
    writer.nest(HOOK, |writer| {
        if let Some(number) = number.flatten() {
            writer.put_u32_be(HOOK_NUMBERS.number, number);
            writer.put_u32_be(HOOK_NUMBERS.priority, flowtable.priority.0 as u32);
        }
        hook::put_devices(writer, &HOOK_NUMBERS, &flowtable.devices);
    });
    let flags = if flowtable.hw_offload { FLAG_HW_OFFLOAD } else { 0 }
        | if flowtable.counter { FLAG_COUNTER } else { 0 };
    if flags != 0 {
        writer.put_u32_be(FLAGS, flags);
    }
}

impl FlowtableMessage {
    pub(super) fn put(&self, writer: &mut Writer<'_>) {
        writer.put_str(TABLE, &self.table.name);
        writer.put_str(NAME, &self.flowtable.name);
        writer.put_u64_be(HANDLE, self.handle.0);
        put_definition(writer, &self.flowtable);
        writer.put_u32_be(USE, self.uses);
        self.flowtable.unknown.put(writer);
    }

    pub(super) fn read(family: Family, attributes: Attributes<'_>) -> Result<FlowtableMessage, DecodeError> {
        let mut given = Given::read(attributes)?;
        Ok(FlowtableMessage {
            table: TableId { family, name: required(given.table.take(), TABLE)? },
            handle: given.handle.unwrap_or_default(),
            uses: given.uses,
            flowtable: given.flowtable()?,
        })
    }
}

impl Given {
    pub(super) fn read(attributes: Attributes<'_>) -> Result<Given, DecodeError> {
        let mut given = Given::default();
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                TABLE => given.table = Some(name(&attribute)?),
                NAME => given.name = Some(name(&attribute)?),
                HOOK => given.take_hook(&attribute)?,
                USE => given.uses = attribute.u32_be()?,
                HANDLE => given.handle = Some(handle(&attribute)?),
                FLAGS => given.flags = attribute.u32_be()?,
                PAD => {}
                _ => given.unknown.keep(&attribute)?,
            }
        }
        Ok(given)
    }

    /// The flowtable, new or told.
    pub(super) fn flowtable(self) -> Result<Flowtable, DecodeError> {
        Ok(Flowtable {
            name: required(self.name, NAME)?,
            hook: self.hook,
            priority: Priority(self.priority),
            devices: self.devices,
            hw_offload: self.flags & FLAG_HW_OFFLOAD != 0,
            counter: self.flags & FLAG_COUNTER != 0,
            unknown: self.unknown,
        })
    }

    fn take_hook(&mut self, attribute: &Attribute<'_>) -> Result<(), DecodeError> {
        let hooked = hook::read(attribute, &HOOK_NUMBERS)?;
        if let Some(number) = hooked.number {
            let hook = Hook::from_number(HOOK_FAMILY, number);
            self.hook = Some(hook.ok_or_else(|| attribute.bad_value())?);
        }
        self.priority = hooked.priority.unwrap_or(0);
        self.devices = hooked.devices;
        Ok(())
    }
}
