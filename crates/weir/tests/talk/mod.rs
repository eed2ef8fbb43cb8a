//! Two sides that talk through a router, and what they say.

pub(crate) mod h323;
pub(crate) mod sip;
pub(crate) mod words;

use std::fmt::Write as _;
use std::net::IpAddr;

use ironweir::difftest::duel::Duel;
use ironweir::difftest::frames::Arriving;
use ironweir::difftest::generate::chance::Chance;
use ironweir_wire::checksum::Sum;
use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Address, IfIndex, L3, ipv4, ipv6, tcp};

const TCP: u8 = ipproto::TCP;
const UDP: u8 = ipproto::UDP;

/// How addresses are translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nat {
    None,
    Source,
    Destination,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Who began.
    Client,
    Server,
}

/// A side's view of the connection.
#[derive(Clone, Copy, Debug)]
struct End {
    own: (IpAddr, u16),
    peer: (IpAddr, u16),
    seq: u32,
    ack: u32,
}

/// A conversation.
pub(crate) struct Talk<'d, 'r> {
    duel: &'d mut Duel<'r>,
    pub(crate) chance: Chance,
    pub(crate) nat: Nat,
    six: bool,
    ends: [End; 2],
    at: usize,
    log: String,
    difference: Option<String>,
    l4: u8,
    began: std::time::Instant,
}

/// Whether lines of both sides differ in the time that is left alone.
fn are_times(lines: &[String]) -> bool {
    let of = |side: char| -> Vec<String> {
        let mine = lines.iter().filter(|line| line.starts_with(side));
        // A stream of UDP is assured after two seconds.
        mine.map(|line| line[1..].split(" (").next().unwrap_or_default().replace(" [ASSURED]", "")).collect()
    };
    lines.iter().all(|line| line.contains("(has ")) && of('<') == of('>')
}

/// Whether an address is behind lan0.
fn is_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets()[..3] == [10, 0, 1],
        IpAddr::V6(v6) => v6.segments()[2] == 1,
    }
}

impl<'d, 'r> Talk<'d, 'r> {
    pub(crate) fn new(duel: &'d mut Duel<'r>, mut chance: Chance, nat: Nat, six: bool, port: u16) -> Self {
        let (inside, outside) =
            (address([10, 0, 1, 10], (1, 0x10), six), address([198, 18, 0, 7], (0x18, 7), six));
        let source = 1024 + chance.below(60_000) as u16;
        let public = public(six);
        let (client, server, called) = match nat {
            Nat::None | Nat::Source => (inside, outside, outside),
            Nat::Destination => (outside, inside, public),
        };
        let number = |chance: &mut Chance| chance.number() as u32;
        let seq = [number(&mut chance), number(&mut chance)];
        let end = |own, peer, seq| End { own, peer, seq, ack: 0 };
        let ends =
            [end((client, source), (called, port), seq[0]), end((server, port), (client, source), seq[1])];
        let log = String::new();
        Talk {
            duel,
            chance,
            nat,
            six,
            ends,
            at: 0,
            log,
            difference: None,
            l4: UDP,
            began: std::time::Instant::now(),
        }
    }

    /// The first difference, with all that was said.
    pub(crate) fn difference(mut self) -> Option<String> {
        self.compare();
        self.difference.map(|difference| format!("{}{difference}", self.log))
    }

    pub(crate) fn is_over(&self) -> bool {
        self.difference.is_some() || self.duel.is_drawn()
    }

    /// Addresses that a side may name: its own, its peer's, as the other sees them, and another.
    pub(crate) fn addresses(&self) -> [IpAddr; 4] {
        [
            self.ends[0].own.0,
            self.ends[1].own.0,
            public(self.six),
            address([198, 18, 9, 9], (0x18, 9), self.six),
        ]
    }

    /// A side's own address and port.
    pub(crate) fn own(&self, side: Side) -> (IpAddr, u16) {
        self.ends[side as usize].own
    }

    /// A side's peer, as it sees it.
    pub(crate) fn peer(&self, side: Side) -> (IpAddr, u16) {
        self.ends[side as usize].peer
    }

    pub(crate) fn is_six(&self) -> bool {
        self.six
    }

