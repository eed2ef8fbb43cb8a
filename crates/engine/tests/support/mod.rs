//! Rulesets, hosts and packets for the engine's tests, made by hand: the language is another crate.
#![allow(dead_code, unreachable_pub)] // each test file uses its part

use ironweir_engine::{Disposition, Engine, Host, Interface, Observer, Route};
use ironweir_expr::cmp::{Cmp, Op};
use ironweir_expr::immediate::Immediate;
use ironweir_expr::payload::{Base, Load};
use ironweir_expr::{Register, ct, meta};
use ironweir_ruleset::set::{SetData, SetPolicy};
use ironweir_ruleset::*;
use ironweir_wire::checksum::Sum;
use ironweir_wire::{Address, IfIndex, Instant, L3, LinkType, Packet};

pub const LAN: IfIndex = IfIndex(1);
pub const WAN: IfIndex = IfIndex(2);
pub const LAN_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub const WAN_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
pub const CLIENT: [u8; 4] = [192, 168, 1, 10];
pub const SERVER: [u8; 4] = [203, 0, 113, 5];
pub const PUBLIC: [u8; 4] = [198, 51, 100, 1];

/// A router: lan0 with 192.168.1.1/24, wan0 with 198.51.100.1/24 and a default route.
pub fn router() -> Host {
    let mut host = Host::default();
    let mut lan = Interface::new(LAN, "lan0");
    lan.mac = LAN_MAC;
    lan.addresses = vec![("192.168.1.1".parse().unwrap(), 24), ("2001:db8:1::1".parse().unwrap(), 64)];
    let mut wan = Interface::new(WAN, "wan0");
    wan.mac = WAN_MAC;
    wan.addresses = vec![("198.51.100.1".parse().unwrap(), 24), ("2001:db8:2::1".parse().unwrap(), 64)];
    host.add_interface(lan).unwrap();
    host.add_interface(wan).unwrap();
    let gateway = Some("198.51.100.254".parse().unwrap());
    let route = Route::by(WAN, gateway);
    host.add_route("0.0.0.0".parse().unwrap(), 0, route, 0).unwrap();
    let gateway = Some("2001:db8:2::fe".parse().unwrap());
    host.add_route("::".parse().unwrap(), 0, Route { gateway, ..route }, 0).unwrap();
    host
}

pub fn id() -> TableId {
    TableId::new(Family::Inet, "t")
}

pub fn table() -> Change {
    let table = Table {
        id: id(),
        flags: TableFlags::empty(),
        userdata: Userdata::default(),
        unknown: Default::default(),
    };
    Change::NewTable { table, creation: Creation::Add }
}

pub fn base(name: &str, kind: ChainType, hook: Hook, priority: i32, policy: Policy) -> Change {
    let base = BaseChain {
        kind,
        hook,
        priority: Priority(priority),
        devices: if hook == Hook::Ingress { vec!["lan0".into()] } else { vec![] },
        policy: Some(policy),
        hw_offload: false,
    };
    let chain = Chain {
        name: name.into(),
        base: Some(base),
        binding: None,
        userdata: Userdata::default(),
        unknown: Default::default(),
    };
    Change::NewChain { table: id(), chain, creation: Creation::Add }
}

pub fn regular(name: &str) -> Change {
    let chain = Chain {
        name: name.into(),
        base: None,
        binding: None,
        userdata: Userdata::default(),
        unknown: Default::default(),
    };
    Change::NewChain { table: id(), chain, creation: Creation::Add }
}

pub fn rule(chain: &str, exprs: Vec<Expr>) -> Change {
    Change::NewRule {
        table: id(),
        chain: ChainRef::new(chain),
        rule: Rule { exprs, userdata: Userdata::default(), ..Rule::default() },
        place: Place::Last,
    }
}

pub fn set(name: &str, flags: SetFlags, data: Option<SetData>) -> Set {
    Set {
        name: name.into(),
        id: 1,
        flags,
        key_type: 0,
        key_len: 4,
        fields: vec![],
        data,
        size: None,
        timeout: None,
        gc_interval: None,
        policy: SetPolicy::Performance,
        exprs: vec![],
        userdata: Userdata::default(),
        unknown: Default::default(),
    }
}

pub fn new_set(set: Set) -> Change {
    Change::NewSet { table: id(), set, creation: Creation::Add }
}

