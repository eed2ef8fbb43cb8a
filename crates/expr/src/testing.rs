//! What the tests of evaluation share: an environment of plain values, and packets made by hand.

use std::collections::HashMap;

use ironweir_wire::{IfIndex, Instant, LinkType, Packet, PacketInfo, dissect};

use crate::env::{Found, Interface, NatRange, Route, RouteQuery, Update};
use crate::registry::Expression;
use crate::{
    Decision, Env, Expr, Family, Hook, Outcome, Register, Registers, SetRef, Value, ct, dynset, reject,
};

/// An environment whose answers a test sets.
pub(crate) struct World {
    pub(crate) family: Family,
    pub(crate) hook: Hook,
    pub(crate) info: PacketInfo,
    pub(crate) now: Instant,
    pub(crate) random: u32,
    pub(crate) utc_offset: i32,
    pub(crate) connection: HashMap<ct::Key, Value>,
    pub(crate) set: HashMap<Vec<u8>, Vec<u8>>,
    pub(crate) key_len: usize,
    pub(crate) set_full: bool,
    pub(crate) route: Option<Route>,
    pub(crate) asked: Option<RouteQuery>,
    pub(crate) nat: Option<NatRange>,
    pub(crate) rejects: usize,
    pub(crate) written: Vec<(ct::Key, Vec<u8>)>,
}

impl Default for World {
    fn default() -> World {
        World {
            family: Family::Ip,
            hook: Hook::Prerouting,
            info: PacketInfo::default(),
            now: Instant::ZERO,
            random: 0,
            utc_offset: 0,
            connection: HashMap::new(),
            set: HashMap::new(),
            key_len: 4,
            set_full: false,
            route: None,
            asked: None,
            nat: None,
            rejects: 0,
            written: Vec::new(),
        }
    }
}

impl Env for World {
    fn family(&self) -> Family {
        self.family
    }

    fn protocol_family(&self) -> Family {
        self.family
    }

    fn hook(&self) -> Hook {
        self.hook
    }

    fn info(&self) -> PacketInfo {
        self.info
    }

    fn now(&self) -> Instant {
        self.now
    }

    fn random(&mut self) -> u32 {
        self.random
    }

    fn utc_offset(&self) -> i32 {
        self.utc_offset
    }

    fn interface(&self, index: IfIndex) -> Option<Interface<'_>> {
        (index == IfIndex(3)).then_some(Interface {
            name: "eth0",
            loopback: false,
            kind: 1,
            group: 7,
            link_kind: None,
        })
    }

    fn lookup(&mut self, _set: &SetRef, key: &[u8], _packet: &mut Packet<'_>) -> Found<'_> {
        match self.set.get(&key[..self.key_len]) {
            None => Found::No,
            Some(data) if data.is_empty() => Found::Key,
            Some(data) => Found::Data(data),
        }
    }

    fn update(
        &mut self,
        change: &dynset::Dynset,
        key: &[u8],
        _data: &[u8],
        _packet: &mut Packet<'_>,
    ) -> Update {
        if self.set_full {
            return Update::Full;
        }
        let key = key[..self.key_len].to_vec();
        match change.op {
            dynset::Op::Delete => drop(self.set.remove(&key)),
            dynset::Op::Add | dynset::Op::Update => drop(self.set.insert(key, Vec::new())),
        }
        Update::Done
    }

    fn ct_get(&mut self, key: ct::Key, _direction: Option<ct::Direction>) -> Option<Value> {
        self.connection.get(&key).cloned()
    }

    fn ct_set(&mut self, key: ct::Key, _direction: Option<ct::Direction>, value: &[u8]) {
        self.written.push((key, value.to_vec()));
    }

    fn nat(&mut self, range: &NatRange, _packet: &mut Packet<'_>) -> Outcome {
        self.nat = Some(*range);
        Outcome::Verdict(Decision::Accept)
    }

    fn route(&mut self, query: &RouteQuery) -> Option<Route> {
        self.asked = Some(*query);
        self.route
    }

    fn reject(&mut self, _reject: &reject::Reject, _packet: &Packet<'_>) {
        self.rejects += 1;
    }
}

