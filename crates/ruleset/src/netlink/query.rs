//! Questions about a ruleset.

use ironweir_expr::objref::ObjectType;
use ironweir_netlink::{Attributes, DecodeError, EncodeError, Flags, GenMsg, Message, Writer, message};

use super::{any_family, chain, element, flowtable, kind, message_type, object, required, rule, set, table};
use crate::{Element, Family, Handle, SetRef, TableId};

/// A question. Those in the plural are dumps: many answers, ended by [`ironweir_netlink::Done`]; the others have one
/// answer, or an error, and then an acknowledgement.
///
/// The kernel tells more than it is asked for: it does not look at `table` in a dump of chains.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// Which generation the ruleset has (`NFT_MSG_GETGEN`).
    Generation,
    /// Tables, of one family or all (`NFT_MSG_GETTABLE`).
    Tables {
        /// Family.
        family: Option<Family>,
    },
    /// A table.
    Table {
        /// Which.
        table: TableId,
    },
    /// Chains without rules (`NFT_MSG_GETCHAIN`).
    Chains {
        /// Of what.
        within: Scope,
    },
    /// A chain.
    Chain {
        /// Its table.
        table: TableId,
        /// Its name.
        name: Box<str>,
    },
    /// Rules (`NFT_MSG_GETRULE`, `NFT_MSG_GETRULE_RESET`).
    Rules {
        /// Of what.
        within: Scope,
        /// Only of this chain; needs a table.
        chain: Option<Box<str>>,
        /// What they count begins anew.
        reset: bool,
    },
    /// A rule.
    Rule {
        /// Its table.
        table: TableId,
        /// Its chain.
        chain: Box<str>,
        /// Which.
        handle: Handle,
        /// What it counts begins anew.
        reset: bool,
    },
    /// Sets without elements (`NFT_MSG_GETSET`).
    Sets {
        /// Of what.
        within: Scope,
    },
    /// A set.
    Set {
        /// Its table.
        table: TableId,
        /// Its name.
        name: Box<str>,
    },
    /// Every element of a set (`NFT_MSG_GETSETELEM`, `NFT_MSG_GETSETELEM_RESET`).
    Elements {
        /// Table of the set.
        table: TableId,
        /// Name of the set.
        set: Box<str>,
        /// What they count begins anew.
        reset: bool,
    },
    /// Certain elements of a set, or of an interval set those in which the keys lie. One answer each; they must fit into
    /// one message.
    Element {
        /// Table of the set.
        table: TableId,
        /// Name of the set.
        set: Box<str>,
        /// Their keys.
        elements: Vec<Element>,
        /// What they count begins anew.
        reset: bool,
    },
    /// Objects (`NFT_MSG_GETOBJ`, `NFT_MSG_GETOBJ_RESET`).
    Objects {
        /// Of what.
        within: Scope,
        /// Only of this type.
        kind: Option<ObjectType>,
        /// What they count begins anew.
        reset: bool,
    },
    /// An object.
    Object {
        /// Its table.
        table: TableId,
        /// Its type.
        kind: ObjectType,
        /// Its name.
        name: Box<str>,
        /// What it counts begins anew.
        reset: bool,
    },
    /// Flowtables (`NFT_MSG_GETFLOWTABLE`).
    Flowtables {
        /// Of what.
        within: Scope,
    },
    /// A flowtable.
    Flowtable {
        /// Its table.
        table: TableId,
        /// Its name.
        name: Box<str>,
    },
}

/// Of what things are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Only of this family.
    pub family: Option<Family>,
    /// Only of the table of this name; needs a family.
    pub table: Option<Box<str>>,
}

impl Scope {
    /// Of every table.
    pub fn all() -> Scope {
        Scope::default()
    }

    /// Of the tables of a family.
    pub fn family(family: Family) -> Scope {
        Scope { family: Some(family), table: None }
    }

    /// Of one table.
    pub fn table(table: &TableId) -> Scope {
        Scope { family: Some(table.family), table: Some(table.name.clone()) }
    }

    fn put(&self, writer: &mut Writer<'_>, kind: u16) {
        if let Some(table) = &self.table {
            writer.put_str(kind, table);
        }
    }

    fn read(family: Option<Family>, attributes: &Attributes<'_>, kind: u16) -> Result<Scope, DecodeError> {
        Ok(Scope { family, table: optional_name(attributes, kind)? })
    }
}

