//! Captures of control and data connections through a firewall that allows the control connection and what is
//! related to it, `weir replay` run on them, with and without NAT.
//!
//! For NAT a capture is turned into what the peer of a host behind NAT would have sent: to the public address, and
//! acknowledging what it got, payloads changed. What leaves must then be, towards the host, the capture as it was
//! recorded, and towards the peer, the capture with the host's address replaced.

mod made;

use ironweir_io::capture::LinkNumber;
use made::{Directory, of_link, read, shared, weir};
use serde_json::Value;

fn firewall(helper: &str, protocol: &str, port: u16, nat: &str) -> String {
    format!(
        "table inet f {{
	ct helper h {{ type \"{helper}\" protocol {protocol}; }}
	counter related {{ }}
	chain pre {{
		type filter hook prerouting priority filter; policy accept;
		{protocol} dport {port} ct state new ct helper set \"h\"
	}}
	chain forward {{
		type filter hook forward priority filter; policy drop;
		ct state established accept
		ct state related counter name related accept
		ct state new {protocol} dport {port} accept
	}}
	{nat}
}}
"
    )
}

/// A machine that forwards all it gets by eth0 by eth1, told what gateways of SIP need.
const GATEWAYS: &str = "
[conntrack]
sip_direct_media = false

[[interface]]
name = \"eth0\"
index = 2

[[interface]]
name = \"eth1\"
index = 3
addresses = [\"192.0.2.1/24\"]

[[route]]
dst = \"0.0.0.0/0\"
via = \"192.0.2.2\"
dev = \"eth1\"
";

struct Report {
    read: u64,
    passed: u64,
    related: u64,
    human: String,
}

fn replay(directory: &Directory, rules: &str, capture: &str) -> Report {
    replay_at(directory, rules, capture, &[])
}

fn replay_at(directory: &Directory, rules: &str, capture: &str, options: &[&str]) -> Report {
    let rules = directory.file("rules.nft", rules);
    let out = directory.path("out.pcapng");
    let usual = ["replay", &rules, capture, "--json", "--no-progress", "--out", &out];
    let run = weir(usual.iter().chain(options).copied());
    assert_eq!(run.code, Some(0), "{}", run.err);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    let objects = report["objects"].as_array().unwrap();
    let related = objects.iter().find(|object| object["name"] == "related");
    Report {
        read: report["packets"]["read"].as_u64().unwrap(),
        passed: report["packets"]["passed"].as_u64().unwrap(),
        related: related.and_then(|object| object["packets"].as_u64()).unwrap_or(0),
        human: report["drops"].to_string(),
    }
}

/// What a test looks at of a TCP or UDP packet over IPv4 or IPv6 in an Ethernet frame.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    l4: u8,
    src: Vec<u8>,
    dst: Vec<u8>,
    ports: (u16, u16),
    seq: u32,
    ack: u32,
    flags: u8,
    payload: Vec<u8>,
}

impl Segment {
    fn read(frame: &[u8]) -> Option<Segment> {
        let packet = frame.get(14..)?;
        let be16 = |at: usize| Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]));
        let be32 = |at: usize| Some(u32::from_be_bytes(packet.get(at..at + 4)?.try_into().unwrap()));
        let (l4, addresses, width, at, end) = match packet.first()? >> 4 {
            4 => (*packet.get(9)?, 12, 4, usize::from(packet[0] & 15) * 4, usize::from(be16(2)?)),
            6 => (*packet.get(6)?, 8, 16, 40, 40 + usize::from(be16(4)?)),
            _ => return None,
        };
        let src = packet.get(addresses..addresses + width)?.to_vec();
        let dst = packet.get(addresses + width..addresses + 2 * width)?.to_vec();
        let (seq, ack, flags, header) = match l4 {
            6 => (
                be32(at + 4)?,
                be32(at + 8)?,
                *packet.get(at + 13)?,
                usize::from(packet.get(at + 12)? >> 4) * 4,
            ),
            17 => (0, 0, 0, 8),
            _ => return None,
        };
        let payload = packet.get(at + header..end.min(packet.len()))?.to_vec();
        Some(Segment { l4, src, dst, ports: (be16(at)?, be16(at + 2)?), seq, ack, flags, payload })
    }
}

