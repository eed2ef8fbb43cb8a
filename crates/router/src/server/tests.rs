use ironweir_engine::Host;
use ironweir_netlink::ctnetlink::{Flow, message as flow_message};
use ironweir_netlink::{GenMsg, Writer, kind};
use ironweir_ruleset::netlink::{Query, Scope, Told, Transaction};
use ironweir_ruleset::{
    Chain, ChainType, Creation, Element, ElementFlags, Family, Hook, Place, Policy, Rule, SetFlags, Table,
    TableId, Userdata,
};

use super::*;

#[path = "../../../engine/tests/support/mod.rs"]
mod support;

struct World {
    engine: Engine,
    server: Server,
    id: ClientId,
}

fn world() -> World {
    let mut server = Server::new();
    let id = server.connect(Process { pid: 42, name: Some("test".into()) });
    World { engine: Engine::new(Host::default(), 1), server, id }
}

fn table() -> TableId {
    TableId::new(Family::Ip, "t")
}

fn new_table(flags: TableFlags) -> Change {
    let table = Table { id: table(), flags, userdata: Userdata::default(), unknown: Default::default() };
    Change::NewTable { table, creation: Creation::Add }
}

fn new_chain() -> Change {
    let chain = Chain {
        name: "c".into(),
        base: None,
        binding: None,
        userdata: Userdata::default(),
        unknown: Default::default(),
    };
    Change::NewChain { table: table(), chain, creation: Creation::Add }
}

fn new_rule() -> Change {
    let chain = ironweir_ruleset::ChainRef::new("c");
    Change::NewRule { table: table(), chain, rule: Rule::default(), place: Place::Last }
}

impl World {
    /// Everything that waits for a client, message by message.
    fn read(&mut self, id: ClientId) -> Vec<(Header, Vec<u8>)> {
        let mut all = Vec::new();
        loop {
            let next = self.server.output(id).and_then(|output| output.front().map(<[u8]>::to_vec));
            let Some(datagram) = next else {
                match self.server.go_on(&mut self.engine, id) {
                    true => continue,
                    false => break,
                }
            };
            for message in Messages::new(&datagram) {
                let message = message.unwrap();
                all.push((
                    message.header,
                    datagram[message.offset..][..message.header.len as usize].to_vec(),
                ));
            }
            self.server.output(id).unwrap().sent();
        }
        all
    }

    fn commit(&mut self, changes: Vec<Change>, flags: Flags) -> Vec<(Header, Vec<u8>)> {
        let transaction = Transaction::encode(&Batch { changes }, 10, None, flags).unwrap();
        self.server.request(&mut self.engine, self.id, transaction.as_bytes());
        self.read(self.id)
    }

    fn ask(&mut self, query: &Query) -> Vec<(Header, Vec<u8>)> {
        let mut bytes = Vec::new();
        query.encode(&mut bytes, 7).unwrap();
        self.server.request(&mut self.engine, self.id, &bytes);
        self.read(self.id)
    }
}

fn ack(bytes: &[u8]) -> (i32, u32, Option<u32>) {
    let message = Messages::new(bytes).next().unwrap().unwrap();
    let ack = Ack::decode(&message).unwrap();
    (ack.errno, ack.request.seq, ack.extended.offset)
}

fn told(bytes: &[u8]) -> Told {
    Told::decode(&Messages::new(bytes).next().unwrap().unwrap()).unwrap()
}

#[test]
fn a_batch_is_acknowledged_and_dumped() {
    let mut world = world();
    let answers = world.commit(vec![new_table(TableFlags::empty()), new_chain(), new_rule()], Flags::ACK);
    assert_eq!(
        answers.iter().map(|(_, bytes)| ack(bytes)).collect::<Vec<_>>(),
        [(0, 11, None), (0, 12, None), (0, 13, None)]
    );
    let dump = world.ask(&Query::Rules { within: Scope::all(), chain: None, reset: false });
    let [(rule, bytes), (end, _)] = &dump[..] else { panic!("{dump:?}") };
    assert!(matches!(told(bytes), Told::Rule(told) if &*told.chain == "c"));
    assert_eq!((rule.seq, rule.port, rule.flags, end.kind), (7, 42, Flags::MULTI, kind::DONE));
}

