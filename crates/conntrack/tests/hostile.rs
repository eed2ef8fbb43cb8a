//! What someone sends who wants the table full, slow or wrong.

use std::time::Duration;

use ironweir_conntrack::defrag::{Defrag, Fragment, Limits};
use ironweir_conntrack::{
    Config, Confirm, Conntrack, CtInfo, DropReason, Item, PacketIn, Status, Template, Tracking,
};
use ironweir_wire::protocol::ethertype;
use ironweir_wire::{Instant, LinkType, Packet, PacketInfo, dissect};
use proptest::prelude::*;

const START: Instant = Instant::from_secs(1_700_000_000);

/// A UDP packet of 28 bytes.
fn udp(src: u32, sport: u16, dst: u32, dport: u16) -> [u8; 28] {
    let mut bytes = [0; 28];
    bytes[0] = 0x45;
    bytes[3] = 28;
    bytes[8] = 64;
    bytes[9] = 17;
    bytes[12..16].copy_from_slice(&src.to_be_bytes());
    bytes[16..20].copy_from_slice(&dst.to_be_bytes());
    bytes[20..22].copy_from_slice(&sport.to_be_bytes());
    bytes[22..24].copy_from_slice(&dport.to_be_bytes());
    bytes[25] = 8;
    bytes
}

/// A spoofed packet to one server.
fn spoofed(number: u32) -> [u8; 28] {
    udp(0x0b00_0000 + number, 53, 0x0a00_0001, 80)
}

fn dissected(bytes: &mut [u8]) -> (Packet<'_>, PacketInfo) {
    let len = bytes.len();
    let mut packet = Packet::new(bytes, 0, len, LinkType::None);
    packet.meta.protocol = ethertype::IPV4;
    let info = dissect(&mut packet).expect("it is sound");
    (packet, info)
}

fn pass(conntrack: &mut Conntrack, now: Instant, mut bytes: [u8; 28]) -> PacketIn {
    let (packet, info) = dissected(&mut bytes);
    let result = conntrack.packet_in(now, &packet, &info, &Template::default());
    if let PacketIn::Pass(tracking) = result {
        assert!(matches!(conntrack.confirm(now, tracking), Confirm::Pass(_)));
    }
    result
}

fn vector(conntrack: &mut Conntrack, now: Instant, packets: &mut [[u8; 28]]) -> Vec<Tracking> {
    let packets: Vec<_> = packets.iter_mut().map(|bytes| dissected(bytes)).collect();
    let mut items: Vec<_> =
        packets.iter().map(|(packet, info)| Item::new(packet, info, Template::default())).collect();
    conntrack.packets_in(now, &mut items);
    items
        .iter()
        .map(|item| match item.result {
            PacketIn::Pass(tracking) => tracking,
            PacketIn::Drop(reason) => panic!("dropped: {reason:?}"),
        })
        .collect()
}

/// A flood takes the places of others like it; who was answered long enough keeps theirs.
#[test]
fn a_full_table_keeps_what_is_assured_and_no_more_than_its_limit() {
    let max = 2000;
    let mut conntrack = Conntrack::new(Config { max, ..Config::default() }, 7);
    let real: Vec<u16> = (0..500).map(|client| 1000 + client).collect();
    for now in [START, START + Duration::from_secs(3)] {
        for port in &real {
            pass(&mut conntrack, now, udp(0x0a00_0002, *port, 0x0a00_0001, 53));
            pass(&mut conntrack, now, udp(0x0a00_0001, 53, 0x0a00_0002, *port));
        }
    }
    let now = START + Duration::from_secs(4);
    let mut dropped = 0;
    for number in 0..50_000 {
        match pass(&mut conntrack, now, spoofed(number)) {
            PacketIn::Pass(_) => {}
            PacketIn::Drop(reason) => {
                assert_eq!(reason, DropReason::TableFull);
                dropped += 1;
            }
        }
        assert!(conntrack.len() <= max);
    }
    let stats = conntrack.stats();
    assert_eq!(
        stats.early_drop + stats.drop,
        50_000 - 1500,
        "each beyond the limit took a place or was dropped"
    );
    assert_eq!(stats.drop, dropped);
    let assured = conntrack.iter().filter(|(_, entry)| entry.status().contains(Status::ASSURED));
    assert_eq!(assured.count(), real.len());
}

/// What a flood filled is free again when its time is over, and no memory grows with floods.
#[test]
fn floods_that_follow_each_other_use_the_same_places() {
    let mut conntrack = Conntrack::new(Config { max: 1000, ..Config::default() }, 7);
    let mut now = START;
    for flood in 0..20 {
        for number in 0..1000 {
            assert!(matches!(pass(&mut conntrack, now, spoofed(flood * 1000 + number)), PacketIn::Pass(_)));
        }
        assert_eq!(conntrack.len(), 1000);
        now = now + Duration::from_secs(31);
    }
    assert_eq!(conntrack.stats().early_drop, 0);
    let (counts, _) = conntrack.distribution();
    let tuples: usize = counts.iter().enumerate().map(|(number, buckets)| number * buckets).sum();
    assert_eq!(tuples, 2000, "the index holds two tuples for each connection and no leftovers");
}

