//! Changing packets as their connection's NAT says (`nf_nat_packet`, `nf_nat_icmp_reply_translation`).

use ironweir_wire::protocol::ipproto;
use ironweir_wire::rewrite::{amend_icmp, set_end};
use ironweir_wire::{End, Headers, L3, Packet, PacketInfo, Tuple, icmp};

use super::{Manip, NatVerdict, changes};
use crate::entry::{CtInfo, CtRef, Direction, Entry};
use crate::status::Status;
use crate::track::Conntrack;

impl Conntrack {
    /// Changes source or destination of a packet of a connection, at the hook this kind of NAT works at; of an ICMP
    /// error, also the other end of the packet it quotes. `info` stays true: no header moves.
    pub fn nat_packet(
        &self,
        packet: &mut Packet<'_>,
        info: &PacketInfo,
        ct: CtRef,
        ctinfo: CtInfo,
        manip: Manip,
    ) -> NatVerdict {
        let Some(entry) = self.entry(ct) else { return NatVerdict::Accept };
        let Some(headers) = Headers::of(info) else { return NatVerdict::Accept };
        let icmp_error = ctinfo.is_related() && is_icmp(&headers);
        if icmp_error && is_refused_redirect(packet, &headers, entry) {
            return NatVerdict::Drop;
        }
        let direction = ctinfo.direction();
        if !entry.status.intersects(concerned(manip, direction)) {
            return NatVerdict::Accept;
        }
        let Some(target) = target(entry, direction) else { return NatVerdict::Drop };
        let changed = if icmp_error {
            let quoted = entry.tuple(direction.opposite());
            translate_quote(packet, &headers, quoted, manip)
                .and_then(|()| set_end(packet, &headers, end_of(manip), &target).map(|_| ()))
        } else {
            set_end(packet, &headers, end_of(manip), &target).map(|_| ())
        };
        match changed {
            Some(()) => NatVerdict::Accept,
            None => NatVerdict::Drop,
        }
    }
}

/// What packets of a direction look like behind NAT: the inverse of the other direction's tuple.
fn target(entry: &Entry, direction: Direction) -> Option<Tuple> {
    entry.tuple(direction.opposite()).inverted()
}

/// The status bit that says whether this kind of NAT concerns packets of a direction: a reply undoes at the
/// destination what was done to the source.
fn concerned(manip: Manip, direction: Direction) -> Status {
    let changed = changes(manip);
    match direction {
        Direction::Original => changed,
        Direction::Reply => Status::NAT.difference(changed),
    }
}

/// Changes the packet quoted in an error, which travelled the other way, at its other end. The error's checksum covers
/// the quote and is updated by what changed.
///
/// DIVERGES: the kernel drops an error whose checksum is wrong, and otherwise computes it anew; here it stays as right
/// or wrong as it was.
fn translate_quote(packet: &mut Packet<'_>, outer: &Headers, target: &Tuple, manip: Manip) -> Option<()> {
    let quoted = Headers::quoted(packet, outer.l3, outer.transport + icmp::HEADER_LEN, outer.end)?;
    let end = match manip {
        Manip::Source => End::Destination,
        Manip::Destination => End::Source,
    };
    let change = set_end(packet, &quoted, end, target)?;
    amend_icmp(packet, outer, change).then_some(())
}

/// A redirect tells of a route to an address that NAT hides: it does not pass.
fn is_refused_redirect(packet: &Packet<'_>, headers: &Headers, entry: &Entry) -> bool {
    let redirect = if headers.l3 == L3::V4 { icmp::v4::REDIRECT } else { icmp::v6::REDIRECT };
    packet.byte(headers.transport) == Some(redirect)
        && (!entry.status.contains(Status::NAT_DONE) || entry.status.intersects(Status::NAT))
}

fn is_icmp(headers: &Headers) -> bool {
    matches!((headers.l3, headers.l4), (L3::V4, ipproto::ICMP) | (L3::V6, ipproto::ICMPV6))
}

fn end_of(manip: Manip) -> End {
    match manip {
        Manip::Source => End::Source,
        Manip::Destination => End::Destination,
    }
}
