use ironweir_expr::Register;
use ironweir_expr::counter::Counter;
use ironweir_expr::immediate::Immediate;
use ironweir_expr::lookup::{Lookup, Outcome};
use ironweir_expr::objref::{ObjectType, Objref};
use ironweir_wire::Instant;
use proptest::prelude::*;

use crate::set::{ElementMore, SetData, SetPolicy};
use crate::store::{Errno, ErrorKind, Ruleset};
use crate::*;

fn id() -> TableId {
    TableId::new(Family::Inet, "t")
}

fn table() -> Change {
    let table = Table {
        id: id(),
        flags: TableFlags::empty(),
        userdata: Userdata::default(),
        unknown: Default::default(),
    };
    Change::NewTable { table, creation: Creation::Add }
}

fn chain(name: &str, base: Option<(ChainType, Hook, i32)>) -> Change {
    let base = base.map(|(kind, hook, priority)| BaseChain {
        kind,
        hook,
        priority: Priority(priority),
        devices: vec![],
        policy: None,
        hw_offload: false,
    });
    let chain = Chain {
        name: name.into(),
        base,
        binding: None,
        userdata: Userdata::default(),
        unknown: Default::default(),
    };
    Change::NewChain { table: id(), chain, creation: Creation::Add }
}

fn rule(chain: &str, exprs: Vec<Expr>) -> Change {
    Change::NewRule {
        table: id(),
        chain: ChainRef::new(chain),
        rule: Rule { exprs, userdata: Userdata::default(), ..Rule::default() },
        place: Place::Last,
    }
}

fn jump(to: &str) -> Expr {
    Expr::Immediate(Immediate::Verdict(Verdict::Jump(ChainRef::new(to))))
}

fn set(name: &str, number: u32, flags: SetFlags, data: Option<SetData>) -> Change {
    let set = Set {
        name: name.into(),
        id: number,
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
    };
    Change::NewSet { table: id(), set, creation: Creation::Add }
}

fn key(number: u32) -> Value {
    Value::from(number.to_be_bytes())
}

fn elements(set: &str, elements: Vec<Element>) -> Change {
    Change::NewElements { table: id(), set: SetRef::new(set), elements, creation: Creation::Add }
}

fn verdict_element(number: u32, to: &str) -> Element {
    let data = ElementData::Data(Data::Verdict(Verdict::Jump(ChainRef::new(to))));
    Element {
        key: key(number),
        flags: ElementFlags::empty(),
        more: Some(Box::new(ElementMore { data: Some(data), ..ElementMore::default() })),
    }
}

fn counter(name: &str) -> Change {
    let object = Object {
        name: name.into(),
        kind: ObjectKind::Counter(Counter::default()),
        userdata: Userdata::default(),
        unknown: Default::default(),
    };
    Change::NewObject { table: id(), object, creation: Creation::Add }
}

fn lookup(set: &str, number: Option<u32>, result: Outcome) -> Expr {
    let set = SetRef { name: set.into(), id: number };
    Expr::Lookup(Lookup { set, source: Register::R1, result })
}

fn commit(ruleset: &mut Ruleset, changes: Vec<Change>) -> Result<Vec<Option<Handle>>, Vec<(usize, Errno)>> {
    let before = picture(ruleset);
    match ruleset.apply(&Batch { changes }, Instant::ZERO) {
        Ok(applied) => Ok(applied.handles),
        Err(errors) => {
            assert_eq!(picture(ruleset), before, "an aborted batch left something behind");
            Err(errors.iter().map(|error| (error.change, error.kind.errno())).collect())
        }
    }
}

/// Everything a ruleset says, use counts and jumps included.
fn picture(ruleset: &Ruleset) -> String {
    use std::fmt::Write;
    let mut out = format!("{} {}\n", ruleset.next_table_handle, ruleset.generation);
    for table in ruleset.tables() {
        let _ = writeln!(out, "{:?} {:?} {} {}", table.handle, table.table, table.id, table.next_handle);
        for chain in table.chains() {
            let mut edges: Vec<_> = chain.jumps.iter().chain(&chain.maps).collect();
            edges.sort();
            let _ = writeln!(
                out,
                " {:?} {:?} {} {} {edges:?} {:x}",
                chain.handle, chain.chain, chain.id, chain.uses, chain.reached_from
            );
            for rule in chain.rules() {
                let _ = writeln!(out, "  {rule:?}");
            }
        }
        for set in table.sets() {
            let mut targets: Vec<_> = set.targets.iter().collect();
            targets.sort();
            let _ = writeln!(out, " {:?} {:?} {} {} {targets:?}", set.handle, set.set, set.id, set.uses);
            for element in set.elements() {
                let _ = writeln!(out, "  {element:?}");
            }
        }
        for object in table.objects() {
            let _ = writeln!(out, " {:?} {}", object.object, object.uses);
        }
    }
    out
}

