//! What is written is read as it was; what the kernel and stock nft say is read.

use ironweir_expr::objref::ObjectType;
use ironweir_netlink::{Ack, Attributes, Done, Flags, Header, Messages};

use super::*;
use crate::object::{CtExpectation, CtHelper, CtTimeout, Erspan, GeneveOption, Tunnel, TunnelOptions};
use crate::set::{SetData, SetPolicy};
use crate::*;

fn id() -> TableId {
    TableId::new(Family::Inet, "t")
}

fn rule(exprs: Vec<Expr>) -> Rule {
    let mut userdata = Userdata::default();
    assert!(userdata.push_str(0, "why"));
    Rule { exprs, userdata, ..Rule::default() }
}

fn verdict(verdict: Verdict) -> Expr {
    ironweir_expr::immediate::Immediate::Verdict(verdict).into()
}

fn base(devices: &[&str]) -> BaseChain {
    BaseChain {
        kind: ChainType::Filter,
        hook: Hook::Ingress,
        priority: Priority(-150),
        devices: devices.iter().map(|device| (*device).into()).collect(),
        policy: Some(Policy::Drop),
        hw_offload: true,
    }
}

fn set(name: &str, flags: SetFlags, data: Option<SetData>) -> Set {
    Set {
        name: name.into(),
        id: 9,
        flags,
        key_type: 7,
        key_len: 8,
        fields: if flags.contains(SetFlags::CONCAT) { vec![4, 2] } else { Vec::new() },
        data,
        size: Some(100),
        timeout: Some(60_000),
        gc_interval: Some(1_000),
        policy: SetPolicy::Memory,
        exprs: vec![counter(), counter()],
        userdata: Userdata::from_bytes(vec![1, 2, 3]),
        unknown: Default::default(),
    }
}

fn counter() -> Expr {
    ironweir_expr::counter::Counter::new(3, 4).into()
}

fn objects() -> Vec<ObjectKind> {
    let tunnel = |options| {
        ObjectKind::Tunnel(Box::new(Tunnel {
            id: 10,
            src: Some([10, 0, 0, 1].into()),
            dst: None,
            sport: Some(1),
            dport: Some(2),
            tos: Some(3),
            ttl: Some(4),
            flowlabel: None,
            flags: 1,
            options,
        }))
    };
    let geneve = |kind| GeneveOption { class: 0x102, kind, data: vec![kind; 8] };
    vec![
        ObjectKind::Counter(ironweir_expr::counter::Counter::new(1, 2)),
        ObjectKind::Quota(ironweir_expr::quota::Quota::new(1000, true, 10)),
        ObjectKind::Connlimit(ironweir_expr::connlimit::Connlimit::new(5, true)),
        ObjectKind::CtHelper(CtHelper { helper: "ftp".into(), l3proto: 0x800, l4proto: 6 }),
        ObjectKind::CtTimeout(CtTimeout { l3proto: 0, l4proto: 6, timeouts: vec![(1, 20), (4, 3600)] }),
        ObjectKind::CtExpectation(CtExpectation {
            l3proto: 0,
            l4proto: 17,
            dport: 99,
            timeout: 1000,
            size: 3,
        }),
        ObjectKind::Secmark(crate::object::Secmark { context: "system_u:object_r:x".into() }),
        tunnel(TunnelOptions::None),
        tunnel(TunnelOptions::Vxlan { gbp: 200 }),
        tunnel(TunnelOptions::Erspan(Erspan::V1 { index: 3 })),
        tunnel(TunnelOptions::Erspan(Erspan::V2 { direction: 1, hwid: 2 })),
        tunnel(TunnelOptions::Geneve(vec![geneve(1), geneve(2)])),
    ]
}

fn elements() -> Vec<Element> {
    let mut full = Element::new(Value::from([1, 2, 3, 4]));
    *full.more_mut() = crate::set::ElementMore {
        key_end: Some(Value::from([1, 2, 3, 9])),
        data: Some(ElementData::Data(Data::Verdict(Verdict::Jump(ChainRef::new("c"))))),
        timeout: Some(1),
        expiration: Some(2),
        exprs: vec![counter()],
        userdata: Userdata::from_bytes(vec![0, 1, 0]),
        unknown: Default::default(),
    };
    let mut object = Element::new(Value::from([1]));
    object.more_mut().data = Some(ElementData::Object("o".into()));
    let mut data = Element::catchall();
    data.more_mut().data = Some(ElementData::Data(Data::Value(Value::from([1, 2]))));
    vec![full, object, data, Element::interval_end(Value::from([9, 9])), Element::new(Value::from([7; 64]))]
}

