//! Connections, their translation, and flowtables.

mod support;

use ironweir_conntrack::Direction;
use ironweir_engine::{Carried, Engine, FlowChange};
use ironweir_expr::env::NatKind;
use ironweir_expr::flow_offload::FlowOffload;
use ironweir_expr::masq::Masq;
use ironweir_expr::nat::{Flags, Kind, Nat};
use ironweir_expr::{Register, connlimit::Connlimit};
use ironweir_ruleset::{ChainType, Change, Expr, Family, Hook, Policy};
use support::*;

fn masquerade() -> Expr {
    Expr::Masq(Masq { flags: Flags::empty(), ports: None })
}

fn dnat(to: [u8; 4], port: u16) -> Vec<Expr> {
    let second = Register::from_number(9).unwrap();
    vec![
        value(Register::R1, &to),
        value(second, &port.to_be_bytes()),
        Expr::Nat(Nat {
            kind: Kind::Dnat,
            family: Family::Ip,
            addresses: Some((Register::R1, None)),
            ports: Some((second, None)),
            flags: Flags::MAP_IPS | Flags::PROTO_SPECIFIED,
        }),
    ]
}

fn gateway(more: Vec<Change>) -> Engine {
    let _ = NatKind::Snat;
    let mut changes = vec![
        table(),
        base("pre", ChainType::Nat, Hook::Prerouting, -100, Policy::Accept),
        base("post", ChainType::Nat, Hook::Postrouting, 100, Policy::Accept),
        base("fwd", ChainType::Filter, Hook::Forward, 0, Policy::Accept),
        rule("post", [oif(WAN), vec![counter(), masquerade()]].concat()),
        rule("pre", [dport(8080), dnat([192, 168, 1, 20], 80)].concat()),
    ];
    changes.extend(more);
    engine(changes)
}

#[test]
fn masqueraded_packets_and_their_replies_are_translated_with_right_checksums() {
    let mut engine = gateway(vec![]);
    let out = send(&mut engine, 0, &udp(LAN, CLIENT, 5000, SERVER, 53));
    assert!(out.forwarded() && out.sums_up());
    assert_eq!((out.src(), out.sport()), (PUBLIC, 5000));
    let back = send(&mut engine, 10, &udp(WAN, SERVER, 53, PUBLIC, 5000));
    assert!(back.forwarded() && back.sums_up());
    assert_eq!((back.dst(), back.dport(), back.src()), (CLIENT, 5000, SERVER));
    // The nat chain is asked once.
    send(&mut engine, 20, &udp(LAN, CLIENT, 5000, SERVER, 53));
    assert_eq!(counts(&engine, "post"), [1]);
    // Another client with the same port gets another one.
    let other = send(&mut engine, 30, &udp(LAN, [192, 168, 1, 11], 5000, SERVER, 53));
    assert_eq!(other.src(), PUBLIC);
    assert_ne!(other.sport(), 5000);
    assert_eq!(engine.conntrack().iter().count(), 2);
}

#[test]
fn masqueraded_connections_end_with_their_address_and_with_their_interface() {
    let mut engine = gateway(vec![]);
    let connections = |engine: &Engine| engine.conntrack().iter().count();
    send(&mut engine, 0, &udp(LAN, CLIENT, 5000, SERVER, 53));
    send(&mut engine, 0, &udp(WAN, SERVER, 53, [192, 168, 1, 30], 5000));
    assert_eq!(connections(&engine), 2);
    assert!(!engine.remove_address(LAN, PUBLIC.into()) && connections(&engine) == 2);
    engine.interface_down(LAN);
    assert_eq!(connections(&engine), 2);
    assert!(engine.remove_address(WAN, PUBLIC.into()));
    assert_eq!(connections(&engine), 1);

    let mut engine = gateway(vec![]);
    send(&mut engine, 0, &udp(LAN, CLIENT, 5000, SERVER, 53));
    engine.interface_down(WAN);
    assert_eq!(connections(&engine), 0);
}

