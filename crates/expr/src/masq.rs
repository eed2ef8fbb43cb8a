//! `masq`: source NAT to the address of the interface the packet leaves by (`nft_masq.c`).

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

/// Masquerades the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Masq {
    /// How the port is chosen.
    pub flags: Flags,
    /// Where the first and last port to choose from lie.
    pub ports: Option<(Register, Option<Register>)>,
}

impl Expression for Masq {
    const NAME: &'static str = "masq";
    const HIGHEST: u16 = REG_PROTO_MAX;

    fn eval<E: Env>(&self, registers: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        env.nat(&range(NatKind::Masquerade, self.flags, None, self.ports, registers), packet)
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        f.write_str("masq")?;
        write_range(f, "proto", self.ports)?;
        write_flags(f, self.flags)
    }

    fn validate(&self, ctx: &ValidateCtx) -> Result<(), ExprError> {
        ctx.families("masquerade", IP)?;
        ctx.nat_chain("masquerade")?;
        ctx.hooks("masquerade", &[Hook::Postrouting])?;
        validate_range(self.ports, 2)
    }

    fn uses(&self, register: Register) -> Option<Order> {
        within(self.ports, register).then_some(Order::Network)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        put_flags(writer, FLAGS, self.flags.bits());
        put_range(writer, [REG_PROTO_MIN, REG_PROTO_MAX], self.ports);
    }

    fn decode(given: &Given<'_>) -> Result<Masq, Fault> {
        let ports = given.range(REG_PROTO_MIN, REG_PROTO_MAX)?;
        Ok(Masq { flags: Flags::decode(given, FLAGS)?, ports })
    }
}

/// `NFTA_MASQ_FLAGS`.
const FLAGS: u16 = 1;
/// `NFTA_MASQ_REG_PROTO_MIN`.
const REG_PROTO_MIN: u16 = 2;
/// `NFTA_MASQ_REG_PROTO_MAX`.
const REG_PROTO_MAX: u16 = 3;
