//! `synproxy`: answers SYNs for a server (`nft_synproxy.c`).

use std::fmt;

use ironweir_wire::Packet;
use ironweir_wire::protocol::ipproto;

use crate::registry::Expression;
use crate::text::Orders;
use crate::validate::{ExprError, IP, ValidateCtx};
use crate::{Env, Hook, Outcome, Registers};

/// Answers a SYN with a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synproxy {
    /// Maximum segment size of the server.
    pub mss: Option<u16>,
    /// Window scale of the server.
    pub wscale: Option<u8>,
    /// With TCP timestamps (`NF_SYNPROXY_OPT_TIMESTAMP`).
    pub timestamp: bool,
    /// With selective acknowledgement (`NF_SYNPROXY_OPT_SACK_PERM`).
    pub sack_perm: bool,
}

impl Synproxy {
    /// Only for TCP; the rest is the environment's.
    pub fn eval<E: Env>(&self, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        match env.info().transport_header() {
            Some((ipproto::TCP, _)) => env.synproxy(self, packet),
            _ => Outcome::Break,
        }
    }
}

impl Expression for Synproxy {
    const NAME: &'static str = "synproxy";

    fn eval<E: Env>(&self, _: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        self.eval(packet, env)
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        let (mss, wscale) = (self.mss.unwrap_or(0), self.wscale.unwrap_or(0));
        write!(f, "synproxy mss {mss} wscale {wscale}")
    }

    fn validate(&self, ctx: &ValidateCtx) -> Result<(), ExprError> {
        ctx.families("synproxy", IP)?;
        ctx.hooks("synproxy", &[Hook::Input, Hook::Forward])
    }
}
