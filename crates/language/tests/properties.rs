//! Rules made at random, as ASTs of the form that listings have. Printed and parsed they are the same AST; lowered and
//! raised they are listed the same; written as JSON and read back they are the same rule. Failing seeds are kept in
//! `properties.proptest-regressions` beside this file; `PROPTEST_CASES=N` tries more.

//!
//! Those are few statements in all their forms. Rules of every statement and expression, in every family and at every
//! hook, are made from templates as text (`grammar/`), and parsed: from there on the same must hold of them.

mod corpus;
mod grammar;

use std::collections::BTreeSet;

use corpus::compare::rule_text;
use corpus::world::World;
use ironweir_expr::fib::{Flags, Outcome};
use ironweir_language::ast::Rule;
use ironweir_language::define::Scopes;
use ironweir_language::expr::concat::Concat;
use ironweir_language::expr::ct::{Ct, Direction};
use ironweir_language::expr::exthdr::Exthdr;
use ironweir_language::expr::fib::Fib;
use ironweir_language::expr::list::List;
use ironweir_language::expr::meta::Meta;
use ironweir_language::expr::numgen::Numgen;
use ironweir_language::expr::payload::Payload;
use ironweir_language::expr::prefix::Prefix;
use ironweir_language::expr::range::Range;
use ironweir_language::expr::set::{Element, SetLiteral};
use ironweir_language::expr::verdict::{Target, Verdict};
use ironweir_language::expr::{Expr, ExprKind};
use ironweir_language::files::NoFiles;
use ironweir_language::parse::Parser;
use ironweir_language::print::{Options, Printer};
use ironweir_language::source::{Sources, Span};
use ironweir_language::stmt::assign::Assign;
use ironweir_language::stmt::connlimit::Connlimit;
use ironweir_language::stmt::counter::Counter;
use ironweir_language::stmt::log::Log;
use ironweir_language::stmt::quota::Quota;
use ironweir_language::stmt::relational::{RelOp, Relational};
use ironweir_language::stmt::vmap::Vmap;
use ironweir_language::stmt::{Stmt, StmtKind};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

fn payload(protocol: &'static str, field: &'static str) -> Expr {
    Expr::raised(ExprKind::Payload(Payload { protocol, field }))
}

fn meta(key: &str) -> Expr {
    Expr::raised(ExprKind::Meta(Meta { key: key.into() }))
}

fn ct(key: &str, direction: Option<Direction>, family: Option<&str>) -> Expr {
    let family = family.map(Into::into);
    Expr::raised(ExprKind::Ct(Ct { direction, family, inferred: false, key: key.into() }))
}

fn range(from: Expr, to: Expr) -> Expr {
    Expr::raised(ExprKind::Range(Range { from: from.into(), to: to.into() }))
}

fn set(keys: impl IntoIterator<Item = Expr>) -> Expr {
    Expr::raised(ExprKind::Set(SetLiteral { elements: keys.into_iter().map(Element::new).collect() }))
}

fn equality() -> impl Strategy<Value = RelOp> {
    select(vec![RelOp::Implicit, RelOp::Ne])
}

fn matching((left, op, right): (Expr, RelOp, Expr)) -> Stmt {
    Stmt::raised(StmtKind::Relational(Relational { left, op, right }))
}

fn ip4(number: u32) -> Expr {
    Expr::symbol(std::net::Ipv4Addr::from(number).to_string())
}

fn ip6(number: u128) -> Expr {
    Expr::symbol(std::net::Ipv6Addr::from(number).to_string())
}

/// Numbers of a field: one, a range, an ordered comparison, a set of distinct ones.
fn numbers(left: Expr, max: u64) -> impl Strategy<Value = Stmt> {
    let single = (equality(), 0..=max).prop_map(|(op, number)| (op, Expr::number(number)));
    let ordered = (select(vec![RelOp::Lt, RelOp::Gt, RelOp::Le, RelOp::Ge]), 1..max)
        .prop_map(|(op, number)| (op, Expr::number(number)));
    let ends = (equality(), 1..max / 2, max / 2 + 1..max)
        .prop_map(|(op, from, to)| (op, range(Expr::number(from), Expr::number(to))));
    let several = (equality(), btree_set(0..=max, 2..6))
        .prop_map(|(op, numbers)| (op, set(numbers.into_iter().map(Expr::number))));
    prop_oneof![single, ordered, ends, several]
        .prop_map(move |(op, right)| matching((left.clone(), op, right)))
}

