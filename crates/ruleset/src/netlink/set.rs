//! Sets and maps in messages.

use ironweir_expr::netlink::{exprs, put_exprs};
use ironweir_expr::objref::ObjectType;
use ironweir_netlink::{Attribute, Attributes, DecodeError, Writer};

use super::{LIST_ELEM, Unknown, handle, name, put_userdata, required, userdata};
use crate::set::{SetData, SetPolicy};
use crate::{Expr, Family, Handle, Set, SetFlags, TableId, Userdata};

/// `NFTA_SET_TABLE`.
pub(super) const TABLE: u16 = 1;
/// `NFTA_SET_NAME`.
pub(super) const NAME: u16 = 2;
/// `NFTA_SET_FLAGS`.
const FLAGS: u16 = 3;
/// `NFTA_SET_KEY_TYPE`.
const KEY_TYPE: u16 = 4;
/// `NFTA_SET_KEY_LEN`.
const KEY_LEN: u16 = 5;
/// `NFTA_SET_DATA_TYPE`.
const DATA_TYPE: u16 = 6;
/// `NFTA_SET_DATA_LEN`.
const DATA_LEN: u16 = 7;
/// `NFTA_SET_POLICY`.
const POLICY: u16 = 8;
/// `NFTA_SET_DESC`.
const DESC: u16 = 9;
/// `NFTA_SET_ID`.
const ID: u16 = 10;
/// `NFTA_SET_TIMEOUT`.
const TIMEOUT: u16 = 11;
/// `NFTA_SET_GC_INTERVAL`.
const GC_INTERVAL: u16 = 12;
/// `NFTA_SET_USERDATA`.
const USERDATA: u16 = 13;
/// `NFTA_SET_PAD`.
const PAD: u16 = 14;
/// `NFTA_SET_OBJ_TYPE`.
const OBJ_TYPE: u16 = 15;
/// `NFTA_SET_HANDLE`.
pub(super) const HANDLE: u16 = 16;
/// `NFTA_SET_EXPR`.
const EXPR: u16 = 17;
/// `NFTA_SET_EXPRESSIONS`.
const EXPRESSIONS: u16 = 18;
/// `NFTA_SET_TYPE` (Linux 6.16).
const TYPE: u16 = 19;
/// `NFTA_SET_COUNT` (Linux 6.16).
const COUNT: u16 = 20;

/// `NFTA_SET_DESC_SIZE`.
const DESC_SIZE: u16 = 1;
/// `NFTA_SET_DESC_CONCAT`.
const DESC_CONCAT: u16 = 2;
/// `NFTA_SET_FIELD_LEN`.
const FIELD_LEN: u16 = 1;

/// `NFT_DATA_VERDICT`.
const DATA_VERDICT: u32 = 0xffff_ff00;
/// `sizeof(struct nft_verdict)` on 64-bit machines, which the kernel tells as length of verdicts.
const VERDICT_LEN: u32 = 16;

/// What a message tells of a set or map.
#[derive(Clone, Debug, PartialEq)]
pub struct SetMessage {
    /// Its table.
    pub table: TableId,
    /// The set; its number is not told and 0.
    pub set: Set,
    /// Its handle.
    pub handle: Handle,
    /// What holds its elements in the kernel, such as `nft_set_rbtree_type` (`NFTA_SET_TYPE`).
    pub backend: Option<Box<str>>,
    /// How many elements it has, both ends of an interval counted where they are two (`NFTA_SET_COUNT`).
    pub count: Option<u32>,
}

/// What the attributes say, as far as they say it.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) table: Option<Box<str>>,
    pub(super) name: Option<Box<str>>,
    pub(super) handle: Option<Handle>,
    id: Option<u32>,
    flags: SetFlags,
    key_type: u32,
    key_len: Option<u32>,
    fields: Vec<u32>,
    data_type: Option<u32>,
    data_len: u32,
    object: Option<ObjectType>,
    size: Option<u32>,
    timeout: Option<u64>,
    gc_interval: Option<u32>,
    policy: SetPolicy,
    exprs: Vec<Expr>,
    userdata: Userdata,
    backend: Option<Box<str>>,
    count: Option<u32>,
    unknown: Unknown,
}

