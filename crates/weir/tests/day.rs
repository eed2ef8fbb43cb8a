//! A day-long capture, made here, replays in seconds with the day's expiries: timeouts of connections and elements, limits
//! and quotas follow the capture's clock. What is expected is counted from the kernel's documented timeouts
//! (`Documentation/networking/nf_conntrack-sysctl.rst`), flow by flow.

mod made;

use std::time::{Duration, Instant};

use made::{ACK, Directory, SYN, tcp, udp, weir};
use serde_json::Value;

const DAY: u64 = 86_400;
const SERVER: [u8; 4] = [203, 0, 113, 5];

const RULES: &str = "\
table inet d {
	quota bytes { over 280000 bytes; }
	set added { type ipv4_addr; flags dynamic, timeout; timeout 1h; size 100; }
	set updated { type ipv4_addr; flags dynamic, timeout; timeout 1h; size 100; }
	chain forward {
		type filter hook forward priority filter; policy accept;
		udp dport 7 limit rate 10/minute burst 5 packets counter comment \"limit\"
		udp dport 7 quota name bytes counter comment \"quota\"
		ip saddr 10.0.0.7 ip saddr @added counter comment \"added\"
		ip saddr 10.0.0.7 add @added { ip saddr }
		ip saddr 10.0.0.8 ip saddr @updated counter comment \"updated\"
		ip saddr 10.0.0.8 update @updated { ip saddr }
		udp dport 53 ct state new counter comment \"new stream\"
		meta l4proto udp ct state established counter comment \"stream\"
		icmp type echo-request ct state new counter comment \"new echo\"
		meta l4proto icmp ct state established counter comment \"echo\"
		tcp dport 22 ct state established counter comment \"long\"
	}
}
";

#[derive(Default)]
struct Day(Vec<(u64, &'static str, Vec<u8>)>);

impl Day {
    /// A packet from a client, so many seconds and milliseconds after midnight.
    fn there(&mut self, at: u64, millis: u64, packet: Vec<u8>) {
        self.0.push((at * 1000 + millis, "lan0", packet));
    }

    fn back(&mut self, at: u64, millis: u64, packet: Vec<u8>) {
        self.0.push((at * 1000 + millis, "wan0", packet));
    }
}

fn client(last: u8, port: u16) -> ([u8; 4], u16) {
    ([10, 0, 0, last], port)
}

fn echo(kind: u8, from: [u8; 4], to: [u8; 4]) -> Vec<u8> {
    let sum = !(u16::from(kind) << 8 | 7);
    let [high, low] = sum.to_be_bytes();
    made::ipv4(from, to, 1, &[kind, 0, high, low, 0, 7, 0, 0])
}

#[test]
fn a_days_timeouts_limits_and_quotas_follow_the_captures_clock() {
    let mut day = Day::default();
    let mut created = 0;

    // Never answered: lives 30 s from each packet. Gaps are 29 s and 31 s in turn.
    for minute in 0..DAY / 60 {
        for second in [0, 29] {
            day.there(minute * 60 + second, 0, udp(client(1, 1000), (SERVER, 1), b""));
        }
        created += 1;
    }
    // Answered, and again 10 s later: then it is a stream, and lives 120 s. Gaps of 119 s, then one of 121 s.
    let cycles = DAY / 369;
    for begin in (0..cycles).map(|cycle| cycle * 369) {
        for second in [0, 10, 129, 248] {
            day.there(begin + second, 0, udp(client(2, 2000), (SERVER, 53), b""));
            if second <= 10 {
                day.back(begin + second, 1, udp((SERVER, 53), client(2, 2000), b""));
            }
        }
        created += 1;
    }
    // Echoes: 30 s.
    for minute in 0..DAY / 60 {
        for second in [0, 29] {
            day.there(minute * 60 + second, 2, echo(8, [10, 0, 0, 3], SERVER));
            day.back(minute * 60 + second, 3, echo(0, SERVER, [10, 0, 0, 3]));
        }
        created += 1;
    }
    // Established TCP lives five days: it is still there after 22 hours of silence.
    day.there(1, 0, tcp(client(4, 4000), (SERVER, 22), SYN, 100, 0));
    day.back(1, 1, tcp((SERVER, 22), client(4, 4000), SYN | ACK, 500, 101));
    day.there(1, 2, tcp(client(4, 4000), (SERVER, 22), ACK, 101, 501));
    day.there(22 * 3600, 0, tcp(client(4, 4000), (SERVER, 22), ACK, 101, 501));
    created += 1;
    // A SYN without answer lives 120 s; sent again after 119 s it is the same connection, after 121 s another.
    for begin in (0..DAY / 240).map(|cycle| cycle * 240) {
        day.there(begin, 4, tcp(client(5, 5000), (SERVER, 80), SYN, 100, 0));
        day.there(begin + 119, 4, tcp(client(5, 5000), (SERVER, 80), SYN, 100, 0));
        created += 1;
    }
    // Every 3 s a packet; ten a minute may pass, and five at first.
    let many = DAY / 3;
    for number in 0..many {
        day.there(number * 3, 5, udp(client(6, 6000), (SERVER, 7), b""));
    }
    created += 1;
    // Two that come every 59 minutes, each time as a new connection; elements live an hour.
    let visits = DAY / 3540 + 1;
    for visit in 0..visits {
        for last in [7, 8] {
            day.there(visit * 3540, 6, udp(client(last, 7000), (SERVER, 1), b""));
            created += 1;
        }
    }

    let mut packets = day.0;
    packets.sort_by_key(|(at, ..)| *at);
    let count = packets.len() as u64;
    let directory = Directory::new("day");
    let (rules, capture) =
        (directory.file("r.nft", RULES), directory.file("c.pcapng", made::pcapng_at(packets)));
    let begun = Instant::now();
    let run = weir(["replay", &rules, &capture, "--json", "--list"]);
    let took = begun.elapsed();
    assert_eq!(run.code, Some(0), "{}", run.err);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(report["packets"]["read"].as_u64(), Some(count));
    // A release build takes a tenth of a second; this is a build for tests on a machine that does other things.
    assert!(took < Duration::from_secs(120), "{took:?}");

    let listed = report["ruleset"].as_str().unwrap();
    let hits = |comment: &str| -> u64 {
        let line = listed.lines().find(|line| line.contains(&format!("comment \"{comment}\"")));
        let words: Vec<&str> = line.unwrap_or_else(|| panic!("{comment}: {listed}")).split(' ').collect();
        let at = words.iter().position(|word| *word == "packets" && words[0] != "limit").unwrap();
        let at =
            if comment == "limit" { words.iter().rposition(|word| *word == "packets").unwrap() } else { at };
        words[at + 1].parse().unwrap()
    };
    // One of ten a minute is a token of 6 s. There are five at first, and never as many again.
    assert_eq!(hits("limit"), ((many - 1) * 3 + 30) / 6);
    // 28 bytes each, of which 280,000 stay below.
    assert_eq!(hits("quota"), many - 10_000);
    // Added and not refreshed: there 59 minutes later, gone after another 59.
    assert_eq!(hits("added"), visits / 2);
    assert_eq!(hits("updated"), visits - 1);
    assert_eq!(hits("new stream"), cycles);
    assert_eq!(hits("stream"), cycles * 5);
    assert_eq!(hits("new echo"), DAY / 60);
    assert_eq!(hits("echo"), DAY / 60 * 3);
    // The handshake's end, and the packet in the evening.
    assert_eq!(hits("long"), 2);
    assert_eq!(report["conntrack"]["created"].as_u64(), Some(created));
}
