//! The netlink form of every expression: what is decoded after it was encoded is what it was, for any expression; no
//! bytes make decoding panic, and what is not known is not lost.

use ironweir_expr::*;
use ironweir_netlink::{Attributes, DecodeError, Writer};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

fn encoded(expr: &Expr) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    expr.encode(&mut writer);
    writer.finish().expect("every expression has a form");
    bytes
}

fn decoded(bytes: &[u8]) -> Result<Expr, DecodeError> {
    Expr::decode(Attributes::new(bytes))
}

fn register() -> impl Strategy<Value = Register> + Clone {
    select((0..24).filter_map(Register::from_number).collect::<Vec<_>>())
}

fn value() -> impl Strategy<Value = Value> + Clone {
    vec(any::<u8>(), 1..=64).prop_map(Value::from)
}

fn name() -> impl Strategy<Value = Box<str>> + Clone {
    "[a-z_][a-z0-9_-]{0,20}".prop_map(Box::from)
}

fn set() -> impl Strategy<Value = SetRef> {
    let anonymous = |id| SetRef { name: "__set%d".into(), id: Some(id) };
    prop_oneof![name().prop_map(SetRef::new), any::<u32>().prop_map(anonymous)]
}

fn verdict() -> impl Strategy<Value = Verdict> {
    let anonymous = |id| ChainRef { name: "__chain%d".into(), id: Some(id) };
    prop_oneof![
        select(vec![Verdict::Accept, Verdict::Drop, Verdict::Continue, Verdict::Break, Verdict::Return]),
        name().prop_map(|name| Verdict::Jump(ChainRef::new(name))),
        any::<u32>().prop_map(move |id| Verdict::Goto(anonymous(id))),
        any::<(u16, bool)>().prop_map(|(number, bypass)| Verdict::Queue { number, bypass }),
    ]
}

/// First and last register of a range, which differ where both are given.
fn registers() -> impl Strategy<Value = Option<(Register, Option<Register>)>> {
    option::of((register(), option::of(register())))
        .prop_map(|range| range.map(|(first, last)| (first, last.filter(|last| *last != first))))
}

fn nat_flags() -> impl Strategy<Value = nat::Flags> {
    (0u32..128).prop_map(|bits| nat::Flags::from_bits_truncate(bits).difference(nat::Flags::MAP_IPS))
}

fn direction() -> impl Strategy<Value = Option<ct::Direction>> {
    option::of(select(vec![ct::Direction::Original, ct::Direction::Reply]))
}

/// What computes and compares.
fn computing() -> impl Strategy<Value = Expr> {
    use bitwise::{Op, Operand};
    let operand =
        || prop_oneof![register().prop_map(Operand::Register), value().prop_map(Operand::Value)].boxed();
    let op = prop_oneof![
        (value(), value()).prop_map(|(mask, xor)| Op::MaskXor { mask, xor }),
        any::<u32>().prop_map(Op::Lshift),
        any::<u32>().prop_map(Op::Rshift),
        operand().prop_map(Op::And),
        operand().prop_map(Op::Or),
        operand().prop_map(Op::Xor),
    ];
    let ops = vec![cmp::Op::Eq, cmp::Op::Neq, cmp::Op::Lt, cmp::Op::Lte, cmp::Op::Gt, cmp::Op::Gte];
    let orders = vec![byteorder::Op::Ntoh, byteorder::Op::Hton];
    prop_oneof![
        (register(), register(), any::<u32>(), op).prop_map(|(source, destination, len, op)| {
            bitwise::Bitwise { source, destination, len, op }.into()
        }),
        (register(), register(), select(orders), any::<(u32, u32)>()).prop_map(
            |(source, destination, op, (len, size))| {
                byteorder::Byteorder { source, destination, op, len, size }.into()
            }
        ),
        (register(), select(ops), value())
            .prop_map(|(source, op, data)| cmp::Cmp { source, op, data }.into()),
        (register(), any::<bool>(), value(), value()).prop_map(|(source, negated, from, to)| range::Range {
            source,
            negated,
            from,
            to
        }
        .into()),
    ]
}