/// Addresses: one, a prefix, a range, a set.
fn addresses4(left: Expr) -> impl Strategy<Value = Stmt> {
    let single = any::<u32>().prop_map(ip4);
    let prefix = (any::<u32>(), 1..32_u32).prop_map(|(number, len)| {
        let base = ip4(number & (u32::MAX << (32 - len)));
        Expr::raised(ExprKind::Prefix(Prefix { base: base.into(), len }))
    });
    // Ends that are odd and even cannot be a prefix's.
    let ends =
        (1..1_u32 << 30, 1_u32 << 31..u32::MAX).prop_map(|(from, to)| range(ip4(from | 1), ip4(to | 1)));
    let several = btree_set(any::<u32>(), 2..6).prop_map(|all| set(all.into_iter().map(ip4)));
    (equality(), prop_oneof![single, prefix, ends, several])
        .prop_map(move |(op, right)| matching((left.clone(), op, right)))
}

fn addresses6(left: Expr) -> impl Strategy<Value = Stmt> {
    let several = btree_set(any::<u128>(), 2..6).prop_map(|all| set(all.into_iter().map(ip6)));
    (equality(), prop_oneof![any::<u128>().prop_map(ip6), several])
        .prop_map(move |(op, right)| matching((left.clone(), op, right)))
}

/// Marks, in the eight digits that listings have.
fn marks(left: Expr) -> impl Strategy<Value = Stmt> {
    let mark = |number: u32| Expr::symbol(format!("{number:#010x}"));
    let several = btree_set(any::<u32>(), 2..5).prop_map(move |all| set(all.into_iter().map(mark)));
    (equality(), prop_oneof![any::<u32>().prop_map(mark), several])
        .prop_map(move |(op, right)| matching((left.clone(), op, right)))
}

/// Interface names, in a set by alphabet.
fn names(left: Expr) -> impl Strategy<Value = Stmt> {
    let name = "[a-z][a-z0-9]{0,7}";
    let several =
        btree_set(name, 2..4).prop_map(|all: BTreeSet<String>| set(all.into_iter().map(Expr::quoted)));
    (equality(), prop_oneof![name.prop_map(Expr::quoted), several])
        .prop_map(move |(op, right)| matching((left.clone(), op, right)))
}

/// Flags by their bits' order.
fn states() -> impl Strategy<Value = Stmt> {
    let words = vec!["invalid", "established", "related", "new", "untracked"];
    subsequence(words, 1..4).prop_map(|words| {
        let mut words: Vec<Expr> = words.into_iter().map(Expr::symbol).collect();
        let right = match words.len() {
            1 => words.remove(0),
            _ => Expr::raised(ExprKind::List(List(words))),
        };
        matching((ct("state", None, None), RelOp::Implicit, right))
    })
}

/// What matches whatever the protocol is.
fn general() -> impl Strategy<Value = Stmt> {
    let fib = Expr::raised(ExprKind::Fib(Fib { result: Outcome::Addrtype, flags: Flags::DADDR }));
    let numgen = Expr::raised(ExprKind::Numgen(Numgen { random: true, modulus: 10_000, offset: 0 }));
    prop_oneof![
        states(),
        marks(meta("mark")),
        marks(ct("mark", None, None)),
        names(meta("iifname")),
        names(meta("oifname")),
        numbers(meta("length"), 65_535),
        numbers(meta("cpu"), 1 << 20),
        numbers(numgen, 9_999),
        (equality(), select(vec!["local", "unicast", "multicast", "broadcast"]))
            .prop_map(move |(op, word)| matching((fib.clone(), op, Expr::symbol(word)))),
        (equality(), select(vec!["original", "reply"])).prop_map(|(op, word)| matching((
            ct("direction", None, None),
            op,
            Expr::symbol(word)
        ))),
    ]
}