/// Captures with what each is to be: file, helper, protocol, port of the control connections, how many data connections.
#[test]
fn data_connections_pass_because_they_are_related() {
    let Some(shared) = shared() else { return };
    let directory = Directory::new("related");
    for (file, helper, protocol, port, connections) in [
        ("ftp/suri-ftp-download-passive-input.pcap", "ftp", "tcp", 21, 3),
        ("ftp/suri-ftp-upload-passive-input.pcap", "ftp", "tcp", 21, 3),
        ("ftp/suri-ftp-upload-active-input.pcap", "ftp", "tcp", 21, 3),
        ("ftp/suri-ftp-epsv-input.pcap", "ftp", "tcp", 21, 0),
        ("ftp/zeek-ftp-ipv4.pcap", "ftp", "tcp", 21, 4),
        ("ftp/zeek-ftp-ipv6.pcap", "ftp", "tcp", 21, 5),
        ("tftp/tcpdump-tftp.pcap", "tftp", "udp", 69, 1),
        ("tftp/suri-output-eve-tftp-01-input.pcap", "tftp", "udp", 69, 1),
        ("tftp/suri-tftp-tx-handling-wrq-input.pcap", "tftp", "udp", 69, 1),
        ("irc/zeek-irc-dcc-send.pcapng", "irc", "tcp", 6667, 1),
        ("pptp-h323-snmp/tcpdump-pptp.pcap", "pptp", "tcp", 1723, 1),
        ("sip/zeek-sip-wireshark.pcap", "sip", "udp", 5060, 0),
        ("sip/suri-sip-body-frames-public-cloudshark-sip-s0.pcap", "sip", "udp", 5061, 0),
    ] {
        let capture = shared.join("pcap").join(file);
        let report = replay(&directory, &firewall(helper, protocol, port, ""), capture.to_str().unwrap());
        println!(
            "{file} read {} passed {} related {} {}",
            report.read, report.passed, report.related, report.human
        );
        assert_eq!(report.passed, report.read, "{file}: {}", report.human);
        assert!(report.related >= connections, "{file}: {}", report.related);
    }
}