/// Attributes that nobody knows.
fn newer() -> Unknown {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    writer.nest(500, |writer| writer.put_str(1, "newer"));
    writer.put(501, &[1, 2, 3]);
    let mut unknown = Unknown::default();
    Attributes::new(&bytes).flatten().for_each(|attribute| unknown.keep(&attribute).unwrap());
    assert_eq!(unknown.as_bytes(), bytes);
    unknown
}

fn changes() -> Vec<Change> {
    let name = || Selector::Name("x".into());
    let handle = || Selector::Handle(Handle(77));
    let new_rule = |chain, place| Change::NewRule {
        table: id(),
        chain,
        rule: Rule {
            compat: Some(Compat { protocol: 17, flags: 0 }),
            unknown: newer(),
            ..rule(vec![counter(), verdict(Verdict::Accept)])
        },
        place,
    };
    let anonymous = ChainRef { name: "__chain%d".into(), id: Some(5) };
    let chain = |binding: Option<u32>, base| Chain {
        name: if binding.is_none() { "c".into() } else { "__chain%d".into() },
        base,
        binding,
        userdata: Userdata::from_bytes(vec![0, 2, 65, 0]),
        unknown: newer(),
    };
    let flowtable = |hook, devices: &[&str]| Flowtable {
        name: "f".into(),
        hook,
        priority: Priority(if hook.is_some() { -3 } else { 0 }),
        devices: devices.iter().map(|device| (*device).into()).collect(),
        hw_offload: hook.is_some(),
        counter: true,
        unknown: newer(),
    };
    let mut changes = vec![
        Change::NewTable {
            table: Table {
                id: id(),
                flags: TableFlags::OWNER | TableFlags::PERSIST,
                userdata: Userdata::from_bytes(vec![0, 2, 65, 0]),
                unknown: newer(),
            },
            creation: Creation::Create,
        },
        Change::DelTable { family: Family::Ip, which: name(), missing_ok: true },
        Change::DelTable { family: Family::Ip, which: handle(), missing_ok: false },
        Change::FlushRuleset { family: None },
        Change::FlushRuleset { family: Some(Family::Bridge) },
        Change::NewChain { table: id(), chain: chain(None, None), creation: Creation::Add },
        Change::NewChain { table: id(), chain: chain(Some(5), None), creation: Creation::Add },
        Change::NewChain { table: id(), chain: chain(None, Some(base(&["lo"]))), creation: Creation::Create },
        Change::NewChain {
            table: id(),
            chain: chain(None, Some(base(&["lo", "eth*"]))),
            creation: Creation::Add,
        },
        Change::NewChain { table: id(), chain: chain(None, Some(base(&["eth*"]))), creation: Creation::Add },
        Change::RenameChain { table: id(), chain: handle(), name: "y".into() },
        Change::DelChain { table: id(), chain: name(), devices: vec!["lo".into()], missing_ok: false },
        Change::DelChain { table: id(), chain: handle(), devices: vec![], missing_ok: true },
        new_rule(ChainRef::new("c"), Place::Last),
        new_rule(ChainRef::new("c"), Place::First),
        new_rule(anonymous, Place::Last),
        new_rule(ChainRef::new("c"), Place::After(RuleSelector::Handle(Handle(3)))),
        new_rule(ChainRef::new("c"), Place::Before(RuleSelector::Change(14))),
        new_rule(ChainRef::new("c"), Place::Instead(RuleSelector::Handle(Handle(3)))),
        Change::DelRule { table: id(), chain: "c".into(), rule: RuleSelector::Change(13), missing_ok: false },
        Change::DelRule {
            table: id(),
            chain: "c".into(),
            rule: RuleSelector::Handle(Handle(4)),
            missing_ok: true,
        },
        Change::FlushRules { table: id(), chain: Some("c".into()) },
        Change::FlushRules { table: id(), chain: None },
        Change::NewSet {
            table: id(),
            set: set("s", SetFlags::CONCAT | SetFlags::INTERVAL | SetFlags::EXPR, None),
            creation: Creation::Create,
        },
        Change::NewSet {
            table: id(),
            set: set("m", SetFlags::MAP | SetFlags::CONCAT, Some(SetData::Verdict)),
            creation: Creation::Add,
        },
        Change::NewSet {
            table: id(),
            set: set("__map%d", SetFlags::MAP | SetFlags::CONCAT, Some(SetData::Value { kind: 3, len: 4 })),
            creation: Creation::Add,
        },
        Change::NewSet {
            table: id(),
            set: set("o", SetFlags::OBJECT | SetFlags::CONCAT, Some(SetData::Object(ObjectType::Quota))),
            creation: Creation::Add,
        },
        Change::DelSet { table: id(), set: handle(), missing_ok: false },
        Change::NewElements {
            table: id(),
            set: SetRef { name: "__map%d".into(), id: Some(9) },
            elements: elements(),
            creation: Creation::Create,
        },
        Change::DelElements { table: id(), set: "s".into(), elements: Some(elements()), missing_ok: true },
        Change::DelElements { table: id(), set: "s".into(), elements: None, missing_ok: false },
        Change::DelObject { table: id(), kind: ObjectType::Limit, object: name(), missing_ok: true },
        Change::NewFlowtable {
            table: id(),
            flowtable: flowtable(Some(Hook::Ingress), &["lo", "eth0"]),
            creation: Creation::Create,
        },
        Change::NewFlowtable { table: id(), flowtable: flowtable(None, &["lo"]), creation: Creation::Add },
        Change::DelFlowtable {
            table: id(),
            flowtable: name(),
            devices: vec!["lo".into()],
            missing_ok: false,
        },
    ];
    changes.extend(objects().into_iter().map(|kind| Change::NewObject {
        table: id(),
        object: Object { name: "o".into(), kind, userdata: Userdata::default(), unknown: newer() },
        creation: Creation::Add,
    }));
    changes
}

