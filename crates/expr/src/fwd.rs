//! `fwd`: sends the packet out of another device (`nft_fwd_netdev.c`).

use std::fmt;

use ironweir_netlink::Writer;
use ironweir_wire::Packet;
use ironweir_wire::protocol::ethertype;

use crate::dup::index;
use crate::given::{Fault, Given, put_register};
use crate::nat::address;
use crate::registry::Expression;
use crate::text::{Order, Orders};
use crate::validate::{ExprError, ValidateCtx, register};
use crate::{Env, Family, Hook, Outcome, Register, Registers};

/// Takes the packet and sends it out of a device, optionally to a neighbour looked up by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fwd {
    /// Where the device's index lies (`NFTA_FWD_SREG_DEV`).
    pub device: Register,
    /// Where the neighbour's address lies, and its family (`NFTA_FWD_SREG_ADDR`, `NFTA_FWD_NFPROTO`).
    pub neighbour: Option<(Register, Family)>,
}

impl Expression for Fwd {
    const NAME: &'static str = "fwd";
    const HIGHEST: u16 = NFPROTO;

    fn eval<E: Env>(&self, registers: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        let neighbour = match self.neighbour {
            None => None,
            Some((register, family)) => {
                let matching = match packet.meta.protocol {
                    ethertype::IPV4 => family == Family::Ip,
                    ethertype::IPV6 => family == Family::Ip6,
                    _ => false,
                };
                // `nft_fwd_neigh_eval`: a packet of another family than the neighbour's address does not match.
                match address(registers, register, family) {
                    Some(address) if matching => Some(address),
                    _ => return Outcome::Break,
                }
            }
        };
        env.fwd(index(registers, self.device), neighbour, packet)
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        write!(f, "fwd sreg_dev {}", self.device)?;
        self.neighbour
            .iter()
            .try_for_each(|(register, family)| write!(f, " sreg_addr {register} nfproto {}", *family as u8))
    }

    fn validate(&self, ctx: &ValidateCtx) -> Result<(), ExprError> {
        ctx.families("fwd", &[Family::Netdev])?;
        ctx.hooks("fwd", &[Hook::Ingress, Hook::Egress])?;
        register(self.device, 4)?;
        match self.neighbour {
            None => Ok(()),
            Some((address, Family::Ip)) => register(address, 4),
            Some((address, Family::Ip6)) => register(address, 16),
            Some((_, family)) => Err(ExprError::Family { what: "a neighbour's address", family }),
        }
    }

    fn uses(&self, register: Register) -> Option<Order> {
        match self.neighbour {
            _ if self.device == register => Some(Order::Host),
            Some((address, _)) if address == register => Some(Order::Network),
            _ => None,
        }
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        put_register(writer, SREG_DEV, self.device);
        if let Some((address, family)) = self.neighbour {
            put_register(writer, SREG_ADDR, address);
            writer.put_u32_be(NFPROTO, family as u32);
        }
    }

    fn decode(given: &Given<'_>) -> Result<Fwd, Fault> {
        let neighbour = match given.register_option(SREG_ADDR)? {
            Some(address) => Some((address, given.known(NFPROTO, Family::from_u32)?)),
            None => None,
        };
        Ok(Fwd { device: given.register(SREG_DEV)?, neighbour })
    }
}

/// `NFTA_FWD_SREG_DEV`.
const SREG_DEV: u16 = 1;
/// `NFTA_FWD_SREG_ADDR`.
const SREG_ADDR: u16 = 2;
/// `NFTA_FWD_NFPROTO`.
const NFPROTO: u16 = 3;
