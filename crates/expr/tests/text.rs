//! The text form of expressions, against lines that `nft --debug=netlink` printed (`tests/py/**/*.t.payload` of nftables).

use std::collections::HashSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use ironweir_expr::text::{Order, write_rule};
use ironweir_expr::*;

fn reg(number: u32) -> Register {
    Register::from_number(number).expect("a register of the test")
}

fn verdict(verdict: Verdict) -> Expr {
    Expr::Immediate(immediate::Immediate::Verdict(verdict))
}

fn value(register: u32, bytes: &[u8]) -> Expr {
    Expr::Immediate(immediate::Immediate::Value { destination: reg(register), value: bytes.into() })
}

fn load(base: payload::Base, offset: u32, len: u32, register: u32) -> Expr {
    Expr::PayloadLoad(payload::Load { base, offset, len, destination: reg(register) })
}

fn write(
    base: payload::Base,
    offset: u32,
    len: u32,
    kind: payload::ChecksumKind,
    at: u32,
    pseudo: bool,
) -> Expr {
    let checksum = payload::Checksum { kind, offset: at, pseudo_header: pseudo };
    Expr::PayloadWrite(payload::Write { base, offset, len, source: reg(1), checksum })
}

fn meta(key: meta::Key, register: u32) -> Expr {
    Expr::MetaGet(meta::Get { key, destination: reg(register) })
}

fn ct(key: ct::Key, direction: Option<ct::Direction>) -> Expr {
    Expr::CtGet(ct::Get { key, direction, destination: reg(1) })
}

fn cmp(op: cmp::Op, bytes: &[u8]) -> Expr {
    Expr::Cmp(cmp::Cmp { source: reg(1), op, data: bytes.into() })
}

fn range(negated: bool, from: &[u8], to: &[u8]) -> Expr {
    Expr::Range(range::Range { source: reg(1), negated, from: from.into(), to: to.into() })
}

fn mask(mask: &[u8], xor: &[u8]) -> Expr {
    let len = mask.len() as u32;
    bits(len, bitwise::Op::MaskXor { mask: mask.into(), xor: xor.into() })
}

fn bits(len: u32, op: bitwise::Op) -> Expr {
    Expr::Bitwise(bitwise::Bitwise { source: reg(1), destination: reg(1), len, op })
}

fn swap(op: byteorder::Op, size: u32) -> Expr {
    let (source, destination) = (reg(1), reg(1));
    Expr::Byteorder(byteorder::Byteorder { source, destination, op, len: size, size })
}

fn lookup(set: &str, result: lookup::Outcome) -> Expr {
    Expr::Lookup(lookup::Lookup { set: SetRef::new(set), source: reg(1), result })
}

fn exthdr(kind: exthdr::Kind, header: u8, offset: u32, len: u32, action: exthdr::Action) -> Expr {
    Expr::Exthdr(exthdr::Exthdr { kind, header, offset, len, action })
}

fn nat(kind: nat::Kind, family: Family, addresses: [u32; 2], ports: [u32; 2], flags: u32) -> Expr {
    Expr::Nat(nat::Nat {
        kind,
        family,
        addresses: pair(addresses),
        ports: pair(ports),
        flags: nat::Flags::from_bits_truncate(flags),
    })
}

fn pair([first, last]: [u32; 2]) -> Option<(Register, Option<Register>)> {
    Some((Register::from_number(first)?, Register::from_number(last)))
}

fn inner(kind: inner::Kind, header_size: u32, flags: u32, expr: Expr) -> Expr {
    let flags = inner::Flags::from_bits_truncate(flags);
    Expr::Inner(inner::Inner { kind, header_size, flags, expr: Box::new(expr) })
}

fn log(prefix: Option<&str>, to: log::Destination) -> Expr {
    Expr::Log(log::Log { prefix: prefix.map(Into::into), to })
}

