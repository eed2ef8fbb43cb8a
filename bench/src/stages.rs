//! Nanoseconds per packet by stage: the same packets through rulesets that differ in one thing.
//!
//! 64-byte UDP packets of 10,000 flows, forwarded. A stage's own cost is the difference to the row that it names.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ironweir::backend::InProcess;
use ironweir::machine;
use ironweir::replay::interfaces::Interfaces;
use ironweir_engine::{Disposition, Engine, Host};
use ironweir_io::capture::{Frame, LinkNumber};
use ironweir_language::files::NoFiles;
use ironweir_language::session::Session;
use ironweir_language::source::Sources;
use ironweir_wire::{IfIndex, Instant as Time};

use crate::rounds::Rounds;

const FLOWS: u32 = 10_000;
/// Interfaces of a host that only forwards: eth0 and eth1.
const IN: IfIndex = IfIndex(2);
const OUT: IfIndex = IfIndex(3);

/// What happens to the packets of a round before it is measured.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    /// Nothing.
    Nothing,
    /// The engine is new for each round: every packet begins a connection.
    New,
    /// Each flow had a packet each way: connections are established.
    BothWays,
}

struct Row {
    name: &'static str,
    /// The row that this one adds to.
    base: Option<&'static str>,
    rules: String,
    before: Before,
}

fn filter(rules: &str) -> String {
    format!("table inet f {{ chain c {{ type filter hook forward priority filter; {rules} }} }}")
}

fn rows() -> Vec<Row> {
    let many = |count: u32| (0..count).map(|at| format!("udp sport {} drop; ", at + 1)).collect::<String>();
    let elements: Vec<String> = (0..10_000u32).map(|at| format!("172.16.{}.{}", at >> 8, at & 255)).collect();
    let set = format!(
        "table inet f {{ set s {{ type ipv4_addr; elements = {{ {} }} }}\n\
         chain c {{ type filter hook forward priority filter; ip saddr @s drop; }} }}",
        elements.join(", ")
    );
    let row = |name, base, rules, before| Row { name, base, rules, before };
    use Before::{BothWays, New, Nothing};
    const BARE: &str = "forwarded, no ruleset";
    const TRACKED: &str = "ct state, connection known";
    vec![
        row(BARE, None, String::new(), Nothing),
        row("hook with one rule (counter)", Some(BARE), filter("counter"), Nothing),
        row("one rule, two matches", Some(BARE), filter("udp dport 9 counter"), Nothing),
        row("100 rules, none matches", Some(BARE), filter(&many(100)), Nothing),
        row("1000 rules, none matches", Some(BARE), filter(&many(1000)), Nothing),
        row("hash set of 10k, missed", Some(BARE), set, Nothing),
        // Connections are tracked only where a rule asks for them.
        row(TRACKED, Some(BARE), filter("ct state invalid drop"), BothWays),
        row("ct state, connection new", Some(BARE), filter("ct state invalid drop"), New),
        row(
            "source NAT, connection known",
            Some(TRACKED),
            filter("ct state invalid drop")
                + "\ntable ip n { chain c { type nat hook postrouting priority srcnat; snat to 198.51.100.1; } }",
            BothWays,
        ),
        row(
            "flowtable, connection known",
            Some(BARE),
            "table inet f { flowtable t { hook ingress priority 0; devices = { eth0, eth1 }; }\n\
             chain c { type filter hook forward priority filter; ct state established flow add @t; } }"
                .into(),
            BothWays,
        ),
    ]
}

/// Prints the table.
pub fn print(time: Duration) {
    let there: Vec<Vec<u8>> = (0..FLOWS).map(request).collect();
    println!(
        "{:32} {:>10} {:>10} {:>10}  fastest, compared with",
        "stage", "ns/packet", "fastest", "its own"
    );
    let mut fastest: HashMap<&str, f64> = HashMap::new();
    let mut show = |name: &'static str, base: Option<&str>, rounds: Rounds| {
        let (median, best) = (rounds.median(), rounds.best());
        let own = base.and_then(|base| Some((base, best - fastest.get(base)?)));
        match own {
            Some((base, own)) => println!("{name:32} {median:>10.0} {best:>10.0} {own:>10.0}  {base}"),
            None => println!("{name:32} {median:>10.0} {best:>10.0}"),
        }
        fastest.insert(name, best);
    };
    let mut frame = Frame::default();
    let copied = Rounds::run(time, || {
        let begin = Instant::now();
        for bytes in &there {
            frame.set(LinkNumber::ETHERNET, bytes);
            std::hint::black_box(frame.packet());
        }
        (FLOWS.into(), begin.elapsed())
    });
    show("copied into the buffer", None, copied);
    let parsed = Rounds::run(time, || {
        let begin = Instant::now();
        for bytes in &there {
            frame.set(LinkNumber::ETHERNET, bytes);
            let _ = std::hint::black_box(ironweir_wire::dissect(&mut frame.packet()));
        }
        (FLOWS.into(), begin.elapsed())
    });
    show("headers parsed", Some("copied into the buffer"), parsed);
    for row in rows() {
        match measure(&row, &there, time) {
            Ok(rounds) => show(row.name, row.base, rounds),
            Err(error) => println!("{:32} {error}", row.name),
        }
    }
}