#[test]
fn things_that_are_missing_there_already_or_in_use_are_refused() {
    let mut ruleset = Ruleset::default();
    let filter = Some((ChainType::Filter, Hook::Input, 0));
    assert_eq!(commit(&mut ruleset, vec![chain("c", None)]), Err(vec![(0, Errno::ENOENT)]));
    let all = vec![table(), chain("in", filter), chain("c", None), rule("in", vec![jump("c")]), counter("n")];
    commit(&mut ruleset, all).expect("a sound batch");
    let del_chain = |name: &str| Change::DelChain {
        table: id(),
        chain: Selector::Name(name.into()),
        devices: vec![],
        missing_ok: false,
    };
    let del_object = Change::DelObject {
        table: id(),
        kind: ObjectType::Counter,
        object: Selector::Name("n".into()),
        missing_ok: false,
    };
    let objref = Expr::Objref(Objref::Name { kind: ObjectType::Counter, name: "n".into() });
    for (changes, expected) in [
        (vec![rule("nowhere", vec![])], Errno::ENOENT),
        (vec![rule("in", vec![jump("nowhere")])], Errno::ENOENT),
        (vec![rule("c", vec![jump("in")])], Errno::EOPNOTSUPP),
        (vec![del_chain("c")], Errno::EBUSY),
        (vec![chain("in", Some((ChainType::Filter, Hook::Output, 0)))], Errno::EEXIST),
        (vec![chain("in", Some((ChainType::Filter, Hook::Input, 1)))], Errno::EEXIST),
        (vec![chain("nat", Some((ChainType::Nat, Hook::Prerouting, -300)))], Errno::EOPNOTSUPP),
        (vec![chain("nat", Some((ChainType::Nat, Hook::Forward, 0)))], Errno::EOPNOTSUPP),
        (vec![chain("route", Some((ChainType::Route, Hook::Input, 0)))], Errno::EOPNOTSUPP),
        (vec![chain("dev", Some((ChainType::Filter, Hook::Ingress, 0)))], Errno::EINVAL),
        (vec![set("s", 1, SetFlags::ANONYMOUS, None)], Errno::EINVAL),
        (vec![set("s", 1, SetFlags::INTERVAL | SetFlags::EVAL, None)], Errno::EOPNOTSUPP),
    ] {
        let last = changes.len() - 1;
        assert_eq!(commit(&mut ruleset, changes.clone()), Err(vec![(last, expected)]), "{changes:?}");
    }
    commit(&mut ruleset, vec![rule("c", vec![objref])]).expect("objref");
    assert_eq!(commit(&mut ruleset, vec![del_object.clone()]), Err(vec![(0, Errno::EBUSY)]));
    // As Linux 6.18 does, where stock nft deletes chains that hold rules: these go with it, and what they used is free.
    commit(&mut ruleset, vec![del_chain("in"), del_chain("c"), del_object]).expect("nothing jumps to them");
}

