//! Connection tracking driven by any bytes: packets of few hosts and ports, times that go either way, and all that may
//! be done to connections between them. After each step the table must be of one mind.

use std::sync::Arc;
use std::time::Duration;

use ironweir_conntrack::{
    Config, Confirm, Conntrack, CtRef, Direction, Item, Manip, NatFlags, NatRange, PacketIn, Status,
    Template, Timeouts, Tracking, Zone, ZoneDirection,
};
use ironweir_wire::protocol::ethertype;
use ironweir_wire::{Address, Instant, LinkType, Packet, PacketInfo, dissect};

/// Bytes that choices are read from; zeros when they are at their end.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn number(&mut self) -> u32 {
        u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::from(self.byte()) % of.len()]
    }

    fn take(&mut self, most: usize) -> Vec<u8> {
        let count = usize::from(self.byte()) % (most + 1);
        (0..count).map(|_| self.byte()).collect()
    }
}

struct World {
    conntrack: Conntrack,
    now: Instant,
    max: usize,
    /// What packets carried, the last few.
    carried: Vec<Tracking>,
}

/// Runs a sequence of steps.
pub fn run(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let switches = choices.byte();
    let max = 1 + usize::from(choices.byte() % 24);
    let config = Config {
        max,
        timestamps: switches & 1 != 0,
        checksum: switches & 2 != 0,
        tcp_loose: switches & 4 != 0,
        tcp_be_liberal: switches & 8 != 0,
        tcp_ignore_invalid_rst: switches & 16 != 0,
        accounting: switches & 32 != 0,
        event_capacity: usize::from(switches & 64),
        ..Config::default()
    };
    let mut world = World {
        conntrack: Conntrack::new(config, u64::from(choices.byte())),
        now: Instant::from_secs(1_700_000_000),
        max,
        carried: Vec::new(),
    };
    while !choices.0.is_empty() {
        world.step(&mut choices);
        world.check();
    }
}

