//! Changing packets as their connection's NAT says (`nf_nat_packet`, `nf_nat_icmp_reply_translation`).

use ironweir_wire::protocol::{ipproto, tracked_name};
use ironweir_wire::rewrite::{amend_icmp, set_end, set_end_in_head};
use ironweir_wire::{End, Headers, L3, Packet, PacketInfo, Tuple, icmp, ipv4, ipv6};

use super::{Manip, NatVerdict, changes};
use crate::entry::{CtInfo, CtRef, Direction, Entry};
use crate::status::Status;
use crate::track::Conntrack;

/// Bytes of the quoted transport header that must be there to translate it: every error quotes at least these
/// (RFC 792).
const QUOTE_MIN: usize = 8;

impl Conntrack {
    /// Changes source or destination of a packet of a connection, at the hook this kind of NAT works at; of an ICMP
    /// error, also the other end of the packet it quotes. `info` stays true: no header moves.
    #[inline]
    pub fn nat_packet(
        &self,
        packet: &mut Packet<'_>,
        info: &PacketInfo,
        ct: CtRef,
        ctinfo: CtInfo,
        manip: Manip,
    ) -> NatVerdict {
        let Some(entry) = self.entry(ct) else { return NatVerdict::Accept };
        if !ctinfo.is_related() {
            let direction = ctinfo.direction();
            if !entry.status.intersects(concerned(manip, direction))
                || set_plain(packet, info, entry, manip, direction)
            {
                return NatVerdict::Accept;
            }
        }
        change(packet, info, entry, ctinfo, manip)
    }
}

/// As [`change`], for the packets that most packets are; false, with nothing changed, for others.
#[inline]
fn set_plain(
    packet: &mut Packet<'_>,
    info: &PacketInfo,
    entry: &Entry,
    manip: Manip,
    direction: Direction,
) -> bool {
    // What goes out has for its source what answers have for their destination.
    let ([a, b, c, d, e, f, g, h], [i, j, k, l]) = entry.key(direction.opposite()).on_the_wire();
    let (address, port) = match manip {
        Manip::Source => ([e, f, g, h], [k, l]),
        Manip::Destination => ([a, b, c, d], [i, j]),
    };
    entry.l3() == L3::V4 && set_end_in_head(packet, info, end_of(manip), address, port)
}