fn list<'a>(message: &ironweir_netlink::Message<'a>, kind: u16) -> Vec<Attribute<'a>> {
    let (_, attributes) = message.nfgen().unwrap();
    attributes.require(kind).unwrap().nested().flatten().collect()
}

fn read_back(transaction: &Transaction) -> Vec<Change> {
    let mut requests = Requests::new();
    let mut changes = Vec::new();
    for message in Messages::new(transaction.as_bytes()) {
        if let Some(change) = requests.decode(&message.unwrap(), changes.len() as u32).unwrap() {
            changes.push(change);
        }
    }
    changes
}

#[test]
fn every_change_comes_back() {
    let batch = Batch { changes: changes() };
    let transaction = Transaction::encode(&batch, 100, Some(3), Flags::ACK).unwrap();
    let read = read_back(&transaction);
    assert_eq!(read.len(), batch.changes.len());
    for (read, written) in read.iter().zip(&batch.changes) {
        assert_eq!(read, written);
    }
    for index in 0..read.len() as u32 {
        assert_eq!(transaction.change_of(101 + index), Some(index));
    }
    assert_eq!(transaction.change_of(100), None);
    assert_eq!(transaction.change_of(transaction.next_seq() - 1), None);
    assert_eq!(transaction.change_of(transaction.next_seq()), None);
}

#[test]
fn many_elements_become_several_messages_of_one_change() {
    let keys = |count: u32| (0..count).map(|key| Element::new(Value::from(key.to_be_bytes()))).collect();
    let new = |elements| Change::NewElements {
        table: id(),
        set: SetRef::new("s"),
        elements,
        creation: Creation::Add,
    };
    let flush = || Change::FlushRules { table: id(), chain: None };
    let changes =
        vec![flush(), new(keys(10_000)), new(keys(3)), new(keys(7_000)), new(vec![]), flush(), flush()];
    let transaction = Transaction::encode(&Batch { changes }, u32::MAX - 3, None, Flags::empty()).unwrap();
    let mut seen = Vec::new();
    let mut count = [0; 7];
    for message in Messages::new(transaction.as_bytes()) {
        let message = message.unwrap();
        let Some(change) = transaction.change_of(message.header.seq) else { continue };
        seen.push(change);
        let read = Requests::new().decode(&message, 0).unwrap().unwrap();
        if let Change::NewElements { elements, .. } = read {
            count[change as usize] += elements.len();
        }
    }
    // 16 bytes each: headers of the element, its key and the key's value, and the value. The list's header is 4.
    let per_message = (65_535 - 4) / 16;
    let messages = |count: usize| count.div_ceil(per_message);
    let expected: Vec<u32> = [1, messages(10_000), 1, messages(7_000), 0, 1, 1]
        .into_iter()
        .zip(0u32..)
        .flat_map(|(count, change)| vec![change; count])
        .collect();
    assert_eq!(seen, expected);
    assert_eq!(count, [0, 10_000, 3, 7_000, 0, 0, 0]);
}

