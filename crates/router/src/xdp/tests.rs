//! The table beside an engine, its program at interfaces of a namespace; what the program would count is written by hand.

use std::process::Command;

use ironweir_engine::{Interface, Neighbour};
use ironweir_expr::flow_offload::FlowOffload;
use ironweir_io::NetworkNamespace;
use ironweir_ruleset::{
    BaseChain, Batch, Chain, ChainRef, ChainType, Change, Creation, Expr, Flowtable, Place as RulePlace,
    Policy, Priority, Rule, Table as RuleTable, TableFlags, TableId, Userdata,
};
use ironweir_wire::{LinkType, Packet};

use super::*;

const LAN: IfIndex = IfIndex(11);
const WAN: IfIndex = IfIndex(12);
const LAN_MAC: [u8; 6] = [2, 0, 0, 0, 1, 1];
const WAN_MAC: [u8; 6] = [2, 0, 0, 0, 2, 1];

struct Bench {
    engine: Engine,
    xdp: XdpFlowtable,
    now: Instant,
    _namespace: NetworkNamespace,
}

fn id(family: Family) -> TableId {
    TableId::new(family, "t")
}

fn table(family: Family) -> Change {
    let (flags, userdata) = (TableFlags::empty(), Userdata::default());
    let table = RuleTable { id: id(family), flags, userdata, unknown: Default::default() };
    Change::NewTable { table, creation: Creation::Add }
}

fn base(family: Family, hook: Hook, devices: Vec<Box<str>>) -> Change {
    let (kind, policy) = (ChainType::Filter, Some(Policy::Accept));
    let base = BaseChain { kind, hook, priority: Priority(-5), devices, policy, hw_offload: false };
    let userdata = Userdata::default();
    let chain =
        Chain { name: "c".into(), base: Some(base), binding: None, userdata, unknown: Default::default() };
    Change::NewChain { table: id(family), chain, creation: Creation::Add }
}

fn rules() -> Batch {
    let flowtable = Flowtable {
        name: "f".into(),
        hook: Some(Hook::Ingress),
        priority: Priority(0),
        devices: vec!["lan0".into(), "wan0".into()],
        hw_offload: false,
        counter: true,
        unknown: Default::default(),
    };
    let add = Expr::FlowOffload(FlowOffload { flowtable: "f".into() });
    let rule = Rule { exprs: vec![add], userdata: Userdata::default(), ..Rule::default() };
    let table_id = id(Family::Inet);
    let changes = vec![
        table(Family::Inet),
        Change::NewFlowtable { table: table_id.clone(), flowtable, creation: Creation::Add },
        base(Family::Inet, Hook::Forward, vec![]),
        Change::NewRule { table: table_id, chain: ChainRef::new("c"), rule, place: RulePlace::Last },
    ];
    Batch { changes }
}

impl Bench {
    fn new() -> Option<Bench> {
        let skip = |why: &dyn std::fmt::Display| {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip");
            eprintln!("SKIPPED: {why}");
        };
        if let Err(error) = Map::new(MapKind::DevMap, "probe", 4, 4, 1, 0) {
            skip(&format!("no BPF: {error}"));
            return None;
        }
        let namespace = match NetworkNamespace::new() {
            Ok(namespace) => namespace,
            Err(error) => {
                skip(&error);
                return None;
            }
        };
        let mut host = Host::default();
        for (index, name, mac, own) in
            [(LAN, "lan0", LAN_MAC, [192, 168, 1, 1]), (WAN, "wan0", WAN_MAC, [198, 51, 100, 1])]
        {
            let mut interface = Interface::new(index, name);
            interface.mac = mac;
            interface.addresses = vec![(own.into(), 16)];
            host.add_interface(interface).unwrap();
        }
        let mut xdp = namespace
            .inside(|| {
                let words = "link add lan0 type veth peer name wan0";
                let made = Command::new("ip").args(words.split(' ')).status()?;
                assert!(made.success(), "ip {words}");
                let port = |interface, name| {
                    let device = ironweir_io::links::index_of(name)?;
                    io::Result::Ok(XdpInterface { interface, device, port: None })
                };
                let ports = vec![port(LAN, "lan0")?, port(WAN, "wan0")?];
                Ok(XdpFlowtable::new(&host, ports, 10_000, 3).unwrap())
            })
            .unwrap();
        // Nobody is at the other ends.
        xdp.features = None;
        for port in &mut xdp.ports {
            port.transmits = true;
        }
        let mut engine = Engine::new(host, 1);
        engine.commit(&rules()).unwrap();
        let mut bench = Bench { engine, xdp, now: Instant::from_secs(1000), _namespace: namespace };
        bench.engine.change_host(|host| {
            for (address, interface) in [([192, 168, 1, 2], LAN), ([198, 51, 100, 2], WAN)] {
                let mac = [2, 0, 0, 0, 9, 9];
                host.add_neighbour(Neighbour { address: address.into(), mac, interface }).unwrap();
            }
        });
        bench.wait(0);
        Some(bench)
    }

