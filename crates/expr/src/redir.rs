//! `redir`: destination NAT to this host (`nft_redir.c`).

use std::fmt;

use ironweir_wire::Packet;

use crate::env::NatKind;
use crate::nat::{Flags, range, validate_range, write_flags, write_range};
use crate::validate::{ExprError, IP, ValidateCtx};
use crate::{Env, Hook, Outcome, Register, Registers};

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

impl fmt::Display for Redir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("redir")?;
        write_range(f, "proto", self.ports)?;
        write_flags(f, self.flags)
    }
}

impl Redir {
    pub(crate) fn validate(&self, ctx: &ValidateCtx) -> Result<(), ExprError> {
        ctx.families("redirect", IP)?;
        ctx.nat_chain("redirect")?;
        ctx.hooks("redirect", &[Hook::Prerouting, Hook::Output])?;
        validate_range(self.ports, 2)
    }
}