#[test]
fn a_refused_change_takes_the_batch_back_and_names_its_attribute() {
    let mut world = world();
    let answers = world.commit(vec![new_table(TableFlags::empty()), new_rule()], Flags::empty());
    // The chain's name, NFTA_RULE_CHAIN: behind both headers and the table's name "t", padded to 8 bytes.
    assert_eq!(answers.iter().map(|(_, bytes)| ack(bytes)).collect::<Vec<_>>(), [(2, 12, Some(28))]);
    assert_eq!(world.engine.ruleset().tables().count(), 0);
}

#[test]
fn a_batch_without_end_or_of_another_generation_changes_nothing() {
    let mut world = world();
    let batch = Batch { changes: vec![new_table(TableFlags::empty())] };
    let mut open = Transaction::begin(1, None, Flags::ACK).unwrap();
    open.push(0, &batch.changes[0]).unwrap();
    world.server.request(&mut world.engine, world.id, open.as_bytes());
    assert_eq!(world.read(world.id).len(), 1);
    let stale = Transaction::encode(&batch, 10, Some(99), Flags::ACK).unwrap();
    world.server.request(&mut world.engine, world.id, stale.as_bytes());
    // ERESTART is 85.
    assert_eq!(ack(&world.read(world.id)[0].1), (85, 10, None));
    assert_eq!(world.engine.ruleset().tables().count(), 0);
}

#[test]
fn who_listens_hears_what_was_made_and_what_went() {
    let mut world = world();
    let other = world.server.connect(Process { pid: 43, name: None });
    world.server.listen(other, GROUP_NFTABLES, true).unwrap();
    world.commit(vec![new_table(TableFlags::empty()), new_chain(), new_rule()], Flags::empty());
    let which = Selector::Name("t".into());
    world.commit(vec![Change::DelTable { family: Family::Ip, which, missing_ok: false }], Flags::empty());
    let heard: Vec<Told> = world.read(other).iter().map(|(_, bytes)| told(bytes)).collect();
    use ironweir_ruleset::netlink::Gone;
    assert!(
        matches!(
            &heard[..],
            [
                Told::Table(_),
                Told::Chain(_),
                Told::Rule(_),
                Told::Generation(_),
                Told::Gone(Gone::Rule(_)),
                Told::Gone(Gone::Chain { .. }),
                Told::Gone(Gone::Table { .. }),
                Told::Generation(ironweir_ruleset::netlink::Generation { id: 3, pid: Some(42), .. }),
            ]
        ),
        "{heard:?}"
    );
    assert_eq!(world.server.listen(other, 10, true), Err(Errno::EINVAL));
}

#[test]
fn an_owned_table_is_changed_by_its_owner_alone_and_goes_with_it() {
    let mut world = world();
    let owner = world.id;
    assert!(world.commit(vec![new_table(TableFlags::OWNER)], Flags::empty()).is_empty());
    world.id = world.server.connect(Process { pid: 43, name: None });
    // EPERM is 1.
    assert_eq!(ack(&world.commit(vec![new_chain()], Flags::empty())[0].1).0, 1);
    assert_eq!(world.engine.ruleset().tables().count(), 1);
    world.server.disconnect(&mut world.engine, owner);
    assert_eq!(world.engine.ruleset().tables().count(), 0);
}

