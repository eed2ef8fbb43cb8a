//! The search for a tuple that is in range and not taken (`get_unique_tuple` of `nf_nat_core.c`).

use ironweir_wire::protocol::ipproto;
use ironweir_wire::{L3, Tuple};

use super::{Manip, NatFlags, NatRange, outgoing, spread};
use crate::entry::{CtRef, Direction};
use crate::proto::tcp::{TcpStatus, after};
use crate::status::Status;
use crate::track::Conntrack;

/// The most ports tried in the first round.
const MAX_ATTEMPTS: u32 = 128;
/// Below this many attempts no further round is begun.
const MIN_ATTEMPTS: u32 = 16;
/// With so many attempts left of a round, closed connections make room (`NF_NAT_HARDER_THRESH`).
const LAST_ATTEMPTS: u32 = MAX_ATTEMPTS / 4;

impl Conntrack {
    /// What packets of a new connection shall look like. It may be taken nevertheless when the range is used up; then
    /// confirmation fails.
    pub(super) fn unique_tuple(
        &mut self,
        ct: CtRef,
        current: &Tuple,
        range: &NatRange,
        manip: Manip,
    ) -> Option<Tuple> {
        let random = range.flags.intersects(NatFlags::PROTO_RANDOM_ALL);
        if random
            && self.keeps_cone(current, manip)
            && let Some(tuple) = self.same_mapping(current, range)
            && !self.is_used(ct, &tuple)
        {
            return Some(tuple);
        }
        if manip == Manip::Source && !random {
            if in_range(current, range) {
                if !self.is_used(ct, current) {
                    return Some(*current);
                }
            } else if let Some(tuple) = self.same_mapping(current, range)
                && !self.is_used(ct, &tuple)
            {
                return Some(tuple);
            }
        }
        let mut tuple = *current;
        if range.flags.contains(NatFlags::MAP_IPS) {
            let address = if range.min_addr == range.max_addr {
                range.min_addr
            } else {
                spread::address(&tuple, range, manip)
            };
            match manip {
                Manip::Source => tuple.src = address,
                Manip::Destination => tuple.dst = address,
            }
        }
        if !random {
            let fits = if range.flags.contains(NatFlags::PROTO_SPECIFIED) {
                !range.flags.contains(NatFlags::PROTO_OFFSET)
                    && id_in_range(&tuple, range, manip)
                    && (range.min_proto == range.max_proto || !self.is_used(ct, &tuple))
            } else {
                !self.is_used(ct, &tuple)
            };
            if fits {
                return Some(tuple);
            }
        }
        self.choose_id(ct, &mut tuple, range, manip);
        Some(tuple)
    }

    /// Whether replies to `tuple` would be taken for those of another connection (`nf_nat_used_tuple`).
    fn is_used(&self, ct: CtRef, tuple: &Tuple) -> bool {
        let Some(entry) = self.entry(ct) else { return false };
        let (original, zone) = (entry.tuple(Direction::Original), entry.tuple(Direction::Reply).zone);
        if self.is_others_cone(&original, tuple) {
            return true;
        }
        tuple.inverted().is_some_and(|reply| self.table.is_taken(&Tuple { zone, ..reply }, ct))
    }

    /// The mapping that another connection of the same source has, if it is in range (`find_appropriate_src`).
    fn same_mapping(&self, current: &Tuple, range: &NatRange) -> Option<Tuple> {
        self.table.source_mappings(current).find_map(|entry| {
            let mapped = outgoing(&entry.tuple(Direction::Reply), current)?;
            let tuple = Tuple { src: mapped.src, src_id: mapped.src_id, ..*current };
            in_range(&tuple, range).then_some(tuple)
        })
    }