#[test]
fn an_offset_leads_to_the_element_or_expression_at_fault() {
    let elements: Vec<_> = (0..5_000u32).map(|key| Element::new(Value::from(key.to_be_bytes()))).collect();
    let rule = Change::NewRule {
        table: id(),
        chain: ChainRef::new("c"),
        rule: rule(vec![counter(), counter(), verdict(Verdict::Drop)]),
        place: Place::Last,
    };
    let new = Change::NewElements { table: id(), set: SetRef::new("s"), elements, creation: Creation::Add };
    let transaction =
        Transaction::encode(&Batch { changes: vec![rule, new] }, 0, None, Flags::empty()).unwrap();
    let messages: Vec<_> = Messages::new(transaction.as_bytes()).flatten().collect();
    let expressions = list(&messages[1], 4);
    let fault = |seq, offset: usize| transaction.fault(seq, Some(offset as u32)).unwrap().part;
    assert_eq!(fault(1, expressions[2].offset), Some(FaultPart::Expression(2)));
    assert_eq!(fault(1, expressions[1].offset + 8), Some(FaultPart::Expression(1)));
    assert_eq!(fault(1, 20), Some(FaultPart::Attribute(1)));
    let first = list(&messages[2], 3).len() as u32;
    let second = list(&messages[3], 3);
    assert_eq!(fault(3, second[7].offset), Some(FaultPart::Element(first + 7)));
    assert_eq!(transaction.fault(2, None), Some(Fault { change: 1, part: None }));
}

