//! Expectations: what `conntrack -L expect` and its kin ask and change (`net/netfilter/nf_conntrack_netlink.c`,
//! `ctnl_exp_cb`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ironweir_conntrack::{
    CtRef, Direction, EventKind, ExpectError, ExpectFlags, ExpectId, Expectation, Expected, Follow, Policy,
};
use ironweir_engine::Engine;
use ironweir_netlink::ctnetlink::{self, ExpectationNat, Flow, expectation_message as message, group};
use ironweir_netlink::{Flags, GenMsg, Header, Message, answer, subsystem};
use ironweir_ruleset::store::Errno;
use ironweir_wire::{Address, Instant, L3};

use super::dump::What;
use super::flow::{asked_tuple, find, told_tuple};
use super::query::{Answer, Ended};
use super::{Refused, Server};

/// `AF_INET`, `AF_INET6`.
const FAMILIES: [u8; 2] = [2, 10];
/// Events that are kept between two readings.
const EVENTS: usize = 4096;

const fn kind_of(message: u8) -> u16 {
    (subsystem::CTNETLINK_EXP as u16) << 8 | message as u16
}

/// Answers a request about expectations.
pub(super) fn ctnetlink_exp(
    engine: &mut Engine,
    request: &Message<'_>,
    answer: &mut Answer<'_>,
) -> Result<Ended, Refused> {
    let (genmsg, attributes) = request.nfgen()?;
    let now = engine.now();
    let flags = request.header.flags;
    let asked = ctnetlink::Expectation::decode(attributes)?;
    match request.header.message() {
        message::GET if flags.contains(Flags::DUMP) => {
            let master = match asked.master {
                Some(_) => Some(master_of(engine, &asked)?),
                None => None,
            };
            Ok(Ended::Dump(What::Expectations { family: genmsg.family, master }))
        }
        message::GET => {
            let (master, id) = expectation_of(engine, &asked)?;
            let found = engine.conntrack().expectations(now).find(|e| (e.master, e.id) == (master, id));
            tell(answer, found.ok_or(Errno::ENOENT)?, now)?;
            Ok(Ended::Answered)
        }
        message::DELETE => {
            if asked.tuple.is_some() {
                let (master, id) = expectation_of(engine, &asked)?;
                engine.conntrack_mut().unexpect(master, id);
                return Ok(Ended::Answered);
            }
            let of_helper =
                |expected: &&Expected| asked.helper.is_none() || expected.helper() == asked.helper.as_deref();
            let all: Vec<(CtRef, ExpectId)> =
                engine.conntrack().expectations(now).filter(of_helper).map(|e| (e.master, e.id)).collect();
            all.into_iter().for_each(|(master, id)| engine.conntrack_mut().unexpect(master, id));
            Ok(Ended::Answered)
        }
        message::NEW => {
            make(engine, &asked, flags, now)?;
            Ok(Ended::Answered)
        }
        message::GET_STATS_CPU if flags.contains(Flags::DUMP) => Ok(Ended::Dump(What::Nothing)),
        _ => Err(Errno::EOPNOTSUPP.into()),
    }
}

fn master_of(engine: &Engine, asked: &ctnetlink::Expectation) -> Result<CtRef, Refused> {
    let flow = Flow { original: asked.master.clone(), zone: asked.zone, ..Flow::default() };
    find(engine, &flow)
}

/// The expectation that a request names by its tuple.
fn expectation_of(engine: &Engine, asked: &ctnetlink::Expectation) -> Result<(CtRef, ExpectId), Refused> {
    let tuple = asked.tuple.as_ref().or(asked.master.as_ref()).ok_or(Errno::EINVAL)?;
    let tuple = asked_tuple(tuple, asked.zone.unwrap_or(0)).ok_or(Errno::EINVAL)?;
    let (id, expected) = engine.conntrack().expectation_of(&tuple).ok_or(Errno::ENOENT)?;
    if asked.id.is_some_and(|wanted| wanted != id.number()) {
        return Err(Errno::ENOENT.into());
    }
    Ok((expected.master, id))
}

