//! Kernel and engine beside each other: `weir difftest`. Needs root, network namespaces, veth, `ip`; says so and skips
//! elsewhere, and fails if `CI=true`.

use std::net::IpAddr;
use std::process::Command;

use ironweir::difftest::duel::Duel;
use ironweir::difftest::frames::Arriving;
use ironweir::difftest::generate::build::{self, Network, Transport};
use ironweir::difftest::generate::world;
use ironweir::difftest::rig::{Rig, obstacle};
use ironweir_wire::IfIndex;

/// Whether to go on; tells if not.
fn kernel_is_here() -> bool {
    let Some(why) = obstacle() else { return true };
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip: {why}");
    eprintln!("SKIPPED: kernel and engine cannot be compared: {why}");
    false
}

/// Flowtables are left out: few kernels have them.
#[test]
fn the_examples_go_the_same_way_through_kernel_and_engine() {
    if !kernel_is_here() {
        return;
    }
    for example in ["accounting", "home-gateway", "server"] {
        let file = |name: &str| format!("{}/../../examples/{example}/{name}", env!("CARGO_MANIFEST_DIR"));
        let run = Command::new(env!("CARGO_BIN_EXE_weir"))
            .args(["difftest", &file("rules.nft"), &file("host.toml"), &file("trace.pcapng")])
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&run.stdout);
        let failed = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(0), "{example}: {told}{failed}");
        assert!(told.trim_end().ends_with(": no difference"), "{example}: {told}");
    }
}

/// Generated rulesets and packets. `IRONWEIR_SEQUENCES` and `IRONWEIR_SEED` ask for more, or others.
#[test]
fn generated_sequences_go_the_same_way_through_kernel_and_engine() {
    if !kernel_is_here() {
        return;
    }
    let number = |name: &str, or: usize| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(or);
    let host = ironweir::difftest::generate::world::host().unwrap();
    let (seed, sequences) = (number("IRONWEIR_SEED", 1) as u64, number("IRONWEIR_SEQUENCES", 300));
    let most = number("IRONWEIR_DIFFERENCES", 1);
    let outcome = ironweir::difftest::generate::campaign::run(&host, seed, sequences, most).unwrap();
    println!(
        "{} sequences ({} ended by chance), {} packets, {} rulesets ({} refused)",
        outcome.sequences, outcome.drawn, outcome.packets, outcome.rulesets, outcome.refused
    );
    println!("the first refusal: {}", outcome.refusal.unwrap_or_default());
    assert!(outcome.found.is_empty(), "{}", outcome.found.join("\n\n"));
    assert!(outcome.refused < outcome.rulesets, "most rulesets are refused");
}

/// What both do with some frames, each by interface and in hex.
fn same(rules: &str, frames: &[(u32, &str)]) {
    if !kernel_is_here() {
        return;
    }
    let host = world::host().unwrap();
    let mut rig = Rig::new(&host, false).unwrap();
    let mut duel = Duel::new(&mut rig, &host, &ironweir::machine::names(&host), rules).unwrap();
    let bytes = |hex: &str| {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    };
    let arriving = |(iif, hex): &(u32, &str)| Arriving { iif: IfIndex(*iif), bytes: bytes(hex), number: 0 };
    let frames: Vec<Arriving> = frames.iter().map(arriving).collect();
    let found = duel.all(&frames, true).unwrap();
    assert_eq!(found, None);
}