#[test]
fn connections_are_listed_and_deleted() {
    let pre = support::base("pre", ChainType::Filter, Hook::Prerouting, 0, Policy::Accept);
    let mut engine = support::engine(vec![support::table(), pre, support::rule("pre", support::ct_state(8))]);
    let packet = support::udp(support::LAN, [192, 168, 1, 7], 1000, [203, 0, 113, 9], 53);
    assert!(support::send(&mut engine, 1000, &packet).forwarded());
    let mut world = World { engine, ..world() };
    let request = |number, flags| {
        let mut bytes = Vec::new();
        let kind = u16::from(subsystem::CTNETLINK) << 8 | u16::from(number);
        ironweir_netlink::message(&mut bytes, kind, Flags::REQUEST | flags, 5, GenMsg::of(2), |_| ())
            .unwrap();
        bytes
    };
    world.server.request(&mut world.engine, world.id, &request(flow_message::GET, Flags::DUMP));
    let listed = world.read(world.id);
    assert_eq!(listed.len(), 2);
    for (_, bytes) in &listed[..listed.len() - 1] {
        let message = Messages::new(bytes).next().unwrap().unwrap();
        let flow = Flow::decode(message.nfgen().unwrap().1).unwrap();
        assert_eq!(flow.original.unwrap().destination_port, Some(53));
    }
    world.server.request(&mut world.engine, world.id, &request(flow_message::DELETE, Flags::ACK));
    assert_eq!(ack(&world.read(world.id)[0].1).0, 0);
    assert_eq!(world.engine.conntrack().len(), 0);
}

#[test]
fn any_bytes_are_survived() {
    let mut world = world();
    let batch = Batch { changes: vec![new_table(TableFlags::empty()), new_chain(), new_rule()] };
    let good = Transaction::encode(&batch, 1, None, Flags::ACK).unwrap();
    for at in 0..good.as_bytes().len() {
        for byte in [0, 1, 0x7f, 0xff] {
            let mut bad = good.as_bytes().to_vec();
            bad[at] = byte;
            world.server.request(&mut world.engine, world.id, &bad);
            world.server.request(&mut world.engine, world.id, &bad[..at]);
            world.server.request(&mut world.engine, world.id, &bad[at..]);
            world.read(world.id);
        }
    }
}

/// As Linux passes over attributes that it does not know but tells what it does, a newer client finds here what it wrote.
#[test]
fn what_nobody_here_knows_of_a_thing_is_told_again() {
    let mut newer = Vec::new();
    Writer::new(&mut newer).put(900, b"newer");
    let mut compat = Vec::new();
    Writer::new(&mut compat).nest(5, |compat| {
        compat.put_u32_be(1, 6);
        compat.put_u32_be(2, 0);
    });
    let mut world = world();
    let transaction = Transaction::encode(
        &Batch { changes: vec![new_table(TableFlags::empty()), new_chain()] },
        10,
        None,
        Flags::empty(),
    )
    .unwrap();
    // Each message again with the attributes behind its own.
    let mut bytes = Vec::new();
    for message in Messages::new(transaction.as_bytes()) {
        let message = message.unwrap();
        let whole = &transaction.as_bytes()[message.offset..][..message.header.len as usize];
        let more = if message.header.subsystem() == subsystem::NFTABLES { &newer[..] } else { &[] };
        let header = Header { len: message.header.len + more.len() as u32, ..message.header };
        bytes.extend_from_slice(&header.encode());
        bytes.extend_from_slice(&whole[Header::LEN..]);
        bytes.extend_from_slice(more);
    }
    world.server.request(&mut world.engine, world.id, &bytes);
    let rule = Rule { compat: Some(ironweir_ruleset::Compat { protocol: 6, flags: 0 }), ..Rule::default() };
    let chain = ironweir_ruleset::ChainRef::new("c");
    world.commit(vec![Change::NewRule { table: table(), chain, rule, place: Place::Last }], Flags::empty());
    let holds =
        |dump: &[(Header, Vec<u8>)], what: &[u8]| dump[0].1.windows(what.len()).any(|part| part == what);
    assert!(holds(&world.ask(&Query::Table { table: table() }), &newer));
    assert!(holds(&world.ask(&Query::Chain { table: table(), name: "c".into() }), &newer));
    let rules = world.ask(&Query::Rules { within: Scope::all(), chain: None, reset: false });
    assert!(holds(&rules, &compat));
}

