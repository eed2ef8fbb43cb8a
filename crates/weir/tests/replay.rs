//! `weir replay` as its users see it.

mod made;

use ironweir_io::capture::LinkNumber;
use made::{ACK, Directory, SYN, pcapng, read, tcp, udp, weir};
use serde_json::Value;

const CLIENT: [u8; 4] = [192, 168, 1, 10];
const SERVER: [u8; 4] = [203, 0, 113, 5];
const PUBLIC: [u8; 4] = [198, 51, 100, 2];

const RULES: &str = "\
define PORTS = { 22, 80 }
table inet f {
	counter web { }
	set seen { type ipv4_addr; flags dynamic; size 100; }
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established accept
		tcp dport $PORTS counter name web add @seen { ip saddr } accept
		udp dport 53 counter drop
	}
}
";

/// A connection to port 80, a query that a rule drops, a datagram that the policy drops.
fn traffic() -> Vec<u8> {
    let (client, server) = ((CLIENT, 40000), (SERVER, 80));
    pcapng([
        ("lan0", tcp(client, server, SYN, 100, 0)),
        ("wan0", tcp(server, client, SYN | ACK, 500, 101)),
        ("lan0", tcp(client, server, ACK, 101, 501)),
        ("lan0", udp(client, (SERVER, 53), b"query")),
        ("lan0", udp(client, (SERVER, 99), b"other")),
    ])
}

fn json(run: &made::Run) -> Value {
    serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", run.out, run.err))
}

