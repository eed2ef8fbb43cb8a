//! Requests of a batch, as a server reads them.

use hashbrown::HashMap;
use ironweir_netlink::{Attributes, DecodeError, Flags, Message};

use super::{
    TableMessage, any_family, chain, element, flowtable, kind, message_type, name, object, required, rule,
    set, table,
};
use crate::{ChainRef, Change, Creation, Family, Handle, Place, RuleSelector, Selector, TableId};

/// Reads the messages of one batch into [`Change`]s. What a message says of an earlier one (a rule by `NFTA_RULE_ID`) is
/// said in the changes by their place in the batch, so one reader reads the whole batch in order.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    /// Changes that made rules, by `NFTA_RULE_ID`.
    rules: HashMap<u32, u32>,
}

impl Requests {
    /// For a batch of which nothing has been read.
    pub fn new() -> Requests {
        Requests::default()
    }

    /// Reads a message that becomes the change with this place in the batch.
    ///
    /// # Errors
    /// If it is malformed or lacks something. `None` if it changes nothing: a question, or a message of a newer peer.
    pub fn decode(&mut self, message: &Message<'_>, index: u32) -> Result<Option<Change>, DecodeError> {
        let number = message.header.message();
        if message_type(number) != message.header.kind {
            return Ok(None);
        }
        let (genmsg, attributes) = message.nfgen()?;
        let any_family = any_family(genmsg)?;
        if matches!(number, kind::DELTABLE | kind::DESTROYTABLE) {
            return delete_table(any_family, attributes, number == kind::DESTROYTABLE).map(Some);
        }
        // Every other change names the family.
        let Some(family) = any_family else { return Err(DecodeError::Value { kind: 0, offset: 16 }) };
        let creation = match message.header.flags.contains(Flags::EXCL) {
            true => Creation::Create,
            false => Creation::Add,
        };
        Ok(Some(match number {
            kind::NEWTABLE => {
                Change::NewTable { table: TableMessage::read(family, attributes)?.table, creation }
            }
            kind::NEWCHAIN => new_chain(family, attributes, creation)?,
            kind::DELCHAIN | kind::DESTROYCHAIN => {
                let given = chain::Given::read(family, attributes)?;
                Change::DelChain {
                    table: table_id(family, given.table, chain::TABLE)?,
                    chain: selector(given.handle, given.name, chain::NAME)?,
                    devices: given.devices,
                    missing_ok: number == kind::DESTROYCHAIN,
                }
            }
            kind::NEWRULE => self.new_rule(family, attributes, message.header.flags, index)?,
            kind::DELRULE | kind::DESTROYRULE => {
                self.delete_rule(family, attributes, number == kind::DESTROYRULE)?
            }
            kind::NEWSET => {
                let mut given = set::Given::read(attributes)?;
                given.require_id()?;
                let table = table_id(family, given.table.take(), set::TABLE)?;
                Change::NewSet { table, set: given.set()?, creation }
            }
            kind::DELSET | kind::DESTROYSET => {
                let given = set::Given::read(attributes)?;
                Change::DelSet {
                    table: table_id(family, given.table, set::TABLE)?,
                    set: selector(given.handle, given.name, set::NAME)?,
                    missing_ok: number == kind::DESTROYSET,
                }
            }
            kind::NEWSETELEM => {
                let mut given = element::Given::read(attributes)?;
                Change::NewElements {
                    table: table_id(family, given.table.take(), element::TABLE)?,
                    set: given.set_ref()?,
                    elements: required(given.elements, element::ELEMENTS)?,
                    creation,
                }
            }
            kind::DELSETELEM | kind::DESTROYSETELEM => {
                let given = element::Given::read(attributes)?;
                Change::DelElements {
                    table: table_id(family, given.table, element::TABLE)?,
                    set: required(given.set, element::SET)?,
                    elements: given.elements,
                    missing_ok: number == kind::DESTROYSETELEM,
                }
            }
            kind::NEWOBJ => {
                let mut given = object::Given::read(attributes)?;
                let table = table_id(family, given.table.take(), object::TABLE)?;
                Change::NewObject { table, object: given.object()?, creation }
            }
            kind::DELOBJ | kind::DESTROYOBJ => {
                let given = object::Given::read(attributes)?;
                Change::DelObject {
                    table: table_id(family, given.table, object::TABLE)?,
                    kind: required(given.kind, object::TYPE)?,
                    object: selector(given.handle, given.name, object::NAME)?,
                    missing_ok: number == kind::DESTROYOBJ,
                }
            }
            kind::NEWFLOWTABLE => {
                let mut given = flowtable::Given::read(attributes)?;
                let table = table_id(family, given.table.take(), flowtable::TABLE)?;
                Change::NewFlowtable { table, flowtable: given.flowtable()?, creation }
            }
            kind::DELFLOWTABLE | kind::DESTROYFLOWTABLE => {
                let given = flowtable::Given::read(attributes)?;
                Change::DelFlowtable {
                    table: table_id(family, given.table, flowtable::TABLE)?,
                    flowtable: selector(given.handle, given.name, flowtable::NAME)?,
                    devices: given.devices,
                    missing_ok: number == kind::DESTROYFLOWTABLE,
                }
            }
            _ => return Ok(None),
        }))
    }