    fn pass(&mut self, iif: IfIndex, src: [u8; 4], sport: u16, dst: [u8; 4], dport: u16) {
        let mac = if iif == LAN { LAN_MAC } else { WAN_MAC };
        let mut frame = [mac, [2, 0, 0, 0, 9, 9]].concat();
        frame.extend([8, 0, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0]);
        frame.extend([src, dst].concat());
        let sum = ironweir_wire::checksum::Sum::default().bytes(&frame[14..]).finish();
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
        frame.extend([sport.to_be_bytes(), dport.to_be_bytes(), [0, 8], [0, 0]].concat());
        let len = frame.len();
        let mut packet = Packet::new(&mut frame, 0, len, LinkType::Ethernet);
        packet.meta.iif = iif;
        self.engine.process(self.now, &mut packet, &mut ());
    }

    /// A packet there and one back: the connection is in the flowtable.
    fn connect(&mut self, port: u16) {
        self.pass(LAN, [192, 168, 1, 2], port, [198, 51, 100, 2], 53);
        self.pass(WAN, [198, 51, 100, 2], 53, [192, 168, 1, 2], port);
    }

    fn wait(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
        self.engine.advance(self.now);
        self.xdp.work(&mut self.engine, self.now);
    }

    /// Until what takes real time is over.
    fn settle(&mut self) {
        let begun = std::time::Instant::now();
        while self.xdp.growing.is_some() || !self.xdp.closing.is_empty() || !self.xdp.waiting.is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(1));
            self.wait(0);
        }
    }

    /// As if the program had forwarded a packet of 100 bytes in each direction of each connection.
    fn forward(&mut self) {
        for place in self.xdp.flows.iter().flatten().flat_map(|flow| flow.sides).flatten() {
            self.xdp.tables[place.family].add(place.slot, (1, 100));
        }
    }

    fn entries(&self) -> usize {
        self.xdp.tables.iter().map(Table::len).sum()
    }
}

#[test]
fn what_is_counted_while_the_table_grows_is_told_once() {
    let Some(mut bench) = Bench::new() else { return };
    let mut told = [0; 5001];
    for port in 1..=5000 {
        bench.connect(port);
        if port % 500 == 0 {
            bench.wait(0);
            // Some find room at once, some when it was made.
            bench.forward();
            for at in bench.xdp.flows.iter().flatten() {
                let entry = bench.engine.conntrack().entry(at.connection).unwrap();
                told[usize::from(entry.tuple(Direction::Original).src_id)] += 1;
            }
        }
    }
    bench.settle();
    assert_eq!((bench.entries(), bench.xdp.statistics().flows), (10_000, 5000));
    for _ in 0..10 {
        bench.wait(1000);
    }
    for flow in bench.engine.flows() {
        let entry = bench.engine.conntrack().entry(flow.connection).unwrap();
        let told = told[usize::from(entry.tuple(Direction::Original).src_id)];
        assert_eq!(flow.sides.map(|side| (side.packets, side.bytes)), [(told, told * 100); 2]);
        // The first packet of each direction went through the engine, and the second of none.
        let count = entry.counter(Direction::Original).packets;
        assert_eq!(count, told + 1);
    }
}

#[test]
fn an_entry_lives_while_packets_come_and_thirty_seconds_longer() {
    let Some(mut bench) = Bench::new() else { return };
    bench.connect(5000);
    bench.wait(0);
    assert_eq!(bench.entries(), 2);
    for _ in 0..60 {
        bench.wait(1000);
        bench.forward();
    }
    bench.wait(1000);
    assert_eq!((bench.entries(), bench.engine.flows().count()), (2, 1));
    for _ in 0..29 {
        bench.wait(1000);
    }
    assert_eq!(bench.entries(), 2);
    bench.wait(1500);
    assert_eq!((bench.entries(), bench.engine.flows().count()), (0, 0));
    bench.settle();
    assert_eq!(bench.xdp.statistics(), XdpStatistics { packets: 120, bytes: 12_000, ..Default::default() });
}