/// An IPv4 UDP packet from 10.0.1.10 by lan0, with options.
fn with_options(to: [u8; 4], ttl: u8, options: &[u8]) -> Vec<u8> {
    let (from, to) = (IpAddr::from([10, 0, 1, 10]), IpAddr::from(to));
    let network = Network { from, to, ttl, tos: 0, id: 7, df: false };
    let udp = Transport::Udp { ports: [5353, 53], len: 12, checksum: true };
    let packet = network.packet(17, options, &udp.bytes(from, to));
    build::frame([2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 0xaa, 0x10], &packet)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A station that uses the router's own IPv6 address: the error about its packet has that address as its source, too.
#[test]
fn errors_to_the_routers_own_ipv6_address_come_from_that_address() {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    for (iif, mac, from) in
        [(2, [2, 0, 0, 0, 1, 1], "2001:db8:3::1"), (3, [2, 0, 0, 0, 2, 1], "2001:db8:1::1")]
    {
        let (from, to) = (address(from), address("2001:db8:18::7"));
        let network = Network { from, to, ttl: 1, tos: 0, id: 7, df: false };
        let udp = Transport::Udp { ports: [5353, 53], len: 12, checksum: true };
        let frame =
            build::frame(mac, [2, 0, 0, 0, 0xaa, 0x10], &network.packet(17, &[], &udp.bytes(from, to)));
        same("", &[(iif, &hex(&frame))]);
    }
}

/// Record routes and timestamps are written, source routes and what is wrong refused, and errors bring them back.
#[test]
fn ipv4_options_are_the_kernels() {
    let rules = "table ip t { chain f { type filter hook forward priority 0; udp length 99 drop; ip ttl 9 reject; }; }";
    let options: [&[u8]; 16] = [
        &[7, 7, 4, 0, 0, 0, 0, 0],
        &[7, 11, 8, 1, 1, 1, 1, 0, 0, 0, 0, 0],
        &[7, 7, 8, 1, 1, 1, 1, 0],
        &[7, 7, 5, 0, 0, 0, 0, 0],
        &[68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[68, 20, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[68, 12, 5, 3, 10, 0, 1, 1, 0, 0, 0, 0],
        &[68, 12, 5, 3, 10, 0, 1, 9, 0, 0, 0, 0],
        &[68, 8, 9, 0xf0, 1, 1, 1, 1],
        &[68, 8, 9, 0x10, 1, 1, 1, 1],
        &[131, 7, 4, 10, 0, 3, 10, 0],
        &[137, 3, 4, 0],
        &[148, 4, 0, 0],
        &[148, 3, 0, 0],
        &[1, 0, 9, 9],
        &[130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ];
    for ttl in [64, 10, 1] {
        for to in [[198, 18, 0, 7], [10, 0, 3, 10], [10, 0, 1, 1]] {
            let frames = options.map(|options| hex(&with_options(to, ttl, options)));
            same(rules, &frames.each_ref().map(|frame| (2, &**frame)));
        }
    }
}

/// At ingress and egress, bytes of a later fragment are taken for its transport header.
#[test]
fn later_fragments_at_ingress_and_egress_have_ports() {
    let rules = "table netdev t { set s { type inet_service; size 99; flags dynamic; }
        chain in { type filter hook ingress device lan0 priority 0; update @s { th dport }; tcp dport 0-65535 counter; tcp sequence > 1000 counter; }
        chain out { type filter hook egress device wan0 priority 0; update @s { th sport }; meta l4proto udp th dport > 0 counter; }; }";
    for (from, to) in [("10.0.1.10", "198.18.0.7"), ("2001:db8:1::10", "2001:db8:18::7")] {
        let (from, to): (IpAddr, IpAddr) = (from.parse().unwrap(), to.parse().unwrap());
        let network = Network { from, to, ttl: 64, tos: 0, id: 7, df: false };
        let udp = Transport::Udp { ports: [5353, 53], len: 300, checksum: true };
        let parts = network.fragments(17, &udp.bytes(from, to), 104);
        let frames: Vec<String> = parts
            .iter()
            .map(|part| hex(&build::frame([2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 0xaa, 0x10], part)))
            .collect();
        same(rules, &frames.iter().map(|frame| (2, &**frame)).collect::<Vec<_>>());
    }
}

/// A reset that output refuses is quoted with the checksum that it has until it leaves.
#[test]
fn an_error_about_an_own_reset_quotes_a_partial_checksum() {
    let rules = "table inet t {
        chain f { type filter hook forward priority 0; meta l4proto tcp reject with tcp reset; }
        chain o { type filter hook output priority 0; tcp flags rst counter reject; }; }";
    for (from, to) in [("10.0.1.10", "198.18.0.7"), ("2001:db8:1::10", "2001:db8:18::7")] {
        let (from, to): (IpAddr, IpAddr) = (from.parse().unwrap(), to.parse().unwrap());
        let network = Network { from, to, ttl: 64, tos: 0, id: 7, df: true };
        let syn = Transport::Tcp {
            ports: [5000, 80],
            seq: 9,
            ack: 0,
            flags: 2,
            window: 99,
            options: vec![],
            len: 0,
        };
        let packet = network.packet(6, &[], &syn.bytes(from, to));
        same(rules, &[(2, &hex(&build::frame([2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 0xaa, 0x10], &packet)))]);
    }
}

/// An error that quotes a packet is looked at by NAT beyond its first fragment; writing the ports does not get so far.
#[test]
fn what_nat_looks_at_leaves_in_the_first_fragment() {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    for (family, from, to) in [("ip", "10.0.1.10", "198.18.0.7"), ("ip6", "2001:db8:1::10", "2001:db8:18::7")]
    {
        let rules = format!(
            "table {family} t {{ chain c {{ type nat hook postrouting priority 100; oifname wan0 counter masquerade; }}; }}"
        );
        let (from, to) = (address(from), address(to));
        let there = Network { from, to, ttl: 64, tos: 0, id: 7, df: false };
        let back = Network { from: to, to: from, ..there };
        let syn = Transport::Tcp {
            ports: [5000, 80],
            seq: 9,
            ack: 0,
            flags: 2,
            window: 99,
            options: vec![],
            len: 40,
        };
        let udp = Transport::Udp { ports: [53, 5353], len: 60, checksum: true };
        let asked = back.packet(17, &[], &udp.bytes(to, from));
        let (kind, code) = if from.is_ipv6() { (1, 4) } else { (3, 3) };
        let error = Transport::Error { kind, code, rest: 0, quoted: asked.clone() };
        let (lan, wan, station) = ([2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 2, 1], [2, 0, 0, 0, 0xaa, 0x10]);
        let mut frames = vec![(3, build::frame(wan, station, &asked))];
        for (transport, size) in [(&syn, 16), (&syn, 24), (&error, 16), (&error, 24), (&error, 56)] {
            let protocol = transport.protocol(from.is_ipv6());
            let parts = there.fragments(protocol, &transport.bytes(from, to), size);
            frames.extend(parts.iter().map(|part| (2, build::frame(lan, station, part))));
        }
        let frames: Vec<(u32, String)> = frames.iter().map(|(iif, frame)| (*iif, hex(frame))).collect();
        same(&rules, &frames.iter().map(|(iif, frame)| (*iif, &**frame)).collect::<Vec<_>>());
    }
}

/// Where a packet came in is not known at egress; what it was routed to here may be another's once a rule wrote it.
#[test]
fn egress_has_no_input_interface_and_nobody_answers_for_another_address() {
    let rules = "table netdev n { chain out { type filter hook egress device wan0 priority 0;
            iif 2 counter; iif 0 counter; iifname lan0 counter; meta iifgroup 0 counter; meta iiftype ether counter; }; }
        table inet t { chain i { type filter hook input priority 0;
            ip ttl 60 ip daddr set 10.0.3.11 reject; ip ttl 61 ip daddr set 10.0.3.1 reject; reject; }; }";
    let nop = [1, 1, 1, 1];
    let frames = [([198, 18, 0, 7], 64), ([10, 0, 1, 1], 60), ([10, 0, 1, 1], 61), ([10, 0, 1, 1], 62)];
    let frames = frames.map(|(to, ttl)| hex(&with_options(to, ttl, &nop)));
    same(rules, &frames.each_ref().map(|frame| (2, &**frame)));
}

