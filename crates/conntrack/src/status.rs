//! Status bits of a connection.

use crate::entry::Direction;

bitflags::bitflags! {
    /// `enum ip_conntrack_status` of `linux/netfilter/nf_conntrack_common.h`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Status: u32 {
        /// It was expected by a helper (`IPS_EXPECTED`).
        const EXPECTED = 1 << 0;
        /// Packets went both ways (`IPS_SEEN_REPLY`).
        const SEEN_REPLY = 1 << 1;
        /// Never dropped early (`IPS_ASSURED`).
        const ASSURED = 1 << 2;
        /// Its first packet left the box; it is in the table (`IPS_CONFIRMED`).
        const CONFIRMED = 1 << 3;
        /// The source of original packets is changed (`IPS_SRC_NAT`).
        const SRC_NAT = 1 << 4;
        /// The destination of original packets is changed (`IPS_DST_NAT`).
        const DST_NAT = 1 << 5;
        /// TCP sequence numbers are adjusted (`IPS_SEQ_ADJUST`).
        const SEQ_ADJUST = 1 << 6;
        /// Source NAT was decided, be it to nothing (`IPS_SRC_NAT_DONE`).
        const SRC_NAT_DONE = 1 << 7;
        /// Destination NAT was decided, be it to nothing (`IPS_DST_NAT_DONE`).
        const DST_NAT_DONE = 1 << 8;
        /// Taken out of the table (`IPS_DYING`).
        const DYING = 1 << 9;
        /// Its timeout is not refreshed (`IPS_FIXED_TIMEOUT`).
        const FIXED_TIMEOUT = 1 << 10;
        /// Carries a zone for packets yet to be tracked (`IPS_TEMPLATE`).
        const TEMPLATE = 1 << 11;
        /// Made by a clash of two new connections (`IPS_NAT_CLASH`).
        const NAT_CLASH = 1 << 12;
        /// A helper was set by rule (`IPS_HELPER`).
        const HELPER = 1 << 13;
        /// A flowtable carries its packets (`IPS_OFFLOAD`).
        const OFFLOAD = 1 << 14;
        /// A flowtable in hardware carries its packets (`IPS_HW_OFFLOAD`).
        const HW_OFFLOAD = 1 << 15;
    }
}

impl Status {
    /// Any change of addresses or ports (`IPS_NAT_MASK`).
    pub const NAT: Status = Status::SRC_NAT.union(Status::DST_NAT);

    /// What a packet of a direction proves: one of the reply direction, that there was a reply.
    #[inline]
    pub(crate) fn seen(direction: Direction) -> Status {
        match direction {
            Direction::Original => Status::empty(),
            Direction::Reply => Status::SEEN_REPLY,
        }
    }

    /// Source and destination NAT were decided (`IPS_NAT_DONE_MASK`).
    pub const NAT_DONE: Status = Status::SRC_NAT_DONE.union(Status::DST_NAT_DONE);
}
