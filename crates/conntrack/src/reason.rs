//! Why a packet is invalid: what the kernel logs where `nf_conntrack_log_invalid` asks for it, kept for traces.

use std::fmt;

/// Why connection tracking takes a packet for invalid (`ct state invalid`).
///
/// The kernel tells the same by `nf_ct_l4proto_log_invalid` and `nf_l4proto_log_invalid`; some of its messages share
/// a reason here, and some reasons have no message there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum InvalidReason {
    /// Connection tracking has not seen the packet.
    #[default]
    Unseen,
    /// It has no tuple: a fragment, or a header that is cut short.
    NoTuple,
    /// Its kind has no answer, so that it cannot begin a connection (`nf_ct_invert_tuple`).
    NoAnswer,
    /// A checksum is wrong.
    Checksum,
    /// The transport header or a length in it cannot be.
    Header,
    /// No ICMP or ICMPv6 query that may begin a connection, and part of none.
    NotAQuery,
    /// An ICMP or ICMPv6 error about no connection that is known, or not to the host that it concerns.
    Unrelated,
    /// Flags of TCP that exclude each other, or chunks of SCTP.
    Combination,
    /// It may not begin a connection.
    NotABeginning,
    /// The protocol's state allows no such packet.
    State,
    /// Its sequence number lies above what the receiver allowed (`SEQ is over upper bound`).
    SequenceOver,
    /// It acknowledges what was never sent (`ACK is over upper bound`).
    AcknowledgementOver,
    /// A reset below what was acknowledged already (`invalid rst`).
    Reset,
    /// SCTP's verification tag is not that of the association.
    VerificationTag,
}

impl fmt::Display for InvalidReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            InvalidReason::Unseen => "not tracked yet",
            InvalidReason::NoTuple => "fragment or short header",
            InvalidReason::NoAnswer => "no answer exists",
            InvalidReason::Checksum => "wrong checksum",
            InvalidReason::Header => "impossible header",
            InvalidReason::NotAQuery => "no query",
            InvalidReason::Unrelated => "error about no known connection",
            InvalidReason::Combination => "impossible flags or chunks",
            InvalidReason::NotABeginning => "may not begin a connection",
            InvalidReason::State => "not in this state",
            InvalidReason::SequenceOver => "sequence number above the window",
            InvalidReason::AcknowledgementOver => "acknowledges what was not sent",
            InvalidReason::Reset => "reset below the window",
            InvalidReason::VerificationTag => "wrong verification tag",
        })
    }
}
