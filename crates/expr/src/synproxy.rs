//! `synproxy`: answers SYNs for a server (`nft_synproxy.c`).

use std::fmt;

use ironweir_netlink::Writer;
use ironweir_wire::Packet;
use ironweir_wire::protocol::ipproto;

use crate::given::{Fault, Given};
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
    const HIGHEST: u16 = FLAGS;

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

    fn encode(&self, writer: &mut Writer<'_>) {
        let mut flags = 0;
        if let Some(mss) = self.mss {
            flags |= WITH_MSS;
            writer.put_u16_be(MSS, mss);
        }
        if let Some(wscale) = self.wscale {
            flags |= WITH_WSCALE;
            writer.put_u8(WSCALE, wscale);
        }
        flags |= if self.sack_perm { SACK_PERM } else { 0 };
        flags |= if self.timestamp { TIMESTAMP } else { 0 };
        writer.put_u32_be(FLAGS, flags);
    }

    fn decode(given: &Given<'_>) -> Result<Synproxy, Fault> {
        let flags = given.flags(FLAGS, WITH_MSS | WITH_WSCALE | SACK_PERM | TIMESTAMP)?;
        Ok(Synproxy {
            mss: if flags & WITH_MSS != 0 { Some(given.need(MSS)?.u16_be()?) } else { None },
            wscale: if flags & WITH_WSCALE != 0 { Some(given.need(WSCALE)?.u8()?) } else { None },
            timestamp: flags & TIMESTAMP != 0,
            sack_perm: flags & SACK_PERM != 0,
        })
    }
}

/// `NFTA_SYNPROXY_MSS`.
const MSS: u16 = 1;
/// `NFTA_SYNPROXY_WSCALE`.
const WSCALE: u16 = 2;
/// `NFTA_SYNPROXY_FLAGS`.
const FLAGS: u16 = 3;
/// `NF_SYNPROXY_OPT_MSS`.
const WITH_MSS: u32 = 1;
/// `NF_SYNPROXY_OPT_WSCALE`.
const WITH_WSCALE: u32 = 2;
/// `NF_SYNPROXY_OPT_SACK_PERM`.
const SACK_PERM: u32 = 4;
/// `NF_SYNPROXY_OPT_TIMESTAMP`.
const TIMESTAMP: u32 = 8;