#[test]
fn a_forwarded_port_leads_inside_and_back() {
    let mut engine = gateway(vec![]);
    let syn = send(&mut engine, 0, &tcp(WAN, SERVER, 4000, PUBLIC, 8080, (2, 100, 0)));
    assert!(syn.forwarded() && syn.sums_up(), "{:?}", syn.disposition);
    assert_eq!((syn.dst(), syn.dport()), ([192, 168, 1, 20], 80));
    let answer = send(&mut engine, 1, &tcp(LAN, [192, 168, 1, 20], 80, SERVER, 4000, (0x12, 500, 101)));
    assert!(answer.forwarded() && answer.sums_up());
    assert_eq!((answer.src(), answer.sport()), (PUBLIC, 8080));
}

#[test]
fn a_dropped_first_packet_leaves_no_connection() {
    let mut engine = gateway(vec![
        base("late", ChainType::Filter, Hook::Postrouting, 300, Policy::Drop),
        rule("fwd", [ct_state(NEW), vec![counter()]].concat()),
    ]);
    for at in 0..3 {
        assert!(send(&mut engine, at, &udp(LAN, CLIENT, 5000, SERVER, 53)).dropped());
    }
    assert_eq!((engine.conntrack().len(), counts(&engine, "fwd")), (0, vec![3]));
}

fn offloading() -> Engine {
    gateway(vec![
        flowtable(),
        rule("fwd", vec![counter()]),
        rule(
            "fwd",
            [ct_state(ESTABLISHED), vec![Expr::FlowOffload(FlowOffload { flowtable: "f".into() })]].concat(),
        ),
    ])
}

fn handshake(engine: &mut Engine) {
    let to = |flags, seq, ack| tcp(LAN, CLIENT, 5000, SERVER, 80, (flags, seq, ack));
    let from = |flags, seq, ack| tcp(WAN, SERVER, 80, PUBLIC, 5000, (flags, seq, ack));
    assert!(!send(engine, 0, &to(2, 100, 0)).offloaded());
    assert!(!send(engine, 1, &from(0x12, 900, 101)).offloaded());
    assert!(!send(engine, 2, &to(0x10, 101, 901)).offloaded());
}

#[test]
fn an_established_connection_takes_the_short_way_until_it_closes() {
    let mut engine = offloading();
    handshake(&mut engine);
    assert_eq!(engine.flows().count(), 1);
    let classic = counts(&engine, "fwd")[0];
    let out = send(&mut engine, 3, &tcp(LAN, CLIENT, 5000, SERVER, 80, (0x10, 101, 901)));
    assert!(out.offloaded() && out.sums_up(), "{:?}", out.disposition);
    assert_eq!((out.src(), out.sport(), out.ttl()), (PUBLIC, 5000, 63));
    let back = send(&mut engine, 4, &tcp(WAN, SERVER, 80, PUBLIC, 5000, (0x10, 901, 101)));
    assert!(back.offloaded() && back.sums_up());
    assert_eq!((back.dst(), back.dport()), (CLIENT, 5000));
    assert_eq!(counts(&engine, "fwd")[0], classic);
    let stats = engine.flowtable_stats(0, 0);
    assert_eq!((stats.entries, stats.packets, stats.bytes), (1, 2, 80));
    // Too large, or about to expire: the classic way, and the entry stays.
    let last_hop = Frame { ttl: 1, ..tcp(LAN, CLIENT, 5000, SERVER, 80, (0x10, 101, 901)) };
    assert!(send(&mut engine, 5, &last_hop).dropped());
    let large = Frame { payload: 1480, ..tcp(LAN, CLIENT, 5000, SERVER, 80, (0x10, 101, 901)) };
    let large = send(&mut engine, 5, &large);
    assert!(large.forwarded() && !large.offloaded());
    assert_eq!(engine.flows().count(), 1);
    let fin = send(&mut engine, 6, &tcp(LAN, CLIENT, 5000, SERVER, 80, (0x11, 1541, 901)));
    assert!(fin.forwarded() && !fin.offloaded());
    assert_eq!(engine.flows().count(), 0);
    assert_eq!(engine.flowtable_stats(0, 0).torn_down, 1);
}

