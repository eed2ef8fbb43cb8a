//! Elements of sets and maps in messages.

use ironweir_expr::netlink::{exprs, is_template, put_value, value};
use ironweir_netlink::{Attribute, Attributes, DecodeError, Writer};

use super::set::put_one_or_more;
use super::{LIST_ELEM, name, put_userdata, required, userdata};
use crate::set::ElementMore;
use crate::{Data, Element, ElementData, ElementFlags, Expr, Family, SetRef, TableId, Value};

/// `NFTA_SET_ELEM_LIST_TABLE`.
pub(super) const TABLE: u16 = 1;
/// `NFTA_SET_ELEM_LIST_SET`.
pub(super) const SET: u16 = 2;
/// `NFTA_SET_ELEM_LIST_ELEMENTS`.
pub(super) const ELEMENTS: u16 = 3;
/// `NFTA_SET_ELEM_LIST_SET_ID`.
const SET_ID: u16 = 4;

/// `NFTA_SET_ELEM_KEY`.
const KEY: u16 = 1;
/// `NFTA_SET_ELEM_DATA`.
const DATA: u16 = 2;
/// `NFTA_SET_ELEM_FLAGS`.
const FLAGS: u16 = 3;
/// `NFTA_SET_ELEM_TIMEOUT`.
const TIMEOUT: u16 = 4;
/// `NFTA_SET_ELEM_EXPIRATION`.
const EXPIRATION: u16 = 5;
/// `NFTA_SET_ELEM_USERDATA`.
const USERDATA: u16 = 6;
/// `NFTA_SET_ELEM_EXPR`.
const EXPR: u16 = 7;
/// `NFTA_SET_ELEM_PAD`.
const PAD: u16 = 8;
/// `NFTA_SET_ELEM_OBJREF`.
const OBJREF: u16 = 9;
/// `NFTA_SET_ELEM_KEY_END`.
const KEY_END: u16 = 10;
/// `NFTA_SET_ELEM_EXPRESSIONS`.
const EXPRESSIONS: u16 = 11;

/// How long a list of elements may become: an attribute's length is 16 bits.
const LIST_MAX: usize = u16::MAX as usize;

/// What a message tells of elements.
#[derive(Clone, Debug, PartialEq)]
pub struct ElementsMessage {
    /// Table of the set.
    pub table: TableId,
    /// Name of the set.
    pub set: Box<str>,
    /// The elements. A dump is many messages; ends of intervals may come in another one than their beginnings.
    pub elements: Vec<Element>,
}

/// What the attributes say, as far as they say it.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) table: Option<Box<str>>,
    pub(super) set: Option<Box<str>>,
    set_id: Option<u32>,
    pub(super) elements: Option<Vec<Element>>,
}

/// Puts as many of `elements` as one message can hold, and the set that they are of. Returns how many; 0 if not even one
/// fits.
pub(super) fn put_some(
    writer: &mut Writer<'_>,
    table: &TableId,
    set: &SetRef,
    elements: &[Element],
) -> usize {
    put_set(writer, table, set);
    let list = writer.begin_nest(ELEMENTS);
    let mut put = 0;
    for element in elements {
        let start = writer.begin_nest(LIST_ELEM);
        put_element(writer, element);
        writer.end_nest(start);
        if writer.len() - list > LIST_MAX && put > 0 {
            writer.cancel_nest(start);
            break;
        }
        put += 1;
    }
    writer.end_nest(list);
    put
}

/// Puts the set without elements: all of them are meant.
pub(super) fn put_set(writer: &mut Writer<'_>, table: &TableId, set: &SetRef) {
    writer.put_str(TABLE, &table.name);
    writer.put_str(SET, &set.name);
    if let (true, Some(id)) = (is_template(&set.name), set.id) {
        writer.put_u32_be(SET_ID, id);
    }
}

