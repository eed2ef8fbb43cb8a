//! `redir`: destination NAT to this host (`nft_redir.c`).

use std::fmt;

use ironweir_netlink::Writer;
use ironweir_wire::Packet;

use crate::env::NatKind;
use crate::given::{Fault, Given, put_flags, put_range};
use crate::nat::{Flags, range, validate_range, within, write_flags, write_range};
use crate::registry::Expression;
use crate::text::{Order, Orders};
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

impl Expression for Redir {
    const NAME: &'static str = "redir";
    const HIGHEST: u16 = FLAGS;

    fn eval<E: Env>(&self, registers: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        env.nat(&range(NatKind::Redirect, self.flags, None, self.ports, registers), packet)
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        f.write_str("redir")?;
        write_range(f, "proto", self.ports)?;
        write_flags(f, self.flags)
    }

    fn validate(&self, ctx: &ValidateCtx) -> Result<(), ExprError> {
        ctx.families("redirect", IP)?;
        ctx.nat_chain("redirect")?;
        ctx.hooks("redirect", &[Hook::Prerouting, Hook::Output])?;
        validate_range(self.ports, 2)
    }

    fn uses(&self, register: Register) -> Option<Order> {
        within(self.ports, register).then_some(Order::Network)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        put_range(writer, [REG_PROTO_MIN, REG_PROTO_MAX], self.ports);
        put_flags(writer, FLAGS, self.flags.bits());
    }

    fn decode(given: &Given<'_>) -> Result<Redir, Fault> {
        let ports = given.range(REG_PROTO_MIN, REG_PROTO_MAX)?;
        Ok(Redir { flags: Flags::decode(given, FLAGS)?, ports })
    }
}

/// `NFTA_REDIR_REG_PROTO_MIN`.
const REG_PROTO_MIN: u16 = 1;
/// `NFTA_REDIR_REG_PROTO_MAX`.
const REG_PROTO_MAX: u16 = 2;
/// `NFTA_REDIR_FLAGS`.
const FLAGS: u16 = 3;