#[test]
fn a_connection_picked_up_midway_takes_the_short_way_once_it_is_assured() {
    let mut engine = offloading();
    let to = tcp(LAN, CLIENT, 5000, SERVER, 80, (0x10, 101, 901));
    let from = tcp(WAN, SERVER, 80, PUBLIC, 5000, (0x10, 901, 101));
    let entries = [&to, &from, &to].map(|frame| {
        assert!(send(&mut engine, 0, frame).forwarded());
        engine.flows().count()
    });
    // The first answer is seen only behind the tracker.
    assert_eq!(entries, [0, 0, 1]);
}

#[test]
fn an_entry_ends_by_timeout_by_another_route_and_with_its_flowtable() {
    let mut engine = offloading();
    handshake(&mut engine);
    engine.collect(ironweir_wire::Instant::from_millis(1_000_000 + 29_000));
    assert_eq!(engine.flows().count(), 1);
    engine.collect(ironweir_wire::Instant::from_millis(1_000_000 + 31_000));
    assert_eq!((engine.flows().count(), engine.flowtable_stats(0, 0).expired), (0, 1));

    // However late it is noticed, both end: the entry when it was idle, the connection after its own timeout from then.
    let mut engine = offloading();
    handshake(&mut engine);
    engine.collect(ironweir_wire::Instant::from_secs(1_000_000));
    assert_eq!((engine.flows().count(), engine.conntrack().len()), (0, 0));

    let mut engine = offloading();
    handshake(&mut engine);
    engine.change_host(|host| host.remove_route("0.0.0.0".parse().unwrap(), 0));
    assert!(!send(&mut engine, 3, &tcp(LAN, CLIENT, 5000, SERVER, 80, (0x10, 101, 901))).offloaded());
    assert_eq!(engine.flows().count(), 0);

    let mut engine = offloading();
    handshake(&mut engine);
    commit(&mut engine, vec![Change::FlushRuleset { family: None }]);
    assert_eq!(engine.flows().count(), 0);
}

#[test]
fn ct_count_counts_live_connections() {
    let limit = Expr::Connlimit(Connlimit::new(2, true));
    let mut engine = engine(vec![
        table(),
        base("f", ChainType::Filter, Hook::Forward, 0, Policy::Accept),
        rule("f", vec![limit, counter(), drop()]),
    ]);
    let mut open = |millis, port| send(&mut engine, millis, &udp(LAN, CLIENT, port, SERVER, 53)).forwarded();
    assert_eq!([1, 2, 3, 1, 4].map(|port| open(0, port)), [true, true, false, true, false]);
    // UDP connections without an answer end after 30 seconds.
    assert!(open(31_000, 5));
}

