//! What a server tells: answers to questions, echoes of what a batch made, events.

use ironweir_expr::objref::ObjectType;
use ironweir_netlink::{DecodeError, EncodeError, GenMsg, Header, Message, Writer, answer};

use super::{
    ChainMessage, ElementsMessage, FlowtableMessage, Generation, ObjectMessage, RuleMessage, SetMessage,
    TableMessage, Trace, chain, element, family, flowtable, kind, message_type, object, required, set, table,
};
use crate::{Family, Handle, SetRef, TableId};

/// What a message tells.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // each variant is documented at its type
pub enum Told {
    Table(TableMessage),
    Chain(ChainMessage),
    Rule(RuleMessage),
    Set(SetMessage),
    Elements(ElementsMessage),
    Object(ObjectMessage),
    Flowtable(FlowtableMessage),
    Generation(Generation),
    Trace(Box<Trace>),
    /// Something went.
    Gone(Gone),
    /// A message that this program does not know, or none of nf_tables.
    Unknown,
}

/// What went (`NFT_MSG_DEL*`, and `NFT_MSG_DESTROY*` where that was the request).
#[derive(Clone, Debug, PartialEq)]
pub enum Gone {
    /// A table.
    Table {
        /// Which.
        id: TableId,
        /// Its handle.
        handle: Handle,
    },
    /// A chain, or devices of one.
    Chain {
        /// Its table.
        table: TableId,
        /// Its name.
        name: Box<str>,
        /// Its handle.
        handle: Handle,
        /// Devices that left; empty where the chain is gone.
        devices: Vec<Box<str>>,
    },
    /// A rule, with what it consisted of where that is told.
    Rule(RuleMessage),
    /// A set.
    Set {
        /// Its table.
        table: TableId,
        /// Its name.
        name: Box<str>,
        /// Its handle.
        handle: Handle,
    },
    /// Elements.
    Elements(ElementsMessage),
    /// An object.
    Object {
        /// Its table.
        table: TableId,
        /// Its type.
        kind: ObjectType,
        /// Its name.
        name: Box<str>,
        /// Its handle.
        handle: Handle,
    },
    /// A flowtable, or devices of one.
    Flowtable {
        /// Its table.
        table: TableId,
        /// Its name.
        name: Box<str>,
        /// Its handle.
        handle: Handle,
        /// Devices that left; empty where the flowtable is gone.
        devices: Vec<Box<str>>,
    },
}

