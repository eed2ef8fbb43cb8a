//! Frames without number, from programs that the kernel runs.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ironweir_io::bpf::assemble::Register::{R0, R1, R2, R3, R4, R6, R7, R8, R9};
use ironweir_io::bpf::assemble::{Arithmetic, Assembler, Condition, Function, Size};
use ironweir_io::bpf::map::MMAPABLE;
use ironweir_io::bpf::{Map, MapKind, Mapped, Program};
use rustix::time::{ClockId, clock_gettime};

use crate::Result;

/// Frames of one call.
const CALL: u32 = 1 << 16;
/// Frames of one call where those before are waited for. A call takes tens of milliseconds, though little of the
/// processor's time.
const STEP: u32 = 1024;
/// How many packets of each flow a round has at least then: of new connections only the round that warms up shall have any.
const EACH: u64 = 3;
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

/// What frames are: UDP, or TCP in the midst of a connection, and so many bytes.
#[derive(Clone, Copy)]
pub struct Shape {
    pub protocol: u8,
    pub len: u16,
}

/// The shortest that Ethernet carries.
pub const SHORT: Shape = Shape { protocol: UDP, len: 60 };
pub const UDP: u8 = 17;
pub const TCP: u8 = 6;

/// A program that makes frames of flow after flow: from 10.100.0.0 on, 65536 addresses and then the next port, to 10.2.0.2.
pub struct Source {
    program: Program,
    interface: u32,
    shape: Shape,
}

/// The source of a flow's packets.
pub fn address(flow: u32) -> ([u8; 4], u16) {
    let [.., high, low] = flow.to_be_bytes();
    ([10, 100, high, low], 1024 + (flow >> 16) as u16)
}

impl Source {
    /// Frames are sent out by an interface, as XDP does: no `sk_buff` is made. They have some checksum.
    pub fn redirecting(interface: u32, to: [u8; 6], flows: u32, burst: u32, shape: Shape) -> Result<Source> {
        let devices = Map::new(MapKind::DevMap, "source", 4, 4, 1, 0)?;
        devices.update(&0_u32.to_ne_bytes(), &interface.to_ne_bytes())?;
        Source::new(interface, to, flows, burst, shape, Some(&devices))
    }

    /// Frames are given to the stack as if they came in by an interface. They have no checksum, as tracking would refuse a
    /// wrong one.
    pub fn passing(interface: u32, to: [u8; 6], flows: u32, burst: u32, shape: Shape) -> Result<Source> {
        Source::new(interface, to, flows, burst, shape, None)
    }

    fn new(
        interface: u32,
        to: [u8; 6],
        flows: u32,
        burst: u32,
        shape: Shape,
        devices: Option<&Map>,
    ) -> Result<Source> {
        let state = Map::new(MapKind::Array, "source", 4, 16, 1, MMAPABLE)?;
        let mut asm = Assembler::new();
        let drop = asm.label();
        asm.load(Size::U32, R6, R1, 0);
        asm.load(Size::U32, R7, R1, 4);
        asm.set(R2, R6);
        asm.compute(Arithmetic::Add, R2, i32::from(shape.len));
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
        let len = shape.len - 14;
        let mut frame = vec![a, b, c, d, e, f, 2, 0, 0, 0, 0, 9, 8, 0, 0x45, 0];
        frame.extend(len.to_be_bytes());
        frame.extend([0, 0, 0, 0, 64, shape.protocol, 0, 0, 10, 100, 0, 0, 10, 2, 0, 2, 0, 0, 0, 9]);
        if shape.protocol == TCP {
            // Sequence number, acknowledgement, 20 bytes of header, ACK, window.
            frame.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0x20, 0]);
        } else {
            frame.extend((len - 20).to_be_bytes());
        }
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
        Ok(Source { program, interface, shape })
    }

    /// Sends for so long.
    pub fn send(&self, time: Duration) -> Result<Sent> {
        self.send_by(CALL, time)
    }

    /// Sends for so long in calls as [`Source::send_in_step`] makes them, each of which costs something, too.
    pub fn send_steps(&self, time: Duration) -> Result<Sent> {
        self.send_by(STEP, time)
    }

    fn send_by(&self, call: u32, time: Duration) -> Result<Sent> {
        let (begin, mut packets) = (Instant::now(), 0);
        let before = spent()?;
        while begin.elapsed() < time {
            self.inject(call)?;
            packets += u64::from(call);
        }
        Ok(Sent { packets, nanos: (spent()? - before) as f64 })
    }

    /// Sends for so long, and some packets of each flow, always waiting for what was sent before; for what was lost not
    /// long.
    pub fn send_in_step(
        &self,
        time: Duration,
        flows: u64,
        arrived: impl Fn() -> Result<u64>,
    ) -> Result<Sent> {
        let (begin, mut packets, mut own, mut lost) = (Instant::now(), 0, 0, 0);
        let (first, deferred) = (arrived()?, deferred()?);
        while begin.elapsed() < time || packets < flows * EACH {
            let before = own_time()?;
            self.inject(STEP)?;
            own += own_time()? - before;
            packets += u64::from(STEP);
            let patience = Instant::now();
            while packets > arrived()? - first + lost {
                if patience.elapsed() > Duration::from_millis(300) {
                    lost = packets.saturating_sub(arrived()? - first);
                }
            }
        }
        Ok(Sent { packets, nanos: (own + self::deferred()? - deferred) as f64 })
    }

    fn inject(&self, copies: u32) -> Result<()> {
        Ok(self.program.inject(self.interface, &vec![0; usize::from(self.shape.len)], copies)?)
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

/// Nanoseconds that this thread and the kernel's own of all processors have run.
fn spent() -> Result<u64> {
    Ok(own_time()? + deferred()?)
}

fn own_time() -> Result<u64> {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Ok(u64::try_from(time.tv_sec)? * 1_000_000_000 + u64::try_from(time.tv_nsec)?)
}

/// Nanoseconds that the kernel's threads have run to which it puts off packets.
fn deferred() -> Result<u64> {
    let mut nanos = 0;
    for process in std::fs::read_dir("/proc")? {
        let path = process?.path();
        if std::fs::read_to_string(path.join("comm")).is_ok_and(|name| name.starts_with("ksoftirqd/")) {
            nanos += ran(&path.join("schedstat"))?;
        }
    }
    Ok(nanos)
}

/// Nanoseconds that all threads of a process have run.
pub fn process_time(process: u32) -> Result<u64> {
    let mut nanos = 0;
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        nanos += ran(&thread?.path().join("schedstat"))?;
    }
    Ok(nanos)
}

fn ran(path: &std::path::Path) -> Result<u64> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).ok_or("no schedstat")?)
}