/// Of 0.0.0.0/8 nothing but 0.0.0.0 is special.
#[test]
fn the_rest_of_the_zero_network_is_like_others() {
    let rules = "table ip t { chain p { type filter hook prerouting priority 0; fib daddr type unicast counter; fib daddr type broadcast counter; }; }";
    let options: [&[u8]; 2] = [&[1, 1, 1, 1], &[68, 12, 5, 3, 0, 0, 0, 9, 0, 0, 0, 0]];
    let frames: Vec<String> = [[0, 0, 0, 0], [0, 0, 0, 9], [198, 18, 0, 7]]
        .into_iter()
        .flat_map(|to| options.map(|options| hex(&with_options(to, 64, options))))
        .collect();
    same(rules, &frames.iter().map(|frame| (2, &**frame)).collect::<Vec<_>>());
}

/// Rejects ask for the checksum that connection tracking found, which later hooks believe (`nf_ip_checksum`).
#[test]
fn rejects_believe_the_checksum_that_connection_tracking_found() {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let writes = [
        "",
        "@th,16,16 set 80",
        "@th,16,16 set 80 ip ttl set 9",
        "@th,16,16 set 80 ip6 hoplimit set 9",
        "@th,16,16 set 80 ip saddr set 10.0.1.11",
        "@th,16,16 set 80 ip6 saddr set 2001:db8:1::11",
        "tcp dport set 80",
    ];
    for write in writes {
        for (answer, untrack) in [
            ("with tcp reset", false),
            ("with icmpx port-unreachable", false),
            ("with tcp reset", true),
            ("with icmpx port-unreachable", true),
        ] {
            let untrack =
                if untrack { "chain r { type filter hook prerouting priority -300; notrack; }" } else { "" };
            let rules = format!("table inet t {{ {untrack}
                chain f {{ type filter hook forward priority 0; meta l4proto tcp {write} counter reject {answer}; meta l4proto tcp counter reject {answer}; }}
                chain i {{ type filter hook input priority 0; meta l4proto tcp {write} counter reject {answer}; meta l4proto tcp counter reject {answer}; }} }}");
            let mut frames = Vec::new();
            for (from, tos) in [
                ("10.0.1.10", ["198.18.0.7", "10.0.1.1"]),
                ("2001:db8:1::10", ["2001:db8:18::7", "2001:db8:1::1"]),
            ] {
                for (port, to) in (5000..).zip(tos) {
                    let (from, to) = (address(from), address(to));
                    let network = Network { from, to, ttl: 64, tos: 0, id: 7, df: true };
                    let syn = Transport::Tcp {
                        ports: [port, 99],
                        seq: 9,
                        ack: 0,
                        flags: 2,
                        window: 99,
                        options: vec![],
                        len: 4,
                    };
                    let right = network.packet(6, &[], &syn.bytes(from, to));
                    let mut wrong = right.clone();
                    *wrong.last_mut().unwrap() ^= 1;
                    frames.extend([right, wrong].map(|packet| {
                        hex(&build::frame([2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 0xaa, 0x10], &packet))
                    }));
                }
            }
            same(&rules, &frames.iter().map(|frame| (2, &**frame)).collect::<Vec<_>>());
        }
    }
}

