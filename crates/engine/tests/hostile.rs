//! Packets that mean harm: random bytes, and sound packets with random bytes changed, never make the engine panic.

mod support;

use ironweir_engine::{Engine, Host, Interface};
use ironweir_expr::exthdr::{Action, Exthdr, Kind as Header};
use ironweir_expr::flow_offload::FlowOffload;
use ironweir_expr::masq::Masq;
use ironweir_expr::nat::Flags;
use ironweir_expr::payload::{Base, Checksum, ChecksumKind, Write};
use ironweir_expr::reject::Reject;
use ironweir_expr::{Register, ct, dynset, fib, meta};
use ironweir_ruleset::*;
use ironweir_wire::{IfIndex, Instant, LinkType, Packet};
use proptest::prelude::*;
use support::*;

fn everything() -> Vec<Change> {
    let dynset = Expr::Dynset(dynset::Dynset {
        set: SetRef::new("s"),
        op: dynset::Op::Update,
        key: Register::R1,
        data: None,
        timeout: 0,
        invert: false,
        exprs: vec![counter()],
    });
    let ct_get = |key| {
        let direction = (key == ct::Key::ProtoDst).then_some(ct::Direction::Reply);
        Expr::CtGet(ct::Get { key, direction, destination: Register::R1 })
    };
    let option = |kind, header| {
        Expr::Exthdr(Exthdr { kind, header, offset: 0, len: 2, action: Action::Load(Register::R1) })
    };
    let ttl = Write {
        base: Base::Network,
        offset: 1,
        len: 1,
        source: Register::R1,
        checksum: Checksum { kind: ChecksumKind::Inet, offset: 10, pseudo_header: false },
    };
    let mss = Expr::Exthdr(Exthdr {
        kind: Header::Tcpopt,
        header: 2,
        offset: 2,
        len: 2,
        action: Action::Write(Register::R1),
    });
    let mut changes = vec![
        table(),
        flowtable(),
        new_set(Set {
            timeout: Some(1_000),
            size: Some(100),
            ..set("s", SetFlags::TIMEOUT | SetFlags::EVAL, None)
        }),
        base("ingress", ChainType::Filter, Hook::Ingress, -10, Policy::Accept),
        base("raw", ChainType::Filter, Hook::Prerouting, -300, Policy::Accept),
        base("pre", ChainType::Filter, Hook::Prerouting, -150, Policy::Accept),
        base("dnat", ChainType::Nat, Hook::Prerouting, -100, Policy::Accept),
        base("in", ChainType::Filter, Hook::Input, 0, Policy::Accept),
        base("f", ChainType::Filter, Hook::Forward, 0, Policy::Accept),
        base("out", ChainType::Filter, Hook::Output, 0, Policy::Accept),
        base("snat", ChainType::Nat, Hook::Postrouting, 100, Policy::Accept),
        rule("snat", vec![Expr::Masq(Masq { flags: Flags::empty(), ports: None })]),
        rule("f", vec![ct_get(ct::Key::State), Expr::FlowOffload(FlowOffload { flowtable: "f".into() })]),
        rule("f", vec![value(Register::R1, &[9]), Expr::PayloadWrite(ttl)]),
        rule("f", vec![value(Register::R1, &[5, 0]), mss]),
        rule("in", vec![Expr::Reject(Reject::IcmpxUnreach { code: 3 })]),
        rule("out", [dport(80), vec![Expr::Reject(Reject::TcpReset)]].concat()),
    ];
    for chain in ["ingress", "raw", "pre", "in", "f"] {
        changes.push(rule(chain, vec![saddr(), dynset.clone()]));
        changes.push(rule(chain, [dport(53), vec![counter()]].concat()));
        changes.push(rule(chain, vec![load(Base::Inner, 0, 16)]));
        changes.push(rule(chain, vec![load(Base::Link, 0, 16)]));
        changes.push(rule(chain, vec![option(Header::Tcpopt, 2), option(Header::Ipv6, 44)]));
        changes.push(rule(chain, vec![option(Header::Ipv4, 7), counter()]));
        let keys =
            [meta::Key::Len, meta::Key::L4proto, meta::Key::Iifname, meta::Key::Pkttype, meta::Key::TimeHour];
        for key in keys {
            changes.push(rule(chain, vec![Expr::MetaGet(meta::Get { key, destination: Register::R1 })]));
        }
    }
    for key in [
        ct::Key::Status,
        ct::Key::Expiration,
        ct::Key::ProtoDst,
        ct::Key::Labels,
        ct::Key::Bytes,
        ct::Key::Id,
    ] {
        changes.push(rule("f", vec![ct_get(key)]));
    }
    let lookup = fib::Fib {
        destination: Register::R1,
        result: fib::Outcome::Oif,
        flags: fib::Flags::SADDR | fib::Flags::IIF,
    };
    changes.push(rule("pre", vec![Expr::Fib(lookup)]));
    changes
}

