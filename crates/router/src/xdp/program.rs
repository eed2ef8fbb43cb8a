//! The program at an interface: packets of connections that are in the table are forwarded, translated and counted; all
//! others go on to whoever had them without it.
//!
//! ```text
//! to us? ─► IPv4 or IPv6, TCP or UDP, whole, no options, TTL > 1, no SYN, FIN or RST ─► in the table? ─► short enough?
//!   ─► checksum there? ─► translate, TTL, addresses, count ─► out
//! ```
//!
//! Registers: R6 begin and R7 end of the frame, R8 the entry, R9 bytes from the network header on; R0 the next hop, once
//! there is an entry; the others hold nothing for long.

use ironweir_io::bpf::assemble::Register::{self, R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10};
use ironweir_io::bpf::assemble::{Arithmetic, AssembleError, Assembler, Condition, Function, Label, Size};
use ironweir_io::bpf::{Instruction, Map};
use ironweir_wire::protocol::ipproto;
use ironweir_wire::{IfIndex, L3};

use super::entry::{HashKey, Layout, VALID};
use super::table::PROBES;

/// `enum xdp_action`.
const DROP: i32 = 1;
const PASS: i32 = 2;

/// The maps that programs of all interfaces share.
#[derive(Debug)]
pub(super) struct Maps {
    /// Windows of the two tables, in their order: one word each.
    pub(super) windows: Map,
    /// Tables of IPv4 and IPv6: one value each.
    pub(super) tables: [Map; 2],
    /// Slots of each.
    pub(super) slots: [usize; 2],
    /// Next hops.
    pub(super) hops: Map,
    /// Interfaces to leave by: for programs that are given whole frames, and for those that are given parts too. The kernel
    /// lets one map have no users of both kinds (`bpf_prog_map_compatible`).
    pub(super) devices: [Map; 2],
}

/// What differs from interface to interface.
#[derive(Debug)]
pub(super) struct Site<'a> {
    /// The interface as entries name it.
    pub(super) interface: IfIndex,
    /// Its Ethernet address: frames for others are not ours.
    pub(super) mac: [u8; 6],
    /// `AF_XDP` sockets by queue, which have what is not forwarded; without, the kernel's stack has it.
    pub(super) sockets: Option<&'a Map>,
}

/// Where in a frame what lies.
struct Headers {
    /// The transport header.
    transport: i16,
    /// Both addresses.
    addresses: i16,
    /// TTL, hop limit.
    ttl: i16,
    /// TCP, UDP.
    protocol: i16,
}

const V4: Headers = Headers { transport: 34, addresses: 26, ttl: 22, protocol: 23 };
const V6: Headers = Headers { transport: 54, addresses: 22, ttl: 21, protocol: 20 };

/// Writes the program, for whole frames or for parts too.
pub(super) fn program(
    maps: &Maps,
    hash: HashKey,
    site: &Site<'_>,
    parts: bool,
) -> Result<Vec<Instruction>, AssembleError> {
    let devices = &maps.devices[usize::from(parts)];
    let mut asm = Assembler::new();
    let (v4, v6, miss) = (asm.label(), asm.label(), asm.label());
    asm.store(Size::U64, R10, -8, R1);
    asm.load(Size::U32, R6, R1, 0);
    asm.load(Size::U32, R7, R1, 4);
    within(&mut asm, V4.transport + 8, miss);
    let [a, b, c, d, e, f] = site.mac;
    asm.load(Size::U32, R2, R6, 0);
    asm.jump_if_half(Condition::NotEqual, R2, i32::from_ne_bytes([a, b, c, d]), miss);
    asm.load(Size::U16, R2, R6, 4);
    asm.jump_if(Condition::NotEqual, R2, i32::from(u16::from_ne_bytes([e, f])), miss);
    asm.load(Size::U16, R2, R6, 12);
    asm.jump_if(Condition::Equal, R2, i32::from(0x0800_u16.to_be()), v4);
    asm.jump_if(Condition::Equal, R2, i32::from(0x86dd_u16.to_be()), v6);
    asm.jump(miss);

    asm.bind(v4);
    asm.load(Size::U8, R2, R6, 14);
    asm.jump_if(Condition::NotEqual, R2, 0x45, miss);
    asm.load(Size::U16, R2, R6, 20);
    asm.jump_if(Condition::AnyBit, R2, i32::from(0x3fff_u16.to_be()), miss);
    asm.load(Size::U16, R9, R6, 16);
    asm.network_order(R9);
    family(&mut asm, (maps, devices), hash, site, Layout::V4, miss);

    asm.bind(v6);
    asm.load(Size::U8, R2, R6, 14);
    asm.compute(Arithmetic::And, R2, 0xf0);
    asm.jump_if(Condition::NotEqual, R2, 0x60, miss);
    asm.load(Size::U16, R9, R6, 18);
    asm.network_order(R9);
    asm.compute(Arithmetic::Add, R9, 40);
    family(&mut asm, (maps, devices), hash, site, Layout::V6, miss);

    asm.bind(miss);
    match site.sockets {
        Some(sockets) => {
            asm.load(Size::U64, R1, R10, -8);
            asm.load(Size::U32, R2, R1, 16);
            asm.map(R1, sockets);
            asm.set(R3, PASS);
            asm.call(Function::RedirectMap);
        }
        None => asm.set(R0, PASS),
    }
    asm.exit();
    asm.finish()
}