/// However tuples are chosen by one who does not know the key, they lie as chance would have it.
#[test]
fn chosen_tuples_spread_as_random_ones_do() {
    const FLOWS: u32 = 20_000;
    let choices: [fn(u32) -> [u8; 28]; 5] = [
        |n| udp(0x0a00_0001, n as u16, 0xc000_0201, 443),
        |n| udp(0x0a00_0000 + n, 5353, 0xc000_0201, 53),
        |n| udp(n.reverse_bits(), (n as u16).reverse_bits(), 0xc000_0201, 80),
        |n| udp(n ^ 0x5555_5555, 1000, n ^ 0xaaaa_aaaa, 2000),
        |n| udp(0x0a00_0000 + n, n as u16, 0x0b00_0000 - n, !(n as u16)),
    ];
    for (number, choice) in choices.into_iter().enumerate() {
        let mut conntrack = Conntrack::new(Config { max: FLOWS as usize, ..Config::default() }, 99);
        for flow in 0..FLOWS {
            assert!(matches!(pass(&mut conntrack, START, choice(flow)), PacketIn::Pass(_)));
        }
        assert_eq!(conntrack.len(), FLOWS as usize);
        let (counts, longest) = conntrack.distribution();
        // The mean is 9.6 of twelve: by Poisson's law 0.0016 of all buckets hold three or fewer, and the longest run of
        // full ones is some dozens among four thousand.
        let buckets: usize = counts.iter().sum();
        let empty: usize = counts[..4].iter().sum();
        assert!(empty * 100 < buckets * 3, "choice {number}: {counts:?}");
        assert!(longest <= 100, "choice {number}: a look-up reads {longest} lines");
    }
}

/// One source with very many connections: adding one costs the same whatever their number.
#[test]
fn a_hundred_thousand_connections_of_one_source_with_nat() {
    use ironweir_conntrack::{Manip, NatRange};
    use ironweir_wire::Address;
    let mut conntrack = Conntrack::new(Config::default(), 3);
    for peer in 0..100_000 {
        let mut bytes = udp(0x0a00_0001, 6881, 0x0c00_0000 + peer, 6881);
        let (packet, info) = dissected(&mut bytes);
        let PacketIn::Pass(tracking) = conntrack.packet_in(START, &packet, &info, &Template::default())
        else {
            panic!("dropped");
        };
        let (ct, _) = tracking.flow().expect("a connection");
        let range = NatRange::default().to_address(Address::v4([203, 0, 113, 1]));
        conntrack.nat_setup(ct, &range, Manip::Source);
        assert_eq!(conntrack.confirm(START, tracking), Confirm::Pass(tracking));
    }
    let ports = conntrack.iter().map(|(_, entry)| entry.tuple(ironweir_conntrack::Direction::Reply).dst_id);
    assert!(ports.into_iter().all(|port| port == 6881), "the mapping of the first is that of all");
    conntrack.expire(START + Duration::from_secs(60));
    assert!(conntrack.is_empty());
}

/// A vector does a bounded part of the work, however much there is; what is left over is as good as gone.
#[test]
fn many_timeouts_at_once_are_spread_over_vectors() {
    const FLOWS: u32 = 100_000;
    let mut conntrack = Conntrack::new(Config::default(), 5);
    for number in 0..FLOWS {
        pass(&mut conntrack, START, spoofed(number));
    }
    let now = START + Duration::from_secs(30);
    let mut left = conntrack.len();
    let mut vectors = 0;
    while left > 64 {
        // Packets of connections that are over begin new ones.
        let mut packets: Vec<_> = (0..32).map(|number| spoofed(FLOWS - 1 - number)).collect();
        let tracked = vector(&mut conntrack, now, &mut packets);
        for tracking in tracked {
            let (ct, info) = tracking.flow().expect("a connection");
            assert_eq!(info, CtInfo::New, "its time was up");
            conntrack.release(ct);
        }
        let now_left = conntrack.len();
        assert!(left - now_left <= 3 * 32, "a vector of 32 packets cleared {} away", left - now_left);
        // Looking at a place once more when its wheel's level is reached costs a few vectors.
        left = now_left;
        vectors += 1;
        assert!(vectors < FLOWS, "nothing is cleared away");
    }
    conntrack.expire(now);
    assert!(conntrack.is_empty());
}

/// The clock is set back by a year, and forth again, while connections live.
#[test]
fn time_that_jumps_back_neither_ends_nor_immortalises_connections() {
    let year = Duration::from_secs(365 * 86_400);
    let mut conntrack = Conntrack::new(Config { max: 100, ..Config::default() }, 5);
    let late = START + year;
    for number in 0..50 {
        pass(&mut conntrack, late, spoofed(number));
    }
    // Those that came before the jump live on, at most the year longer; those that come after it live as long as ever.
    for number in 50..100 {
        pass(&mut conntrack, START, spoofed(number));
    }
    assert_eq!(conntrack.len(), 100);
    conntrack.expire(START + Duration::from_secs(29));
    assert_eq!(conntrack.len(), 100);
    conntrack.expire(START + Duration::from_secs(31));
    assert_eq!(conntrack.len(), 50);
    // A full table makes room by them, for they were never answered.
    for number in 100..300 {
        let result = pass(&mut conntrack, START + Duration::from_secs(32), spoofed(number));
        assert!(matches!(result, PacketIn::Pass(_)));
    }
    conntrack.expire(late + Duration::from_secs(31));
    assert!(conntrack.is_empty());
    assert_eq!(conntrack.next_deadline(), None);
}