impl World {
    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.byte() % 16 {
            0..=8 => self.packet(choices),
            9 => self.vector(choices),
            10 => self.now = self.now + Duration::from_nanos(1 << (choices.byte() % 56)),
            11 => {
                let back = 1 << (choices.byte() % 56);
                self.now = Instant::from_nanos(self.now.nanos().saturating_sub(back));
            }
            12 => self.conntrack.expire(self.now),
            13 => drop(self.conntrack.expire_some(self.now, usize::from(choices.byte()))),
            14 => self.change(choices),
            _ => drop(self.conntrack.take_events()),
        }
    }

    fn packet(&mut self, choices: &mut Choices<'_>) {
        let mut bytes = packet(choices);
        let template = template(choices);
        let then = choices.byte();
        let range = range(choices);
        let (conntrack, now) = (&mut self.conntrack, self.now);
        let Some((mut packet, info)) = dissected(&mut bytes) else { return };
        let PacketIn::Pass(mut tracking) = conntrack.packet_in(now, &packet, &info, &template) else {
            return;
        };
        if let Tracking::Flow(ct, ctinfo) = tracking {
            for (bit, manip) in [(1, Manip::Destination), (2, Manip::Source)] {
                if conntrack.nat_pending(ct, ctinfo, manip) {
                    if then & bit != 0 {
                        conntrack.nat_setup(ct, &range, manip);
                    } else {
                        conntrack.nat_null_bind(ct, manip);
                    }
                }
                conntrack.nat_packet(&mut packet, &info, ct, ctinfo, manip);
            }
            if then & 12 == 12 {
                conntrack.release(ct);
            } else if let Confirm::Pass(confirmed) = conntrack.confirm(now, tracking) {
                tracking = confirmed;
            }
        }
        self.carried.push(tracking);
        if self.carried.len() > 8 {
            self.carried.remove(0);
        }
    }

    fn vector(&mut self, choices: &mut Choices<'_>) {
        let count = usize::from(choices.byte() % 40);
        let mut buffers: Vec<Vec<u8>> = (0..count).map(|_| packet(choices)).collect();
        let packets: Vec<(Packet<'_>, PacketInfo)> =
            buffers.iter_mut().filter_map(|bytes| dissected(bytes)).collect();
        let mut items: Vec<Item<'_, '_>> =
            packets.iter().map(|(packet, info)| Item::new(packet, info, template(choices))).collect();
        self.conntrack.packets_in(self.now, &mut items);
        let tracked: Vec<Tracking> = items
            .iter()
            .filter_map(|item| match item.result {
                PacketIn::Pass(tracking) => Some(tracking),
                PacketIn::Drop(_) => None,
            })
            .collect();
        let mut results = Vec::new();
        self.conntrack.confirm_all(self.now, &tracked, &mut results);
        assert_eq!(results.len(), tracked.len());
        for (tracking, result) in tracked.iter().zip(results) {
            if let (Tracking::Flow(ct, _), Confirm::Drop(_)) = (tracking, result) {
                self.conntrack.release(*ct);
            }
        }
    }

    fn change(&mut self, choices: &mut Choices<'_>) {
        let flows: Vec<CtRef> = self.carried.iter().filter_map(|carried| Some(carried.flow()?.0)).collect();
        if flows.is_empty() {
            return;
        }
        let ct = choices.one(&flows);
        let now = self.now;
        match choices.byte() % 8 {
            0 => self.conntrack.destroy(now, ct),
            1 => self.conntrack.offload_begin(now, ct),
            2 => self.conntrack.offload_end(now, ct, Duration::from_secs(30)),
            3 => self.conntrack.flush(now),
            4 => {
                let mut timeouts = Timeouts::default();
                for _ in 0..choices.byte() % 4 {
                    let timeout = Duration::from_secs(choices.number().into());
                    timeouts.set(choices.one(&PROTOCOLS), u16::from(choices.byte() % 14), timeout);
                }
                self.conntrack.set_timeouts(now, ct, Arc::new(timeouts));
            }
            5 => self.conntrack.set_closing(now, ct),
            6 => self.conntrack.account(ct, Direction::Reply, choices.number().into(), u64::MAX / 3),
            _ => {
                if let Some(entry) = self.conntrack.entry_mut(ct) {
                    entry.set_label(choices.byte());
                    entry.mark = choices.number();
                }
            }
        }
    }

    fn check(&self) {
        let conntrack = &self.conntrack;
        assert!(conntrack.len() <= self.max, "{} of {}", conntrack.len(), self.max);
        let mut ids = Vec::new();
        for (ct, entry) in conntrack.iter() {
            assert!(entry.status().contains(Status::CONFIRMED) && !entry.status().contains(Status::DYING));
            let _ = entry.display(self.now).to_string();
            let tuples = [Direction::Original, Direction::Reply].map(|direction| entry.tuple(direction));
            for (direction, tuple) in [Direction::Original, Direction::Reply].into_iter().zip(tuples) {
                let found = conntrack.lookup(&tuple, entry.zone());
                let palindrome = tuples[0] == tuples[1];
                assert!(
                    found == Some((ct, direction))
                        || palindrome
                        || entry.zone().direction != ZoneDirection::Both,
                    "{direction:?} of {entry:?} leads to {found:?}"
                );
            }
            ids.push(entry.id());
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), conntrack.iter().count(), "two connections have one id");
        if conntrack.iter().count() > 0 {
            assert!(conntrack.next_deadline().is_some(), "a connection without a deadline");
        }
    }
}

const PROTOCOLS: [u8; 9] = [17, 6, 132, 1, 58, 47, 136, 33, 99];
/// Flags of TCP that make the ways of a connection.
const FLAGS: [u8; 10] = [2, 18, 16, 24, 17, 4, 20, 0, 41, 0x52];

fn template(choices: &mut Choices<'_>) -> Template {
    let direction = choices.one(&[ZoneDirection::Both, ZoneDirection::Original, ZoneDirection::Reply]);
    let zone = Zone { id: u16::from(choices.byte() % 8 / 6), direction };
    Template { zone, local: zone.id == 1, ..Template::default() }
}

fn range(choices: &mut Choices<'_>) -> NatRange {
    let last = choices.byte() % 4;
    NatRange {
        flags: NatFlags::from_bits_truncate(choices.number() & 0x7f),
        min_addr: Address::v4([10, 0, 0, last]),
        max_addr: Address::v4([10, 0, 0, last + choices.byte() % 2]),
        min_proto: u16::from(choices.byte()),
        max_proto: u16::from(choices.byte()),
        base_proto: u16::from(choices.byte()),
    }
}

