//! Expectations: connections that a helper has announced.

use super::{Tuple, Unknown};
use crate::{Attribute, Attributes, DecodeError, Writer};

/// An expectation, or the parts of one that a message names (`enum ctattr_expect`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expectation {
    /// `CTA_EXPECT_MASTER`: original tuple of the connection that expects.
    pub master: Option<Tuple>,
    /// `CTA_EXPECT_TUPLE`: the first packet of the expected connection.
    pub tuple: Option<Tuple>,
    /// `CTA_EXPECT_MASK`: which bits of that tuple's source count.
    pub mask: Option<Tuple>,
    /// `CTA_EXPECT_TIMEOUT`: seconds that are left.
    pub timeout: Option<u32>,
    /// `CTA_EXPECT_ID`.
    pub id: Option<u32>,
    /// `CTA_EXPECT_HELP_NAME`.
    pub helper: Option<Box<str>>,
    /// `CTA_EXPECT_ZONE`.
    pub zone: Option<u16>,
    /// `CTA_EXPECT_FLAGS`: `NF_CT_EXPECT_*`.
    pub flags: Option<u32>,
    /// `CTA_EXPECT_CLASS`: which of the helper's classes of expectations.
    pub class: Option<u32>,
    /// `CTA_EXPECT_NAT`.
    pub nat: Option<ExpectationNat>,
    /// `CTA_EXPECT_FN`: name of the function that sets up NAT.
    pub function: Option<Box<str>>,
    /// What a newer peer says besides.
    pub unknown: Unknown,
}

/// `CTA_EXPECT_NAT`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpectationNat {
    /// Direction of the master that the expected connection follows: 0 original, 1 reply.
    pub direction: u32,
    /// The tuple before translation.
    pub tuple: Tuple,
}

/// Flags of an expectation (`linux/netfilter/nf_conntrack_common.h`).
pub mod flag {
    /// It stays after the first connection (`NF_CT_EXPECT_PERMANENT`).
    pub const PERMANENT: u32 = 1;
    /// It does not work yet (`NF_CT_EXPECT_INACTIVE`).
    pub const INACTIVE: u32 = 2;
    /// It is from user space (`NF_CT_EXPECT_USERSPACE`).
    pub const USERSPACE: u32 = 4;
}

impl Expectation {
    /// Reads a message's attributes.
    pub fn decode(attributes: Attributes<'_>) -> Result<Expectation, DecodeError> {
        let mut expectation = Expectation::default();
        for attribute in attributes {
            let a = attribute?;
            match a.kind {
                1 => expectation.master = Some(Tuple::decode(&a)?),
                2 => expectation.tuple = Some(Tuple::decode(&a)?),
                3 => expectation.mask = Some(Tuple::decode(&a)?),
                4 => expectation.timeout = Some(a.u32_be()?),
                5 => expectation.id = Some(a.u32_be()?),
                6 => expectation.helper = Some(a.str()?.into()),
                7 => expectation.zone = Some(a.u16_be()?),
                8 => expectation.flags = Some(a.u32_be()?),
                9 => expectation.class = Some(a.u32_be()?),
                10 => expectation.nat = Some(ExpectationNat::decode(&a)?),
                11 => expectation.function = Some(a.str()?.into()),
                _ => expectation.unknown.keep(&a)?,
            }
        }
        Ok(expectation)
    }

    /// Puts its attributes into a message.
    pub fn encode(&self, w: &mut Writer<'_>) {
        for (kind, tuple) in [(1, &self.master), (2, &self.tuple), (3, &self.mask)] {
            if let Some(tuple) = tuple {
                tuple.encode(kind, w);
            }
        }
        for (kind, number) in [(4, self.timeout), (5, self.id), (8, self.flags), (9, self.class)] {
            if let Some(number) = number {
                w.put_u32_be(kind, number);
            }
        }
        for (kind, name) in [(6, &self.helper), (11, &self.function)] {
            if let Some(name) = name {
                w.put_str(kind, name);
            }
        }
        if let Some(zone) = self.zone {
            w.put_u16_be(7, zone);
        }
        if let Some(nat) = &self.nat {
            w.nest(10, |w| {
                w.put_u32_be(1, nat.direction);
                nat.tuple.encode(2, w);
            });
        }
        self.unknown.encode(w);
    }
}

impl ExpectationNat {
    fn decode(nest: &Attribute<'_>) -> Result<ExpectationNat, DecodeError> {
        let mut nat = ExpectationNat::default();
        for attribute in nest.nested() {
            let attribute = attribute?;
            match attribute.kind {
                1 => nat.direction = attribute.u32_be()?,
                2 => nat.tuple = Tuple::decode(&attribute)?,
                _ => {}
            }
        }
        Ok(nat)
    }
}
