//! Sequences of packets: conversations that begin well and go on oddly, mixed with each other.
//!
//! An answer does not know the addresses it needs: NAT decides them. It is made when its turn comes, from what left the engine
//! of the packet that it answers.

use std::collections::HashMap;
use std::net::IpAddr;

use ironweir_engine::Host;
use ironweir_wire::IfIndex;
use ironweir_wire::protocol::ipproto;
use ironweir_wire::tcp::flag;

use super::build::{Network, Transport, frame};
use super::chance::Chance;
use super::world::{OWN, STATIONS, Station, address};
use crate::difftest::frames::Arriving;
use crate::difftest::rig::Leaving;

/// One packet to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number, kept when others are taken away.
    pub id: usize,
    /// Where it arrives, unless it is an answer.
    pub iif: IfIndex,
    /// From whom to whom, unless it is an answer.
    pub network: Network,
    /// What it carries; ports of answers are those of what is answered.
    pub transport: Transport,
    /// The step that it answers.
    pub answers: Option<usize>,
    /// The step that it is an ICMP error about.
    pub about: Option<usize>,
    /// What is wrong with it.
    pub odd: Odd,
}

/// What is wrong with a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Odd {
    /// Nothing.
    Nothing,
    /// A byte behind the Ethernet header is changed.
    Flip(usize, u8),
    /// The frame ends early.
    Cut(usize),
    /// Padding follows the packet.
    Padded(usize),
    /// It comes in fragments of so many bytes; turned round if so.
    Fragments(usize, bool),
    /// It has options.
    Options(Vec<u8>),
}

/// What became of a step.
#[derive(Clone, Debug)]
struct Past {
    iif: IfIndex,
    packet: Vec<u8>,
    left: Option<Leaving>,
}

/// Makes frames of steps, one after the other.
#[derive(Debug, Default)]
pub struct Player {
    past: HashMap<usize, Past>,
}

impl Player {
    /// The frames of a step.
    pub fn frames(&mut self, host: &Host, step: &Step) -> Vec<Arriving> {
        let (mut iif, mut network, mut transport) = (step.iif, step.network, step.transport.clone());
        if let Some(past) = step.answers.and_then(|id| self.past.get(&id)) {
            let (oif, packet) = past.seen();
            if let Some((from, to)) = addresses(packet) {
                (network.from, network.to) = (to, from);
                iif = oif.unwrap_or(iif);
                turn(&mut transport, packet);
            }
        }
        if let Some(past) = step.about.and_then(|id| self.past.get(&id)) {
            let (oif, packet) = past.seen();
            if let (Some((from, to)), Transport::Error { quoted, .. }) = (addresses(packet), &mut transport) {
                (network.from, network.to) = (to, from);
                iif = oif.unwrap_or(iif);
                *quoted = packet.iter().take(quoted.len().max(28)).copied().collect();
            }
        }
        let Some(mac) = host.interface(iif).map(|interface| interface.mac) else { return Vec::new() };
        let from = STATIONS.iter().find(|station| station.address(network.from.is_ipv6()) == network.from);
        let from = from.map_or([2, 0, 0, 0, 0xaa, 0xee], Station::mac);
        let protocol = transport.protocol(network.from.is_ipv6());
        let payload = transport.bytes(network.from, network.to);
        let mut packets = match &step.odd {
            Odd::Fragments(size, turned) => {
                let mut packets = network.fragments(protocol, &payload, *size);
                if *turned {
                    packets.reverse();
                }
                packets
            }
            Odd::Options(options) => vec![network.packet(protocol, options, &payload)],
            _ => vec![network.packet(protocol, &[], &payload)],
        };
        if let (Odd::Flip(at, with), Some(packet)) = (&step.odd, packets.first_mut()) {
            let at = at % packet.len().max(1);
            packet[at] ^= with;
        }
        let whole = network.packet(protocol, &[], &payload);
        self.past.insert(step.id, Past { iif, packet: whole, left: None });
        let arriving = |packet: Vec<u8>| {
            let mut bytes = frame(mac, from, &packet);
            match step.odd {
                Odd::Cut(len) => bytes.truncate(14 + len % packet.len().max(1)),
                Odd::Padded(len) => bytes.resize(bytes.len() + len, 0xee),
                _ => {}
            }
            Arriving { iif, bytes, number: step.id as u64 }
        };
        packets.into_iter().map(arriving).collect()
    }