#[test]
fn fragments_are_tracked_as_one_datagram_and_leave_as_fragments() {
    let mut engine = gateway(vec![
        base("raw", ChainType::Filter, Hook::Prerouting, -450, Policy::Accept),
        rule("raw", vec![counter()]),
        rule("fwd", vec![counter()]),
    ]);
    // A datagram of 1,000 bytes of payload, cut behind 480 bytes of UDP.
    let frame = Frame { payload: 1000, ..udp(LAN, CLIENT, 5000, SERVER, 53) };
    let whole = frame.bytes();
    let part = |from: usize, to: usize| {
        let more = to < whole.len();
        let mut bytes = whole[..34].to_vec();
        bytes.extend(&whole[from..to]);
        let total = (bytes.len() - 14) as u16;
        bytes[16..18].copy_from_slice(&total.to_be_bytes());
        let field = ((from - 34) / 8) as u16 | if more { 0x2000 } else { 0 };
        bytes[20..22].copy_from_slice(&field.to_be_bytes());
        bytes[24..26].copy_from_slice(&[0, 0]);
        let sum = ironweir_wire::checksum::Sum::ZERO.bytes(&bytes[14..34]).finish();
        bytes[24..26].copy_from_slice(&sum.to_be_bytes());
        bytes
    };
    let mut put = |bytes: Vec<u8>| {
        let mut buffer = vec![0; 64];
        buffer.extend(bytes);
        let len = buffer.len();
        let mut packet = ironweir_wire::Packet::new(&mut buffer, 64, len, ironweir_wire::LinkType::Ethernet);
        packet.meta.iif = LAN;
        let end = engine.process(ironweir_wire::Instant::from_secs(1000), &mut packet, &mut ());
        (end, packet.head().to_vec())
    };
    assert_eq!(put(part(34, 514)).0, ironweir_engine::Disposition::Stolen);
    let (end, last) = put(part(514, whole.len()));
    assert_eq!(end, ironweir_engine::Disposition::Forwarded { oif: WAN, offloaded: false });
    let first = engine.poll_output().expect("the first fragment");
    assert_eq!(engine.poll_output(), None);
    assert_eq!((&first.bytes[26..30], &last[26..30]), (&PUBLIC[..], &PUBLIC[..]));
    assert_eq!((&first.bytes[20..22], first.bytes[22]), (&[0x20, 0][..], 63));
    let both = [&first.bytes[34..], &last[34..]].concat();
    assert_eq!(both.len(), 1008);
    assert_eq!(both[8..], whole[42..]);
    assert_eq!(
        (counts(&engine, "raw"), counts(&engine, "fwd"), engine.conntrack().len()),
        (vec![2], vec![1], 1)
    );
}

#[test]
fn who_carries_an_entrys_packets_hears_of_it_and_tells_their_number() {
    let mut engine = offloading();
    assert_eq!(engine.take_flow_changes(), []);
    handshake(&mut engine);
    let changes = engine.take_flow_changes();
    let [FlowChange::Begun(id)] = changes[..] else { panic!("{changes:?}") };
    let flow = engine.flow(id).unwrap();
    let carried = Carried {
        id,
        connection: flow.connection,
        flowtable: (flow.table, flow.flowtable),
        direction: Direction::Reply,
        packets: 7,
        bytes: 700,
    };
    let before = engine.flowtable_stats(0, 0).packets;
    let at = |millis: u64| ironweir_wire::Instant::from_millis(1_000_000 + millis);
    engine.advance(at(20_000));
    engine.count_carried(&carried);
    assert_eq!(engine.flowtable_stats(0, 0).packets, before + 7);
    // The thirty seconds begin anew.
    engine.advance(at(45_000));
    assert_eq!(engine.flow(id).unwrap().sides[1].packets, 7);
    // A route that matters to nobody.
    engine.change_host(|host| host.remove_route("203.0.113.0".parse().unwrap(), 24));
    engine.end_rerouted_flows();
    // A connection that is deleted takes its entry along at once.
    let left = engine.flows().count();
    let now = engine.now();
    engine.conntrack_mut().flush(now);
    engine.advance(now);
    assert_eq!((left, engine.flows().count()), (1, 0));
    assert_eq!(engine.take_flow_changes(), [FlowChange::Ended(id)]);
    // What is told late counts for the flowtable alone.
    engine.count_carried(&carried);
    assert_eq!(engine.flowtable_stats(0, 0).packets, before + 14);
}

#[test]
fn another_route_ends_an_entry_without_a_packet() {
    let mut engine = offloading();
    handshake(&mut engine);
    engine.change_host(|host| host.remove_route("0.0.0.0".parse().unwrap(), 0));
    engine.end_rerouted_flows();
    assert_eq!((engine.flows().count(), engine.conntrack().len()), (0, 1));
}
