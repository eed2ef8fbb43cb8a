//! `xfrm`: the IPsec transformations of a packet (`nft_xfrm.c`).

use std::fmt;

use ironweir_netlink::Writer;
use ironweir_wire::Packet;

use crate::given::{Fault, Given, put_register};
use crate::registry::Expression;
use crate::text::{Order, Orders};
use crate::validate::{ExprError, IP, ValidateCtx, register, when};
use crate::{Env, Hook, Outcome, Register, Registers};

/// Loads a key of one transformation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Xfrm {
    /// What is loaded.
    pub key: Key,
    /// `in` (0) or `out` (1).
    pub direction: u8,
    /// Which transformation, 0 the outermost.
    pub spnum: u32,
    /// Where it goes.
    pub destination: Register,
}

/// `enum nft_xfrm_keys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[allow(missing_docs)] // the words are the kernel's
pub enum Key {
    DaddrIp4 = 1,
    DaddrIp6 = 2,
    SaddrIp4 = 3,
    SaddrIp6 = 4,
    Reqid = 5,
    Spi = 6,
}

impl Key {
    /// Every key, in the order of their numbers.
    pub const ALL: [Key; 6] =
        [Key::DaddrIp4, Key::DaddrIp6, Key::SaddrIp4, Key::SaddrIp6, Key::Reqid, Key::Spi];
}

impl Expression for Xfrm {
    const NAME: &'static str = "xfrm";
    const HIGHEST: u16 = SPNUM;

    fn eval<E: Env>(&self, registers: &mut Registers, _: &mut Packet<'_>, env: &mut E) -> Outcome {
        Outcome::loaded(env.xfrm(self), self.destination, registers)
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        let direction = if self.direction == 0 { "in" } else { "out" };
        let key = match self.key {
            Key::DaddrIp4 => "daddr4",
            Key::DaddrIp6 => "daddr6",
            Key::SaddrIp4 => "saddr4",
            Key::SaddrIp6 => "saddr6",
            Key::Reqid => "reqid",
            Key::Spi => "spi",
        };
        write!(f, "xfrm load {direction} {} {key} => reg {}", self.spnum, self.destination)
    }

    /// `nft_xfrm_get_init`, `nft_xfrm_validate`.
    fn validate(&self, ctx: &ValidateCtx) -> Result<(), ExprError> {
        ctx.families("ipsec", IP)?;
        match self.direction {
            0 => ctx.hooks("ipsec in", &[Hook::Prerouting, Hook::Input, Hook::Forward])?,
            1 => ctx.hooks("ipsec out", &[Hook::Forward, Hook::Output, Hook::Postrouting])?,
            _ => return Err(ExprError::Invalid("an IPsec direction that is neither in nor out")),
        }
        // `XFRM_MAX_DEPTH`
        when(self.spnum >= 6, "an IPsec transformation beyond the sixth")?;
        let len = match self.key {
            Key::DaddrIp6 | Key::SaddrIp6 => 16,
            Key::DaddrIp4 | Key::SaddrIp4 | Key::Reqid | Key::Spi => 4,
        };
        register(self.destination, len)
    }

    fn loads(&self) -> Option<(Register, usize, Order)> {
        let (len, order) = match self.key {
            Key::Reqid => (4, Order::Host),
            Key::Spi | Key::DaddrIp4 | Key::SaddrIp4 => (4, Order::Network),
            Key::DaddrIp6 | Key::SaddrIp6 => (16, Order::Network),
        };
        Some((self.destination, len, order))
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        put_register(writer, DREG, self.destination);
        writer.put_u32_be(KEY, self.key as u32);
        writer.put_u8(DIR, self.direction);
        writer.put_u32_be(SPNUM, self.spnum);
    }

    fn decode(given: &Given<'_>) -> Result<Xfrm, Fault> {
        let key = given.known(KEY, |number| Key::ALL.into_iter().find(|key| *key as u32 == number))?;
        let (direction, spnum) = (given.need(DIR)?.u8()?, given.u32_or_0(SPNUM)?);
        Ok(Xfrm { key, direction, spnum, destination: given.register(DREG)? })
    }
}

/// `NFTA_XFRM_DREG`.
const DREG: u16 = 1;
/// `NFTA_XFRM_KEY`.
const KEY: u16 = 2;
/// `NFTA_XFRM_DIR`.
const DIR: u16 = 3;
/// `NFTA_XFRM_SPNUM`.
const SPNUM: u16 = 4;
