//! `redir`: destination NAT to this host (`nft_redir.c`).

use ironweir_wire::Packet;

use crate::env::NatKind;
use crate::nat::{Flags, range};
use crate::{Env, Outcome, Register, Registers};

/// Redirects the connection to this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redir {
    /// How the port is chosen.
    pub flags: Flags,
    /// Where the first and last port to choose from lie.
    pub ports: Option<(Register, Option<Register>)>,
}

impl Redir {
    pub(crate) fn eval<E: Env>(
        &self,
        registers: &Registers,
        packet: &mut Packet<'_>,
        env: &mut E,
    ) -> Outcome {
        env.nat(&range(NatKind::Redirect, self.flags, None, self.ports, registers), packet)
    }
}