impl Query {
    /// Appends the request.
    ///
    /// # Errors
    /// If elements do not fit into one message.
    pub fn encode(&self, buffer: &mut Vec<u8>, seq: u32) -> Result<(), EncodeError> {
        let flags = if self.is_dump() { Flags::REQUEST | Flags::DUMP } else { Flags::REQUEST | Flags::ACK };
        let family = self.family().map_or(0, |family| family as u8);
        message(buffer, message_type(self.message_kind()), flags, seq, GenMsg::of(family), |writer| {
            self.put(writer);
        })
    }

    /// Reads a request.
    ///
    /// # Errors
    /// If it is malformed. `None` if it is no question.
    pub fn decode(message: &Message<'_>) -> Result<Option<Query>, DecodeError> {
        let number = message.header.message();
        if message_type(number) != message.header.kind {
            return Ok(None);
        }
        let (genmsg, attributes) = message.nfgen()?;
        let family = any_family(genmsg)?;
        let dump = message.header.flags.contains(Flags::DUMP);
        let scope = |kind| Scope::read(family, &attributes, kind);
        let table = |kind| {
            let family = required(family, 0)?;
            super::table_id(family, &attributes, kind)
        };
        let name = |kind| super::name(&attributes.require(kind)?);
        Ok(Some(match (number, dump) {
            (kind::GETGEN, _) => Query::Generation,
            (kind::GETTABLE, true) => Query::Tables { family },
            (kind::GETTABLE, false) => Query::Table { table: table(table::NAME)? },
            (kind::GETCHAIN, true) => Query::Chains { within: scope(chain::TABLE)? },
            (kind::GETCHAIN, false) => Query::Chain { table: table(chain::TABLE)?, name: name(chain::NAME)? },
            (kind::GETRULE | kind::GETRULE_RESET, true) => Query::Rules {
                within: scope(rule::TABLE)?,
                chain: optional_name(&attributes, rule::CHAIN)?,
                reset: number == kind::GETRULE_RESET,
            },
            (kind::GETRULE | kind::GETRULE_RESET, false) => Query::Rule {
                table: table(rule::TABLE)?,
                chain: name(rule::CHAIN)?,
                handle: super::handle(&attributes.require(rule::HANDLE)?)?,
                reset: number == kind::GETRULE_RESET,
            },
            (kind::GETSET, true) => Query::Sets { within: scope(set::TABLE)? },
            (kind::GETSET, false) => Query::Set { table: table(set::TABLE)?, name: name(set::NAME)? },
            (kind::GETSETELEM | kind::GETSETELEM_RESET, true) => Query::Elements {
                table: table(element::TABLE)?,
                set: name(element::SET)?,
                reset: number == kind::GETSETELEM_RESET,
            },
            (kind::GETSETELEM | kind::GETSETELEM_RESET, false) => {
                let given = element::Given::read(attributes.clone())?;
                Query::Element {
                    table: table(element::TABLE)?,
                    set: name(element::SET)?,
                    elements: required(given.elements, element::ELEMENTS)?,
                    reset: number == kind::GETSETELEM_RESET,
                }
            }
            (kind::GETOBJ | kind::GETOBJ_RESET, true) => {
                let number_of = |kind| attributes.find(kind)?.map(|kind| kind.u32_be()).transpose();
                Query::Objects {
                    within: scope(object::TABLE)?,
                    kind: number_of(object::TYPE)?.and_then(ObjectType::from_number),
                    reset: number == kind::GETOBJ_RESET,
                }
            }
            (kind::GETOBJ | kind::GETOBJ_RESET, false) => {
                let kind = attributes.require(object::TYPE)?;
                Query::Object {
                    table: table(object::TABLE)?,
                    kind: ObjectType::from_number(kind.u32_be()?).ok_or_else(|| kind.bad_value())?,
                    name: name(object::NAME)?,
                    reset: number == kind::GETOBJ_RESET,
                }
            }
            (kind::GETFLOWTABLE, true) => Query::Flowtables { within: scope(flowtable::TABLE)? },
            (kind::GETFLOWTABLE, false) => {
                Query::Flowtable { table: table(flowtable::TABLE)?, name: name(flowtable::NAME)? }
            }
            _ => return Ok(None),
        }))
    }