/// The Internet checksum of an IPv4 packet's segment with its pseudo header; 0 when the one it has is right.
fn segment_sum(packet: &[u8]) -> u16 {
    let segment = &packet[20..];
    let length = (segment.len() as u16).to_be_bytes();
    let bytes = [&packet[12..20], &[0, packet[9]], &length, segment].concat();
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    let mut sum: u32 = bytes.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn is_whole(packet: &[u8]) -> bool {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(pair[1]);
    let header: u32 = packet[..20].chunks(2).map(word).sum();
    (header & 0xffff) + (header >> 16) == 0xffff && segment_sum(packet) == 0
}

fn tcp(from: ([u8; 4], u16), to: ([u8; 4], u16), like: &Segment) -> Vec<u8> {
    let mut segment = vec![0; 20];
    segment[0..2].copy_from_slice(&from.1.to_be_bytes());
    segment[2..4].copy_from_slice(&to.1.to_be_bytes());
    segment[4..8].copy_from_slice(&like.seq.to_be_bytes());
    segment[8..12].copy_from_slice(&like.ack.to_be_bytes());
    (segment[12], segment[13]) = (0x50, like.flags);
    segment[14..16].copy_from_slice(&64000u16.to_be_bytes());
    segment.extend(&like.payload);
    let mut packet = made::ipv4(from.0, to.0, 6, &segment);
    let sum = segment_sum(&packet).to_be_bytes();
    packet[36..38].copy_from_slice(&sum);
    packet
}

/// A host behind NAT, of whose control connection one capture is.
struct Hidden {
    host: [u8; 4],
    public: [u8; 4],
    port: u16,
}

impl Hidden {
    fn is_control(&self, segment: &Segment) -> bool {
        segment.l4 == 6 && (segment.ports.0 == self.port || segment.ports.1 == self.port)
    }

    /// A payload with the host's address, as FTP writes it, replaced.
    fn public_payload(&self, payload: &[u8]) -> Vec<u8> {
        let written = |[a, b, c, d]: [u8; 4]| format!("{a},{b},{c},{d}").into_bytes();
        let (old, new) = (written(self.host), written(self.public));
        match payload.windows(old.len()).position(|window| window == old) {
            Some(at) => [&payload[..at], &new, &payload[at + old.len()..]].concat(),
            None => payload.to_vec(),
        }
    }

    /// From the capture: what comes to the firewall, and what is to leave it.
    fn through(&self, capture: &[Segment]) -> (Vec<Segment>, Vec<Segment>) {
        // The host's numbers behind each changed packet, and by how much they are moved from there.
        let mut moved: Vec<(u32, u32)> = Vec::new();
        let offset_at = |moved: &[(u32, u32)], seq: u32| {
            let before = moved.iter().rev().find(|(end, _)| seq.wrapping_sub(*end) < 1 << 31);
            before.map_or(0, |(_, offset)| *offset)
        };
        let (mut comes, mut leaves) = (Vec::new(), Vec::new());
        for segment in capture {
            let control = self.is_control(segment);
            let mut other = segment.clone();
            if segment.src == self.host {
                other.src = self.public.to_vec();
                if control {
                    other.seq = segment.seq.wrapping_add(offset_at(&moved, segment.seq));
                    other.payload = self.public_payload(&segment.payload);
                    let change = (other.payload.len() as u32).wrapping_sub(segment.payload.len() as u32);
                    if change != 0 {
                        let end = segment.seq.wrapping_add(segment.payload.len() as u32);
                        let offset = offset_at(&moved, segment.seq).wrapping_add(change);
                        moved.push((end, offset));
                    }
                }
                comes.push(segment.clone());
                leaves.push(other);
            } else {
                other.dst = self.public.to_vec();
                if control && segment.flags & made::ACK != 0 {
                    other.ack = segment.ack.wrapping_add(offset_at(&moved, segment.ack));
                }
                comes.push(other);
                leaves.push(segment.clone());
            }
        }
        (comes, leaves)
    }
}

impl Segment {
    fn frame(&self) -> Vec<u8> {
        let address = |bytes: &[u8]| -> [u8; 4] { bytes.try_into().unwrap() };
        let (from, to) = ((address(&self.src), self.ports.0), (address(&self.dst), self.ports.1));
        made::ethernet(&match self.l4 {
            6 => tcp(from, to, self),
            _ => made::udp(from, to, &self.payload),
        })
    }
}

/// Source NAT of an active client, destination NAT of a passive server; public addresses written longer and shorter.
#[test]
fn with_nat_each_side_sees_what_it_would_without() {
    let Some(shared) = shared() else { return };
    let directory = Directory::new("related-nat");
    let client = [172, 23, 0, 3];
    let server = [172, 23, 0, 2];
    for (file, host, public) in [
        ("ftp/suri-ftp-upload-active-input.pcap", client, [203, 100, 113, 101]),
        ("ftp/suri-ftp-upload-active-input.pcap", client, [9, 9, 9, 9]),
        ("ftp/suri-ftp-upload-passive-input.pcap", server, [203, 100, 113, 101]),
        ("ftp/suri-ftp-upload-passive-input.pcap", server, [9, 9, 9, 9]),
        ("ftp/suri-ftp-download-passive-input.pcap", server, [9, 9, 9, 9]),
    ] {
        let name = |[a, b, c, d]: [u8; 4]| format!("{a}.{b}.{c}.{d}");
        let nat = if host == client {
            format!(
                "chain nat {{ type nat hook postrouting priority srcnat; ip saddr {} snat ip to {} }}",
                name(host),
                name(public)
            )
        } else {
            format!(
                "chain nat {{ type nat hook prerouting priority dstnat; ip daddr {} tcp dport 21 dnat ip to {} }}",
                name(public),
                name(host)
            )
        };
        let path = shared.join("pcap").join(file);
        let segments: Vec<Segment> = read(path.to_str().unwrap())
            .iter()
            .filter_map(|(_, frame)| Segment::read(frame))
            .filter(|segment| segment.l4 == 6 && (segment.src == host || segment.dst == host))
            .collect();
        let (comes, leaves) = Hidden { host, public, port: 21 }.through(&segments);
        let frames = comes.iter().map(|segment| ("eth0", segment.frame()));
        let capture = directory.file("in.pcapng", of_link(LinkNumber::ETHERNET, frames));
        let report = replay(&directory, &firewall("ftp", "tcp", 21, &nat), &capture);
        assert_eq!(
            (report.passed, report.read),
            (report.read, comes.len() as u64),
            "{file}: {}",
            report.human
        );
        assert_eq!(report.related, 3, "{file}");
        let out: Vec<Vec<u8>> =
            read(&directory.path("out.pcapng")).into_iter().map(|(_, frame)| frame).collect();
        assert_eq!(out.len(), leaves.len());
        for (frame, expected) in out.iter().zip(&leaves) {
            assert_eq!(Segment::read(frame).as_ref(), Some(expected), "{file} {public:?}");
            assert!(is_whole(&frame[14..]), "{file}: a checksum of {expected:?}");
        }
    }
}

/// Calls whose streams go through gateways of others, for which `sip_direct_media` is off. In the first capture the peer
/// refuses the call (480) before ten packets of its stream come; 130 packets of the second are of another protocol (MEGACO).
#[test]
fn calls_through_gateways_pass_because_they_are_related() {
    let Some(shared) = shared() else { return };
    let directory = Directory::new("gateways");
    let host = directory.file("host.toml", GATEWAYS);
    for (file, others, streams) in
        [("sip/ndpi-sip.pcap", 10, 0), ("sip/ndpi-FAX-Call-t38-CA-TDM-SIP-FB-1.pcap", 130, 2)]
    {
        let capture = shared.join("pcap").join(file);
        let capture = capture.to_str().unwrap();
        let rules = firewall("sip", "udp", 5060, "");
        let report = replay_at(&directory, &rules, capture, &["--host", &host, "--iif", "eth0"]);
        assert_eq!(report.passed, report.read - others, "{file}: {}", report.human);
        assert!(report.related >= streams, "{file}: {}", report.related);
    }
}

/// A host asks all of its network, and those who answer pass; who is in another network, or answers from another port, does
/// not.
#[test]
fn answers_to_what_the_host_asks_all_of_its_network_are_related() {
    let directory = Directory::new("broadcast");
    let host = directory
        .file("host.toml", "[[interface]]\nname = \"eth0\"\nindex = 2\naddresses = [\"10.0.0.1/24\"]\n");
    for (helper, port) in [("netbios-ns", 137), ("snmp", 161)] {
        let rules = format!(
            "table ip f {{
	ct helper h {{ type \"{helper}\" protocol udp; }}
	counter related {{ }}
	chain out {{ type filter hook output priority filter; udp dport {port} ct helper set \"h\" }}
	chain in {{
		type filter hook input priority filter; policy drop;
		ct state related counter name related accept
	}}
}}
"
        );
        let packet = |from: [u8; 4], source, to, target| {
            ("eth0", made::ethernet(&made::udp((from, source), (to, target), b"name")))
        };
        let own = [10, 0, 0, 1];
        let frames = [
            packet(own, 1024, [10, 0, 0, 255], port),
            packet([10, 0, 0, 5], port, own, 1024),
            packet([10, 0, 0, 6], port, own, 1024),
            packet([10, 0, 0, 6], port + 1, own, 1024),
            packet([192, 0, 2, 6], port, own, 1024),
        ];
        let capture = directory.file("in.pcapng", of_link(LinkNumber::ETHERNET, frames));
        let report = replay_at(&directory, &rules, &capture, &["--host", &host]);
        assert_eq!((report.read, report.passed, report.related), (5, 3, 2), "{helper}: {}", report.human);
    }
}

fn replaced(text: &[u8], old: &str, new: &str) -> Vec<u8> {
    String::from_utf8_lossy(text).replace(old, new).into_bytes()
}

/// What the peers of a phone behind NAT send names its public address; what leaves must name to each side what it knows.
#[test]
fn with_nat_messages_of_sip_name_to_each_side_what_it_knows() {
    let Some(shared) = shared() else { return };
    let directory = Directory::new("sip-nat");
    let (phone, phone_name) = ([192, 168, 1, 2], "192.168.1.2");
    for (public, name) in [([9, 9, 9, 9], "9.9.9.9"), ([203, 100, 113, 101], "203.100.113.101")] {
        let nat = format!(
            "chain nat {{ type nat hook postrouting priority srcnat; ip saddr {phone_name} snat ip to {name} }}"
        );
        let path = shared.join("pcap/sip/zeek-sip-wireshark.pcap");
        let mut comes = Vec::new();
        for (_, frame) in read(path.to_str().unwrap()) {
            let Some(mut segment) = Segment::read(&frame) else { continue };
            if segment.dst == phone {
                segment.dst = public.to_vec();
                segment.payload = replaced(&segment.payload, phone_name, name);
            }
            comes.push(segment);
        }
        let frames = comes.iter().map(|segment| ("eth0", segment.frame()));
        let capture = directory.file("in.pcapng", of_link(LinkNumber::ETHERNET, frames));
        let report = replay(&directory, &firewall("sip", "udp", 5060, &nat), &capture);
        assert_eq!((report.passed, report.read), (report.read, comes.len() as u64), "{}", report.human);
        let mut with_media = 0;
        for (_, frame) in read(&directory.path("out.pcapng")) {
            let segment = Segment::read(&frame).unwrap();
            let text = String::from_utf8_lossy(&segment.payload).into_owned();
            let (seen, hidden) = if segment.src == public { (name, phone_name) } else { (phone_name, name) };
            assert!(segment.src == public || segment.dst == phone, "{segment:?}");
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            for line in head.lines().filter(|line| line.starts_with("Via:") || line.starts_with("Contact:")) {
                // A branch is only a name, whatever it is made of.
                let place = line.split(";branch=").next().unwrap_or(line);
                assert!(!place.contains(hidden), "{line}");
            }
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            assert_eq!(length.map(|length| length.parse().unwrap()), Some(body.len()), "{text}");
            if segment.src == public && !body.is_empty() {
                assert!(body.contains(&format!("c=IN IP4 {seen}\r\n")), "{body}");
                with_media += 1;
            }
            assert!(is_whole(&frame[14..]));
        }
        assert_eq!(with_media, 11);
    }
}

/// The call id that the client chose becomes the port of its control connection, and back.
#[test]
fn with_nat_call_ids_of_pptp_are_changed_there_and_back() {
    let Some(shared) = shared() else { return };
    let directory = Directory::new("pptp-nat");
    let (client, public) = ([10, 1, 1, 11], [203, 0, 113, 1]);
    let nat =
        "chain nat { type nat hook postrouting priority srcnat; ip saddr 10.1.1.11 snat ip to 203.0.113.1 }";
    let path = shared.join("pcap/pptp-h323-snmp/tcpdump-pptp.pcap");
    // Kind of the message, and where the client's call id stands in it (RFC 2637 §2.7, §2.8).
    let call_at = |payload: &[u8]| match payload.get(9) {
        Some(7) => Some(12),
        Some(8) => Some(14),
        _ => None,
    };
    let (mut chosen, mut comes, mut tunnel) = (Vec::new(), Vec::new(), Vec::new());
    for (_, frame) in read(path.to_str().unwrap()) {
        let Some(mut segment) = Segment::read(&frame) else {
            tunnel.push(made::ethernet(&frame[14..]));
            comes.push(tunnel[0].clone());
            continue;
        };
        if segment.src == client && segment.payload.get(9) == Some(&7) {
            chosen = segment.payload[12..14].to_vec();
        }
        if segment.dst == client {
            segment.dst = public.to_vec();
            if let Some(at) = call_at(&segment.payload) {
                segment.payload[at..at + 2].copy_from_slice(&segment.ports.1.to_be_bytes());
            }
        }
        comes.push(segment.frame());
    }
    let frames = comes.iter().map(|frame| ("eth0", frame.clone()));
    let capture = directory.file("in.pcapng", of_link(LinkNumber::ETHERNET, frames));
    let report = replay(&directory, &firewall("pptp", "tcp", 1723, nat), &capture);
    assert_eq!((report.passed, report.read, report.related), (23, 23, 1), "{}", report.human);
    let (mut requests, mut replies, mut packets) = (0, 0, 0);
    for (_, frame) in read(&directory.path("out.pcapng")) {
        let Some(segment) = Segment::read(&frame) else {
            // Only the address of the tunnel's packets changes: the call id that they carry is the server's.
            assert_eq!(frame[26..30], public);
            assert_eq!(frame[34..], tunnel[0][34..]);
            packets += 1;
            continue;
        };
        let call = call_at(&segment.payload).map(|at| segment.payload[at..at + 2].to_vec());
        match segment.payload.get(9) {
            Some(7) => {
                assert_eq!(call, Some(segment.ports.0.to_be_bytes().to_vec()));
                requests += 1;
            }
            Some(8) => {
                assert_eq!(call.as_ref(), Some(&chosen));
                replies += 1;
            }
            _ => {}
        }
        assert!(is_whole(&frame[14..]));
    }
    assert_eq!((requests, replies, packets), (1, 2, 1));
}

/// A Setup of H.323 from 10.0.0.1 that Wireshark reads so: h245Address at port 5000, sourceCallSignalAddress at 1720, media at
/// 4000 and 4001, T.120 at 1503; destCallSignalAddress is 10.0.0.2.
const SETUP: &str = "080212340504038893a57e00910500e8060008914a0004000a0000011388020100123401006100622280b500001203776569\
    72000a00000206b8000303030303030303030303030303030300451007000a00000106b81100050505050505050505050505050505053502190\
    000640c60138011140001000a0000010fa0000a0000010fa1198000651018300100400102810100010908000a00000105df00";

/// Two phones behind one address name the same ports; the second's are told as others, and what comes there reaches it.
#[test]
fn with_nat_calls_of_h323_name_what_the_other_side_can_reach() {
    let directory = Directory::new("h323-nat");
    let (public, server) = ([203, 0, 113, 1], [198, 51, 100, 2]);
    let digits: Vec<u8> =
        SETUP.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    let setup: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    let nat =
        "chain nat { type nat hook postrouting priority srcnat; ip saddr 10.0.0.0/8 snat ip to 203.0.113.1 }";
    let tcp = |src: [u8; 4], dst: [u8; 4], ports, flags, numbers: (u32, u32), payload: Vec<u8>| Segment {
        l4: 6,
        src: src.to_vec(),
        dst: dst.to_vec(),
        ports,
        seq: numbers.0,
        ack: numbers.1,
        flags,
        payload,
    };
    let mut comes = Vec::new();
    for (host, port) in [(1, 3000), (3, 3001)] {
        let phone = [10, 0, 0, host];
        let mut named = setup.clone();
        for at in 0..named.len() - 4 {
            if named[at..at + 4] == [10, 0, 0, 1] {
                named[at..at + 4].copy_from_slice(&phone);
            }
        }
        let packed = [&[3, 0][..], &(named.len() as u16 + 4).to_be_bytes(), &named].concat();
        comes.push(tcp(phone, server, (port, 1720), 2, (0, 0), vec![]));
        comes.push(tcp(server, public, (1720, port), 0x12, (0, 1), vec![]));
        comes.push(tcp(phone, server, (port, 1720), 0x10, (1, 1), vec![]));
        comes.push(tcp(phone, server, (port, 1720), 0x18, (1, 1), packed));
    }
    // Media to where the second was told to be, and the connection of H.245 of the first.
    let media =
        Segment { l4: 17, ports: (7000, 4002), ..tcp(server, public, (0, 0), 0, (0, 0), b"rtp".to_vec()) };
    comes.push(media);
    comes.push(tcp(server, public, (7001, 5000), 2, (0, 0), vec![]));
    let frames = comes.iter().map(|segment| ("eth0", segment.frame()));
    let capture = directory.file("in.pcapng", of_link(LinkNumber::ETHERNET, frames));
    let report = replay(&directory, &firewall("Q.931", "tcp", 1720, nat), &capture);
    assert_eq!((report.passed, report.read, report.related), (10, 10, 2), "{}", report.human);
    let out: Vec<Segment> =
        read(&directory.path("out.pcapng")).iter().map(|(_, frame)| Segment::read(frame).unwrap()).collect();
    let names = |segment: &Segment, address: [u8; 4]| -> Vec<u16> {
        let all = segment.payload.windows(6).filter(|window| window[..4] == address);
        all.map(|window| u16::from_be_bytes([window[4], window[5]])).collect()
    };
    let setups: Vec<&Segment> = out.iter().filter(|segment| segment.payload.len() > 100).collect();
    for (segment, port, told) in
        [(setups[0], 3000, [5000, 3000, 4000, 4001, 1503]), (setups[1], 3001, [5001, 3001, 4002, 4003, 1504])]
    {
        assert_eq!((&segment.src, segment.ports.0), (&public.to_vec(), port));
        assert_eq!(names(segment, public), told);
        assert_eq!(names(segment, server), [1720]);
        assert!(!segment.payload.windows(3).any(|window| window == [10, 0, 0]), "{segment:?}");
    }
    let [media, control] = &out[8..] else { panic!("{out:?}") };
    assert_eq!((&media.dst[..], media.ports.1), (&[10, 0, 0, 3][..], 4000));
    assert_eq!((&control.dst[..], control.ports.1), (&[10, 0, 0, 1][..], 5000));
    assert!(
        read(&directory.path("out.pcapng"))
            .iter()
            .all(|(_, frame)| is_whole(&frame[14..]) || frame[23] == 17)
    );
}
