//! The kernel of this machine as the judge: random segments go through a network namespace with nf_conntrack in it, and
//! through [`Conntrack`]; each packet's state and each connection's line must be the same.
//!
//! ```text
//!  sender --- v0 | v1 --- forward --- d0, no ARP        all in one new namespace
//!                  prerouting: a set per state takes the packet's number (its IPv4 id)
//! ```
//!
//! Needs root, `unshare`, `ip`, `nft`, `conntrack` and `python3`; says so and skips elsewhere, and fails if `CI=true`.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use ironweir_conntrack::{
    Config, Confirm, Conntrack, CtInfo, Manip, NatRange, NatVerdict, PacketIn, Template, Tracking,
};
use ironweir_wire::checksum::Sum;
use ironweir_wire::tcp::flag::{ACK, FIN, PSH, RST, SYN, URG};
use ironweir_wire::{Address, Instant, L3, LinkType, Packet, dissect, ipv4, rewrite, tcp};

const SCRIPT: &str = r#"
set -e
ip link add v0 type veth peer name v1
ip link add d0 type veth peer name d1
ip link set d0 arp off
ip link set v1 address 02:00:00:00:00:01
for dev in lo v0 v1 d0 d1; do ip link set $dev up; done
for dev in all default v1 d0; do echo 0 > /proc/sys/net/ipv4/conf/$dev/rp_filter; done
echo 1 > /proc/sys/net/ipv4/ip_forward
echo 1 > /proc/sys/net/netfilter/nf_conntrack_acct
ip addr add 192.0.2.1/24 dev v1
ip addr add 10.0.255.254/16 dev d0
{
  echo 'table ip t {'
  for s in inv newo esto estr relo relr; do
    echo "set $s { typeof ip id; flags dynamic; size 65535; }"
  done
  echo 'chain c { type filter hook prerouting priority 0; iif != v1 return;
    ct state invalid add @inv { ip id }
    ct state new add @newo { ip id }
    ct state established ct direction original add @esto { ip id }
    ct state established ct direction reply add @estr { ip id }
    ct state related ct direction original add @relo { ip id }
    ct state related ct direction reply add @relr { ip id }
  }
  }'
  if [ "$NAT" = 1 ]; then echo 'table ip n {
    chain pre { type nat hook prerouting priority dstnat
      ip daddr 10.0.0.1 udp dport 2 dnat to 10.0.7.1:77
      dnat to ip daddr map { 10.0.0.3 : 10.0.7.3, 10.0.0.4 : 10.0.7.4 }
    }
    chain post { type nat hook postrouting priority srcnat
      snat to ip saddr map { 10.0.0.1 : 10.0.8.1, 10.0.0.2 : 10.0.8.2 }
    }
  }'; fi
} | nft -f -
taskset -c 0 python3 -c '
import socket, sys
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("v0", 0))
mac = bytes.fromhex("020000000001")
heard = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
heard.bind(("d1", 0))
def drain(timeout):
    heard.settimeout(timeout)
    try:
        while True:
            frame = heard.recv(65536)
            if frame[12:14] == b"\x08\x00": print("out", frame[14:].hex())
    except (BlockingIOError, TimeoutError): pass
for line in sys.stdin:
    out.send(mac + bytes(6) + b"\x08\x00" + bytes.fromhex(line.strip()))
    drain(0)
drain(0.5)
'
for s in inv newo esto estr relo relr; do echo "set $s"; nft -n list set ip t $s | tr ',{}' '\n\n\n' | grep -E '^[[:space:]]*[0-9]+[[:space:]]*$' || true; done
echo lines
conntrack -L -o extended 2>/dev/null
"#;

/// A small generator: the same seed, the same packets.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// One end of a connection as it sees itself.
#[derive(Clone, Copy)]
struct Peer {
    next: u32,
    seen: u32,
}

