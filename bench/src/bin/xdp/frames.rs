//! Frames without number, from programs that the kernel runs.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ironweir_io::bpf::assemble::Register::{R0, R1, R2, R3, R4, R6, R7, R8, R9};
use ironweir_io::bpf::assemble::{Arithmetic, Assembler, Condition, Function, Size};
use ironweir_io::bpf::map::MMAPABLE;
use ironweir_io::bpf::{Map, MapKind, Mapped, Program};

use crate::Result;

/// Bytes of a frame.
const LEN: i32 = 60;
/// Frames of one call.
const CALL: u32 = 1 << 16;
const DROP: i32 = 1;
const PASS: i32 = 2;

/// What was sent.
pub struct Sent {
    pub packets: u64,
    /// Processor time of this thread, and of what the kernel put off to its own.
    pub nanos: f64,
}

impl Sent {
    pub fn cost(&self) -> f64 {
        self.nanos / self.packets as f64
    }
}

/// A program that makes frames of flow after flow: from 10.100.0.0 on, 65536 addresses and then the next port, to 10.2.0.2.
pub struct Source {
    program: Program,
    interface: u32,
}

/// The source of a flow's packets.
pub fn address(flow: u32) -> ([u8; 4], u16) {
    let [.., high, low] = flow.to_be_bytes();
    ([10, 100, high, low], 1024 + (flow >> 16) as u16)
}

impl Source {
    /// Frames are sent out by an interface, as XDP does: no `sk_buff` is made. They have some checksum.
    pub fn redirecting(interface: u32, to: [u8; 6], flows: u32, burst: u32) -> Result<Source> {
        let devices = Map::new(MapKind::DevMap, "source", 4, 4, 1, 0)?;
        devices.update(&0_u32.to_ne_bytes(), &interface.to_ne_bytes())?;
        Source::new(interface, to, flows, burst, Some(&devices))
    }

    /// Frames are given to the stack as if they came in by an interface. They have no checksum, as tracking would refuse a
    /// wrong one.
    pub fn passing(interface: u32, to: [u8; 6], flows: u32, burst: u32) -> Result<Source> {
        Source::new(interface, to, flows, burst, None)
    }

    fn new(interface: u32, to: [u8; 6], flows: u32, burst: u32, devices: Option<&Map>) -> Result<Source> {
        let state = Map::new(MapKind::Array, "source", 4, 16, 1, MMAPABLE)?;
        let mut asm = Assembler::new();
        let drop = asm.label();
        asm.load(Size::U32, R6, R1, 0);
        asm.load(Size::U32, R7, R1, 4);
        asm.set(R2, R6);
        asm.compute(Arithmetic::Add, R2, LEN);
        asm.jump_if(Condition::Greater, R2, R7, drop);
        asm.map_value(R8, &state);
        asm.load(Size::U64, R9, R8, 0);
        // The next flow, or the same once more.
        let (same, first) = (asm.label(), asm.label());
        asm.load(Size::U64, R2, R8, 8);
        asm.compute(Arithmetic::Add, R2, 1);
        asm.jump_if(Condition::Less, R2, burst as i32, same);
        asm.set(R1, R9);
        asm.compute(Arithmetic::Add, R1, 1);
        asm.jump_if(Condition::Less, R1, flows as i32, first);
        asm.set(R1, 0);
        asm.bind(first);
        asm.store(Size::U64, R8, 0, R1);
        asm.set(R2, 0);
        asm.bind(same);
        asm.store(Size::U64, R8, 8, R2);

        let [a, b, c, d, e, f] = to;
        let checksum = if devices.is_some() { 0x1234_u16 } else { 0 };
        let mut frame =
            vec![a, b, c, d, e, f, 2, 0, 0, 0, 0, 9, 8, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0];
        frame.extend([10, 100, 0, 0, 10, 2, 0, 2, 0, 0, 0, 9, 0, 26]);
        frame.extend(checksum.to_be_bytes());
        for (at, word) in frame.chunks(2).enumerate() {
            let word = word.first_chunk().map_or(0, |word| u16::from_ne_bytes(*word));
            asm.store(Size::U16, R6, at as i16 * 2, i32::from(word as i16));
        }
        asm.set(R2, R9);
        asm.compute(Arithmetic::And, R2, 0xffff);
        asm.set(R4, R2);
        asm.network_order(R2);
        asm.store(Size::U16, R6, 28, R2);
        asm.set(R3, R9);
        asm.compute(Arithmetic::ShiftRight, R3, 16);
        asm.compute(Arithmetic::Add, R3, 1024);
        asm.network_order(R3);
        asm.store(Size::U16, R6, 34, R3);
        let rest: u32 =
            frame[14..34].chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
        asm.compute(Arithmetic::Add, R4, rest as i32);
        for _ in 0..2 {
            asm.set(R3, R4);
            asm.compute(Arithmetic::ShiftRight, R3, 16);
            asm.compute(Arithmetic::And, R4, 0xffff);
            asm.compute(Arithmetic::Add, R4, R3);
        }
        asm.compute(Arithmetic::Xor, R4, 0xffff);
        asm.network_order(R4);
        asm.store(Size::U16, R6, 24, R4);
        match devices {
            Some(devices) => {
                asm.map(R1, devices);
                asm.set(R2, 0);
                asm.set(R3, DROP);
                asm.call(Function::RedirectMap);
            }
            None => asm.set(R0, PASS),
        }
        asm.exit();
        asm.bind(drop);
        asm.set(R0, DROP);
        asm.exit();
        let program = Program::load("source", &asm.finish()?)?;
        Ok(Source { program, interface })
    }