fn put_element(writer: &mut Writer<'_>, element: &Element) {
    if !element.flags.contains(ElementFlags::CATCHALL) {
        put_value(writer, KEY, &element.key);
    }
    if !element.flags.is_empty() {
        writer.put_u32_be(FLAGS, element.flags.bits());
    }
    if let Some(more) = element.more.as_deref() {
        put_more(writer, more);
    }
}

fn put_more(writer: &mut Writer<'_>, more: &ElementMore) {
    if let Some(end) = &more.key_end {
        put_value(writer, KEY_END, end);
    }
    match &more.data {
        None => {}
        Some(ElementData::Data(data)) => data.encode(writer, DATA),
        Some(ElementData::Object(name)) => writer.put_str(OBJREF, name),
    }
    for (kind, time) in [(TIMEOUT, more.timeout), (EXPIRATION, more.expiration)] {
        if let Some(time) = time {
            writer.put_u64_be(kind, time);
        }
    }
    put_userdata(writer, USERDATA, &more.userdata);
    put_one_or_more(writer, EXPR, EXPRESSIONS, &more.exprs);
    more.unknown.put(writer);
}

impl ElementsMessage {
    pub(super) fn read(family: Family, attributes: Attributes<'_>) -> Result<ElementsMessage, DecodeError> {
        let given = Given::read(attributes)?;
        Ok(ElementsMessage {
            table: TableId { family, name: required(given.table, TABLE)? },
            set: required(given.set, SET)?,
            elements: given.elements.unwrap_or_default(),
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
                SET => given.set = Some(name(&attribute)?),
                SET_ID => given.set_id = Some(attribute.u32_be()?),
                ELEMENTS => given.elements = Some(elements(&attribute)?),
                _ => {}
            }
        }
        Ok(given)
    }

    /// The set that is meant: by number where the name is one that the transaction replaces.
    pub(super) fn set_ref(&mut self) -> Result<SetRef, DecodeError> {
        let name = required(self.set.take(), SET)?;
        let id = self.set_id.filter(|_| is_template(&name));
        Ok(SetRef { name, id })
    }
}

/// Elements of a list, whose types count up with some senders and are all the same with others.
fn elements(list: &Attribute<'_>) -> Result<Vec<Element>, DecodeError> {
    // Most elements are three headers and a key of four bytes or more; room for 4,096 at most.
    let mut elements = Vec::with_capacity(list.value.len() / 16);
    for element in list.nested() {
        elements.push(read(&element?)?);
    }
    Ok(elements)
}

fn read(element: &Attribute<'_>) -> Result<Element, DecodeError> {
    let mut key = None;
    let mut flags = ElementFlags::empty();
    let mut more: Option<Box<ElementMore>> = None;
    for attribute in element.nested() {
        let attribute = attribute?;
        match attribute.kind {
            KEY => key = Some(value(&attribute)?),
            FLAGS => flags = ElementFlags::from_bits_retain(attribute.u32_be()?),
            PAD => {}
            _ => read_more(more.get_or_insert_default(), &attribute)?,
        }
    }
    let key = match key {
        Some(key) => key,
        None if flags.contains(ElementFlags::CATCHALL) => Value::new(&[]),
        None => return Err(element.nested().missing(KEY)),
    };
    Ok(Element { key, flags, more })
}

fn read_more(more: &mut ElementMore, attribute: &Attribute<'_>) -> Result<(), DecodeError> {
    match attribute.kind {
        DATA => more.data = Some(ElementData::Data(Data::decode(attribute)?)),
        OBJREF => more.data = Some(ElementData::Object(name(attribute)?)),
        KEY_END => more.key_end = Some(value(attribute)?),
        TIMEOUT => more.timeout = Some(attribute.u64_be()?),
        EXPIRATION => more.expiration = Some(attribute.u64_be()?),
        USERDATA => more.userdata = userdata(attribute),
        EXPR => more.exprs = vec![Expr::decode(attribute.nested())?],
        EXPRESSIONS => more.exprs = exprs(attribute)?,
        _ => more.unknown.keep(attribute)?,
    }
    Ok(())
}