/// Segments of one connection: mostly what two hosts would send, now and then what they would not.
fn conversation(random: &mut Random, flow: u16) -> Vec<Vec<u8>> {
    let mut peers =
        [Peer { next: random.next() as u32, seen: 0 }, Peer { next: random.next() as u32, seen: 0 }];
    let normal = [(0, SYN), (1, SYN | ACK), (0, ACK), (0, ACK | PSH), (1, ACK | PSH), (1, ACK)];
    let closing = [(0, FIN | ACK), (1, ACK), (1, FIN | ACK), (0, ACK), (0, SYN), (1, SYN | ACK), (0, ACK)];
    let (strange_at, skip) =
        (random.below(14) as usize, if random.chance(15) { random.below(4) as usize } else { 0 });
    let strangeness = random.pick(&[0, 5, 20, 60]);
    let mut segments = Vec::new();
    for (at, (side, flags)) in normal.iter().chain(&closing).copied().enumerate().skip(skip) {
        let strange = at == strange_at || random.chance(strangeness);
        let (side, flags) = if strange && random.chance(60) {
            let any = [SYN, SYN | ACK, ACK, FIN | ACK, RST, RST | ACK, ACK | URG, FIN, SYN | FIN, 0];
            (random.below(2) as usize, random.pick(&any))
        } else {
            (side, flags)
        };
        let off = |random: &mut Random| -> u32 {
            if !(strange && random.chance(50)) {
                return 0;
            }
            random.pick(&[
                1,
                u32::MAX,
                100,
                0u32.wrapping_sub(100),
                5000,
                70_000,
                0u32.wrapping_sub(70_000),
                1 << 20,
                1 << 31,
            ])
        };
        let data = if flags & SYN == 0 && flags & PSH != 0 { random.below(200) as u32 } else { 0 };
        let options: &[u8] = match (flags & SYN != 0, random.below(4)) {
            (true, 0) => &[],
            (true, 1) => &[3, 3, 7, 1],
            (true, _) => &[3, 3, 2, 4, 2, 1, 1, 1],
            (false, 0) => &[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2],
            _ => &[],
        };
        let mut sack = Vec::new();
        if flags == ACK && random.chance(10) {
            let edge = peers[1 - side].next.wrapping_add(random.pick(&[0, 10, 100_000]));
            sack.extend([1, 1, 5, 10]);
            sack.extend(edge.wrapping_sub(10).to_be_bytes());
            sack.extend(edge.to_be_bytes());
        }
        let options = if sack.is_empty() { options } else { &sack };
        let zero = strange && random.chance(10);
        let header = tcp::Header {
            src: if side == 0 { flow } else { 80 },
            dst: if side == 0 { 80 } else { flow },
            seq: if zero { 0 } else { peers[side].next.wrapping_add(off(random)) },
            ack: if flags & ACK != 0 && !zero { peers[side].seen.wrapping_add(off(random)) } else { 0 },
            flags,
            window: random.pick(&[0, 1, 500, 4096, 29_200, 65_535, 65_535]),
            ..Default::default()
        };
        if !strange {
            let counted = data + u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
            peers[side].next = peers[side].next.wrapping_add(counted);
            peers[1 - side].seen = peers[side].next;
        }
        segments.push(segment(side, &header, options, data as usize));
        if random.chance(8) {
            segments.push(segments[random.below(segments.len() as u64) as usize].clone());
        }
    }
    segments
}