/// What loads into a register.
fn loading() -> impl Strategy<Value = Expr> {
    use exthdr::Action;
    let exthdr_kinds = vec![
        exthdr::Kind::Ipv6,
        exthdr::Kind::Tcpopt,
        exthdr::Kind::Ipv4,
        exthdr::Kind::Sctp,
        exthdr::Kind::Dccp,
    ];
    let action = prop_oneof![
        register().prop_map(Action::Load),
        register().prop_map(Action::Present),
        register().prop_map(Action::Write),
        Just(Action::Strip),
    ];
    let socket_key = prop_oneof![
        select(vec![socket::Key::Transparent, socket::Key::Mark, socket::Key::Wildcard]),
        any::<u32>().prop_map(|level| socket::Key::Cgroupv2 { level }),
    ];
    let hash_kind = prop_oneof![
        Just(hash::Kind::Symmetric),
        (register(), any::<u32>(), any::<Option<u32>>())
            .prop_map(|(source, len, seed)| hash::Kind::Jenkins { source, len, seed }),
    ];
    let results = vec![fib::Outcome::Oif, fib::Outcome::Oifname, fib::Outcome::Addrtype];
    prop_oneof![
        payload_or_meta_load(),
        (select(ct::Key::ALL.to_vec()), direction(), register())
            .prop_map(|(key, direction, destination)| { ct::Get { key, direction, destination }.into() }),
        (select(exthdr_kinds), any::<u8>(), any::<(u32, u32)>(), action).prop_map(
            |(kind, header, (offset, len), action)| {
                // What is removed is so as a whole.
                let (offset, len) = if action == Action::Strip { (0, 0) } else { (offset, len) };
                exthdr::Exthdr { kind, header, offset, len, action }.into()
            }
        ),
        (register(), select(results), 0u32..64).prop_map(|(destination, result, flags)| {
            fib::Fib { destination, result, flags: fib::Flags::from_bits_truncate(flags) }.into()
        }),
        (hash_kind, register(), any::<(u32, u32)>()).prop_map(|(kind, destination, (modulus, offset))| {
            hash::Hash { kind, destination, modulus, offset }.into()
        }),
        (register(), any::<(u32, u32)>(), select(vec![numgen::Kind::Inc, numgen::Kind::Random])).prop_map(
            |(destination, (modulus, offset), kind)| {
                numgen::Numgen::new(destination, modulus, kind, offset).into()
            }
        ),
        (register(), any::<u8>(), any::<bool>()).prop_map(|(destination, ttl, version)| osf::Osf {
            destination,
            ttl,
            version
        }
        .into()),
        (select(rt::Key::ALL.to_vec()), register()).prop_map(|(key, destination)| rt::Rt {
            key,
            destination
        }
        .into()),
        (socket_key, register()).prop_map(|(key, destination)| socket::Socket { key, destination }.into()),
        (select(vec![tunnel::Key::Path, tunnel::Key::Id]), register(), any::<u32>())
            .prop_map(|(key, destination, mode)| tunnel::Tunnel { key, destination, mode }.into()),
        (select(xfrm::Key::ALL.to_vec()), any::<u8>(), any::<u32>(), register()).prop_map(
            |(key, direction, spnum, destination)| xfrm::Xfrm { key, direction, spnum, destination }.into()
        ),
    ]
}

fn payload_or_meta_load() -> impl Strategy<Value = Expr> {
    prop_oneof![
        (select(payload::Base::ALL.to_vec()), any::<(u32, u32)>(), register()).prop_map(
            |(base, (offset, len), destination)| payload::Load { base, offset, len, destination }.into()
        ),
        (select(meta::Key::ALL.to_vec()), register()).prop_map(|(key, destination)| meta::Get {
            key,
            destination
        }
        .into()),
    ]
}

fn inner() -> impl Strategy<Value = Expr> {
    use inner::Kind::{Geneve, Gre, Gretap, Unspecified, Vxlan};
    let kinds = select(vec![Unspecified, Vxlan, Geneve, Gre, Gretap]);
    (kinds, any::<u32>(), 0u32..16, payload_or_meta_load()).prop_map(|(kind, header_size, flags, expr)| {
        let flags = inner::Flags::from_bits_truncate(flags);
        inner::Inner { kind, header_size, flags, expr: Box::new(expr) }.into()
    })
}

