//! Objects in messages.

use ironweir_expr::objref::ObjectType;
use ironweir_netlink::{Attribute, Attributes, DecodeError, Writer};

use super::{Unknown, handle, name, put_userdata, required, tunnel, userdata};
use crate::object::{CtExpectation, CtHelper, CtTimeout, Secmark};
use crate::{Expr, Family, Handle, Object, ObjectKind, TableId, Userdata};

/// `NFTA_OBJ_TABLE`.
pub(super) const TABLE: u16 = 1;
/// `NFTA_OBJ_NAME`.
pub(super) const NAME: u16 = 2;
/// `NFTA_OBJ_TYPE`.
pub(super) const TYPE: u16 = 3;
/// `NFTA_OBJ_DATA`.
const DATA: u16 = 4;
/// `NFTA_OBJ_USE`.
const USE: u16 = 5;
/// `NFTA_OBJ_HANDLE`.
pub(super) const HANDLE: u16 = 6;
/// `NFTA_OBJ_PAD`.
const PAD: u16 = 7;
/// `NFTA_OBJ_USERDATA`.
const USERDATA: u16 = 8;

/// `NFTA_CT_HELPER_NAME`.
const HELPER_NAME: u16 = 1;
/// `NFTA_CT_HELPER_L3PROTO`.
const HELPER_L3PROTO: u16 = 2;
/// `NFTA_CT_HELPER_L4PROTO`.
const HELPER_L4PROTO: u16 = 3;

/// `NFTA_CT_TIMEOUT_L3PROTO`.
const TIMEOUT_L3PROTO: u16 = 1;
/// `NFTA_CT_TIMEOUT_L4PROTO`.
const TIMEOUT_L4PROTO: u16 = 2;
/// `NFTA_CT_TIMEOUT_DATA`.
const TIMEOUT_DATA: u16 = 3;

/// `NFTA_CT_EXPECT_L3PROTO`.
const EXPECT_L3PROTO: u16 = 1;
/// `NFTA_CT_EXPECT_L4PROTO`.
const EXPECT_L4PROTO: u16 = 2;
/// `NFTA_CT_EXPECT_DPORT`.
const EXPECT_DPORT: u16 = 3;
/// `NFTA_CT_EXPECT_TIMEOUT`.
const EXPECT_TIMEOUT: u16 = 4;
/// `NFTA_CT_EXPECT_SIZE`.
const EXPECT_SIZE: u16 = 5;

/// `NFTA_SECMARK_CTX`.
const SECMARK_CTX: u16 = 1;

/// What a message tells of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectMessage {
    /// Its table.
    pub table: TableId,
    /// The object with its state.
    pub object: Object,
    /// Its handle.
    pub handle: Handle,
    /// How many rules and elements refer to it.
    pub uses: u32,
}

/// What the attributes say, as far as they say it.
#[derive(Debug, Default)]
pub(super) struct Given<'a> {
    pub(super) table: Option<Box<str>>,
    pub(super) name: Option<Box<str>>,
    pub(super) kind: Option<ObjectType>,
    pub(super) handle: Option<Handle>,
    data: Option<Attribute<'a>>,
    uses: u32,
    userdata: Userdata,
    unknown: Unknown,
}

/// Puts what a request says of a new object.
pub(super) fn put_new(writer: &mut Writer<'_>, table: &TableId, object: &Object) {
    put_definition(writer, table, object);
    object.unknown.put(writer);
}

fn put_definition(writer: &mut Writer<'_>, table: &TableId, object: &Object) {
    writer.put_str(TABLE, &table.name);
    writer.put_str(NAME, &object.name);
    writer.put_u32_be(TYPE, object.object_type() as u32);
    writer.nest(DATA, |writer| put_data(writer, &object.kind));
    put_userdata(writer, USERDATA, &object.userdata);
}

/// Puts what is of an object's own type. Those that are expressions too have the same attributes there and here.
fn put_data(writer: &mut Writer<'_>, kind: &ObjectKind) {
    match kind {
        ObjectKind::Counter(counter) => counter.encode_totals(writer),
        ObjectKind::Quota(quota) => Expr::from(quota.clone()).encode_data(writer),
        ObjectKind::Limit(limit) => Expr::from(limit.clone()).encode_data(writer),
        ObjectKind::Connlimit(connlimit) => Expr::from(connlimit.clone()).encode_data(writer),
        ObjectKind::Synproxy(synproxy) => Expr::from(*synproxy).encode_data(writer),
        ObjectKind::CtHelper(helper) => {
            writer.put_str(HELPER_NAME, &helper.helper);
            if helper.l3proto != 0 {
                writer.put_u16_be(HELPER_L3PROTO, helper.l3proto);
            }
            writer.put_u8(HELPER_L4PROTO, helper.l4proto);
        }
        ObjectKind::CtTimeout(timeout) => {
            if timeout.l3proto != 0 {
                writer.put_u16_be(TIMEOUT_L3PROTO, timeout.l3proto);
            }
            writer.put_u8(TIMEOUT_L4PROTO, timeout.l4proto);
            writer.nest(TIMEOUT_DATA, |writer| {
                for (state, seconds) in &timeout.timeouts {
                    writer.put_u32_be(*state, *seconds);
                }
            });
        }
        ObjectKind::CtExpectation(expectation) => {
            if expectation.l3proto != 0 {
                writer.put_u16_be(EXPECT_L3PROTO, expectation.l3proto);
            }
            writer.put_u8(EXPECT_L4PROTO, expectation.l4proto);
            writer.put_u16_be(EXPECT_DPORT, expectation.dport);
            writer.put_u32_host(EXPECT_TIMEOUT, expectation.timeout);
            writer.put_u8(EXPECT_SIZE, expectation.size);
        }
        ObjectKind::Secmark(secmark) => writer.put_str(SECMARK_CTX, &secmark.context),
        ObjectKind::Tunnel(tunnel) => tunnel::put(writer, tunnel),
    }
}