/// A packet of UDP, UDP-Lite, ICMP, GRE or an unknown protocol; now and then an ICMP error that quotes one of before.
fn datagram(random: &mut Random, before: &[Vec<u8>]) -> Vec<u8> {
    let host = |random: &mut Random| Address::v4([10, 0, 0, 1 + random.below(4) as u8]);
    let (src, dst) = (host(random), host(random));
    if !before.is_empty() && random.chance(25) {
        let quoted = &before[random.below(before.len() as u64) as usize];
        let kind = random.pick(&[3, 3, 3, 4, 5, 11, 12, 9, 18, 19, 40]);
        let cut = if random.chance(20) { 20 + random.below(10) as usize } else { quoted.len().min(200) };
        // Mostly to whom it concerns: the sender of what is quoted.
        let to = if random.chance(70) { Address::from_slice(&quoted[12..16]).unwrap_or(dst) } else { dst };
        let mut body = vec![kind, random.below(4) as u8, 0, 0, 0, 0, 0, 0];
        body.extend(&quoted[..cut.min(quoted.len())]);
        return packet(random, src, to, 1, body, Some(2));
    }
    let (from, to) = (random.pick(&[1u16, 2, 3]), random.pick(&[1u16, 2, 3]));
    let data = random.below(20) as usize;
    match random.below(10) {
        0..4 => {
            let l4 = random.pick(&[17, 17, 136]);
            let mut body = Vec::new();
            body.extend(from.to_be_bytes());
            body.extend(to.to_be_bytes());
            let length = if random.chance(10) { random.below(40) as u16 } else { 8 + data as u16 };
            body.extend(length.to_be_bytes());
            body.resize(8 + data, 7);
            let covers_all = l4 == 17 || length == 8 + data as u16;
            packet(random, src, dst, l4, body, covers_all.then_some(6))
        }
        4..8 => {
            let kind = random.pick(&[8, 0, 8, 0, 13, 14, 15, 16, 17, 18, 10, 1, 30]);
            let mut body = vec![kind, 0, 0, 0, 0, random.below(3) as u8, 0, 1];
            body.resize(8 + data, 7);
            packet(random, src, dst, 1, body, Some(2))
        }
        8 => {
            let version = random.below(2) as u8;
            let mut body = vec![0x20 * version, version, 0x88, 0x0b, 0, 4, 0, random.below(3) as u8];
            body.resize(8 + data, 7);
            packet(random, src, dst, 47, body, None)
        }
        _ => packet(random, src, dst, random_protocol(from), vec![7; data], None),
    }
}

const fn random_protocol(number: u16) -> u8 {
    match number {
        1 => 99,
        2 => 33,
        _ => 4,
    }
}