/// Evaluates one expression over a frame, whose headers are found first.
pub(crate) fn eval(expr: &Expr, frame: &mut [u8], registers: &mut Registers, world: &mut World) -> Outcome {
    with_packet(frame, |packet, info| {
        world.info = info;
        expr.eval(registers, packet, world)
    })
}

/// Evaluates an expression that looks at registers alone.
pub(crate) fn compute(expr: &impl Expression, registers: &mut Registers) -> Outcome {
    with_packet(&mut [], |packet, _| expr.eval(registers, packet, &mut World::default()))
}

/// A frame's packet with its headers found; malformed ones have none.
pub(crate) fn with_packet<T>(frame: &mut [u8], then: impl FnOnce(&mut Packet<'_>, PacketInfo) -> T) -> T {
    let len = frame.len();
    let mut packet = Packet::new(frame, 0, len, LinkType::Ethernet);
    packet.meta.iif = IfIndex(3);
    let info = dissect(&mut packet).unwrap_or_else(|_| PacketInfo::unspecified(&packet));
    then(&mut packet, info)
}

/// What a load of that expression leaves in the first register, or `None` where it breaks.
pub(crate) fn loaded(expr: &Expr, frame: &[u8], world: &mut World, len: usize) -> Option<Vec<u8>> {
    let mut registers = Registers::default();
    match eval(expr, &mut frame.to_vec(), &mut registers, world) {
        Outcome::Next => Some(registers.get(Register::R1, len).to_vec()),
        Outcome::Break | Outcome::Verdict(_) => None,
    }
}

/// Ethernet addresses 02:00:00:00:00:01 to :02 before a network packet.
pub(crate) fn ethernet(ethertype: u16, network: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    frame.extend(ethertype.to_be_bytes());
    frame.extend(network);
    frame
}

/// An IPv4 packet from 10.0.0.1 to 192.0.2.7 with a right checksum; `options` are a multiple of 4 bytes.
pub(crate) fn ipv4(protocol: u8, fragment: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let header = 20 + options.len();
    let mut bytes = vec![0x40 | (header / 4) as u8, 0x10];
    bytes.extend(((header + payload.len()) as u16).to_be_bytes());
    bytes.extend([0x12, 0x34]);
    bytes.extend(fragment.to_be_bytes());
    bytes.extend([64, protocol, 0, 0, 10, 0, 0, 1, 192, 0, 2, 7]);
    bytes.extend(options);
    let sum = internet_sum(&bytes);
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    bytes.extend(payload);
    ethernet(0x0800, &bytes)
}

/// An IPv6 packet from 2001:db8::1 to 2001:db8::2.
pub(crate) fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend((payload.len() as u16).to_be_bytes());
    bytes.extend([next, 64]);
    for last in [1, 2] {
        bytes.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    bytes.extend(payload);
    ethernet(0x86dd, &bytes)
}

/// UDP from port 4000 to `dport`, without checksum.
pub(crate) fn udp(dport: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = 4000u16.to_be_bytes().to_vec();
    bytes.extend(dport.to_be_bytes());
    bytes.extend(((8 + payload.len()) as u16).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(payload);
    bytes
}

/// A TCP SYN from port 4000 to 80 with these options (a multiple of 4 bytes), and a right checksum for the addresses of
/// [`ipv4`].
pub(crate) fn tcp(options: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x0f, 0xa0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0];
    bytes.extend([(((20 + options.len()) / 4) << 4) as u8, 0x02, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.extend(options);
    let sum = tcp_sum(&bytes);
    bytes[16..18].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// The TCP checksum for the addresses of [`ipv4`] (RFC 9293 §3.1); 0 over a segment whose checksum is right.
pub(crate) fn tcp_sum(segment: &[u8]) -> u16 {
    let mut summed = vec![10, 0, 0, 1, 192, 0, 2, 7, 0, 6];
    summed.extend((segment.len() as u16).to_be_bytes());
    summed.extend(segment);
    internet_sum(&summed)
}

/// The Internet checksum by its definition (RFC 1071), not by the code under test.
pub(crate) fn internet_sum(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