#[test]
fn loops_and_chains_too_deep_are_refused_and_blamed_on_the_last_jump() {
    let mut ruleset = Ruleset::default();
    let filter = Some((ChainType::Filter, Hook::Input, 0));
    let mut changes = vec![table(), chain("in", filter)];
    changes.extend((0..20).map(|n| chain(&format!("c{n}"), None)));
    changes.push(rule("in", vec![jump("c0")]));
    commit(&mut ruleset, changes).expect("chains");
    let looping =
        vec![rule("c0", vec![jump("c1")]), rule("c1", vec![jump("c2")]), rule("c2", vec![jump("c0")])];
    assert_eq!(commit(&mut ruleset, looping), Err(vec![(2, Errno::ELOOP)]));
    let down =
        |to: u32| (0..to).map(|n| rule(&format!("c{n}"), vec![jump(&format!("c{}", n + 1))])).collect();
    assert_eq!(commit(&mut ruleset, down(15)), Err(vec![(14, Errno::EMLINK)]));
    commit(&mut ruleset, down(14)).expect("16 chains, the base chain included");
    // A verdict map's element closes a circle, too.
    let map = vec![
        set("m", 1, SetFlags::MAP, Some(SetData::Verdict)),
        rule("c14", vec![lookup("m", None, Outcome::Verdict)]),
        elements("m", vec![verdict_element(1, "c19")]),
    ];
    assert_eq!(commit(&mut ruleset, map.clone()), Err(vec![(2, Errno::EMLINK)]));
    let map = vec![
        set("m", 1, SetFlags::MAP, Some(SetData::Verdict)),
        rule("c14", vec![lookup("m", None, Outcome::Verdict)]),
    ];
    commit(&mut ruleset, map).expect("an empty map");
    let close = vec![elements("m", vec![verdict_element(1, "c2")])];
    assert_eq!(commit(&mut ruleset, close), Err(vec![(0, Errno::ELOOP)]));
}

#[test]
fn anonymous_sets_and_chains_go_with_their_rule() {
    let mut ruleset = Ruleset::default();
    let filter = Some((ChainType::Filter, Hook::Input, 0));
    let anonymous = Chain {
        name: "__chain%d".into(),
        base: None,
        binding: Some(7),
        userdata: Userdata::default(),
        unknown: Default::default(),
    };
    let inner = ChainRef { name: "__chain%d".into(), id: Some(7) };
    let to_inner = Expr::Immediate(Immediate::Verdict(Verdict::Jump(inner.clone())));
    let changes = vec![
        table(),
        chain("in", filter),
        set("__set%d", 1, SetFlags::ANONYMOUS | SetFlags::CONSTANT, None),
        Change::NewElements {
            table: id(),
            set: SetRef { name: "__set%d".into(), id: Some(1) },
            elements: vec![Element::new(key(1))],
            creation: Creation::Add,
        },
        rule("in", vec![lookup("__set%d", Some(1), Outcome::Test { invert: false })]),
        Change::NewChain { table: id(), chain: anonymous, creation: Creation::Add },
        Change::NewRule { table: id(), chain: inner, rule: Rule::default(), place: Place::Last },
        rule("in", vec![to_inner]),
    ];
    let handles = commit(&mut ruleset, changes).expect("anonymous things");
    let names = |ruleset: &Ruleset| -> Vec<String> {
        let table = ruleset.table(&id()).expect("table");
        let sets = table.sets().map(|set| set.set.name.to_string());
        sets.chain(table.chains().map(|chain| chain.chain.name.to_string())).collect()
    };
    assert_eq!(names(&ruleset), ["__set0", "in", "__chain0"]);
    let del = |at: usize| Change::DelRule {
        table: id(),
        chain: "in".into(),
        rule: RuleSelector::Handle(handles[at].expect("handle")),
        missing_ok: false,
    };
    let more = vec![del(4), del(7), chain("in", Some((ChainType::Nat, Hook::Input, 0)))];
    assert_eq!(commit(&mut ruleset, more), Err(vec![(2, Errno::EEXIST)]));
    commit(&mut ruleset, vec![del(4), del(7)]).expect("both rules");
    assert_eq!(names(&ruleset), ["in"]);
    // An anonymous set that no rule takes is refused.
    let lonely = vec![set("__set%d", 1, SetFlags::ANONYMOUS | SetFlags::CONSTANT, None)];
    assert_eq!(commit(&mut ruleset, lonely), Err(vec![(0, Errno::EINVAL)]));
}

