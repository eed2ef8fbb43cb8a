//! Any bytes as what clients of a daemon send, and packets in between: nobody's fault is another's, and what waits for a
//! client is bounded.
#![no_main]

use std::net::IpAddr;
use std::sync::Arc;

use ironweir_engine::{Engine, Host, Interface};
use ironweir_netlink::{Flags, Messages, kind};
use ironweir_router::server::{MAX_WAITING, Process, Server};
use ironweir_router::watch::Watch;
use ironweir_router::witness::Witness;
use ironweir_ruleset::netlink::{Query, Scope};
use ironweir_wire::{IfIndex, Instant, LinkType, Packet};
use libfuzzer_sys::fuzz_target;

/// How often a client's dump may go on: no ruleset that an input makes is longer.
const PORTIONS: usize = 10_000;

fn host() -> Host {
    let mut host = Host::default();
    for (index, name) in (1..).zip(["lan0", "wan0"]) {
        let mut interface = Interface::new(IfIndex(index), name);
        interface.mac = [2, 0, 0, 0, 0, index as u8];
        interface.addresses = vec![(IpAddr::from([10, 0, index as u8, 1]), 24)];
        host.add_interface(interface).expect("the first of its name");
    }
    host
}

// The input is a row of deeds: one byte that says which (low 4 bits) and whose (high 4 bits, of 4 clients), two bytes of
// length in little endian order, and so many bytes.
fuzz_target!(|bytes: &[u8]| {
    let mut engine = Engine::new(host(), 1);
    let mut server = Server::new();
    let watch = Arc::<Watch>::default();
    server.watch(&watch);
    watch.set_lines(true);
    let mut witness = Witness::new(watch.clone());
    let mut clients = [0; 4].map(|pid| server.connect(Process { pid, name: None }));
    let mut rest = bytes;
    let mut now = Instant::from_nanos(1);
    while let Some((&[deed, low, high], more)) = rest.split_first_chunk() {
        let len = usize::from(u16::from_le_bytes([low, high])).min(more.len());
        let (payload, behind) = more.split_at(len);
        rest = behind;
        let client = &mut clients[usize::from(deed >> 4 & 3)];
        match deed & 15 {
            0 => server.request(&mut engine, *client, payload),
            1 => {
                let group = payload.first().copied().unwrap_or(0);
                let _ = server.listen(*client, u32::from(group), group & 0x80 == 0);
            }
            2 => {
                server.disconnect(&mut engine, *client);
                *client = server.connect(Process::default());
            }
            3 => {
                server.go_on(&mut engine, *client);
                if let Some(output) = server.output(*client) {
                    output.sent();
                }
            }
            4 => now = now + std::time::Duration::from_millis(payload.len() as u64 * 100),
            5 => while !engine.collect(now) {},
            _ => {
                let mut frame = payload.to_vec();
                let len = frame.len();
                let mut packet = Packet::new(&mut frame, 0, len, LinkType::Ethernet);
                packet.meta.iif = IfIndex(1 + u32::from(deed & 1));
                engine.process(now, &mut packet, &mut witness);
                witness.settle(&engine);
                while engine.poll_output().is_some() {}
            }
        }
        engine.advance(now);
        server.tell_connections(&mut engine);
        server.tell_packets(&mut engine, now);
        while engine.resume(now, &mut witness).is_some() {
            witness.settle(&engine);
        }
        // Answers lie beside events: those of one request, and a portion of a dump.
        assert!(server.waiting_bytes(*client) <= MAX_WAITING + bytes.len() * 64 + (1 << 20));
    }
    // Whoever comes then is served.
    let last = server.connect(Process::default());
    let mut question = Vec::new();
    let query = Query::Rules { within: Scope::all(), chain: None, reset: false };
    query.encode(&mut question, 7).expect("a question is short");
    server.request(&mut engine, last, &question);
    let mut ended = false;
    for _ in 0..PORTIONS {
        server.go_on(&mut engine, last);
        while let Some(datagram) = server.output(last).and_then(|output| output.front().map(<[u8]>::to_vec)) {
            for message in Messages::new(&datagram) {
                let message = message.expect("answers are well formed");
                ended |= message.header.kind == kind::DONE;
                assert!(!message.header.flags.contains(Flags::DUMP_INTR), "nobody else was there");
            }
            server.output(last).expect("it is connected").sent();
        }
        if ended {
            return;
        }
    }
    panic!("the dump has no end");
});