    /// The three packets of a handshake.
    pub(crate) fn open(&mut self) {
        self.l4 = TCP;
        self.segment(Side::Client, tcp::flag::SYN, b"");
        self.segment(Side::Server, tcp::flag::SYN | tcp::flag::ACK, b"");
        self.segment(Side::Client, tcp::flag::ACK, b"");
    }

    /// Says something, over what was opened or over UDP.
    pub(crate) fn say(&mut self, side: Side, text: &[u8]) {
        if self.is_over() {
            return;
        }
        let _ = writeln!(self.log, "{} {side:?}: {}", self.at, text.escape_ascii());
        if self.l4 == TCP {
            self.segment(side, tcp::flag::ACK | tcp::flag::PSH, text);
            let other = if side == Side::Client { Side::Server } else { Side::Client };
            self.segment(other, tcp::flag::ACK, b"");
        } else {
            let end = self.ends[side as usize];
            self.transmit(end.own, end.peer, udp(end.own, end.peer, text), UDP);
            self.hear(side);
        }
        self.compare();
    }

    /// As `say`, the last packet of a side coming once more.
    pub(crate) fn repeat(&mut self, side: Side, text: &[u8]) {
        if self.is_over() || self.l4 != TCP {
            return;
        }
        let _ = writeln!(self.log, "{} {side:?} again", self.at);
        let end = &mut self.ends[side as usize];
        end.seq = end.seq.wrapping_sub(text.len() as u32);
        self.segment(side, tcp::flag::ACK | tcp::flag::PSH, text);
    }

    pub(crate) fn close(&mut self) {
        self.segment(Side::Client, tcp::flag::RST | tcp::flag::ACK, b"");
        self.compare();
    }

    /// From now on the conversation is over a connection that is expected. False: none is, or it does not come about.
    pub(crate) fn turn_to_expected(&mut self) -> bool {
        if self.is_over() {
            return false;
        }
        let now = machine_now();
        let engine = self.duel.mirror().engine();
        let all: Vec<_> = engine.conntrack().expectations(now).map(|e| e.expectation.clone()).collect();
        let l3 = if self.six { L3::V6 } else { L3::V4 };
        let all: Vec<_> = all.into_iter().filter(|e| e.tuple.l4 == TCP && e.helper.is_some()).collect();
        if all.is_empty() {
            return false;
        }
        let expected = self.chance.pick(&all);
        let (Some(source), Some(to)) = (expected.tuple.src.to_ip(l3), expected.tuple.dst.to_ip(l3)) else {
            return false;
        };
        let _ = writeln!(self.log, "{} {source} > {to} {}", self.at, expected.tuple.dst_id);
        let end = |own, peer| End { own, peer, seq: 1000, ack: 0 };
        let called = (to, expected.tuple.dst_id);
        self.ends = [end((source, 30_000), called), end(called, (source, 30_000))];
        self.l4 = TCP;
        self.segment(Side::Client, tcp::flag::SYN, b"");
        let Some(left) = self.duel.left().iter().find_map(|left| Segment::read(&left.bytes)) else {
            return false;
        };
        self.ends[1] = End { own: left.to, peer: left.from, seq: 5000, ack: left.seq.wrapping_add(1) };
        self.segment(Side::Server, tcp::flag::SYN | tcp::flag::ACK, b"");
        self.segment(Side::Client, tcp::flag::ACK, b"");
        self.compare();
        !self.is_over()
    }

    fn segment(&mut self, side: Side, flags: u8, text: &[u8]) {
        if self.is_over() {
            return;
        }
        let end = self.ends[side as usize];
        let header = tcp::Header {
            src: end.own.1,
            dst: end.peer.1,
            seq: end.seq,
            ack: if flags & tcp::flag::ACK != 0 { end.ack } else { 0 },
            flags,
            window: 64_000,
            ..tcp::Header::default()
        };
        let mut body = header.emit().to_vec();
        body.extend(text);
        let opens = u32::from(flags & (tcp::flag::SYN | tcp::flag::FIN) != 0);
        self.ends[side as usize].seq = end.seq.wrapping_add(text.len() as u32 + opens);
        summed(&mut body, end.own.0, end.peer.0, TCP, 16);
        self.transmit(end.own, end.peer, body, TCP);
        self.hear(side);
    }

