//! `objref`: evaluates a named object (`nft_objref.c`).

use std::fmt;

use ironweir_netlink::Writer;
use ironweir_wire::Packet;

use crate::given::{Fault, Given, put_register};
use crate::registry::Expression;
use crate::text::Orders;
use crate::{Env, Outcome, Register, Registers, SetRef};

/// Evaluates an object of the rule's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objref {
    /// One object, by type and name (`NFTA_OBJREF_IMM_TYPE`, `NFTA_OBJREF_IMM_NAME`).
    Name {
        /// Its type.
        kind: ObjectType,
        /// Its name.
        name: Box<str>,
    },
    /// The object that a map gives for a key.
    Map {
        /// The map.
        set: SetRef,
        /// Where the key lies.
        source: Register,
    },
}

/// `NFT_OBJECT_*` of `linux/netfilter/nf_tables.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
#[allow(missing_docs)] // the words are nft's
pub enum ObjectType {
    Counter = 1,
    Quota = 2,
    CtHelper = 3,
    Limit = 4,
    Connlimit = 5,
    Tunnel = 6,
    CtTimeout = 7,
    Secmark = 8,
    CtExpectation = 9,
    Synproxy = 10,
}

impl ObjectType {
    /// Every type, in the order of their numbers.
    pub const ALL: [ObjectType; 10] = {
        use ObjectType::*;
        [Counter, Quota, CtHelper, Limit, Connlimit, Tunnel, CtTimeout, Secmark, CtExpectation, Synproxy]
    };

    /// From its number on the wire.
    pub fn from_number(number: u32) -> Option<ObjectType> {
        ObjectType::ALL.into_iter().find(|kind| *kind as u32 == number)
    }

    /// The words nft uses.
    pub const fn name(self) -> &'static str {
        match self {
            ObjectType::Counter => "counter",
            ObjectType::Quota => "quota",
            ObjectType::CtHelper => "ct helper",
            ObjectType::Limit => "limit",
            ObjectType::Connlimit => "ct count",
            ObjectType::Tunnel => "tunnel",
            ObjectType::CtTimeout => "ct timeout",
            ObjectType::Secmark => "secmark",
            ObjectType::CtExpectation => "ct expectation",
            ObjectType::Synproxy => "synproxy",
        }
    }
}

impl Expression for Objref {
    const NAME: &'static str = "objref";
    const HIGHEST: u16 = SET_ID;

    fn eval<E: Env>(&self, registers: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        match self {
            Objref::Name { kind, name } => env.object(*kind, name, packet),
            Objref::Map { set, source } => {
                env.mapped_object(set, registers.get(*source, Register::BYTES), packet)
            }
        }
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        match self {
            Objref::Name { kind, name } => write!(f, "objref type {} name {name}", *kind as u32),
            Objref::Map { set, source } => write!(f, "objref sreg {source} set {}", set.name),
        }
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Objref::Name { kind, name } => {
                writer.put_u32_be(IMM_TYPE, *kind as u32);
                writer.put_str(IMM_NAME, name);
            }
            Objref::Map { set, source } => {
                put_register(writer, SET_SREG, *source);
                set.encode(writer, SET_NAME, SET_ID);
            }
        }
    }

    fn decode(given: &Given<'_>) -> Result<Objref, Fault> {
        if given.has(SET_SREG) {
            let source = given.register(SET_SREG)?;
            return Ok(Objref::Map { set: SetRef::decode(given, SET_NAME, SET_ID)?, source });
        }
        let kind = given.known(IMM_TYPE, ObjectType::from_number)?;
        Ok(Objref::Name { kind, name: given.string(IMM_NAME)? })
    }
}

/// `NFTA_OBJREF_IMM_TYPE`.
const IMM_TYPE: u16 = 1;
/// `NFTA_OBJREF_IMM_NAME`.
const IMM_NAME: u16 = 2;
/// `NFTA_OBJREF_SET_SREG`.
const SET_SREG: u16 = 3;
/// `NFTA_OBJREF_SET_NAME`.
const SET_NAME: u16 = 4;
/// `NFTA_OBJREF_SET_ID`.
const SET_ID: u16 = 5;