/// So many bytes of the frame are there.
fn within(asm: &mut Assembler, bytes: i16, miss: Label) {
    asm.set(R2, R6);
    asm.compute(Arithmetic::Add, R2, i32::from(bytes));
    asm.jump_if(Condition::Greater, R2, R7, miss);
}

/// All that differs between IPv4 and IPv6, from when R9 is known on.
fn family(
    asm: &mut Assembler,
    (maps, devices): (&Maps, &Map),
    hash: HashKey,
    site: &Site<'_>,
    layout: Layout,
    miss: Label,
) {
    let (headers, which) = if layout.l3 == L3::V4 { (V4, 0) } else { (V6, 1) };
    let (udp, look) = (asm.label(), asm.label());
    let network_len = i32::from(headers.transport) - 14;
    asm.load(Size::U8, R2, R6, headers.ttl);
    asm.jump_if(Condition::Less, R2, 2, miss);
    // The frame is as long as the header says; what is behind it is padding.
    asm.set(R2, R6);
    asm.compute(Arithmetic::Add, R2, 14);
    asm.compute(Arithmetic::Add, R2, R9);
    asm.jump_if(Condition::Greater, R2, R7, miss);

    asm.load(Size::U8, R5, R6, headers.protocol);
    asm.jump_if(Condition::Equal, R5, i32::from(ipproto::UDP), udp);
    asm.jump_if(Condition::NotEqual, R5, i32::from(ipproto::TCP), miss);
    asm.jump_if(Condition::Less, R9, network_len + 20, miss);
    within(asm, headers.transport + 20, miss);
    asm.load(Size::U8, R2, R6, headers.transport + 13);
    // FIN, SYN, RST.
    asm.jump_if(Condition::AnyBit, R2, 7, miss);
    asm.jump(look);
    asm.bind(udp);
    asm.jump_if(Condition::Less, R9, network_len + 8, miss);
    within(asm, headers.transport + 8, miss);
    asm.bind(look);

    // The last two words of the key; the others are in the frame as they are in the entry.
    asm.load(Size::U32, R3, R6, headers.transport);
    asm.set_wide(R4, u64::from(site.interface.0) << 32);
    asm.compute(Arithmetic::Or, R3, R4);
    asm.set_wide(R4, VALID << 32);
    asm.compute(Arithmetic::Or, R5, R4);
    let address = |at: usize| headers.addresses + (at * 8) as i16;

    asm.set_wide(R0, hash.start);
    asm.set_wide(R1, hash.multiplier);
    let mix = |asm: &mut Assembler, word: Register| {
        asm.compute(Arithmetic::Add, R0, word);
        asm.compute(Arithmetic::Mul, R0, R1);
        asm.set(R4, R0);
        asm.compute(Arithmetic::ShiftRight, R4, 32);
        asm.compute(Arithmetic::Xor, R0, R4);
    };
    for at in 0..layout.addresses {
        asm.load(Size::U64, R2, R6, address(at));
        mix(asm, R2);
    }
    mix(asm, R3);
    mix(asm, R5);

    asm.map_value(R1, &maps.windows);
    asm.load(Size::U64, R1, R1, which as i16 * 8);
    asm.set(R4, R1);
    asm.compute(Arithmetic::ShiftRight, R4, 32);
    asm.compute(Arithmetic::ShiftLeft, R1, 32);
    asm.compute(Arithmetic::ShiftRight, R1, 32);
    asm.set(R2, R0);
    asm.compute(Arithmetic::And, R2, R1);
    asm.compute(Arithmetic::Add, R2, R4);
    asm.compute(Arithmetic::ShiftRight, R0, 32);
    asm.compute(Arithmetic::And, R0, R1);
    asm.compute(Arithmetic::Add, R0, R4);

    let found = asm.label();
    let last = maps.slots.get(which).map_or(0, |slots| slots.saturating_sub(PROBES)) as i32;
    let entry_len = (layout.words * 8) as i16;
    for start in [R2, R0] {
        asm.jump_if(Condition::Greater, start, last, miss);
        asm.compute(Arithmetic::ShiftLeft, start, entry_len.ilog2() as i32);
        asm.map_value(R8, &maps.tables[which]);
        asm.compute(Arithmetic::Add, R8, start);
        let none = asm.label();
        for probe in 0..PROBES as i16 {
            let (other, next) = (asm.label(), asm.label());
            let word = |at: usize| probe * entry_len + (at * 8) as i16;
            // The state first: what is read of a valid entry stays as it is until this run ends.
            asm.load(Size::U64, R4, R8, word(layout.key));
            asm.jump_if(Condition::NotEqual, R4, R5, other);
            for at in 0..layout.addresses {
                asm.load(Size::U64, R4, R8, word(at));
                asm.load(Size::U64, R1, R6, address(at));
                asm.jump_if(Condition::NotEqual, R4, R1, next);
            }
            asm.load(Size::U64, R4, R8, word(layout.key - 1));
            asm.jump_if(Condition::NotEqual, R4, R3, next);
            if probe > 0 {
                asm.compute(Arithmetic::Add, R8, i32::from(probe * entry_len));
            }
            asm.jump(found);
            asm.bind(other);
            asm.compute(Arithmetic::ShiftRight, R4, 32);
            asm.jump_if(Condition::Equal, R4, 0, none);
            asm.bind(next);
        }
        asm.bind(none);
    }
    asm.jump(miss);

    asm.bind(found);
    forward(asm, (maps, devices), layout, &headers, miss);
}

