//! Packets that a rule gives to a program, and what its verdict makes of them.

mod support;

use ironweir_engine::queue::QueueVerdict;
use ironweir_engine::{Disposition, DropReason, Engine, Neighbour};
use ironweir_expr::queue::{Number, Queue};
use ironweir_ruleset::{ChainType, Change, Expr, Hook, Policy};
use ironweir_wire::{IfIndex, Instant, LinkType, Packet};
use support::*;

const HOP: [u8; 6] = [2, 0, 0, 0, 0, 0xfe];

fn queue(number: u16, bypass: bool) -> Expr {
    Expr::Queue(Queue { to: Number::Range { first: number, total: 1 }, bypass, fanout: false })
}

fn live(changes: Vec<Change>) -> Engine {
    let mut host = router();
    host.live = true;
    let address = "198.51.100.254".parse().unwrap();
    host.add_neighbour(Neighbour { address, mac: HOP, interface: WAN }).unwrap();
    let mut engine = Engine::new(host, 7);
    commit(&mut engine, changes);
    engine
}

/// A ruleset that queues at a hook, counts behind it there, and counts at postrouting.
fn queued_at(hook: Hook, number: u16, bypass: bool) -> Vec<Change> {
    vec![
        table(),
        base("first", ChainType::Filter, hook, -10, Policy::Accept),
        rule("first", vec![counter(), queue(number, bypass)]),
        base("behind", ChainType::Filter, hook, 10, Policy::Accept),
        rule("behind", vec![counter()]),
        base("post", ChainType::Filter, Hook::Postrouting, 10, Policy::Accept),
        rule("post", [ct_state(8), vec![counter()]].concat()),
    ]
}

fn put(engine: &mut Engine, iif: IfIndex, mut bytes: Vec<u8>) -> Disposition {
    let len = bytes.len();
    let mut packet = Packet::new(&mut bytes, 0, len, LinkType::Ethernet);
    packet.meta.iif = iif;
    engine.process(Instant::from_secs(1000), &mut packet, &mut ())
}

fn question() -> Frame {
    Frame { payload: 100, ..udp(LAN, CLIENT, 5000, SERVER, 53) }
}

#[test]
fn a_packet_goes_on_from_where_it_waited_at_every_hook() {
    for hook in [Hook::Prerouting, Hook::Forward, Hook::Postrouting] {
        let mut engine = live(queued_at(hook, 7, false));
        assert!(engine.bind_queue(7));
        assert_eq!(put(&mut engine, LAN, question().bytes()), Disposition::Queued { number: 7 });
        assert_eq!((counts(&engine, "first"), counts(&engine, "behind")), (vec![1], vec![0]), "{hook}");
        assert_eq!(engine.take_queued(), Some((7, 1)));
        let queued = engine.queued(7, 1).unwrap();
        assert_eq!((queued.hook, queued.meta.iif, queued.bytes.len()), (hook, LAN, 14 + 28 + 100));
        assert!(queued.connection.is_some(), "behind conntrack");
        assert!(engine.resume(Instant::from_secs(1001), &mut ()).is_none());
        assert!(engine.judge((7, 1), QueueVerdict::Accept, Some(5), None));
        let resumed = engine.resume(Instant::from_secs(1001), &mut ()).unwrap();
        assert_eq!(resumed.disposition, Disposition::Forwarded { oif: WAN, offloaded: false });
        assert_eq!((resumed.bytes[..6].to_vec(), resumed.bytes[22]), (HOP.to_vec(), 63), "{hook}");
        // Its connection was new all the while, and is confirmed now.
        assert_eq!((counts(&engine, "behind"), counts(&engine, "post")), (vec![1], vec![1]), "{hook}");
        assert_eq!(engine.conntrack().len(), 1);
    }
}

#[test]
fn what_is_for_the_host_is_delivered_after_its_verdict() {
    let mut engine = live(queued_at(Hook::Input, 3, false));
    engine.bind_queue(3);
    let frame = udp(LAN, CLIENT, 5000, [192, 168, 1, 1], 53);
    assert_eq!(put(&mut engine, LAN, frame.bytes()), Disposition::Queued { number: 3 });
    assert!(engine.judge((3, 1), QueueVerdict::Stop, None, None));
    let resumed = engine.resume(Instant::from_secs(1001), &mut ()).unwrap();
    assert_eq!((resumed.disposition, resumed.iif, resumed.own), (Disposition::Local, LAN, false));
    // Chains of its hook that were to come did not see it.
    assert_eq!(counts(&engine, "behind"), [0]);
}

#[test]
fn a_queue_without_a_listener_drops_or_is_passed_by() {
    let mut engine = live(queued_at(Hook::Forward, 7, false));
    assert_eq!(put(&mut engine, LAN, question().bytes()), Disposition::Dropped(DropReason::Queue));
    let mut engine = live(queued_at(Hook::Forward, 7, true));
    assert!(matches!(put(&mut engine, LAN, question().bytes()), Disposition::Forwarded { .. }));
    engine.bind_queue(7);
    assert_eq!(put(&mut engine, LAN, question().bytes()), Disposition::Queued { number: 7 });
    // Who goes away leaves nothing behind but drops, and no connection.
    let mut engine = live(queued_at(Hook::Forward, 7, false));
    engine.bind_queue(7);
    put(&mut engine, LAN, question().bytes());
    assert!(engine.unbind_queue(7));
    let resumed = engine.resume(Instant::from_secs(1001), &mut ()).unwrap();
    assert_eq!(resumed.disposition, Disposition::Dropped(DropReason::Queue));
    assert!(engine.resume(Instant::from_secs(1001), &mut ()).is_none());
    assert_eq!(engine.conntrack().len(), 0);
    assert_eq!(engine.drops().find(|(name, _)| *name == "queue"), Some(("queue", 1)));
}

