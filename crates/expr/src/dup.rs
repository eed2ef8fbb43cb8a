//! `dup`: sends a copy elsewhere (`nft_dup_ipv4.c`, `nft_dup_ipv6.c`, `nft_dup_netdev.c`).

use std::fmt;

use ironweir_netlink::Writer;
use ironweir_wire::{IfIndex, Packet};

use crate::given::{Fault, Given, put_register};
use crate::nat::address;
use crate::registry::Expression;
use crate::text::{Order, Orders};
use crate::validate::{ExprError, ValidateCtx, register};
use crate::{Env, Family, Outcome, Register, Registers};

/// Sends a copy of the packet to a gateway (ip, ip6, inet) or out of a device (netdev).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dup {
    /// Where the gateway's address lies (`NFTA_DUP_SREG_ADDR`).
    pub address: Option<Register>,
    /// Where the device's index lies (`NFTA_DUP_SREG_DEV`).
    pub device: Option<Register>,
}

impl Expression for Dup {
    const NAME: &'static str = "dup";
    const HIGHEST: u16 = SREG_DEV;

    fn eval<E: Env>(&self, registers: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        let gateway = self.address.and_then(|register| address(registers, register, env.protocol_family()));
        let device = self.device.map_or(IfIndex::NONE, |register| index(registers, register));
        env.dup(gateway, device, packet);
        Outcome::Next
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        f.write_str("dup")?;
        self.address.iter().try_for_each(|register| write!(f, " sreg_addr {register}"))?;
        self.device.iter().try_for_each(|register| write!(f, " sreg_dev {register}"))
    }

    fn validate(&self, ctx: &ValidateCtx) -> Result<(), ExprError> {
        self.device.map_or(Ok(()), |device| register(device, 4))?;
        match (ctx.family, self.address, self.device) {
            (Family::Ip, Some(address), _) => register(address, 4),
            (Family::Ip6, Some(address), _) => register(address, 16),
            (Family::Ip | Family::Ip6, None, _) => Err(ExprError::Invalid("dup without a gateway")),
            (Family::Netdev, None, Some(_)) => Ok(()),
            (Family::Netdev, _, _) => {
                Err(ExprError::Invalid("dup in family netdev needs a device and no gateway"))
            }
            (family, _, _) => Err(ExprError::Family { what: "dup", family }),
        }
    }

    fn uses(&self, register: Register) -> Option<Order> {
        match register {
            _ if self.address == Some(register) => Some(Order::Network),
            _ if self.device == Some(register) => Some(Order::Host),
            _ => None,
        }
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        self.address.iter().for_each(|address| put_register(writer, SREG_ADDR, *address));
        self.device.iter().for_each(|device| put_register(writer, SREG_DEV, *device));
    }

    fn decode(given: &Given<'_>) -> Result<Dup, Fault> {
        Ok(Dup { address: given.register_option(SREG_ADDR)?, device: given.register_option(SREG_DEV)? })
    }
}

/// The index of a device in a register.
pub(crate) fn index(registers: &Registers, register: Register) -> IfIndex {
    IfIndex(registers.get(register, 4).try_into().map_or(0, u32::from_ne_bytes))
}

/// `NFTA_DUP_SREG_ADDR`.
const SREG_ADDR: u16 = 1;
/// `NFTA_DUP_SREG_DEV`.
const SREG_DEV: u16 = 2;
