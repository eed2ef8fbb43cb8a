//! What evaluation of expressions gives, those of several files side by side.

use proptest::prelude::*;

use crate::testing::{World, eval, ipv4, ipv6, tcp, udp};
use crate::*;

const R1: Register = Register::R1;

fn run(expr: &Expr, world: &mut World) -> (Outcome, Registers) {
    let mut registers = Registers::default();
    registers.store(R1, &[10, 0, 0, 1]);
    let outcome = eval(expr, &mut ipv4(17, 0, &[], &udp(53, &[])), &mut registers, world);
    (outcome, registers)
}

#[test]
fn verdicts_decide_and_continue_goes_on() {
    let chain = |id| ChainRef { name: "c".into(), id };
    let queue = Verdict::Queue { number: 3, bypass: true };
    let cases = [
        (Verdict::Accept, Outcome::Verdict(Decision::Accept)),
        (Verdict::Drop, Outcome::Verdict(Decision::Drop)),
        (Verdict::Return, Outcome::Verdict(Decision::Return)),
        (queue, Outcome::Verdict(Decision::Queue { number: 3, bypass: true })),
        (Verdict::Continue, Outcome::Next),
        (Verdict::Break, Outcome::Break),
        (Verdict::Jump(chain(Some(7))), Outcome::Verdict(Decision::Jump(7))),
        (Verdict::Goto(chain(Some(7))), Outcome::Verdict(Decision::Goto(7))),
        (Verdict::Jump(chain(None)), Outcome::Break),
    ];
    for (verdict, want) in cases {
        let expr = Expr::Immediate(immediate::Immediate::Verdict(verdict.clone()));
        assert_eq!(run(&expr, &mut World::default()).0, want, "{verdict}");
    }
}

#[test]
fn lookups_test_invert_and_load() {
    use lookup::Outcome::{Load, Test};
    let lookup = |result| Expr::Lookup(lookup::Lookup { set: SetRef::new("s"), source: R1, result });
    let held = || World { set: [(vec![10, 0, 0, 1], vec![9, 8])].into(), ..World::default() };
    let cases = [
        (Test { invert: false }, Outcome::Next, Outcome::Break),
        (Test { invert: true }, Outcome::Break, Outcome::Next),
        (Load(Register::R2), Outcome::Next, Outcome::Break),
    ];
    for (result, there, missing) in cases {
        assert_eq!(run(&lookup(result), &mut held()).0, there, "{result:?}");
        assert_eq!(run(&lookup(result), &mut World::default()).0, missing, "{result:?}");
    }
    let (_, registers) = run(&lookup(Load(Register::R2)), &mut held());
    assert_eq!(registers.get(Register::R2, 4), [9, 8, 0, 0]);
}

#[test]
fn set_changes_break_only_where_the_kernel_does() {
    use dynset::Op::{Add, Delete, Update};
    let change = |op, invert| {
        let (set, data) = (SetRef::new("s"), None);
        Expr::Dynset(dynset::Dynset { set, op, key: R1, data, timeout: 0, invert, exprs: Vec::new() })
    };
    let cases = [
        (Add, false, false, Outcome::Next),
        (Update, false, true, Outcome::Break),
        (Add, true, false, Outcome::Break),
        (Add, true, true, Outcome::Next),
        (Delete, false, true, Outcome::Next),
    ];
    for (op, invert, set_full, want) in cases {
        let mut world = World { set_full, ..World::default() };
        assert_eq!(run(&change(op, invert), &mut world).0, want, "{op:?}");
    }
}

#[test]
fn statements_do_what_they_say() {
    let mut world = World::default();
    let drop = Outcome::Verdict(Decision::Drop);
    assert_eq!(run(&Expr::Reject(reject::Reject::TcpReset), &mut world).0, drop);
    assert_eq!(world.rejects, 1);
    // Nobody counts connections here, so the packet's cannot be counted either.
    let connlimit = Expr::Connlimit(connlimit::Connlimit::new(1, true));
    assert_eq!(run(&connlimit, &mut world).0, drop);
    let mark = Expr::CtSet(ct::Set { key: ct::Key::Mark, direction: None, source: R1 });
    assert_eq!(run(&mark, &mut world).0, Outcome::Next);
    assert_eq!(world.written, [(ct::Key::Mark, vec![10, 0, 0, 1])]);
    let queue = |to| Expr::Queue(queue::Queue { to, bypass: false, fanout: true });
    let number = |number| Outcome::Verdict(Decision::Queue { number, bypass: false });
    let range = queue::Number::Range { first: 4, total: 2 };
    assert_eq!(run(&queue(range), &mut world).0, number(4));
    assert_eq!(run(&Expr::Redir(redir::Redir { flags: nat::Flags::empty(), ports: None }), &mut world).0, {
        Outcome::Verdict(Decision::Accept)
    });
    assert_eq!(world.nat.map(|range| range.kind), Some(env::NatKind::Redirect));
}