fn group(group: u16, snaplen: u32, queue_threshold: u16) -> log::Destination {
    log::Destination::Group { group, snaplen: Some(snaplen), queue_threshold: Some(queue_threshold) }
}

fn limit(rate: u64, unit: u64, burst: u32, kind: limit::Kind, over: bool) -> Expr {
    Expr::Limit(limit::Limit::new(rate, unit, burst, kind, over))
}

fn fib(result: fib::Outcome, flags: fib::Flags) -> Expr {
    Expr::Fib(fib::Fib { destination: reg(1), result, flags })
}

fn jhash(len: u32, seed: u32, offset: u32) -> Expr {
    let kind = hash::Kind::Jenkins { source: reg(2), len, seed: Some(seed) };
    Expr::Hash(hash::Hash { kind, destination: reg(1), modulus: 2, offset })
}

fn tproxy(family: Family, address: Option<u32>, port: Option<u32>) -> Expr {
    Expr::Tproxy(tproxy::Tproxy { family, address: address.map(reg), port: port.map(reg) })
}

fn xfrm(direction: u8, key: xfrm::Key) -> Expr {
    Expr::Xfrm(xfrm::Xfrm { key, direction, spnum: 0, destination: reg(1) })
}

fn rt(key: rt::Key) -> Expr {
    Expr::Rt(rt::Rt { key, destination: reg(1) })
}

fn socket(key: socket::Key) -> Expr {
    Expr::Socket(socket::Socket { key, destination: reg(1) })
}

fn numgen(modulus: u32, offset: u32) -> Expr {
    Expr::Numgen(numgen::Numgen::new(reg(1), modulus, numgen::Kind::Inc, offset))
}