/// A program expects a connection, or changes how long one is expected (`ctnetlink_new_expect`).
fn make(
    engine: &mut Engine,
    asked: &ctnetlink::Expectation,
    flags: Flags,
    now: Instant,
) -> Result<(), Refused> {
    let (Some(tuple), Some(mask), Some(_)) = (&asked.tuple, &asked.mask, &asked.master) else {
        return Err(Errno::EINVAL.into());
    };
    let tuple = asked_tuple(tuple, asked.zone.unwrap_or(0)).ok_or(Errno::EINVAL)?;
    let timeout = asked.timeout.map(|seconds| Duration::from_secs(u64::from(seconds)));
    if let Some((id, expected)) = engine.conntrack().expectation_of(&tuple) {
        if flags.contains(Flags::EXCL) {
            return Err(Errno::EEXIST.into());
        }
        let master = expected.master;
        if let Some(timeout) = timeout {
            engine.conntrack_mut().set_expectation_deadline(master, id, now + timeout);
        }
        return Ok(());
    }
    if !flags.contains(Flags::CREATE) {
        return Err(Errno::ENOENT.into());
    }
    let master = master_of(engine, asked)?;
    let class = u8::try_from(asked.class.unwrap_or(0)).map_err(|_| Errno::EINVAL)?;
    let conntrack = engine.conntrack_mut();
    let has_helper = conntrack.entry(master).is_some_and(|entry| entry.helper().is_some());
    if !has_helper {
        return Err(Errno::EOPNOTSUPP.into());
    }
    let policy = conntrack.expect_policy(master, class);
    let policy = policy.unwrap_or(Policy { max_expected: 0, timeout: timeout.unwrap_or_default() });
    let mut expectation = Expectation {
        tuple,
        src_mask: mask.source.map_or(Address::UNSPECIFIED, Address::from),
        src_id_mask: mask.source_port.unwrap_or(0),
        class,
        flags: ExpectFlags::from_bits_truncate(asked.flags.unwrap_or(0)).difference(ExpectFlags::USERSPACE),
        helper: asked.helper.as_deref().map(Into::into),
        ..Expectation::default()
    };
    if let Some(nat) = &asked.nat {
        let saved = nat.tuple.source.ok_or(Errno::EINVAL)?;
        expectation.direction = if nat.direction == 0 { Direction::Original } else { Direction::Reply };
        expectation.saved_addr = Address::from(saved);
        expectation.saved_id = nat.tuple.source_port.unwrap_or(0);
    }
    expectation.follow = match asked.function.as_deref() {
        None => Follow::Rules,
        Some("nat-follow-master") => Follow::Master,
        Some("sip") => Follow::Saved,
        Some("callforwarding") => Follow::Forwarded,
        Some(_) => return Err(Errno::EINVAL.into()),
    };
    match conntrack.expect(now, master, expectation, &policy) {
        Ok(_) => Ok(()),
        Err(ExpectError::Busy) => Err(Errno::EBUSY.into()),
        Err(ExpectError::Full) => Err(Errno::Other(EMFILE).into()),
        Err(ExpectError::Already) => Err(Errno::Other(EALREADY).into()),
        Err(ExpectError::Gone) => Err(Errno::Other(ESHUTDOWN).into()),
    }
}

/// Numbers of `asm-generic/errno.h`.
const EMFILE: i32 = 24;
const ESHUTDOWN: i32 = 108;
const EALREADY: i32 = 114;

/// Tells all of a family, or of one connection. There are few, so they are one portion.
pub(super) fn dump(
    engine: &Engine,
    family: u8,
    master: Option<CtRef>,
    answer: &mut Answer<'_>,
) -> Result<bool, Refused> {
    let now = engine.now();
    for expected in engine.conntrack().expectations(now) {
        let wanted = master.is_none_or(|master| master == expected.master);
        if wanted && (family == 0 || family == family_of(expected)) {
            tell(answer, expected, now)?;
        }
    }
    Ok(true)
}

fn family_of(expected: &Expected) -> u8 {
    FAMILIES[usize::from(expected.expectation.tuple.l3 == L3::V6)]
}

fn tell(answer: &mut Answer<'_>, expected: &Expected, now: Instant) -> Result<(), Refused> {
    let told = told(expected, now);
    let genmsg = GenMsg { family: family_of(expected), ..GenMsg::default() };
    answer.put(kind_of(message::NEW), genmsg, |writer| told.encode(writer))
}

