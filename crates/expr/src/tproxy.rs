//! `tproxy`: hands the packet to a local transparent socket (`nft_tproxy.c`).

use std::fmt;

use ironweir_netlink::Writer;
use ironweir_wire::Packet;
use ironweir_wire::protocol::ipproto;

use crate::given::{Fault, Given, put_register};
use crate::nat::address;
use crate::registry::Expression;
use crate::text::{Order, Orders};
use crate::validate::{ExprError, IP, ValidateCtx, register, when};
use crate::{Env, Family, Hook, Outcome, Register, Registers};

/// Assigns a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tproxy {
    /// `ip`, `ip6`, or `inet` for both when only a port is given.
    pub family: Family,
    /// Where the socket's address lies.
    pub address: Option<Register>,
    /// Where its port lies.
    pub port: Option<Register>,
}

impl Expression for Tproxy {
    const NAME: &'static str = "tproxy";
    const HIGHEST: u16 = REG_PORT;

    fn eval<E: Env>(&self, registers: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        let family = env.protocol_family();
        if self.family != Family::Inet && self.family != family {
            return Outcome::Break;
        }
        if !matches!(env.info().transport_header(), Some((ipproto::TCP | ipproto::UDP, _))) {
            return Outcome::Break;
        }
        let to = self.address.and_then(|register| address(registers, register, family));
        let port = self.port.and_then(|register| registers.get(register, 2).try_into().ok());
        env.tproxy(to, port.map(u16::from_be_bytes), packet)
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        f.write_str("tproxy")?;
        if self.family != Family::Inet {
            write!(f, " {}", self.family)?;
        }
        self.address.iter().try_for_each(|register| write!(f, " addr reg {register}"))?;
        self.port.iter().try_for_each(|register| write!(f, " port reg {register}"))
    }

    /// `nft_tproxy_init`, `nft_tproxy_validate`.
    fn validate(&self, ctx: &ValidateCtx) -> Result<(), ExprError> {
        ctx.families("tproxy", IP)?;
        ctx.hooks("tproxy", &[Hook::Prerouting])?;
        if ctx.family != Family::Inet && ctx.family != self.family {
            return Err(ExprError::Family { what: "tproxy to another family", family: ctx.family });
        }
        when(self.address.is_none() && self.port.is_none(), "tproxy with neither address nor port")?;
        match (self.family, self.address) {
            (Family::Ip, Some(address)) => register(address, 4)?,
            (Family::Ip6, Some(address)) => register(address, 16)?,
            (_, Some(_)) => return Err(ExprError::Invalid("a tproxy address without its family")),
            (_, None) => {}
        }
        self.port.map_or(Ok(()), |port| register(port, 2))
    }

    fn uses(&self, register: Register) -> Option<Order> {
        [self.address, self.port].contains(&Some(register)).then_some(Order::Network)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put_u32_be(FAMILY, if self.family == Family::Inet { UNSPEC } else { self.family as u32 });
        self.address.iter().for_each(|address| put_register(writer, REG_ADDR, *address));
        self.port.iter().for_each(|port| put_register(writer, REG_PORT, *port));
    }

    fn decode(given: &Given<'_>) -> Result<Tproxy, Fault> {
        let family = given.known(FAMILY, |number| match number {
            UNSPEC => Some(Family::Inet),
            number => Family::from_u32(number).filter(|family| *family != Family::Inet),
        })?;
        let (address, port) = (given.register_option(REG_ADDR)?, given.register_option(REG_PORT)?);
        Ok(Tproxy { family, address, port })
    }
}

/// `NFTA_TPROXY_FAMILY`.
const FAMILY: u16 = 1;
/// `NFTA_TPROXY_REG_ADDR`.
const REG_ADDR: u16 = 2;
/// `NFTA_TPROXY_REG_PORT`.
const REG_PORT: u16 = 3;
/// `NFPROTO_UNSPEC`: packets of both families.
const UNSPEC: u32 = 0;