    /// A port or id of the range that makes the tuple unique, by a bounded search (`nf_nat_l4proto_unique_tuple`).
    fn choose_id(&mut self, ct: CtRef, tuple: &mut Tuple, range: &NatRange, manip: Manip) {
        let expected = self.entry(ct).is_some_and(|entry| entry.master().is_some());
        if tuple.l4 == ipproto::GRE && !expected {
            return; // not PPTP's
        }
        let Some((first, size)) = id_range(tuple, range, manip) else { return };
        let by_source = manip == Manip::Source || is_icmp(tuple);
        let old = if by_source { tuple.src_id } else { tuple.dst_id };
        let mut offset = if range.flags.contains(NatFlags::PROTO_OFFSET) {
            u32::from(old.wrapping_sub(range.base_proto))
        } else if manip == Manip::Source || range.flags.intersects(NatFlags::PROTO_RANDOM_ALL) {
            self.draw()
        } else {
            0 // a destination gets the first that is free
        };
        let mut attempts = size.min(MAX_ATTEMPTS);
        loop {
            for attempt in 0..attempts {
                let id = (first + offset % size) as u16;
                if by_source {
                    tuple.src_id = id;
                } else {
                    tuple.dst_id = id;
                }
                let last = attempts - attempt <= LAST_ATTEMPTS;
                if !self.is_used(ct, tuple) || (last && self.evict(ct, tuple)) {
                    return;
                }
                offset = offset.wrapping_add(1) & 0xffff;
            }
            if attempts >= size || attempts < MIN_ATTEMPTS {
                return;
            }
            attempts /= 2;
            offset = self.draw();
        }
    }

    /// Before the search gives up: a TCP connection that is closed, and whose client's numbers the new one's have passed,
    /// makes room (`nf_nat_used_tuple_harder`). Whether it did.
    fn evict(&mut self, ct: CtRef, tuple: &Tuple) -> bool {
        let Some(reply) = tuple.inverted().filter(|_| tuple.l4 == ipproto::TCP) else { return false };
        let Some(zone) = self.entry(ct).map(crate::Entry::zone) else { return false };
        let Some((old, direction)) = self.table.find(&reply, zone) else { return false };
        let (Some(new_end), Some((old_status, old_end))) = (self.opened(ct), self.tcp_end(old)) else {
            return false;
        };
        let refuses = Status::FIXED_TIMEOUT | Status::DYING | Status::OFFLOAD | Status::HW_OFFLOAD;
        let Some(flags) = self.entry(old).map(crate::Entry::status) else { return false };
        let over = old_status as u8 >= TcpStatus::TimeWait as u8
            && direction == Direction::Reply
            && flags.contains(Status::SRC_NAT)
            && !flags.intersects(refuses)
            && after(new_end, old_end);
        if over {
            self.kill(self.seen, old);
        }
        over
    }

    /// The number behind the SYN of a TCP connection that begins.
    fn opened(&self, ct: CtRef) -> Option<u32> {
        self.tcp_end(ct).filter(|(status, _)| *status == TcpStatus::SynSent).map(|(_, end)| end)
    }

    fn tcp_end(&self, ct: CtRef) -> Option<(TcpStatus, u32)> {
        Some((self.entry(ct)?.tcp_status()?, self.table.tcp(ct)?.sent_end(Direction::Original)))
    }

    /// Sixteen pseudo-random bits (SplitMix64 of the seed).
    fn draw(&mut self) -> u32 {
        self.stats.drawn += 1;
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z >> 48) as u32
    }
}

/// The least id and how many there are; `None` when the protocol has none to change.
fn id_range(tuple: &Tuple, range: &NatRange, manip: Manip) -> Option<(u32, u32)> {
    let specified = range.flags.contains(NatFlags::PROTO_SPECIFIED);
    let (least, greatest) = (range.min_proto.min(range.max_proto), range.min_proto.max(range.max_proto));
    let given = (u32::from(least), u32::from(greatest - least) + 1);
    if is_icmp(tuple) {
        return Some(if specified { given } else { (0, 65_536) });
    }
    if tuple.l4 == ipproto::GRE {
        return Some(if specified { given } else { (1, 65_535) });
    }
    if !has_ports(tuple) {
        return None;
    }
    if specified {
        return Some(given);
    }
    match (manip, tuple.src_id) {
        // A destination port is changed by a rule only.
        (Manip::Destination, _) => None,
        // Ports below 512 are trusted by some services, those below 1024 are privileged: stay in the class.
        (Manip::Source, 0..512) => Some((1, 511)),
        (Manip::Source, 512..1024) => Some((600, 424)),
        (Manip::Source, _) => Some((1024, 64_512)),
    }
}

fn is_icmp(tuple: &Tuple) -> bool {
    matches!((tuple.l3, tuple.l4), (L3::V4, ipproto::ICMP) | (L3::V6, ipproto::ICMPV6))
}

fn has_ports(tuple: &Tuple) -> bool {
    matches!(tuple.l4, ipproto::TCP | ipproto::UDP | ipproto::UDPLITE | ipproto::SCTP)
}

