//! Where packets go and which chains they meet.

mod support;

use ironweir_engine::{
    ChainId, Disposition, DropReason, Observer, RuleId, TraceEvent, TraceStep, TraceVerdict,
};
use ironweir_expr::reject::Reject;
use ironweir_ruleset::{ChainType, Expr, Hook, Policy, Verdict};
use ironweir_wire::{Instant, Packet};
use support::*;

#[test]
fn a_packet_is_forwarded_received_or_refused_as_routes_say() {
    let mut engine = engine(vec![]);
    let to = |dst| udp(LAN, CLIENT, 5000, dst, 53);
    let passed = send(&mut engine, 0, &to(SERVER));
    assert_eq!(passed.disposition, Disposition::Forwarded { oif: WAN, offloaded: false });
    assert_eq!((passed.ttl(), passed.sums_up()), (63, true));
    assert_eq!(passed.bytes[6..12], WAN_MAC);
    assert_eq!(send(&mut engine, 0, &to([192, 168, 1, 1])).disposition, Disposition::Local);
    assert_eq!(send(&mut engine, 0, &to(PUBLIC)).disposition, Disposition::Local);
    assert_eq!(send(&mut engine, 0, &to([192, 168, 1, 255])).disposition, Disposition::Local);
    let short = support::Frame { ttl: 1, ..to(SERVER) };
    assert_eq!(send(&mut engine, 0, &short).disposition, Disposition::Dropped(DropReason::TtlExceeded));
    let answer = engine.poll_output().expect("time exceeded");
    assert_eq!((answer.oif, answer.bytes[23], answer.bytes[34]), (LAN, 1, 11));
    let martian = udp(LAN, [127, 0, 0, 1], 1, SERVER, 2);
    assert_eq!(send(&mut engine, 0, &martian).disposition, Disposition::Dropped(DropReason::Martian));
    engine.change_host(|host| host.remove_route("0.0.0.0".parse().unwrap(), 0));
    assert_eq!(send(&mut engine, 0, &to(SERVER)).disposition, Disposition::Dropped(DropReason::NoRoute));
    engine.change_host(|host| host.forwarding_v4 = false);
    assert_eq!(
        send(&mut engine, 0, &to(SERVER)).disposition,
        Disposition::Dropped(DropReason::ForwardingOff)
    );
}

#[test]
fn accept_ends_only_its_own_base_chain() {
    let mut engine = engine(vec![
        table(),
        base("early", ChainType::Filter, Hook::Forward, -10, Policy::Accept),
        base("late", ChainType::Filter, Hook::Forward, 10, Policy::Drop),
        rule("early", vec![counter(), accept()]),
        rule("early", vec![counter()]),
        rule("late", [dport(53), vec![counter(), accept()]].concat()),
    ]);
    assert!(send(&mut engine, 0, &udp(LAN, CLIENT, 1, SERVER, 53)).forwarded());
    let passed = send(&mut engine, 0, &udp(LAN, CLIENT, 1, SERVER, 54));
    let Disposition::Dropped(DropReason::Policy(ChainId { table: 0, chain })) = passed.disposition else {
        panic!("{:?}", passed.disposition)
    };
    let table = engine.ruleset().table(&id()).unwrap();
    assert_eq!(&*table.chain_at(chain).unwrap().chain.name, "late");
    assert_eq!(table.chain("late").unwrap().policy_hits.totals(), (1, 38));
    assert_eq!((counts(&engine, "early"), counts(&engine, "late")), (vec![2, 0], vec![1]));
}

#[test]
fn jumps_return_gotos_do_not() {
    let to = |to: &str| verdict(Verdict::Goto(ironweir_ruleset::ChainRef::new(to)));
    let mut engine = engine(vec![
        table(),
        base("in", ChainType::Filter, Hook::Forward, 0, Policy::Accept),
        regular("a"),
        regular("b"),
        regular("c"),
        rule("in", vec![counter(), jump("a")]),
        rule("in", vec![counter(), to("c")]),
        rule("in", vec![counter(), drop()]),
        rule("a", vec![counter(), to("b")]),
        rule("a", vec![counter(), drop()]),
        rule("b", vec![counter(), verdict(Verdict::Return)]),
        rule("b", vec![counter(), drop()]),
        rule("c", vec![counter()]),
    ]);
    assert!(send(&mut engine, 0, &udp(LAN, CLIENT, 1, SERVER, 53)).forwarded());
    let all = ["in", "a", "b", "c"].map(|chain| counts(&engine, chain));
    assert_eq!(all, [vec![1, 1, 0], vec![1, 0], vec![1, 0], vec![1]]);
}

#[test]
fn own_packets_take_output_and_others_input() {
    let mut engine = engine(vec![
        table(),
        base("in", ChainType::Filter, Hook::Input, 0, Policy::Accept),
        base("out", ChainType::Filter, Hook::Output, 0, Policy::Accept),
        base("pre", ChainType::Filter, Hook::Prerouting, 0, Policy::Accept),
        rule("in", vec![counter()]),
        rule("out", vec![counter()]),
        rule("pre", vec![counter()]),
    ]);
    send(&mut engine, 0, &udp(WAN, SERVER, 53, PUBLIC, 5353));
    let mut own = udp(WAN, PUBLIC, 5353, SERVER, 53).bytes();
    own[6..12].copy_from_slice(&WAN_MAC);
    let len = own.len();
    let mut packet = Packet::new(&mut own, 0, len, ironweir_wire::LinkType::Ethernet);
    packet.meta.iif = WAN;
    let end = engine.process(Instant::from_secs(1001), &mut packet, &mut ());
    assert_eq!(end, Disposition::Sent { oif: WAN });
    assert_eq!(["in", "out", "pre"].map(|chain| counts(&engine, chain)[0]), [1, 1, 1]);
}

