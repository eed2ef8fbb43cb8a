//! Every protocol without a tracker of its own: addresses and protocol number alone (`nf_conntrack_proto_generic.c`).
//!
//! DCCP is one of them since Linux 6.16, ports and all.

use super::Outcome;
use crate::config::Timeouts;

pub(crate) fn packet(timeouts: &Timeouts) -> Outcome {
    Outcome::Refresh(timeouts.generic)
}