pub fn flowtable() -> Change {
    let flowtable = Flowtable {
        name: "f".into(),
        hook: Some(Hook::Ingress),
        priority: Priority(0),
        devices: vec!["lan0".into(), "wan0".into()],
        hw_offload: false,
        counter: true,
        unknown: Default::default(),
    };
    Change::NewFlowtable { table: id(), flowtable, creation: Creation::Add }
}

pub fn verdict(verdict: Verdict) -> Expr {
    Expr::Immediate(Immediate::Verdict(verdict))
}

pub fn accept() -> Expr {
    verdict(Verdict::Accept)
}

pub fn drop() -> Expr {
    verdict(Verdict::Drop)
}

pub fn jump(to: &str) -> Expr {
    verdict(Verdict::Jump(ChainRef::new(to)))
}

pub fn counter() -> Expr {
    Expr::Counter(Default::default())
}

pub fn value(register: Register, bytes: &[u8]) -> Expr {
    Expr::Immediate(Immediate::Value { destination: register, value: Value::new(bytes) })
}

pub fn eq(bytes: &[u8]) -> Expr {
    Expr::Cmp(Cmp { source: Register::R1, op: Op::Eq, data: Value::new(bytes) })
}

pub fn load(base: Base, offset: u32, len: u32) -> Expr {
    Expr::PayloadLoad(Load { base, offset, len, destination: Register::R1 })
}

pub fn dport(port: u16) -> Vec<Expr> {
    vec![load(Base::Transport, 2, 2), eq(&port.to_be_bytes())]
}

pub fn saddr() -> Expr {
    load(Base::Network, 12, 4)
}

pub fn oif(oif: IfIndex) -> Vec<Expr> {
    let get = meta::Get { key: meta::Key::Oif, destination: Register::R1 };
    vec![Expr::MetaGet(get), eq(&oif.0.to_ne_bytes())]
}

/// `ct state` with any of these bits.
pub fn ct_state(bits: u32) -> Vec<Expr> {
    use ironweir_expr::bitwise::{Bitwise, Op as Operation};
    let zero = Value::zeroed(4);
    vec![
        Expr::CtGet(ct::Get { key: ct::Key::State, direction: None, destination: Register::R1 }),
        Expr::Bitwise(Bitwise {
            source: Register::R1,
            destination: Register::R1,
            len: 4,
            op: Operation::MaskXor { mask: Value::from(bits.to_ne_bytes()), xor: zero.clone() },
        }),
        Expr::Cmp(Cmp { source: Register::R1, op: Op::Neq, data: zero }),
    ]
}

pub fn engine(changes: Vec<Change>) -> Engine {
    let mut engine = Engine::new(router(), 7);
    commit(&mut engine, changes);
    engine
}

pub fn commit(engine: &mut Engine, changes: Vec<Change>) -> Vec<Option<Handle>> {
    engine.commit(&Batch { changes }).expect("a sound batch").handles
}

/// An Ethernet frame with IPv4 and TCP (with flags) or UDP.
#[derive(Clone, Debug)]
pub struct Frame {
    pub iif: IfIndex,
    pub src: [u8; 4],
    pub dst: [u8; 4],
    pub sport: u16,
    pub dport: u16,
    pub tcp: Option<(u8, u32, u32)>,
    pub ttl: u8,
    pub payload: usize,
}

pub fn udp(iif: IfIndex, src: [u8; 4], sport: u16, dst: [u8; 4], dport: u16) -> Frame {
    Frame { iif, src, dst, sport, dport, tcp: None, ttl: 64, payload: 10 }
}

pub fn tcp(iif: IfIndex, src: [u8; 4], sport: u16, dst: [u8; 4], dport: u16, tcp: (u8, u32, u32)) -> Frame {
    Frame { iif, src, dst, sport, dport, tcp: Some(tcp), ttl: 64, payload: 0 }
}