/// A network packet, its checksum mostly right, sometimes wrong, sometimes 0.
fn packet(
    random: &mut Random,
    src: Address,
    dst: Address,
    l4: u8,
    mut body: Vec<u8>,
    sum_at: Option<usize>,
) -> Vec<u8> {
    if let Some(at) = sum_at {
        let pseudo = if l4 == 1 { Sum::ZERO } else { Sum::ZERO.pseudo(L3::V4, &src, &dst, body.len(), l4) };
        let sum = pseudo.bytes(&body).finish();
        let sum = match random.below(30) {
            0 => sum.wrapping_add(1),
            1 => 0,
            _ => sum,
        };
        body[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    }
    around(src, dst, l4, body)
}

fn segment(side: usize, header: &tcp::Header, options: &[u8], data: usize) -> Vec<u8> {
    let hosts = [Address::v4([10, 0, 0, 1]), Address::v4([10, 0, 0, 2])];
    let (src, dst) = (hosts[side], hosts[1 - side]);
    let mut body = header.emit().to_vec();
    body.extend(options);
    body[12] = ((body.len() / 4) as u8) << 4;
    body.resize(body.len() + data, 0x55);
    let sum = Sum::ZERO.pseudo(L3::V4, &src, &dst, body.len(), 6).bytes(&body).finish();
    body[16..18].copy_from_slice(&sum.to_be_bytes());
    around(src, dst, 6, body)
}

/// The IPv4 header, and the body behind it.
fn around(src: Address, dst: Address, l4: u8, body: Vec<u8>) -> Vec<u8> {
    let network = ipv4::Header {
        header_len: 20,
        version: 4,
        tos: 0,
        total_length: (20 + body.len()) as u16,
        id: 0,
        flags_offset: ipv4::FLAG_DONT_FRAGMENT,
        ttl: 64,
        protocol: l4,
        checksum: 0,
        src,
        dst,
    };
    let mut bytes = network.emit().to_vec();
    bytes.extend(body);
    bytes
}

/// Numbers the packet, in its IPv4 id.
fn number(bytes: &mut [u8], id: u16) {
    bytes[4..6].copy_from_slice(&id.to_be_bytes());
    bytes[10..12].fill(0);
    let sum = Sum::ZERO.bytes(&bytes[..20]).finish();
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// What the kernel did.
#[derive(Default)]
struct Kernel {
    /// The set each packet went into, by number.
    states: BTreeMap<u16, String>,
    /// Its connections.
    lines: Vec<String>,
    /// Packets as they left, by number.
    out: BTreeMap<u16, String>,
    /// How many seconds it had for all that, at most: by so much its timeouts may have run down.
    took: i64,
}

impl Kernel {
    /// Whether these may be the seconds that it has left of what are `ours`.
    fn may_have_left(&self, ours: i64, left: i64) -> bool {
        (ours - self.took..=ours + 1).contains(&left)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn ask_kernel(packets: &[Vec<u8>], nat: bool) -> Kernel {
    let begin = std::time::Instant::now();
    let mut child = Command::new("unshare")
        .args(["-n", "sh", "-c", SCRIPT])
        .env("NAT", if nat { "1" } else { "0" })
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("unshare runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    let text: String = packets.iter().map(|packet| hex(packet) + "\n").collect();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("the script ends");
    writer.join().expect("no panic").expect("the script reads");
    assert!(output.status.success(), "the script failed");
    let took = begin.elapsed().as_secs() as i64 + 2;
    let (mut kernel, mut set) = (Kernel { took, ..Kernel::default() }, String::new());
    for line in String::from_utf8(output.stdout).expect("text").lines() {
        if let Some(name) = line.strip_prefix("set ") {
            set = name.to_owned();
        } else if line == "lines" {
            set.clear();
        } else if let (false, Ok(id)) = (set.is_empty(), line.trim().parse()) {
            kernel.states.insert(id, set.clone());
        } else if let Some(packet) = line.strip_prefix("out ") {
            let id = u16::from_str_radix(packet.get(8..12).unwrap_or("0"), 16).expect("hex");
            kernel.out.insert(id, packet.to_owned());
        } else if line.contains(" src=10.0.") {
            kernel.lines.push(line.to_owned());
        }
    }
    kernel
}

fn client_port(line: &str) -> u16 {
    let words = line
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("sport=").or(word.strip_prefix("dport=")));
    words.filter_map(|port| port.parse().ok()).find(|port| *port != 80).unwrap_or(0)
}

fn name_of(tracking: Tracking) -> &'static str {
    match tracking.flow().map(|(_, info)| info) {
        None => "inv",
        Some(CtInfo::New) => "newo",
        Some(CtInfo::Established) => "esto",
        Some(CtInfo::EstablishedReply) => "estr",
        Some(CtInfo::Related) => "relo",
        Some(CtInfo::RelatedReply) => "relr",
    }
}

/// What of a line does not depend on the moment it was printed: state, tuples, flags; and the seconds left.
fn essence(line: &str) -> (String, i64) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let seconds = words[4].parse().expect("seconds");
    let kept = words[5..]
        .iter()
        .filter(|word| !["mark=", "use=", "secctx="].iter().any(|prefix| word.starts_with(prefix)));
    (kept.copied().collect::<Vec<_>>().join(" "), seconds)
}

/// Why the kernel cannot be asked here.
fn obstacle() -> Option<String> {
    for tool in ["ip", "nft", "conntrack", "python3", "taskset"] {
        if Command::new(tool).arg("--help").output().is_err() {
            return Some(format!("there is no {tool}"));
        }
    }
    match Command::new("unshare").args(["-n", "true"]).status() {
        Ok(status) if status.success() => None,
        _ => Some("no network namespace can be made (not root?)".into()),
    }
}

/// The generator of `IRONWEIR_SEED`, 1 by default; `None` where the kernel cannot be asked.
fn live() -> Option<Random> {
    if let Some(why) = obstacle() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip: {why}");
        eprintln!("SKIPPED: {why}");
        return None;
    }
    let seed = std::env::var("IRONWEIR_SEED").ok().and_then(|seed| seed.parse().ok());
    Some(Random(seed.unwrap_or(1)))
}

#[test]
fn tcp_is_tracked_as_the_kernel_tracks_it() {
    let Some(mut random) = live() else { return };
    let mut packets: Vec<Vec<u8>> = Vec::new();
    let mut flows: Vec<u16> = Vec::new();
    for flow in 1024.. {
        for mut packet in conversation(&mut random, flow) {
            number(&mut packet, packets.len() as u16);
            packets.push(packet);
            flows.push(flow);
        }
        if packets.len() > 40_000 {
            break;
        }
    }

    let kernel = ask_kernel(&packets, false);
    let states = &kernel.states;
    let lines: BTreeMap<u16, String> =
        kernel.lines.iter().map(|line| (client_port(line), line.clone())).collect();
    let now = Instant::from_secs(1_000_000);
    let mut ct = Conntrack::new(Config { checksum: true, ..Config::default() }, 7);
    let (mut wrong, mut shown) = (0, 0);
    let mut history: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    for (id, packet) in packets.iter_mut().enumerate() {
        let len = packet.len();
        let mut packet = Packet::new(packet, 0, len, LinkType::None);
        let info = dissect(&mut packet).expect("sound");
        let PacketIn::Pass(tracking) = ct.packet_in(now, &packet, &info, &Template::default()) else {
            panic!("dropped")
        };
        let ours = name_of(tracking);
        let Confirm::Pass(_) = ct.confirm(now, tracking) else { panic!("dropped") };
        let kernel = states.get(&(id as u16)).map_or("none", String::as_str);
        let header = tcp::Header::read(&packet, 20).expect("sound");
        let options = packet.head()[40..20 + header.header_len].to_vec();
        let mark = if ours == kernel { ' ' } else { '!' };
        let state = tracking
            .flow()
            .and_then(|(flow, _)| ct.entry(flow))
            .and_then(|entry| entry.tcp_status())
            .map_or("-", |status| status.name());
        history.entry(flows[id]).or_default().push(format!(
            "{mark} {id} {} {:02x} seq {} ack {} win {} len {} {options:02x?} {kernel} / {ours} {state}",
            if header.dst == 80 { '>' } else { '<' },
            header.flags,
            header.seq,
            header.ack,
            header.window,
            info.transport_len() - header.header_len,
        ));
        wrong += usize::from(ours != kernel);
    }
    let mut strays = 0;
    let mut mine: BTreeMap<u16, String> = BTreeMap::new();
    for (_, entry) in ct.iter() {
        let line = entry.display(now).to_string();
        mine.insert(client_port(&line), line);
    }
    for flow in flows.iter().collect::<std::collections::BTreeSet<_>>() {
        let (ours, theirs) =
            (mine.get(flow).map(|line| essence(line)), lines.get(flow).map(|line| essence(line)));
        let same = match (&ours, &theirs) {
            (Some((ours, left)), Some((theirs, kernel_left))) => {
                ours == theirs && kernel.may_have_left(*left, *kernel_left)
            }
            (None, None) => true,
            // A closed connection may have left the kernel's table while it was listed.
            (Some((_, left)), None) => *left <= kernel.took.max(10),
            (None, Some(_)) => false,
        };
        strays += usize::from(!same);
        let bad_packet = history[flow].iter().any(|line| line.starts_with('!'));
        if (!same || bad_packet) && shown < 12 {
            shown += 1;
            println!("{}\n  ours   {ours:?}\n  kernel {theirs:?}", history[flow].join("\n"));
        }
    }
    println!(
        "{} packets, {wrong} judged otherwise; {} connections, {strays} listed otherwise",
        packets.len(),
        mine.len()
    );
    assert_eq!((wrong, strays), (0, 0));
}

#[test]
fn what_is_not_tcp_is_tracked_as_the_kernel_tracks_it() {
    let Some(mut random) = live() else { return };
    let mut packets: Vec<Vec<u8>> = Vec::new();
    while packets.len() < 8000 {
        let mut packet = datagram(&mut random, &packets[packets.len().saturating_sub(200)..]);
        number(&mut packet, packets.len() as u16);
        packets.push(packet);
    }
    let Kernel { states, lines, .. } = ask_kernel(&packets, false);
    let now = Instant::from_secs(1_000_000);
    let mut ct = Conntrack::new(Config { checksum: true, ..Config::default() }, 7);
    let mut wrong = 0;
    for (id, bytes) in packets.iter_mut().enumerate() {
        let text = hex(bytes);
        let len = bytes.len();
        let mut packet = Packet::new(bytes, 0, len, LinkType::None);
        let info = dissect(&mut packet).expect("sound");
        let PacketIn::Pass(tracking) = ct.packet_in(now, &packet, &info, &Template::default()) else {
            panic!("dropped")
        };
        let ours = name_of(tracking);
        let Confirm::Pass(_) = ct.confirm(now, tracking) else { panic!("dropped") };
        let kernel = states.get(&(id as u16)).map_or("none", String::as_str);
        if ours != kernel {
            wrong += 1;
            if wrong < 20 {
                println!("{id} {kernel} / {ours}: {text}");
            }
        }
    }
    let listed = |lines: Vec<String>| -> std::collections::BTreeSet<String> {
        lines.iter().map(|line| format!("{} {}", &line[..20], essence(line).0)).collect()
    };
    let ours = listed(ct.iter().map(|(_, entry)| entry.display(now).to_string()).collect());
    let kernel = listed(lines);
    for line in ours.symmetric_difference(&kernel).take(20) {
        println!("{} {line}", if ours.contains(line) { "ours  " } else { "kernel" });
    }
    println!("{} packets, {wrong} judged otherwise; {} connections", packets.len(), ours.len());
    assert_eq!(wrong, 0);
    assert_eq!(ours, kernel);
}

/// Packets of one association: mostly what two hosts would send, now and then what they would not.
fn association(random: &mut Random, flow: u16) -> Vec<Vec<u8>> {
    const INIT: u8 = 1;
    const INIT_ACK: u8 = 2;
    const HEARTBEAT: u8 = 4;
    const HEARTBEAT_ACK: u8 = 5;
    let tags = [random.next() as u32 | 1, random.next() as u32 | 1];
    let open = [(0, INIT), (1, INIT_ACK), (0, 10), (1, 11), (0, 0), (1, 3)];
    let path = [(0, HEARTBEAT), (1, HEARTBEAT_ACK), (0, 0), (1, 3)];
    let close = [(0, 7), (1, 8), (0, 14), (0, INIT), (1, INIT_ACK), (0, 10), (1, 11)];
    let begin: &[(usize, u8)] = if random.chance(75) { &open } else { &path };
    let skip = if random.chance(15) { random.below(4) as usize } else { 0 };
    let strangeness = random.pick(&[0, 5, 20, 50]);
    let mut packets: Vec<Vec<u8>> = Vec::new();
    for (side, kind) in begin.iter().chain(&close).copied().skip(skip) {
        let strange = random.chance(strangeness);
        let any = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 200];
        let (side, kind) = if strange { (random.below(2) as usize, random.pick(&any)) } else { (side, kind) };
        let mut tag = if kind == INIT { 0 } else { tags[1 - side] };
        if strange && random.chance(30) {
            tag = random.pick(&[0, 7, tags[side], tags[1 - side]]);
        }
        let flags = if strange && random.chance(30) { 1 } else { 0 };
        let mut body = Vec::new();
        body.extend((if side == 0 { flow } else { 80 }).to_be_bytes());
        body.extend((if side == 0 { 80 } else { flow }).to_be_bytes());
        body.extend(tag.to_be_bytes());
        body.extend([0; 4]);
        let mut kinds = vec![kind];
        while strange && random.chance(40) {
            kinds.push(random.pick(&any));
        }
        for kind in kinds {
            let mut chunk = vec![kind, flags, 0, 0];
            if matches!(kind, INIT | INIT_ACK) {
                let tag = if strange && random.chance(30) { random.pick(&[0, 9]) } else { tags[side] };
                chunk.extend(tag.to_be_bytes());
                let cut = if strange && random.chance(20) { 8 } else { 12 };
                chunk.extend(vec![1; cut]);
            } else {
                chunk.extend(vec![kind; random.below(9) as usize]);
            }
            let length =
                if strange && random.chance(5) { random.below(9) as u16 } else { chunk.len() as u16 };
            chunk[2..4].copy_from_slice(&length.to_be_bytes());
            chunk.resize(chunk.len().next_multiple_of(4), 0);
            body.extend(chunk);
        }
        if strange && random.chance(5) {
            body.truncate(random.pick(&[12, 14, 16]));
        }
        let mut crc = ironweir_wire::crc32c::Crc32c::default().bytes(&body).finish();
        crc[0] ^= u8::from(strange && random.chance(5));
        body[8..12].copy_from_slice(&crc);
        let hosts = [Address::v4([10, 0, 0, 1]), Address::v4([10, 0, 0, 2])];
        packets.push(around(hosts[side], hosts[1 - side], 132, body));
        if random.chance(8) {
            packets.push(packets[random.below(packets.len() as u64) as usize].clone());
        }
    }
    packets
}