#[test]
fn verdicts_change_bytes_repeat_and_send_to_other_queues() {
    let mut engine = live(queued_at(Hook::Forward, 7, false));
    engine.bind_queue(7);
    engine.bind_queue(8);
    put(&mut engine, LAN, question().bytes());
    let payload = engine.queued(7, 1).map(|queued| queued.bytes[queued.network..].to_vec()).unwrap();
    let mut shorter = payload[..28 + 50].to_vec();
    shorter[2..4].copy_from_slice(&78_u16.to_be_bytes());
    shorter[24..26].copy_from_slice(&58_u16.to_be_bytes());
    // Once more through the chain, which queues it again; from there to another queue; from there with other bytes.
    assert!(engine.judge((7, 1), QueueVerdict::Repeat, None, None));
    let resumed = engine.resume(Instant::from_secs(1001), &mut ()).unwrap();
    assert_eq!(resumed.disposition, Disposition::Queued { number: 7 });
    assert_eq!(counts(&engine, "first"), [2]);
    assert!(engine.judge((7, 2), QueueVerdict::Queue { number: 8, bypass: false }, None, None));
    let resumed = engine.resume(Instant::from_secs(1001), &mut ()).unwrap();
    assert_eq!(resumed.disposition, Disposition::Queued { number: 8 });
    assert!(engine.judge((8, 1), QueueVerdict::Accept, None, Some(&shorter)));
    let resumed = engine.resume(Instant::from_secs(1001), &mut ()).unwrap();
    assert!(matches!(resumed.disposition, Disposition::Forwarded { .. }));
    assert_eq!(resumed.bytes.len(), 14 + 28 + 50);
    // Bytes that are no packet are not sent.
    put(&mut engine, LAN, question().bytes());
    assert!(engine.judge((7, 3), QueueVerdict::Accept, None, Some(&[0x45, 0])));
    let resumed = engine.resume(Instant::from_secs(1001), &mut ()).unwrap();
    assert_eq!(resumed.disposition, Disposition::Dropped(DropReason::Queue));
    assert!(!engine.judge((7, 3), QueueVerdict::Accept, None, None));
}

#[test]
fn a_chain_that_went_meanwhile_ends_what_it_queued() {
    let mut engine = live(queued_at(Hook::Forward, 7, false));
    engine.bind_queue(7);
    put(&mut engine, LAN, question().bytes());
    commit(&mut engine, vec![Change::FlushRuleset { family: None }]);
    engine.judge((7, 1), QueueVerdict::Accept, None, None);
    let resumed = engine.resume(Instant::from_secs(1001), &mut ()).unwrap();
    assert_eq!(resumed.disposition, Disposition::Dropped(DropReason::Queue));
}

#[test]
fn a_datagram_in_fragments_is_judged_whole_and_leaves_in_fragments() {
    let mut engine = live(queued_at(Hook::Forward, 7, false));
    engine.bind_queue(7);
    let whole = Frame { payload: 2000, ..udp(LAN, CLIENT, 5000, SERVER, 53) }.bytes();
    let piece = |from: usize, to: usize, more: bool| {
        let mut bytes = whole[..34].to_vec();
        bytes.extend(&whole[34 + from..34 + to]);
        bytes[16..18].copy_from_slice(&((20 + to - from) as u16).to_be_bytes());
        let offset = (from / 8) as u16 | if more { 0x2000 } else { 0 };
        bytes[20..22].copy_from_slice(&offset.to_be_bytes());
        bytes[24..26].copy_from_slice(&[0, 0]);
        let sum = ironweir_wire::checksum::Sum::ZERO.bytes(&bytes[14..34]).finish();
        bytes[24..26].copy_from_slice(&sum.to_be_bytes());
        bytes
    };
    put(&mut engine, LAN, piece(0, 1400, true));
    assert_eq!(put(&mut engine, LAN, piece(1400, 2008, false)), Disposition::Queued { number: 7 });
    assert_eq!(engine.queued(7, 1).unwrap().bytes.len(), whole.len());
    engine.judge((7, 1), QueueVerdict::Accept, None, None);
    let resumed = engine.resume(Instant::from_secs(1001), &mut ()).unwrap();
    assert_eq!(resumed.disposition, Disposition::Forwarded { oif: WAN, offloaded: false });
    let first = engine.poll_output().unwrap();
    assert_eq!((first.bytes.len(), resumed.bytes.len()), (34 + 1400, 34 + 608));
    assert_eq!((first.bytes[20] & 0x20, &resumed.bytes[20..22]), (0x20, &[0, 175][..]));
}