    /// The other side learns what came of the last packet.
    fn hear(&mut self, side: Side) {
        let Some(left) = self.duel.left().iter().find_map(|left| Segment::read(&left.bytes)) else { return };
        let other = &mut self.ends[1 - side as usize];
        if left.to != other.own || left.l4 != self.l4 {
            return;
        }
        other.peer = left.from;
        if left.l4 == TCP {
            other.ack = left.seq.wrapping_add(left.len);
        }
    }

    fn transmit(&mut self, from: (IpAddr, u16), to: (IpAddr, u16), body: Vec<u8>, l4: u8) {
        let packet = whole(from.0, to.0, l4, &body);
        let inside = is_inside(from.0);
        let mut frame = if inside {
            vec![2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0xaa, 0x10]
        } else {
            vec![2, 0, 0, 0, 2, 1, 2, 0, 0, 0, 0xaa, 0x20]
        };
        frame.extend(if self.six { [0x86, 0xdd] } else { [8, 0] });
        frame.extend(packet);
        let number = self.at as u64 + 1;
        let arriving = Arriving { iif: IfIndex(if inside { 2 } else { 3 }), bytes: frame, number };
        let found = self.duel.packet(self.at, &arriving).unwrap();
        if let Some(found) = found {
            let _ = writeln!(self.log, "{from:?} > {to:?}");
            self.difference =
                Some(format!("packet {}: {:?}\n{}", found.at, found.disposition, found.lines.join("\n")));
        }
        self.at += 1;
    }

    fn compare(&mut self) {
        if self.is_over() {
            return;
        }
        if let Some(found) = self.duel.state(self.at).unwrap() {
            // On a busy machine seconds pass between what the kernel does and what the engine does.
            if self.began.elapsed().as_secs() > 1 && are_times(&found.lines) {
                return;
            }
            self.difference = Some(format!("behind packet {}\n{}", self.at, found.lines.join("\n")));
        }
    }

    /// Somebody does what is expected, or nearly so, and is answered.
    pub(crate) fn fulfil(&mut self) {
        if self.is_over() {
            return;
        }
        let now = machine_now();
        let engine = self.duel.mirror().engine();
        let all: Vec<_> = engine.conntrack().expectations(now).map(|e| e.expectation.clone()).collect();
        if all.is_empty() {
            return;
        }
        let expected = self.chance.pick(&all);
        let l3 = if self.six { L3::V6 } else { L3::V4 };
        let anybody = expected.src_mask == Address::UNSPECIFIED || self.chance.percent(5);
        let source =
            if anybody { self.chance.pick(&self.addresses()) } else { expected.tuple.src.to_ip(l3).unwrap() };
        let port = if expected.src_id_mask == 0 {
            self.chance.pick(&[20, 4000, 5060, 30_001])
        } else {
            expected.tuple.src_id
        };
        let (from, to) = ((source, port), (expected.tuple.dst.to_ip(l3).unwrap(), expected.tuple.dst_id));
        let _ = writeln!(self.log, "{} {} {from:?} > {to:?}", self.at, expected.tuple.l4);
        self.first_packet(from, to, expected.tuple.l4);
        // The answer to what left.
        if let Some(left) = self.duel.left().iter().find_map(|left| Segment::read(&left.bytes))
            && self.chance.percent(80)
        {
            let (from, to) = (left.to, left.from);
            self.first_packet(from, to, expected.tuple.l4);
        }
        self.compare();
    }

    fn first_packet(&mut self, from: (IpAddr, u16), to: (IpAddr, u16), l4: u8) {
        let body = match l4 {
            TCP => {
                let header = tcp::Header {
                    src: from.1,
                    dst: to.1,
                    seq: 1,
                    flags: tcp::flag::SYN,
                    window: 1000,
                    ..tcp::Header::default()
                };
                let mut body = header.emit().to_vec();
                summed(&mut body, from.0, to.0, TCP, 16);
                body
            }
            UDP => udp(from, to, b"hello"),
            _ => gre(to.1),
        };
        if !self.is_over() {
            self.transmit(from, to, body, l4);
        }
    }

    /// A packet of GRE with a call id, from one side.
    pub(crate) fn tunnel(&mut self, side: Side, call: u16) {
        if self.is_over() {
            return;
        }
        let end = self.ends[side as usize];
        let _ = writeln!(self.log, "{} {side:?} GRE {call}", self.at);
        self.transmit(end.own, end.peer, gre(call), ipproto::GRE);
        self.compare();
    }
}