    /// Sends for so long.
    pub fn send(&self, time: Duration) -> Result<Sent> {
        let (begin, mut packets) = (Instant::now(), 0);
        let before = spent()?;
        while begin.elapsed() < time {
            self.program.inject(self.interface, &[0; LEN as usize], CALL)?;
            packets += u64::from(CALL);
        }
        Ok(Sent { packets, nanos: (spent()? - before) as f64 })
    }
}

/// Drops, and counts what it drops.
pub fn dropping() -> Result<(Program, Mapped)> {
    let count = Map::new(MapKind::Array, "drop", 4, 8, 1, MMAPABLE)?;
    let mut asm = Assembler::new();
    asm.map_value(R1, &count);
    asm.load(Size::U64, R2, R1, 0);
    asm.compute(Arithmetic::Add, R2, 1);
    asm.store(Size::U64, R1, 0, R2);
    asm.set(R0, DROP);
    asm.exit();
    Ok((Program::load("drop", &asm.finish()?)?, count.mapped()?))
}

/// What a program has counted.
pub fn count(counted: &Mapped) -> u64 {
    counted.words().first().map_or(0, |word| word.load(Ordering::Relaxed))
}

/// Sends whatever comes out by an interface.
pub fn redirecting(interface: u32) -> Result<Program> {
    let devices = Map::new(MapKind::DevMap, "bare", 4, 4, 1, 0)?;
    devices.update(&0_u32.to_ne_bytes(), &interface.to_ne_bytes())?;
    let mut asm = Assembler::new();
    asm.map(R1, &devices);
    asm.set(R2, 0);
    asm.set(R3, DROP);
    asm.call(Function::RedirectMap);
    asm.exit();
    Ok(Program::load("bare", &asm.finish()?)?)
}

/// Nanoseconds that this thread and the kernel's own of this processor have run.
fn spent() -> Result<u64> {
    let own = ran("/proc/thread-self/schedstat")?;
    let stat = std::fs::read_to_string("/proc/thread-self/stat")?;
    // Behind the name, processor is the 37th.
    let processor = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(36));
    let wanted = format!("ksoftirqd/{}", processor.ok_or("no processor")?);
    for process in std::fs::read_dir("/proc")? {
        let path = process?.path();
        if std::fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == wanted) {
            return Ok(own + ran(&path.join("schedstat").display().to_string())?);
        }
    }
    Ok(own)
}

fn ran(path: &str) -> Result<u64> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).ok_or("no schedstat")?)
}