fn set_of_intervals(first: u32, count: u32) -> Vec<Change> {
    let set = support::set("s", SetFlags::INTERVAL, None);
    let key = |number: u32| number.to_be_bytes().into();
    let element = |number, flags| Element { key: key(number), flags, more: None };
    let elements = (first..first + count)
        .flat_map(|number| {
            [element(number * 2, ElementFlags::empty()), element(number * 2 + 1, ElementFlags::INTERVAL_END)]
        })
        .collect();
    let creation = Creation::Add;
    vec![
        Change::NewSet { table: table(), set, creation },
        Change::NewElements { table: table(), set: ironweir_ruleset::SetRef::new("s"), elements, creation },
    ]
}

#[test]
fn a_long_dump_comes_in_portions_and_tells_each_element_once() {
    let mut world = world();
    world.commit(vec![new_table(TableFlags::empty())], Flags::empty());
    world.commit(set_of_intervals(1, 10_000), Flags::empty());
    let mut bytes = Vec::new();
    let query = Query::Elements { table: table(), set: "s".into(), reset: false };
    query.encode(&mut bytes, 7).unwrap();
    world.server.request(&mut world.engine, world.id, &bytes);
    let first = world.server.waiting_bytes(world.id);
    assert!(world.server.goes_on(world.id), "{first} bytes wait");
    let answers = world.read(world.id);
    let keys: Vec<_> = answers
        .iter()
        .filter(|(header, _)| header.kind != kind::DONE)
        .flat_map(|(header, bytes)| {
            assert_eq!(header.flags, Flags::MULTI);
            let Told::Elements(told) = told(bytes) else { panic!("elements are told") };
            told.elements.into_iter().map(|element| element.key)
        })
        .collect();
    let expected: Vec<_> = (2..20_002_u32).map(|key| key.to_be_bytes().to_vec()).collect();
    assert_eq!(keys.iter().map(|key| key.to_vec()).collect::<Vec<_>>(), expected);
    assert!(!world.server.waiting(world.id));
}

#[test]
fn a_dump_during_which_the_ruleset_changed_says_so() {
    let mut world = world();
    world.commit(vec![new_table(TableFlags::empty()), new_chain()], Flags::empty());
    world.commit((0..3000).map(|_| new_rule()).collect(), Flags::empty());
    let mut bytes = Vec::new();
    Query::Rules { within: Scope::all(), chain: None, reset: false }.encode(&mut bytes, 7).unwrap();
    world.server.request(&mut world.engine, world.id, &bytes);
    let other = world.server.connect(Process::default());
    let batch = Batch { changes: vec![new_rule()] };
    let transaction = Transaction::encode(&batch, 1, None, Flags::empty()).unwrap();
    world.server.request(&mut world.engine, other, transaction.as_bytes());
    let answers = world.read(world.id);
    let (first, last) = (answers.first().unwrap().0, answers.last().unwrap().0);
    assert_eq!((answers.len(), first.flags), (3002, Flags::MULTI));
    assert_eq!((last.kind, last.flags), (kind::DONE, Flags::MULTI | Flags::DUMP_INTR));
}

#[test]
fn a_client_that_asks_and_does_not_read_makes_no_endless_work() {
    let mut world = world();
    world.commit(vec![new_table(TableFlags::empty()), new_chain()], Flags::empty());
    world.commit((0..3000).map(|_| new_rule()).collect(), Flags::empty());
    let mut bytes = Vec::new();
    Query::Rules { within: Scope::all(), chain: None, reset: false }.encode(&mut bytes, 7).unwrap();
    for _ in 0..1000 {
        world.server.request(&mut world.engine, world.id, &bytes);
        while world.server.go_on(&mut world.engine, world.id) {}
    }
    assert!(world.server.waiting_bytes(world.id) < 1 << 20);
    let busy = |bytes: &[u8]| ack(bytes).0 == Errno::EBUSY.number();
    let answers = world.read(world.id);
    assert!(answers.iter().any(|(header, bytes)| header.kind == kind::ERROR && busy(bytes)));
}

