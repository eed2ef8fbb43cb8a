//! `tunnel`: the tunnel a packet came out of or goes into (`nft_tunnel.c`).

use std::fmt;

use ironweir_netlink::Writer;
use ironweir_wire::Packet;

use crate::given::{Fault, Given, put_flags, put_register};
use crate::registry::Expression;
use crate::text::{Order, Orders};
use crate::validate::{ExprError, ValidateCtx, register};
use crate::{Env, Outcome, Register, Registers};

/// Loads a key of the tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// What is loaded.
    pub key: Key,
    /// Where it goes.
    pub destination: Register,
    /// `enum nft_tunnel_mode`: 0 any, 1 received, 2 sent.
    pub mode: u32,
}

/// `enum nft_tunnel_keys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Key {
    /// Whether there is one.
    Path = 0,
    /// Its number.
    Id = 1,
}

impl Expression for Tunnel {
    const NAME: &'static str = "tunnel";
    const HIGHEST: u16 = MODE;

    fn eval<E: Env>(&self, registers: &mut Registers, _: &mut Packet<'_>, env: &mut E) -> Outcome {
        Outcome::loaded(env.tunnel(self.key, self.mode), self.destination, registers)
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        let key = match self.key {
            Key::Path => "path",
            Key::Id => "id",
        };
        write!(f, "tunnel load {key} => reg {}", self.destination)
    }

    fn validate(&self, _: &ValidateCtx) -> Result<(), ExprError> {
        register(self.destination, if self.key == Key::Path { 1 } else { 4 })
    }

    fn loads(&self) -> Option<(Register, usize, Order)> {
        let (len, order) = match self.key {
            Key::Path => (1, Order::Network),
            Key::Id => (4, Order::Host),
        };
        Some((self.destination, len, order))
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put_u32_be(KEY, self.key as u32);
        put_register(writer, DREG, self.destination);
        put_flags(writer, MODE, self.mode);
    }

    fn decode(given: &Given<'_>) -> Result<Tunnel, Fault> {
        let key = given.one_of(KEY, &[Key::Path, Key::Id])?;
        Ok(Tunnel { key, destination: given.register(DREG)?, mode: given.u32_or_0(MODE)? })
    }
}

/// `NFTA_TUNNEL_KEY`.
const KEY: u16 = 1;
/// `NFTA_TUNNEL_DREG`.
const DREG: u16 = 2;
/// `NFTA_TUNNEL_MODE`.
const MODE: u16 = 3;