/// Sends a packet on whose entry is R8.
fn forward(
    asm: &mut Assembler,
    (maps, devices): (&Maps, &Map),
    layout: Layout,
    headers: &Headers,
    miss: Label,
) {
    let in_entry = |word: usize, byte: usize| (word * 8 + byte) as i16;
    let v4 = layout.l3 == L3::V4;
    asm.load(Size::U16, R1, R8, in_entry(layout.hop(), 0));
    asm.compute(Arithmetic::ShiftLeft, R1, 4);
    asm.map_value(R0, &maps.hops);
    asm.compute(Arithmetic::Add, R0, R1);
    asm.load(Size::U16, R1, R0, 12);
    asm.jump_if(Condition::Greater, R9, R1, miss);

    let (tcp, rewrite) = (asm.label(), asm.label());
    asm.compute(Arithmetic::And, R5, 0xff);
    asm.jump_if(Condition::Equal, R5, i32::from(ipproto::TCP), tcp);
    checksum(asm, layout, headers, true, rewrite, miss);
    asm.jump(rewrite);
    asm.bind(tcp);
    checksum(asm, layout, headers, false, rewrite, miss);
    asm.bind(rewrite);

    if v4 {
        let at = 24;
        asm.load(Size::U16, R4, R6, at);
        asm.load(Size::U16, R1, R8, in_entry(layout.new_ports(), 4));
        adjust(asm);
        asm.store(Size::U16, R6, at, R4);
    }
    asm.load(Size::U8, R4, R6, headers.ttl);
    asm.compute(Arithmetic::Sub, R4, 1);
    asm.store(Size::U8, R6, headers.ttl, R4);
    for at in 0..layout.addresses {
        asm.load(Size::U64, R4, R8, in_entry(layout.new_addresses() + at, 0));
        asm.store(Size::U64, R6, headers.addresses + (at * 8) as i16, R4);
    }
    asm.load(Size::U32, R4, R8, in_entry(layout.new_ports(), 0));
    asm.store(Size::U32, R6, headers.transport, R4);
    asm.load(Size::U64, R4, R0, 0);
    asm.store(Size::U64, R6, 0, R4);
    asm.load(Size::U32, R4, R0, 8);
    asm.store(Size::U32, R6, 8, R4);

    asm.set(R4, 1);
    asm.atomic_add(R8, in_entry(layout.packets(), 0), R4);
    asm.atomic_add(R8, in_entry(layout.bytes(), 0), R9);
    asm.load(Size::U16, R2, R0, 14);
    asm.map(R1, devices);
    asm.set(R3, DROP);
    asm.call(Function::RedirectMap);
    asm.exit();
}

