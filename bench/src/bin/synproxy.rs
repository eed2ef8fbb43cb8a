//! A SYN flood against a synproxied service: millions of spoofed packets, and real clients among them.
//!
//! ```text
//! cargo run --release -p ironweir-bench --bin synproxy [-- MILLIONS]
//! ```
//!
//! MILLIONS (default 5) of SYNs from random addresses are made in memory, batch by batch, and processed; 1,000 handshakes
//! are spread among them, each with an exchange of data. The program fails unless every handshake succeeds and nothing but
//! their connections is kept. The figure is the processing alone, one core, making the packets not counted.
//!
//! For comparison, the talk that introduced synproxy to Linux (2013) names below 300 thousand SYNs per second for the
//! kernel's own SYN handling of a listening socket, and 2.8 million for synproxy on eight cores or more.

#![allow(unreachable_pub)] // a program has nothing to reach

use std::process::ExitCode;
use std::time::{Duration, Instant};

use ironweir::replay::options::parse;
use ironweir::replay::prepare;
use ironweir_engine::{Disposition, Engine};
use ironweir_wire::checksum::Sum;
use ironweir_wire::tcp::{self, flag};
use ironweir_wire::{Address, IfIndex, L3, LinkType, Packet, ipv4};

const RULES: &str = "table ip filter {
    chain raw {
        type filter hook prerouting priority raw
        tcp dport 80 tcp flags & (fin | syn | rst | ack) == syn notrack
    }
    chain forward {
        type filter hook forward priority filter
        tcp dport 80 ct state invalid,untracked synproxy mss 1460 wscale 7 timestamp sack-perm
        ct state invalid drop
    }
}
";
const HOST: &str = "[conntrack]
tcp_loose = false
[[interface]]
name = \"wan0\"
index = 2
mac = \"02:00:00:00:02:01\"
addresses = [\"198.51.100.1/24\"]
[[interface]]
name = \"dmz0\"
index = 3
mac = \"02:00:00:00:03:01\"
addresses = [\"192.0.2.1/24\"]
[[route]]
dst = \"default\"
via = \"198.51.100.254\"
dev = \"wan0\"
[[neighbour]]
address = \"198.51.100.254\"
mac = \"02:00:00:00:02:02\"
dev = \"wan0\"
[[neighbour]]
address = \"192.0.2.80\"
mac = \"02:00:00:00:03:02\"
dev = \"dmz0\"
";
/// A capture of no packets: the header of a pcap file, Ethernet.
const EMPTY: [u8; 24] = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
const WAN: IfIndex = IfIndex(2);
const DMZ: IfIndex = IfIndex(3);
const SERVER: [u8; 4] = [192, 0, 2, 80];
/// What a client of today offers: MSS 1460, selective acknowledgements, a timestamp, window scale 7.
const OPTIONS: [u8; 20] = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0x13, 0x88, 0, 0, 0, 0, 1, 3, 3, 7];
const HANDSHAKES: u64 = 1000;
const BATCH: u64 = 5000;

fn main() -> ExitCode {
    let millions = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(5.0_f64);
    match run((f64::clamp(millions, 0.005, 1000.0) * 1e6) as u64) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("synproxy: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(flood: u64) -> Result<(), String> {
    let mut bench =
        Bench { engine: engine()?, random: 1, now: ironweir_wire::Instant::from_secs(1_700_000_000) };
    let mut spent = Duration::ZERO;
    let (mut answered, mut handshakes, mut most) = (0, 0, 0);
    let batches = flood.div_ceil(BATCH);
    for batch in 0..batches {
        let mut frames: Vec<Vec<u8>> = (0..BATCH).map(|_| bench.spoofed()).collect();
        let begin = Instant::now();
        for frame in &mut frames {
            let (now, engine) = (bench.now, &mut bench.engine);
            answered += u64::from(process(engine, now, WAN, frame) == Disposition::Stolen);
            while engine.poll_output().is_some() {}
        }
        spent += begin.elapsed();
        // A million SYNs a second.
        bench.now = bench.now + Duration::from_micros(BATCH);
        for client in HANDSHAKES * batch / batches..HANDSHAKES * (batch + 1) / batches {
            bench.handshake(client).ok_or_else(|| format!("handshake {client} failed"))?;
            handshakes += 1;
        }
        most = most.max(bench.engine.conntrack().len() as u64);
    }
    let sent = batches * BATCH;
    let kept = bench.engine.conntrack().len() as u64;
    println!("SYNs {sent}, answered with cookies {answered}, handshakes {handshakes} of {HANDSHAKES}");
    println!("connections kept {kept}, at most {most}");
    println!(
        "{:.0} SYNs per second and core, {:.0} ns each",
        sent as f64 / spent.as_secs_f64(),
        spent.as_nanos() as f64 / sent as f64
    );
    if answered != sent || handshakes != HANDSHAKES || kept != HANDSHAKES {
        return Err("not what a synproxy promises".to_owned());
    }
    Ok(())
}

fn engine() -> Result<Engine, String> {
    let directory = std::env::temp_dir().join(format!("ironweir-synproxy-{}", std::process::id()));
    std::fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
    let prepared = (|| {
        let file = |name: &str, text: &[u8]| {
            let path = directory.join(name);
            std::fs::write(&path, text).map_err(|error| error.to_string())?;
            Ok::<_, String>(path.into_os_string())
        };
        let words = [
            file("rules.nft", RULES.as_bytes())?,
            file("none.pcap", &EMPTY)?,
            "--host".into(),
            file("host.toml", HOST.as_bytes())?,
        ];
        let options = parse(&words).map_err(|error| error.to_string())?;
        prepare(&options).map_err(|error| error.to_string())
    })();
    let _ = std::fs::remove_dir_all(&directory);
    Ok(prepared?.engine)
}

fn process(engine: &mut Engine, now: ironweir_wire::Instant, iif: IfIndex, frame: &mut [u8]) -> Disposition {
    let len = frame.len();
    let mut packet = Packet::new(frame, 0, len, LinkType::Ethernet);
    packet.meta.iif = iif;
    engine.process(now, &mut packet, &mut ())
}

struct Bench {
    engine: Engine,
    random: u64,
    now: ironweir_wire::Instant,
}

impl Bench {
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A SYN from an address of 1.0.0.0/8 to 99.0.0.0/8 that nobody has.
    fn spoofed(&mut self) -> Vec<u8> {
        let (draw, more) = (self.draw(), self.draw());
        let [a, b, c, d, e, f, _, _] = draw.to_be_bytes();
        let src = [a % 99 + 1, b, c, d];
        let header = tcp::Header {
            src: u16::from_be_bytes([e, f]).max(1),
            dst: 80,
            seq: more as u32,
            flags: flag::SYN,
            window: 64240,
            ..tcp::Header::default()
        };
        frame(src, SERVER, header, &OPTIONS, 0)
    }

    /// One client's way in, an exchange of data included. `None` when a step is not answered as it should.
    fn handshake(&mut self, client: u64) -> Option<()> {
        let src = [100, 64, (client >> 8) as u8, client as u8];
        let seq = self.draw() as u32;
        let base = tcp::Header { src: 40_000, dst: 80, window: 64240, ..tcp::Header::default() };
        let back = tcp::Header { src: 80, dst: 40_000, window: 65160, ..tcp::Header::default() };
        let syn = tcp::Header { seq, flags: flag::SYN, ..base };
        let answer = self.one(WAN, src, SERVER, syn, &OPTIONS, 0)?;
        let cookie = answer.header.seq;
        let promised = answer.options.get(8..12)?.to_vec();
        let echo = |own: &[u8], of: &[u8]| [&[1, 1, 8, 10], own, of].concat();
        let ack =
            tcp::Header { seq: seq.wrapping_add(1), ack: cookie.wrapping_add(1), flags: flag::ACK, ..base };
        let to_server = self.one(WAN, src, SERVER, ack, &echo(&[0, 0, 0x13, 0x90], &promised), 0)?;
        let is_syn = to_server.header.flags == flag::SYN && to_server.header.seq == seq;
        if !is_syn || to_server.oif != DMZ {
            return None;
        }
        let isn = self.draw() as u32;
        let synack = tcp::Header { seq: isn, ack: seq.wrapping_add(1), flags: flag::SYN | flag::ACK, ..back };
        let mut options = OPTIONS;
        options[8..16].copy_from_slice(&[0, 9, 9, 9, 0, 0, 0x13, 0x90]);
        let acks = self.all(DMZ, SERVER, src, synack, &options, 0);
        let [first, second] = acks.as_slice() else { return None };
        let opened = first.oif == DMZ
            && first.header.ack == isn.wrapping_add(1)
            && second.oif == WAN
            && second.header.seq == cookie.wrapping_add(1)
            && second.header.window > 0;
        let data = tcp::Header { flags: flag::ACK | flag::PSH, ..ack };
        let there = self.one(WAN, src, SERVER, data, &echo(&[0, 0, 0x13, 0x99], &promised), 100)?;
        let data = tcp::Header {
            seq: isn.wrapping_add(1),
            ack: seq.wrapping_add(101),
            flags: flag::ACK | flag::PSH,
            ..back
        };
        let here = self.one(DMZ, SERVER, src, data, &echo(&[0, 9, 9, 10], &[0, 0, 0x13, 0x99]), 1000)?;
        let moved = there.header.ack == isn.wrapping_add(1) && here.header.seq == cookie.wrapping_add(1);
        (opened && moved).then_some(())
    }

    fn one(
        &mut self,
        iif: IfIndex,
        src: [u8; 4],
        dst: [u8; 4],
        header: tcp::Header,
        options: &[u8],
        data: usize,
    ) -> Option<Seen> {
        self.all(iif, src, dst, header, options, data).pop()
    }

    /// What leaves when this packet comes.
    fn all(
        &mut self,
        iif: IfIndex,
        src: [u8; 4],
        dst: [u8; 4],
        header: tcp::Header,
        options: &[u8],
        data: usize,
    ) -> Vec<Seen> {
        let mut bytes = frame(src, dst, header, options, data);
        let end = process(&mut self.engine, self.now, iif, &mut bytes);
        let mut seen = Vec::new();
        while let Some(mut made) = self.engine.poll_output() {
            seen.extend(Seen::read(made.oif, &mut made.bytes));
        }
        if let Disposition::Forwarded { oif, .. } = end {
            seen.extend(Seen::read(oif, &mut bytes));
        }
        seen
    }
}

/// A segment that left.
struct Seen {
    oif: IfIndex,
    header: tcp::Header,
    options: Vec<u8>,
}

impl Seen {
    fn read(oif: IfIndex, frame: &mut [u8]) -> Option<Seen> {
        let len = frame.len();
        let options = frame.get(54..)?.to_vec();
        let packet = Packet::new(frame, 0, len, LinkType::Ethernet);
        Some(Seen { oif, header: tcp::Header::read(&packet, 34)?, options })
    }
}

/// A frame to the router, with checksums.
fn frame(src: [u8; 4], dst: [u8; 4], header: tcp::Header, options: &[u8], data: usize) -> Vec<u8> {
    let mut l4 = header.emit().to_vec();
    l4.extend(options);
    if let Some(offset) = l4.get_mut(12) {
        *offset = ((20 + options.len()) / 4 * 16) as u8;
    }
    l4.resize(l4.len() + data, 0x55);
    let (src, dst) = (Address::v4(src), Address::v4(dst));
    let sum = Sum::ZERO.pseudo(L3::V4, &src, &dst, l4.len(), 6).bytes(&l4).finish();
    l4.splice(tcp::CHECKSUM_AT..tcp::CHECKSUM_AT + 2, sum.to_be_bytes());
    let network = ipv4::Header {
        header_len: ipv4::HEADER_LEN,
        version: 4,
        tos: 0,
        total_length: (ipv4::HEADER_LEN + l4.len()) as u16,
        id: 1,
        flags_offset: ipv4::FLAG_DONT_FRAGMENT,
        ttl: 57,
        protocol: 6,
        checksum: 0,
        src,
        dst,
    };
    let router = if src.as_v4() == SERVER { 3 } else { 2 };
    let mut frame = vec![2, 0, 0, 0, router, 1, 2, 0, 0, 0, router, 2, 8, 0];
    frame.extend(network.emit());
    frame.extend(l4);
    frame
}
