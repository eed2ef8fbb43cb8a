//! The status bits of a connection.

use std::ops::BitOr;

/// `CTA_STATUS`: bits of `enum ip_conntrack_status` (`linux/netfilter/nf_conntrack_common.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Status(pub u32);

impl Status {
    /// It was expected by a helper (`IPS_EXPECTED`).
    pub const EXPECTED: Status = Status(1 << 0);
    /// Packets went both ways (`IPS_SEEN_REPLY`).
    pub const SEEN_REPLY: Status = Status(1 << 1);
    /// Not dropped early when the table is full (`IPS_ASSURED`).
    pub const ASSURED: Status = Status(1 << 2);
    /// Its first packet has left (`IPS_CONFIRMED`).
    pub const CONFIRMED: Status = Status(1 << 3);
    /// The source is translated (`IPS_SRC_NAT`).
    pub const SRC_NAT: Status = Status(1 << 4);
    /// The destination is translated (`IPS_DST_NAT`).
    pub const DST_NAT: Status = Status(1 << 5);
    /// TCP sequence numbers are adjusted (`IPS_SEQ_ADJUST`).
    pub const SEQ_ADJUST: Status = Status(1 << 6);
    /// Source NAT was decided (`IPS_SRC_NAT_DONE`).
    pub const SRC_NAT_DONE: Status = Status(1 << 7);
    /// Destination NAT was decided (`IPS_DST_NAT_DONE`).
    pub const DST_NAT_DONE: Status = Status(1 << 8);
    /// It has left the table (`IPS_DYING`).
    pub const DYING: Status = Status(1 << 9);
    /// Packets do not renew its timeout (`IPS_FIXED_TIMEOUT`).
    pub const FIXED_TIMEOUT: Status = Status(1 << 10);
    /// A rule attached the helper (`IPS_HELPER`).
    pub const HELPER: Status = Status(1 << 13);
    /// In a flowtable (`IPS_OFFLOAD`).
    pub const OFFLOAD: Status = Status(1 << 14);
    /// In a flowtable held in hardware (`IPS_HW_OFFLOAD`).
    pub const HW_OFFLOAD: Status = Status(1 << 15);

    /// Whether every bit of `other` is set.
    pub const fn contains(self, other: Status) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Status {
    type Output = Status;

    fn bitor(self, other: Status) -> Status {
        Status(self.0 | other.0)
    }
}
