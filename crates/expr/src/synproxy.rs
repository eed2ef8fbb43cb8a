//! `synproxy`: answers SYNs for a server (`nft_synproxy.c`).

use std::fmt;

use ironweir_wire::Packet;
use ironweir_wire::protocol::ipproto;

use crate::{Env, Outcome};

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

impl fmt::Display for Synproxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mss, wscale) = (self.mss.unwrap_or(0), self.wscale.unwrap_or(0));
        write!(f, "synproxy mss {mss} wscale {wscale}")
    }
}
