//! `rt`: what routing decided (`nft_rt.c`).

use std::fmt;

use ironweir_netlink::Writer;
use ironweir_wire::Packet;

use crate::given::{Fault, Given, put_register};
use crate::registry::Expression;
use crate::text::{Order, Orders};
use crate::validate::{ExprError, IP, ValidateCtx, register};
use crate::{Env, Hook, Outcome, Register, Registers};

/// Loads a key of the packet's route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rt {
    /// What is loaded.
    pub key: Key,
    /// Where it goes.
    pub destination: Register,
}

/// `enum nft_rt_keys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[allow(missing_docs)] // the words are the kernel's
pub enum Key {
    Classid = 0,
    Nexthop4 = 1,
    Nexthop6 = 2,
    Tcpmss = 3,
    Xfrm = 4,
}

impl Key {
    /// Every key, in the order of their numbers.
    pub const ALL: [Key; 5] = [Key::Classid, Key::Nexthop4, Key::Nexthop6, Key::Tcpmss, Key::Xfrm];
}

impl Expression for Rt {
    const NAME: &'static str = "rt";
    const HIGHEST: u16 = KEY;

    fn eval<E: Env>(&self, registers: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        Outcome::loaded(env.rt(self.key, packet), self.destination, registers)
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        let key = match self.key {
            Key::Classid => "classid",
            Key::Nexthop4 => "nexthop4",
            Key::Nexthop6 => "nexthop6",
            Key::Tcpmss => "tcpmss",
            Key::Xfrm => "ipsec",
        };
        write!(f, "rt load {key} => reg {}", self.destination)
    }

    /// `nft_rt_get_init`, `nft_rt_validate`.
    fn validate(&self, ctx: &ValidateCtx) -> Result<(), ExprError> {
        ctx.families("rt", IP)?;
        let len = match self.key {
            Key::Classid | Key::Nexthop4 => 4,
            Key::Nexthop6 => 16,
            Key::Tcpmss => {
                ctx.hooks("rt mtu", &[Hook::Forward, Hook::Output, Hook::Postrouting])?;
                2
            }
            Key::Xfrm => 1,
        };
        register(self.destination, len)
    }

    fn loads(&self) -> Option<(Register, usize, Order)> {
        let (len, order) = match self.key {
            Key::Classid => (4, Order::Host),
            Key::Nexthop4 => (4, Order::Network),
            Key::Nexthop6 => (16, Order::Network),
            Key::Tcpmss => (2, Order::Host),
            Key::Xfrm => (1, Order::Network),
        };
        Some((self.destination, len, order))
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put_u32_be(KEY, self.key as u32);
        put_register(writer, DREG, self.destination);
    }

    fn decode(given: &Given<'_>) -> Result<Rt, Fault> {
        Ok(Rt { key: given.one_of(KEY, &Key::ALL)?, destination: given.register(DREG)? })
    }
}

/// `NFTA_RT_DREG`.
const DREG: u16 = 1;
/// `NFTA_RT_KEY`.
const KEY: u16 = 2;
