//! UDP and UDP-Lite (`nf_conntrack_proto_udp.c`).

use std::time::Duration;

use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Instant, Packet, PacketInfo, udp};

use super::{Outcome, Proto, checksum_is_valid};
use crate::config::Config;
use crate::entry::Entry;
use crate::status::Status;

/// An exchange that lasts longer than this is a stream.
pub(crate) const STREAM_AFTER: Duration = Duration::from_secs(2);

pub(crate) fn packet(
    entry: &mut Entry,
    now: Instant,
    packet: &Packet<'_>,
    info: &PacketInfo,
    config: &Config,
    verify: bool,
) -> Outcome {
    if !is_sound(packet, info, entry, verify) {
        return Outcome::Invalid;
    }
    if !entry.is_confirmed() {
        entry.proto = Proto::Udp { stream_from: now + STREAM_AFTER };
    }
    let Proto::Udp { stream_from } = entry.proto else { return Outcome::Invalid };
    if !entry.status.contains(Status::SEEN_REPLY) || now <= stream_from {
        return Outcome::Refresh(config.timeouts.udp);
    }
    if !entry.status.contains(Status::NAT_CLASH) {
        entry.status |= Status::ASSURED;
    }
    Outcome::Refresh(config.timeouts.udp_stream)
}

/// `udp_error` and `udplite_error`.
fn is_sound(packet: &Packet<'_>, info: &PacketInfo, entry: &Entry, verify: bool) -> bool {
    let Some(header) = udp::Header::read(packet, info.transport) else { return false };
    let (length, have) = (usize::from(header.length), info.transport_len());
    if entry.tuples[0].l4 == ipproto::UDPLITE {
        let covered = if length == 0 { have } else { length };
        let sound = (udp::HEADER_LEN..=have).contains(&covered) && header.checksum != 0;
        return sound && (!verify || packet_checksum(packet, info, covered));
    }
    // A first fragment holds less than the length says.
    let sound = length >= udp::HEADER_LEN && (length <= have || info.is_fragment());
    sound && (header.checksum == 0 || !verify || packet_checksum(packet, info, length))
}

fn packet_checksum(packet: &Packet<'_>, info: &PacketInfo, covered: usize) -> bool {
    ironweir_wire::Headers::of(info)
        .and_then(|headers| headers.tuple(packet))
        .is_none_or(|tuple| checksum_is_valid(packet, info, &tuple, covered))
}