impl Told {
    /// Reads a message. Whether it was an addition, an insertion or a replacement say the header's flags.
    ///
    /// # Errors
    /// If it is malformed. One of a type that is not known is [`Told::Unknown`].
    pub fn decode(message: &Message<'_>) -> Result<Told, DecodeError> {
        let header = &message.header;
        if message_type(header.message()) != header.kind {
            return Ok(Told::Unknown);
        }
        let (genmsg, attributes) = message.nfgen()?;
        let family = || family(genmsg);
        Ok(match header.message() {
            kind::NEWTABLE => Told::Table(TableMessage::read(family()?, attributes)?),
            kind::NEWCHAIN => Told::Chain(ChainMessage::read(family()?, attributes)?),
            kind::NEWRULE => Told::Rule(RuleMessage::read(family()?, attributes)?),
            kind::NEWSET => Told::Set(SetMessage::read(family()?, attributes)?),
            kind::NEWSETELEM => Told::Elements(ElementsMessage::read(family()?, attributes)?),
            kind::NEWOBJ => Told::Object(ObjectMessage::read(family()?, attributes)?),
            kind::NEWFLOWTABLE => Told::Flowtable(FlowtableMessage::read(family()?, attributes)?),
            kind::NEWGEN => Told::Generation(Generation::read(attributes)?),
            kind::TRACE => Told::Trace(Box::new(Trace::read(family()?, attributes)?)),
            kind::DELTABLE | kind::DESTROYTABLE => {
                let told = TableMessage::read(family()?, attributes)?;
                Told::Gone(Gone::Table { id: told.table.id, handle: told.handle })
            }
            kind::DELCHAIN | kind::DESTROYCHAIN => {
                let family = family()?;
                let given = chain::Given::read(family, attributes)?;
                Told::Gone(Gone::Chain {
                    table: TableId { family, name: required(given.table, chain::TABLE)? },
                    name: required(given.name, chain::NAME)?,
                    handle: given.handle.unwrap_or_default(),
                    devices: given.devices,
                })
            }
            kind::DELRULE | kind::DESTROYRULE => {
                Told::Gone(Gone::Rule(RuleMessage::read(family()?, attributes)?))
            }
            kind::DELSET | kind::DESTROYSET => {
                let given = set::Given::read(attributes)?;
                Told::Gone(Gone::Set {
                    table: TableId { family: family()?, name: required(given.table, set::TABLE)? },
                    name: required(given.name, set::NAME)?,
                    handle: given.handle.unwrap_or_default(),
                })
            }
            kind::DELSETELEM | kind::DESTROYSETELEM => {
                Told::Gone(Gone::Elements(ElementsMessage::read(family()?, attributes)?))
            }
            kind::DELOBJ | kind::DESTROYOBJ => {
                let given = object::Given::read(attributes)?;
                Told::Gone(Gone::Object {
                    table: TableId { family: family()?, name: required(given.table, object::TABLE)? },
                    kind: required(given.kind, object::TYPE)?,
                    name: required(given.name, object::NAME)?,
                    handle: given.handle.unwrap_or_default(),
                })
            }
            kind::DELFLOWTABLE | kind::DESTROYFLOWTABLE => {
                let given = flowtable::Given::read(attributes)?;
                Told::Gone(Gone::Flowtable {
                    table: TableId { family: family()?, name: required(given.table, flowtable::TABLE)? },
                    name: required(given.name, flowtable::NAME)?,
                    handle: given.handle.unwrap_or_default(),
                    devices: given.devices,
                })
            }
            _ => Told::Unknown,
        })
    }

    /// Appends the message. Of the header, length and type are filled in; `generation` is the ruleset's, of which every
    /// message names the low 16 bits.
    ///
    /// # Errors
    /// If it cannot be said. Elements must fit into one message: see [`Told::encode_elements`].
    pub fn encode(
        &self,
        buffer: &mut Vec<u8>,
        mut header: Header,
        generation: u32,
    ) -> Result<(), EncodeError> {
        header.kind = message_type(self.message_kind());
        let family = self.family().map_or(0, |family| family as u8);
        let genmsg = GenMsg { family, version: 0, res_id: generation as u16 };
        answer(buffer, header, genmsg, |writer| self.put(writer))
    }

    /// Appends messages that tell of elements, as many as it takes. Of the header, length and type are filled in.
    ///
    /// # Errors
    /// If a single element is too long for a message; those before it are in the buffer.
    pub fn encode_elements(
        message: &ElementsMessage,
        buffer: &mut Vec<u8>,
        mut header: Header,
        generation: u32,
    ) -> Result<(), EncodeError> {
        header.kind = message_type(kind::NEWSETELEM);
        let genmsg = GenMsg { family: message.table.family as u8, version: 0, res_id: generation as u16 };
        let set = SetRef { name: message.set.clone(), id: None };
        let mut rest = &message.elements[..];
        while !rest.is_empty() {
            let mut put = 0;
            answer(buffer, header, genmsg, |writer| {
                put = element::put_some(writer, &message.table, &set, rest);
            })?;
            rest = rest.get(put..).unwrap_or_default();
        }
        Ok(())
    }

    /// The family that the message names.
    fn family(&self) -> Option<Family> {
        Some(match self {
            Told::Table(told) => told.table.id.family,
            Told::Chain(told) => told.table.family,
            Told::Rule(told) | Told::Gone(Gone::Rule(told)) => told.table.family,
            Told::Set(told) => told.table.family,
            Told::Elements(told) | Told::Gone(Gone::Elements(told)) => told.table.family,
            Told::Object(told) => told.table.family,
            Told::Flowtable(told) => told.table.family,
            Told::Trace(told) => told.table.family,
            Told::Gone(Gone::Table { id: table, .. })
            | Told::Gone(Gone::Chain { table, .. })
            | Told::Gone(Gone::Set { table, .. })
            | Told::Gone(Gone::Object { table, .. })
            | Told::Gone(Gone::Flowtable { table, .. }) => table.family,
            Told::Generation(_) | Told::Unknown => return None,
        })
    }