#[test]
fn another_neighbour_and_another_route_end_entries() {
    let Some(mut bench) = Bench::new() else { return };
    bench.connect(5000);
    bench.connect(5001);
    bench.wait(0);
    let way = |bench: &Bench, address: [u8; 4], interface| {
        way(bench.engine.host(), &bench.xdp.ports, (interface, address.into()))
    };
    assert_eq!(way(&bench, [198, 51, 100, 2], WAN).unwrap().destination, [2, 0, 0, 0, 9, 9]);
    let mac = [2, 0, 0, 0, 7, 7];
    bench.engine.change_host(|host| {
        host.add_neighbour(Neighbour { address: [198, 51, 100, 2].into(), mac, interface: WAN }).unwrap();
    });
    bench.wait(100);
    assert_eq!(way(&bench, [198, 51, 100, 2], WAN).unwrap().destination, mac);
    // The engine ends flows whose next hop has moved; their next packets take the new way in.
    assert_eq!(bench.entries(), 0);
    bench.connect(5002);
    bench.wait(0);
    assert_eq!(bench.entries(), 2);
    bench.engine.change_host(|host| host.remove_route([198, 51, 0, 0].into(), 16));
    bench.wait(100);
    assert_eq!(bench.entries(), 0);
}

#[test]
fn a_neighbour_who_becomes_known_ends_nothing_and_is_told_soon() {
    let Some(mut bench) = Bench::new() else { return };
    bench.engine.change_host(|host| host.remove_neighbour(LAN, [192, 168, 1, 2].into()));
    bench.wait(100);
    bench.connect(5000);
    bench.wait(0);
    assert_eq!(bench.entries(), 2);
    bench.engine.change_host(|host| {
        let mac = [2, 0, 0, 0, 9, 9];
        host.add_neighbour(Neighbour { address: [192, 168, 1, 2].into(), mac, interface: LAN }).unwrap();
    });
    bench.wait(1);
    bench.engine.change_host(|host| host.remove_neighbour(LAN, [192, 168, 1, 9].into()));
    bench.engine.change_host(|host| host.remove_route([10, 9, 0, 0].into(), 16));
    bench.wait(1);
    let due = bench.xdp.deadline().expect("routes have changed again");
    assert!(due.since(bench.now) <= ROUTES, "a change is looked at in time");
    bench.wait(100);
    assert_eq!((bench.entries(), bench.engine.flows().count()), (2, 1));
    // One who moves is another matter.
    bench.engine.change_host(|host| {
        let mac = [2, 0, 0, 0, 7, 7];
        host.add_neighbour(Neighbour { address: [192, 168, 1, 2].into(), mac, interface: LAN }).unwrap();
    });
    bench.wait(100);
    assert_eq!(bench.entries(), 0);
}

#[test]
fn a_connection_that_is_deleted_is_closed_at_once() {
    let Some(mut bench) = Bench::new() else { return };
    bench.connect(5000);
    bench.wait(0);
    bench.forward();
    let now = bench.now;
    bench.engine.conntrack_mut().flush(now);
    bench.wait(0);
    assert_eq!((bench.entries(), bench.engine.flows().count()), (0, 0));
    // And may come again.
    bench.settle();
    bench.connect(5000);
    bench.wait(0);
    assert_eq!(bench.entries(), 2);
}

#[test]
fn a_chain_that_would_see_the_packets_keeps_a_flowtable_out() {
    let Some(mut bench) = Bench::new() else { return };
    bench.connect(5000);
    bench.wait(0);
    let chain = base(Family::Netdev, Hook::Ingress, vec!["lan0".into()]);
    bench.engine.commit(&Batch { changes: vec![table(Family::Netdev), chain] }).unwrap();
    bench.wait(0);
    assert_eq!((bench.entries(), bench.engine.flows().count()), (0, 1));
    bench.connect(5001);
    bench.wait(0);
    assert_eq!((bench.entries(), bench.engine.flows().count()), (0, 2));
    bench
        .engine
        .commit(&Batch { changes: vec![Change::FlushRuleset { family: Some(Family::Netdev) }] })
        .unwrap();
    bench.wait(0);
    assert_eq!(bench.entries(), 4);
    bench.engine.commit(&Batch { changes: vec![Change::FlushRuleset { family: None }] }).unwrap();
    bench.wait(0);
    assert_eq!((bench.entries(), bench.engine.flows().count()), (0, 0));
}