#[test]
fn intervals_may_not_overlap() {
    let mut ruleset = Ruleset::default();
    commit(&mut ruleset, vec![table(), set("s", 1, SetFlags::INTERVAL, None)]).expect("set");
    let interval = |from, to| vec![Element::new(key(from)), Element::interval_end(key(to))];
    commit(&mut ruleset, vec![elements("s", [interval(10, 20), interval(20, 30)].concat())])
        .expect("neighbours");
    commit(&mut ruleset, vec![elements("s", interval(10, 20))]).expect("once more");
    for (from, to) in [(5, 11), (15, 16), (10, 19), (25, 40), (5, 40)] {
        assert_eq!(
            commit(&mut ruleset, vec![elements("s", interval(from, to))]),
            Err(vec![(0, Errno::EEXIST)])
        );
    }
    let delete = |from, to| Change::DelElements {
        table: id(),
        set: "s".into(),
        elements: Some(interval(from, to)),
        missing_ok: false,
    };
    assert_eq!(commit(&mut ruleset, vec![delete(10, 30)]), Err(vec![(0, Errno::ENOENT)]));
    commit(&mut ruleset, vec![delete(10, 20)]).expect("the first");
    let set = ruleset.table(&id()).and_then(|table| table.set("s")).expect("set");
    let held: Vec<u32> = (0..40).filter(|n| set.lookup(&key(*n), Instant::ZERO).is_some()).collect();
    assert_eq!(held, (20..30).collect::<Vec<_>>());
}

/// More of them than one change gives back, so that some are still there when their keys come again.
#[test]
fn elements_whose_time_is_over_are_not_in_the_way_of_new_ones() {
    let count = 3000;
    for flags in [SetFlags::TIMEOUT, SetFlags::TIMEOUT | SetFlags::INTERVAL] {
        let intervals = flags.contains(SetFlags::INTERVAL);
        let mut change = set("m", 1, flags | SetFlags::MAP, Some(SetData::Verdict));
        if let Change::NewSet { set, .. } = &mut change {
            (set.size, set.timeout) = (Some(count), Some(10_000));
        }
        let all = |width: u32| {
            let ends = |n: u32| intervals.then(|| Element::interval_end(key(n * 10 + width)));
            let pairs = (0..count).flat_map(|n| [Some(verdict_element(n * 10, "to")), ends(n)]);
            elements("m", pairs.flatten().collect())
        };
        let mut ruleset = Ruleset::default();
        commit(&mut ruleset, vec![table(), chain("to", None), change, all(5)]).expect("the first");
        let at = Instant::from_secs(10);
        let uses = |ruleset: &Ruleset| ruleset.table(&id()).and_then(|t| t.chain("to")).map(|c| c.uses());
        assert_eq!(uses(&ruleset), Some(count));
        ruleset.apply(&Batch { changes: vec![all(7)] }, at).expect("their like, once they are over");
        assert_eq!(uses(&ruleset), Some(count), "what is gone uses nothing");
        let set = ruleset.table(&id()).and_then(|table| table.set("m")).expect("set");
        assert_eq!((set.dump(at).filter(|e| e.data().is_some()).count(), set.element_count()), (3000, 3000));
    }
}

#[test]
fn a_set_takes_no_more_than_its_size() {
    let mut ruleset = Ruleset::default();
    let mut change = set("s", 1, SetFlags::empty(), None);
    if let Change::NewSet { set, .. } = &mut change {
        set.size = Some(2);
    }
    commit(&mut ruleset, vec![table(), change]).expect("set");
    let three = vec![elements("s", (0..3).map(|n| Element::new(key(n))).collect())];
    assert_eq!(commit(&mut ruleset, three), Err(vec![(0, Errno::ENFILE)]));
}

#[test]
fn every_error_says_its_errno_in_words() {
    let error = ErrorKind::NoTable(id());
    assert_eq!(error.errno().text(), "No such file or directory");
    assert_eq!(error.to_string(), "table inet t does not exist");
}