#[test]
fn sctp_is_tracked_as_the_kernel_tracks_it() {
    let Some(mut random) = live() else { return };
    let (mut packets, mut flows): (Vec<Vec<u8>>, Vec<u16>) = Default::default();
    for flow in 1024.. {
        for mut packet in association(&mut random, flow) {
            number(&mut packet, packets.len() as u16);
            packets.push(packet);
            flows.push(flow);
        }
        if packets.len() > 30_000 {
            break;
        }
    }
    let asked = ask_kernel(&packets, false);
    let states = &asked.states;
    let lines: BTreeMap<u16, String> =
        asked.lines.iter().map(|line| (client_port(line), line.clone())).collect();
    let now = Instant::from_secs(1_000_000);
    let mut ct = Conntrack::new(Config { checksum: true, ..Config::default() }, 7);
    let mut history: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    let mut wrong = 0;
    for (id, bytes) in packets.iter_mut().enumerate() {
        let text = hex(&bytes[12..]);
        let len = bytes.len();
        let mut packet = Packet::new(bytes, 0, len, LinkType::None);
        let info = dissect(&mut packet).expect("sound");
        let PacketIn::Pass(tracking) = ct.packet_in(now, &packet, &info, &Template::default()) else {
            panic!("dropped")
        };
        let Confirm::Pass(_) = ct.confirm(now, tracking) else { panic!("dropped") };
        let (ours, kernel) = (name_of(tracking), states.get(&(id as u16)).map_or("none", String::as_str));
        let state =
            tracking.flow().and_then(|(flow, _)| ct.entry(flow)).and_then(|entry| entry.sctp_status());
        let mark = if ours == kernel { ' ' } else { '!' };
        wrong += usize::from(ours != kernel);
        history.entry(flows[id]).or_default().push(format!("{mark} {id} {text} {kernel} / {ours} {state:?}"));
    }
    let mine: BTreeMap<u16, String> = ct
        .iter()
        .map(|(_, entry)| entry.display(now).to_string())
        .map(|line| (client_port(&line), line))
        .collect();
    let (mut strays, mut shown) = (0, 0);
    for (flow, history) in &history {
        let (ours, kernel) =
            (mine.get(flow).map(|line| essence(line)), lines.get(flow).map(|line| essence(line)));
        let same = match (&ours, &kernel) {
            (Some((ours, left)), Some((kernel, kernel_left))) => {
                ours == kernel && asked.may_have_left(*left, *kernel_left)
            }
            (None, None) => true,
            // An association that is ending or closed lives three or ten seconds: it may be gone when it is listed.
            (Some((_, left)), None) => *left <= asked.took.max(10),
            (None, Some(_)) => false,
        };
        strays += usize::from(!same);
        if (!same || history.iter().any(|line| line.starts_with('!'))) && shown < 12 {
            shown += 1;
            println!("{}\n  ours   {ours:?}\n  kernel {kernel:?}", history.join("\n"));
        }
    }
    println!("{} packets, {wrong} judged otherwise; {strays} associations listed otherwise", packets.len());
    assert_eq!((wrong, strays), (0, 0));
}

