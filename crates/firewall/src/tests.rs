use super::*;
use ironweir_engine::{Malformed, Neighbour};

const LAN: IfIndex = IfIndex(1);
const WAN: IfIndex = IfIndex(2);

fn firewall(rules: &str) -> Firewall {
    let mut host = Host::default();
    for (index, name, mac, address) in
        [(LAN, "lan0", [2, 0, 0, 0, 1, 1], [10, 0, 1, 1]), (WAN, "wan0", [2, 0, 0, 0, 2, 1], [10, 0, 2, 1])]
    {
        let mut interface = Interface::new(index, name);
        interface.mac = mac;
        interface.addresses.push((address.into(), 24));
        host.add_interface(interface).unwrap();
    }
    let mut firewall = Firewall::new(host, 1);
    firewall.nft(rules).unwrap();
    firewall
}

/// UDP to port 53 without a checksum; its addresses in Ethernet and IPv4.
fn query(from: [u8; 4], to: [u8; 4]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 1, 2, 8, 0];
    frame.extend([0x45, 0, 0, 29, 0, 1, 0, 0, 64, 17, 0, 0]);
    frame.extend([from, to].concat());
    let sum = ironweir_wire::checksum::Sum::default().bytes(&frame[14..]).finish();
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame.extend([0x10, 0, 0, 53, 0, 9, 0, 0, b'?']);
    frame
}

fn at(seconds: u64) -> Instant {
    Instant::from_secs(seconds)
}

#[test]
fn a_frame_leaves_addressed_or_says_whose_address_is_missing() {
    let mut firewall = firewall("table ip f { chain c { type filter hook forward priority 0; counter; }; }");
    let frame = query([10, 0, 1, 2], [10, 0, 2, 2]);
    let passage = firewall.receive(at(1), LAN, &frame);
    let [sent] = &passage.sent[..] else { panic!("{passage:?}") };
    assert_eq!((sent.oif, sent.ethernet, sent.addressed), (WAN, true, false));
    assert_eq!(sent.next_hop, Some([10, 0, 2, 2].into()));
    let neighbour = Neighbour { address: [10, 0, 2, 2].into(), mac: [2, 0, 0, 0, 2, 2], interface: WAN };
    firewall.engine_mut().change_host(|host| host.add_neighbour(neighbour).unwrap());
    let passage = firewall.receive(at(1), LAN, &frame);
    assert!(passage.sent[0].addressed);
    assert_eq!(passage.sent[0].bytes[..12], [2, 0, 0, 0, 2, 2, 2, 0, 0, 0, 2, 1]);
    assert_eq!(passage.sent[0].bytes[22], 63, "a hop less");
    assert!(firewall.ruleset().contains("counter packets 2 bytes 58"), "{}", firewall.ruleset());
}

#[test]
fn what_is_for_the_host_comes_back_without_its_link_header() {
    let mut firewall = firewall("add table ip f");
    let frame = query([10, 0, 1, 2], [10, 0, 1, 1]);
    let passage = firewall.receive(at(1), LAN, &frame);
    assert_eq!(passage.disposition, Disposition::Local);
    assert_eq!((passage.sent.len(), &passage.local[..]), (0, &[frame[14..].to_vec()][..]));
}

#[test]
fn the_hosts_own_packets_go_through_output_and_their_answers_come_back() {
    let mut firewall = firewall(
        "table ip f { chain i { type filter hook input priority 0; policy drop; ct state established accept; }
         chain o { type filter hook output priority 0; counter; }; }",
    );
    let own = query([10, 0, 2, 1], [10, 0, 2, 2]);
    let sent = firewall.send(at(1), &own[14..]);
    assert_eq!(sent.disposition, Disposition::Sent { oif: WAN });
    assert_eq!((sent.sent[0].oif, sent.sent[0].ethernet), (WAN, false));
    let mut answer = query([10, 0, 2, 2], [10, 0, 2, 1]);
    answer[..6].copy_from_slice(&[2, 0, 0, 0, 2, 1]);
    // Ports the other way round.
    answer[34..38].copy_from_slice(&[0, 53, 0x10, 0]);
    assert_eq!(firewall.receive(at(2), WAN, &answer).disposition, Disposition::Local);
    assert_eq!(firewall.engine().conntrack().stats().created.iter().sum::<u64>(), 1);
}