/// Puts what a request says of a new set.
pub(super) fn put_new(writer: &mut Writer<'_>, table: &TableId, set: &Set) {
    writer.put_str(TABLE, &table.name);
    writer.put_str(NAME, &set.name);
    put_definition(writer, set);
    if set.size.is_some() || set.flags.contains(SetFlags::CONCAT) {
        put_description(writer, set);
    }
    writer.put_u32_be(ID, set.id);
    set.unknown.put(writer);
}

/// Puts a single expression as a nest, several as a list of nests: the kernel takes the list only for a set with
/// [`SetFlags::EXPR`] (`nft_set_expr_alloc`).
pub(super) fn put_one_or_more(writer: &mut Writer<'_>, one: u16, more: u16, exprs: &[Expr]) {
    match exprs {
        [] => {}
        [expr] => writer.nest(one, |writer| expr.encode(writer)),
        exprs => put_exprs(writer, more, exprs),
    }
}

fn put_definition(writer: &mut Writer<'_>, set: &Set) {
    if !set.flags.is_empty() {
        writer.put_u32_be(FLAGS, set.flags.bits());
    }
    writer.put_u32_be(KEY_TYPE, set.key_type);
    writer.put_u32_be(KEY_LEN, set.key_len);
    match set.data {
        None => {}
        Some(SetData::Value { kind, len }) => {
            writer.put_u32_be(DATA_TYPE, kind);
            writer.put_u32_be(DATA_LEN, len);
        }
        Some(SetData::Verdict) => {
            writer.put_u32_be(DATA_TYPE, DATA_VERDICT);
            writer.put_u32_be(DATA_LEN, VERDICT_LEN);
        }
        Some(SetData::Object(kind)) => writer.put_u32_be(OBJ_TYPE, kind as u32),
    }
    if let Some(timeout) = set.timeout {
        writer.put_u64_be(TIMEOUT, timeout);
    }
    if let Some(gc_interval) = set.gc_interval {
        writer.put_u32_be(GC_INTERVAL, gc_interval);
    }
    if set.policy != SetPolicy::Performance {
        writer.put_u32_be(POLICY, set.policy as u32);
    }
    put_userdata(writer, USERDATA, &set.userdata);
    put_one_or_more(writer, EXPR, EXPRESSIONS, &set.exprs);
}

fn put_description(writer: &mut Writer<'_>, set: &Set) {
    writer.nest(DESC, |writer| {
        if let Some(size) = set.size {
            writer.put_u32_be(DESC_SIZE, size);
        }
        // The kernel takes fields only of concatenations of intervals (nf_tables_newset); others are one key to it.
        if set.flags.contains(SetFlags::CONCAT) && !set.fields.is_empty() {
            writer.nest(DESC_CONCAT, |writer| {
                for len in &set.fields {
                    writer.nest(LIST_ELEM, |writer| writer.put_u32_be(FIELD_LEN, *len));
                }
            });
        }
    });
}

impl SetMessage {
    pub(super) fn put(&self, writer: &mut Writer<'_>) {
        writer.put_str(TABLE, &self.table.name);
        writer.put_str(NAME, &self.set.name);
        writer.put_u64_be(HANDLE, self.handle.0);
        put_definition(writer, &self.set);
        // The kernel always tells a description, be it empty (nf_tables_fill_set).
        put_description(writer, &self.set);
        if let Some(backend) = &self.backend {
            writer.put_str(TYPE, backend);
        }
        if let Some(count) = self.count {
            writer.put_u32_be(COUNT, count);
        }
        self.set.unknown.put(writer);
    }