/// Expressions whose values, if any, lie in network order.
fn plain() -> Vec<(&'static str, Expr)> {
    use payload::Base::*;
    use payload::ChecksumKind;
    let flags = nat::Flags::from_bits_truncate;
    let masq = |ports, bits| Expr::Masq(masq::Masq { flags: flags(bits), ports: pair(ports) });
    let redir = |ports, bits| Expr::Redir(redir::Redir { flags: flags(bits), ports: pair(ports) });
    let syslog = |level, flags| log::Destination::Syslog { level, flags };
    let dup = |address: Option<u32>, device: Option<u32>| {
        Expr::Dup(dup::Dup { address: address.map(reg), device: device.map(reg) })
    };
    let symmetric = |register, offset| {
        Expr::Hash(hash::Hash { kind: hash::Kind::Symmetric, destination: reg(register), modulus: 2, offset })
    };
    let gre = inner::Kind::Gre;
    let present = exthdr::Action::Present(reg(1));
    let get = exthdr::Action::Load(reg(1));
    vec![
        ("immediate reg 0 accept", verdict(Verdict::Accept)),
        ("immediate reg 0 drop", verdict(Verdict::Drop)),
        ("immediate reg 1 0xc0a80201", value(1, &[192, 168, 2, 1])),
        ("immediate reg 2 0x0800", value(2, &[8, 0])),
        ("payload load 2b @ transport header + 2 => reg 1", load(Transport, 2, 2, 1)),
        ("payload load 16b @ network header + 8 => reg 1", load(Network, 8, 16, 1)),
        ("payload load 6b @ link header + 6 => reg 1", load(Link, 6, 6, 1)),
        ("payload load 4b @ inner header + 4 => reg 1", load(Inner, 4, 4, 1)),
        (
            "payload write reg 1 => 2b @ network header + 8 csum_type 1 csum_off 10 csum_flags 0x0",
            write(Network, 8, 2, ChecksumKind::Inet, 10, false),
        ),
        (
            "payload write reg 1 => 2b @ transport header + 2 csum_type 0 csum_off 0 csum_flags 0x1",
            write(Transport, 2, 2, ChecksumKind::None, 0, true),
        ),
        (
            "payload write reg 1 => 4b @ network header + 16 csum_type 1 csum_off 10 csum_flags 0x1",
            write(Network, 16, 4, ChecksumKind::Inet, 10, true),
        ),
        ("meta load l4proto => reg 1", meta(meta::Key::L4proto, 1)),
        ("meta load ibrhwaddr => reg 1", meta(meta::Key::BriIifhwaddr, 1)),
        ("meta load bri_iifpvid => reg 1", meta(meta::Key::BriIifpvid, 1)),
        ("meta load hour => reg 1", meta(meta::Key::TimeHour, 1)),
        ("meta load mark => reg 9", meta(meta::Key::Mark, 9)),
        ("meta set mark with reg 1", Expr::MetaSet(meta::Set { key: meta::Key::Mark, source: reg(1) })),
        ("ct load mark => reg 1", ct(ct::Key::Mark, None)),
        ("ct load l3protocol => reg 1", ct(ct::Key::L3Protocol, None)),
        ("ct load src_ip6 => reg 1 , dir original", ct(ct::Key::SrcIp6, Some(ct::Direction::Original))),
        ("ct load proto_src => reg 1 , dir reply", ct(ct::Key::ProtoSrc, Some(ct::Direction::Reply))),
        (
            "ct set mark with reg 1",
            Expr::CtSet(ct::Set { key: ct::Key::Mark, direction: None, source: reg(1) }),
        ),
        ("cmp eq reg 1 0x06", cmp(cmp::Op::Eq, &[6])),
        ("cmp neq reg 1 0x0017", cmp(cmp::Op::Neq, &[0, 23])),
        ("cmp eq reg 1 0x000f540c 0x1104", cmp(cmp::Op::Eq, &[0, 15, 0x54, 12, 17, 4])),
        ("range eq reg 1 0x0021 0x002d", range(false, &[0, 0x21], &[0, 0x2d])),
        ("range neq reg 1 0x0021 0x002d", range(true, &[0, 0x21], &[0, 0x2d])),
        ("bitwise reg 1 = ( reg 1 & 0xfc ) ^ 0x00", mask(&[0xfc], &[0])),
        ("bitwise reg 1 = ( reg 1 & 0xff03 ) ^ 0x0058", mask(&[255, 3], &[0, 0x58])),
        ("bitwise reg 1 = ( reg 1 >> 0x00000002 )", bits(1, bitwise::Op::Rshift(2))),
        ("bitwise reg 1 = ( reg 1 << 0x00000002 )", bits(1, bitwise::Op::Lshift(2))),
        ("bitwise reg 1 = ( reg 1 | reg 2 )", bits(4, bitwise::Op::Or(bitwise::Operand::Register(reg(2))))),
        ("byteorder reg 1 = hton(reg 1, 4, 4)", swap(byteorder::Op::Hton, 4)),
        ("byteorder reg 1 = ntoh(reg 1, 2, 2)", swap(byteorder::Op::Ntoh, 2)),
        ("lookup reg 1 set __set%d", lookup("__set%d", lookup::Outcome::Test { invert: false })),
        ("lookup reg 1 set __set%d 0x1", lookup("__set%d", lookup::Outcome::Test { invert: true })),
        ("lookup reg 1 set __map%d dreg 1", lookup("__map%d", lookup::Outcome::Load(reg(1)))),
        ("lookup reg 1 set __map%d dreg 0", lookup("__map%d", lookup::Outcome::Verdict)),
        ("exthdr load ipv6 1b @ 0 + 1 => reg 1", exthdr(exthdr::Kind::Ipv6, 0, 1, 1, get)),
        ("exthdr load ipv6 1b @ 43 + 0 present => reg 1", exthdr(exthdr::Kind::Ipv6, 43, 0, 1, present)),
        ("exthdr load tcpopt 1b @ 4 + 0 present => reg 1", exthdr(exthdr::Kind::Tcpopt, 4, 0, 1, present)),
        ("exthdr load 4b @ 12 + 4 => reg 1", exthdr(exthdr::Kind::Sctp, 12, 4, 4, get)),
        (
            "exthdr write tcpopt reg 1 => 2b @ 2 + 2",
            exthdr(exthdr::Kind::Tcpopt, 2, 2, 2, exthdr::Action::Write(reg(1))),
        ),
        ("exthdr reset tcpopt 30", exthdr(exthdr::Kind::Tcpopt, 30, 0, 0, exthdr::Action::Strip)),
        ("reject type 0 code 3", Expr::Reject(reject::Reject::IcmpUnreach { code: 3 })),
        ("reject type 1 code 0", Expr::Reject(reject::Reject::TcpReset)),
        ("reject type 2 code 1", Expr::Reject(reject::Reject::IcmpxUnreach { code: 1 })),
        ("redir", redir([0, 0], 0)),
        ("redir flags 0x1c", redir([0, 0], 0x1c)),
        ("redir proto_min reg 1 flags 0x2", redir([1, 0], 2)),
        ("redir proto_min reg 1 proto_max reg 2 flags 0x2", redir([1, 2], 2)),
        ("masq flags 0xc", masq([0, 0], 0xc)),
        ("masq proto_min reg 1 flags 0x2", masq([1, 0], 2)),
        ("nat dnat ip addr_min reg 1", nat(nat::Kind::Dnat, Family::Ip, [1, 0], [0, 0], 0)),
        ("nat snat ip6 addr_min reg 1", nat(nat::Kind::Snat, Family::Ip6, [1, 0], [0, 0], 0)),
        ("nat dnat inet proto_min reg 1 flags 0x2", nat(nat::Kind::Dnat, Family::Inet, [0, 0], [1, 0], 2)),
        (
            "nat dnat ip addr_min reg 1 addr_max reg 2 proto_min reg 3 flags 0x2",
            nat(nat::Kind::Dnat, Family::Ip, [1, 2], [3, 0], 2),
        ),
        (
            "limit rate 400/minute burst 5 type packets flags 0x1",
            limit(400, 60, 5, limit::Kind::Packets, true),
        ),
        ("limit rate 1/second burst 0 type bytes flags 0x0", limit(1, 1, 0, limit::Kind::Bytes, false)),
        (
            "limit rate 400/week burst 5 type packets flags 0x0",
            limit(400, 604_800, 5, limit::Kind::Packets, false),
        ),
        ("counter pkts 0 bytes 0", Expr::Counter(counter::Counter::default())),
        ("quota bytes 2048 consumed 0 flags 1", Expr::Quota(quota::Quota::new(2048, true, 0))),
        ("log", log(None, syslog(None, 0))),
        ("log level 7 ipopt uid", log(None, syslog(Some(7), 12))),
        ("log tcpseq tcpopt ipopt uid macdecode", log(None, syslog(None, 47))),
        ("log group 2 snaplen 33 qthreshold 0", log(None, group(2, 33, 0))),
        ("log prefix nft-test:  group 2 snaplen 0 qthreshold 0", log(Some("nft-test: "), group(2, 0, 0))),
        ("tproxy ip addr reg 1 port reg 2", tproxy(Family::Ip, Some(1), Some(2))),
        ("tproxy port reg 1", tproxy(Family::Inet, None, Some(1))),
        ("hash reg 1 = jhash(reg 2, 8, 0xdeadbeef) % mod 2 offset 100", jhash(8, 0xdead_beef, 100)),
        ("hash reg 1 = jhash(reg 2, 8, 0x0) % mod 2", jhash(8, 0, 0)),
        ("hash reg 2 = symhash() % mod 2", symmetric(2, 0)),
        ("numgen reg 1 = inc mod 10", numgen(10, 0)),
        ("numgen reg 1 = inc mod 255 offset 167772161", numgen(255, 167_772_161)),
        ("fib daddr . iif type => reg 1", fib(fib::Outcome::Addrtype, fib::Flags::DADDR | fib::Flags::IIF)),
        ("fib saddr . iif oifname => reg 1", fib(fib::Outcome::Oifname, fib::Flags::SADDR | fib::Flags::IIF)),
        ("fib daddr oif present => reg 1", fib(fib::Outcome::Oif, fib::Flags::DADDR | fib::Flags::PRESENT)),
        ("xfrm load in 0 daddr6 => reg 1", xfrm(0, xfrm::Key::DaddrIp6)),
        ("xfrm load out 0 spi => reg 1", xfrm(1, xfrm::Key::Spi)),
        ("rt load nexthop6 => reg 1", rt(rt::Key::Nexthop6)),
        ("rt load tcpmss => reg 1", rt(rt::Key::Tcpmss)),
        ("rt load ipsec => reg 1", rt(rt::Key::Xfrm)),
        ("socket load wildcard => reg 1", socket(socket::Key::Wildcard)),
        (
            "tunnel load id => reg 1",
            Expr::Tunnel(tunnel::Tunnel { key: tunnel::Key::Id, destination: reg(1), mode: 0 }),
        ),
        ("dup sreg_addr 1 sreg_dev 2", dup(Some(1), Some(2))),
        (
            "fwd sreg_dev 1 sreg_addr 2 nfproto 2",
            Expr::Fwd(fwd::Fwd { device: reg(1), neighbour: Some((reg(2), Family::Ip)) }),
        ),
        (
            "inner type 2 hdrsize 8 flags f [ payload load 3b @ tunnel header + 4 => reg 1 ]",
            inner(inner::Kind::Geneve, 8, 15, load(Tunnel, 4, 3, 1)),
        ),
        (
            "inner type 3 hdrsize 4 flags c [ payload load 4b @ network header + 16 => reg 9 ]",
            inner(gre, 4, 12, load(Network, 16, 4, 9)),
        ),
        (
            "inner type 4 hdrsize 4 flags e [ meta load l4proto => reg 1 ]",
            inner(inner::Kind::Gretap, 4, 14, meta(meta::Key::L4proto, 1)),
        ),
    ]
}

