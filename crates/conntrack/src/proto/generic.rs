//! Every protocol without a tracker of its own: addresses and protocol number alone (`nf_conntrack_proto_generic.c`).
//!
//! DIVERGES: SCTP and DCCP are told apart by their ports, but otherwise tracked like this; the kernel follows
//! their handshakes.

use super::Outcome;
use crate::config::Timeouts;

pub(crate) fn packet(timeouts: &Timeouts) -> Outcome {
    Outcome::Refresh(timeouts.generic)
}