fn engine(rules: &str) -> Result<Engine, String> {
    let (host, _) = Interfaces::forwarding(None, None, &[]).map_err(|error| error.to_string())?;
    let names = machine::names(&Host::default());
    let mut engine = Engine::new(host, 1);
    let mut sources = Sources::new();
    let source = sources.add("bench", rules, None).ok_or("too long")?;
    let mut session = Session { names, ..Session::default() };
    let outcome = session.run(&mut sources, source, &NoFiles, &mut InProcess(&mut engine));
    if outcome.ok() { Ok(engine) } else { Err(outcome.render(&sources)) }
}

fn measure(row: &Row, there: &[Vec<u8>], time: Duration) -> Result<Rounds, String> {
    let mut frame = Frame::default();
    let mut now = 1_700_000_000_000_000_000;
    let mut pass = |engine: &mut Engine, packets: &[Vec<u8>], iif: IfIndex| {
        let begin = Instant::now();
        for bytes in packets {
            // A packet each 100 ns: no connection times out while it is measured.
            now += 100;
            frame.set(LinkNumber::ETHERNET, bytes);
            let mut packet = frame.packet();
            packet.meta.iif = iif;
            std::hint::black_box(engine.process(Time::from_nanos(now), &mut packet, &mut ()));
        }
        begin.elapsed()
    };
    let mut known = engine(&row.rules)?;
    check(&mut known, &there[0])?;
    if row.before == Before::BothWays {
        let snat = row.rules.contains("snat");
        let back: Vec<Vec<u8>> = (0..FLOWS).map(|flow| reply(flow, snat)).collect();
        for _ in 0..2 {
            pass(&mut known, there, IN);
            pass(&mut known, &back, OUT);
        }
    }
    Ok(Rounds::run(time, || {
        if row.before == Before::New {
            // Fails only where it has failed above.
            known = engine(&row.rules).unwrap_or_else(|_| Engine::new(Host::default(), 1));
        }
        (FLOWS.into(), pass(&mut known, there, IN))
    }))
}

/// A figure for packets that do not pass would be that of another path.
fn check(engine: &mut Engine, bytes: &[u8]) -> Result<(), String> {
    let mut frame = Frame::default();
    frame.set(LinkNumber::ETHERNET, bytes);
    let mut packet = frame.packet();
    packet.meta.iif = IN;
    match engine.process(Time::from_secs(1_600_000_000), &mut packet, &mut ()) {
        Disposition::Forwarded { .. } => Ok(()),
        other => Err(format!("the packet does not pass: {other:?}")),
    }
}

/// The answer to a packet of this flow, as it comes back to the host.
fn reply(flow: u32, snat: bool) -> Vec<u8> {
    frame(SERVER, if snat { NATED } else { client(flow) }, 9, port(flow))
}

/// A packet of this flow.
fn request(flow: u32) -> Vec<u8> {
    frame(client(flow), SERVER, port(flow), 9)
}

const SERVER: [u8; 4] = [203, 0, 113, 5];
const NATED: [u8; 4] = [198, 51, 100, 1];

fn client(flow: u32) -> [u8; 4] {
    let [_, _, high, low] = flow.to_be_bytes();
    [10, 0, high, low]
}

/// Each flow has its own port, so that source NAT finds it free and keeps it.
fn port(flow: u32) -> u16 {
    1024 + flow as u16
}

/// A frame of 64 bytes with its check sequence, which is not there: Ethernet, IPv4, UDP without checksum, 18 bytes.
fn frame(source: [u8; 4], destination: [u8; 4], sport: u16, dport: u16) -> Vec<u8> {
    let mut ip = vec![0x45, 0, 0, 46, 0, 0, 0x40, 0, 64, 17, 0, 0];
    ip.extend(source);
    ip.extend(destination);
    let words = ip.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = !(sum + (sum >> 16)) as u16;
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut out = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    out.extend(ip);
    out.extend(sport.to_be_bytes());
    out.extend(dport.to_be_bytes());
    out.extend([0, 26, 0, 0]);
    out.resize(60, 0);
    out
}
