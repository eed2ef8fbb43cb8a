//! The nf_tables netlink interface, both ways: a client's requests and what a server tells, written and read
//! (`linux/netfilter/nf_tables.h` of Linux 6.18, `net/netfilter/nf_tables_api.c`).
//!
//! | | written | read |
//! |---|---|---|
//! | a batch of changes | [`Transaction`] | [`Requests`] |
//! | a question | [`Query::encode`] | [`Query::decode`] |
//! | what is there, what was made or went | [`Told::encode`] | [`Told::decode`] |
//!
//! Each kind of thing has its file: its attributes, written and read. Attributes of a newer peer are kept as they came
//! ([`Unknown`]) with what a message told, and written again.

#[cfg(test)]
mod captured;
mod chain;
mod element;
mod event;
mod flowtable;
mod generation;
mod hook;
mod hooked;
mod object;
mod order;
mod query;
mod readable;
mod requests;
mod rule;
mod set;
mod table;
#[cfg(test)]
mod tests;
mod told;
mod trace;
mod transaction;
mod tunnel;
mod unknown;

pub use chain::ChainMessage;
pub use element::ElementsMessage;
pub use event::{Event, Verb};
pub use flowtable::FlowtableMessage;
pub use generation::Generation;
pub use hooked::{Hooked, ask_hooked};
pub use object::ObjectMessage;
pub use order::quickest;
pub use query::{Query, Scope};
pub use readable::readable;
pub use requests::Requests;
pub use rule::RuleMessage;
pub use set::SetMessage;
pub use table::TableMessage;
pub use told::{Gone, Told};
pub use trace::{Trace, TraceConnection, TraceType};
pub use transaction::{Fault, FaultPart, Transaction};
pub use unknown::Unknown;

use ironweir_netlink::{Attribute, Attributes, DecodeError, GenMsg, Header, Writer, subsystem};

use crate::{Family, Handle, TableId, Userdata};

/// Types of messages (`enum nf_tables_msg_types`), the low byte of a header's type.
pub mod kind {
    /// `NFT_MSG_NEWTABLE`.
    pub const NEWTABLE: u8 = 0;
    /// `NFT_MSG_GETTABLE`.
    pub const GETTABLE: u8 = 1;
    /// `NFT_MSG_DELTABLE`.
    pub const DELTABLE: u8 = 2;
    /// `NFT_MSG_NEWCHAIN`.
    pub const NEWCHAIN: u8 = 3;
    /// `NFT_MSG_GETCHAIN`.
    pub const GETCHAIN: u8 = 4;
    /// `NFT_MSG_DELCHAIN`.
    pub const DELCHAIN: u8 = 5;
    /// `NFT_MSG_NEWRULE`.
    pub const NEWRULE: u8 = 6;
    /// `NFT_MSG_GETRULE`.
    pub const GETRULE: u8 = 7;
    /// `NFT_MSG_DELRULE`.
    pub const DELRULE: u8 = 8;
    /// `NFT_MSG_NEWSET`.
    pub const NEWSET: u8 = 9;
    /// `NFT_MSG_GETSET`.
    pub const GETSET: u8 = 10;
    /// `NFT_MSG_DELSET`.
    pub const DELSET: u8 = 11;
    /// `NFT_MSG_NEWSETELEM`.
    pub const NEWSETELEM: u8 = 12;
    /// `NFT_MSG_GETSETELEM`.
    pub const GETSETELEM: u8 = 13;
    /// `NFT_MSG_DELSETELEM`.
    pub const DELSETELEM: u8 = 14;
    /// `NFT_MSG_NEWGEN`.
    pub const NEWGEN: u8 = 15;
    /// `NFT_MSG_GETGEN`.
    pub const GETGEN: u8 = 16;
    /// `NFT_MSG_TRACE`.
    pub const TRACE: u8 = 17;
    /// `NFT_MSG_NEWOBJ`.
    pub const NEWOBJ: u8 = 18;
    /// `NFT_MSG_GETOBJ`.
    pub const GETOBJ: u8 = 19;
    /// `NFT_MSG_DELOBJ`.
    pub const DELOBJ: u8 = 20;
    /// `NFT_MSG_GETOBJ_RESET`.
    pub const GETOBJ_RESET: u8 = 21;
    /// `NFT_MSG_NEWFLOWTABLE`.
    pub const NEWFLOWTABLE: u8 = 22;
    /// `NFT_MSG_GETFLOWTABLE`.
    pub const GETFLOWTABLE: u8 = 23;
    /// `NFT_MSG_DELFLOWTABLE`.
    pub const DELFLOWTABLE: u8 = 24;
    /// `NFT_MSG_GETRULE_RESET`.
    pub const GETRULE_RESET: u8 = 25;
    /// `NFT_MSG_DESTROYTABLE`.
    pub const DESTROYTABLE: u8 = 26;
    /// `NFT_MSG_DESTROYCHAIN`.
    pub const DESTROYCHAIN: u8 = 27;
    /// `NFT_MSG_DESTROYRULE`.
    pub const DESTROYRULE: u8 = 28;
    /// `NFT_MSG_DESTROYSET`.
    pub const DESTROYSET: u8 = 29;
    /// `NFT_MSG_DESTROYSETELEM`.
    pub const DESTROYSETELEM: u8 = 30;
    /// `NFT_MSG_DESTROYOBJ`.
    pub const DESTROYOBJ: u8 = 31;
    /// `NFT_MSG_DESTROYFLOWTABLE`.
    pub const DESTROYFLOWTABLE: u8 = 32;
    /// `NFT_MSG_GETSETELEM_RESET`.
    pub const GETSETELEM_RESET: u8 = 33;
    /// `NFT_MSG_NEWDEV`: a device joined a chain or flowtable (Linux 6.16).
    pub const NEWDEV: u8 = 34;
    /// `NFT_MSG_DELDEV`.
    pub const DELDEV: u8 = 35;
}