fn network(family: &str) -> BoxedStrategy<Stmt> {
    let frag = Expr::raised(ExprKind::Exthdr(Exthdr { header: "frag".into(), field: Some("id".into()) }));
    match family {
        "ip" => prop_oneof![
            addresses4(payload("ip", "saddr")),
            addresses4(ct("saddr", Some(Direction::Original), Some("ip"))),
            addresses4(payload("ip", "daddr")),
            numbers(payload("ip", "ttl"), 255),
            numbers(payload("ip", "length"), 65_535),
            numbers(payload("ip", "id"), 65_535),
        ]
        .boxed(),
        _ => prop_oneof![
            addresses6(payload("ip6", "saddr")),
            addresses6(ct("daddr", Some(Direction::Reply), Some("ip6"))),
            addresses6(payload("ip6", "daddr")),
            numbers(payload("ip6", "hoplimit"), 255),
            numbers(frag, u64::from(u32::MAX)),
        ]
        .boxed(),
    }
}

fn transport(protocol: &'static str) -> BoxedStrategy<Stmt> {
    let ports = move |field| numbers(payload(protocol, field), 65_535);
    match protocol {
        "tcp" => prop_oneof![
            ports("sport"),
            ports("dport"),
            numbers(payload("tcp", "sequence"), u64::from(u32::MAX)),
            numbers(payload("tcp", "window"), 65_535),
        ]
        .boxed(),
        _ => prop_oneof![ports("sport"), ports("dport"), ports("length")].boxed(),
    }
}

/// Statements that do something and let the packet go on.
fn action() -> impl Strategy<Value = Stmt> {
    let mark = |target: Expr| {
        any::<u32>().prop_map(move |number| {
            let value = Expr::symbol(format!("{number:#010x}"));
            Stmt::raised(StmtKind::Assign(Assign { target: target.clone(), value }))
        })
    };
    let log = (option::of("[a-zA-Z0-9 :]{1,30}"), option::of(1..=4_000_u16)).prop_map(|(prefix, group)| {
        let prefix = prefix.map(Into::into);
        Stmt::raised(StmtKind::Log(Log { prefix, group, ..Log::default() }))
    });
    prop_oneof![
        Just(Stmt::raised(StmtKind::Counter(Counter { packets: 0, bytes: 0 }))),
        mark(meta("mark")),
        mark(ct("mark", None, None)),
        log,
        (any::<bool>(), 1..1_000_000_u64)
            .prop_map(|(over, bytes)| { Stmt::raised(StmtKind::Quota(Quota { over, bytes, used: 0 })) }),
        (any::<bool>(), 1..100_000_u32)
            .prop_map(|(over, count)| Stmt::raised(StmtKind::Connlimit(Connlimit { over, count }))),
    ]
}

fn verdict() -> impl Strategy<Value = Verdict> {
    let chain = || Target::Chain { name: "other".into(), span: Span::NONE };
    select(vec![
        Verdict::Accept,
        Verdict::Drop,
        Verdict::Continue,
        Verdict::Return,
        Verdict::Jump(chain()),
        Verdict::Goto(chain()),
    ])
}

/// What ends a rule.
fn last() -> impl Strategy<Value = Stmt> {
    let vmap = vec(verdict(), 2..5).prop_map(|verdicts| {
        let element = |(at, verdict)| Element {
            data: Some(Expr::raised(ExprKind::Verdict(verdict))),
            ..Element::new(Expr::symbol(format!("{at:#010x}")))
        };
        let elements = verdicts.into_iter().enumerate().map(element).collect();
        let map = Expr::raised(ExprKind::Set(SetLiteral { elements }));
        Stmt::raised(StmtKind::Vmap(Vmap { key: meta("mark"), map }))
    });
    prop_oneof![3 => verdict().prop_map(|verdict| Stmt::raised(StmtKind::Verdict(verdict))), 1 => vmap]
}

/// A pair of addresses and ports that is looked up at once.
fn pair(family: &'static str, protocol: &'static str) -> impl Strategy<Value = Stmt> {
    let concat = |parts: Vec<Expr>| Expr::raised(ExprKind::Concat(Concat(parts)));
    let left = concat(vec![payload(family, "saddr"), payload(protocol, "dport")]);
    btree_set((any::<u32>(), 1..65_535_u64), 2..5).prop_map(move |pairs| {
        let address = |number: u32| match family {
            "ip" => ip4(number),
            _ => ip6(u128::from(number) << 96 | 1),
        };
        let keys = pairs.into_iter().map(|(from, to)| concat(vec![address(from), Expr::number(to)]));
        matching((left.clone(), RelOp::Implicit, set(keys)))
    })
}

