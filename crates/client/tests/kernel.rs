//! The conversation with this machine's kernel, in a network namespace that the test makes for itself: it runs itself
//! again under `unshare -n`. Needs root; says so and skips elsewhere, and fails if `CI=true`.

use std::process::Command;

use ironweir_client::kernel::{CommitError, Kernel};
use ironweir_expr::{Expr, Register, lookup, meta};
use ironweir_ruleset::netlink::FaultPart;
use ironweir_ruleset::store::{Errno, ErrorKind};
use ironweir_ruleset::{
    Batch, Chain, ChainRef, Change, Creation, Element, ElementFlags, Family, Part, Place, Rule, Selector,
    Set, SetFlags, SetRef, Table, TableFlags, TableId, Userdata, Value, What, Within,
};
use ironweir_wire::Instant;

/// Runs a test in a namespace of its own. Tells whether this is that run.
fn within(test: &str) -> bool {
    if std::env::var_os("IRONWEIR_IN_NAMESPACE").is_some() {
        return true;
    }
    let here = std::env::current_exe().expect("the test's own path");
    let probe = Command::new("unshare").args(["-n", "true"]).output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip: no namespaces");
        eprintln!("SKIPPED: no network namespace can be made here: not root?");
        return false;
    }
    let run = Command::new("unshare")
        .arg("-n")
        .arg(here)
        .args(["--exact", test, "--nocapture"])
        .env("IRONWEIR_IN_NAMESPACE", "1")
        .output()
        .expect("unshare was found");
    let told = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{told}{}", String::from_utf8_lossy(&run.stdout));
    false
}

fn id() -> TableId {
    TableId::new(Family::Ip, "t")
}

