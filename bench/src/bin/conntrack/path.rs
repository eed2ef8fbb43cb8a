//! Connection tracking on a packet's whole way: the same packets past a rule that names addresses and ports, and past
//! one that asks for the state of their connection.

use std::time::{Duration, Instant as Clock};

use ironweir::backend::InProcess;
use ironweir::machine;
use ironweir::replay::interfaces::Interfaces;
use ironweir_engine::{Disposition, Engine, Host};
use ironweir_io::capture::{Frame, LinkNumber};
use ironweir_language::files::NoFiles;
use ironweir_language::session::Session;
use ironweir_language::source::Sources;
use ironweir_wire::{IfIndex, Instant};

use crate::rows::rounds;

const FLOWS: u32 = 10_000;
const STATELESS: &str = "table inet f { chain c { type filter hook forward priority filter; policy drop;
    ip saddr 10.0.0.0/8 udp dport 443 accept; ip daddr 10.0.0.0/8 udp sport 443 accept; } }";
const TRACKED: &str = "table inet f { chain c { type filter hook forward priority filter; policy drop;
    ct state established,related accept; ip saddr 10.0.0.0/8 udp dport 443 accept; } }";

/// Prints both, and how they compare.
pub fn print(time: Duration) {
    println!("a packet's whole way, {FLOWS} flows, reference evaluator: nanoseconds per packet");
    let mut figures = Vec::new();
    for (name, rules) in [("stateless", STATELESS), ("connections tracked", TRACKED)] {
        match measure(rules, time) {
            Ok(figure) => {
                println!("{name:44} {figure:>8.0}");
                figures.push(figure);
            }
            Err(error) => println!("{name:44} {error}"),
        }
    }
    if let [stateless, tracked] = figures[..] {
        println!("{:44} {:>8.2} (at most 1.3)", "tracked / stateless", tracked / stateless);
    }
}

fn measure(rules: &str, time: Duration) -> Result<f64, String> {
    let (host, _) = Interfaces::forwarding(None, None, &[]).map_err(|error| error.to_string())?;
    let mut engine = Engine::new(host, 1);
    let mut sources = Sources::new();
    let source = sources.add("bench", rules, None).ok_or("too long")?;
    let mut session = Session { names: machine::names(&Host::default()), ..Session::default() };
    let outcome = session.run(&mut sources, source, &NoFiles, &mut InProcess(&mut engine));
    if !outcome.ok() {
        return Err(outcome.render(&sources));
    }
    let there: Vec<Vec<u8>> = (0..FLOWS).map(|flow| frame(flow, true)).collect();
    let back: Vec<Vec<u8>> = (0..FLOWS).map(|flow| frame(flow, false)).collect();
    let mut now = 1_700_000_000_000_000_000;
    let mut buffer = Frame::default();
    let mut pass = |engine: &mut Engine, packets: &[Vec<u8>], iif: u32| {
        let mut forwarded = 0;
        let begin = Clock::now();
        for bytes in packets {
            now += 100;
            buffer.set(LinkNumber::ETHERNET, bytes);
            let mut packet = buffer.packet();
            packet.meta.iif = IfIndex(iif);
            let disposition = engine.process(Instant::from_nanos(now), &mut packet, &mut ());
            forwarded += u32::from(matches!(disposition, Disposition::Forwarded { .. }));
        }
        (forwarded, begin.elapsed())
    };
    for (packets, iif) in [(&there, 2), (&back, 3)] {
        let (forwarded, _) = pass(&mut engine, packets, iif);
        if forwarded != FLOWS {
            return Err(format!("{forwarded} of {FLOWS} packets pass"));
        }
    }
    Ok(rounds(time, || (FLOWS.into(), pass(&mut engine, &there, 2).1)).best())
}

/// A frame of 64 bytes: Ethernet, IPv4, UDP without checksum.
fn frame(flow: u32, there: bool) -> Vec<u8> {
    let (client, server) = ((0x0a00_0000 + flow).to_be_bytes(), [203, 0, 113, 5]);
    let (port, service) = (1024 + flow as u16, 443);
    let ends = if there { (client, server, port, service) } else { (server, client, service, port) };
    let mut ip = vec![0x45, 0, 0, 46, 0, 0, 0x40, 0, 64, 17, 0, 0];
    ip.extend(ends.0);
    ip.extend(ends.1);
    let sum: u32 = ip.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = !(sum + (sum >> 16)) as u16;
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut out = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    out.extend(ip);
    out.extend(ends.2.to_be_bytes());
    out.extend(ends.3.to_be_bytes());
    out.extend([0, 26, 0, 0]);
    out.resize(60, 0);
    out
}
