//! ICMP and ICMPv6 queries (`nf_conntrack_proto_icmp.c`, `nf_conntrack_proto_icmpv6.c`). Errors are in
//! [`track`](crate::track): they belong to the connection they quote.

use ironweir_wire::L3;

use super::Outcome;
use crate::config::Timeouts;
use crate::entry::{Direction, Entry};
use crate::reason::InvalidReason;

pub(crate) fn packet(entry: &Entry, timeouts: &Timeouts) -> Outcome {
    let tuple = entry.tuple(Direction::Original);
    match tuple.l3 {
        L3::V4 if opens_v4(tuple.icmp_type()) => Outcome::Refresh(timeouts.icmp),
        L3::V6 if opens_v6(tuple.icmp_type()) => Outcome::Refresh(timeouts.icmpv6),
        _ => Outcome::Invalid(InvalidReason::NotAQuery),
    }
}

/// Echo, timestamp, information and address mask requests may open a connection.
const fn opens_v4(kind: u8) -> bool {
    matches!(kind, 8 | 13 | 15 | 17)
}

/// Echo requests and node information queries may.
const fn opens_v6(kind: u8) -> bool {
    matches!(kind, 128 | 139)
}

/// ICMPv6 types that are never tracked: multicast listener and neighbour discovery messages (`noct_valid_new`).
pub(crate) const fn is_untracked_v6(kind: u8) -> bool {
    matches!(kind, 130..=136 | 143)
}