/// Of a datagram's fragments each is sent elsewhere at egress; one that is dropped ends the rest.
#[test]
fn fragments_are_forwarded_one_by_one_at_egress() {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    for action in ["fwd to \"dmz0\"", "numgen inc mod 2 0 fwd to \"dmz0\"", "numgen inc mod 3 1 drop"] {
        let rules = format!(
            "table netdev n {{ chain o {{ type filter hook egress device wan0 priority 0; counter {action}; }}; }}"
        );
        for (from, to) in [("10.0.1.10", "198.18.0.7"), ("2001:db8:1::10", "2001:db8:18::7")] {
            let (from, to) = (address(from), address(to));
            let network = Network { from, to, ttl: 64, tos: 0, id: 7, df: false };
            let udp = Transport::Udp { ports: [5353, 53], len: 300, checksum: true };
            let parts = network.fragments(17, &udp.bytes(from, to), 104);
            let frame =
                |part: &Vec<u8>| hex(&build::frame([2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 0xaa, 0x10], part));
            let frames: Vec<String> = parts.iter().map(frame).collect();
            same(&rules, &frames.iter().map(|frame| (2, &**frame)).collect::<Vec<_>>());
        }
    }
}

/// A rule that writes the destination of one of the host's own packets does not change its way; NAT and chains of type
/// `route` do.
#[test]
fn own_packets_are_routed_anew_by_nat_and_route_chains_alone() {
    for kind in ["filter", "route"] {
        for write in ["ip daddr set 10.0.3.11", "ip daddr set 10.0.1.1", "meta mark set 7"] {
            let rules = format!(
                "table ip t {{ chain o {{ type {kind} hook output priority 0; {write} counter; }};
                    chain f {{ type filter hook forward priority 0; reject; }}; }}"
            );
            let frame = hex(&with_options([198, 18, 0, 7], 64, &[1, 1, 1, 1]));
            same(&rules, &[(2, &frame)]);
        }
    }
    let rules = "table ip t { chain o { type nat hook output priority -100; dnat to 10.0.3.11; };
        chain f { type filter hook forward priority 0; reject with icmp port-unreachable; }; }";
    same(rules, &[(2, &hex(&with_options([198, 18, 0, 7], 64, &[1, 1, 1, 1])))]);
}