/// Changes source or destination of any packet.
#[inline(never)]
fn change(
    packet: &mut Packet<'_>,
    info: &PacketInfo,
    entry: &Entry,
    ctinfo: CtInfo,
    manip: Manip,
) -> NatVerdict {
    let Some(headers) = Headers::of(info) else { return NatVerdict::Accept };
    let icmp_error = ctinfo.is_related() && is_icmp(&headers);
    if icmp_error {
        // Looked at together with the network header it quotes (`nf_nat_icmp_reply_translation`), whether or not anything is
        // to be changed.
        let quoted = if headers.l3 == L3::V6 { ipv6::HEADER_LEN } else { ipv4::HEADER_LEN };
        packet.pull(headers.transport + icmp::HEADER_LEN + quoted);
    }
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
        translate_quote(packet, &headers, &quoted, manip)
            .and_then(|()| set_end(packet, &headers, end_of(manip), &target).map(|_| ()))
    } else {
        set_end(packet, &headers, end_of(manip), &target).map(|_| ())
    };
    match changed {
        Some(()) => NatVerdict::Accept,
        None => NatVerdict::Drop,
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
    // DCCP has a name still, but no tracker.
    let has_tracker = quoted.l4 != ipproto::DCCP && tracked_name(quoted.l4).is_some();
    if has_tracker && quoted.end - quoted.transport < QUOTE_MIN {
        return None;
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;
    use crate::testing::{Bytes, info_of, v4, v6};
    use crate::{Config, NatRange, Tracking};
    use ironweir_wire::Address;
    use proptest::prelude::*;

    const PUBLIC: Address = Address::v4([203, 0, 113, 1]);

    fn masquerade() -> Option<NatRange> {
        Some(NatRange::default().to_address(PUBLIC))
    }

    fn bench() -> Bench {
        Bench::new(Config::default())
    }

    #[test]
    fn source_nat_there_and_back() {
        let mut bench = bench();
        let mut out = Bytes::udp((v4(1), 5000), (v4(2), 53), L3::V4, b"question");
        bench.route(&mut out, None, masquerade());
        assert_eq!((out.tuple().src, out.tuple().src_id, out.is_whole()), (PUBLIC, 5000, true));
        let mut back = Bytes::udp((v4(2), 53), (PUBLIC, 5000), L3::V4, b"answer");
        let tracking = bench.route(&mut back, None, None);
        assert_eq!(info_of(tracking), Some(CtInfo::EstablishedReply));
        assert_eq!((back.tuple().dst, back.tuple().dst_id, back.is_whole()), (v4(1), 5000, true));
        assert_eq!(back.tuple().src, v4(2));
    }

    #[test]
    fn destination_and_source_nat_together() {
        let mut bench = bench();
        let dnat = Some(NatRange::default().to_address(v4(80)).with_ports(8080, 8080));
        let mut out = Bytes::udp((v4(1), 5000), (PUBLIC, 80), L3::V4, b"");
        bench.route(&mut out, dnat, Some(NatRange::default().to_address(v4(254))));
        let tuple = out.tuple();
        assert_eq!((tuple.src, tuple.dst, tuple.dst_id), (v4(254), v4(80), 8080));
        let mut back = Bytes::udp((v4(80), 8080), (v4(254), 5000), L3::V4, b"");
        bench.route(&mut back, None, None);
        let tuple = back.tuple();
        assert_eq!((tuple.src, tuple.src_id, tuple.dst, tuple.dst_id), (PUBLIC, 80, v4(1), 5000));
        assert!(out.is_whole() && back.is_whole());
    }

    #[test]
    fn errors_about_translated_packets_are_translated_with_their_quote() {
        for (l3, public, host, peer, router) in
            [(L3::V4, PUBLIC, v4(1), v4(2), v4(9)), (L3::V6, v6(77), v6(1), v6(2), v6(9))]
        {
            let mut bench = bench();
            let sent = Bytes::udp((host, 5000), (peer, 53), l3, b"question");
            let mut out = sent.clone();
            bench.route(&mut out, None, Some(NatRange::default().to_address(public).with_ports(9999, 9999)));
            let (kind, code) = if l3 == L3::V4 { (3, 3) } else { (1, 4) };
            let mut error = Bytes::icmp(router, public, l3, kind, code, [0; 4], &out.0);
            let tracking = bench.route(&mut error, None, None);
            assert_eq!(info_of(tracking), Some(CtInfo::RelatedReply));
            assert_eq!(error.tuple().dst, host);
            assert_eq!(error.tuple().src, router, "the router is not hidden");
            let quote_at = error.0.len() - sent.0.len();
            assert_eq!(error.0[quote_at..], sent.0, "the quote is what the host sent");
            assert!(error.is_whole());
        }
    }

    #[test]
    fn errors_from_behind_nat_hide_the_inside() {
        let mut bench = bench();
        let dnat = Some(NatRange::default().to_address(v4(80)));
        let sent = Bytes::udp((v4(1), 5000), (PUBLIC, 80), L3::V4, b"hello");
        let mut out = sent.clone();
        bench.route(&mut out, dnat, None);
        assert_eq!(out.tuple().dst, v4(80));
        let mut error = Bytes::icmp(v4(80), v4(1), L3::V4, 3, 3, [0; 4], &out.0);
        bench.route(&mut error, None, None);
        assert_eq!(error.0[28..], sent.0);
        assert_eq!(error.tuple().src, PUBLIC);
        assert!(error.is_whole());
    }

    #[test]
    fn a_quote_of_eight_bytes_is_enough() {
        let mut bench = bench();
        let sent = Bytes::tcp(Direction::Original, 2, 1, 0, 1000, &[], 0);
        let mut out = sent.clone();
        bench.route(&mut out, None, masquerade());
        let mut error = Bytes::icmp(v4(9), PUBLIC, L3::V4, 11, 0, [0; 4], &out.0[..28]);
        bench.route(&mut error, None, None);
        assert_eq!(error.0[28..], sent.0[..28]);
        assert!(error.is_whole());
    }

    #[test]
    fn redirects_about_translated_packets_are_dropped() {
        let mut bench = bench();
        let mut out = Bytes::udp((v4(1), 5000), (v4(2), 53), L3::V4, b"");
        bench.route(&mut out, None, masquerade());
        let mut redirect = Bytes::icmp(v4(9), PUBLIC, L3::V4, 5, 1, v4(8).as_v4(), &out.0);
        let tracking = bench.enter(&redirect);
        let (flow, info) = tracking.flow().unwrap();
        let ct = &bench.ct;
        let verdict =
            redirect.with(|packet, headers| ct.nat_packet(packet, headers, flow, info, Manip::Destination));
        assert_eq!(verdict, NatVerdict::Drop);
    }

    #[test]
    fn echo_ids_are_kept_apart() {
        let mut bench = bench();
        let echo = |host| Bytes::icmp(host, v4(200), L3::V4, 8, 0, [0, 7, 0, 1], b"data");
        let (mut first, mut second) = (echo(v4(1)), echo(v4(2)));
        bench.route(&mut first, None, masquerade());
        bench.route(&mut second, None, masquerade());
        let id = second.tuple().src_id;
        assert_eq!(first.tuple().src_id, 7);
        assert_ne!(id, 7);
        assert!(first.is_whole() && second.is_whole());
        let [high, low] = id.to_be_bytes();
        let mut reply = Bytes::icmp(v4(200), PUBLIC, L3::V4, 0, 0, [high, low, 0, 1], b"data");
        bench.route(&mut reply, None, None);
        assert_eq!((reply.tuple().dst, reply.tuple().src_id, reply.is_whole()), (v4(2), 7, true));
    }

    #[test]
    fn sctp_leaves_whole_if_it_came_whole() {
        let mut body = vec![0x13, 0x88, 0x0b, 0x59, 0, 0, 0, 1, 0, 0, 0, 0, 4, 0, 0, 4];
        let crc = ironweir_wire::crc32c::Crc32c::default().bytes(&body).finish();
        body[8..12].copy_from_slice(&crc);
        let sent = Bytes::ip(v4(1), v4(2), L3::V4, ipproto::SCTP, body, None);
        assert!(sent.is_whole());
        let (mut good, mut bad) = (sent.clone(), sent);
        bad.0[33] ^= 1;
        let ports = masquerade().map(|range| range.with_ports(99, 99));
        bench().route(&mut good, None, ports);
        bench().route(&mut bad, None, ports);
        assert_eq!(good.tuple().src_id, 99);
        assert!(good.is_whole() && !bad.is_whole());
    }

    /// A packet of any protocol with ports or ids, with any payload; checksums right, absent, or arbitrary.
    fn any_packet() -> impl Strategy<Value = Bytes> {
        let protocols = prop::sample::select(vec![
            ipproto::TCP,
            ipproto::UDP,
            ipproto::UDPLITE,
            ipproto::SCTP,
            ipproto::ICMP,
            ipproto::GRE,
            99,
        ]);
        let payload = prop::collection::vec(any::<u8>(), 24..80);
        (any::<bool>(), protocols, payload, any::<bool>()).prop_map(|(six, l4, mut body, whole)| {
            let l3 = if six { L3::V6 } else { L3::V4 };
            let l4 = if six && l4 == ipproto::ICMP { ipproto::ICMPV6 } else { l4 };
            let length = body.len() as u16;
            let checksum_at = match l4 {
                ipproto::TCP => {
                    body[12] = 0x50;
                    body[13] = 0x02;
                    Some(16)
                }
                ipproto::UDP | ipproto::UDPLITE => {
                    body[4..6].copy_from_slice(&length.to_be_bytes());
                    Some(6)
                }
                ipproto::ICMP | ipproto::ICMPV6 => {
                    body[..2].copy_from_slice(if six { &[128, 0] } else { &[8, 0] });
                    Some(2)
                }
                ipproto::GRE => {
                    body[..2].fill(0);
                    None
                }
                _ => None,
            };
            if l4 == ipproto::SCTP {
                // One heartbeat up to the end: it may begin an association.
                body[12..14].copy_from_slice(&[4, 0]);
                body[14..16].copy_from_slice(&(length - 12).to_be_bytes());
            }
            if l4 == ipproto::SCTP && whole {
                body[8..12].fill(0);
                let crc = ironweir_wire::crc32c::Crc32c::default().bytes(&body).finish();
                body[8..12].copy_from_slice(&crc);
            }
            // In one's complement 0xffff says the same as 0 and would come back as 0.
            if let Some(at) = checksum_at
                && body[at..at + 2] == [0xff, 0xff]
            {
                body[at] = 0;
            }
            if l4 == ipproto::UDPLITE && body[6..8] == [0, 0] {
                body[7] = 1;
            }
            let (src, dst) = if six { (v6(1), v6(2)) } else { (v4(1), v4(2)) };
            Bytes::ip(src, dst, l3, l4, body, checksum_at.filter(|_| whole))
        })
    }

    /// The same bytes with ends swapped, as an answer would have them. Sums do not know an order, so they stay right.
    fn turned(bytes: &Bytes) -> Bytes {
        let mut back = bytes.0.clone();
        let (at, width) = if back[0] >> 4 == 4 { (12, 4) } else { (8, 16) };
        let ports = at + 2 * width;
        for (first, second, width) in [(at, at + width, width), (ports, ports + 2, 2)] {
            for byte in 0..width {
                back.swap(first + byte, second + byte);
            }
        }
        Bytes(back)
    }

    proptest! {
        /// What NAT does to a packet, it undoes to the same packet seen as a reply: the bytes are those sent.
        #[test]
        fn nat_forward_then_reverse_is_the_identity(sent in any_packet(), source: [u8; 16], destination: [u8; 16], ports: (u16, u16)) {
            let mut bench = bench();
            let l3 = sent.tuple().l3;
            let shape = |bytes: [u8; 16]| match l3 {
                L3::V4 => Address::from_slice(&bytes[..4]).unwrap(),
                _ => Address(bytes),
            };
            let range = |address, port| Some(NatRange::default().to_address(shape(address)).with_ports(port, port));
            let mut packet = sent.clone();
            let tracking = bench.route(&mut packet, range(destination, ports.0), range(source, ports.1));
            prop_assert!(tracking.flow().is_some());
            prop_assert_eq!(sent.is_whole(), packet.is_whole());

            // Setting both ends to what they were.
            let (flow, _) = tracking.flow().unwrap();
            let original = bench.ct.entry(flow).unwrap().tuple(Direction::Original);
            let mut undone = packet.clone();
            undone.with(|packet, info| {
                let headers = Headers::of(info).unwrap();
                set_end(packet, &headers, End::Source, &original).unwrap();
                set_end(packet, &headers, End::Destination, &original).unwrap();
            });
            prop_assert_eq!(&undone, &sent);

            // The answer with the same bytes goes back through the hooks.
            if matches!(original.l4, ipproto::TCP | ipproto::UDP | ipproto::UDPLITE) {
                let mut answer = turned(&packet);
                let tracking = bench.route(&mut answer, None, None);
                prop_assert_eq!(info_of(tracking), Some(CtInfo::EstablishedReply));
                prop_assert_eq!(&answer, &turned(&sent));
            }
        }

        /// An error that quotes a translated packet quotes, behind NAT, what was sent.
        #[test]
        fn quotes_map_back_exactly(sent in any_packet(), source: [u8; 16], port: u16) {
            let mut bench = bench();
            let l3 = sent.tuple().l3;
            let (address, router, kind, header) = match l3 {
                L3::V4 => (Address::from_slice(&source[..4]).unwrap(), v4(9), 3, 28),
                _ => (Address(source), v6(9), 1, 48),
            };
            let mut out = sent.clone();
            bench.route(&mut out, None, Some(NatRange::default().to_address(address).with_ports(port, port)));
            let mut error = Bytes::icmp(router, address, l3, kind, 1, [0; 4], &out.0);
            bench.route(&mut error, None, None);
            prop_assert_eq!(&error.0[header..], &sent.0[..]);
            prop_assert!(error.is_whole());
        }

        /// Replies reach the sender with whole checksums, whatever the ranges.
        #[test]
        fn replies_map_back(port: u16, peer_port: u16, source: [u8; 4], random: bool) {
            let mut bench = bench();
            let mut range = NatRange::default().to_address(Address::v4(source));
            if random {
                range.flags |= crate::NatFlags::PROTO_RANDOM_FULLY;
            }
            let mut out = Bytes::udp((v4(1), port), (v4(2), peer_port), L3::V4, b"x");
            bench.route(&mut out, None, Some(range));
            let there = out.tuple();
            let mut back = Bytes::udp((there.dst, there.dst_id), (there.src, there.src_id), L3::V4, b"y");
            let tracking = bench.route(&mut back, None, None);
            prop_assert_eq!(info_of(tracking), Some(CtInfo::EstablishedReply));
            prop_assert_eq!((back.tuple().dst, back.tuple().dst_id), (v4(1), port));
            prop_assert!(back.is_whole());
        }

        /// Nothing panics, whatever the bytes.
        #[test]
        fn arbitrary_bytes_do_not_panic(mut bytes in prop::collection::vec(any::<u8>(), 1..120), six: bool) {
            bytes[0] = if six { 0x60 } else { bytes[0] & 0x0f | 0x40 };
            let len = bytes.len();
            if !six && len >= 20 {
                bytes[2..4].copy_from_slice(&(len as u16).to_be_bytes());
                bytes[9] = [1, 6, 17, 47, 132][usize::from(bytes[9]) % 5];
            } else if len >= 40 {
                bytes[4..6].copy_from_slice(&(len as u16 - 40).to_be_bytes());
            }
            let mut packet = Packet::new(&mut bytes, 0, len, ironweir_wire::LinkType::None);
            if let Ok(info) = ironweir_wire::dissect(&mut packet) {
                let mut bench = bench();
                let template = bench.template;
                if let crate::PacketIn::Pass(Tracking::Flow(ct, state)) =
                    bench.ct.packet_in(bench.now, &packet, &info, &template)
                {
                    bench.ct.nat_setup(ct, &NatRange::default().to_address(Address([7; 16])), Manip::Source);
                    let _ = bench.ct.nat_packet(&mut packet, &info, ct, state, Manip::Source);
                    bench.ct.confirm(bench.now, Tracking::Flow(ct, state));
                    let _ = ironweir_wire::reply::tcp_reset(&packet, &info, &mut Vec::new());
                    let _ = ironweir_wire::reply::icmp_error(&packet, &info, v6(1), 3, 3, [0; 4], &[], &mut Vec::new());
                }
            }
        }
    }
}