/// A change drawn at random: names are few, so that changes meet.
fn any_change() -> impl Strategy<Value = Change> {
    let name = prop_oneof![Just("a"), Just("b"), Just("c")];
    let selector = name.clone().prop_map(|name| Selector::Name(name.into()));
    prop_oneof![
        1 => Just(table()),
        1 => Just(Change::FlushRuleset { family: None }),
        3 => (name.clone(), any::<bool>()).prop_map(|(name, base)| {
            chain(name, base.then_some((ChainType::Filter, Hook::Input, 0)))
        }),
        4 => (name.clone(), name.clone()).prop_map(|(from, to)| rule(from, vec![jump(to)])),
        2 => (name.clone(), name.clone(), any::<bool>()).prop_map(|(chain, set, map)| {
            let result = if map { Outcome::Verdict } else { Outcome::Test { invert: false } };
            rule(chain, vec![lookup(set, None, result)])
        }),
        2 => (name.clone(), 1..4u32).prop_map(|(chain, n)| rule(chain, vec![lookup("__set%d", Some(n + 10), Outcome::Test { invert: false })])),
        2 => (11..14u32).prop_map(|n| set("__set%d", n, SetFlags::ANONYMOUS | SetFlags::CONSTANT, None)),
        2 => (name.clone(), any::<bool>()).prop_map(|(name, map)| match map {
            true => set(name, 1, SetFlags::MAP, Some(SetData::Verdict)),
            false => set(name, 1, SetFlags::INTERVAL, None),
        }),
        3 => (name.clone(), 0..4u32, name.clone()).prop_map(|(set, n, to)| elements(set, vec![verdict_element(n, to)])),
        3 => (name.clone(), 0..9u32, 1..4u32).prop_map(|(set, n, len)| {
            elements(set, vec![Element::new(key(n)), Element::interval_end(key(n + len))])
        }),
        2 => (name.clone(), prop::option::of(0..4u32)).prop_map(|(set, n)| Change::DelElements {
            table: id(),
            set: set.into(),
            elements: n.map(|n| vec![Element::new(key(n))]),
            missing_ok: false,
        }),
        1 => selector.clone().prop_map(|set| Change::DelSet { table: id(), set, missing_ok: true }),
        1 => selector.clone().prop_map(|chain| Change::DelChain {
            table: id(), chain, devices: vec![], missing_ok: true
        }),
        1 => prop::option::of(name.clone()).prop_map(|chain| Change::FlushRules {
            table: id(), chain: chain.map(Into::into)
        }),
        1 => (name.clone(), 1..30u64).prop_map(|(chain, handle)| Change::DelRule {
            table: id(), chain: chain.into(), rule: RuleSelector::Handle(Handle(handle)), missing_ok: true
        }),
        1 => (name.clone(), name.clone()).prop_map(|(chain, to)| Change::RenameChain {
            table: id(), chain: Selector::Name(chain.into()), name: to.into()
        }),
        1 => name.prop_map(counter),
    ]
}

proptest! {
    /// `commit` compares the ruleset before and after a refused batch; here accepted and refused ones follow each other.
    #[test]
    fn an_aborted_batch_leaves_nothing_behind(
        batches in prop::collection::vec(prop::collection::vec(any_change(), 1..12), 1..12)
    ) {
        let mut ruleset = Ruleset::default();
        let base = vec![table(), chain("a", Some((ChainType::Filter, Hook::Input, 0))), chain("b", None)];
        commit(&mut ruleset, base).expect("base");
        for changes in batches {
            let _ = commit(&mut ruleset, changes.clone());
            // Change by change more of them pass.
            for change in changes {
                let _ = commit(&mut ruleset, vec![change]);
            }
        }
    }
}

#[test]
fn an_expression_is_refused_where_a_base_chain_of_the_wrong_kind_reaches_it() {
    let mut ruleset = Ruleset::default();
    let masq =
        || Expr::Masq(ironweir_expr::masq::Masq { flags: ironweir_expr::nat::Flags::empty(), ports: None });
    let base = vec![
        table(),
        chain("in", Some((ChainType::Filter, Hook::Input, 0))),
        chain("post", Some((ChainType::Nat, Hook::Postrouting, 100))),
        chain("c", None),
    ];
    commit(&mut ruleset, base).expect("chains");
    assert_eq!(commit(&mut ruleset, vec![rule("in", vec![masq()])]), Err(vec![(0, Errno::EOPNOTSUPP)]));
    commit(&mut ruleset, vec![rule("post", vec![masq()]), rule("c", vec![masq()])]).expect("a nat chain");
    commit(&mut ruleset, vec![rule("post", vec![jump("c")])]).expect("from a nat chain");
    assert_eq!(commit(&mut ruleset, vec![rule("in", vec![jump("c")])]), Err(vec![(0, Errno::EOPNOTSUPP)]));
}