fn machine_now() -> ironweir_wire::Instant {
    ironweir::machine::now()
}

pub(crate) fn public(six: bool) -> IpAddr {
    address([203, 0, 113, 77], (2, 0x77), six)
}

fn address(v4: [u8; 4], v6: (u16, u16), six: bool) -> IpAddr {
    ironweir::difftest::generate::world::address(v4, v6, six)
}

/// What is looked at of a packet that left.
struct Segment {
    from: (IpAddr, u16),
    to: (IpAddr, u16),
    l4: u8,
    seq: u32,
    /// Bytes of data, and one for what opens or closes.
    len: u32,
}

impl Segment {
    fn read(frame: &[u8]) -> Option<Segment> {
        let packet = frame.get(14..)?;
        let be16 = |at: usize| Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]));
        let v6 = |at: usize| {
            packet.get(at..at + 16).map(|bytes| IpAddr::from(<[u8; 16]>::try_from(bytes).unwrap()))
        };
        let v4 =
            |at: usize| packet.get(at..at + 4).map(|bytes| IpAddr::from(<[u8; 4]>::try_from(bytes).unwrap()));
        let (l4, src, dst, at, end) = match packet.first()? >> 4 {
            4 => (*packet.get(9)?, v4(12)?, v4(16)?, 20, usize::from(be16(2)?)),
            _ => (*packet.get(6)?, v6(8)?, v6(24)?, 40, 40 + usize::from(be16(4)?)),
        };
        if l4 == ipproto::GRE {
            return Some(Segment { from: (src, 0), to: (dst, be16(at + 6)?), l4, seq: 0, len: 0 });
        }
        if l4 != TCP && l4 != UDP {
            return None;
        }
        let (from, to) = ((src, be16(at)?), (dst, be16(at + 2)?));
        let mut segment = Segment { from, to, l4, seq: 0, len: 0 };
        if l4 == TCP {
            segment.seq = u32::from_be_bytes(packet.get(at + 4..at + 8)?.try_into().ok()?);
            let flags = *packet.get(at + 13)?;
            let header = usize::from(packet.get(at + 12)? >> 4) * 4;
            let opens = u32::from(flags & (tcp::flag::SYN | tcp::flag::FIN) != 0);
            segment.len = (end - at - header) as u32 + opens;
        }
        Some(segment)
    }
}

fn gre(call: u16) -> Vec<u8> {
    let mut body = vec![0x30, 1, 0x88, 0x0b, 0, 4];
    body.extend(call.to_be_bytes());
    body.extend([0, 0, 0, 1, 1, 2, 3, 4]);
    body
}

fn udp(from: (IpAddr, u16), to: (IpAddr, u16), text: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for word in [from.1, to.1, 8 + text.len() as u16, 0] {
        body.extend(word.to_be_bytes());
    }
    body.extend(text);
    summed(&mut body, from.0, to.0, UDP, 6);
    body
}

fn summed(body: &mut [u8], from: IpAddr, to: IpAddr, l4: u8, at: usize) {
    let l3 = if from.is_ipv6() { L3::V6 } else { L3::V4 };
    let sum = Sum::ZERO.pseudo(l3, &Address::from(from), &Address::from(to), body.len(), l4);
    let sum = sum.bytes(body).finish();
    body[at..at + 2].copy_from_slice(&(if sum == 0 { 0xffff } else { sum }).to_be_bytes());
}

fn whole(from: IpAddr, to: IpAddr, l4: u8, body: &[u8]) -> Vec<u8> {
    let (src, dst) = (Address::from(from), Address::from(to));
    let mut bytes = if from.is_ipv6() {
        let payload_length = body.len() as u16;
        ipv6::Header {
            version: 6,
            traffic_class: 0,
            flow_label: 0,
            payload_length,
            next_header: l4,
            hop_limit: 64,
            src,
            dst,
        }
        .emit()
        .to_vec()
    } else {
        let total_length = 20 + body.len() as u16;
        ipv4::Header {
            header_len: 20,
            version: 4,
            tos: 0,
            total_length,
            id: 1,
            flags_offset: 0x4000,
            ttl: 64,
            protocol: l4,
            checksum: 0,
            src,
            dst,
        }
        .emit()
        .to_vec()
    };
    bytes.extend(body);
    bytes
}