impl ObjectMessage {
    pub(super) fn put(&self, writer: &mut Writer<'_>) {
        put_definition(writer, &self.table, &self.object);
        writer.put_u32_be(USE, self.uses);
        writer.put_u64_be(HANDLE, self.handle.0);
        self.object.unknown.put(writer);
    }

    pub(super) fn read(family: Family, attributes: Attributes<'_>) -> Result<ObjectMessage, DecodeError> {
        let mut given = Given::read(attributes)?;
        Ok(ObjectMessage {
            table: TableId { family, name: required(given.table.take(), TABLE)? },
            handle: given.handle.unwrap_or_default(),
            uses: given.uses,
            object: given.object()?,
        })
    }
}

impl<'a> Given<'a> {
    pub(super) fn read(attributes: Attributes<'a>) -> Result<Given<'a>, DecodeError> {
        let mut given = Given::default();
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                TABLE => given.table = Some(name(&attribute)?),
                NAME => given.name = Some(name(&attribute)?),
                TYPE => {
                    let kind = ObjectType::from_number(attribute.u32_be()?);
                    given.kind = Some(kind.ok_or_else(|| attribute.bad_value())?);
                }
                DATA => given.data = Some(attribute),
                USE => given.uses = attribute.u32_be()?,
                HANDLE => given.handle = Some(handle(&attribute)?),
                USERDATA => given.userdata = userdata(&attribute),
                PAD => {}
                _ => given.unknown.keep(&attribute)?,
            }
        }
        Ok(given)
    }

    /// The object, new or told.
    pub(super) fn object(self) -> Result<Object, DecodeError> {
        let kind = required(self.kind, TYPE)?;
        let data = required(self.data, DATA)?;
        Ok(Object {
            name: required(self.name, NAME)?,
            kind: read_data(kind, &data)?,
            userdata: self.userdata,
            unknown: self.unknown,
        })
    }
}

fn read_data(kind: ObjectType, data: &Attribute<'_>) -> Result<ObjectKind, DecodeError> {
    Ok(match kind {
        ObjectType::Counter => read_expr("counter", data)?,
        ObjectType::Quota => read_expr("quota", data)?,
        ObjectType::Limit => read_expr("limit", data)?,
        ObjectType::Connlimit => read_expr("connlimit", data)?,
        ObjectType::Synproxy => read_expr("synproxy", data)?,
        ObjectType::CtHelper => ObjectKind::CtHelper(read_helper(data.nested())?),
        ObjectType::CtTimeout => ObjectKind::CtTimeout(read_timeout(data.nested())?),
        ObjectType::CtExpectation => ObjectKind::CtExpectation(read_expectation(data.nested())?),
        ObjectType::Secmark => {
            let context = name(&data.nested().require(SECMARK_CTX)?)?;
            ObjectKind::Secmark(Secmark { context })
        }
        ObjectType::Tunnel => ObjectKind::Tunnel(Box::new(tunnel::read(data.nested())?)),
    })
}

fn read_expr(name: &str, data: &Attribute<'_>) -> Result<ObjectKind, DecodeError> {
    let expr = Expr::decode_data(name, data.nested())?;
    Ok(match expr.known() {
        Expr::Counter(counter) => ObjectKind::Counter(counter.clone()),
        Expr::Quota(quota) => ObjectKind::Quota(quota.clone()),
        Expr::Limit(limit) => ObjectKind::Limit(limit.clone()),
        Expr::Connlimit(connlimit) => ObjectKind::Connlimit(connlimit.clone()),
        Expr::Synproxy(synproxy) => ObjectKind::Synproxy(*synproxy),
        _ => return Err(data.bad_value()),
    })
}

fn read_helper(attributes: Attributes<'_>) -> Result<CtHelper, DecodeError> {
    let l3proto = attributes.find(HELPER_L3PROTO)?.map_or(Ok(0), |l3proto| l3proto.u16_be())?;
    Ok(CtHelper {
        helper: name(&attributes.require(HELPER_NAME)?)?,
        l3proto,
        l4proto: attributes.require(HELPER_L4PROTO)?.u8()?,
    })
}

fn read_timeout(attributes: Attributes<'_>) -> Result<CtTimeout, DecodeError> {
    let l3proto = attributes.find(TIMEOUT_L3PROTO)?.map_or(Ok(0), |l3proto| l3proto.u16_be())?;
    let mut timeouts = Vec::new();
    for timeout in attributes.require(TIMEOUT_DATA)?.nested() {
        let timeout = timeout?;
        timeouts.push((timeout.kind, timeout.u32_be()?));
    }
    Ok(CtTimeout { l3proto, l4proto: attributes.require(TIMEOUT_L4PROTO)?.u8()?, timeouts })
}

fn read_expectation(attributes: Attributes<'_>) -> Result<CtExpectation, DecodeError> {
    let l3proto = attributes.find(EXPECT_L3PROTO)?.map_or(Ok(0), |l3proto| l3proto.u16_be())?;
    Ok(CtExpectation {
        l3proto,
        l4proto: attributes.require(EXPECT_L4PROTO)?.u8()?,
        dport: attributes.require(EXPECT_DPORT)?.u16_be()?,
        timeout: attributes.require(EXPECT_TIMEOUT)?.u32_host()?,
        size: attributes.require(EXPECT_SIZE)?.u8()?,
    })
}
