//! Tables in messages.

use ironweir_netlink::{Attributes, DecodeError, Writer};

use super::{handle, name, put_userdata, required, userdata};
use crate::{Family, Handle, Table, TableFlags, TableId, Userdata};

/// `NFTA_TABLE_NAME`.
pub(super) const NAME: u16 = 1;
/// `NFTA_TABLE_FLAGS`.
const FLAGS: u16 = 2;
/// `NFTA_TABLE_USE`.
const USE: u16 = 3;
/// `NFTA_TABLE_HANDLE`.
pub(super) const HANDLE: u16 = 4;
/// `NFTA_TABLE_PAD`.
const PAD: u16 = 5;
/// `NFTA_TABLE_USERDATA`.
const USERDATA: u16 = 6;
/// `NFTA_TABLE_OWNER`.
const OWNER: u16 = 7;

/// What a message tells of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableMessage {
    /// The table.
    pub table: Table,
    /// Its handle.
    pub handle: Handle,
    /// How many chains, sets, objects and flowtables it has.
    pub uses: u32,
    /// Netlink port of the program that owns it (`NFTA_TABLE_OWNER`).
    pub owner: Option<u32>,
}

/// Puts what a request says of a new table. The flags are always there: without them, the kernel leaves those of a table
/// that exists.
pub(super) fn put_new(writer: &mut Writer<'_>, table: &Table) {
    writer.put_str(NAME, &table.id.name);
    writer.put_u32_be(FLAGS, table.flags.bits());
    put_userdata(writer, USERDATA, &table.userdata);
    table.unknown.put(writer);
}

impl TableMessage {
    pub(super) fn put(&self, writer: &mut Writer<'_>) {
        writer.put_str(NAME, &self.table.id.name);
        writer.put_u32_be(USE, self.uses);
        writer.put_u64_be(HANDLE, self.handle.0);
        writer.put_u32_be(FLAGS, self.table.flags.bits());
        if let Some(owner) = self.owner {
            writer.put_u32_be(OWNER, owner);
        }
        put_userdata(writer, USERDATA, &self.table.userdata);
        self.table.unknown.put(writer);
    }

    pub(super) fn read(family: Family, attributes: Attributes<'_>) -> Result<TableMessage, DecodeError> {
        let mut id = None;
        let mut message = TableMessage {
            table: Table {
                id: TableId::new(family, ""),
                flags: TableFlags::empty(),
                userdata: Userdata::default(),
                unknown: Default::default(),
            },
            handle: Handle::default(),
            uses: 0,
            owner: None,
        };
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                NAME => id = Some(name(&attribute)?),
                FLAGS => message.table.flags = TableFlags::from_bits_retain(attribute.u32_be()?),
                USE => message.uses = attribute.u32_be()?,
                HANDLE => message.handle = handle(&attribute)?,
                USERDATA => message.table.userdata = userdata(&attribute),
                OWNER => message.owner = Some(attribute.u32_be()?),
                PAD => {}
                _ => message.table.unknown.keep(&attribute)?,
            }
        }
        message.table.id.name = required(id, NAME)?;
        Ok(message)
    }
}
