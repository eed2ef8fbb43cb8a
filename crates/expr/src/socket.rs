//! `socket`: the local socket a packet is for (`nft_socket.c`).

use std::fmt;

use ironweir_netlink::Writer;
use ironweir_wire::Packet;

use crate::given::{Fault, Given, put_register};
use crate::registry::Expression;
use crate::text::{Order, Orders};
use crate::validate::{ExprError, IP, ValidateCtx, register, when};
use crate::{Env, Hook, Outcome, Register, Registers};

/// Loads a key of the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// What is loaded.
    pub key: Key,
    /// Where it goes.
    pub destination: Register,
}

/// `enum nft_socket_keys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// Whether it may bind to foreign addresses (`NFT_SOCKET_TRANSPARENT`).
    Transparent,
    /// `NFT_SOCKET_MARK`.
    Mark,
    /// Whether it is bound to all addresses (`NFT_SOCKET_WILDCARD`).
    Wildcard,
    /// The cgroup v2 at this level (`NFT_SOCKET_CGROUPV2`, `NFTA_SOCKET_LEVEL`).
    Cgroupv2 {
        /// 0 is the root.
        level: u32,
    },
}

impl Expression for Socket {
    const NAME: &'static str = "socket";
    const HIGHEST: u16 = LEVEL;

    fn eval<E: Env>(&self, registers: &mut Registers, _: &mut Packet<'_>, env: &mut E) -> Outcome {
        Outcome::loaded(env.socket(self.key), self.destination, registers)
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        let destination = self.destination;
        match self.key {
            Key::Transparent => write!(f, "socket load transparent => reg {destination}"),
            Key::Mark => write!(f, "socket load mark => reg {destination}"),
            Key::Wildcard => write!(f, "socket load wildcard => reg {destination}"),
            Key::Cgroupv2 { level } => write!(f, "socket load cgroupv2 => reg {destination} level {level}"),
        }
    }

    /// `nft_socket_init`, `nft_socket_validate`.
    fn validate(&self, ctx: &ValidateCtx) -> Result<(), ExprError> {
        ctx.families("socket", IP)?;
        ctx.hooks("socket", &[Hook::Prerouting, Hook::Input, Hook::Output])?;
        let len = match self.key {
            Key::Transparent | Key::Wildcard => 1,
            Key::Mark => 4,
            Key::Cgroupv2 { level } => {
                when(level > 255, "a cgroup level above 255")?;
                8
            }
        };
        register(self.destination, len)
    }

    fn loads(&self) -> Option<(Register, usize, Order)> {
        let (len, order) = match self.key {
            Key::Transparent | Key::Wildcard => (1, Order::Network),
            Key::Mark => (4, Order::Host),
            Key::Cgroupv2 { .. } => (8, Order::Host),
        };
        Some((self.destination, len, order))
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put_u32_be(
            KEY,
            match self.key {
                Key::Transparent => 0,
                Key::Mark => 1,
                Key::Wildcard => 2,
                Key::Cgroupv2 { .. } => 3,
            },
        );
        put_register(writer, DREG, self.destination);
        if let Key::Cgroupv2 { level } = self.key {
            writer.put_u32_be(LEVEL, level);
        }
    }

    fn decode(given: &Given<'_>) -> Result<Socket, Fault> {
        let key = match given.u32(KEY)? {
            0 => Key::Transparent,
            1 => Key::Mark,
            2 => Key::Wildcard,
            3 => Key::Cgroupv2 { level: given.u32(LEVEL)? },
            _ => return Err(Fault::Newer),
        };
        Ok(Socket { key, destination: given.register(DREG)? })
    }
}

/// `NFTA_SOCKET_KEY`.
const KEY: u16 = 1;
/// `NFTA_SOCKET_DREG`.
const DREG: u16 = 2;
/// `NFTA_SOCKET_LEVEL`.
const LEVEL: u16 = 3;