/// What has state, with any state that the wire can tell.
fn stateful() -> impl Strategy<Value = Expr> {
    let kinds = vec![limit::Kind::Packets, limit::Kind::Bytes];
    prop_oneof![
        any::<(u64, u64)>().prop_map(|(packets, bytes)| counter::Counter::new(packets, bytes).into()),
        any::<(u32, bool)>().prop_map(|(count, over)| connlimit::Connlimit::new(count, over).into()),
        any::<(u64, bool, u64)>().prop_map(|(bytes, over, used)| quota::Quota::new(bytes, over, used).into()),
        option::of(0u64..1 << 62)
            .prop_map(|ago| { ago.map_or_else(|| last::Last::new(None), last::Last::before).into() }),
        (any::<(u64, u64, u32, bool)>(), select(kinds)).prop_map(|((rate, unit, burst, over), kind)| {
            limit::Limit::new(rate, unit, burst, kind, over).into()
        }),
    ]
}

/// What acts or decides.
fn acting() -> impl Strategy<Value = Expr> {
    let families = vec![Family::Ip, Family::Ip6, Family::Inet];
    let neighbours = vec![Family::Ip, Family::Ip6];
    let checksums =
        vec![payload::ChecksumKind::None, payload::ChecksumKind::Inet, payload::ChecksumKind::Sctp];
    let log_to = prop_oneof![
        (any::<Option<u32>>(), any::<u32>())
            .prop_map(|(level, flags)| log::Destination::Syslog { level, flags }),
        any::<(u16, Option<u32>, Option<u16>)>().prop_map(|(group, snaplen, queue_threshold)| {
            log::Destination::Group { group, snaplen, queue_threshold }
        }),
    ];
    let queue_to = prop_oneof![
        any::<(u16, u16)>().prop_map(|(first, total)| queue::Number::Range { first, total }),
        register().prop_map(queue::Number::Register),
    ];
    let rejects = prop_oneof![
        Just(reject::Reject::TcpReset),
        any::<u8>().prop_map(|code| reject::Reject::IcmpUnreach { code }),
        any::<u8>().prop_map(|code| reject::Reject::IcmpxUnreach { code }),
    ];
    let nat_kinds = vec![nat::Kind::Snat, nat::Kind::Dnat];
    let first =
        prop_oneof![
            (select(ct::Key::ALL.to_vec()), direction(), register())
                .prop_map(|(key, direction, source)| ct::Set { key, direction, source }.into()),
            (option::of(register()), option::of(register())).prop_map(|(address, device)| dup::Dup {
                address,
                device
            }
            .into()),
            (register(), option::of((register(), select(neighbours))))
                .prop_map(|(device, neighbour)| fwd::Fwd { device, neighbour }.into()),
            name().prop_map(|flowtable| flow_offload::FlowOffload { flowtable }.into()),
            (register(), value()).prop_map(|(destination, value)| {
                immediate::Immediate::Value { destination, value }.into()
            }),
            verdict().prop_map(|verdict| immediate::Immediate::Verdict(verdict).into()),
            (option::of(name()), log_to).prop_map(|(prefix, to)| log::Log { prefix, to }.into()),
            (nat_flags(), registers()).prop_map(|(flags, ports)| masq::Masq { flags, ports }.into()),
            (nat_flags(), registers()).prop_map(|(flags, ports)| redir::Redir { flags, ports }.into()),
        ];
    let second = prop_oneof![
        (select(meta::Key::ALL.to_vec()), register())
            .prop_map(|(key, source)| meta::Set { key, source }.into()),
        (select(nat_kinds), select(families.clone()), registers(), registers(), nat_flags()).prop_map(
            |(kind, family, addresses, ports, flags)| {
                nat::Nat { kind, family, addresses, ports, flags }.into()
            }
        ),
        Just(notrack::Notrack.into()),
        (
            select(payload::Base::ALL.to_vec()),
            any::<(u32, u32)>(),
            register(),
            select(checksums),
            any::<(u32, bool)>()
        )
            .prop_map(|(base, (offset, len), source, kind, (at, pseudo_header))| {
                let checksum = payload::Checksum { kind, offset: at, pseudo_header };
                payload::Write { base, offset, len, source, checksum }.into()
            }),
        (queue_to, any::<(bool, bool)>()).prop_map(|(to, (bypass, fanout))| queue::Queue {
            to,
            bypass,
            fanout
        }
        .into()),
        rejects.prop_map(Expr::Reject),
        any::<(Option<u16>, Option<u8>, bool, bool)>().prop_map(|(mss, wscale, timestamp, sack_perm)| {
            synproxy::Synproxy { mss, wscale, timestamp, sack_perm }.into()
        }),
        (select(families), option::of(register()), option::of(register()))
            .prop_map(|(family, address, port)| tproxy::Tproxy { family, address, port }.into()),
        (name(), any::<u32>(), vec(any::<u8>(), 0..40)).prop_map(|(name, revision, info)| {
            compat::Match { name, revision, info: info.into() }.into()
        }),
        (name(), any::<u32>(), vec(any::<u8>(), 0..40)).prop_map(|(name, revision, info)| {
            compat::Target { name, revision, info: info.into() }.into()
        }),
    ];
    prop_oneof![first, second]
}

