//! `masq`: source NAT to the address of the interface the packet leaves by (`nft_masq.c`).

use ironweir_wire::Packet;

use crate::env::NatKind;
use crate::nat::{Flags, range};
use crate::{Env, Outcome, Register, Registers};

/// Masquerades the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Masq {
    /// How the port is chosen.
    pub flags: Flags,
    /// Where the first and last port to choose from lie.
    pub ports: Option<(Register, Option<Register>)>,
}

impl Masq {
    pub(crate) fn eval<E: Env>(
        &self,
        registers: &Registers,
        packet: &mut Packet<'_>,
        env: &mut E,
    ) -> Outcome {
        env.nat(&range(NatKind::Masquerade, self.flags, None, self.ports, registers), packet)
    }
}