/// What is told of an expectation (`ctnetlink_exp_dump_expect`).
fn told(expected: &Expected, now: Instant) -> ctnetlink::Expectation {
    let expectation = &expected.expectation;
    let tuple = &expectation.tuple;
    let all: IpAddr = match tuple.l3 {
        L3::V6 => Ipv6Addr::from([0xff; 16]).into(),
        _ => Ipv4Addr::BROADCAST.into(),
    };
    let zone = Some(tuple.zone).filter(|zone| *zone != 0);
    let nat = (expectation.saved_addr != Address::UNSPECIFIED || expectation.saved_id != 0).then(|| {
        let saved = ctnetlink::Tuple {
            source: expectation.saved_addr.to_ip(tuple.l3),
            destination: Address::UNSPECIFIED.to_ip(tuple.l3),
            protocol: Some(tuple.l4),
            source_port: Some(expectation.saved_id),
            destination_port: Some(0),
            ..ctnetlink::Tuple::default()
        };
        ExpectationNat { direction: expectation.direction as u32, tuple: saved }
    });
    let function = match expectation.follow {
        Follow::Master => Some("nat-follow-master"),
        Follow::Saved => Some("sip"),
        Follow::Forwarded => Some("callforwarding"),
        Follow::Rules | Follow::Gre => None,
    };
    ctnetlink::Expectation {
        master: Some(told_tuple(expected.master_tuple())),
        tuple: Some(told_tuple(tuple)),
        mask: Some(ctnetlink::Tuple {
            source: expectation.src_mask.to_ip(tuple.l3),
            destination: Some(all),
            protocol: Some(tuple.l4),
            source_port: Some(expectation.src_id_mask),
            destination_port: Some(u16::MAX),
            ..ctnetlink::Tuple::default()
        }),
        timeout: Some(u32::try_from(expected.deadline.since(now).as_secs()).unwrap_or(u32::MAX)),
        id: Some(expected.id.number()),
        helper: expected.helper().map(Into::into),
        zone,
        flags: Some(expectation.flags.bits()),
        class: Some(u32::from(expectation.class)),
        nat,
        function: function.map(Into::into),
        ..ctnetlink::Expectation::default()
    }
}