/// Rules in which numbers of host order are printed.
fn ordered() -> Vec<(Vec<Expr>, Vec<&'static str>)> {
    let set_mark = |register| Expr::MetaSet(meta::Set { key: meta::Key::Mark, source: reg(register) });
    let number = |number: u32| number.to_ne_bytes();
    let write_port = write(payload::Base::Transport, 2, 2, payload::ChecksumKind::None, 0, true);
    vec![
        (
            // tcp dport set 100, then a mark: the register serves twice, in two orders
            vec![value(1, &[0, 0x64]), write_port, value(1, &number(1)), set_mark(1)],
            vec![
                "immediate reg 1 0x0064",
                "payload write reg 1 => 2b @ transport header + 2 csum_type 0 csum_off 0 csum_flags 0x1",
                "immediate reg 1 0x00000001",
                "meta set mark with reg 1",
            ],
        ),
        (
            vec![value(1, &number(1)), set_mark(1)],
            vec!["immediate reg 1 0x00000001", "meta set mark with reg 1"],
        ),
        (
            vec![meta(meta::Key::Mark, 1), cmp(cmp::Op::Eq, &number(0x32))],
            vec!["meta load mark => reg 1", "cmp eq reg 1 0x00000032"],
        ),
        (
            vec![meta(meta::Key::Iiftype, 1), cmp(cmp::Op::Eq, &1u16.to_ne_bytes())],
            vec!["meta load iiftype => reg 1", "cmp eq reg 1 0x0001"],
        ),
        (
            vec![ct(ct::Key::Mark, None), mask(&number(3), &number(0)), cmp(cmp::Op::Neq, &number(1))],
            vec![
                "ct load mark => reg 1",
                "bitwise reg 1 = ( reg 1 & 0x00000003 ) ^ 0x00000000",
                "cmp neq reg 1 0x00000001",
            ],
        ),
        (
            vec![
                meta(meta::Key::Cpu, 1),
                swap(byteorder::Op::Hton, 4),
                range(false, &[0, 0, 0, 1], &[0, 0, 0, 3]),
            ],
            vec![
                "meta load cpu => reg 1",
                "byteorder reg 1 = hton(reg 1, 4, 4)",
                "range eq reg 1 0x00000001 0x00000003",
            ],
        ),
        (
            vec![meta(meta::Key::TimeNs, 1), cmp(cmp::Op::Eq, &0x15ad_18e0_e750_c000u64.to_ne_bytes())],
            vec!["meta load time => reg 1", "cmp eq reg 1 0x15ad18e0 0xe750c000"],
        ),
        (
            vec![meta(meta::Key::Iifname, 1), cmp(cmp::Op::Eq, b"dummy0\0\0\0\0\0\0\0\0\0\0")],
            vec!["meta load iifname => reg 1", "cmp eq reg 1 0x64756d6d 0x79300000 0x00000000 0x00000000"],
        ),
    ]
}