/// Makes the transport checksum that of the packet that leaves, or gives up where the sender has not worked it out.
fn checksum(asm: &mut Assembler, layout: Layout, headers: &Headers, udp: bool, rewrite: Label, miss: Label) {
    let at = headers.transport + if udp { 6 } else { 16 };
    asm.load(Size::U16, R4, R6, at);
    if udp {
        // RFC 768: none. RFC 8200 section 8.1: IPv6 has no such thing, RFC 6935 apart.
        asm.jump_if(Condition::Equal, R4, 0, if layout.l3 == L3::V4 { rewrite } else { miss });
    }
    asm.load(Size::U16, R1, R8, (layout.hop() * 8 + 2) as i16);
    asm.set(R2, R9);
    asm.compute(Arithmetic::Sub, R2, i32::from(headers.transport) - 14);
    asm.network_order(R2);
    asm.compute(Arithmetic::Add, R1, R2);
    asm.set(R2, R1);
    asm.compute(Arithmetic::ShiftRight, R2, 16);
    asm.compute(Arithmetic::And, R1, 0xffff);
    asm.compute(Arithmetic::Add, R1, R2);
    asm.jump_if(Condition::Equal, R1, R4, miss);

    asm.load(Size::U16, R1, R8, (layout.new_ports() * 8 + 6) as i16);
    adjust(asm);
    if udp {
        let some = asm.label();
        asm.jump_if(Condition::NotEqual, R4, 0, some);
        asm.set(R4, 0xffff);
        asm.bind(some);
    }
    asm.store(Size::U16, R6, at, R4);
}

