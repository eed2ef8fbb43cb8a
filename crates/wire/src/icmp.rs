//! ICMP and ICMPv6 headers: type, code, checksum and four more bytes (RFC 792, RFC 4443).

use crate::packet::Packet;

/// Length of the header; what an error quotes begins behind it.
pub const HEADER_LEN: usize = 8;
/// Offset of the checksum.
pub const CHECKSUM_AT: usize = 2;
/// Offset of a query's id.
pub const ID_AT: usize = 4;

/// Types of ICMP for IPv4 (`linux/icmp.h`).
pub mod v4 {
    /// Echo reply.
    pub const ECHO_REPLY: u8 = 0;
    /// Destination unreachable.
    pub const UNREACHABLE: u8 = 3;
    /// Source quench.
    pub const SOURCE_QUENCH: u8 = 4;
    /// Redirect.
    pub const REDIRECT: u8 = 5;
    /// Echo request.
    pub const ECHO_REQUEST: u8 = 8;
    /// Time exceeded.
    pub const TIME_EXCEEDED: u8 = 11;
    /// Parameter problem.
    pub const PARAMETER_PROBLEM: u8 = 12;
    /// The highest type Linux knows (`NR_ICMP_TYPES`).
    pub const MAX: u8 = 18;

    /// Whether `kind` is a query or answer, whose word at [`ID_AT`](super::ID_AT) is an id.
    pub const fn has_id(kind: u8) -> bool {
        matches!(kind, 0 | 8 | 13..=18)
    }

    /// Whether `kind` is an error that quotes a packet (`icmp_error_message` of `nf_conntrack_proto_icmp.c`).
    pub const fn is_error(kind: u8) -> bool {
        matches!(kind, UNREACHABLE | SOURCE_QUENCH | REDIRECT | TIME_EXCEEDED | PARAMETER_PROBLEM)
    }
}

/// Types of ICMPv6 (`linux/icmpv6.h`).
pub mod v6 {
    /// Destination unreachable.
    pub const UNREACHABLE: u8 = 1;
    /// Packet too big.
    pub const PACKET_TOO_BIG: u8 = 2;
    /// Time exceeded.
    pub const TIME_EXCEEDED: u8 = 3;
    /// Parameter problem.
    pub const PARAMETER_PROBLEM: u8 = 4;
    /// Echo request.
    pub const ECHO_REQUEST: u8 = 128;
    /// Echo reply.
    pub const ECHO_REPLY: u8 = 129;
    /// Redirect.
    pub const REDIRECT: u8 = 137;

    /// Whether `kind` is an informational message whose word at [`ID_AT`](super::ID_AT) is an id.
    pub const fn has_id(kind: u8) -> bool {
        matches!(kind, ECHO_REQUEST | ECHO_REPLY)
    }

    /// Whether `kind` is an error that quotes a packet (the high bit is clear).
    pub const fn is_error(kind: u8) -> bool {
        kind < 128
    }
}

/// An ICMP or ICMPv6 header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Checksum.
    pub checksum: u16,
    /// The four bytes behind: id and sequence of a query, gateway, MTU.
    pub rest: [u8; 4],
}

impl Header {
    /// Reads the header at `offset`; checks nothing but that it is there.
    pub fn read(packet: &Packet<'_>, offset: usize) -> Option<Header> {
        let [kind, code, c0, c1, r0, r1, r2, r3] = packet.array::<HEADER_LEN>(offset)?;
        Some(Header { kind, code, checksum: u16::from_be_bytes([c0, c1]), rest: [r0, r1, r2, r3] })
    }

    /// The id of a query or answer.
    pub const fn id(&self) -> u16 {
        u16::from_be_bytes([self.rest[0], self.rest[1]])
    }
}