    fn new_rule(
        &mut self,
        family: Family,
        attributes: Attributes<'_>,
        flags: Flags,
        index: u32,
    ) -> Result<Change, DecodeError> {
        let given = rule::Given::read(attributes)?;
        let chain = match (given.chain, given.chain_id) {
            (Some(name), _) => ChainRef::new(name),
            (None, Some(id)) => ChainRef { name: "__chain%d".into(), id: Some(id) },
            (None, None) => return Err(DecodeError::Missing { kind: rule::CHAIN, nest: 0 }),
        };
        let position = match (given.position, given.position_id) {
            (Some(handle), _) => Some(RuleSelector::Handle(handle)),
            (None, Some(id)) => Some(self.made(id)),
            (None, None) => None,
        };
        let place = match (flags.contains(Flags::REPLACE), flags.contains(Flags::APPEND), position) {
            (true, _, _) => Place::Instead(RuleSelector::Handle(required(given.handle, rule::HANDLE)?)),
            (false, true, None) => Place::Last,
            (false, false, None) => Place::First,
            (false, true, Some(rule)) => Place::After(rule),
            (false, false, Some(rule)) => Place::Before(rule),
        };
        if let Some(id) = given.id {
            self.rules.insert(id, index);
        }
        let table = table_id(family, given.table, rule::TABLE)?;
        Ok(Change::NewRule { table, chain, rule: given.rule, place })
    }

    fn delete_rule(
        &mut self,
        family: Family,
        attributes: Attributes<'_>,
        missing_ok: bool,
    ) -> Result<Change, DecodeError> {
        let given = rule::Given::read(attributes)?;
        let table = table_id(family, given.table, rule::TABLE)?;
        let rule = match (given.handle, given.id) {
            (Some(handle), _) => RuleSelector::Handle(handle),
            (None, Some(id)) => self.made(id),
            (None, None) => return Ok(Change::FlushRules { table, chain: given.chain }),
        };
        Ok(Change::DelRule { table, chain: required(given.chain, rule::CHAIN)?, rule, missing_ok })
    }

    /// The rule that the batch made under this number. One that it did not make is none: the change is refused when it is
    /// made, as the kernel refuses it.
    fn made(&self, id: u32) -> RuleSelector {
        RuleSelector::Change(self.rules.get(&id).copied().unwrap_or(u32::MAX))
    }
}

fn delete_table(
    family: Option<Family>,
    attributes: Attributes<'_>,
    missing_ok: bool,
) -> Result<Change, DecodeError> {
    let by_name = attributes.find(table::NAME)?.map(|attribute| name(&attribute)).transpose()?;
    let by_handle = attributes.find(table::HANDLE)?.map(|attribute| super::handle(&attribute)).transpose()?;
    match (family, by_name.is_some() || by_handle.is_some()) {
        // As nf_tables_deltable: without a family, or without saying which, all are meant.
        (None, _) | (_, false) => Ok(Change::FlushRuleset { family }),
        (Some(family), true) => {
            Ok(Change::DelTable { family, which: selector(by_handle, by_name, table::NAME)?, missing_ok })
        }
    }
}

fn new_chain(family: Family, attributes: Attributes<'_>, creation: Creation) -> Result<Change, DecodeError> {
    let mut given = chain::Given::read(family, attributes)?;
    let table = table_id(family, given.table.take(), chain::TABLE)?;
    if let (Some(handle), Some(_)) = (given.handle, &given.name) {
        let name = required(given.name, chain::NAME)?;
        return Ok(Change::RenameChain { table, chain: Selector::Handle(handle), name });
    }
    Ok(Change::NewChain { table, chain: given.chain()?, creation })
}

fn table_id(family: Family, name: Option<Box<str>>, kind: u16) -> Result<TableId, DecodeError> {
    Ok(TableId { family, name: required(name, kind)? })
}

fn selector(handle: Option<Handle>, name: Option<Box<str>>, kind: u16) -> Result<Selector, DecodeError> {
    match handle {
        Some(handle) => Ok(Selector::Handle(handle)),
        None => required(name, kind).map(Selector::Name),
    }
}