/// R4, a checksum, after the change R1 (RFC 1624, equation 3).
fn adjust(asm: &mut Assembler) {
    asm.compute(Arithmetic::Xor, R4, 0xffff);
    asm.compute(Arithmetic::Add, R4, R1);
    asm.set(R1, R4);
    asm.compute(Arithmetic::ShiftRight, R1, 16);
    asm.compute(Arithmetic::And, R4, 0xffff);
    asm.compute(Arithmetic::Add, R4, R1);
    asm.compute(Arithmetic::Xor, R4, 0xffff);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use ironweir_io::bpf::map::MMAPABLE;
    use ironweir_io::bpf::{MapKind, Mapped, Program};
    use ironweir_wire::checksum::Sum;
    use ironweir_wire::{Address, Tuple};

    use super::super::entry::Entry;
    use super::super::hops::{Hops, Way};
    use super::super::table::{self, Slot, Table};
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 1, 1];
    const WAY: Way =
        Way { destination: [2, 0, 0, 0, 2, 2], source: [2, 0, 0, 0, 2, 1], mtu: 1500, device: 0 };
    const REDIRECT: u32 = 4;

    struct Bench {
        program: Program,
        table: [Table<Mapped>; 2],
        hops: Hops<Mapped>,
    }

    impl Bench {
        fn new() -> Option<Bench> {
            let array = |words: usize| Map::new(MapKind::Array, "t", 4, words as u32 * 8, 1, MMAPABLE);
            let slots = [table::slots(1), table::slots(1)];
            let windows = match array(2) {
                Ok(windows) => windows,
                Err(error) => {
                    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip");
                    eprintln!("SKIPPED: no BPF: {error}");
                    return None;
                }
            };
            let maps = Maps {
                windows,
                tables: [array(slots[0] * 8).unwrap(), array(slots[1] * 16).unwrap()],
                slots,
                hops: array(super::super::HOPS * 2).unwrap(),
                devices: [(); 2].map(|()| Map::new(MapKind::DevMap, "t", 4, 4, 1, 0).unwrap()),
            };
            // Only to be there: test runs redirect to nobody.
            maps.devices[1].update(&0_u32.to_ne_bytes(), &1_u32.to_ne_bytes()).unwrap();
            let hash = HashKey::new(99);
            let site = Site { interface: IfIndex(7), mac: MAC, sockets: None };
            let program = program(&maps, hash, &site, true).unwrap();
            let table = [(0, Layout::V4), (1, Layout::V6)]
                .map(|(at, layout)| Table::new(maps.tables[at].mapped().unwrap(), layout, hash, 1));
            let windows = maps.windows.mapped().unwrap();
            for (word, table) in windows.words().iter().zip(&table) {
                word.store(table.window(), Ordering::Relaxed);
            }
            let hops = Hops::new(maps.hops.mapped().unwrap());
            let program = Program::load_for_parts("test", &program).unwrap();
            Some(Bench { program, table, hops })
        }

        fn put(&mut self, from: &Tuple, to: &Tuple) -> Slot {
            let target = (IfIndex(8), "192.0.2.9".parse().unwrap());
            let hop = self.hops.take(target, Some(WAY)).unwrap();
            let entry = Entry::new(IfIndex(7), from, to, hop).unwrap();
            self.table[usize::from(from.l3 == L3::V6)].insert(&entry).unwrap()
        }

        fn run(&self, frame: &[u8]) -> (u32, Vec<u8>) {
            let run = self.program.test_run(frame, 1).unwrap();
            (run.returned, run.frame)
        }
    }

    fn tuple(src: &str, sport: u16, dst: &str, dport: u16, l4: u8) -> Tuple {
        let (src, dst): (std::net::IpAddr, std::net::IpAddr) = (src.parse().unwrap(), dst.parse().unwrap());
        let l3 = if src.is_ipv4() { L3::V4 } else { L3::V6 };
        let (src, dst) = (Address::from(src), Address::from(dst));
        Tuple { src, dst, src_id: sport, dst_id: dport, zone: 0, l3, l4 }
    }

    /// A frame with right checksums; what is changed afterwards is the test's.
    fn frame(tuple: &Tuple, payload: usize) -> Vec<u8> {
        let mut transport = [tuple.src_id.to_be_bytes(), tuple.dst_id.to_be_bytes()].concat();
        let at = if tuple.l4 == ipproto::UDP {
            transport.extend((8 + payload as u16).to_be_bytes());
            transport.extend([0; 2]);
            6
        } else {
            transport.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
            16
        };
        transport.extend((0..payload).map(|byte| byte as u8));
        let len = transport.len();
        let sum = Sum::default().pseudo(tuple.l3, &tuple.src, &tuple.dst, len, tuple.l4).bytes(&transport);
        transport[at..at + 2].copy_from_slice(&sum.finish().to_be_bytes());
        let mut frame = [MAC, [2, 0, 0, 0, 1, 2]].concat();
        if tuple.l3 == L3::V4 {
            let mut header = vec![0x45, 0];
            header.extend((20 + len as u16).to_be_bytes());
            header.extend([0, 1, 0x40, 0, 64, tuple.l4, 0, 0]);
            header.extend(tuple.src.bytes(L3::V4));
            header.extend(tuple.dst.bytes(L3::V4));
            let sum = Sum::default().bytes(&header).finish();
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            frame.extend([8, 0]);
            frame.extend(header);
        } else {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend((len as u16).to_be_bytes());
            frame.extend([tuple.l4, 64]);
            frame.extend(tuple.src.bytes(L3::V6));
            frame.extend(tuple.dst.bytes(L3::V6));
        }
        frame.extend(transport);
        frame
    }

    /// What the frame is when it has left.
    fn sent(to: &Tuple, payload: usize) -> Vec<u8> {
        let mut expected = frame(to, payload);
        expected[..6].copy_from_slice(&WAY.destination);
        expected[6..12].copy_from_slice(&WAY.source);
        if to.l3 == L3::V4 {
            expected[22] = 63;
            expected[24..26].copy_from_slice(&[0, 0]);
            let sum = Sum::default().bytes(&expected[14..34]).finish();
            expected[24..26].copy_from_slice(&sum.to_be_bytes());
        } else {
            expected[21] = 63;
        }
        expected
    }

    const PAIRS: [(&str, &str, &str); 2] =
        [("192.168.1.2", "198.51.100.1", "203.0.113.9"), ("2001:db8:1::2", "2001:db8:2::1", "2001:db8:3::9")];

    #[test]
    fn packets_leave_translated_with_right_checksums_and_are_counted() {
        let Some(mut bench) = Bench::new() else { return };
        for (client, public, server) in PAIRS {
            for l4 in [ipproto::UDP, ipproto::TCP] {
                let from = tuple(client, 5000, server, 53, l4);
                let to = tuple(public, 40_000 + u16::from(l4), server, 53, l4);
                let slot = bench.put(&from, &to);
                let mut bytes = 0;
                for payload in [0, 1, 18, 700, 1400] {
                    let frame = frame(&from, payload);
                    bytes += frame.len() as u64 - 14;
                    assert_eq!(bench.run(&frame), (REDIRECT, sent(&to, payload)), "{from:?} {payload}");
                }
                let table = &bench.table[usize::from(from.l3 == L3::V6)];
                assert_eq!(table.counts(slot), (5, bytes));
            }
        }
    }

    #[test]
    fn any_checksum_comes_out_right() {
        let Some(mut bench) = Bench::new() else { return };
        for (client, public, server) in PAIRS {
            let from = tuple(client, 5000, server, 53, ipproto::UDP);
            let to = tuple(public, 1, server, 53, ipproto::UDP);
            bench.put(&from, &to);
            let mut seen_ffff = false;
            // Every value of a 16-bit field makes every value of the sum.
            for word in 0..=u16::MAX {
                let change = |frame: &mut Vec<u8>, tuple: &Tuple| {
                    let at = frame.len() - 10;
                    frame[at + 8..].copy_from_slice(&word.to_be_bytes());
                    frame[at + 6..at + 8].copy_from_slice(&[0, 0]);
                    let udp = &frame[at..];
                    let sum = Sum::default().pseudo(tuple.l3, &tuple.src, &tuple.dst, 10, 17).bytes(udp);
                    let sum = if sum.finish() == 0 { 0xffff } else { sum.finish() };
                    frame[at + 6..at + 8].copy_from_slice(&sum.to_be_bytes());
                    sum
                };
                let (mut before, mut after) = (frame(&from, 2), sent(&to, 2));
                change(&mut before, &from);
                seen_ffff |= change(&mut after, &to) == 0xffff;
                let (action, left) = bench.run(&before);
                // One in 65536 looks like one that is not worked out.
                if action == REDIRECT {
                    assert_eq!(left, after, "{word:04x}");
                } else {
                    assert_eq!((action, left), (2, before));
                }
            }
            assert!(seen_ffff);
        }
    }

    #[test]
    fn what_is_not_plain_goes_the_slow_way_unchanged() {
        let Some(mut bench) = Bench::new() else { return };
        for (client, public, server) in PAIRS {
            let udp = tuple(client, 5000, server, 53, ipproto::UDP);
            let tcp = tuple(client, 5000, server, 53, ipproto::TCP);
            bench.put(&udp, &tuple(public, 5000, server, 53, ipproto::UDP));
            bench.put(&tcp, &tuple(public, 5000, server, 53, ipproto::TCP));
            let v4 = udp.l3 == L3::V4;
            let (ttl, transport) = if v4 { (22, 34) } else { (21, 54) };
            let mut cases: Vec<(&str, Vec<u8>)> = Vec::new();
            let mut case = |name, base: &Tuple, payload, change: &dyn Fn(&mut Vec<u8>)| {
                let mut frame = frame(base, payload);
                change(&mut frame);
                cases.push((name, frame));
            };
            case("for another host", &udp, 9, &|frame| frame[5] ^= 1);
            case("broadcast", &udp, 9, &|frame| frame[..6].fill(255));
            case("a tag", &udp, 9, &|frame| drop(frame.splice(12..12, [0x81, 0, 0, 5])));
            case("last hop", &udp, 9, &|frame| frame[ttl] = 1);
            case("no hop", &udp, 9, &|frame| frame[ttl] = 0);
            case("another port", &udp, 9, &|frame| frame[transport + 1] ^= 1);
            case("another address", &udp, 9, &|frame| frame[transport - 1] ^= 1);
            case("too long for the link", &udp, 1500, &|_| {});
            case("cut off", &tcp, 50, &|frame| frame.truncate(90));
            case("cut off in the header", &tcp, 0, &|frame| frame.truncate(transport + 15));
            for flag in [1, 2, 4] {
                case("SYN, FIN or RST", &tcp, 9, &|frame| frame[transport + 13] |= flag);
            }
            for (base, at) in [(&udp, 6), (&tcp, 16)] {
                case("checksum left to the card", base, 300, &|frame| {
                    // `CHECKSUM_PARTIAL`: the pseudo header's sum, not complemented.
                    let len = frame.len() - transport;
                    let sum = Sum::default().pseudo(base.l3, &base.src, &base.dst, len, base.l4).folded();
                    frame[transport + at..transport + at + 2].copy_from_slice(&sum.to_be_bytes());
                });
            }
            if v4 {
                case("options", &udp, 9, &|frame| frame[14] = 0x46);
                case("first fragment", &udp, 9, &|frame| frame[20] = 0x20);
                case("other fragment", &udp, 9, &|frame| frame[21] = 1);
                case("shorter than it says", &udp, 9, &|frame| frame[17] = 27);
            } else {
                case("no checksum", &udp, 9, &|frame| frame[60..62].fill(0));
                case("extension header", &udp, 9, &|frame| frame[20] = 0);
            }
            case("ICMP", &udp, 9, &|frame| frame[if v4 { 23 } else { 20 }] = 1);
            for (name, frame) in cases {
                assert_eq!(bench.run(&frame), (2, frame), "{name}");
            }
        }
        // IPv4 may go without, and the reserved bit and "do not fragment" are no fragments.
        let (client, public, server) = PAIRS[0];
        let udp = tuple(client, 5000, server, 53, ipproto::UDP);
        let mut none = frame(&udp, 9);
        none[40..42].fill(0);
        let (action, left) = bench.run(&none);
        let mut expected = sent(&tuple(public, 5000, server, 53, ipproto::UDP), 9);
        expected[40..42].fill(0);
        assert_eq!((action, left), (REDIRECT, expected));
    }

    #[test]
    fn an_entry_that_is_closed_or_whose_neighbour_is_unknown_carries_nothing() {
        let Some(mut bench) = Bench::new() else { return };
        let (client, public, server) = PAIRS[0];
        let from = tuple(client, 5000, server, 53, ipproto::UDP);
        let slot = bench.put(&from, &tuple(public, 5000, server, 53, ipproto::UDP));
        let frame = frame(&from, 30);
        assert_eq!(bench.run(&frame).0, REDIRECT);
        bench.hops.refresh(|_| None);
        assert_eq!(bench.run(&frame), (2, frame.clone()));
        bench.hops.refresh(|_| Some(WAY));
        assert_eq!(bench.run(&frame).0, REDIRECT);
        bench.table[0].close(slot);
        assert_eq!(bench.run(&frame), (2, frame));
        assert_eq!(bench.table[0].counts(slot).0, 2);
    }

    #[test]
    fn thousands_of_entries_are_found_each() {
        let Some(mut bench) = Bench::new() else { return };
        let of = |port: u16| tuple("192.168.1.2", port, "203.0.113.9", 53, ipproto::UDP);
        for port in 1..2000 {
            bench.put(&of(port), &of(port));
        }
        for port in 1..2000 {
            // One in 65536 checksums looks like one that is not worked out; not with both payloads.
            let found = [4, 6].iter().any(|payload| bench.run(&frame(&of(port), *payload)).0 == REDIRECT);
            assert!(found, "{port}");
        }
        assert_eq!(bench.run(&frame(&of(2000), 4)).0, 2);
    }
}