/// A rule of `ip` or `ip6`, and the family.
fn rule() -> impl Strategy<Value = (&'static str, Rule)> {
    (select(vec!["ip", "ip6"]), select(vec!["tcp", "udp"])).prop_flat_map(|(family, protocol)| {
        let stmt = prop_oneof![
            3 => general(),
            2 => network(family),
            2 => transport(protocol),
            1 => pair(family, protocol),
            3 => action(),
        ];
        (vec(stmt, 0..5), option::of(last()), option::of("[a-zA-Z0-9 ,;{}]{1,40}")).prop_filter_map(
            "a rule has a statement, and its matches stay apart",
            move |(mut stmts, last, comment)| {
                stmts.extend(last);
                // Like nft, neighbouring fields that are compared in turn are loaded at once, in the packet's order.
                let fields = stmts.iter().filter_map(|stmt| match &stmt.kind {
                    StmtKind::Relational(Relational {
                        left: Expr { kind: ExprKind::Payload(field), .. },
                        ..
                    }) => Some(field.protocol),
                    _ => None,
                });
                let fields: Vec<&str> = fields.collect();
                if fields.iter().any(|one| fields.iter().filter(|other| one == *other).count() > 1) {
                    return None;
                }
                let rule = Rule { stmts, comment: comment.map(Into::into), span: Span::NONE };
                (!rule.stmts.is_empty()).then_some((family, rule))
            },
        )
    })
}

fn printed(rule: &Rule, options: Options) -> String {
    let mut printer = Printer::new(options);
    rule.print(&mut printer);
    printer.finish()
}

fn parsed(text: &str) -> Result<Rule, String> {
    let mut sources = Sources::new();
    let source = sources.add("rule", text, None).ok_or("too long")?;
    let mut parser = Parser::new(&mut sources, source, &NoFiles, Scopes::default());
    let rule = Rule::parse(&mut parser);
    rule.map_err(|error| error.render(&sources))
}

/// As `corpus::world` lists.
fn options() -> Options {
    Options { stateless: true, numeric_protocol: true, ..Options::default() }
}

fn world(family: &str) -> World {
    let mut world = World::default();
    let chain = format!("add chain {family} t c {{ type filter hook input priority 0; }}");
    let setup = format!("add table {family} t\nadd chain {family} t other\n{chain}\n");
    world.run(&setup).expect("an empty table is made");
    world
}

proptest! {
    #[test]
    fn what_is_printed_is_parsed_as_the_same((_, rule) in rule()) {
        let text = printed(&rule, Options::default());
        let again = parsed(&text).map_err(TestCaseError::fail)?;
        // Marks are printed with eight digits and parsed as numbers; all else is the very same.
        if !text.contains("0x") {
            prop_assert_eq!(&again, &rule);
        }
        prop_assert_eq!(parsed(&printed(&again, Options::default())).map_err(TestCaseError::fail)?, again.clone());
        prop_assert_eq!(again.stmts.len(), rule.stmts.len(), "{}", text);
        prop_assert_eq!(&again.comment, &rule.comment);
    }

    #[test]
    fn what_is_lowered_and_raised_is_listed_as_it_was_printed((family, rule) in rule()) {
        let text = printed(&rule, options());
        let mut world = world(family);
        if let Err(refusal) = world.run(&format!("add rule {family} t c {text}\n")) {
            return Err(TestCaseError::fail(format!("{text}: {}", refusal.first_line())));
        }
        let listing = world.run(&format!("list table {family} t\n")).expect("it can be listed").listing;
        prop_assert_eq!(rule_text(&listing, "c"), text);
    }

    #[test]
    fn what_is_written_as_json_is_read_as_the_same_rule((family, rule) in rule()) {
        let mut from = world(family);
        let text = printed(&rule, options());
        from.run(&format!("add rule {family} t c {text}\n")).expect("it is accepted as text");
        let mut to = World::default();
        if let Err(refusal) = to.run_json(&from.list_json(&format!("{family} t"))) {
            return Err(TestCaseError::fail(format!("{text}: {}", refusal.first_line())));
        }
        let list = format!("list table {family} t\n");
        let (want, got) = (from.run(&list), to.run(&list));
        prop_assert_eq!(got.expect("it can be listed").listing, want.expect("it can be listed").listing);
    }
}

