use super::*;
use ironweir_language::files::NoFiles;
use ironweir_language::session::{Memory, Session};
use ironweir_language::source::Sources;
use ironweir_ruleset::{Expr, Family};
use ironweir_wire::Instant;

fn run(backend: &mut Memory, text: &str) -> String {
    let (mut sources, mut session) = (Sources::new(), Session::default());
    let source = sources.add("text", text, None).expect("short");
    let outcome = session.run(&mut sources, source, &NoFiles, backend);
    assert!(outcome.ok(), "{}", outcome.render(&sources));
    outcome.output
}

const OLD: &str = "table inet f {
    counter n { packets 3 bytes 300 }
    set s { type ipv4_addr; flags timeout; elements = { 1.1.1.1 timeout 1h expires 30m } }
    chain c { type filter hook input priority 0; policy accept;
        tcp dport 22 counter packets 5 bytes 500 accept
        udp dport 53 quota 1000 bytes used 10 bytes } }
table ip other { chain c { accept } }";

fn guarded() -> (Memory, Guardian, String) {
    let mut backend = Memory::new(Instant::from_nanos(1_000_000_000_000));
    run(&mut backend, OLD);
    let tables = BTreeSet::from([TableId::new(Family::Inet, "f"), TableId::new(Family::Ip, "new")]);
    let mut guardian = Guardian::new(tables);
    let listed = run(&mut backend, "list ruleset");
    let answer = guardian.on(Event::Snapshot, &mut backend);
    assert!(matches!(answer, Some(Answer::Ready(_))), "{answer:?}");
    (backend, guardian, listed)
}

/// What an apply might do, and what others do meanwhile.
fn change(backend: &mut Memory) {
    run(
        backend,
        "delete table inet f
         table inet f { set s { type ipv6_addr; }; chain c { type filter hook forward priority 1; drop } }
         table ip new { chain c { } }
         add rule ip other c drop",
    );
}

#[test]
fn a_lost_confirmation_restores_counters_quotas_and_elements() {
    let (mut backend, mut guardian, before) = guarded();
    guardian.on(Event::Committing, &mut backend);
    change(&mut backend);
    assert_eq!(guardian.on(Event::Committed, &mut backend), Some(Answer::Waiting));
    assert_eq!(guardian.phase(), Phase::Pending);
    assert_eq!(guardian.on(Event::TimeOver, &mut backend), Some(Answer::RolledBack));
    let after = run(&mut backend, "list ruleset");
    let of_f = |listing: &str| listing[listing.find("table inet f").expect("it is there")..].to_owned();
    // `other` is not concerned: what was done to it meanwhile stays.
    assert!(after.contains("accept\n\t\tdrop"), "{after}");
    assert!(of_f(&before).starts_with(of_f(&after).trim_end()), "{before}\n{after}");
    assert!(!after.contains("table ip new"), "{after}");
}

#[test]
fn what_is_confirmed_stays() {
    let (mut backend, mut guardian, _) = guarded();
    guardian.on(Event::Committing, &mut backend);
    change(&mut backend);
    guardian.on(Event::Committed, &mut backend);
    let changed = run(&mut backend, "list ruleset");
    assert_eq!(guardian.on(Event::Confirm, &mut backend), Some(Answer::Confirmed));
    assert_eq!(guardian.on(Event::TimeOver, &mut backend), None);
    assert_eq!(run(&mut backend, "list ruleset"), changed);
}

#[test]
fn an_end_before_the_change_is_the_end_and_after_it_is_not() {
    let (mut backend, mut guardian, _) = guarded();
    guardian.on(Event::Alone, &mut backend);
    assert_eq!(guardian.phase(), Phase::Ended);

    let (mut backend, mut guardian, _) = guarded();
    guardian.on(Event::Committing, &mut backend);
    guardian.on(Event::Alone, &mut backend);
    assert_eq!(guardian.phase(), Phase::Ended, "nothing was committed");

    let (mut backend, mut guardian, _) = guarded();
    guardian.on(Event::Committing, &mut backend);
    change(&mut backend);
    guardian.on(Event::Alone, &mut backend);
    assert_eq!(guardian.phase(), Phase::Pending, "it was committed, though nobody said so");
    assert_eq!(guardian.on(Event::TimeOver, &mut backend), Some(Answer::RolledBack));

    let (mut backend, mut guardian, _) = guarded();
    guardian.on(Event::Committing, &mut backend);
    change(&mut backend);
    guardian.on(Event::Committed, &mut backend);
    guardian.on(Event::Alone, &mut backend);
    assert_eq!(guardian.phase(), Phase::Pending);
}

#[test]
fn rules_that_stayed_go_on_counting_through_a_rollback() {
    let (mut backend, mut guardian, _) = guarded();
    guardian.on(Event::Committing, &mut backend);
    run(&mut backend, "add rule inet f c tcp dport 80 drop");
    guardian.on(Event::Committed, &mut backend);
    let tables = || backend.ruleset.tables().flat_map(|table| table.chains());
    for expr in tables().flat_map(|chain| chain.rules()).flat_map(|rule| &rule.rule.exprs) {
        if let Expr::Counter(counter) = expr {
            counter.add(100);
        }
    }
    assert_eq!(guardian.on(Event::Rollback, &mut backend), Some(Answer::RolledBack));
    let listed = run(&mut backend, "list ruleset");
    assert!(listed.contains("counter packets 6 bytes 600") && !listed.contains("dport 80"), "{listed}");
}

#[test]
fn elements_that_the_change_added_go_and_those_that_packets_added_since_stay() {
    let (mut backend, mut guardian, _) = guarded();
    guardian.on(Event::Committing, &mut backend);
    run(&mut backend, "add element inet f s { 2.2.2.2 timeout 1h }; add rule inet f c accept");
    guardian.on(Event::Committed, &mut backend);
    run(&mut backend, "add element inet f s { 3.3.3.3 timeout 1h }");
    assert_eq!(guardian.on(Event::TimeOver, &mut backend), Some(Answer::RolledBack));
    let listed = run(&mut backend, "list set inet f s");
    assert!(listed.contains("1.1.1.1") && listed.contains("3.3.3.3"), "{listed}");
    assert!(!listed.contains("2.2.2.2"), "{listed}");
}

#[test]
fn answers_are_lines() {
    for answer in [
        Answer::Ready(7),
        Answer::Waiting,
        Answer::Confirmed,
        Answer::RolledBack,
        Answer::Failed("no".into()),
    ] {
        assert_eq!(Answer::from_line(&answer.line()), answer);
    }
}
