//! `exthdr`: IPv6 extension headers and TCP, IPv4, SCTP and DCCP options (`nft_exthdr.c`).

use crate::Register;

/// Loads, writes or removes a part of a header that must be searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exthdr {
    /// Among what it is searched.
    pub kind: Kind,
    /// Its type: next-header number, option kind or chunk type.
    pub header: u8,
    /// Where the field begins, in bytes from the header's or option's first.
    pub offset: u32,
    /// How wide it is, in bytes.
    pub len: u32,
    /// What is done with it.
    pub action: Action,
}

/// `enum nft_exthdr_op`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[allow(missing_docs)] // the words are the kernel's
pub enum Kind {
    Ipv6 = 0,
    Tcpopt = 1,
    Ipv4 = 2,
    Sctp = 3,
    Dccp = 4,
}

/// Which form the expression has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Loads the field; ends the rule where there is none.
    Load(Register),
    /// Loads 1 where the header is there, else 0 (`NFT_EXTHDR_F_PRESENT`).
    Present(Register),
    /// Overwrites the field (`NFTA_EXTHDR_SREG`).
    Write(Register),
    /// Replaces the option by no-operations (`reset tcp option`): neither register.
    Strip,
}