/// First fragments without end: held within the limit, forgotten in time.
#[test]
fn a_flood_of_fragments_is_held_within_its_limit() {
    let limits = Limits { memory: 256 << 10, ..Limits::default() };
    let mut defrag = Defrag::new(limits, 1);
    let mut held = 0;
    for id in 0..50_000_u32 {
        let mut bytes = udp(0x0b00_0000 + id, 1, 0x0a00_0001, 2);
        bytes[4..6].copy_from_slice(&(id as u16).to_be_bytes());
        bytes[6] = 0x20;
        let mut packet = Packet::new(&mut bytes, 0, 28, LinkType::None);
        packet.meta.protocol = ethertype::IPV4;
        held += u32::from(matches!(defrag.push(START, &packet, 0), Fragment::Held));
        // The last that is taken in may go beyond.
        assert!(defrag.held() <= limits.memory + 1024);
    }
    assert!(held > 100, "some are held: {held}");
    defrag.expire(START + Duration::from_secs(31));
    assert_eq!(defrag.held(), 0);
}

/// One datagram in as many pieces as it can have, none beside another, from the last to the first: each costs the same.
#[test]
fn a_datagram_of_eight_thousand_pieces_is_put_together() {
    let mut defrag = Defrag::new(Limits::default(), 1);
    let last = 8180_u16;
    let order = (0..=last).rev().filter(|at| at % 2 == 0).chain((0..=last).rev().filter(|at| at % 2 == 1));
    for (number, at) in order.enumerate() {
        let mut bytes = udp(0x0b00_0000, 1, 0x0a00_0001, 2);
        let more = u16::from(at != last) << 13;
        bytes[6..8].copy_from_slice(&(at | more).to_be_bytes());
        let mut packet = Packet::new(&mut bytes, 0, 28, LinkType::None);
        packet.meta.protocol = ethertype::IPV4;
        match defrag.push(START, &packet, 0) {
            Fragment::Held => assert!(number < usize::from(last)),
            Fragment::Whole(mut whole) => {
                assert_eq!(number, usize::from(last));
                assert_eq!((whole.pieces.lens.len(), whole.packet().len()), (8181, 20 + 8181 * 8));
                return;
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("it is not whole");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Vectors are faster and nothing else.
    #[test]
    fn a_vector_does_what_its_packets_would_one_by_one(
        vectors in prop::collection::vec(prop::collection::btree_set((0..40_u16, any::<bool>()), 1..60), 1..12),
        waits in prop::collection::vec(0..40_u64, 12),
        max in prop_oneof![Just(1000_usize), Just(30)],
    ) {
        let config = Config { max, ..Config::default() };
        let (mut one, mut many) = (Conntrack::new(config.clone(), 1), Conntrack::new(config, 1));
        let mut now = START;
        for (packets, wait) in vectors.iter().zip(waits) {
            now = now + Duration::from_secs(wait);
            // A flow is once in a vector: two first packets of one connection meet at confirmation otherwise.
            let mut flows: Vec<(u16, bool)> = packets.iter().copied().collect();
            flows.dedup_by_key(|(flow, _)| *flow);
            let mut bytes: Vec<[u8; 28]> = flows.iter().map(|(flow, answers)| {
                let (client, server) = (0x0a00_0002, 0x0a00_0001);
                if *answers { udp(server, 53, client, *flow) } else { udp(client, *flow, server, 53) }
            }).collect();
            if max < 1000 {
                // What a full table sacrifices depends on what is confirmed already.
                bytes.truncate(1);
            }
            let alone: Vec<_> = bytes.iter().map(|bytes| pass(&mut one, now, *bytes)).collect();
            let tracked = vector(&mut many, now, &mut bytes);
            let mut results = Vec::new();
            many.confirm_all(now, &tracked, &mut results);
            for ((alone, tracked), confirmed) in alone.iter().zip(&tracked).zip(&results) {
                let PacketIn::Pass(alone) = alone else { panic!("dropped") };
                prop_assert_eq!(alone.flow().map(|(_, info)| info), tracked.flow().map(|(_, info)| info));
                prop_assert_eq!(*confirmed, Confirm::Pass(*tracked));
            }
            many.expire(now);
            let list = |conntrack: &Conntrack| {
                let mut lines: Vec<String> =
                    conntrack.iter().map(|(_, entry)| entry.display(now).to_string()).collect();
                lines.sort();
                lines
            };
            prop_assert_eq!(list(&one), list(&many));
        }
    }
}
