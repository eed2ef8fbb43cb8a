//! `dup`: sends a copy elsewhere (`nft_dup_ipv4.c`, `nft_dup_ipv6.c`, `nft_dup_netdev.c`).

use std::fmt;

use ironweir_wire::{IfIndex, Packet};

use crate::nat::address;
use crate::{Env, Outcome, Register, Registers};

/// Sends a copy of the packet to a gateway (ip, ip6, inet) or out of a device (netdev).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dup {
    /// Where the gateway's address lies (`NFTA_DUP_SREG_ADDR`).
    pub address: Option<Register>,
    /// Where the device's index lies (`NFTA_DUP_SREG_DEV`).
    pub device: Option<Register>,
}

impl Dup {
    pub(crate) fn eval<E: Env>(&self, registers: &Registers, packet: &Packet<'_>, env: &mut E) -> Outcome {
        let gateway = self.address.and_then(|register| address(registers, register, env.protocol_family()));
        let device = self.device.map_or(IfIndex::NONE, |register| index(registers, register));
        env.dup(gateway, device, packet);
        Outcome::Next
    }
}

/// The index of a device in a register.
pub(crate) fn index(registers: &Registers, register: Register) -> IfIndex {
    IfIndex(registers.get(register, 4).try_into().map_or(0, u32::from_ne_bytes))
}

impl fmt::Display for Dup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dup")?;
        self.address.iter().try_for_each(|register| write!(f, " sreg_addr {register}"))?;
        self.device.iter().try_for_each(|register| write!(f, " sreg_dev {register}"))
    }
}
