//! Sets and objects that packets change.

mod support;

use ironweir_engine::Engine;
use ironweir_expr::dynset::{Dynset, Op};
use ironweir_expr::limit::{Kind, Limit};
use ironweir_expr::lookup::{Lookup, Outcome};
use ironweir_expr::objref::{ObjectType, Objref};
use ironweir_expr::quota::Quota;
use ironweir_expr::{Register, ct};
use ironweir_ruleset::set::{ElementMore, SetData};
use ironweir_ruleset::*;
use ironweir_wire::Instant;
use support::*;

fn blocklist() -> Change {
    new_set(Set { timeout: Some(5_000), size: Some(2), ..set("s", SetFlags::TIMEOUT | SetFlags::EVAL, None) })
}

fn add(exprs: Vec<Expr>) -> Expr {
    Expr::Dynset(Dynset {
        set: SetRef::new("s"),
        op: Op::Add,
        key: Register::R1,
        data: None,
        timeout: 0,
        invert: false,
        exprs,
    })
}

fn listed(engine: &Engine) -> Vec<Element> {
    let table = engine.ruleset().table(&id()).unwrap();
    table.set("s").unwrap().dump(engine.now()).collect()
}

#[test]
fn a_dynamic_set_fills_forgets_and_takes_no_more_than_its_size() {
    let mut engine = engine(vec![
        table(),
        blocklist(),
        base("f", ChainType::Filter, Hook::Forward, 0, Policy::Accept),
        rule("f", vec![saddr(), add(vec![counter()]), counter()]),
    ]);
    let from = |last| udp(LAN, [192, 168, 1, last], 1, SERVER, 2);
    for (millis, last) in [(0, 10), (1000, 11), (1500, 12), (2000, 10)] {
        assert!(send(&mut engine, millis, &from(last)).forwarded());
    }
    // The third address found no room, so the rule ended there.
    assert_eq!(counts(&engine, "f"), [3]);
    let elements = listed(&engine);
    assert_eq!(elements.len(), 2);
    let first = elements.iter().find(|element| element.key[3] == 10).unwrap();
    assert_eq!(first.more.as_ref().unwrap().expiration, Some(3_000));
    assert!(matches!(&first.exprs()[0], Expr::Counter(counter) if counter.totals() == (2, 76)));
    // `add` does not begin the time anew: after five seconds the address is forgotten.
    send(&mut engine, 5_500, &from(12));
    let keys: Vec<u8> = listed(&engine).iter().map(|element| element.key[3]).collect();
    assert_eq!(keys.iter().filter(|last| **last == 10).count(), 0);
    assert!(keys.contains(&12) && keys.contains(&11));
}

#[test]
fn a_limit_in_an_element_limits_each_address_by_itself() {
    let limit = Expr::Limit(Limit::new(1, 1, 2, Kind::Packets, true));
    let mut engine = engine(vec![
        table(),
        blocklist(),
        base("f", ChainType::Filter, Hook::Forward, 0, Policy::Accept),
        rule("f", vec![saddr(), add(vec![limit]), drop()]),
    ]);
    let mut passes = |last| send(&mut engine, 0, &udp(LAN, [192, 168, 1, last], 1, SERVER, 2)).forwarded();
    assert_eq!([10, 10, 10, 11, 11, 11].map(&mut passes), [true, true, false, true, true, false]);
}

#[test]
fn an_object_map_chooses_the_quota_that_a_packet_uses_up() {
    let quota = |name: &str, bytes| {
        let object = Object {
            name: name.into(),
            kind: ObjectKind::Quota(Quota::new(bytes, true, 0)),
            userdata: Userdata::default(),
            unknown: Default::default(),
        };
        Change::NewObject { table: id(), object, creation: Creation::Add }
    };
    let element = |last, name: &str| Element {
        key: Value::from([192, 168, 1, last]),
        flags: ElementFlags::empty(),
        more: Some(Box::new(ElementMore {
            data: Some(ElementData::Object(name.into())),
            ..ElementMore::default()
        })),
    };
    let mut engine = engine(vec![
        table(),
        quota("small", 50),
        quota("large", 5_000),
        new_set(set("s", SetFlags::OBJECT, Some(SetData::Object(ObjectType::Quota)))),
        Change::NewElements {
            table: id(),
            set: SetRef::new("s"),
            elements: vec![element(10, "small"), element(11, "large")],
            creation: Creation::Add,
        },
        base("f", ChainType::Filter, Hook::Forward, 0, Policy::Accept),
        rule(
            "f",
            vec![saddr(), Expr::Objref(Objref::Map { set: SetRef::new("s"), source: Register::R1 }), drop()],
        ),
    ]);
    let mut passes = |last| send(&mut engine, 0, &udp(LAN, [192, 168, 1, last], 1, SERVER, 2)).forwarded();
    // 38 bytes each; the small quota is over with the second.
    assert_eq!([10, 10, 11, 11, 12].map(&mut passes), [true, false, true, true, true]);
    let table = engine.ruleset().table(&id()).unwrap();
    let ObjectKind::Quota(small) = &table.object(ObjectType::Quota, "small").unwrap().object.kind else {
        panic!()
    };
    // Of what is used up no more is told than there was.
    assert_eq!(small.consumed(), 50);
}