#[test]
fn what_is_told_comes_back() {
    let unknown = newer();
    let handle = Handle(12);
    let chain = |base| Chain {
        name: "c".into(),
        base,
        binding: None,
        userdata: Userdata::default(),
        unknown: unknown.clone(),
    };
    let mut told = vec![
        Told::Table(TableMessage {
            table: Table {
                id: id(),
                flags: TableFlags::DORMANT,
                userdata: Userdata::default(),
                unknown: unknown.clone(),
            },
            handle,
            uses: 3,
            owner: Some(5),
        }),
        Told::Chain(ChainMessage {
            table: id(),
            chain: chain(Some(base(&["lo"]))),
            handle,
            uses: 1,
            counters: Some((1, 2)),
        }),
        Told::Chain(ChainMessage {
            table: id(),
            chain: Chain { binding: Some(0), ..chain(None) },
            handle,
            uses: 1,
            counters: None,
        }),
        Told::Rule(RuleMessage {
            table: id(),
            chain: "c".into(),
            rule: Rule {
                compat: Some(Compat { protocol: 6, flags: Compat::INVERTED }),
                unknown: unknown.clone(),
                ..rule(vec![counter()])
            },
            handle,
            position: Some(Handle(11)),
        }),
        Told::Set(SetMessage {
            table: id(),
            set: Set {
                id: 0,
                unknown: unknown.clone(),
                ..set("s", SetFlags::TIMEOUT | SetFlags::CONCAT, None)
            },
            handle,
            backend: Some("nft_set_rhash_type".into()),
            count: Some(4),
        }),
        Told::Elements(ElementsMessage { table: id(), set: "s".into(), elements: elements() }),
        Told::Flowtable(FlowtableMessage {
            table: id(),
            flowtable: Flowtable {
                name: "f".into(),
                hook: Some(Hook::Ingress),
                priority: Priority(5),
                devices: vec!["lo".into()],
                hw_offload: false,
                counter: true,
                unknown: unknown.clone(),
            },
            handle,
            uses: 1,
        }),
        Told::Generation(Generation { id: 5, pid: Some(7), process: Some("nft".into()) }),
        Told::Trace(Box::new(Trace {
            chain: Some("c".into()),
            rule: Some(handle),
            verdict: Some(Verdict::Goto(ChainRef::new("d"))),
            policy: Some(Policy::Accept),
            nfproto: Some(2),
            mark: Some(1),
            iif: Some((1, Some(772))),
            oif: Some((2, None)),
            link: [1; 14].into(),
            network: [2; 20].into(),
            transport: [3; 8].into(),
            connection: Some(TraceConnection {
                id: Some(9),
                direction: Some(1),
                status: Some(2),
                state: Some(8),
            }),
            unknown: unknown.clone(),
            ..Trace::new(id(), 77, TraceType::Rule)
        })),
        Told::Gone(Gone::Table { id: id(), handle }),
        Told::Gone(Gone::Chain { table: id(), name: "c".into(), handle, devices: vec!["lo".into()] }),
        Told::Gone(Gone::Set { table: id(), name: "s".into(), handle }),
        Told::Gone(Gone::Elements(ElementsMessage { table: id(), set: "s".into(), elements: elements() })),
        Told::Gone(Gone::Object { table: id(), kind: ObjectType::Quota, name: "o".into(), handle }),
        Told::Gone(Gone::Flowtable { table: id(), name: "f".into(), handle, devices: vec![] }),
    ];
    told.extend(objects().into_iter().map(|kind| {
        Told::Object(ObjectMessage {
            table: id(),
            object: Object {
                name: "o".into(),
                kind,
                userdata: Userdata::default(),
                unknown: unknown.clone(),
            },
            handle,
            uses: 2,
        })
    }));
    let mut buffer = Vec::new();
    let header = Header { seq: 5, port: 9, flags: Flags::MULTI, ..Header::default() };
    for told in &told {
        told.encode(&mut buffer, header, 0x1_0007).unwrap();
    }
    let mut read = 0;
    for (message, told) in Messages::new(&buffer).zip(&told) {
        let message = message.unwrap();
        assert_eq!((message.header.seq, message.header.port, message.header.flags), (5, 9, Flags::MULTI));
        assert_eq!(message.nfgen().unwrap().0.res_id, 7);
        assert_eq!(Told::decode(&message).as_ref(), Ok(told));
        read += 1;
    }
    assert_eq!(read, told.len());
}

#[test]
fn every_question_comes_back() {
    let table = id();
    let within = Scope::table(&table);
    let chain: Box<str> = "c".into();
    let queries = [
        Query::Generation,
        Query::Tables { family: None },
        Query::Tables { family: Some(Family::Ip6) },
        Query::Table { table: table.clone() },
        Query::Chains { within: Scope::all() },
        Query::Chain { table: table.clone(), name: "c".into() },
        Query::Rules { within: within.clone(), chain: Some(chain.clone()), reset: false },
        Query::Rules { within: Scope::family(Family::Ip), chain: None, reset: true },
        Query::Rule { table: table.clone(), chain, handle: Handle(4), reset: true },
        Query::Sets { within: within.clone() },
        Query::Set { table: table.clone(), name: "s".into() },
        Query::Elements { table: table.clone(), set: "s".into(), reset: true },
        Query::Element { table: table.clone(), set: "s".into(), elements: elements(), reset: false },
        Query::Objects { within: within.clone(), kind: Some(ObjectType::Quota), reset: true },
        Query::Object { table: table.clone(), kind: ObjectType::Limit, name: "o".into(), reset: false },
        Query::Flowtables { within },
        Query::Flowtable { table, name: "f".into() },
    ];
    for query in queries {
        let mut buffer = Vec::new();
        query.encode(&mut buffer, 3).unwrap();
        let message = Messages::new(&buffer).next().unwrap().unwrap();
        assert_eq!(Query::decode(&message), Ok(Some(query)));
    }
}

