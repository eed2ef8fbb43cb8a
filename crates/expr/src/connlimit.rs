//! `connlimit`: how many connections there are (`nft_connlimit.c`).

use std::fmt;

use ironweir_wire::Packet;

use crate::{Decision, Env, Outcome};

/// Ends the rule once more than `count` connections are known (`ct count`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connlimit {
    /// `NFTA_CONNLIMIT_COUNT`.
    pub count: u32,
    /// `over`: matches beyond the limit instead of up to it (`NFT_CONNLIMIT_F_INV`).
    pub over: bool,
}

impl Connlimit {
    /// Counts the packet's connection and compares.
    pub fn eval<E: Env>(&self, packet: &Packet<'_>, env: &mut E) -> Outcome {
        match env.connections(self, packet) {
            Some(connections) => Outcome::next_if((connections > self.count) == self.over),
            None => Outcome::Verdict(Decision::Drop),
        }
    }
}

impl fmt::Display for Connlimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connlimit count {} flags {:x}", self.count, u32::from(self.over))
    }
}