/// A copy passes output and postrouting before its packet goes on to the next rule; one of a datagram that came in fragments
/// leaves in fragments.
#[test]
fn copies_go_their_way_before_their_packet_does() {
    let (v4, v6) = ("dup to 10.0.3.11 device \"dmz0\"", "dup to 2001:db8:3::11 device \"dmz0\"");
    for (family, copy, from, to) in
        [("ip", v4, "10.0.1.10", "198.18.0.7"), ("ip6", v6, "2001:db8:1::10", "2001:db8:18::7")]
    {
        for hook in ["prerouting", "forward", "postrouting"] {
            let rules = format!(
                "table {family} t {{ limit l {{ rate 1/day burst 2 packets; }}
                    chain c {{ type filter hook {hook} priority 0; meta l4proto udp limit name \"l\" {copy} counter limit name \"l\" counter drop; }}
                    chain p {{ type filter hook postrouting priority 10; oifname dmz0 limit name \"l\" counter drop; }} }}"
            );
            let (from, to): (IpAddr, IpAddr) = (from.parse().unwrap(), to.parse().unwrap());
            let network = Network { from, to, ttl: 64, tos: 0, id: 7, df: false };
            let udp = Transport::Udp { ports: [5353, 53], len: 300, checksum: true };
            let whole =
                [64, 1, 0].map(|ttl| Network { ttl, ..network }.packet(17, &[], &udp.bytes(from, to)));
            let parts = [whole.to_vec(), network.fragments(17, &udp.bytes(from, to), 104)].concat();
            let frame =
                |part: &Vec<u8>| hex(&build::frame([2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 0xaa, 0x10], part));
            let frames: Vec<String> = parts.iter().rev().chain(&parts).map(frame).collect();
            same(&rules, &frames.iter().map(|frame| (2, &**frame)).collect::<Vec<_>>());
        }
    }
    let rules = "table netdev n { chain o { type filter hook egress device wan0 priority 0; numgen inc mod 3 < 2 counter ip ttl set 9 dup to \"dmz0\"; counter; }
        chain d { type filter hook egress device dmz0 priority 0; numgen inc mod 2 0 counter dup to \"dmz0\"; counter; }; }";
    let frames = [9, 20, 30].map(|ttl| hex(&with_options([198, 18, 0, 7], ttl, &[1, 1, 1, 1])));
    same(rules, &frames.each_ref().map(|frame| (2, &**frame)));
}

/// `ct helper` is that of the connection which announced this one, not its own.
#[test]
fn ct_helper_is_the_masters() {
    let rules = "table ip t { ct helper files { type \"ftp\" protocol tcp; l3proto ip; }
        chain f { type filter hook forward priority 0; ct helper set \"files\" counter; ct helper \"ftp\" counter; }; }";
    let (from, to): (IpAddr, IpAddr) = ([10, 0, 1, 10].into(), [198, 18, 0, 7].into());
    let network = Network { from, to, ttl: 64, tos: 0, id: 7, df: false };
    let syn =
        Transport::Tcp { ports: [5000, 21], seq: 9, ack: 0, flags: 2, window: 99, options: vec![], len: 0 };
    let packet = network.packet(6, &[], &syn.bytes(from, to));
    let frame = hex(&build::frame([2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 0xaa, 0x10], &packet));
    same(rules, &[(2, &frame), (2, &frame)]);
}

/// GRE without a header, in a packet whose options were written and whose header's checksum was not yet.
#[test]
fn gre_without_a_header_is_rejected_whatever_its_checksum() {
    let rules = "table ip t { chain f { type filter hook forward priority 0; reject; }; }";
    let (from, to): (IpAddr, IpAddr) = ([10, 0, 1, 10].into(), [198, 18, 0, 7].into());
    let network = Network { from, to, ttl: 64, tos: 0, id: 7, df: true };
    let frames = [0, 2, 4, 8].map(|len| {
        let packet = network.packet(47, &[0x44, 4, 5, 0], &vec![0; len]);
        hex(&build::frame([2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 0xaa, 0x10], &packet))
    });
    same(rules, &frames.each_ref().map(|frame| (2, &**frame)));
}