/// `NFTA_LIST_ELEM`: one of a list.
const LIST_ELEM: u16 = 1;

/// The type of an nf_tables message in a header: subsystem and [`kind`].
pub const fn message_type(kind: u8) -> u16 {
    (subsystem::NFTABLES as u16) << 8 | kind as u16
}

/// The family that a message names; 0 is none.
fn any_family(genmsg: GenMsg) -> Result<Option<Family>, DecodeError> {
    match genmsg.family {
        0 => Ok(None),
        number => {
            Family::from_number(number).map(Some).ok_or(DecodeError::Value { kind: 0, offset: Header::LEN })
        }
    }
}

/// The family that a message must name.
fn family(genmsg: GenMsg) -> Result<Family, DecodeError> {
    any_family(genmsg)?.ok_or(DecodeError::Value { kind: 0, offset: Header::LEN })
}

fn handle(attribute: &Attribute<'_>) -> Result<Handle, DecodeError> {
    attribute.u64_be().map(Handle)
}

fn name(attribute: &Attribute<'_>) -> Result<Box<str>, DecodeError> {
    attribute.str().map(Box::from)
}

fn userdata(attribute: &Attribute<'_>) -> Userdata {
    Userdata::from_bytes(attribute.value.to_vec())
}

fn put_userdata(writer: &mut Writer<'_>, kind: u16, userdata: &Userdata) {
    if !userdata.is_empty() {
        writer.put(kind, userdata.as_bytes());
    }
}

/// What a message must say, or the error that it does not.
fn required<T>(value: Option<T>, kind: u16) -> Result<T, DecodeError> {
    value.ok_or(DecodeError::Missing { kind, nest: 0 })
}

/// The first of a message's own attributes of that type, which every message of its kind begins with: the table's name.
fn table_id(family: Family, attributes: &Attributes<'_>, kind: u16) -> Result<TableId, DecodeError> {
    Ok(TableId { family, name: name(&attributes.require(kind)?)? })
}
