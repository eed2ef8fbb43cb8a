//! UDP and UDP-Lite (`nf_conntrack_proto_udp.c`).

use std::time::Duration;

use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Instant, Packet, PacketInfo, udp};

use super::{Outcome, checksum_is_valid};
use crate::config::Timeouts;
use crate::entry::Entry;
use crate::reason::InvalidReason;
use crate::status::Status;

/// An exchange that lasts longer than this is a stream.
pub(crate) const STREAM_AFTER: Duration = Duration::from_secs(2);

#[inline(always)]
pub(crate) fn packet(
    entry: &mut Entry,
    now: Instant,
    packet: &Packet<'_>,
    info: &PacketInfo,
    timeouts: &Timeouts,
    verify: bool,
) -> Outcome {
    if let Some(reason) = flaw(packet, info, entry, verify) {
        return Outcome::Invalid(reason);
    }
    if !entry.is_confirmed() {
        entry.kept = (now + STREAM_AFTER).nanos();
    }
    if !entry.status.contains(Status::SEEN_REPLY) || now.nanos() <= entry.kept {
        return Outcome::Refresh(timeouts.udp);
    }
    if !entry.status.contains(Status::NAT_CLASH) {
        entry.status |= Status::ASSURED;
    }
    Outcome::Refresh(timeouts.udp_stream)
}

/// `udp_error` and `udplite_error`; `None` for a sound packet.
#[inline(always)]
fn flaw(packet: &Packet<'_>, info: &PacketInfo, entry: &Entry, verify: bool) -> Option<InvalidReason> {
    let Some(header) = udp::Header::read(packet, info.transport) else {
        return Some(InvalidReason::Header);
    };
    let (length, have) = (usize::from(header.length), info.transport_len());
    let (covered, sound, checked) = if entry.l4() == ipproto::UDPLITE {
        let covered = if length == 0 { have } else { length };
        let sound = (udp::HEADER_LEN..=have).contains(&covered) && header.checksum != 0;
        (covered, sound, true)
    } else {
        // A first fragment holds less than the length says.
        let sound = length >= udp::HEADER_LEN && (length <= have || info.is_fragment());
        (length, sound, header.checksum != 0)
    };
    if !sound {
        Some(InvalidReason::Header)
    } else if verify && checked && !packet_checksum(packet, info, covered) {
        Some(InvalidReason::Checksum)
    } else {
        None
    }
}

#[inline(never)]
fn packet_checksum(packet: &Packet<'_>, info: &PacketInfo, covered: usize) -> bool {
    ironweir_wire::Headers::of(info)
        .and_then(|headers| headers.tuple(packet))
        .is_none_or(|tuple| checksum_is_valid(packet, info, &tuple, covered))
}