fn batch(changes: Vec<Change>) -> Batch {
    Batch { changes }
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

fn chain(name: &str, creation: Creation) -> Change {
    let chain = Chain {
        name: name.into(),
        base: None,
        binding: None,
        userdata: Userdata::default(),
        unknown: Default::default(),
    };
    Change::NewChain { table: id(), chain, creation }
}

fn set(name: &str) -> Change {
    let set = Set {
        name: name.into(),
        id: 1,
        flags: SetFlags::empty(),
        key_type: 7,
        key_len: 4,
        fields: Vec::new(),
        data: None,
        size: None,
        timeout: None,
        gc_interval: None,
        policy: Default::default(),
        exprs: Vec::new(),
        userdata: Userdata::default(),
        unknown: Default::default(),
    };
    Change::NewSet { table: id(), set, creation: Creation::Add }
}

fn rule() -> Change {
    Change::NewRule { table: id(), chain: ChainRef::new("c"), rule: Rule::default(), place: Place::Last }
}

fn key(number: u32) -> Element {
    Element::new(Value::new(&number.to_be_bytes()))
}

fn elements(numbers: impl Iterator<Item = u32>, creation: Creation) -> Change {
    let (set, elements) = (SetRef::new("s"), numbers.map(key).collect());
    Change::NewElements { table: id(), set, elements, creation }
}

fn fetch(kernel: &mut Kernel, parts: &[Part]) {
    kernel.fetch(parts, Instant::from_nanos(0)).expect("the kernel can be asked");
}

fn refused(result: Result<impl std::fmt::Debug, CommitError>) -> Vec<(usize, ErrorKind)> {
    match result {
        Err(CommitError::Refused(errors)) => {
            errors.into_iter().map(|error| (error.change, error.kind)).collect()
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn what_is_committed_is_fetched_in_the_parts_that_are_asked_for() {
    if !within("what_is_committed_is_fetched_in_the_parts_that_are_asked_for") {
        return;
    }
    let mut kernel = Kernel::open().unwrap();
    let changes = vec![table(), chain("c", Creation::Add), chain("d", Creation::Add), set("s")];
    kernel.commit(&batch(changes)).unwrap();
    kernel.commit(&batch(vec![rule(), rule(), elements(1..=3, Creation::Add)])).unwrap();

    fetch(&mut kernel, &[Part::named(What::Sets, id(), "s")]);
    let known = kernel.ruleset().table(&id()).expect("its table comes with it");
    let found = known.set("s").expect("the set");
    assert_eq!((known.chain_count(), found.elements().count(), found.is_empty()), (0, 0, false));

    fetch(&mut kernel, &[Part::new(What::Chains, Within::All), Part::named(What::Rules, id(), "c")]);
    let known = kernel.ruleset().table(&id()).unwrap();
    assert_eq!((known.chain_count(), known.sets().count()), (2, 0));
    assert_eq!(known.chain("c").map(|chain| chain.rule_count()), Some(2));

    fetch(&mut kernel, &[Part::named(What::Sets, id(), "s")]);
    let keys = [key(2), key(9)];
    kernel.fetch_elements(&id(), "s", &keys, false).expect("what is missing is no error");
    let found = kernel.ruleset().table(&id()).and_then(|table| table.set("s")).unwrap();
    let found: Vec<_> = found.elements().map(|element| element.key.to_vec()).collect();
    assert_eq!(found, [[0, 0, 0, 2]]);

    fetch(&mut kernel, &[Part::new(What::Chains, Within::Table(TableId::new(Family::Ip6, "t")))]);
    assert_eq!(kernel.ruleset().tables().count(), 0);
}

#[test]
fn a_batch_for_an_old_generation_is_told_apart() {
    if !within("a_batch_for_an_old_generation_is_told_apart") {
        return;
    }
    let (mut one, mut other) = (Kernel::open().unwrap(), Kernel::open().unwrap());
    one.commit(&batch(vec![table()])).unwrap();
    fetch(&mut one, &[Part::new(What::Tables, Within::All)]);
    other.commit(&batch(vec![chain("c", Creation::Add)])).unwrap();
    let late = batch(vec![chain("d", Creation::Add)]);
    assert!(matches!(one.commit(&late), Err(CommitError::Changed)));
    fetch(&mut one, &[Part::new(What::Tables, Within::All)]);
    one.commit(&late).unwrap();
}

#[test]
fn a_check_changes_nothing_and_finds_what_a_commit_finds() {
    if !within("a_check_changes_nothing_and_finds_what_a_commit_finds") {
        return;
    }
    let mut kernel = Kernel::open().unwrap();
    kernel.check(&batch(vec![table(), chain("c", Creation::Add), rule()])).unwrap();
    fetch(&mut kernel, &[Part::new(What::Tables, Within::All)]);
    assert_eq!(kernel.ruleset().tables().count(), 0);
    let wrong = refused(kernel.check(&batch(vec![table(), rule()])));
    assert!(matches!(wrong[..], [(1, ErrorKind::Answer { errno: Errno::ENOENT, .. })]), "{wrong:?}");
}

#[test]
fn the_element_at_fault_is_known_among_many_messages() {
    if !within("the_element_at_fault_is_known_among_many_messages") {
        return;
    }
    let mut kernel = Kernel::open().unwrap();
    kernel.commit(&batch(vec![table(), set("s"), elements(30_000..30_001, Creation::Add)])).unwrap();
    // 50,000 elements are more messages than one: the one at fault is in none of the first.
    let changes = vec![chain("c", Creation::Add), elements(0..50_000, Creation::Create)];
    let wrong = refused(kernel.commit(&batch(changes)));
    let part = Some(FaultPart::Element(30_000));
    let wanted = ErrorKind::Answer { errno: Errno::EEXIST, message: None, part };
    assert_eq!(wrong, [(1, wanted)]);
    fetch(&mut kernel, &[Part::new(What::Chains, Within::All)]);
    assert_eq!(kernel.ruleset().table(&id()).map(|table| table.chain_count()), Some(0));
}

#[test]
fn a_flood_of_errors_loses_no_verdict() {
    if !within("a_flood_of_errors_loses_no_verdict") {
        return;
    }
    let mut kernel = Kernel::open().unwrap();
    kernel.commit(&batch(vec![table(), chain("c", Creation::Add)])).unwrap();
    let changes = (0..100_000).map(|_| chain("c", Creation::Create)).collect();
    let wrong = refused(kernel.commit(&batch(changes)));
    assert!(wrong.len() > 1000, "{} errors were read", wrong.len());
    assert!(wrong.iter().all(|(_, kind)| kind.errno() == Errno::EEXIST));
    // The socket is as good as before.
    kernel.commit(&batch(vec![chain("d", Creation::Create)])).unwrap();
    fetch(&mut kernel, &[Part::new(What::Chains, Within::All)]);
    assert_eq!(kernel.ruleset().table(&id()).map(|table| table.chain_count()), Some(2));
}

#[test]
fn large_batches_go_through_and_come_back() {
    if !within("large_batches_go_through_and_come_back") {
        return;
    }
    let mut kernel = Kernel::open().unwrap();
    let mut changes = vec![table(), set("s"), chain("c", Creation::Add)];
    changes.extend((0..50_000).map(|_| rule()));
    changes.push(elements(0..200_000, Creation::Add));
    kernel.commit(&batch(changes)).unwrap();
    let parts = [
        Part::new(What::Chains, Within::All),
        Part::new(What::Sets, Within::All),
        Part::new(What::Elements, Within::All),
        Part::new(What::Rules, Within::All),
    ];
    // While the kernel's hash table still grows behind a large batch, a walk over it (`nft_rhash_walk`) misses some.
    let found = (0..100).find(|_| {
        fetch(&mut kernel, &parts);
        let set = kernel.ruleset().table(&id()).and_then(|table| table.set("s"));
        set.is_some_and(|set| set.element_count() == 200_000)
    });
    assert!(found.is_some(), "elements are missing");
    let known = kernel.ruleset().table(&id()).unwrap();
    assert_eq!(known.chain("c").map(|chain| chain.rule_count()), Some(50_000));
    kernel.commit(&batch(vec![Change::FlushRuleset { family: None }])).unwrap();
}

#[test]
fn a_chain_is_renamed_by_its_name() {
    if !within("a_chain_is_renamed_by_its_name") {
        return;
    }
    let mut kernel = Kernel::open().unwrap();
    kernel.commit(&batch(vec![table(), chain("c", Creation::Add)])).unwrap();
    let rename = || {
        let chain = Selector::Name("c".into());
        batch(vec![Change::RenameChain { table: id(), chain, name: "e".into() }])
    };
    let part = [Part::named(What::Chains, id(), "c")];
    fetch(&mut kernel, &part);
    kernel.commit(&rename()).unwrap();
    fetch(&mut kernel, &part);
    let wrong = refused(kernel.commit(&rename()));
    assert!(matches!(wrong[..], [(0, ErrorKind::NoSuch { .. })]), "{wrong:?}");
}

#[test]
fn halves_of_intervals_are_asked_for_one_by_one() {
    if !within("halves_of_intervals_are_asked_for_one_by_one") {
        return;
    }
    let mut kernel = Kernel::open().unwrap();
    let Change::NewSet { table: of, set: mut intervals, creation } = set("s") else { unreachable!() };
    intervals.flags = SetFlags::INTERVAL;
    let end = |number: u32| Element { flags: ElementFlags::INTERVAL_END, ..key(number) };
    let filled = Change::NewElements {
        table: id(),
        set: SetRef::new("s"),
        elements: vec![key(10), end(20), key(30), end(40)],
        creation,
    };
    kernel
        .commit(&batch(vec![table(), Change::NewSet { table: of, set: intervals, creation }, filled]))
        .unwrap();
    fetch(&mut kernel, &[Part::named(What::Sets, id(), "s")]);
    kernel.fetch_elements(&id(), "s", &[key(33), end(35)], false).unwrap();
    let found = kernel.ruleset().table(&id()).and_then(|table| table.set("s")).unwrap();
    let found: Vec<_> = found.elements().map(|element| element.key[3]).collect();
    assert_eq!(found, [30, 40]);
}

/// Rules that each have a set of their own, without a name, with one element: from `first` on.
fn anonymous(first: u32, count: u32) -> Vec<Change> {
    let rule = |number: u32| {
        let id_in_batch = number - first + 1;
        let name: Box<str> = "__set%d".into();
        let reference = SetRef { name: name.clone(), id: Some(id_in_batch) };
        let Change::NewSet { set, .. } = set("") else { unreachable!("it makes a set") };
        let flags = SetFlags::ANONYMOUS | SetFlags::CONSTANT;
        let set = Set { name, id: id_in_batch, flags, ..set };
        let mark = meta::Get { key: meta::Key::Mark, destination: Register::R1 };
        let result = lookup::Outcome::Test { invert: false };
        let lookup = lookup::Lookup { set: reference.clone(), source: Register::R1, result };
        let rule = Rule {
            exprs: vec![mark.into(), lookup.into()],
            userdata: Userdata::default(),
            ..Rule::default()
        };
        let (elements, creation) = (vec![key(number)], Creation::Add);
        [
            Change::NewSet { table: id(), set, creation },
            Change::NewElements { table: id(), set: reference, elements, creation },
            Change::NewRule { table: id(), chain: ChainRef::new("c"), rule, place: Place::Last },
        ]
    };
    (first..first + count).flat_map(rule).collect()
}

/// So many that they are sent in another order and named by us (`ironweir_ruleset::netlink::quickest`).
const MANY: u32 = 600;

#[test]
fn many_anonymous_sets_belong_to_their_rules_whoever_names_them() {
    if !within("many_anonymous_sets_belong_to_their_rules_whoever_names_them") {
        return;
    }
    let mut kernel = Kernel::open().unwrap();
    let sets = Part::new(What::Sets, Within::Table(id()));
    fetch(&mut kernel, std::slice::from_ref(&sets));
    let mut first = vec![table(), chain("c", Creation::Add)];
    first.extend(anonymous(0, MANY));
    kernel.commit(&batch(first)).unwrap();
    // Names of the first are known.
    fetch(&mut kernel, std::slice::from_ref(&sets));
    kernel.commit(&batch(anonymous(MANY, MANY))).unwrap();
    // They are not: what is given is taken, and the kernel asked for others.
    fetch(&mut kernel, &[Part::new(What::Tables, Within::All)]);
    kernel.commit(&batch(anonymous(2 * MANY, MANY))).unwrap();

    let elements = Part::new(What::Elements, Within::Table(id()));
    let chains = Part::new(What::Chains, Within::Table(id()));
    fetch(&mut kernel, &[sets, elements, chains, Part::named(What::Rules, id(), "c")]);
    let known = kernel.ruleset().table(&id()).unwrap();
    assert_eq!(known.sets().count(), 3 * MANY as usize);
    let rules = known.chain("c").expect("the chain").rules();
    let keys: Vec<u32> = rules
        .map(|rule| {
            let Some(Expr::Lookup(lookup)) = rule.rule.exprs.get(1) else { panic!("not a lookup: {rule:?}") };
            let set = known.set(&lookup.set.name).expect("its set");
            let mut keys = set.elements().map(|element| element.key.to_vec());
            match (keys.next().as_deref(), keys.next()) {
                (Some(&[a, b, c, d]), None) => u32::from_be_bytes([a, b, c, d]),
                other => panic!("not one element: {other:?}"),
            }
        })
        .collect();
    assert!(keys.into_iter().eq(0..3 * MANY), "rules keep their order, each with its own set");
}
