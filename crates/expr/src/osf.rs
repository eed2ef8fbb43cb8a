//! `osf`: guesses the sender's operating system from its SYN (`nft_osf.c`).

use std::fmt;

use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Packet, tcp};

use crate::registry::Expression;
use crate::text::{Order, Orders};
use crate::validate::{ExprError, IP, ValidateCtx, register, when};
use crate::{Env, Hook, Outcome, Register, Registers};

/// Loads the name of the operating system, 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Osf {
    /// Where it goes.
    pub destination: Register,
    /// How the TTL is judged: 0 loosely within the network, 1 (`loose`) less or equal, 2 (`skip`) not at all.
    pub ttl: u8,
    /// With the version (`NFT_OSF_F_VERSION`).
    pub version: bool,
}

impl Expression for Osf {
    const NAME: &'static str = "osf";

    /// Only for TCP packets with SYN (`nft_osf_eval`).
    fn eval<E: Env>(&self, registers: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        let Some((ipproto::TCP, at)) = env.info().transport_header() else { return Outcome::Break };
        if !tcp::Header::read(packet, at).is_some_and(|tcp| tcp.has(tcp::flag::SYN)) {
            return Outcome::Break;
        }
        let mut name = [0; 16];
        let found = env.osf(self, packet);
        let found = found.as_deref().unwrap_or(b"unknown");
        name[..15].iter_mut().zip(found).for_each(|(to, from)| *to = *from);
        registers.store(self.destination, &name);
        Outcome::Next
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        write!(f, "osf dreg {}", self.destination)
    }

    fn validate(&self, ctx: &ValidateCtx) -> Result<(), ExprError> {
        ctx.families("osf", IP)?;
        ctx.hooks("osf", &[Hook::Prerouting, Hook::Input, Hook::Forward])?;
        when(self.ttl > 2, "a way to judge the TTL that is not known")?;
        register(self.destination, 16)
    }

    fn loads(&self) -> Option<(Register, usize, Order)> {
        Some((self.destination, 16, Order::Network))
    }
}