    /// Notes what left the engine for a step.
    pub fn left(&mut self, step: &Step, left: &[Leaving]) {
        if let (Some(past), Some(first)) = (self.past.get_mut(&step.id), left.last()) {
            // Answers of the router are none of the packet's.
            if first.oif != past.iif {
                past.left = Some(first.clone());
            }
        }
    }
}

impl Past {
    /// The packet as its receiver sees it, and where he is.
    fn seen(&self) -> (Option<IfIndex>, &[u8]) {
        match &self.left {
            Some(left) => (Some(left.oif), left.bytes.get(14..).unwrap_or_default()),
            None => {
                let to = addresses(&self.packet).map(|(_, to)| to);
                let at = STATIONS
                    .iter()
                    .find(|station| to == Some(station.address(to.is_some_and(|to| to.is_ipv6()))));
                (at.map(|station| station.interface), &self.packet)
            }
        }
    }
}

fn addresses(packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
    if packet.first()? >> 4 == 6 {
        let get = |at: usize| <[u8; 16]>::try_from(packet.get(at..at + 16)?).ok();
        return Some((get(8)?.into(), get(24)?.into()));
    }
    let get = |at: usize| <[u8; 4]>::try_from(packet.get(at..at + 4)?).ok();
    Some((get(12)?.into(), get(16)?.into()))
}

/// Ports and identifiers of an answer are those of the packet, turned round.
fn turn(transport: &mut Transport, packet: &[u8]) {
    let v6 = packet.first().is_some_and(|first| first >> 4 == 6);
    let at = if v6 { 40 } else { packet.first().map_or(20, |first| usize::from(first & 15) * 4) };
    let word = |at: usize| Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]));
    match transport {
        Transport::Tcp { ports, .. } | Transport::Udp { ports, .. } | Transport::Sctp { ports, .. } => {
            if let (Some(from), Some(to)) = (word(at), word(at + 2)) {
                *ports = [to, from];
            }
        }
        Transport::Icmp { id, .. } => *id = word(at + 4).unwrap_or(*id),
        Transport::Error { .. } | Transport::Other { .. } => {}
    }
}

/// A sequence of a seed.
pub fn sequence(chance: &mut Chance) -> Vec<Step> {
    let mut maker = Maker { chance, next: 0, port: 0 };
    let talks = 1 + maker.chance.below(5);
    let mut lines: Vec<Vec<Step>> = (0..talks).map(|_| maker.talk()).collect();
    let mut steps = Vec::new();
    while !lines.is_empty() {
        let at = maker.chance.below(lines.len());
        if lines[at].is_empty() {
            lines.remove(at);
        } else {
            steps.push(lines[at].remove(0));
        }
    }
    steps
}

struct Maker<'c> {
    chance: &'c mut Chance,
    next: usize,
    port: u16,
}

/// A packet of a TCP conversation: by the client; sequence and acknowledgement number, flags, data.
type Segment = (bool, u32, u32, u8, usize);

