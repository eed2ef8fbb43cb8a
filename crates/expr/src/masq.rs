//! `masq`: source NAT to the address of the interface the packet leaves by (`nft_masq.c`).

use std::fmt;

use ironweir_wire::Packet;

use crate::env::NatKind;
use crate::nat::{Flags, range, write_flags, write_range};
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

impl fmt::Display for Masq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("masq")?;
        write_range(f, "proto", self.ports)?;
        write_flags(f, self.flags)
    }
}