/// A table for rules of a place.
fn world_of(place: &grammar::Place) -> World {
    let mut setup = grammar::SETUP.replace("FAMILY", place.family);
    if matches!(place.family, "ip" | "inet") {
        let flowtable = "flowtable {} t ft { hook ingress priority 0; devices = { lo }; }\n";
        setup += &format!("add {}", flowtable.replace("{}", place.family));
    }
    setup += &format!("add chain {} t c {{ {} }}\n", place.family, place.chain);
    let mut world = World::default();
    world.run(&setup).unwrap_or_else(|refusal| panic!("{setup}{}", refusal.first_line()));
    world
}

/// Variants of statements or expressions that a registry lists.
fn registered(source: &str) -> BTreeSet<&str> {
    let list = source.split("macro_rules!").nth(1).expect("the list is there");
    let list = &list[..list.find("\n}").expect("it ends")];
    list.lines()
        .map(str::trim)
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()) && line.ends_with(','))
        .filter_map(|line| line.split_once('(').map(|(name, _)| name))
        .collect()
}

#[test]
fn rules_of_every_kind_come_back() {
    let tried: u64 = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let (mut accepted, mut all, mut seen, mut failures) = (0_u64, 0_u64, String::new(), Vec::new());
    let worlds: Vec<World> = grammar::PLACES.iter().map(world_of).collect();
    let mut rules = grammar::every_template(&mut grammar::Random(0x9e37_79b9));
    for (at, place) in grammar::PLACES.iter().enumerate() {
        for case in 0..tried {
            let seed = (at as u64 + 1) << 32 | (case + 1);
            let mut random = grammar::Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            rules.push((at, grammar::rule(place, &mut random)));
        }
    }
    for (at, text) in rules {
        let (place, world) = (&grammar::PLACES[at], &worlds[at]);
        all += 1;
        match holds(place.family, world, &text, &mut seen) {
            Ok(true) => accepted += 1,
            Ok(false) => {}
            Err(failure) => failures.push(format!("{} {}: {text}\n  {failure}", place.family, place.hook)),
        }
    }
    println!("{accepted} of {all} rules are accepted");
    assert!(failures.is_empty(), "{} of {all} rules:\n{}", failures.len(), failures.join("\n"));
    assert!(
        accepted * 2 > all,
        "only {accepted} of {all} rules are accepted: do the templates fit the language?"
    );
    for registry in [include_str!("../src/expr/registry.rs"), include_str!("../src/stmt/registry.rs")] {
        let missing: Vec<&str> = registered(registry)
            .into_iter()
            .filter(|name| !seen.contains(&format!("kind: {name}(")))
            .collect();
        // Rules with `xt` come from iptables' own programs alone.
        assert!(missing.iter().all(|name| *name == "Xt"), "no template makes {missing:?}");
    }
}

/// Whether a rule is accepted; the property that does not hold of it. What its AST consists of is added to `seen`.
fn holds(family: &str, world: &World, text: &str, seen: &mut String) -> Result<bool, String> {
    let rule = parsed(text)?;
    let once = printed(&rule, Options::default());
    let again = parsed(&once).map_err(|error| format!("printed {once}\n{error}"))?;
    let twice = printed(&again, Options::default());
    if twice != once || parsed(&twice)? != again {
        return Err(format!("printed {once}\n  printed again {twice}"));
    }
    let mut world = world.clone();
    if let Err(refusal) = world.run(&format!("add rule {family} t c {text}\n")) {
        return match refusal {
            corpus::world::Refusal::Error(_) => Ok(false),
            corpus::world::Refusal::Crash(why) => Err(why),
        };
    }
    seen.push_str(&format!("{rule:?}"));
    let list = format!("list table {family} t\n");
    let listing = world.run(&list).map_err(|refusal| refusal.first_line())?.listing;
    let mut by_text = World::default();
    by_text.run(&listing).map_err(|refusal| format!("TEXT {}", refusal.first_line()))?;
    let mut by_json = World::default();
    by_json
        .run_json(&world.list_json(&format!("{family} t")))
        .map_err(|refusal| format!("JSON {}", refusal.first_line()))?;
    for (how, mut other) in [("TEXT", by_text), ("JSON", by_json)] {
        let listed = other.run(&list).map_err(|refusal| refusal.first_line())?.listing;
        if listed != listing {
            let (want, got) = (rule_text(&listing, "c"), rule_text(&listed, "c"));
            return Err(format!("{how} {want}\n     {got}"));
        }
    }
    Ok(true)
}