impl Maker<'_> {
    fn talk(&mut self) -> Vec<Step> {
        let v6 = self.chance.percent(35);
        let client = self.chance.pick(&STATIONS);
        let mut server = self.chance.pick(&STATIONS);
        while server.interface == client.interface && !self.chance.percent(10) {
            server = self.chance.pick(&STATIONS);
        }
        let from = client.address(v6);
        let to = if self.chance.percent(25) {
            let (v4, six) = self.chance.pick(&OWN);
            address(v4, six, v6)
        } else {
            server.address(v6)
        };
        let network = Network {
            from,
            to,
            ttl: if self.chance.percent(4) { self.chance.pick(&[0, 1, 2]) } else { 64 },
            tos: if self.chance.percent(10) { self.chance.pick(&[0x10, 0x02, 0x03, 0xb8]) } else { 0 },
            id: self.chance.number() as u32,
            df: self.chance.percent(60),
        };
        let base = Step {
            id: 0,
            iif: client.interface,
            network,
            transport: Transport::Other { protocol: 255, len: 8 },
            answers: None,
            about: None,
            odd: Odd::Nothing,
        };
        let mut steps = match self.chance.below(100) {
            0..45 => self.tcp(&base),
            45..65 => self.udp(&base),
            65..78 => self.echo(&base, v6),
            78..86 => self.sctp(&base),
            _ => self.other(&base),
        };
        self.spoil(&mut steps, v6);
        for step in &mut steps {
            step.network.id = self.chance.number() as u32;
        }
        steps
    }

    fn step(&mut self, base: &Step, transport: Transport, answers: Option<usize>) -> Step {
        self.next += 1;
        Step { id: self.next, transport, answers, ..base.clone() }
    }

    /// A port that nobody else has: of two clients with one port NAT would change one's, to a port by chance.
    fn port(&mut self) -> u16 {
        self.port += 1;
        20_000 + self.port * 97 + self.chance.below(90) as u16
    }

    fn tcp(&mut self, base: &Step) -> Vec<Step> {
        let ports = [self.port(), self.chance.pick(&[22, 80, 443, 8080, 5000, 21])];
        let isn = |chance: &mut Chance| {
            if chance.percent(15) { u32::MAX - chance.below(40) as u32 } else { chance.number() as u32 }
        };
        let (mut c, mut s) = (isn(self.chance), isn(self.chance));
        let mut segments: Vec<Segment> = Vec::new();
        if !self.chance.percent(12) {
            segments.push((true, c, 0, flag::SYN, 0));
            c = c.wrapping_add(1);
            segments.push((false, s, c, flag::SYN | flag::ACK, 0));
            s = s.wrapping_add(1);
            segments.push((true, c, s, flag::ACK, 0));
        }
        for _ in 0..self.chance.below(5) {
            let len = self.chance.pick(&[0, 1, 100, 700]);
            if self.chance.percent(55) {
                segments.push((true, c, s, flag::ACK | flag::PSH, len));
                c = c.wrapping_add(len as u32);
            } else {
                segments.push((false, s, c, flag::ACK | flag::PSH, len));
                s = s.wrapping_add(len as u32);
            }
        }
        match self.chance.below(4) {
            0 => segments.push((true, c, s, flag::RST | flag::ACK, 0)),
            1 => segments.push((false, s, c, flag::RST, 0)),
            _ => {
                segments.push((true, c, s, flag::FIN | flag::ACK, 0));
                segments.push((false, s, c.wrapping_add(1), flag::FIN | flag::ACK, 0));
                segments.push((true, c.wrapping_add(1), s.wrapping_add(1), flag::ACK, 0));
            }
        }
        for _ in 0..self.chance.pick(&[0, 0, 0, 1, 2]) {
            self.disturb(&mut segments);
        }
        let window = self.chance.pick(&[65_535, 64_240, 1000, 1, 0]);
        let syn_options = self.syn_options();
        let mut first = None;
        let mut steps = Vec::new();
        for (by_client, seq, ack, flags, len) in segments {
            let options = if flags & flag::SYN != 0 { syn_options.clone() } else { Vec::new() };
            let transport = Transport::Tcp { ports, seq, ack, flags, window, options, len };
            let answers = if by_client { None } else { first };
            let step = self.step(base, transport, answers);
            if by_client && first.is_none() {
                first = Some(step.id);
            }
            steps.push(step);
        }
        steps
    }

    /// One thing that TCP does not do, or not so.
    fn disturb(&mut self, segments: &mut Vec<Segment>) {
        if segments.is_empty() {
            return;
        }
        let at = self.chance.below(segments.len());
        let (by, seq, ack, flags, len) = segments[at];
        match self.chance.below(10) {
            0 => drop(segments.remove(at)),
            1 => segments.insert(at, segments[at]),
            2 if at > 0 => segments.swap(at, at - 1),
            3 => segments[at].3 = self.chance.number() as u8,
            4 => {
                segments[at].1 =
                    seq.wrapping_add(self.chance.pick(&[1, 100_000, u32::MAX - 70_000, u32::MAX]))
            }
            5 => {
                segments[at].2 =
                    ack.wrapping_add(self.chance.pick(&[1, 100_000, u32::MAX - 70_000, u32::MAX]))
            }
            6 => segments.insert(at, (by, seq, ack, flag::RST, 0)),
            7 => segments.insert(at, (by, seq.wrapping_add(5), 0, flag::SYN, 0)),
            8 => segments.insert(at, (!by, ack, seq, flags, len)),
            _ => segments.push((by, seq.wrapping_add(9), 0, flag::SYN, 0)),
        }
    }

    fn syn_options(&mut self) -> Vec<u8> {
        let mut options = Vec::new();
        if self.chance.percent(70) {
            options.extend([2, 4, 5, 0xb4]);
        }
        if self.chance.percent(50) {
            options.extend([1, 3, 3, self.chance.pick(&[0, 2, 7, 14, 15])]);
        }
        if self.chance.percent(50) {
            options.extend([1, 1, 4, 2]);
        }
        if self.chance.percent(30) {
            options.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0]);
        }
        if self.chance.percent(4) {
            options.extend([3, 0, 2, 200]);
        }
        options
    }

    fn udp(&mut self, base: &Step) -> Vec<Step> {
        let ports = [self.port(), self.chance.pick(&[53, 123, 5060, 69, 4000])];
        let checksum = base.network.from.is_ipv6() || !self.chance.percent(10);
        let mut steps: Vec<Step> = Vec::new();
        for at in 0..1 + self.chance.below(5) {
            let answers = steps.first().map(|first| first.id).filter(|_| at > 0 && self.chance.percent(50));
            let len = self.chance.pick(&[0, 5, 40, 900]);
            let step = self.step(base, Transport::Udp { ports, len, checksum }, answers);
            steps.push(step);
        }
        if self.chance.percent(30)
            && let Some(about) = steps.last().filter(|step| step.answers.is_none()).map(|step| step.id)
        {
            let step = self.error(base, about);
            steps.push(step);
        }
        steps
    }

    fn error(&mut self, base: &Step, about: usize) -> Step {
        let (kind, code) = if base.network.from.is_ipv6() {
            self.chance.pick(&[(1, 4), (1, 1), (2, 0), (3, 0), (4, 1)])
        } else {
            self.chance.pick(&[(3, 3), (3, 1), (3, 4), (11, 0), (12, 0), (4, 0), (5, 1)])
        };
        let len = self.chance.pick(&[28, 36, 60, 200]);
        let quoted = vec![0; if base.network.from.is_ipv6() { len + 20 } else { len }];
        let rest = if self.chance.percent(50) { 0 } else { 1300 };
        let mut step = self.step(base, Transport::Error { kind, code, rest, quoted }, None);
        step.about = Some(about);
        step
    }

    fn echo(&mut self, base: &Step, v6: bool) -> Vec<Step> {
        let (ask, answer) =
            if v6 { (128, 129) } else { self.chance.pick(&[(8, 0), (8, 0), (13, 14), (17, 18)]) };
        let (id, code) = (self.port(), if self.chance.percent(5) { 3 } else { 0 });
        let mut steps: Vec<Step> = Vec::new();
        for seq in 0..1 + self.chance.below(4) as u16 {
            let len = self.chance.pick(&[0, 8, 56, 1000]);
            let answers = steps.first().map(|first| first.id).filter(|_| seq > 0 && self.chance.percent(50));
            let kind = if answers.is_some() { answer } else { ask };
            let step = self.step(base, Transport::Icmp { kind, code, id, seq, len }, answers);
            steps.push(step);
        }
        if self.chance.percent(25) {
            let about = steps[0].id;
            let step = self.error(base, about);
            steps.push(step);
        }
        steps
    }

    fn sctp(&mut self, base: &Step) -> Vec<Step> {
        let ports = [self.port(), self.chance.pick(&[80, 2905, 5000])];
        let (a, b) = (self.chance.number() as u32, self.chance.number() as u32);
        let chunk = |kind: u8, body: &[u8]| {
            let mut bytes = vec![kind, 0];
            bytes.extend(((4 + body.len()) as u16).to_be_bytes());
            bytes.extend(body);
            bytes
        };
        let init = |tag: u32| {
            let mut body = tag.to_be_bytes().to_vec();
            body.extend([0, 1, 0, 0, 0, 10, 0, 10, 0, 0, 0, 1]);
            body
        };
        let mut talk = vec![
            (true, 0, chunk(1, &init(a))),
            (false, a, chunk(2, &init(b))),
            (true, b, chunk(10, &[1, 2, 3, 4])),
            (false, a, chunk(11, &[])),
            (true, b, chunk(0, &[0; 16])),
            (false, a, chunk(3, &[0; 12])),
            (true, b, chunk(4, &[0; 8])),
            (false, a, chunk(5, &[0; 8])),
            (true, b, chunk(7, &[0; 4])),
            (false, a, chunk(8, &[])),
            (true, b, chunk(14, &[])),
        ];
        talk.truncate(1 + self.chance.below(talk.len()));
        if self.chance.percent(25) {
            let at = self.chance.below(talk.len());
            match self.chance.below(4) {
                0 => drop(talk.remove(at)),
                1 => talk[at].1 ^= 1,
                2 => talk[at].2[0] = self.chance.number() as u8,
                _ => talk.push((false, a, chunk(6, &[]))),
            }
        }
        let mut first = None;
        let mut steps = Vec::new();
        for (by_client, tag, chunks) in talk {
            let answers = if by_client { None } else { first };
            let step = self.step(base, Transport::Sctp { ports, tag, chunks }, answers);
            if by_client && first.is_none() {
                first = Some(step.id);
            }
            steps.push(step);
        }
        steps
    }

    fn other(&mut self, base: &Step) -> Vec<Step> {
        let protocol = self.chance.pick(&[
            ipproto::GRE,
            ipproto::ESP,
            ipproto::IPIP,
            ipproto::UDPLITE,
            ipproto::DCCP,
            89,
            253,
            ipproto::NONE,
        ]);
        let mut steps: Vec<Step> = Vec::new();
        for at in 0..1 + self.chance.below(3) {
            let answers = steps.first().map(|first| first.id).filter(|_| at > 0 && self.chance.percent(50));
            let len = self.chance.pick(&[0, 4, 8, 20, 300]);
            let step = self.step(base, Transport::Other { protocol, len }, answers);
            steps.push(step);
        }
        steps
    }

    /// IPv4 options, some of them wrong: padding, router alert, record routes, timestamps, a source route.
    fn v4_options(&mut self) -> Vec<u8> {
        let space = 4 * self.chance.below(5);
        let mut options = match self.chance.below(12) {
            0 => vec![1, 1, 1, 0],
            1 => vec![0x94, 4, 0, 0],
            2..5 => vec![7, 3 + space as u8, self.chance.pick(&[4, 4, 4, 8, 16, 5])],
            5 => vec![0x44, 4 + space as u8, 5, 0],
            6 => vec![0x44, 4 + space as u8, self.chance.pick(&[5, 5, 13]), 1],
            7 => vec![
                0x44,
                8 + space as u8,
                self.chance.pick(&[5, 13]),
                3,
                10,
                0,
                1,
                self.chance.pick(&[1, 9]),
            ],
            8 => vec![0x44, 8, 9, self.chance.pick(&[0, 0x10, 0xf0]), 1, 2, 3, 4],
            9 => vec![self.chance.pick(&[0x83, 0x89]), 3 + space as u8, 4],
            10 => vec![self.chance.pick(&[0x82, 0x88, 30]), 4, 1, 2],
            _ => vec![1, 0, self.chance.number() as u8, 9],
        };
        if matches!(options.first(), Some(7 | 0x44 | 0x83 | 0x89)) && options.get(1) != Some(&8) {
            options.resize(options.get(1).map_or(4, |len| usize::from(*len)), 0);
        }
        if self.chance.percent(15) {
            let at = self.chance.below(options.len());
            if let Some(byte) = options.get_mut(at) {
                *byte ^= 1 << self.chance.below(8);
            }
        }
        options.resize(options.len().next_multiple_of(4).min(40), 0);
        options
    }

    fn spoil(&mut self, steps: &mut [Step], v6: bool) {
        for step in steps {
            if !self.chance.percent(6) {
                continue;
            }
            step.odd = match self.chance.below(6) {
                0 => Odd::Flip(self.chance.below(80), 1 << self.chance.below(8)),
                1 => Odd::Cut(self.chance.below(80)),
                2 => Odd::Padded(1 + self.chance.below(40)),
                3 | 4 => Odd::Fragments(8 * (2 + self.chance.below(30)), self.chance.percent(30)),
                _ if v6 => Odd::Options(vec![1, 4, 0, 0, 0, 0]),
                _ => Odd::Options(self.v4_options()),
            };
        }
    }
}
