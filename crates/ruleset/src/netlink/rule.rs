//! Rules in messages.

use ironweir_expr::netlink::{exprs, is_template, put_exprs};
use ironweir_netlink::{Attribute, Attributes, DecodeError, EncodeError, Flags, Writer};

use super::{handle, name, put_userdata, required, userdata};
use crate::{ChainRef, Compat, Family, Handle, Place, Rule, RuleSelector, TableId};

/// `NFTA_RULE_TABLE`.
pub(super) const TABLE: u16 = 1;
/// `NFTA_RULE_CHAIN`.
pub(super) const CHAIN: u16 = 2;
/// `NFTA_RULE_HANDLE`.
pub(super) const HANDLE: u16 = 3;
/// `NFTA_RULE_EXPRESSIONS`.
pub(super) const EXPRESSIONS: u16 = 4;
/// `NFTA_RULE_COMPAT`.
const COMPAT: u16 = 5;
/// `NFTA_RULE_POSITION`.
const POSITION: u16 = 6;
/// `NFTA_RULE_USERDATA`.
const USERDATA: u16 = 7;
/// `NFTA_RULE_PAD`.
const PAD: u16 = 8;
/// `NFTA_RULE_ID`.
const ID: u16 = 9;
/// `NFTA_RULE_POSITION_ID`.
const POSITION_ID: u16 = 10;
/// `NFTA_RULE_CHAIN_ID`.
const CHAIN_ID: u16 = 11;

/// `NFTA_RULE_COMPAT_PROTO`.
const COMPAT_PROTO: u16 = 1;
/// `NFTA_RULE_COMPAT_FLAGS`.
const COMPAT_FLAGS: u16 = 2;

/// What a message tells of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleMessage {
    /// Its table.
    pub table: TableId,
    /// Name of its chain.
    pub chain: Box<str>,
    /// The rule.
    pub rule: Rule,
    /// Its handle.
    pub handle: Handle,
    /// The rule before it in its chain (`NFTA_RULE_POSITION`).
    pub position: Option<Handle>,
}

/// What the attributes say, as far as they say it.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) table: Option<Box<str>>,
    pub(super) chain: Option<Box<str>>,
    pub(super) chain_id: Option<u32>,
    pub(super) handle: Option<Handle>,
    pub(super) position: Option<Handle>,
    pub(super) id: Option<u32>,
    pub(super) position_id: Option<u32>,
    pub(super) rule: Rule,
}

/// The number by which others of a batch refer to the rule that a change makes (`NFTA_RULE_ID`): 0 would be none.
pub(super) fn id_of(change: u32) -> u32 {
    change.wrapping_add(1)
}

/// Flags that say where a rule goes.
pub(super) fn place_flags(place: Place) -> Flags {
    match place {
        Place::Last | Place::After(_) => Flags::CREATE | Flags::APPEND,
        Place::First | Place::Before(_) => Flags::CREATE,
        Place::Instead(_) => Flags::REPLACE,
    }
}

/// Puts what a request says of a new rule, which is made by that change of the batch.
pub(super) fn put_new(
    writer: &mut Writer<'_>,
    table: &TableId,
    chain: &ChainRef,
    rule: &Rule,
    place: Place,
    change: u32,
) {
    writer.put_str(TABLE, &table.name);
    match chain.id {
        Some(id) if is_template(&chain.name) => writer.put_u32_be(CHAIN_ID, id),
        _ => writer.put_str(CHAIN, &chain.name),
    }
    match place {
        Place::Last | Place::First => {}
        Place::Instead(RuleSelector::Handle(handle)) => writer.put_u64_be(HANDLE, handle.0),
        // The kernel knows a rule that is to be replaced by its handle alone (nf_tables_newrule).
        Place::Instead(RuleSelector::Change(_)) => writer.fail(EncodeError::Value { kind: HANDLE }),
        Place::After(RuleSelector::Handle(handle)) | Place::Before(RuleSelector::Handle(handle)) => {
            writer.put_u64_be(POSITION, handle.0);
        }
        Place::After(RuleSelector::Change(other)) | Place::Before(RuleSelector::Change(other)) => {
            writer.put_u32_be(POSITION_ID, id_of(other));
        }
    }
    put_exprs(writer, EXPRESSIONS, &rule.exprs);
    put_compat(writer, rule.compat.or_else(|| Compat::of(&rule.exprs)));
    put_userdata(writer, USERDATA, &rule.userdata);
    writer.put_u32_be(ID, id_of(change));
    rule.unknown.put(writer);
}

/// Puts which rule shall go.
pub(super) fn put_selector(writer: &mut Writer<'_>, rule: RuleSelector) {
    match rule {
        RuleSelector::Handle(handle) => writer.put_u64_be(HANDLE, handle.0),
        RuleSelector::Change(change) => writer.put_u32_be(ID, id_of(change)),
    }
}

impl RuleMessage {
    pub(super) fn put(&self, writer: &mut Writer<'_>) {
        writer.put_str(TABLE, &self.table.name);
        writer.put_str(CHAIN, &self.chain);
        writer.put_u64_be(HANDLE, self.handle.0);
        if let Some(position) = self.position {
            writer.put_u64_be(POSITION, position.0);
        }
        put_exprs(writer, EXPRESSIONS, &self.rule.exprs);
        put_compat(writer, self.rule.compat);
        put_userdata(writer, USERDATA, &self.rule.userdata);
        self.rule.unknown.put(writer);
    }

    pub(super) fn read(family: Family, attributes: Attributes<'_>) -> Result<RuleMessage, DecodeError> {
        let given = Given::read(attributes)?;
        Ok(RuleMessage {
            table: TableId { family, name: required(given.table, TABLE)? },
            chain: required(given.chain, CHAIN)?,
            rule: given.rule,
            handle: given.handle.unwrap_or_default(),
            position: given.position,
        })
    }
}

fn put_compat(writer: &mut Writer<'_>, compat: Option<Compat>) {
    if let Some(compat) = compat {
        writer.nest(COMPAT, |writer| {
            writer.put_u32_be(COMPAT_PROTO, compat.protocol);
            writer.put_u32_be(COMPAT_FLAGS, compat.flags);
        });
    }
}

fn compat(attribute: &Attribute<'_>) -> Result<Compat, DecodeError> {
    let number = |kind| attribute.nested().require(kind)?.u32_be();
    Ok(Compat { protocol: number(COMPAT_PROTO)?, flags: number(COMPAT_FLAGS)? })
}

impl Given {
    pub(super) fn read(attributes: Attributes<'_>) -> Result<Given, DecodeError> {
        let mut given = Given::default();
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                TABLE => given.table = Some(name(&attribute)?),
                CHAIN => given.chain = Some(name(&attribute)?),
                CHAIN_ID => given.chain_id = Some(attribute.u32_be()?),
                HANDLE => given.handle = Some(handle(&attribute)?),
                POSITION => given.position = Some(handle(&attribute)?),
                ID => given.id = Some(attribute.u32_be()?),
                POSITION_ID => given.position_id = Some(attribute.u32_be()?),
                EXPRESSIONS => given.rule.exprs = exprs(&attribute)?,
                USERDATA => given.rule.userdata = userdata(&attribute),
                COMPAT => given.rule.compat = Some(compat(&attribute)?),
                PAD => {}
                _ => given.rule.unknown.keep(&attribute)?,
            }
        }
        Ok(given)
    }
}