/// What names sets and objects.
fn referring() -> impl Strategy<Value = Expr> {
    let result = prop_oneof![
        any::<bool>().prop_map(|invert| lookup::Outcome::Test { invert }),
        register().prop_map(lookup::Outcome::Load),
        Just(lookup::Outcome::Verdict),
    ];
    let ops = vec![dynset::Op::Add, dynset::Op::Update, dynset::Op::Delete];
    prop_oneof![
        (set(), register(), result)
            .prop_map(|(set, source, result)| lookup::Lookup { set, source, result }.into()),
        (select(objref::ObjectType::ALL.to_vec()), name()).prop_map(|(kind, name)| objref::Objref::Name {
            kind,
            name
        }
        .into()),
        (set(), register()).prop_map(|(set, source)| objref::Objref::Map { set, source }.into()),
        (
            set(),
            select(ops),
            register(),
            option::of(register()),
            any::<u64>(),
            any::<bool>(),
            vec(stateful(), 0..3)
        )
            .prop_map(|(set, op, key, data, timeout, invert, exprs)| {
                dynset::Dynset { set, op, key, data, timeout, invert, exprs }.into()
            }),
    ]
}

fn known() -> impl Strategy<Value = Expr> {
    prop_oneof![computing(), loading(), inner(), stateful(), acting(), referring()]
}

/// An attribute of a type that no expression knows.
fn newer() -> impl Strategy<Value = Vec<u8>> {
    (11u16..0x3fff, vec(any::<u8>(), 0..20)).prop_map(|(kind, value)| {
        let mut bytes = Vec::new();
        Writer::new(&mut bytes).put(kind, &value);
        bytes
    })
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(expr in known()) {
        prop_assert_eq!(decoded(&encoded(&expr)), Ok(expr));
    }

    #[test]
    fn attributes_of_a_newer_peer_stay_beside_what_is_known(expr in known(), newer in vec(newer(), 1..3)) {
        let extended = Expr::Extended(Box::new(compat::Extended::new(expr.clone(), newer.concat().into())));
        let bytes = encoded(&extended);
        prop_assert_eq!(extended.to_string(), expr.to_string());
        let back = decoded(&bytes);
        prop_assert_eq!(&back, &Ok(extended));
        prop_assert_eq!(encoded(&back.expect("just compared")), bytes);
    }

    #[test]
    fn an_expression_of_a_newer_peer_comes_back_as_it_was(
        name in "x[a-z]{1,12}",
        attributes in vec(newer(), 0..4),
    ) {
        let unknown = Expr::Unknown(compat::Unknown { name: name.into(), attributes: attributes.concat().into() });
        let bytes = encoded(&unknown);
        prop_assert_eq!(decoded(&bytes), Ok(unknown));
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = decoded(&bytes);
    }

    /// Of what was almost right, what is accepted is the same after one more round.
    #[test]
    fn no_changed_bytes_panic(expr in known(), changes in vec(any::<(u16, u8)>(), 1..6), cut in any::<u16>()) {
        let mut bytes = encoded(&expr);
        for (at, byte) in changes {
            let len = bytes.len();
            bytes[usize::from(at) % len] = byte;
        }
        bytes.truncate(1 + usize::from(cut) % bytes.len());
        if let Ok(expr) = decoded(&bytes) {
            prop_assert_eq!(decoded(&encoded(&expr)), Ok(expr));
        }
    }
}