#[test]
fn reject_answers_with_a_reset_or_an_unreachable() {
    let mut engine = engine(vec![
        table(),
        base("f", ChainType::Filter, Hook::Forward, 0, Policy::Accept),
        rule("f", [dport(80), vec![Expr::Reject(Reject::TcpReset)]].concat()),
        rule("f", vec![Expr::Reject(Reject::IcmpxUnreach { code: 1 })]),
    ]);
    assert!(send(&mut engine, 0, &tcp(LAN, CLIENT, 1000, SERVER, 80, (2, 100, 0))).dropped());
    let reset = engine.poll_output().expect("reset");
    assert_eq!((reset.oif, reset.bytes[23], reset.bytes[47] & 0x3f), (LAN, 6, 0x14));
    assert!(send(&mut engine, 0, &udp(LAN, CLIENT, 1000, SERVER, 81)).dropped());
    let unreachable = engine.poll_output().expect("unreachable");
    assert_eq!(unreachable.bytes[23], 1);
    assert_eq!(unreachable.bytes[34..36], [3, 3]);
    assert_eq!(unreachable.bytes[30..34], CLIENT);
    assert_eq!(engine.poll_output(), None);
}

#[derive(Default)]
struct Steps(Vec<TraceStep>, Vec<RuleId>);

impl Observer for Steps {
    fn trace(&mut self, event: &TraceEvent, _: &Packet<'_>) {
        self.0.push(event.step);
    }

    fn rule_matched(&mut self, rule: RuleId, _: usize) {
        self.1.push(rule);
    }
}

#[test]
fn a_traced_packet_tells_its_rules_and_the_policy() {
    use ironweir_expr::{Register, meta};
    let mut engine = engine(vec![
        table(),
        base("pre", ChainType::Filter, Hook::Prerouting, -300, Policy::Accept),
        base("f", ChainType::Filter, Hook::Forward, 0, Policy::Accept),
        regular("c"),
        rule(
            "pre",
            vec![
                value(Register::R1, &[1]),
                Expr::MetaSet(meta::Set { key: meta::Key::Nftrace, source: Register::R1 }),
            ],
        ),
        rule("f", [dport(54), vec![drop()]].concat()),
        rule("f", vec![jump("c")]),
        rule("c", vec![counter()]),
    ]);
    let mut steps = Steps::default();
    send_to(&mut engine, Instant::from_secs(1), &udp(LAN, CLIENT, 1, SERVER, 53), &mut steps);
    let table = engine.ruleset().table(&id()).unwrap();
    let chain = |name: &str| ChainId { table: 0, chain: table.chain(name).unwrap().id };
    let rule = |name: &str, at: usize| RuleId {
        chain: chain(name),
        handle: table.chain(name).unwrap().rules().nth(at).unwrap().handle,
    };
    let expected = [
        TraceStep::Packet,
        TraceStep::Rule(rule("pre", 0), TraceVerdict::Continue),
        TraceStep::Policy(Policy::Accept),
        TraceStep::Packet,
        TraceStep::Rule(rule("f", 1), TraceVerdict::Jump(chain("c"))),
        TraceStep::Rule(rule("c", 0), TraceVerdict::Continue),
        TraceStep::Policy(Policy::Accept),
    ];
    assert_eq!(steps.0, expected);
    assert_eq!(steps.1, [rule("pre", 0), rule("f", 1), rule("c", 0)]);
}

#[test]
fn systems_are_known_by_their_syn() {
    use ironweir_engine::fingerprint::Fingerprints;
    use ironweir_expr::osf::Osf;
    let named = |version: bool, ttl: u8, name: &str| {
        let mut wanted = [0; 16];
        wanted[..name.len()].copy_from_slice(name.as_bytes());
        let osf = Expr::Osf(Osf { destination: ironweir_expr::Register::R1, ttl, version });
        rule("f", vec![osf, eq(&wanted), counter()])
    };
    let mut engine = engine(vec![
        table(),
        base("f", ChainType::Filter, Hook::Forward, 0, Policy::Accept),
        named(false, 2, "Plain"),
        named(true, 2, "Plain:1.0"),
        named(false, 1, "Plain"),
        named(false, 2, "unknown"),
    ]);
    let text = "*:60:0:40:.:Fragmenting:9::x\n8192:60:1:40:.:Plain:1.0::x\n";
    let fingerprints = std::sync::Arc::new(Fingerprints::parse(text).unwrap());
    engine.change_host(|host| host.fingerprints = fingerprints);
    let syn = tcp(LAN, CLIENT, 5000, SERVER, 80, (2, 100, 0));
    send(&mut engine, 0, &syn);
    send(&mut engine, 0, &Frame { ttl: 60, ..tcp(LAN, CLIENT, 5001, SERVER, 80, (2, 100, 0)) });
    send(&mut engine, 0, &Frame { payload: 1, ..tcp(LAN, CLIENT, 5002, SERVER, 80, (2, 100, 0)) });
    // No SYN: no rule matches.
    send(&mut engine, 0, &tcp(LAN, CLIENT, 5000, SERVER, 80, (0x10, 100, 0)));
    // The TTL fell before the forward hook.
    assert_eq!(counts(&engine, "f"), [2, 2, 1, 1]);
}