#[test]
fn expressions_print_as_nft_prints_them() {
    let cases = plain();
    let kinds: HashSet<_> = cases.iter().map(|(want, _)| *want).collect();
    assert_eq!(kinds.len(), cases.len(), "every line once");
    for (want, expr) in cases {
        assert_eq!(expr.to_string(), want);
    }
}

#[test]
fn numbers_of_host_order_print_most_significant_byte_first() {
    for (exprs, want) in ordered() {
        let mut text = String::new();
        write_rule(&mut text, &exprs, &|_| None).expect("strings take everything");
        let want = want.iter().fold(String::new(), |mut all, line| {
            writeln!(all, "  [ {line} ]").expect("strings take everything");
            all
        });
        assert_eq!(text, want);
    }
}

#[test]
fn what_a_map_loads_has_the_order_of_its_data() {
    let exprs = [lookup("m", lookup::Outcome::Load(reg(1))), cmp(cmp::Op::Eq, &7u32.to_ne_bytes())];
    let mut text = String::new();
    write_rule(&mut text, &exprs, &|_| Some((4, Order::Host))).expect("strings take everything");
    assert_eq!(text, "  [ lookup reg 1 set m dreg 1 ]\n  [ cmp eq reg 1 0x00000007 ]\n");
}

/// The expected lines above are nft's, not ours: each stands in the corpus.
#[test]
fn expected_lines_stand_in_the_corpus() {
    let Some(corpus) = corpus() else { return };
    let mut lines = HashSet::new();
    collect(&corpus, &mut lines);
    // The corpus maps to verdicts only in rules whose maps are printed as data maps.
    let own = ["lookup reg 1 set __map%d dreg 0"];
    let rules = ordered();
    let expected =
        plain().into_iter().map(|(line, _)| line).chain(rules.iter().flat_map(|(_, lines)| lines.clone()));
    let missing: Vec<_> = expected.filter(|line| !lines.contains(*line) && !own.contains(line)).collect();
    assert!(missing.is_empty(), "not in the corpus: {missing:#?}");
}

fn collect(folder: &Path, lines: &mut HashSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the corpus") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, lines);
        } else if path.to_string_lossy().contains(".payload") {
            let text = std::fs::read_to_string(&path).expect("a payload file");
            let inside = text.lines().filter_map(|line| line.strip_prefix("  [ ")?.strip_suffix(" ]"));
            lines.extend(inside.map(String::from));
        }
    }
}

/// The corpus beside the repository, or where `IRONWEIR_SHARED` says. Without it the test is skipped, except in CI.
fn corpus() -> Option<PathBuf> {
    let shared = std::env::var_os("IRONWEIR_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let corpus = shared.join("corpus/py");
    if corpus.is_dir() {
        return Some(corpus);
    }
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "no corpus at {}", corpus.display());
    println!("skipped: no corpus at {}", corpus.display());
    None
}