    fn message_kind(&self) -> u8 {
        match self {
            Told::Table(_) => kind::NEWTABLE,
            Told::Chain(_) => kind::NEWCHAIN,
            Told::Rule(_) => kind::NEWRULE,
            Told::Set(_) => kind::NEWSET,
            Told::Elements(_) => kind::NEWSETELEM,
            Told::Object(_) => kind::NEWOBJ,
            Told::Flowtable(_) => kind::NEWFLOWTABLE,
            Told::Generation(_) => kind::NEWGEN,
            Told::Trace(_) => kind::TRACE,
            Told::Gone(Gone::Table { .. }) => kind::DELTABLE,
            Told::Gone(Gone::Chain { .. }) => kind::DELCHAIN,
            Told::Gone(Gone::Rule(_)) => kind::DELRULE,
            Told::Gone(Gone::Set { .. }) => kind::DELSET,
            Told::Gone(Gone::Elements(_)) => kind::DELSETELEM,
            Told::Gone(Gone::Object { .. }) => kind::DELOBJ,
            Told::Gone(Gone::Flowtable { .. }) => kind::DELFLOWTABLE,
            Told::Unknown => u8::MAX,
        }
    }

    fn put(&self, writer: &mut Writer<'_>) {
        match self {
            Told::Table(told) => told.put(writer),
            Told::Chain(told) => told.put(writer),
            Told::Rule(told) | Told::Gone(Gone::Rule(told)) => told.put(writer),
            Told::Set(told) => told.put(writer),
            Told::Elements(told) | Told::Gone(Gone::Elements(told)) => {
                let set = SetRef { name: told.set.clone(), id: None };
                let put = element::put_some(writer, &told.table, &set, &told.elements);
                if put < told.elements.len() {
                    writer.fail(EncodeError::AttributeTooLong { kind: element::ELEMENTS, len: writer.len() });
                }
            }
            Told::Object(told) => told.put(writer),
            Told::Flowtable(told) => told.put(writer),
            Told::Generation(told) => told.put(writer),
            Told::Trace(told) => told.put(writer),
            Told::Gone(gone) => gone.put(writer),
            Told::Unknown => writer.fail(EncodeError::Value { kind: 0 }),
        }
    }
}

impl Gone {
    fn put(&self, writer: &mut Writer<'_>) {
        let mut named = |of: &TableId, table, name: Option<(u16, &str)>, handle: Handle, handle_kind| {
            writer.put_str(table, &of.name);
            if let Some((kind, name)) = name {
                writer.put_str(kind, name);
            }
            writer.put_u64_be(handle_kind, handle.0);
        };
        match self {
            Gone::Table { id, handle } => named(id, table::NAME, None, *handle, table::HANDLE),
            Gone::Chain { table, name, handle, devices } => {
                named(table, chain::TABLE, Some((chain::NAME, name)), *handle, chain::HANDLE);
                if !devices.is_empty() {
                    chain::put_leaving(writer, table.family, devices);
                }
            }
            Gone::Set { table, name, handle } => {
                named(table, set::TABLE, Some((set::NAME, name)), *handle, set::HANDLE);
            }
            Gone::Object { table, kind, name, handle } => {
                named(table, object::TABLE, Some((object::NAME, name)), *handle, object::HANDLE);
                writer.put_u32_be(object::TYPE, *kind as u32);
            }
            Gone::Flowtable { table, name, handle, devices } => {
                named(table, flowtable::TABLE, Some((flowtable::NAME, name)), *handle, flowtable::HANDLE);
                if !devices.is_empty() {
                    flowtable::put_leaving(writer, devices);
                }
            }
            // Written by Told::put.
            Gone::Rule(_) | Gone::Elements(_) => {}
        }
    }
}