/// Whether the source is in range (`in_range`).
fn in_range(tuple: &Tuple, range: &NatRange) -> bool {
    let address_fits =
        !range.flags.contains(NatFlags::MAP_IPS) || (range.min_addr..=range.max_addr).contains(&tuple.src);
    let id_fits =
        !range.flags.contains(NatFlags::PROTO_SPECIFIED) || id_in_range(tuple, range, Manip::Source);
    address_fits && id_fits
}

/// `l4proto_in_range`.
fn id_in_range(tuple: &Tuple, range: &NatRange, manip: Manip) -> bool {
    let id = match manip {
        _ if is_icmp(tuple) => tuple.src_id,
        _ if !has_ports(tuple) && tuple.l4 != ipproto::GRE => return true,
        Manip::Source => tuple.src_id,
        Manip::Destination => tuple.dst_id,
    };
    (range.min_proto..=range.max_proto).contains(&id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use crate::testing::{Bench, Bytes, v4};
    use ironweir_wire::Address;

    const PUBLIC: Address = Address::v4([203, 0, 113, 1]);

    /// Sends from `host` and `port` to `peer` port 53 and tells what the packet became.
    fn snat(bench: &mut Bench, host: u8, port: u16, peer: u8, range: NatRange) -> (Address, u16) {
        let mut packet = Bytes::udp((v4(host), port), (v4(peer), 53), L3::V4, b"");
        bench.route(&mut packet, None, Some(range));
        (packet.tuple().src, packet.tuple().src_id)
    }

    fn public() -> NatRange {
        NatRange::default().to_address(PUBLIC)
    }

    #[test]
    fn a_port_is_kept_if_free_and_else_stays_in_its_class() {
        for (port, class) in [(80, 1..512), (600, 600..1024), (40_000, 1024..65_536)] {
            let mut bench = Bench::new(Config::default());
            assert_eq!(snat(&mut bench, 1, port, 100, public()), (PUBLIC, port));
            let (_, other) = snat(&mut bench, 2, port, 100, public());
            assert!(other != port && class.contains(&u32::from(other)), "{port} became {other}");
            assert_eq!(snat(&mut bench, 3, port, 101, public()), (PUBLIC, port), "free towards another peer");
        }
    }

    #[test]
    fn one_source_keeps_its_mapping_towards_other_peers() {
        let mut bench = Bench::new(Config::default());
        snat(&mut bench, 1, 5000, 100, public());
        let (_, other) = snat(&mut bench, 2, 5000, 100, public());
        assert_ne!(other, 5000);
        assert_eq!(snat(&mut bench, 2, 5000, 101, public()), (PUBLIC, other));
    }

    #[test]
    fn a_range_that_is_used_up_fails_at_confirmation() {
        let mut bench = Bench::new(Config::default());
        let range = public().with_ports(7000, 7003);
        let mut ports: Vec<u16> = (1..=4).map(|host| snat(&mut bench, host, 9, 100, range).1).collect();
        ports.sort_unstable();
        assert_eq!(ports, [7000, 7001, 7002, 7003]);
        let mut packet = Bytes::udp((v4(5), 9), (v4(100), 53), L3::V4, b"");
        let tracking = bench.enter(&packet);
        let (flow, info) = tracking.flow().unwrap();
        bench.ct.nat_null_bind(flow, Manip::Destination);
        bench.ct.nat_setup(flow, &range, Manip::Source);
        let ct = &bench.ct;
        packet.with(|packet, headers| ct.nat_packet(packet, headers, flow, info, Manip::Source));
        let reason = crate::DropReason::Clash;
        assert_eq!(bench.ct.confirm(bench.now, tracking), crate::Confirm::Drop(reason));
        assert_eq!((bench.ct.len(), bench.ct.stats().insert_failed), (4, 1));
    }

    #[test]
    fn addresses_of_a_range_are_all_used_and_persist_per_client() {
        let mut range = public();
        range.max_addr = Address::v4([203, 0, 113, 4]);
        let mut bench = Bench::new(Config::default());
        let seen: std::collections::BTreeSet<Address> =
            (1..60).map(|peer| snat(&mut bench, 1, 1000 + u16::from(peer), peer + 100, range).0).collect();
        assert_eq!(seen.len(), 4);
        range.flags |= NatFlags::PERSISTENT;
        let mut bench = Bench::new(Config::default());
        let seen: std::collections::BTreeSet<Address> =
            (1..60).map(|peer| snat(&mut bench, 1, 1000 + u16::from(peer), peer + 100, range).0).collect();
        assert_eq!(seen.len(), 1);
    }

    #[test]
    fn a_prefix_keeps_the_host_part() {
        let mut range = NatRange::default().to_address(Address::v4([198, 51, 100, 0]));
        range.max_addr = Address::v4([198, 51, 100, 255]);
        range.flags |= NatFlags::NETMAP;
        let mut bench = Bench::new(Config::default());
        assert_eq!(snat(&mut bench, 77, 9, 100, range), (Address::v4([198, 51, 100, 77]), 9));
    }

    #[test]
    fn ports_keep_their_distance_to_a_base() {
        let mut range = NatRange::default().to_address(v4(80)).with_ports(2000, 2999);
        range.flags |= NatFlags::PROTO_OFFSET;
        range.base_proto = 1000;
        let mut bench = Bench::new(Config::default());
        let mut packet = Bytes::udp((v4(1), 9), (PUBLIC, 1234), L3::V4, b"");
        bench.route(&mut packet, Some(range), None);
        assert_eq!((packet.tuple().dst, packet.tuple().dst_id), (v4(80), 2234));
    }

    /// A connection through one public port, closed by both sides; then a SYN of another host to the same peer.
    fn after_a_closed_one(seq: u32) -> (bool, usize) {
        use ironweir_wire::tcp::flag::{ACK, FIN, SYN};
        use ironweir_wire::tcp::{CHECKSUM_AT, Header};
        let mut bench = Bench::new(Config::default());
        let range = public().with_ports(7000, 7000);
        let segment = |src: (Address, u16), dst: (Address, u16), flags, seq, ack| {
            let header =
                Header { src: src.1, dst: dst.1, seq, ack, flags, window: 1000, ..Header::default() };
            Bytes::ip(src.0, dst.0, L3::V4, ipproto::TCP, header.emit().to_vec(), Some(CHECKSUM_AT))
        };
        let (client, peer) = ((v4(1), 1000), (v4(2), 80));
        let there = |flags, seq, ack| segment(client, peer, flags, seq, ack);
        let back = |flags, seq, ack| segment(peer, (PUBLIC, 7000), flags, seq, ack);
        for mut packet in [
            there(SYN, 100, 0),
            back(SYN | ACK, 500, 101),
            there(ACK, 101, 501),
            there(FIN | ACK, 101, 501),
            back(FIN | ACK, 501, 102),
            there(ACK, 102, 502),
        ] {
            assert!(bench.route(&mut packet, None, Some(range)).flow().is_some());
        }
        let syn = segment((v4(3), 1000), peer, SYN, seq, 0);
        let tracking = bench.enter(&syn);
        let (flow, _) = tracking.flow().unwrap();
        bench.ct.nat_null_bind(flow, Manip::Destination);
        bench.ct.nat_setup(flow, &range, Manip::Source);
        let confirmed = bench.ct.confirm(bench.now, tracking);
        (matches!(confirmed, crate::Confirm::Pass(_)), bench.ct.len())
    }

    #[test]
    fn a_closed_connection_makes_room_for_one_whose_numbers_are_ahead() {
        assert_eq!(after_a_closed_one(102), (true, 1));
        assert_eq!(after_a_closed_one(101), (false, 1), "the peer would take it for the old one");
    }

    #[test]
    fn a_null_binding_moves_a_port_that_a_mapping_took() {
        let mut bench = Bench::new(Config::default());
        snat(&mut bench, 1, 5000, 100, NatRange::default().to_address(v4(2)));
        let mut packet = Bytes::udp((v4(2), 5000), (v4(100), 53), L3::V4, b"");
        bench.route(&mut packet, None, None);
        assert_eq!(packet.tuple().src, v4(2));
        assert_ne!(packet.tuple().src_id, 5000);
    }

    #[test]
    fn random_ports_depend_on_the_seed_alone() {
        let mut range = public();
        range.flags |= NatFlags::PROTO_RANDOM_FULLY;
        let ports = || {
            let mut bench = Bench::new(Config::default());
            (1..9).map(|host| snat(&mut bench, host, 5000, 100, range).1).collect::<Vec<u16>>()
        };
        assert_eq!(ports(), ports());
        assert!(ports().iter().all(|port| *port >= 1024 && *port != 5000));
    }
}