/// A nest (`NLA_F_NESTED`) around attributes.
fn nest(kind: u16, inside: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    let start = writer.begin_nest(kind);
    writer.put_raw(inside);
    writer.end_nest(start);
    bytes
}

fn named(name: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    Writer::new(&mut bytes).put_str(1, name);
    [bytes, nest(2, data)].concat()
}

fn numbers(attributes: &[(u16, u32)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    attributes.iter().for_each(|(kind, number)| writer.put_u32_be(*kind, *number));
    bytes
}

#[test]
fn errors_say_where_and_what() {
    // NFTA_EXPR_NAME "meta" is 12 bytes, the header of NFTA_EXPR_DATA 4; then NFTA_META_KEY and NFTA_META_DREG.
    let meta = |attributes: &[(u16, u32)]| decoded(&named("meta", &numbers(attributes)));
    assert_eq!(meta(&[(2, 3)]), Err(DecodeError::Missing { kind: 1, nest: 12 }));
    assert_eq!(meta(&[(2, 3), (1, 24)]), Err(DecodeError::Value { kind: 1, offset: 24 }));
    assert_eq!(meta(&[(2, 3), (1, 1), (3, 1)]), Err(DecodeError::Value { kind: 1, offset: 24 }));
    let mut short = Vec::new();
    Writer::new(&mut short).put_u8(2, 3);
    assert_eq!(decoded(&named("meta", &short)), Err(DecodeError::Length { kind: 2, offset: 16, len: 1 }));
    assert_eq!(decoded(&[]), Err(DecodeError::Missing { kind: 1, nest: 0 }));
}

#[test]
fn a_key_or_flag_of_a_newer_peer_keeps_the_whole_expression() {
    for (name, attributes) in [
        ("meta", numbers(&[(2, 99), (1, 1)])),
        ("ct", numbers(&[(2, 99), (1, 1)])),
        ("masq", numbers(&[(1, 1 << 20)])),
        ("numgen", numbers(&[(1, 1), (2, 4), (3, 9)])),
        ("reject", numbers(&[(1, 7)])),
    ] {
        let bytes = named(name, &attributes);
        let expr = decoded(&bytes).expect("a newer peer is no error");
        assert!(matches!(&expr, Expr::Unknown(unknown) if &*unknown.name == name), "{expr:?}");
        assert_eq!(encoded(&expr), bytes, "{name}");
    }
}

#[test]
fn expressions_within_expressions_end() {
    let mut bytes = named("counter", &[]);
    for depth in 0..60 {
        // NFTA_INNER_NUM, _TYPE, _FLAGS, _HDRSIZE and _EXPR.
        let inside = [numbers(&[(1, 0), (2, 1), (3, 15), (4, 8)]), nest(5, &bytes)].concat();
        bytes = named("inner", &inside);
        let right = depth < 3;
        assert_eq!(decoded(&bytes).is_ok(), right, "{depth}");
    }
    assert!(matches!(decoded(&bytes), Err(DecodeError::Depth { .. })));
}

#[test]
fn the_kernel_tells_more_than_it_was_told() {
    // As Linux dumps `dnat to 10.0.0.1` (NFTA_NAT_REG_ADDR_MAX equal to _MIN, NF_NAT_RANGE_MAP_IPS) and a quota that is
    // used up (NFT_QUOTA_F_DEPLETED).
    let nat = decoded(&named("nat", &numbers(&[(1, 1), (2, 2), (3, 1), (4, 1), (7, 1)])));
    let addresses = Some((Register::R1, None));
    let (kind, family, flags) = (nat::Kind::Dnat, Family::Ip, nat::Flags::empty());
    assert_eq!(nat, Ok(nat::Nat { kind, family, addresses, ports: None, flags }.into()));
    let mut quota = Vec::new();
    let mut writer = Writer::new(&mut quota);
    writer.put_u64_be(1, 1000);
    writer.put_u32_be(2, 2);
    writer.put_u64_be(4, 1000);
    assert_eq!(decoded(&named("quota", &quota)), Ok(quota::Quota::new(1000, false, 1000).into()));
}
