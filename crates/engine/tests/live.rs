//! What a live host does that a replay of a capture does not: fragments, the way back, packets for the host itself.

mod support;

use std::net::IpAddr;

use ironweir_engine::route::{Action, Entry, Kind, Rule};
use ironweir_engine::{Disposition, DropReason, Engine, Route};
use ironweir_wire::{IfIndex, Instant, LinkType, Packet, PacketType};
use support::*;

const HOP: [u8; 6] = [2, 0, 0, 0, 0, 0xfe];

fn live() -> Engine {
    let mut host = router();
    host.live = true;
    let address = "198.51.100.254".parse().unwrap();
    host.add_neighbour(ironweir_engine::Neighbour { address, mac: HOP, interface: WAN }).unwrap();
    Engine::new(host, 7)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A frame with the don't-fragment bit as wanted, its header's checksum right.
fn with_df(frame: &Frame, df: bool) -> Vec<u8> {
    let mut bytes = frame.bytes();
    bytes[20..22].copy_from_slice(&(if df { 0x4000_u16 } else { 0 }).to_be_bytes());
    bytes[24..26].copy_from_slice(&[0, 0]);
    let sum = ironweir_wire::checksum::Sum::ZERO.bytes(&bytes[14..34]).finish();
    bytes[24..26].copy_from_slice(&sum.to_be_bytes());
    bytes
}

fn put(engine: &mut Engine, iif: IfIndex, mut bytes: Vec<u8>, outgoing: bool) -> (Disposition, Vec<u8>) {
    let len = bytes.len();
    let mut packet = Packet::new(&mut bytes, 0, len, LinkType::Ethernet);
    packet.meta.iif = iif;
    if outgoing {
        packet.meta.packet_type = PacketType::Outgoing;
    }
    let end = engine.process(Instant::from_secs(1000), &mut packet, &mut ());
    (end, packet.head().to_vec())
}

#[test]
fn what_is_too_long_for_a_link_is_cut_or_refused() {
    let mut engine = live();
    // 2,000 bytes of payload: 2,028 with UDP's and IP's header.
    let frame = Frame { payload: 2000, ..udp(LAN, CLIENT, 5000, SERVER, 53) };
    let (end, last) = put(&mut engine, LAN, with_df(&frame, false), false);
    assert_eq!(end, Disposition::Forwarded { oif: WAN, offloaded: false });
    assert_eq!(engine.next_hop(), (Some(ip("198.51.100.254")), true));
    let first = engine.poll_output().unwrap();
    assert_eq!(engine.poll_output(), None);
    // RFC 791: as many bytes as fit, a multiple of 8.
    assert_eq!((first.bytes.len(), &first.bytes[..6], first.addressed), (14 + 1500, &HOP[..], true));
    assert_eq!((&first.bytes[20..22], &last[20..22]), (&[0x20, 0][..], &[0, 185][..]));
    assert_eq!(first.bytes.len() + last.len(), 2 * 34 + 2008);

    let (end, _) = put(&mut engine, LAN, with_df(&frame, true), false);
    assert_eq!(end, Disposition::Dropped(DropReason::TooBig));
    let told = engine.poll_output().unwrap();
    // Fragmentation needed, next MTU 1500 (RFC 1191).
    assert_eq!((told.oif, &told.bytes[34..36], &told.bytes[40..42]), (LAN, &[3, 4][..], &[5, 220][..]));
}

#[test]
fn the_mtu_of_a_route_counts() {
    let mut engine = live();
    engine.change_host(|host| {
        let route = Route { mtu: 1400, ..Route::by(WAN, Some(ip("198.51.100.254"))) };
        host.add_route(ip("203.0.113.0"), 24, route, 0).unwrap();
    });
    let frame = Frame { payload: 1400, ..udp(LAN, CLIENT, 5000, SERVER, 53) };
    let (end, _) = put(&mut engine, LAN, with_df(&frame, true), false);
    assert_eq!(end, Disposition::Dropped(DropReason::TooBig));
    assert_eq!(engine.poll_output().unwrap().bytes[40..42], 1400_u16.to_be_bytes());
}

#[test]
fn a_datagram_for_the_host_is_handed_over_whole() {
    let mut engine = live();
    commit(
        &mut engine,
        vec![
            table(),
            base(
                "in",
                ironweir_ruleset::ChainType::Filter,
                ironweir_ruleset::Hook::Input,
                0,
                ironweir_ruleset::Policy::Accept,
            ),
            rule("in", [ct_state(2), vec![counter()]].concat()),
        ],
    );
    let whole = with_df(&Frame { payload: 1000, ..udp(LAN, CLIENT, 5000, [192, 168, 1, 1], 53) }, false);
    let part = |from: usize, to: usize| {
        let mut bytes = [&whole[..34], &whole[from..to]].concat();
        let total = (bytes.len() - 14) as u16;
        bytes[16..18].copy_from_slice(&total.to_be_bytes());
        let field = ((from - 34) / 8) as u16 | if to < whole.len() { 0x2000 } else { 0 };
        bytes[20..22].copy_from_slice(&field.to_be_bytes());
        bytes[24..26].copy_from_slice(&[0, 0]);
        let sum = ironweir_wire::checksum::Sum::ZERO.bytes(&bytes[14..34]).finish();
        bytes[24..26].copy_from_slice(&sum.to_be_bytes());
        bytes
    };
    assert_eq!(put(&mut engine, LAN, part(34, 514), false).0, Disposition::Stolen);
    assert_eq!(put(&mut engine, LAN, part(514, whole.len()), false).0, Disposition::Stolen);
    let got = engine.poll_local().unwrap();
    assert_eq!(got[20..], whole[34..]);
    assert_eq!(engine.poll_local(), None);
}

#[test]
fn what_programs_send_is_addressed_and_an_error_about_it_comes_back_to_them() {
    let mut engine = live();
    let frame = udp(LAN, [192, 168, 1, 1], 5000, SERVER, 53).bytes();
    let (end, sent) = put(&mut engine, IfIndex::NONE, frame, true);
    assert_eq!(end, Disposition::Sent { oif: WAN });
    assert_eq!((&sent[..6], &sent[6..12], sent[22]), (&HOP[..], &WAN_MAC[..], 64));
    // The same from the wire is somebody's lie.
    let frame = udp(LAN, [192, 168, 1, 1], 5000, SERVER, 53).bytes();
    assert_eq!(put(&mut engine, LAN, frame, false).0, Disposition::Dropped(DropReason::Martian));
    // Too long, and not to be cut: its sender is told.
    let long = Frame { payload: 2000, ..udp(LAN, [192, 168, 1, 1], 5000, SERVER, 53) };
    let (end, _) = put(&mut engine, IfIndex::NONE, with_df(&long, true), true);
    assert_eq!(end, Disposition::Dropped(DropReason::TooBig));
    let told = engine.poll_local().unwrap();
    assert_eq!((&told[16..20], &told[20..22]), (&[192, 168, 1, 1][..], &[3, 4][..]));
}

/// As `Documentation/networking/ip-sysctl.rst` says of `rp_filter`.
#[test]
fn the_way_back_is_asked_for_as_strictly_as_set() {
    let mut engine = live();
    // Somebody of the other side's network, in by the wrong interface; and an address that nothing leads to.
    let wrong = udp(LAN, [198, 51, 100, 9], 1, SERVER, 2).bytes();
    let nowhere = udp(LAN, [203, 0, 113, 9], 1, [198, 51, 100, 9], 2).bytes();
    for (rp_filter, expected) in [(0, [true, true]), (1, [false, false]), (2, [true, false])] {
        engine.change_host(|host| {
            let lan = host.interface(LAN).unwrap().clone();
            assert!(host.change_link(&ironweir_engine::Interface { rp_filter, ..lan }));
            host.remove_route(ip("0.0.0.0"), 0);
            host.add_route(ip("203.0.113.0"), 29, Route::by(WAN, None), 0).unwrap();
        });
        let got = [&wrong, &nowhere].map(|frame| {
            matches!(put(&mut engine, LAN, frame.clone(), false).0, Disposition::Forwarded { .. })
        });
        assert_eq!(got, expected, "{rp_filter}");
    }
}

#[test]
fn rules_and_refusing_routes_send_packets_elsewhere_or_back() {
    let mut engine = live();
    engine.change_host(|host| {
        let route = Route { kind: Kind::Prohibit, ..Route::default() };
        let entry = Entry { prefix: ip("0.0.0.0"), len: 0, table: 100, metric: 0, route };
        host.put_route(&entry, false).unwrap();
        let mut rules = Rule::defaults(false);
        rules.push(Rule { from: Some((CLIENT.into(), 32)), ..Rule::new(10, Action::Table(100)) });
        host.set_rules(false, rules);
    });
    let (end, _) = put(&mut engine, LAN, udp(LAN, CLIENT, 1, SERVER, 2).bytes(), false);
    assert_eq!(end, Disposition::Dropped(DropReason::NoRoute));
    // Administratively prohibited (`ip_error`).
    assert_eq!(engine.poll_output().unwrap().bytes[34..36], [3, 13]);
    let (end, _) = put(&mut engine, LAN, udp(LAN, [192, 168, 1, 11], 1, SERVER, 2).bytes(), false);
    assert_eq!(end, Disposition::Forwarded { oif: WAN, offloaded: false });
}
