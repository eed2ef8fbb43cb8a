//! Neither rules of random words nor random bytecode may panic: every one is accepted, refused or listed.
//!
//! The sequences are drawn from fixed seeds, so that a failure comes back.

use std::cell::Cell;

use ironweir_expr::payload::Base;
use ironweir_expr::{
    Expr, Register, bitwise, byteorder, cmp, ct, exthdr, inner, lookup, meta, payload, range,
};
use ironweir_language::ast;
use ironweir_language::datatype::{Names, PrintOptions};
use ironweir_language::define::Scopes;
use ironweir_language::files::NoFiles;
use ironweir_language::lower::lower_rule;
use ironweir_language::parse::Parser;
use ironweir_language::print::{Options, Printer};
use ironweir_language::raise::{NoChains, raise_rule};
use ironweir_language::scope::{NoSets, Scope};
use ironweir_language::source::Sources;
use ironweir_ruleset::{Family, Rule, SetRef, TableId, Userdata, Value};
use ironweir_wire::Instant;

/// A small generator (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// How many of [`WORDS`], from the first, can be compared with something.
const MATCHABLE: usize = 68;
/// Where among [`WORDS`] the values begin.
const FIRST_VALUE: usize = 101;

/// What rules are made of: keywords, values at the edges of their ranges, signs.
const WORDS: &[&str] = &[
    "ip saddr",
    "ip daddr",
    "ip6 saddr",
    "ip dscp",
    "ip6 dscp",
    "ip6 flowlabel",
    "ip frag-off",
    "ip version",
    "tcp dport",
    "tcp flags",
    "udp length",
    "th sport",
    "icmp type",
    "icmp id",
    "icmpv6 taddr",
    "vlan id",
    "vlan pcp",
    "ether saddr",
    "ether type",
    "arp operation",
    "arp saddr ip",
    "dccp type",
    "sctp chunk data flags",
    "tcp option maxseg size",
    "tcp option sack-perm",
    "tcp option mptcp subtype",
    "ip option rr ptr",
    "frag frag-off",
    "rt0 addr[1]",
    "exthdr hbh",
    "meta mark",
    "meta l4proto",
    "meta nfproto",
    "meta protocol",
    "meta hour",
    "meta time",
    "meta day",
    "meta random",
    "iifname",
    "iif",
    "oifgroup",
    "skuid",
    "ct state",
    "ct status",
    "ct label",
    "ct mark",
    "ct original ip saddr",
    "ct original saddr",
    "ct expiration",
    "ct helper",
    "rt nexthop",
    "rt classid",
    "fib daddr . iif type",
    "fib saddr oif",
    "socket transparent",
    "socket cgroupv2 level 2",
    "osf name",
    "numgen inc mod 4 offset 4294967295",
    "jhash ip saddr mod 2",
    "symhash mod 0",
    "ipsec in reqid",
    "vxlan ip saddr",
    "gre ip dscp",
    "geneve vni",
    "@nh,0,128",
    "@th,4294967290,12",
    "@ll,3,5",
    "@ih,1,127",
    "&",
    "|",
    "^",
    "<<",
    ">>",
    ".",
    "-",
    "/",
    ",",
    "==",
    "!=",
    "<",
    ">=",
    "!",
    "{",
    "}",
    ":",
    "*",
    "map",
    "vmap",
    "set",
    "accept",
    "drop",
    "jump c",
    "counter",
    "reject",
    "dnat to",
    "snat to",
    "queue num",
    "limit rate 10/second",
    "log",
    "@s",
    "add @s",
    "0",
    "1",
    "6",
    "17",
    "127",
    "128",
    "255",
    "256",
    "65535",
    "65536",
    "4294967295",
    "18446744073709551615",
    "0xffffffffffffffff",
    "10.0.0.1",
    "10.0.0.0/8",
    "0.0.0.0/0",
    "255.255.255.255",
    "10.0.0.1-10.0.0.9",
    "::",
    "ffff::/16",
    "::1.2.3.4",
    "00:11:22:33:44:55",
    "syn",
    "syn,ack",
    "syn / syn,ack",
    "established,related",
    "new",
    "echo-request",
    "cs1",
    "exists",
    "missing",
    "\"eth*\"",
    "\"*\"",
    "\"a-name-longer-than-interfaces-have\"",
    "\"23:59:60\"",
    "\"1970-01-01 00:00:00\"",
    "\"9999-12-31\"",
    "tcp",
    "ssh",
    "lo",
];

fn rule_of(text: &str) -> Option<ast::Rule> {
    let mut sources = Sources::new();
    let source = sources.add("rule", text, None)?;
    let mut parser = Parser::new(&mut sources, source, &NoFiles, Scopes::default());
    ast::Rule::parse(&mut parser).ok()
}

fn listed(family: Family, rule: &Rule) -> String {
    let names = Names::default();
    let scope = Scope { family, names: &names, sets: &NoSets };
    let raised = raise_rule(scope, PrintOptions::default(), &NoChains, Instant::from_nanos(0), rule);
    let mut printer = Printer::new(Options::default());
    raised.print(&mut printer);
    printer.finish()
}

#[test]
fn rules_of_random_words_do_not_panic() {
    let names = Names::default();
    let mut random = Random(0x1234_5678_9abc_def1);
    let mut accepted = 0;
    for round in 0..20_000 {
        // Half of the rules begin as a match does, so that many of them mean something
        let mut text: Vec<&str> = Vec::new();
        if round % 2 == 0 {
            text.extend([random.one(&WORDS[..MATCHABLE]), random.one(&WORDS[FIRST_VALUE..])]);
        }
        let count = 1 + random.below(6);
        text.extend((0..count).map(|_| random.one(WORDS)));
        let text = text.join(" ");
        let Some(rule) = rule_of(&text) else { continue };
        let family = Family::ALL[round % Family::ALL.len()];
        let scope = Scope { family, names: &names, sets: &NoSets };
        let id = Cell::new(0);
        if let Ok(lowered) = lower_rule(&rule, scope, &TableId::new(family, "t"), &id) {
            accepted += 1;
            listed(family, &lowered.rule);
        }
    }
    assert!(
        accepted > 100,
        "only {accepted} random rules mean something: the words no longer fit the language"
    );
}