/// The rules of table `n`, for a connection's first packet.
fn wanted(tuple: &ironweir_wire::Tuple, manip: Manip) -> Option<NatRange> {
    let [_, _, third, last] = match manip {
        Manip::Source => tuple.src.as_v4(),
        Manip::Destination => tuple.dst.as_v4(),
    };
    let to = |third| NatRange::default().to_address(Address::v4([10, 0, third, last]));
    match (manip, third, last) {
        (Manip::Destination, 0, 1) if tuple.l4 == 17 && tuple.dst_id == 2 => Some(to(7).with_ports(77, 77)),
        (Manip::Destination, 0, 3 | 4) => Some(to(7)),
        (Manip::Source, 0, 1 | 2) => Some(to(8)),
        _ => None,
    }
}

/// Sends a packet through our own router; what leaves.
fn route(ct: &mut Conntrack, now: Instant, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = bytes.to_vec();
    let len = bytes.len();
    let mut packet = Packet::new(&mut bytes, 0, len, LinkType::None);
    let info = dissect(&mut packet).expect("sound");
    let PacketIn::Pass(tracking) = ct.packet_in(now, &packet, &info, &Template::default()) else {
        return None;
    };
    if !rewrite::decrement_ttl(&mut packet, L3::V4) {
        return None;
    }
    for manip in [Manip::Destination, Manip::Source] {
        let Some((flow, state)) = tracking.flow() else { continue };
        if ct.nat_pending(flow, state, manip) {
            let verdict = match wanted(&Conntrack::tuple_of(&packet, &info)?, manip) {
                Some(range) => ct.nat_setup(flow, &range, manip),
                None => ct.nat_null_bind(flow, manip),
            };
            assert_eq!(verdict, NatVerdict::Accept);
        }
        if ct.nat_packet(&mut packet, &info, flow, state, manip) == NatVerdict::Drop {
            return None;
        }
    }
    matches!(ct.confirm(now, tracking), Confirm::Pass(_)).then_some(bytes)
}

