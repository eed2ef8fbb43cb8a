//! What a frame costs at each type of port: nanoseconds to receive one and to send one, in vectors of 64 as the router has
//! them. Needs root, for a namespace with a veth pair; run with `cargo run --release -p ironweir-io --example port_costs`.
//!
//! One thread does everything, in turns, so that nobody waits for another processor: the far end sends a vector, the near
//! end receives it (measured), sends one (measured), and the far end receives that. Of a veth pair the sender pays for what
//! the kernel does at the other end, up to where the frame waits for its receiver; of TAP and sockets so too.

use std::io;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use ironweir_io::NetworkNamespace;
use ironweir_io::port::{
    DatagramPort, MAX_FRAME, PacketPort, Port, StreamPort, TunPort, XdpOptions, XdpPort,
};

const VECTOR: usize = 64;
const ROUNDS: usize = 3000;
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("port_costs: {error}");
            ExitCode::from(1)
        }
    }
}

fn run() -> io::Result<()> {
    let _ = ironweir_io::namespace::stay_on_this_processor();
    let namespace = NetworkNamespace::new()?;
    let ip = |words: &str| {
        let run = || Command::new("ip").args(words.split_whitespace()).status();
        match namespace.inside(run) {
            Ok(status) if status.success() => Ok(()),
            _ => Err(io::Error::other(format!("ip {words}"))),
        }
    };
    // The kernel's own packets would come in between.
    namespace.inside(|| std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1"))?;
    let directory = std::env::temp_dir().join(format!("weir-ports-{}", std::process::id()));
    std::fs::create_dir(&directory)?;
    println!("{:<22} {:>6} {:>10} {:>10} {:>10}", "port", "bytes", "receive", "send", "far send");
    for len in [60, 1514] {
        for kind in ["packet", "xdp", "tap", "stream", "dgram"] {
            ip("link add name va type veth peer name vb")?;
            ip("link set va up")?;
            ip("link set vb up")?;
            let socket = directory.join(format!("{kind}-{len}"));
            let boxed = |kind: &str, near: bool| -> io::Result<Box<dyn Port>> {
                let peer = socket.with_extension("peer");
                Ok(match (kind, near) {
                    ("packet", true) => Box::new(PacketPort::open("va")?),
                    ("xdp", true) => Box::new(XdpPort::open("va", XdpOptions::default())?),
                    ("packet" | "xdp", false) => Box::new(PacketPort::open("vb")?),
                    ("tap", true) => Box::new(TunPort::tap("t0")?),
                    ("tap", false) => Box::new(PacketPort::open("t0")?),
                    ("stream", true) => Box::new(StreamPort::listen(&socket, 0o600)?),
                    ("stream", false) => Box::new(StreamPort::connect(&socket)?),
                    (_, true) => Box::new(DatagramPort::open(&socket, 0o600, Some(&peer))?),
                    (_, false) => Box::new(DatagramPort::open(&peer, 0o600, Some(&socket))?),
                })
            };
            let (mut near, mut far) = namespace.inside(|| Ok((boxed(kind, true)?, boxed(kind, false)?)))?;
            let row = measure(near.as_mut(), far.as_mut(), len)?;
            let [receive, send, far_send] = row;
            println!("{kind:<22} {len:>6} {receive:>10.0} {send:>10.0} {far_send:>10.0}");
            ip("link del va")?;
        }
    }
    std::fs::remove_dir_all(&directory)
}

/// Nanoseconds of a frame, the medians: received and sent by the near end, sent by the far one.
fn measure(near: &mut dyn Port, far: &mut dyn Port, len: usize) -> io::Result<[f64; 3]> {
    let mut frame = vec![0xff; len];
    // A protocol for experiments.
    frame[12..14].copy_from_slice(&[0x88, 0xb5]);
    let mut buffer = vec![0; MAX_FRAME];
    let mut times: [Vec<Duration>; 3] = Default::default();
    let begun = ironweir_wire::Instant::ZERO;
    for round in 0..ROUNDS {
        let now = begun + Duration::from_millis(1000 + round as u64);
        // The far end connects.
        far.turn(now);
        near.turn(now);
        let at = Instant::now();
        send(far, &frame)?;
        times[2].push(at.elapsed());
        times[0].push(receive(near, far, &mut buffer)?);
        let at = Instant::now();
        send(near, &frame)?;
        times[1].push(at.elapsed());
        receive(far, near, &mut buffer)?;
    }
    Ok(times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2].as_nanos() as f64 / VECTOR as f64
    }))
}

fn send(port: &mut dyn Port, frame: &[u8]) -> io::Result<()> {
    for _ in 0..VECTOR {
        port.send(frame)?;
    }
    port.flush()
}

/// Receives a vector; the time of that, without what was waited.
fn receive(port: &mut dyn Port, other: &mut dyn Port, buffer: &mut [u8]) -> io::Result<Duration> {
    let (begun, mut spent, mut got) = (Instant::now(), Duration::ZERO, 0);
    while got < VECTOR {
        let at = Instant::now();
        let before = got;
        while got < VECTOR && port.receive(buffer)?.is_some() {
            got += 1;
        }
        port.flush()?;
        if got > before {
            spent += at.elapsed();
        }
        // Short queues: what waits is tried again.
        other.flush()?;
        if begun.elapsed() > PATIENCE {
            return Err(io::Error::other(format!("{got} of {VECTOR} came")));
        }
    }
    Ok(spent)
}