/// Figures for the budgets of large rulesets; run with `--release -- --ignored --nocapture`.
#[test]
#[ignore = "measures time"]
fn large_batches_in_figures() {
    let timed = |what: &str, ruleset: &mut Ruleset, changes: Vec<Change>| {
        let batch = Batch { changes };
        let begun = std::time::Instant::now();
        ruleset.apply(&batch, Instant::ZERO).expect(what);
        println!("{what}: {:.3} s", begun.elapsed().as_secs_f64());
    };
    let mut ruleset = Ruleset::default();
    let filter = Some((ChainType::Filter, Hook::Input, 0));
    timed("a base chain", &mut ruleset, vec![table(), chain("in", filter)]);
    let body = || {
        vec![
            Expr::PayloadLoad(ironweir_expr::payload::Load {
                base: ironweir_expr::payload::Base::Network,
                offset: 12,
                len: 4,
                destination: Register::R1,
            }),
            Expr::Cmp(ironweir_expr::cmp::Cmp {
                source: Register::R1,
                op: ironweir_expr::cmp::Op::Eq,
                data: key(1),
            }),
            Expr::Counter(Counter::default()),
        ]
    };
    timed("100,000 rules", &mut ruleset, (0..100_000).map(|_| rule("in", body())).collect());
    timed("one more rule", &mut ruleset, vec![rule("in", body())]);
    timed("a set", &mut ruleset, vec![set("s", 1, SetFlags::empty(), None)]);
    let all = (0..1_000_000).map(|n| Element::new(key(n))).collect();
    timed("1,000,000 elements", &mut ruleset, vec![elements("s", all)]);
    timed("one more element", &mut ruleset, vec![elements("s", vec![Element::new(key(1_000_000))])]);
    timed("an interval set", &mut ruleset, vec![set("i", 1, SetFlags::INTERVAL, None)]);
    let all = (0..500_000)
        .flat_map(|n| [Element::new(key(4 * n)), Element::interval_end(key(4 * n + 2))])
        .collect();
    timed("500,000 intervals", &mut ruleset, vec![elements("i", all)]);
    let one = vec![Element::new(key(4_000_000)), Element::interval_end(key(4_000_001))];
    timed("one more interval", &mut ruleset, vec![elements("i", one)]);
    let chains = (0..20_000).map(|n| chain(&format!("c{n}"), None));
    let jumps = (0..20_000).map(|n| rule("in", vec![jump(&format!("c{n}"))]));
    timed("20,000 chains jumped to", &mut ruleset, chains.chain(jumps).collect());
    timed("one more jump", &mut ruleset, vec![rule("c1", vec![jump("c2")])]);
    timed("flush", &mut ruleset, vec![Change::FlushRuleset { family: None }]);
}

#[test]
fn an_interval_may_begin_in_one_message_and_end_in_the_next() {
    let begin = |number| Element { key: key(number), flags: ElementFlags::empty(), more: None };
    let end = |number| Element { flags: ElementFlags::INTERVAL_END, ..begin(number) };
    let add = |elements| Change::NewElements {
        table: id(),
        set: SetRef::new("s"),
        elements,
        creation: Creation::Create,
    };
    let mut ruleset = Ruleset::new(1);
    let changes = vec![table(), set("s", 1, SetFlags::INTERVAL, None), add(vec![begin(100), end(200)])];
    ruleset.apply(&Batch { changes }, Instant::ZERO).unwrap();
    // Cut before the end; what lies beyond was there already.
    let changes = vec![add(vec![begin(1), end(5), begin(10)]), add(vec![end(20), begin(30), end(40)])];
    ruleset.apply(&Batch { changes }, Instant::ZERO).unwrap();
    let state = |ruleset: &Ruleset| {
        let keys = ruleset.table(&id()).unwrap().set("s").unwrap().elements();
        keys.map(|one| u32::from_be_bytes(one.key[..].try_into().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(state(&ruleset), [1, 5, 10, 20, 30, 40, 100, 200]);
    let del = |elements| Change::DelElements {
        table: id(),
        set: "s".into(),
        elements: Some(elements),
        missing_ok: false,
    };
    let changes = vec![del(vec![begin(1), end(5), begin(10)]), del(vec![end(20)])];
    ruleset.apply(&Batch { changes }, Instant::ZERO).unwrap();
    assert_eq!(state(&ruleset), [30, 40, 100, 200]);
}
