//! The search for a tuple that is in range and not taken (`get_unique_tuple` of `nf_nat_core.c`).

use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Address, L3, Tuple};

use super::{Manip, NatFlags, NatRange, outgoing};
use crate::entry::{CtRef, Direction};
use crate::track::Conntrack;

/// The most ports tried in the first round.
const MAX_ATTEMPTS: u32 = 128;
/// Below this many attempts no further round is begun.
const MIN_ATTEMPTS: u32 = 16;

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
        self.choose_address(&mut tuple, range, manip);
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
        let zone = self.entry(ct).map(|entry| entry.tuple(Direction::Reply).zone).unwrap_or_default();
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

    /// An address of the range. One of several is chosen by a hash of source and destination, or of the source alone if it
    /// shall persist, so that a client keeps its address (`find_best_ips_proto`).
    fn choose_address(&self, tuple: &mut Tuple, range: &NatRange, manip: Manip) {
        if !range.flags.contains(NatFlags::MAP_IPS) {
            return;
        }
        let address = if range.min_addr == range.max_addr {
            range.min_addr
        } else {
            let persistent = range.flags.contains(NatFlags::PERSISTENT);
            let hashed = Tuple {
                dst: if persistent { Address::UNSPECIFIED } else { tuple.dst },
                src_id: 0,
                dst_id: 0,
                l4: 0,
                ..*tuple
            };
            spread(
                range,
                tuple.l3,
                hashed.hash(&self.table.key),
                hashed.hash(&self.table.key).rotate_left(32),
            )
        };
        match manip {
            Manip::Source => tuple.src = address,
            Manip::Destination => tuple.dst = address,
        }
    }

    /// A port or id of the range that makes the tuple unique, by a bounded search (`nf_nat_l4proto_unique_tuple`).
    fn choose_id(&mut self, ct: CtRef, tuple: &mut Tuple, range: &NatRange, manip: Manip) {
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
            for _ in 0..attempts {
                let id = (first + offset % size) as u16;
                if by_source {
                    tuple.src_id = id;
                } else {
                    tuple.dst_id = id;
                }
                if !self.is_used(ct, tuple) {
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

    /// Sixteen pseudo-random bits (SplitMix64 of the seed).
    fn draw(&mut self) -> u32 {
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

/// An address of the range, evenly by a 128-bit hash.
fn spread(range: &NatRange, l3: L3, high: u64, low: u64) -> Address {
    let number = |address: Address| match l3 {
        L3::V4 => u128::from(u32::from_be_bytes(address.as_v4())),
        _ => u128::from_be_bytes(address.0),
    };
    let (first, last) = (number(range.min_addr), number(range.max_addr));
    let hash = u128::from(high) << 64 | u128::from(low);
    let chosen = match last.wrapping_sub(first).checked_add(1) {
        Some(size) if last >= first => first + hash % size,
        Some(_) => first,
        None => hash,
    };
    match l3 {
        L3::V4 => Address::v4((chosen as u32).to_be_bytes()),
        _ => Address(chosen.to_be_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use crate::testing::{Bench, Bytes, v4};

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
