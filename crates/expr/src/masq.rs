//! `masq`: source NAT to the address of the interface the packet leaves by (`nft_masq.c`).

use std::fmt;

use ironweir_wire::Packet;

use crate::env::NatKind;
use crate::nat::{Flags, range, validate_range, write_flags, write_range};
use crate::validate::{ExprError, IP, ValidateCtx};
use crate::{Env, Hook, Outcome, Register, Registers};

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

impl Masq {
    pub(crate) fn validate(&self, ctx: &ValidateCtx) -> Result<(), ExprError> {
        ctx.families("masquerade", IP)?;
        ctx.nat_chain("masquerade")?;
        ctx.hooks("masquerade", &[Hook::Postrouting])?;
        validate_range(self.ports, 2)
    }
}