/// A live router that logs to group 5 and queues what goes to port 53, with a client.
fn observed() -> (World, Arc<Watch>, crate::witness::Witness) {
    use ironweir_expr::log::{Destination, Log};
    use ironweir_expr::queue::{Number, Queue};
    use support::{base, commit, router, rule};

    let mut host = router();
    host.live = true;
    let mut engine = Engine::new(host, 7);
    let to = Destination::Group { group: 5, snaplen: Some(30), queue_threshold: Some(2) };
    let log = ironweir_ruleset::Expr::Log(Log { prefix: Some("seen: ".into()), to });
    let queue = Queue { to: Number::Range { first: 3, total: 1 }, bypass: false, fanout: false };
    let queue = [support::dport(53), vec![ironweir_ruleset::Expr::Queue(queue)]].concat();
    let forward = base("f", ChainType::Filter, Hook::Forward, 0, Policy::Accept);
    commit(&mut engine, vec![support::table(), forward, rule("f", vec![log]), rule("f", queue)]);
    let mut world = World { engine, ..world() };
    let watch = Arc::<Watch>::default();
    world.server.watch(&watch);
    let witness = crate::witness::Witness::new(watch.clone());
    (world, watch, witness)
}

impl World {
    /// Sends a request of a subsystem, and tells the answer's error number.
    fn request(&mut self, id: ClientId, kind: u16, number: u16, put: impl FnOnce(&mut Writer<'_>)) -> i32 {
        let mut bytes = Vec::new();
        let genmsg = GenMsg { family: 2, version: 0, res_id: number };
        ironweir_netlink::message(&mut bytes, kind, Flags::REQUEST | Flags::ACK, 9, genmsg, put).unwrap();
        self.server.request(&mut self.engine, id, &bytes);
        let answers = self.read(id);
        let [(header, bytes)] = &answers[..] else { panic!("{answers:?}") };
        assert_eq!(header.kind, kind::ERROR);
        ack(bytes).0
    }

    fn pass(&mut self, witness: &mut crate::witness::Witness, dport: u16) -> ironweir_engine::Disposition {
        let frame = support::udp(support::LAN, support::CLIENT, 5000, support::SERVER, dport);
        let at = Instant::from_millis(1_000_000_123);
        let passed = support::send_to(&mut self.engine, at, &frame, witness);
        witness.settle(&self.engine);
        passed.disposition
    }
}

#[test]
fn packets_of_a_log_group_are_gathered_for_its_listener() {
    use ironweir_netlink::nflog::{Config, Packet, command, flag};
    const CONFIG: u16 = 4 << 8 | 1;
    let (mut world, watch, mut witness) = observed();
    let id = world.id;
    let other = world.server.connect(Process { pid: 43, name: None });
    let bind = Config { command: Some(command::BIND), ..Config::default() };
    // Nobody listens: nothing is made.
    world.pass(&mut witness, 80);
    assert!(!watch.has_news());
    let set = Config { mode: Some((0, 2)), ..Config::default() };
    assert_eq!(world.request(id, CONFIG, 5, |writer| set.encode(writer)), 19); // ENODEV
    assert_eq!(world.request(id, CONFIG, 5, |writer| bind.encode(writer)), 0);
    assert_eq!(world.request(id, CONFIG, 5, |writer| bind.encode(writer)), 16); // EBUSY
    assert_eq!(world.request(other, CONFIG, 5, |writer| bind.encode(writer)), 1); // EPERM
    let set = Config { flags: Some(flag::SEQ | flag::CONNTRACK), ..set };
    assert_eq!(world.request(id, CONFIG, 5, |writer| set.encode(writer)), 0);
    let now = Instant::from_secs(1000);
    world.pass(&mut witness, 80);
    assert!(watch.has_news());
    world.server.tell_packets(&mut world.engine, now);
    assert!(world.read(id).is_empty(), "one is gathered");
    assert_eq!(world.server.deadline(), Some(Instant::from_secs(1001)));
    world.pass(&mut witness, 81);
    world.server.tell_packets(&mut world.engine, now);
    // The rule wants two in a message.
    let told = world.read(id);
    let [(first, bytes), (second, _), (done, _)] = &told[..] else { panic!("{told:?}") };
    assert_eq!([first.kind, second.kind, done.kind], [4 << 8, 4 << 8, kind::DONE]);
    let message = Messages::new(bytes).next().unwrap().unwrap();
    let (genmsg, attributes) = message.nfgen().unwrap();
    assert_eq!((genmsg.family, genmsg.res_id), (2, 5));
    let packet = Packet::decode(attributes).unwrap();
    assert_eq!((packet.prefix, packet.hook, packet.protocol), ("seen: ", 2, 0x0800));
    assert_eq!((packet.indev, packet.outdev, packet.seq), (Some(1), Some(2), Some(0)));
    assert_eq!(packet.timestamp, Some((1_000_000, 123_000)));
    assert_eq!(packet.hw_address.unwrap().as_bytes(), [2, 9, 9, 9, 9, 9]);
    assert_eq!(packet.hw_header.unwrap().1.len(), 14);
    let payload = packet.payload.unwrap();
    assert_eq!((payload.len(), payload[0], &payload[12..16]), (30, 0x45, &support::CLIENT[..]));
    // A rest is sent when its time is up.
    world.pass(&mut witness, 80);
    world.server.tell_packets(&mut world.engine, now);
    world.server.tell_packets(&mut world.engine, Instant::from_secs(1001));
    assert_eq!(world.read(id).len(), 1);
    let unbind = Config { command: Some(command::UNBIND), ..Config::default() };
    assert_eq!(world.request(id, CONFIG, 5, |writer| unbind.encode(writer)), 0);
    assert_eq!(world.request(other, CONFIG, 5, |writer| bind.encode(writer)), 0);
    world.server.disconnect(&mut world.engine, other);
    assert_eq!(watch.group(5), None);
}

#[test]
fn a_queues_listener_is_told_and_judges() {
    use ironweir_engine::Disposition;
    use ironweir_netlink::nfqueue::{Config, Packet, Verdict, command, flag};
    const VERDICT: u16 = 3 << 8 | 1;
    const CONFIG: u16 = 3 << 8 | 2;
    const BATCH: u16 = 3 << 8 | 3;
    let (mut world, _, mut witness) = observed();
    let id = world.id;
    let config = Config { command: Some((command::BIND, 0)), mode: Some((40, 2)), ..Config::default() };
    assert!(matches!(world.pass(&mut witness, 53), Disposition::Dropped(_)));
    assert_eq!(world.request(id, CONFIG, 3, |writer| config.encode(writer)), 0);
    let flags = Config { flags: Some((flag::SECCTX, flag::SECCTX)), ..Config::default() };
    assert_eq!(world.request(id, CONFIG, 3, |writer| flags.encode(writer)), 95); // EOPNOTSUPP
    assert_eq!(world.pass(&mut witness, 53), Disposition::Queued { number: 3 });
    let now = Instant::from_millis(1_000_000_200);
    world.server.tell_packets(&mut world.engine, now);
    let told = world.read(id);
    let [(_, bytes)] = &told[..] else { panic!("{told:?}") };
    let (genmsg, attributes) = Messages::new(bytes).next().unwrap().unwrap().nfgen().unwrap();
    let packet = Packet::decode(attributes).unwrap();
    // 20 + 8 + 10 bytes are less than are wanted.
    assert_eq!((genmsg.res_id, packet.id, packet.hook, packet.payload.unwrap().len()), (3, 1, 2, 38));
    let verdict = Verdict { verdict: 1, id: 1, ..Verdict::default() };
    let other = world.server.connect(Process { pid: 43, name: None });
    assert_eq!(world.request(other, VERDICT, 3, |writer| verdict.encode(writer)), 1); // EPERM
    assert_eq!(world.request(id, VERDICT, 4, |writer| verdict.encode(writer)), 19); // ENODEV
    let stolen = Verdict { verdict: 2, ..verdict.clone() };
    assert_eq!(world.request(id, VERDICT, 3, |writer| stolen.encode(writer)), 22); // EINVAL
    assert_eq!(world.request(id, VERDICT, 3, |writer| verdict.encode(writer)), 0);
    assert_eq!(world.request(id, VERDICT, 3, |writer| verdict.encode(writer)), 2); // ENOENT
    let resumed = world.engine.resume(now, &mut witness).unwrap();
    assert!(matches!(resumed.disposition, Disposition::Forwarded { .. }));
    for _ in 0..3 {
        world.pass(&mut witness, 53);
    }
    let batch = Verdict { verdict: 0, id: 3, ..Verdict::default() };
    assert_eq!(world.request(id, BATCH, 3, |writer| batch.encode(writer)), 0);
    for _ in 0..2 {
        let resumed = world.engine.resume(now, &mut witness).unwrap();
        assert!(matches!(resumed.disposition, Disposition::Dropped(_)));
    }
    assert!(world.engine.resume(now, &mut witness).is_none());
    // With its listener a queue goes, and what waits there.
    world.server.disconnect(&mut world.engine, id);
    assert!(matches!(world.engine.resume(now, &mut witness).unwrap().disposition, Disposition::Dropped(_)));
    assert_eq!(world.engine.queue_counters(3), None);
}

#[test]
fn a_listener_that_does_not_read_loses_packets_and_holds_up_nobody() {
    use ironweir_netlink::nfqueue::{Config, command};
    let (mut world, _, mut witness) = observed();
    let id = world.id;
    let config = Config {
        command: Some((command::BIND, 0)),
        mode: Some((0, 2)),
        most: Some(u32::MAX),
        ..Config::default()
    };
    assert_eq!(world.request(id, 3 << 8 | 2, 3, |writer| config.encode(writer)), 0);
    for _ in 0..100_000 {
        world.pass(&mut witness, 53);
        world.server.tell_packets(&mut world.engine, Instant::from_secs(1000));
        while world.engine.resume(Instant::from_secs(1000), &mut witness).is_some() {}
    }
    assert!(world.server.waiting_bytes(id) <= MAX_WAITING + 1024);
    let counters = world.engine.queue_counters(3).unwrap();
    assert!(counters.user_dropped > 50_000 && counters.waiting < 50_000, "{counters:?}");
}

#[test]
fn traces_are_made_while_somebody_listens() {
    use ironweir_expr::Register;
    use ironweir_expr::meta::{Key, Set};
    let (mut world, watch, mut witness) = observed();
    let id = world.id;
    let nftrace = [
        support::value(Register::R1, &[1]),
        ironweir_ruleset::Expr::MetaSet(Set { key: Key::Nftrace, source: Register::R1 }),
    ];
    let pre = support::base("p", ChainType::Filter, Hook::Prerouting, 0, Policy::Accept);
    support::commit(&mut world.engine, vec![pre, support::rule("p", nftrace.to_vec())]);
    world.pass(&mut witness, 80);
    assert!(!watch.has_news());
    world.server.listen(id, GROUP_NFTRACE, true).unwrap();
    world.pass(&mut witness, 80);
    world.server.tell_packets(&mut world.engine, Instant::ZERO);
    let traces: Vec<_> = world
        .read(id)
        .iter()
        .map(|(_, bytes)| match told(bytes) {
            Told::Trace(trace) => *trace,
            other => panic!("{other:?}"),
        })
        .collect();
    // Rule and policy of prerouting, and of forward.
    let chains: Vec<_> = traces.iter().map(|trace| trace.chain.as_deref().unwrap()).collect();
    assert_eq!(chains, ["p", "p", "f", "f"]);
    assert!(traces.iter().all(|trace| trace.id == traces[0].id && trace.nfproto == Some(2)));
    let looks = |at: usize| (traces[at].iif, traces[at].oif, traces[at].network.len());
    assert_eq!(looks(0), (Some((1, Some(1))), None, 20));
    assert_eq!(looks(1), (None, None, 0));
    assert_eq!(looks(2), (Some((1, Some(1))), Some((2, Some(1))), 20));
    assert_eq!((traces[0].link.len(), traces[0].transport.len()), (14, 18));
    world.server.listen(id, GROUP_NFTRACE, false).unwrap();
    world.pass(&mut witness, 80);
    assert!(!watch.has_news());
}
