//! `nat`: source or destination NAT (`nft_nat.c`).

use crate::{Family, Register};

/// Sets up NAT for the packet's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nat {
    /// Which end is changed.
    pub kind: Kind,
    /// `ip` or `ip6`: of which family the addresses are (`NFTA_NAT_FAMILY`).
    pub family: Family,
    /// Where the first and last address to choose from lie.
    pub addresses: Option<(Register, Option<Register>)>,
    /// Where the first and last port to choose from lie.
    pub ports: Option<(Register, Option<Register>)>,
    /// How address and port are chosen.
    pub flags: Flags,
}

/// `enum nft_nat_types`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[allow(missing_docs)] // the words are netfilter's
pub enum Kind {
    Snat = 0,
    Dnat = 1,
}

bitflags::bitflags! {
    /// `NF_NAT_RANGE_*` of `linux/netfilter/nf_nat.h`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Flags: u32 {
        /// There are addresses (`NF_NAT_RANGE_MAP_IPS`).
        const MAP_IPS = 1;
        /// There are ports (`NF_NAT_RANGE_PROTO_SPECIFIED`).
        const PROTO_SPECIFIED = 2;
        /// `random` (`NF_NAT_RANGE_PROTO_RANDOM`).
        const PROTO_RANDOM = 4;
        /// `persistent` (`NF_NAT_RANGE_PERSISTENT`).
        const PERSISTENT = 8;
        /// `fully-random` (`NF_NAT_RANGE_PROTO_RANDOM_FULLY`).
        const PROTO_RANDOM_FULLY = 16;
        /// Ports keep their distance to a base (`NF_NAT_RANGE_PROTO_OFFSET`).
        const PROTO_OFFSET = 32;
        /// `prefix`: the host part is kept (`NF_NAT_RANGE_NETMAP`).
        const NETMAP = 64;
    }
}