/// Gives an ICMP query an id that no other has: where ids clash, both routers draw one at random.
fn with_own_id(mut bytes: Vec<u8>, id: u16) -> Vec<u8> {
    if bytes[9] == 1 && matches!(bytes[20], 0 | 8 | 13..=18) {
        let (sum, old) =
            (u16::from_be_bytes([bytes[22], bytes[23]]), u16::from_be_bytes([bytes[24], bytes[25]]));
        bytes[24..26].copy_from_slice(&id.to_be_bytes());
        let sum = ironweir_wire::checksum::Delta::NONE.word(old, id).apply(sum);
        bytes[22..24].copy_from_slice(&sum.to_be_bytes());
    }
    bytes
}

/// The answer to a packet: ends swapped, and an echo request made a reply.
fn answer(sent: &[u8]) -> Vec<u8> {
    let mut back = sent.to_vec();
    back[8] = 64;
    for at in 12..16 {
        back.swap(at, at + 4);
    }
    match back[9] {
        6 | 17 | 136 => {
            back.swap(20, 22);
            back.swap(21, 23);
        }
        1 if back[20] == 8 => {
            back[20] = 0;
            let sum = u16::from_be_bytes([back[22], back[23]]);
            let sum = ironweir_wire::checksum::Delta::NONE.word(0x0800, 0).apply(sum);
            back[22..24].copy_from_slice(&sum.to_be_bytes());
        }
        _ => {}
    }
    back
}