#[test]
fn the_json_report_says_what_became_of_every_packet() {
    let directory = Directory::new("json");
    let (rules, capture) = (directory.file("r.nft", RULES), directory.file("c.pcapng", traffic()));
    let run = weir(["replay", &rules, &capture, "--json", "--list"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let report = json(&run);
    let packets = &report["packets"];
    for (name, expected) in
        [("read", 5), ("passed", 3), ("dropped", 2), ("queued", 0), ("stolen", 0), ("malformed", 0)]
    {
        assert_eq!(packets[name], expected, "{name} in {packets}");
    }
    let hits: Vec<(u64, u64, u64)> = report["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| {
            assert_eq!(rule["file"], rules.as_str());
            let number = |key: &str| rule[key].as_u64().unwrap();
            (number("line"), number("packets"), number("bytes"))
        })
        .collect();
    // 20 bytes of IPv4 header, 20 of TCP, 8 of UDP, 5 of payload.
    assert_eq!(hits, [(7, 2, 80), (8, 1, 40), (9, 1, 33)]);
    let chain = &report["chains"][0];
    assert_eq!((chain["hook"].as_str(), chain["priority"].as_i64()), (Some("forward"), Some(0)));
    assert_eq!((chain["policy"].as_str(), chain["policy_packets"].as_u64()), (Some("drop"), Some(1)));
    let drops = report["drops"].as_array().unwrap();
    assert_eq!(drops.len(), 2);
    assert!(
        drops.iter().any(|drop| drop["reason"] == "rule" && drop["handle"] == report["rules"][2]["handle"])
    );
    assert!(drops.iter().any(|drop| drop["reason"] == "policy" && drop["chain"] == "forward"));
    assert_eq!(
        (report["objects"][0]["name"].as_str(), report["objects"][0]["packets"].as_u64()),
        (Some("web"), Some(1))
    );
    assert_eq!(
        (report["sets"][0]["name"].as_str(), report["sets"][0]["added"].as_u64()),
        (Some("seen"), Some(1))
    );
    // Only packets that passed have made connections.
    assert_eq!(report["conntrack"]["created"], 1);
    assert_eq!(report["conntrack"]["by_protocol"]["tcp"], 1);
    assert!(report["packets_per_s"].as_f64().unwrap() > 0.0 && report["elapsed_s"].is_number());
    assert!(report["ruleset"].as_str().unwrap().contains("packets 1 bytes 33 drop"));
}

#[test]
fn the_human_report_links_rules_to_their_lines() {
    let directory = Directory::new("human");
    let (rules, capture) = (directory.file("r.nft", RULES), directory.file("c.pcapng", traffic()));
    let run = weir(["replay", &rules, &capture]);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    for expected in [
        "passed   3   60.0 %",
        &format!("udp dport 53 counter drop ({rules}:9)"),
        "policy of chain inet f forward",
        "connections\n  1 made (tcp 1), 1 at the end",
        "counter  inet f web   1 packets, 40 B",
        "set      inet f seen  1 elements added",
        "packets per second",
    ] {
        assert!(run.out.contains(expected), "no {expected:?} in\n{}", run.out);
    }
}

#[test]
fn surviving_packets_leave_as_nat_made_them_and_replies_map_back() {
    let directory = Directory::new("nat");
    let rules = directory.file(
        "r.nft",
        "table ip nat { chain post { type nat hook postrouting priority srcnat; oifname \"wan0\" masquerade; } }",
    );
    let host = directory.file(
        "host.toml",
        r#"
[[interface]]
name = "lan0"
mac = "02:00:00:00:00:01"
addresses = ["192.168.1.1/24"]
[[interface]]
name = "wan0"
mac = "02:00:00:00:00:03"
addresses = ["198.51.100.2/24"]
[[route]]
dst = "default"
via = "198.51.100.1"
[[neighbour]]
address = "198.51.100.1"
mac = "02:00:00:00:00:04"
dev = "wan0"
"#,
    );
    let mut back = made::ethernet(&tcp((SERVER, 80), (PUBLIC, 40000), SYN | ACK, 500, 101));
    back[..6].copy_from_slice(&[2, 0, 0, 0, 0, 3]);
    let there = made::ethernet(&tcp((CLIENT, 40000), (SERVER, 80), SYN, 100, 0));
    let capture =
        directory.file("c.pcapng", made::of_link(LinkNumber::ETHERNET, [("lan0", there), ("wan0", back)]));
    let (out, dropped) = (directory.path("out.pcapng"), directory.path("dropped.pcapng"));
    let run =
        weir(["replay", &rules, &capture, "--host", &host, "--out", &out, "--dropped", &dropped, "--json"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let left = read(&out);
    assert_eq!(read(&dropped), []);
    // The TTL is one less than the packets were made with, and the checksums are right for that.
    let aged = |packet: Vec<u8>| {
        let mut packet = packet;
        packet[8] -= 1;
        packet[10] += 1;
        packet
    };
    let there = aged(tcp((PUBLIC, 40000), (SERVER, 80), SYN, 100, 0));
    let back = aged(tcp((SERVER, 80), (CLIENT, 40000), SYN | ACK, 500, 101));
    assert_eq!((left[0].0.as_str(), &left[0].1[14..]), ("wan0", &there[..]));
    assert_eq!(left[0].1[..12], [2, 0, 0, 0, 0, 4, 2, 0, 0, 0, 0, 3]);
    assert_eq!((left[1].0.as_str(), &left[1].1[14..]), ("lan0", &back[..]));
}

#[test]
fn dropped_packets_are_written_as_they_came_with_their_reason() {
    let directory = Directory::new("dropped");
    let (rules, capture) = (directory.file("r.nft", RULES), directory.file("c.pcapng", traffic()));
    let dropped = directory.path("dropped.pcapng");
    let run = weir(["replay", &rules, &capture, "--dropped", &dropped]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let came = read(&capture);
    assert_eq!(read(&dropped), came[3..]);
    let bytes = std::fs::read(&dropped).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("rule") && text.contains("policy of chain inet f forward"));
}

#[test]
fn cooked_and_raw_captures_keep_their_link_type() {
    let directory = Directory::new("links");
    let rules = directory.file("r.nft", "table ip x { }");
    let packet = udp((CLIENT, 1), (SERVER, 2), b"x");
    for (link, header) in [
        (LinkNumber::LINUX_SLL, &[0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 8, 0][..]),
        (LinkNumber::RAW, &[]),
        (LinkNumber::NULL, &[2, 0, 0, 0]),
    ] {
        let frame = [header, &packet].concat();
        let capture = directory.file("c.pcapng", made::of_link(link, [("", frame)]));
        let out = directory.path("out.pcapng");
        let run = weir(["replay", &rules, &capture, "--out", &out]);
        assert_eq!(run.code, Some(0), "{}", run.err);
        let (name, bytes) = read(&out).remove(0);
        assert_eq!((name.as_str(), &bytes[..header.len()]), ("eth1", header), "{link}");
        assert_eq!(bytes.len(), header.len() + packet.len());
    }
}

#[test]
fn a_trace_shows_the_way_of_the_packets_that_match() {
    let directory = Directory::new("trace");
    let (rules, capture) = (directory.file("r.nft", RULES), directory.file("c.pcapng", traffic()));
    let run = weir(["replay", &rules, &capture, "--trace", "udp dport 53"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let lines: Vec<&str> = run.out.lines().filter(|line| line.starts_with("trace id ")).collect();
    let id = &lines[0][..17];
    assert!(lines.iter().all(|line| line.starts_with(id)), "{lines:?}");
    let rest: Vec<&str> = lines.iter().map(|line| &line[18..]).collect();
    assert_eq!(
        rest,
        [
            "inet f forward packet: iif \"lan0\" oif \"wan0\" ether saddr 02:00:00:00:00:02 \
             ether daddr 02:00:00:00:00:01 ip saddr 192.168.1.10 ip daddr 203.0.113.5 ip dscp cs0 \
             ip ecn not-ect ip ttl 63 ip id 1 ip length 33 udp sport 40000 udp dport 53 udp length 13",
            "inet f forward rule udp dport 53 counter packets 1 bytes 33 drop (verdict drop)",
        ]
    );
    // What is known only after connection tracking can be asked for too.
    let run = weir(["replay", &rules, &capture, "--trace", "ct state established"]);
    assert_eq!(
        run.out.matches("rule ct state established accept (verdict accept)").count(),
        2,
        "{}",
        run.out
    );
    let run = weir(["replay", &rules, &capture, "--trace", "tcp dport", "--json"]);
    assert_eq!((run.code, run.out.as_str()), (Some(1), ""));
    assert!(run.err.contains("--trace"), "{}", run.err);
}

#[test]
fn the_page_stands_alone_and_names_every_rule() {
    let directory = Directory::new("html");
    let (rules, capture) = (directory.file("r.nft", RULES), directory.file("c.pcapng", traffic()));
    let html = directory.path("page.html");
    let run = weir(["replay", &rules, &capture, "--html", &html]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let page = std::fs::read_to_string(&html).unwrap();
    for expected in ["<svg", "udp dport 53 counter drop", &format!("{rules}:9"), "forward", "</html>"] {
        assert!(page.contains(expected), "no {expected:?}");
    }
    for reference in ["<script", "src=", "href=", "@import", "url(http"] {
        assert!(!page.contains(reference), "{reference}");
    }
}

#[test]
fn bad_input_is_told_and_leaves_no_file() {
    let directory = Directory::new("bad");
    let (rules, capture) = (directory.file("r.nft", RULES), directory.file("c.pcapng", traffic()));
    let cut = traffic();
    let cut = directory.file("cut.pcapng", &cut[..cut.len() - 30]);
    let mut unknown = traffic();
    // The link type of the first Interface Description Block, which follows the section header.
    let at = u32::from_le_bytes(unknown[4..8].try_into().unwrap()) as usize + 8;
    unknown[at..at + 2].copy_from_slice(&147u16.to_le_bytes());
    let unknown = directory.file("unknown.pcapng", unknown);
    let broken = directory.file("broken.nft", "table ip x {\n\tchain y {\n\t\tudp port 5060 drop\n\t}\n}\n");
    let looping = directory.file(
        "loop.nft",
        "table ip x { chain a { jump b; }; chain b { jump a; }; chain c { type filter hook input priority 0; jump a; }; }",
    );
    let nested = directory.file(
        "nested.nft",
        format!("table ip x {{ chain y {{ tcp dport {}22{} }} }}", "{".repeat(200), "}".repeat(200)),
    );
    let host = directory.file("host.toml", "[[interface]]\nname = \"eth0\"\n");
    let typo = directory.file("typo.toml", "[[interface]]\nname = \"eth0\"\nadresses = []\n");
    let before = directory.names();
    let missing = directory.path("none");
    let (out, html) = (directory.path("out"), directory.path("html"));
    for (arguments, expected) in [
        (vec![&rules, &missing], vec![missing.as_str(), "No such file"]),
        (vec![&missing, &capture], vec![&missing, "No such file"]),
        (vec![&rules, &cut], vec![&cut, "truncated", "packet 5"]),
        (vec![&rules, &unknown], vec!["packet 1", "link type 147"]),
        (vec![&rules, &rules], vec![&rules, "no capture"]),
        (vec![&broken, &capture], vec!["broken.nft:3:7-10", "dport", "sport", "    ^^^^"]),
        (vec![&looping, &capture], vec!["loop.nft:1:", "loop"]),
        (vec![&nested, &capture], vec!["nested.nft:1:"]),
    ] {
        let mut arguments: Vec<&str> = arguments.into_iter().map(String::as_str).collect();
        arguments.insert(0, "replay");
        arguments.extend(["--out", &out, "--dropped", &html, "--html", &html]);
        let run = weir(arguments.iter().copied());
        assert_eq!((run.code, run.out.as_str()), (Some(1), ""), "{arguments:?}");
        for word in expected {
            assert!(run.err.contains(word), "no {word:?} in {}", run.err);
        }
        assert_eq!(directory.names(), before, "{arguments:?}");
    }
    for (options, expected) in [
        (["--host", &missing], "No such file"),
        (["--host", &typo], "typo.toml:3:1"),
        (["--host", &host], "interface lan0"),
        (["--iif", "a/b"], "--iif"),
        (["--out", "/nonexistent/x"], "/nonexistent/x"),
    ] {
        let run = weir(["replay", &rules, &capture, options[0], options[1]]);
        assert_eq!((run.code, run.out.as_str()), (Some(1), ""), "{options:?}");
        assert!(run.err.contains(expected), "no {expected:?} in {}", run.err);
    }
}