    /// Whether it has many answers, ended by [`ironweir_netlink::Done`].
    pub fn is_dump(&self) -> bool {
        matches!(
            self,
            Query::Tables { .. }
                | Query::Chains { .. }
                | Query::Rules { .. }
                | Query::Sets { .. }
                | Query::Elements { .. }
                | Query::Objects { .. }
                | Query::Flowtables { .. }
        )
    }

    fn family(&self) -> Option<Family> {
        match self {
            Query::Generation => None,
            Query::Tables { family } => *family,
            Query::Chains { within }
            | Query::Rules { within, .. }
            | Query::Sets { within }
            | Query::Objects { within, .. }
            | Query::Flowtables { within } => within.family,
            Query::Table { table }
            | Query::Chain { table, .. }
            | Query::Rule { table, .. }
            | Query::Set { table, .. }
            | Query::Elements { table, .. }
            | Query::Element { table, .. }
            | Query::Object { table, .. }
            | Query::Flowtable { table, .. } => Some(table.family),
        }
    }

    fn message_kind(&self) -> u8 {
        match self {
            Query::Generation => kind::GETGEN,
            Query::Tables { .. } | Query::Table { .. } => kind::GETTABLE,
            Query::Chains { .. } | Query::Chain { .. } => kind::GETCHAIN,
            Query::Rules { reset: true, .. } | Query::Rule { reset: true, .. } => kind::GETRULE_RESET,
            Query::Rules { .. } | Query::Rule { .. } => kind::GETRULE,
            Query::Sets { .. } | Query::Set { .. } => kind::GETSET,
            Query::Elements { reset: true, .. } | Query::Element { reset: true, .. } => {
                kind::GETSETELEM_RESET
            }
            Query::Elements { .. } | Query::Element { .. } => kind::GETSETELEM,
            Query::Objects { reset: true, .. } | Query::Object { reset: true, .. } => kind::GETOBJ_RESET,
            Query::Objects { .. } | Query::Object { .. } => kind::GETOBJ,
            Query::Flowtables { .. } | Query::Flowtable { .. } => kind::GETFLOWTABLE,
        }
    }

    fn put(&self, writer: &mut Writer<'_>) {
        let mut named = |of: &TableId, table, (kind, name): (u16, &str)| {
            writer.put_str(table, &of.name);
            writer.put_str(kind, name);
        };
        match self {
            Query::Generation | Query::Tables { .. } => {}
            Query::Table { table } => writer.put_str(table::NAME, &table.name),
            Query::Chains { within } => within.put(writer, chain::TABLE),
            Query::Chain { table, name } => named(table, chain::TABLE, (chain::NAME, name)),
            Query::Rules { within, chain, .. } => {
                within.put(writer, rule::TABLE);
                if let Some(chain) = chain {
                    writer.put_str(rule::CHAIN, chain);
                }
            }
            Query::Rule { table, chain, handle, .. } => {
                named(table, rule::TABLE, (rule::CHAIN, chain));
                writer.put_u64_be(rule::HANDLE, handle.0);
            }
            Query::Sets { within } => within.put(writer, set::TABLE),
            Query::Set { table, name } => named(table, set::TABLE, (set::NAME, name)),
            Query::Elements { table, set, .. } => named(table, element::TABLE, (element::SET, set)),
            Query::Element { table, set, elements, .. } => {
                let set = SetRef { name: set.clone(), id: None };
                if element::put_some(writer, table, &set, elements) < elements.len() {
                    let len = writer.len();
                    writer.fail(EncodeError::AttributeTooLong { kind: element::ELEMENTS, len });
                }
            }
            Query::Objects { within, kind, .. } => {
                within.put(writer, object::TABLE);
                if let Some(kind) = kind {
                    writer.put_u32_be(object::TYPE, *kind as u32);
                }
            }
            Query::Object { table, kind, name, .. } => {
                named(table, object::TABLE, (object::NAME, name));
                writer.put_u32_be(object::TYPE, *kind as u32);
            }
            Query::Flowtables { within } => within.put(writer, flowtable::TABLE),
            Query::Flowtable { table, name } => named(table, flowtable::TABLE, (flowtable::NAME, name)),
        }
    }
}

fn optional_name(attributes: &Attributes<'_>, kind: u16) -> Result<Option<Box<str>>, DecodeError> {
    attributes.find(kind)?.map(|attribute| super::name(&attribute)).transpose()
}