#[test]
fn what_is_not_there_breaks() {
    let synproxy = synproxy::Synproxy { mss: None, wscale: None, timestamp: false, sack_perm: false };
    let neighbour = Some((R1, Family::Ip6));
    for expr in [
        Expr::Rt(rt::Rt { key: rt::Key::Classid, destination: R1 }),
        Expr::Socket(socket::Socket { key: socket::Key::Mark, destination: R1 }),
        Expr::Tunnel(tunnel::Tunnel { key: tunnel::Key::Id, destination: R1, mode: 0 }),
        Expr::Xfrm(xfrm::Xfrm { key: xfrm::Key::Spi, direction: 0, spnum: 0, destination: R1 }),
        Expr::Osf(osf::Osf { destination: R1, ttl: 0, version: false }),
        Expr::Tproxy(tproxy::Tproxy { family: Family::Ip6, address: None, port: Some(R1) }),
        Expr::Synproxy(synproxy),
        Expr::Fwd(fwd::Fwd { device: R1, neighbour }),
        Expr::FlowOffload(flow_offload::FlowOffload { flowtable: "f".into() }),
        Expr::Objref(objref::Objref::Name { kind: objref::ObjectType::Counter, name: "c".into() }),
        Expr::XtMatch(compat::Match { name: "tcp".into(), revision: 0, info: Box::default() }),
    ] {
        assert_eq!(run(&expr, &mut World::default()).0, Outcome::Break, "{expr}");
    }
}

fn base() -> impl Strategy<Value = payload::Base> + Clone {
    use payload::Base::*;
    prop::sample::select(vec![Link, Network, Transport, Inner, Tunnel])
}

/// Expressions that read or write the packet, with numbers a hostile ruleset might hold.
fn hostile() -> impl Strategy<Value = Expr> {
    use exthdr::{Action, Kind};
    let number = prop_oneof![0u32..70, any::<u32>()];
    let registers: Vec<_> = (8..24).filter_map(Register::from_number).collect();
    let register = prop::sample::select(registers);
    let shape = (base(), number.clone(), number, register).boxed();
    let load = shape
        .clone()
        .prop_map(|(base, offset, len, destination)| {
            Expr::PayloadLoad(payload::Load { base, offset, len, destination })
        })
        .boxed();
    let write =
        (shape.clone(), 0u32..40, any::<bool>(), 0u8..3).prop_map(|(shape, at, pseudo_header, kind)| {
            let (base, offset, len, source) = shape;
            let kind =
                [payload::ChecksumKind::None, payload::ChecksumKind::Inet, payload::ChecksumKind::Sctp]
                    [usize::from(kind)];
            let checksum = payload::Checksum { kind, offset: at, pseudo_header };
            Expr::PayloadWrite(payload::Write { base, offset, len, source, checksum })
        });
    let kinds = prop::sample::select(vec![Kind::Ipv6, Kind::Tcpopt, Kind::Ipv4, Kind::Sctp, Kind::Dccp]);
    let exthdr = (kinds, 0u8..150, shape, 0u8..4).prop_map(|(kind, header, shape, action)| {
        let (_, offset, len, register) = shape;
        let action = match action {
            0 => Action::Load(register),
            1 => Action::Present(register),
            2 => Action::Write(register),
            _ => Action::Strip,
        };
        Expr::Exthdr(exthdr::Exthdr { kind, header, offset, len, action })
    });
    let inner =
        (load.clone(), any::<u32>(), 0u32..16, 0u8..3).prop_map(|(expr, header_size, flags, kind)| {
            let kind = [inner::Kind::Vxlan, inner::Kind::Geneve, inner::Kind::Gre][usize::from(kind)];
            let flags = inner::Flags::from_bits_truncate(flags);
            Expr::Inner(inner::Inner { kind, header_size, flags, expr: Box::new(expr) })
        });
    prop_oneof![load, write, exthdr, inner]
}

proptest! {
    #[test]
    fn no_packet_and_no_expression_panics(
        expr in hostile(),
        protocol in prop::sample::select(vec![0u8, 6, 17, 33, 43, 44, 47, 51, 60, 132]),
        options in prop::collection::vec(any::<u8>(), 0..10),
        payload in prop::collection::vec(any::<u8>(), 0..80),
        cut in 0usize..120,
    ) {
        let mut padded = options;
        padded.resize(padded.len() / 4 * 4, 1);
        let frames = [
            ipv4(protocol, 0, &padded, &payload),
            ipv6(protocol, &payload),
            ipv4(6, 0, &[], &[tcp(&padded), payload.clone()].concat()),
            ipv4(17, 0, &[], &udp(4789, &payload)),
            payload,
        ];
        for mut frame in frames {
            let len = frame.len();
            eval(&expr, &mut frame, &mut Registers::default(), &mut World::default());
            eval(&expr, &mut frame[..cut.min(len)], &mut Registers::default(), &mut World::default());
        }
    }
}