impl Server {
    /// Tells those who listen what happened to expectations since the last call.
    pub(super) fn tell_expectations(&mut self, engine: &mut Engine) {
        let now = engine.now();
        let bits = [group::EXPECTATION_NEW, group::EXPECTATION_DESTROY].map(|group| 1 << (group - 1));
        let heard = self.clients.values().fold(0, |groups, client| groups | client.groups);
        let conntrack = engine.conntrack_mut();
        conntrack.set_expect_event_capacity(if heard & (bits[0] | bits[1]) == 0 { 0 } else { EVENTS });
        for event in conntrack.take_expect_events(now) {
            let (number, bit, flags) = match event.kind {
                EventKind::Destroy => (message::DELETE, bits[1], Flags::empty()),
                EventKind::New | EventKind::Update => (message::NEW, bits[0], Flags::CREATE | Flags::EXCL),
            };
            // Of one that is new, its time is whole.
            let told = told(&event.expected, event.since.unwrap_or(now));
            let genmsg = GenMsg { family: family_of(&event.expected), ..GenMsg::default() };
            let header = Header { kind: kind_of(number), flags, ..Header::default() };
            let mut bytes = Vec::new();
            if answer(&mut bytes, header, genmsg, |writer| told.encode(writer)).is_err() {
                continue;
            }
            for client in self.clients.values_mut().filter(|client| client.groups & bit != 0) {
                client.output.event(&bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ironweir_conntrack::{PacketIn, Template, Tracking};
    use ironweir_engine::Host;
    use ironweir_netlink::{Messages, Writer};
    use ironweir_wire::{LinkType, Packet, dissect};

    use super::*;
    use crate::server::{ClientId, Process};

    /// A datagram from 10.0.0.1:5000 to 10.0.0.2:69, without checksums, which are not looked at.
    const FIRST: [u8; 28] =
        [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x13, 0x88, 0, 69, 0, 8, 0, 0];

    struct World {
        engine: Engine,
        server: Server,
        id: ClientId,
        ct: CtRef,
    }

    /// A connection with the helper tftp, and somebody who asks.
    fn world() -> World {
        let mut engine = Engine::new(Host::default(), 1);
        let mut server = Server::new();
        let id = server.connect(Process { pid: 42, name: None });
        let mut bytes = FIRST;
        let mut packet = Packet::new(&mut bytes, 0, FIRST.len(), LinkType::None);
        packet.meta.protocol = 0x800;
        let info = dissect(&mut packet).unwrap();
        let now = engine.now();
        let conntrack = engine.conntrack_mut();
        let PacketIn::Pass(tracking @ Tracking::Flow(ct, _)) =
            conntrack.packet_in(now, &packet, &info, &Template::default())
        else {
            panic!("not tracked")
        };
        conntrack.entry_mut(ct).unwrap().set_helper("tftp".into());
        conntrack.confirm(now, tracking);
        World { engine, server, id, ct }
    }

    impl World {
        fn expect(&mut self, port: u16) {
            let reply = self.engine.conntrack().entry(self.ct).unwrap().tuple(Direction::Reply);
            let expectation = Expectation::new(&reply, 17, Some(reply.src), reply.dst, port);
            let policy = Policy { max_expected: 0, timeout: Duration::from_secs(300) };
            let now = self.engine.now();
            self.engine.conntrack_mut().expect(now, self.ct, expectation, &policy).unwrap();
        }

        /// What is answered: kinds of messages with what they say, errors as their number.
        fn ask(
            &mut self,
            message: u8,
            flags: Flags,
            asked: &ctnetlink::Expectation,
        ) -> Vec<Result<ctnetlink::Expectation, i32>> {
            let mut bytes = Vec::new();
            let header =
                Header { kind: kind_of(message), flags: flags | Flags::REQUEST, seq: 1, ..Header::default() };
            let encode = |writer: &mut Writer<'_>| asked.encode(writer);
            answer(&mut bytes, header, GenMsg::default(), encode).unwrap();
            self.server.request(&mut self.engine, self.id, &bytes);
            self.read()
        }

        fn read(&mut self) -> Vec<Result<ctnetlink::Expectation, i32>> {
            let mut told = Vec::new();
            while let Some(datagram) =
                self.server.output(self.id).and_then(|output| output.front().map(<[u8]>::to_vec))
            {
                for message in Messages::new(&datagram).map(Result::unwrap) {
                    match message.header.kind {
                        2 => told.push(Err(i32::from_ne_bytes(*message.payload.first_chunk().unwrap()))),
                        3 => {}
                        _ => {
                            let (_, attributes) = message.nfgen().unwrap();
                            told.push(Ok(ctnetlink::Expectation::decode(attributes).unwrap()));
                        }
                    }
                }
                self.server.output(self.id).unwrap().sent();
            }
            told
        }
    }

    fn port_of(told: &Result<ctnetlink::Expectation, i32>) -> Result<u16, i32> {
        told.as_ref()
            .map(|told| told.tuple.as_ref().unwrap().destination_port.unwrap())
            .map_err(|errno| *errno)
    }

    #[test]
    fn those_expected_are_listed_told_and_forgotten() {
        let mut world = world();
        let nothing = ctnetlink::Expectation::default();
        assert_eq!(world.ask(message::GET, Flags::DUMP, &nothing), []);
        world.expect(2000);
        world.expect(2001);
        let all = world.ask(message::GET, Flags::DUMP, &nothing);
        assert_eq!(all.iter().map(port_of).collect::<Vec<_>>(), [Ok(2000), Ok(2001)]);
        let first = all[0].clone().unwrap();
        assert_eq!((first.helper.as_deref(), first.timeout, first.class), (Some("tftp"), Some(300), Some(0)));
        assert_eq!(first.master.as_ref().unwrap().destination_port, Some(69));
        let key = ctnetlink::Expectation { tuple: first.tuple.clone(), ..nothing.clone() };
        assert_eq!(
            world.ask(message::GET, Flags::empty(), &key).iter().map(port_of).collect::<Vec<_>>(),
            [Ok(2000)]
        );
        assert_eq!(world.ask(message::DELETE, Flags::ACK, &key), [Err(0)]);
        assert_eq!(world.ask(message::DELETE, Flags::ACK, &key), [Err(-2)], "ENOENT");
        assert_eq!(world.ask(message::DELETE, Flags::ACK, &nothing), [Err(0)]);
        assert_eq!(world.ask(message::GET, Flags::DUMP, &nothing), []);
    }

    #[test]
    fn a_program_expects_connections() {
        let mut world = world();
        world.expect(2000);
        let listed = world.ask(message::GET, Flags::DUMP, &ctnetlink::Expectation::default());
        let like = listed[0].clone().unwrap();
        let tuple = ctnetlink::Tuple { destination_port: Some(3000), ..like.tuple.clone().unwrap() };
        let wanted = ctnetlink::Expectation { tuple: Some(tuple), id: None, ..like.clone() };
        let create = Flags::ACK | Flags::CREATE | Flags::EXCL;
        assert_eq!(world.ask(message::NEW, Flags::ACK, &wanted), [Err(-2)], "ENOENT");
        assert_eq!(world.ask(message::NEW, create, &wanted), [Err(0)]);
        assert_eq!(world.ask(message::NEW, create, &wanted), [Err(-17)], "EEXIST");
        let nobody = ctnetlink::Tuple { source_port: Some(1), ..like.master.clone().unwrap() };
        let tuple = ctnetlink::Tuple { destination_port: Some(3001), ..like.tuple.clone().unwrap() };
        let orphan = ctnetlink::Expectation { master: Some(nobody), tuple: Some(tuple), ..wanted.clone() };
        assert_eq!(world.ask(message::NEW, create, &orphan), [Err(-2)], "ENOENT");
        // The helper may expect one; the older has made room.
        assert_eq!(world.engine.conntrack().expecting(world.ct, 0), 1);
    }
}