#[test]
fn state_survives_a_commit_that_does_not_touch_it() {
    let mut engine = engine(vec![
        table(),
        base("f", ChainType::Filter, Hook::Forward, 0, Policy::Accept),
        rule("f", vec![counter()]),
    ]);
    let frame = udp(LAN, CLIENT, 1, SERVER, 2);
    send(&mut engine, 0, &frame);
    commit(&mut engine, vec![rule("f", vec![counter()])]);
    send(&mut engine, 1, &frame);
    assert_eq!(counts(&engine, "f"), [2, 1]);
    let broken =
        Batch { changes: vec![Change::FlushRules { table: id(), chain: None }, rule("nowhere", vec![])] };
    assert!(engine.commit(&broken).is_err());
    send(&mut engine, 2, &frame);
    assert_eq!(counts(&engine, "f"), [3, 2]);
}

#[test]
fn a_verdict_map_sends_packets_to_chains_and_its_catch_all_the_rest() {
    let element = |key: &[u8], flags, verdict| Element {
        key: Value::new(key),
        flags,
        more: Some(Box::new(ElementMore {
            data: Some(ElementData::Data(Data::Verdict(verdict))),
            ..ElementMore::default()
        })),
    };
    let mut engine = engine(vec![
        table(),
        base("f", ChainType::Filter, Hook::Forward, 0, Policy::Accept),
        regular("c"),
        rule("c", vec![counter()]),
        new_set(set("m", SetFlags::MAP, Some(SetData::Verdict))),
        Change::NewElements {
            table: id(),
            set: SetRef::new("m"),
            elements: vec![
                element(&[192, 168, 1, 10], ElementFlags::empty(), Verdict::Jump(ChainRef::new("c"))),
                element(&[], ElementFlags::CATCHALL, Verdict::Drop),
            ],
            creation: Creation::Add,
        },
        rule(
            "f",
            vec![
                saddr(),
                Expr::Lookup(Lookup {
                    set: SetRef::new("m"),
                    source: Register::R1,
                    result: Outcome::Verdict,
                }),
            ],
        ),
    ]);
    assert!(send(&mut engine, 0, &udp(LAN, CLIENT, 1, SERVER, 2)).forwarded());
    assert!(send(&mut engine, 0, &udp(LAN, [192, 168, 1, 11], 1, SERVER, 2)).dropped());
    assert_eq!(counts(&engine, "c"), [1]);
    assert_eq!(engine.next_deadline(), None);
    let _ = Instant::ZERO;
}

#[test]
fn behind_a_zone_a_packet_is_new_until_it_is_tracked() {
    // Found beside the kernel: the template that `ct zone set` attaches has the state IP_CT_NEW, whatever follows.
    let zone = vec![
        value(Register::R1, &[1, 0]),
        Expr::CtSet(ct::Set { key: ct::Key::Zone, direction: None, source: Register::R1 }),
    ];
    let counted = |bits| [ct_state(bits), vec![counter()]].concat();
    let mut engine = engine(vec![
        table(),
        base("raw", ChainType::Filter, Hook::Prerouting, -300, Policy::Accept),
        regular("before"),
        regular("after"),
        rule("raw", vec![jump("before")]),
        rule("before", counted(8)),
        rule("raw", zone),
        rule("raw", vec![jump("after")]),
        rule("after", counted(8)),
    ]);
    assert!(send(&mut engine, 0, &udp(LAN, CLIENT, 1, SERVER, 2)).forwarded());
    assert_eq!((counts(&engine, "before"), counts(&engine, "after")), (vec![0], vec![1]));
}
