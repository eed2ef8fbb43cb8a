//! How long the engine is held at a time by what is done beside packets: dumps of connections, and saves of the state.
//!
//! `cargo run --release -p ironweir-router --example portions`. Processor time of the thread is counted, so that a busy
//! machine does not matter much.

use std::net::IpAddr;
use std::time::Duration;

use ironweir_engine::{Engine, Host, Interface, Route};
use ironweir_netlink::{Flags, GenMsg};
use ironweir_router::daemon::Attendant;
use ironweir_router::saved::Saver;
use ironweir_router::server::{Process, Server};
use ironweir_router::shared::Shared;
use ironweir_wire::{IfIndex, Instant, LinkType, Packet};

/// The time that this thread has computed.
fn computed() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// A router that tracks so many UDP connections.
fn busy(flows: u32) -> Engine {
    let mut host = Host::default();
    host.live = true;
    host.conntrack.always = true;
    host.conntrack.max = flows as usize + 1;
    for (index, name, address) in [(1, "lan", [10, 0, 0, 1]), (2, "wan", [198, 51, 100, 1])] {
        let mut interface = Interface::new(IfIndex(index), name);
        interface.mac = [2, 0, 0, 0, 0, index as u8];
        interface.addresses = vec![(IpAddr::from(address), 8)];
        host.add_interface(interface).expect("the first of its name");
    }
    host.add_route([0, 0, 0, 0].into(), 0, Route::by(IfIndex(2), None), 0).expect("the first");
    let mut engine = Engine::new(host, 1);
    for flow in 0..flows {
        let [a, b, c, d] = flow.to_be_bytes();
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0];
        frame.extend([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, a, b, 2, 198, 51, 100, 9]);
        frame.extend([c, d, 0, 53, 0, 8, 0, 0]);
        let sum =
            frame[14..34].chunks(2).fold(0u32, |sum, two| sum + u32::from(two[0]) * 256 + u32::from(two[1]));
        let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
        let len = frame.len();
        let mut packet = Packet::new(&mut frame, 0, len, LinkType::Ethernet);
        packet.meta.iif = IfIndex(1);
        engine.process(Instant::from_secs(1_000_000), &mut packet, &mut ());
    }
    engine
}

fn main() {
    for flows in [100_000, 1_000_000] {
        let mut engine = busy(flows);
        println!("{} connections, {} places", engine.conntrack().len(), engine.conntrack().places());
        let mut server = Server::new();
        let id = server.connect(Process::default());
        let mut request = Vec::new();
        let flags = Flags::REQUEST | Flags::DUMP;
        // IPCTNL_MSG_CT_GET.
        ironweir_netlink::message(&mut request, 1 << 8 | 1, flags, 1, GenMsg::default(), |_| {})
            .expect("short");
        server.request(&mut engine, id, &request);
        let (mut portions, mut bytes) = (Vec::new(), 0);
        loop {
            let begun = computed();
            let more = server.go_on(&mut engine, id);
            portions.push(computed() - begun);
            while let Some(output) = server.output(id)
                && let Some(datagram) = output.front()
            {
                bytes += datagram.len();
                output.sent();
            }
            if !more && !server.waiting(id) {
                break;
            }
        }
        portions.sort();
        let all: Duration = portions.iter().sum();
        let (median, longest) = (portions[portions.len() / 2], portions[portions.len() - 1]);
        println!(
            "dump: {} portions, median {median:?}, longest {longest:?}; all {all:?}, {bytes} bytes",
            portions.len()
        );

        let path = std::env::temp_dir().join(format!("weir-portions-{}", std::process::id()));
        let places = engine.conntrack().places();
        let shared = Shared::new(engine).expect("descriptors");
        let mut saver = Saver::new(&path, |text| eprint!("{text}")).expect("a thread");
        let health = saver.health();
        let now = Instant::from_secs(1_000_001);
        for round in ["new file", "nothing changed"] {
            let (begun, wall) = (computed(), std::time::Instant::now());
            let now = if round == "new file" { now } else { now + Duration::from_secs(5) };
            while health.written() != Some(now) && wall.elapsed() < Duration::from_secs(120) {
                saver.turn(&shared, now).expect("it goes on");
                std::thread::yield_now();
            }
            let each = (computed() - begun) / places.div_ceil(512).max(1);
            println!(
                "save, {round}: {:?} in {:?}, {each:?} for each portion of 512 places, {} bytes on disk",
                computed() - begun,
                wall.elapsed(),
                health.bytes()
            );
        }
        saver.end(&shared, now + Duration::from_secs(10));
        let _ = std::fs::remove_file(&path);
    }
}
