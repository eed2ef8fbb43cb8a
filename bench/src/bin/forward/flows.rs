//! Connections that an engine has in a flowtable, and the flowtable in XDP.

use std::time::{Duration, Instant};

use ironweir::backend::InProcess;
use ironweir::machine;
use ironweir_engine::{Engine, Host, Interface, Neighbour, Route};
use ironweir_language::files::NoFiles;
use ironweir_language::session::Session;
use ironweir_language::source::Sources;
use ironweir_router::xdp::{MAX_FLOWS, XdpFlowtable, XdpInterface};
use ironweir_wire::{IfIndex, LinkType, Packet};

use crate::Result;
use crate::frames::address;

/// The router's own address on the way in.
pub const ROUTER: [u8; 6] = [2, 0, 0, 0, 0, 1];
const OUT: [u8; 6] = [2, 0, 0, 0, 0, 2];
const SERVER: [u8; 6] = [2, 0, 0, 0, 0, 3];
const IN_INDEX: IfIndex = IfIndex(1);
const OUT_INDEX: IfIndex = IfIndex(2);

/// One direction alone is carried, so that so many flows are so many entries. Source NAT from so many addresses that a
/// million connections find a port.
const RULES: &str = "
table inet f {
	flowtable ft { hook ingress priority 0; devices = { in0 }; counter; }
	chain forward { type filter hook forward priority 0; ct state established flow add @ft }
}
table ip n {
	chain post { type nat hook postrouting priority srcnat; oifname \"out0\" snat to 10.64.0.0-10.64.255.255 }
}";

/// See the module.
pub struct Flowtable {
    _xdp: XdpFlowtable,
    missing: u64,
}

impl Flowtable {
    /// Between two interfaces of this thread's namespace.
    pub fn new(from: u32, to: u32, flows: u32) -> Result<Flowtable> {
        let mut engine = engine()?;
        let interfaces = [(IN_INDEX, from), (OUT_INDEX, to)].map(|(interface, device)| XdpInterface {
            interface,
            device,
            port: None,
        });
        let room = (flows as usize).clamp(1, MAX_FLOWS);
        let mut xdp = XdpFlowtable::new(engine.host(), interfaces.into(), room, 42)?;
        let mut now = ironweir_wire::Instant::from_secs(1_700_000_000);
        let begun = Instant::now();
        for flow in 0..flows {
            establish(&mut engine, now, flow)?;
            if flow % 1000 == 0 {
                // A million must not time out before the last is there.
                now = now + Duration::from_millis(1);
                xdp.work(&mut engine, now);
            }
        }
        // Those since the last thousand.
        xdp.work(&mut engine, now);
        while xdp.statistics().waiting > 0 {
            if begun.elapsed() > Duration::from_secs(600) {
                return Err(format!("{:?}", xdp.statistics()).into());
            }
            std::thread::sleep(Duration::from_millis(5));
            now = now + Duration::from_millis(5);
            xdp.work(&mut engine, now);
        }
        let placed = xdp.statistics().flows;
        let missing = (u64::from(flows) - placed.min(u64::from(flows))) * 1000 / u64::from(flows);
        Ok(Flowtable { _xdp: xdp, missing })
    }

    /// How many of a thousand found no room, or no port.
    pub fn missing_permille(&self) -> u64 {
        self.missing
    }
}

fn engine() -> Result<Engine> {
    let mut host = Host::default();
    host.conntrack.max = 2_000_000;
    for (index, name, mac, own) in
        [(IN_INDEX, "in0", ROUTER, [10, 1, 0, 1]), (OUT_INDEX, "out0", OUT, [10, 2, 0, 1])]
    {
        let mut interface = Interface::new(index, name);
        interface.mac = mac;
        interface.addresses = vec![(own.into(), 16)];
        host.add_interface(interface)?;
    }
    let inside = Route::by(IN_INDEX, Some([10, 1, 0, 2].into()));
    host.add_route([10, 100, 0, 0].into(), 14, inside, 0)?;
    for (address, mac, interface) in
        [([10, 2, 0, 2], SERVER, OUT_INDEX), ([10, 1, 0, 2], [2, 0, 0, 0, 0, 9], IN_INDEX)]
    {
        host.add_neighbour(Neighbour { address: address.into(), mac, interface })?;
    }
    let names = machine::names(&host);
    let mut engine = Engine::new(host, 1);
    let mut sources = Sources::new();
    let source = sources.add("bench", RULES, None).ok_or("too long")?;
    let mut session = Session { names, ..Session::default() };
    let outcome = session.run(&mut sources, source, &NoFiles, &mut InProcess(&mut engine));
    if outcome.ok() { Ok(engine) } else { Err(outcome.render(&sources).into()) }
}

/// A packet there and one back.
fn establish(engine: &mut Engine, now: ironweir_wire::Instant, flow: u32) -> Result<()> {
    let (src, port) = address(flow);
    let mut there = frame(ROUTER, src, port, [10, 2, 0, 2], 9);
    pass(engine, now, IN_INDEX, &mut there);
    let translated = there.get(26..30).and_then(|src| src.first_chunk()).copied().ok_or("cut off")?;
    let port = there.get(34..36).map_or(0, |port| u16::from_be_bytes([port[0], port[1]]));
    let mut back = frame(OUT, [10, 2, 0, 2], 9, translated, port);
    pass(engine, now, OUT_INDEX, &mut back);
    Ok(())
}

fn pass(engine: &mut Engine, now: ironweir_wire::Instant, iif: IfIndex, frame: &mut [u8]) {
    let len = frame.len();
    let mut packet = Packet::new(frame, 0, len, LinkType::Ethernet);
    packet.meta.iif = iif;
    std::hint::black_box(engine.process(now, &mut packet, &mut ()));
}

fn frame(to: [u8; 6], src: [u8; 4], sport: u16, dst: [u8; 4], dport: u16) -> Vec<u8> {
    let mut frame = to.to_vec();
    frame.extend([2, 0, 0, 0, 0, 9, 8, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0]);
    frame.extend(src);
    frame.extend(dst);
    let sum: u32 = frame[14..].chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame.extend(sport.to_be_bytes());
    frame.extend(dport.to_be_bytes());
    frame.extend([0, 26, 0, 0]);
    frame.resize(60, 0);
    frame
}
