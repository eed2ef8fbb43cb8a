//! Trackers: what a protocol's packets do to their connection.

pub(crate) mod generic;
pub(crate) mod gre;
pub(crate) mod icmp;
pub(crate) mod sctp;
pub(crate) mod tcp;
mod tcp_table;
pub(crate) mod udp;

use std::time::Duration;

use crate::reason::InvalidReason;

/// What a tracker says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It belongs: count it, and let the connection live this long.
    Refresh(Duration),
    /// It belongs, but proves nothing: neither count nor refresh (`NF_ACCEPT` without `nf_ct_refresh_acct`).
    Ignore,
    /// The connection ends here; the packet still belongs to it (`nf_ct_kill_acct`).
    End,
    /// The packet is invalid (`-NF_ACCEPT`).
    Invalid(InvalidReason),
    /// The packet is invalid, and the connection shall not live longer than this.
    InvalidShrink(InvalidReason, Duration),
    /// The connection is over and the packet opens a new one (`-NF_REPEAT`).
    Reopen,
}

/// Verifies the transport checksum over the pseudo header. True too where it cannot be told:
/// a packet cut short.
pub(crate) fn checksum_is_valid(
    packet: &ironweir_wire::Packet<'_>,
    info: &ironweir_wire::PacketInfo,
    tuple: &ironweir_wire::Tuple,
    covered: usize,
) -> bool {
    use ironweir_wire::checksum::Sum;
    let length = info.transport_len();
    Sum::ZERO
        .pseudo(tuple.l3, &tuple.src, &tuple.dst, length, tuple.l4)
        .packet(packet, info.transport, covered.min(length))
        .is_none_or(Sum::is_valid)
}