fn register(random: &mut Random) -> Register {
    loop {
        if let Some(register) = Register::from_number(random.below(24) as u32) {
            return register;
        }
    }
}

fn value(random: &mut Random) -> Value {
    let len = random.below(65);
    let fill = random.one(&[0x00, 0xff, 0x01, 0x80, 0x2a]);
    let mut bytes = vec![fill; len];
    if let Some(first) = bytes.first_mut() {
        *first = random.below(256) as u8;
    }
    Value::from(bytes)
}

/// Numbers at the edges.
fn number(random: &mut Random) -> u32 {
    let small = random.below(70) as u32;
    random.one(&[0, 1, small, small, small, 255, 256, 65535, u32::MAX - 7, u32::MAX])
}

fn load(random: &mut Random) -> Expr {
    let base = random.one(&[Base::Link, Base::Network, Base::Transport, Base::Inner, Base::Tunnel]);
    let offset = number(random);
    let len = number(random);
    Expr::PayloadLoad(payload::Load { base, offset, len, destination: register(random) })
}

fn meta_load(random: &mut Random) -> Expr {
    let key = random.one(&meta::Key::ALL);
    Expr::MetaGet(meta::Get { key, destination: register(random) })
}

fn expr(random: &mut Random) -> Expr {
    let (source, destination) = (register(random), register(random));
    match random.below(12) {
        0 | 1 => load(random),
        2 => meta_load(random),
        3 => Expr::CtGet(ct::Get {
            key: random.one(&ct::Key::ALL),
            direction: random.one(&[None, Some(ct::Direction::Original), Some(ct::Direction::Reply)]),
            destination,
        }),
        4 => {
            use exthdr::Kind::{Dccp, Ipv4, Ipv6, Sctp, Tcpopt};
            let action = match random.below(3) {
                0 => exthdr::Action::Present(destination),
                _ => exthdr::Action::Load(destination),
            };
            Expr::Exthdr(exthdr::Exthdr {
                kind: random.one(&[Ipv6, Tcpopt, Ipv4, Sctp, Dccp]),
                header: random.below(256) as u8,
                offset: number(random),
                len: number(random),
                action,
            })
        }
        5 => {
            let expr = if random.below(2) == 0 { load(random) } else { meta_load(random) };
            Expr::Inner(inner::Inner {
                kind: random.one(&[inner::Kind::Vxlan, inner::Kind::Geneve, inner::Kind::Gre]),
                header_size: 8,
                flags: inner::Flags::all(),
                expr: Box::new(expr),
            })
        }
        6 | 7 => {
            let op = match random.below(4) {
                0 => bitwise::Op::Lshift(number(random)),
                1 => bitwise::Op::Rshift(number(random)),
                2 => bitwise::Op::Or(bitwise::Operand::Register(source)),
                _ => bitwise::Op::MaskXor { mask: value(random), xor: value(random) },
            };
            Expr::Bitwise(bitwise::Bitwise { source, destination, len: number(random), op })
        }
        8 => Expr::Byteorder(byteorder::Byteorder {
            source,
            destination,
            op: random.one(&[byteorder::Op::Ntoh, byteorder::Op::Hton]),
            len: number(random),
            size: random.one(&[2, 4, 8]),
        }),
        9 => Expr::Range(range::Range {
            source,
            negated: random.below(2) == 0,
            from: value(random),
            to: value(random),
        }),
        10 => Expr::Lookup(lookup::Lookup {
            set: SetRef::new("s"),
            source,
            result: match random.below(3) {
                0 => lookup::Outcome::Verdict,
                1 => lookup::Outcome::Load(destination),
                _ => lookup::Outcome::Test { invert: false },
            },
        }),
        _ => Expr::Cmp(cmp::Cmp {
            source,
            op: random.one(&[cmp::Op::Eq, cmp::Op::Neq, cmp::Op::Lt, cmp::Op::Gte]),
            data: value(random),
        }),
    }
}

#[test]
fn random_bytecode_is_listed_without_panic() {
    let mut random = Random(0x0fed_cba9_8765_4321);
    for round in 0..20_000 {
        let count = 1 + random.below(8);
        let exprs = (0..count).map(|_| expr(&mut random)).collect();
        let family = Family::ALL[round % Family::ALL.len()];
        listed(family, &Rule { exprs, userdata: Userdata::default(), ..Rule::default() });
    }
}

#[test]
fn writes_longer_than_all_registers_are_listed_in_bounded_memory() {
    // Found by fuzzing: a part was made for each of 2^30 registers.
    let source = Register::from_number(1).expect("it exists");
    let (base, checksum) = (Base::Transport, payload::Checksum::default());
    let write = payload::Write { base, offset: 0, len: u32::MAX, source, checksum };
    let exthdr = exthdr::Exthdr {
        kind: exthdr::Kind::Tcpopt,
        header: 2,
        offset: 0,
        len: u32::MAX,
        action: exthdr::Action::Write(source),
    };
    for expr in [Expr::PayloadWrite(write), Expr::Exthdr(exthdr)] {
        let rule = Rule { exprs: vec![expr], userdata: Userdata::default(), ..Rule::default() };
        assert!(listed(Family::Ip, &rule).contains(" set "));
    }
}