    pub(super) fn read(family: Family, attributes: Attributes<'_>) -> Result<SetMessage, DecodeError> {
        let mut given = Given::read(attributes)?;
        Ok(SetMessage {
            table: TableId { family, name: required(given.table.take(), TABLE)? },
            handle: given.handle.unwrap_or_default(),
            backend: given.backend.take(),
            count: given.count,
            set: given.set()?,
        })
    }
}

impl Given {
    pub(super) fn read(attributes: Attributes<'_>) -> Result<Given, DecodeError> {
        let mut given = Given::default();
        for attribute in attributes {
            given.take(&attribute?)?;
        }
        Ok(given)
    }

    /// A set, new or told. Without a number it has 0.
    pub(super) fn set(self) -> Result<Set, DecodeError> {
        let data = match (self.object, self.data_type) {
            (Some(object), _) => Some(SetData::Object(object)),
            (None, Some(DATA_VERDICT)) => Some(SetData::Verdict),
            (None, Some(kind)) => Some(SetData::Value { kind, len: self.data_len }),
            (None, None) => None,
        };
        Ok(Set {
            name: required(self.name, NAME)?,
            id: self.id.unwrap_or(0),
            flags: self.flags,
            key_type: self.key_type,
            key_len: required(self.key_len, KEY_LEN)?,
            fields: self.fields,
            data,
            size: self.size,
            timeout: self.timeout,
            gc_interval: self.gc_interval,
            policy: self.policy,
            exprs: self.exprs,
            userdata: self.userdata,
            unknown: self.unknown,
        })
    }

    /// The number that a new set must have.
    pub(super) fn require_id(&self) -> Result<(), DecodeError> {
        required(self.id, ID).map(drop)
    }

    fn take(&mut self, attribute: &Attribute<'_>) -> Result<(), DecodeError> {
        match attribute.kind {
            TABLE => self.table = Some(name(attribute)?),
            NAME => self.name = Some(name(attribute)?),
            FLAGS => self.flags = SetFlags::from_bits_retain(attribute.u32_be()?),
            KEY_TYPE => self.key_type = attribute.u32_be()?,
            KEY_LEN => self.key_len = Some(attribute.u32_be()?),
            DATA_TYPE => self.data_type = Some(attribute.u32_be()?),
            DATA_LEN => self.data_len = attribute.u32_be()?,
            POLICY => {
                self.policy = match attribute.u32_be()? {
                    0 => SetPolicy::Performance,
                    1 => SetPolicy::Memory,
                    _ => return Err(attribute.bad_value()),
                };
            }
            DESC => self.take_description(attribute)?,
            ID => self.id = Some(attribute.u32_be()?),
            TIMEOUT => self.timeout = Some(attribute.u64_be()?),
            GC_INTERVAL => self.gc_interval = Some(attribute.u32_be()?),
            USERDATA => self.userdata = userdata(attribute),
            OBJ_TYPE => {
                let kind = ObjectType::from_number(attribute.u32_be()?);
                self.object = Some(kind.ok_or_else(|| attribute.bad_value())?);
            }
            HANDLE => self.handle = Some(handle(attribute)?),
            EXPR => self.exprs = vec![Expr::decode(attribute.nested())?],
            EXPRESSIONS => self.exprs = exprs(attribute)?,
            TYPE => self.backend = Some(name(attribute)?),
            COUNT => self.count = Some(attribute.u32_be()?),
            PAD => {}
            _ => self.unknown.keep(attribute)?,
        }
        Ok(())
    }

    fn take_description(&mut self, description: &Attribute<'_>) -> Result<(), DecodeError> {
        for attribute in description.nested() {
            let attribute = attribute?;
            match attribute.kind {
                DESC_SIZE => self.size = Some(attribute.u32_be()?),
                DESC_CONCAT => {
                    self.fields = attribute
                        .nested()
                        .map(|field| field?.nested().require(FIELD_LEN)?.u32_be())
                        .collect::<Result<_, _>>()?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}