#[test]
fn a_trace_names_the_rule_and_its_line_tells_its_text() {
    let rules = "table ip f { chain c { type filter hook forward priority 0; udp dport 53 drop; }; }";
    let (passage, trace) = firewall(rules).explain(at(1), LAN, &query([10, 0, 1, 2], [10, 0, 2, 2]));
    assert!(trace.contains("ip f c rule udp dport 53 drop (verdict drop)"), "{trace}");
    let firewall = firewall(rules);
    let told = firewall.describe(passage.disposition);
    assert!(
        told.starts_with("dropped: rule ") && told.ends_with("of chain ip f c: udp dport 53 drop"),
        "{told}"
    );
}

#[test]
fn commands_are_done_whole_or_refused_with_their_places() {
    let mut firewall = firewall("table ip f { counter c { packets 3 bytes 9 }; }");
    let refused = firewall.nft("add table ip g\nadd rule ip h c accept").unwrap_err();
    assert!(refused.text.starts_with("commands:2:13-13: Error: "), "{}", refused.text);
    assert_eq!(firewall.ruleset().matches("table").count(), 1, "nothing of them was done");
    let told = firewall.nft("list counters").unwrap();
    assert!(told.output.contains("packets 3 bytes 9"), "{}", told.output);
    assert_eq!(firewall.counter(&TableId::new(Family::Ip, "f"), "c"), Some((3, 9)));
    assert_eq!(firewall.counter(&TableId::new(Family::Ip, "f"), "d"), None);
}

#[test]
fn no_beginning_of_a_frame_does_harm() {
    let mut firewall = firewall("table ip f { chain c { type filter hook forward priority 0; drop; }; }");
    let frame = query([10, 0, 1, 2], [10, 0, 2, 2]);
    for end in 0..frame.len() {
        for iif in [LAN, IfIndex(9), IfIndex::NONE] {
            firewall.receive(at(1), iif, &frame[..end]);
            firewall.explain(at(1), iif, &frame[..end]);
        }
        firewall.send(at(1), &frame[..end]);
    }
    let short = firewall.receive(at(1), LAN, &frame[..10]).disposition;
    assert_eq!(short, Disposition::Dropped(DropReason::Malformed(Malformed::Link)));
}

/// A SYN to port 99 that announces segments of 9000 bytes.
fn syn() -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 1, 2, 8, 0];
    frame.extend([0x45, 0, 0, 44, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 1, 2, 10, 0, 2, 2]);
    let sum = ironweir_wire::checksum::Sum::default().bytes(&frame[14..]).finish();
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame.extend([0x10, 0, 0, 99, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 2, 0xff, 0xff, 0, 0, 0, 0, 2, 4, 0x23, 0x28]);
    frame
}

#[test]
fn segments_are_clamped_to_what_gets_through_both_ways() {
    // What Linux 6.18 made of the same, sender and routes, as a router between namespaces.
    let clamp = "tcp flags syn tcp option maxseg size set rt mtu";
    let mut firewall =
        firewall(&format!("table ip f {{ chain c {{ type filter hook forward priority 0; {clamp}; }}; }}"));
    let announced = |firewall: &mut Firewall| {
        let passage = firewall.receive(at(1), LAN, &syn());
        u16::from_be_bytes([passage.sent[0].bytes[56], passage.sent[0].bytes[57]])
    };
    assert_eq!(announced(&mut firewall), 1460);
    let route = |interface, mtu| Route { mtu, ..Route::by(interface, None) };
    let add = |firewall: &mut Firewall, to: [u8; 4], route| {
        firewall.engine_mut().change_host(|host| host.add_route(to.into(), 32, route, 0).unwrap());
    };
    add(&mut firewall, [10, 0, 2, 2], route(WAN, 1400));
    assert_eq!(announced(&mut firewall), 1360, "there");
    add(&mut firewall, [10, 0, 1, 2], route(LAN, 1300));
    assert_eq!(announced(&mut firewall), 1260, "and back");
    firewall.engine_mut().change_host(|host| {
        host.remove_route([10, 0, 1, 2].into(), 32);
        let mut lan = host.interface(LAN).unwrap().clone();
        lan.mtu = 1200;
        host.change_link(&lan);
    });
    assert_eq!(announced(&mut firewall), 1160, "the link back");
}