#[test]
fn nat_changes_packets_as_the_kernel_does() {
    let Some(mut random) = live() else { return };
    let now = Instant::from_secs(1_000_000);
    let mut ct = Conntrack::new(Config { checksum: true, ..Config::default() }, 7);
    let (mut packets, mut ours): (Vec<Vec<u8>>, Vec<Option<Vec<u8>>>) = Default::default();
    let mut left: Vec<Vec<u8>> = Vec::new();
    while packets.len() < 8000 {
        let recent = &left[left.len().saturating_sub(200)..];
        let mut packet = match recent.is_empty() || random.chance(60) {
            true => with_own_id(datagram(&mut random, recent), packets.len() as u16),
            false => answer(&recent[random.below(recent.len() as u64) as usize]),
        };
        number(&mut packet, packets.len() as u16);
        let out = route(&mut ct, now, &packet);
        left.extend(out.clone());
        ours.push(out);
        packets.push(packet);
    }
    let kernel = ask_kernel(&packets, true);
    let (mut wrong, mut changed) = (0, 0);
    for (id, (ours, packet)) in ours.iter().zip(&packets).enumerate() {
        let (ours, theirs) = (ours.as_ref().map(|bytes| hex(bytes)), kernel.out.get(&(id as u16)));
        changed += usize::from(ours.as_ref().is_some_and(|ours| ours[24..] != hex(packet)[24..]));
        if ours.as_ref() != theirs {
            wrong += 1;
            if wrong < 12 {
                println!(
                    "{id} {:?}\n  in     {}\n  ours   {ours:?}\n  kernel {theirs:?}",
                    kernel.states.get(&(id as u16)),
                    hex(packet)
                );
            }
        }
    }
    println!("{} packets, {changed} changed, {wrong} left otherwise", packets.len());
    assert_eq!(wrong, 0);
}