/// A packet whose network header is sound; what is behind may be cut.
fn packet(choices: &mut Choices<'_>) -> Vec<u8> {
    let shape = choices.byte();
    let protocol = choices.one(&PROTOCOLS);
    let mut body = transport(choices, protocol);
    if matches!(protocol, 1 | 58) && shape & 0x30 == 0x30 {
        let l4 = choices.one(&PROTOCOLS);
        let quoted = transport(choices, l4);
        let quote = network(shape & 1 != 0, choices.byte(), l4, quoted);
        body[0] = choices.one(&[3, 11, 12, 5, 1, 2, 4]);
        body.truncate(8);
        body.extend(quote);
    }
    if shape & 0xc0 == 0xc0 {
        body.truncate(usize::from(choices.byte()));
    }
    network(shape & 1 != 0, choices.byte(), protocol, body)
}

fn network(six: bool, ends: u8, protocol: u8, body: Vec<u8>) -> Vec<u8> {
    let (src, dst) = (ends % 3, ends / 3 % 3);
    let mut bytes = if six {
        let mut bytes = vec![0; 40];
        bytes[0] = 0x60;
        bytes[4..6].copy_from_slice(&(body.len() as u16).to_be_bytes());
        bytes[6] = protocol;
        bytes[7] = 64;
        (bytes[8], bytes[23], bytes[24], bytes[39]) = (0xfd, src, 0xfd, dst);
        bytes
    } else {
        let length = (20 + body.len() as u16).to_be_bytes();
        vec![0x45, 0, length[0], length[1], 0, 1, 0, 0, 64, protocol, 0, 0, 10, 0, 0, src, 10, 0, 0, dst]
    };
    bytes.extend(body);
    bytes
}

fn transport(choices: &mut Choices<'_>, protocol: u8) -> Vec<u8> {
    let ports = choices.byte();
    let mut body = vec![0, ports % 4, 0, ports / 4 % 4];
    match protocol {
        6 => {
            // Sequence numbers near each other, or anywhere.
            let near = choices.byte();
            let (seq, ack) = if near < 200 {
                (u32::from(near % 16) * 100, u32::from(near / 16) * 100)
            } else {
                (choices.number(), choices.number())
            };
            body.extend(seq.to_be_bytes());
            body.extend(ack.to_be_bytes());
            let mut options = choices.take(12);
            options.resize(options.len().next_multiple_of(4), 0);
            body.extend([5 + (options.len() / 4) as u8]);
            *body.last_mut().expect("just put there") <<= 4;
            body.push(choices.one(&FLAGS));
            body.extend(choices.one(&[0_u16, 1, 1000, 65535]).to_be_bytes());
            body.extend([0; 4]);
            body.extend(options);
        }
        132 => {
            body.extend(choices.one(&[0_u32, 1, 2]).to_be_bytes());
            body.extend([0; 4]);
            for _ in 0..1 + choices.byte() % 3 {
                let rest = choices.take(24);
                body.extend([choices.byte() % 16, choices.byte() % 2, 0, choices.one(&[4, 20, 24, 0, 3])]);
                body.extend(rest);
            }
        }
        1 | 58 => {
            body[0] = choices.one(&[8, 0, 13, 14, 17, 18, 128, 129, 135, 3, 1, 200]);
            body[1] = 0;
            body.extend([0, ports % 4, 0, 0]);
        }
        47 => body = vec![0x20, choices.one(&[0, 1, 0x81]), 0x88, 0x0b, 0, 8, 0, ports % 4],
        _ => {
            let rest = choices.take(16);
            body.extend((8 + rest.len() as u16).to_be_bytes());
            body.extend(choices.one(&[[0, 0], [1, 1]]));
            body.extend(rest);
        }
    }
    body
}

fn dissected(bytes: &mut [u8]) -> Option<(Packet<'_>, PacketInfo)> {
    let (len, version) = (bytes.len(), bytes.first()? >> 4);
    let mut packet = Packet::new(bytes, 0, len, LinkType::None);
    packet.meta.protocol = if version == 4 { ethertype::IPV4 } else { ethertype::IPV6 };
    let info = dissect(&mut packet).ok()?;
    Some((packet, info))
}