impl Frame {
    pub fn bytes(&self) -> Vec<u8> {
        let mut l4 = Vec::new();
        l4.extend(self.sport.to_be_bytes());
        l4.extend(self.dport.to_be_bytes());
        let (protocol, checksum_at) = match self.tcp {
            Some((flags, seq, ack)) => {
                l4.extend(seq.to_be_bytes());
                l4.extend(ack.to_be_bytes());
                l4.extend([0x50, flags, 0x20, 0, 0, 0, 0, 0]);
                (6, 16)
            }
            None => {
                l4.extend((8 + self.payload as u16).to_be_bytes());
                l4.extend([0, 0]);
                (17, 6)
            }
        };
        l4.resize(l4.len() + self.payload, 0x5a);
        let (src, dst) = (Address::v4(self.src), Address::v4(self.dst));
        let sum = Sum::ZERO.pseudo(L3::V4, &src, &dst, l4.len(), protocol).bytes(&l4).finish();
        l4[checksum_at..checksum_at + 2].copy_from_slice(&sum.to_be_bytes());
        let mac = if self.iif == LAN { LAN_MAC } else { WAN_MAC };
        let mut frame = Vec::new();
        frame.extend(mac);
        frame.extend([2, 9, 9, 9, 9, 9, 8, 0]);
        let mut ip = vec![0x45, 0, 0, 0, 0, 1, 0x40, 0, self.ttl, protocol, 0, 0];
        ip[2..4].copy_from_slice(&(20 + l4.len() as u16).to_be_bytes());
        ip.extend(self.src);
        ip.extend(self.dst);
        let sum = Sum::ZERO.bytes(&ip).finish();
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        frame.extend(ip);
        frame.extend(l4);
        frame
    }
}

/// What a test looks at after a packet.
pub struct Passed {
    pub disposition: Disposition,
    pub bytes: Vec<u8>,
}

impl Passed {
    pub fn src(&self) -> [u8; 4] {
        self.bytes[26..30].try_into().unwrap()
    }

    pub fn dst(&self) -> [u8; 4] {
        self.bytes[30..34].try_into().unwrap()
    }

    pub fn sport(&self) -> u16 {
        u16::from_be_bytes([self.bytes[34], self.bytes[35]])
    }

    pub fn dport(&self) -> u16 {
        u16::from_be_bytes([self.bytes[36], self.bytes[37]])
    }

    pub fn ttl(&self) -> u8 {
        self.bytes[22]
    }

    pub fn forwarded(&self) -> bool {
        matches!(self.disposition, Disposition::Forwarded { .. })
    }

    pub fn offloaded(&self) -> bool {
        matches!(self.disposition, Disposition::Forwarded { offloaded: true, .. })
    }

    pub fn dropped(&self) -> bool {
        matches!(self.disposition, Disposition::Dropped(_))
    }

    /// Whether the checksums of IPv4 and of the transport header are right.
    pub fn sums_up(&self) -> bool {
        let ip = &self.bytes[14..];
        let l4 = &ip[20..];
        let (src, dst) = (Address::v4(self.src()), Address::v4(self.dst()));
        Sum::ZERO.bytes(&ip[..20]).is_valid()
            && Sum::ZERO.pseudo(L3::V4, &src, &dst, l4.len(), ip[9]).bytes(l4).is_valid()
    }
}

pub fn send_to(engine: &mut Engine, at: Instant, frame: &Frame, observer: &mut impl Observer) -> Passed {
    let mut bytes = vec![0; 64];
    bytes.extend(frame.bytes());
    let len = bytes.len();
    let mut packet = Packet::new(&mut bytes, 64, len, LinkType::Ethernet);
    packet.meta.iif = frame.iif;
    let disposition = engine.process(at, &mut packet, observer);
    let bytes = packet.head().to_vec();
    Passed { disposition, bytes }
}

pub fn send(engine: &mut Engine, millis: u64, frame: &Frame) -> Passed {
    send_to(engine, Instant::from_millis(1_000_000 + millis), frame, &mut ())
}

/// Packets that each rule of a chain counted, by its first counter.
pub fn counts(engine: &Engine, chain: &str) -> Vec<u64> {
    let table = engine.ruleset().table(&id()).unwrap();
    let rules = table.chain(chain).unwrap().rules();
    rules
        .map(|rule| {
            let counter = rule.rule.exprs.iter().find_map(|expr| match expr {
                Expr::Counter(counter) => Some(counter.totals().0),
                _ => None,
            });
            counter.unwrap_or(0)
        })
        .collect()
}

pub const ESTABLISHED: u32 = 2;
pub const NEW: u32 = 8;