fn run(engine: &mut Engine, at: u64, iif: IfIndex, link: LinkType, bytes: &[u8]) {
    let mut buffer = vec![0; 64];
    buffer.extend(bytes);
    let len = buffer.len();
    let mut packet = Packet::new(&mut buffer, 64, len, link);
    packet.meta.iif = iif;
    engine.process(Instant::from_millis(1_000 + at), &mut packet, &mut ());
    while engine.poll_output().is_some() {}
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    let sound =
        (any::<bool>(), 0..4u16, 0..4u8, prop::option::of((0..64u8, any::<u32>(), any::<u32>())), 0..80usize)
            .prop_map(|(out, port, host, tcp, payload)| {
                let client = [192, 168, 1, host];
                let (src, dst) = if out { (client, SERVER) } else { (SERVER, PUBLIC) };
                let iif = if out { LAN } else { WAN };
                Frame { iif, src, dst, sport: 1000 + port, dport: 53 + port, tcp, ttl: 64, payload }.bytes()
            });
    let spoilt = (sound, prop::collection::vec((0..90usize, any::<u8>()), 0..4), 0..120usize, any::<u8>())
        .prop_map(|(mut bytes, changes, cut, kind)| {
            for (at, byte) in changes {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            if kind < 60 {
                bytes.truncate(cut);
            }
            bytes
        });
    let ethertypes = prop::sample::select(vec![0x0800u16, 0x86dd, 0x0806, 0x8100, 0x88a8, 0x0042]);
    let noise = (ethertypes, prop::collection::vec(any::<u8>(), 0..200), any::<u8>()).prop_map(
        |(kind, mut body, next)| {
            if let Some(first) = body.first_mut() {
                *first = if kind == 0x86dd { 0x60 } else { 0x45 | (*first & 0xf) };
            }
            if kind == 0x86dd && body.len() > 40 {
                let len = (body.len() - 40) as u16;
                body[4..6].copy_from_slice(&len.to_be_bytes());
                body[6] = [0, 6, 17, 43, 44, 50, 51, 58, 60, 132][usize::from(next) % 10];
            }
            [&[2; 12][..], &kind.to_be_bytes(), &body].concat()
        },
    );
    prop_oneof![spoilt, noise, prop::collection::vec(any::<u8>(), 0..60)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_packet_makes_the_engine_panic(frames in prop::collection::vec((frame(), any::<bool>(), any::<bool>(), 0..5000u64), 1..40)) {
        let mut router = engine(everything());
        let mut bare = Host::default();
        bare.add_interface(Interface::new(LAN, "lan0")).unwrap();
        bare.add_interface(Interface::new(WAN, "wan0")).unwrap();
        bare.forward_to = Some(WAN);
        let mut bare = Engine::new(bare, 1);
        commit(&mut bare, everything());
        let mut at = 0;
        for (bytes, lan, ethernet, later) in frames {
            at += later;
            let iif = if lan { LAN } else { WAN };
            let link = if ethernet { LinkType::Ethernet } else { LinkType::None };
            run(&mut router, at, iif, link, &bytes);
            run(&mut bare, at, iif, link, &bytes);
        }
        router.collect(Instant::from_secs(1_000_000));
        prop_assert_eq!(router.conntrack().len(), 0);
        prop_assert_eq!(router.flows().count(), 0);
    }
}