#[test]
fn elements_that_are_told_are_spread_over_messages() {
    let elements: Vec<_> = (0..9_000u32).map(|key| Element::new(Value::from(key.to_be_bytes()))).collect();
    let message = ElementsMessage { table: id(), set: "s".into(), elements };
    let mut buffer = Vec::new();
    assert!(Told::Elements(message.clone()).encode(&mut buffer, Header::default(), 1).is_err());
    assert!(buffer.is_empty());
    Told::encode_elements(&message, &mut buffer, Header::default(), 1).unwrap();
    let mut read = Vec::new();
    for message in Messages::new(&buffer) {
        match Told::decode(&message.unwrap()).unwrap() {
            Told::Elements(more) => read.extend(more.elements),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(read, message.elements);
}

#[test]
fn what_cannot_be_said_is_an_error_and_leaves_nothing_behind() {
    let name: Box<str> = "x".repeat(70_000).into();
    let long =
        Change::DelTable { family: Family::Ip, which: Selector::Name(name.clone()), missing_ok: false };
    let rename = Change::RenameChain { table: id(), chain: Selector::Name("a".into()), name: "b".into() };
    let mut element = Element::new(Value::from([1]));
    element.more_mut().data = Some(ElementData::Object(name));
    let element = Change::NewElements {
        table: id(),
        set: SetRef::new("s"),
        elements: vec![element],
        creation: Creation::Add,
    };
    let mut transaction = Transaction::begin(1, None, Flags::empty()).unwrap();
    let len = transaction.as_bytes().len();
    for change in [long, rename, element] {
        assert!(transaction.push(0, &change).is_err(), "{change:?}");
        assert_eq!(transaction.as_bytes().len(), len);
    }
}

proptest::proptest! {
    #[test]
    fn random_attributes_never_panic(
        kind in 0u8..36, family in 0u8..11, flags: u16,
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..120),
        attributes in proptest::collection::vec((1u16..22, proptest::collection::vec(0u8..12, 0..40)), 0..12),
    ) {
        let mut buffer = Vec::new();
        ironweir_netlink::message(
            &mut buffer, message_type(kind), Flags(flags), 1, ironweir_netlink::GenMsg::of(family), |writer| {
                attributes.iter().for_each(|(kind, value)| writer.put(*kind, value));
            },
        ).unwrap();
        let framed = Header { len: 16 + bytes.len() as u32, kind: message_type(kind), ..Header::default() };
        let random = [&framed.encode(), &bytes[..]].concat();
        for message in Messages::new(&buffer).chain(Messages::new(&random)).flatten() {
            let _ = Told::decode(&message);
            let _ = Query::decode(&message);
            let _ = Requests::new().decode(&message, 0);
            let _ = Ack::decode(&message);
            let _ = Done::decode(&message);
        }
    }

    #[test]
    fn damaged_messages_never_panic(which in 0usize..60, at in 0usize..400, byte: u8) {
        let batch = Batch { changes: changes() };
        let transaction = Transaction::encode(&batch, 0, None, Flags::empty()).unwrap();
        let messages: Vec<_> = Messages::new(transaction.as_bytes()).flatten().collect();
        let message = messages[which % messages.len()];
        let end = message.offset + message.header.len as usize;
        let mut bytes = transaction.as_bytes()[message.offset..end].to_vec();
        let at = 20 + at % (bytes.len().max(21) - 20);
        if let Some(damaged) = bytes.get_mut(at) {
            *damaged = byte;
        }
        for message in Messages::new(&bytes).flatten() {
            let _ = Told::decode(&message);
            let _ = Requests::new().decode(&message, 0);
        }
    }
}

#[test]
fn what_is_not_known_is_left_out_where_it_is_refused() {
    let batch = Batch { changes: changes() };
    let known = batch.without_unknown().unwrap();
    assert_eq!(known.without_unknown(), None);
    assert_eq!(known.changes.len(), batch.changes.len());
    assert_ne!(known, batch);
}

#[test]
fn of_what_is_not_known_64_kib_are_kept() {
    let bytes = [0; 40_000];
    let mut buffer = Vec::new();
    let mut writer = Writer::new(&mut buffer);
    writer.put(super::rule::TABLE, b"t\0");
    writer.put(900, &bytes);
    let read =
        |buffer: &[u8]| super::rule::Given::read(Attributes::new(buffer)).map(|given| given.rule.unknown);
    assert_eq!(read(&buffer).unwrap().as_bytes().len(), 40_004);
    Writer::new(&mut buffer).put(901, &bytes);
    assert!(matches!(read(&buffer), Err(DecodeError::Length { kind: 901, len: 40_000, .. })));
}
