//! Connections: what `conntrack` asks and changes (`net/netfilter/nf_conntrack_netlink.c`).

use std::net::IpAddr;

use ironweir_conntrack::{CtRef, Direction, Entry, EventKind, Status, TcpStatus};
use ironweir_engine::Engine;
use ironweir_netlink::ctnetlink::{
    self, Counters, Flow, Help, Labels, ProtoInfo, SctpInfo, TableStats, TcpFlags, TcpInfo, Timestamp, group,
    message,
};
use ironweir_netlink::{Flags, GenMsg, Header, Message, answer, subsystem};
use ironweir_ruleset::store::Errno;
use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Address, Instant, L3, Tuple};

use super::dump::What;
use super::query::{Answer, Ended};
use super::{Client, Refused, Server};

/// `AF_INET`, `AF_INET6`.
const FAMILIES: [u8; 2] = [2, 10];

/// Events that are kept between two turns while somebody listens.
const EVENTS: usize = 1 << 16;

const fn kind_of(message: u8) -> u16 {
    (subsystem::CTNETLINK as u16) << 8 | message as u16
}

/// Answers a request about connections.
pub(super) fn ctnetlink(
    engine: &mut Engine,
    request: &Message<'_>,
    answer: &mut Answer<'_>,
) -> Result<Ended, Refused> {
    let (genmsg, attributes) = request.nfgen()?;
    let now = engine.now();
    let dump = request.header.flags.contains(Flags::DUMP);
    match request.header.message() {
        message::GET | message::GET_ZERO if dump => {
            let (family, wanted) = (genmsg.family, Box::new(Flow::decode(attributes)?));
            let reset = request.header.message() == message::GET_ZERO;
            Ok(Ended::Dump(What::Connections { family, wanted, reset, place: 0 }))
        }
        message::GET | message::GET_ZERO => {
            let ct = find(engine, &Flow::decode(attributes)?)?;
            let entry = engine.conntrack().entry(ct).ok_or(Errno::ENOENT)?;
            tell(answer, entry, now)?;
            if request.header.message() == message::GET_ZERO {
                zero(engine, &[ct]);
            }
            Ok(Ended::Answered)
        }
        message::DELETE => {
            let flow = Flow::decode(attributes)?;
            if flow.original.is_some() || flow.reply.is_some() {
                let ct = find(engine, &flow)?;
                let id = engine.conntrack().entry(ct).map(Entry::id);
                if flow.id.is_some_and(|wanted| id != Some(wanted)) {
                    return Err(Errno::ENOENT.into());
                }
                engine.conntrack_mut().destroy(now, ct);
            } else {
                let mut gone = Vec::new();
                for (ct, entry) in engine.conntrack().iter() {
                    if matches(entry, genmsg.family, &flow) {
                        gone.push(ct);
                    }
                }
                gone.into_iter().for_each(|ct| engine.conntrack_mut().destroy(now, ct));
            }
            Ok(Ended::Answered)
        }
        message::NEW if !request.header.flags.contains(Flags::CREATE) => {
            update(engine, &Flow::decode(attributes)?)?;
            Ok(Ended::Answered)
        }
        message::GET_STATS => {
            let conntrack = engine.conntrack();
            let stats = TableStats {
                entries: conntrack.len() as u32,
                most: Some(u32::try_from(conntrack.config().max).unwrap_or(u32::MAX)),
            };
            answer.put(kind_of(message::GET_STATS), GenMsg::default(), |writer| stats.encode(writer))?;
            Ok(Ended::Answered)
        }
        message::GET_STATS_CPU | message::GET_DYING | message::GET_UNCONFIRMED if dump => {
            Ok(Ended::Dump(What::Nothing))
        }
        // DIVERGES: connections are made by packets alone.
        _ => Err(Errno::EOPNOTSUPP.into()),
    }
}

pub(super) fn tell(answer: &mut Answer<'_>, entry: &Entry, now: Instant) -> Result<(), Refused> {
    let flow = flow_of(entry, now);
    let genmsg = GenMsg { family: family_of(entry), ..GenMsg::default() };
    answer.put(kind_of(message::NEW), genmsg, |writer| flow.encode(writer))
}

/// The family that a message about a connection names.
fn family_of(entry: &Entry) -> u8 {
    FAMILIES[usize::from(entry.tuple(Direction::Original).l3 == L3::V6)]
}

/// What is told of a connection (`ctnetlink_fill_info`).
fn flow_of(entry: &Entry, now: Instant) -> Flow {
    let status = entry.status();
    let counters = |direction| {
        let counter = entry.counter(direction);
        entry.counts().then_some(Counters { packets: counter.packets, bytes: counter.bytes })
    };
    let nanos = |at: Option<Instant>| at.map(Instant::nanos);
    let labels = entry.labels();
    Flow {
        original: Some(told_tuple(&entry.tuple(Direction::Original))),
        reply: Some(told_tuple(&entry.tuple(Direction::Reply))),
        status: Some(ctnetlink::Status(status.bits())),
        timeout: (!status.contains(Status::OFFLOAD)).then(|| entry.remaining(now).as_secs() as u32),
        protoinfo: protoinfo(entry),
        help: entry.helper().map(|name| Help { name: name.into(), private: [].into() }),
        mark: Some(entry.mark),
        counters: [counters(Direction::Original), counters(Direction::Reply)],
        uses: Some(1),
        id: Some(entry.id()),
        zone: Some(entry.zone().id).filter(|zone| *zone != 0),
        timestamp: entry
            .started()
            .map(|start| Timestamp { start: Some(start.nanos()), stop: nanos(entry.stopped()) }),
        labels: (labels != [0; 16]).then(|| Labels::new(&labels)).flatten(),
        ..Flow::default()
    }
}

fn protoinfo(entry: &Entry) -> Option<ProtoInfo> {
    if entry.status().contains(Status::OFFLOAD) {
        return None;
    }
    if let Some(state) = entry.tcp_status() {
        let state = if state == TcpStatus::None { None } else { Some(state as u8) };
        let flags = Some(TcpFlags { flags: 0, mask: 0 });
        return Some(ProtoInfo::Tcp(TcpInfo { state, flags: [flags, flags], ..TcpInfo::default() }));
    }
    let state = entry.sctp_status()?;
    Some(ProtoInfo::Sctp(SctpInfo { state: Some(state as u8), ..SctpInfo::default() }))
}

pub(super) fn told_tuple(tuple: &Tuple) -> ctnetlink::Tuple {
    let mut told = ctnetlink::Tuple {
        source: tuple.src.to_ip(tuple.l3),
        destination: tuple.dst.to_ip(tuple.l3),
        protocol: Some(tuple.l4),
        ..ctnetlink::Tuple::default()
    };
    match tuple.l4 {
        ipproto::ICMP | ipproto::ICMPV6 => {
            told.icmp_id = Some(tuple.src_id);
            told.icmp_type = Some(tuple.icmp_type());
            told.icmp_code = Some(tuple.icmp_code());
        }
        _ => {
            told.source_port = Some(tuple.src_id);
            told.destination_port = Some(tuple.dst_id);
        }
    }
    told
}

/// The tuple that a request names, whole.
pub(super) fn asked_tuple(asked: &ctnetlink::Tuple, zone: u16) -> Option<Tuple> {
    let (src, dst, l3) = match (asked.source?, asked.destination?) {
        (src @ IpAddr::V4(_), dst @ IpAddr::V4(_)) => (Address::from(src), Address::from(dst), L3::V4),
        (src @ IpAddr::V6(_), dst @ IpAddr::V6(_)) => (Address::from(src), Address::from(dst), L3::V6),
        _ => return None,
    };
    let l4 = asked.protocol?;
    let (src_id, dst_id) = match l4 {
        ipproto::ICMP | ipproto::ICMPV6 => {
            (asked.icmp_id?, u16::from_be_bytes([asked.icmp_type?, asked.icmp_code?]))
        }
        _ => (asked.source_port.unwrap_or(0), asked.destination_port.unwrap_or(0)),
    };
    Some(Tuple { src, dst, src_id, dst_id, zone: asked.zone.unwrap_or(zone), l3, l4 })
}

/// The connection that a request names by the tuple of one of its directions.
pub(super) fn find(engine: &Engine, flow: &Flow) -> Result<CtRef, Refused> {
    let (asked, direction) = match (&flow.original, &flow.reply) {
        (Some(tuple), _) => (tuple, Direction::Original),
        (None, Some(tuple)) => (tuple, Direction::Reply),
        (None, None) => return Err(Errno::EINVAL.into()),
    };
    let tuple = asked_tuple(asked, flow.zone.unwrap_or(0)).ok_or(Errno::EINVAL)?;
    let zone = ironweir_conntrack::Zone { id: tuple.zone, ..ironweir_conntrack::Zone::default() };
    match engine.conntrack().lookup(&tuple, zone) {
        Some((ct, found)) if found == direction => Ok(ct),
        _ => Err(Errno::ENOENT.into()),
    }
}

/// Whether a dump or a flush means a connection: by family, mark, zone and status (`ctnetlink_filter_match`).
pub(super) fn matches(entry: &Entry, family: u8, wanted: &Flow) -> bool {
    let mask = wanted.mark_mask.unwrap_or(u32::MAX);
    let bits = wanted.status.map_or(0, |status| status.0);
    (family == 0 || family == family_of(entry))
        && wanted.mark.is_none_or(|mark| entry.mark & mask == mark)
        && wanted.zone.is_none_or(|zone| entry.zone().id == zone)
        && entry.status().bits() & wanted.status_mask.map_or(bits, |mask| mask.0) == bits
}

pub(super) fn zero(engine: &mut Engine, which: &[CtRef]) {
    for ct in which {
        if let Some(entry) = engine.conntrack_mut().entry_mut(*ct) {
            entry.reset_counters();
        }
    }
}

/// What is told of a connection beside a packet of it (`ctnetlink_glue_build`).
pub(crate) fn attached(entry: &Entry, now: Instant) -> Flow {
    Flow { uses: None, counters: [None, None], timestamp: None, ..flow_of(entry, now) }
}

/// Changes what a request says of a connection that exists.
fn update(engine: &mut Engine, flow: &Flow) -> Result<(), Refused> {
    let ct = find(engine, flow)?;
    change(engine, ct, flow)
}

/// Changes what a request says of this connection.
pub(super) fn change(engine: &mut Engine, ct: CtRef, flow: &Flow) -> Result<(), Refused> {
    // What else the kernel changes here is not taken for done.
    if flow.timeout.is_some() || flow.help.is_some() || flow.status.is_some() || flow.protoinfo.is_some() {
        return Err(Errno::EOPNOTSUPP.into());
    }
    let entry = engine.conntrack_mut().entry_mut(ct).ok_or(Errno::ENOENT)?;
    if let Some(mark) = flow.mark {
        let mask = flow.mark_mask.unwrap_or(u32::MAX);
        entry.mark = entry.mark & !mask ^ mark;
    }
    if let Some(labels) = &flow.labels {
        let mut now = entry.labels();
        let mask = flow.labels_mask.as_ref();
        for (at, byte) in now.iter_mut().enumerate() {
            let new = labels.as_bytes().get(at).copied().unwrap_or(0);
            let touched = mask.map_or(0xff, |mask| mask.as_bytes().get(at).copied().unwrap_or(0));
            *byte = *byte & !touched | new & touched;
        }
        entry.set_labels(now);
    }
    Ok(())
}

impl Server {
    /// Tells those who listen what happened to connections, and to those expected, since the last call.
    pub fn tell_connections(&mut self, engine: &mut Engine) {
        self.tell_expectations(engine);
        let now = engine.now();
        let heard = self.clients.values().fold(0, |groups, client| groups | client.groups);
        let bits = [group::NEW, group::UPDATE, group::DESTROY].map(|group| 1 << (group - 1));
        let conntrack = heard & (bits[0] | bits[1] | bits[2]) != 0;
        engine.conntrack_mut().set_event_capacity(if conntrack { EVENTS } else { 0 });
        let lost = engine.conntrack().stats().events_lost;
        if std::mem::replace(&mut self.events_lost, lost) != lost {
            let listens = |client: &&mut Client| client.groups & (bits[0] | bits[1] | bits[2]) != 0;
            self.clients.values_mut().filter(listens).for_each(|client| client.output.lose());
        }
        for event in engine.conntrack_mut().take_events() {
            let (number, group, flags) = match event.kind {
                EventKind::New => (message::NEW, group::NEW, Flags::CREATE | Flags::EXCL),
                EventKind::Update => (message::NEW, group::UPDATE, Flags::empty()),
                EventKind::Destroy => (message::DELETE, group::DESTROY, Flags::empty()),
            };
            let bit = 1 << (group - 1);
            if heard & bit == 0 {
                continue;
            }
            let flow = flow_of(&event.entry, now);
            let flow = match event.kind {
                EventKind::Destroy => Flow { timeout: None, uses: None, ..flow },
                _ => Flow { uses: None, counters: [None, None], ..flow },
            };
            let genmsg = GenMsg { family: family_of(&event.entry), ..GenMsg::default() };
            let header = Header { kind: kind_of(number), flags, ..Header::default() };
            let mut bytes = Vec::new();
            if answer(&mut bytes, header, genmsg, |writer| flow.encode(writer)).is_err() {
                continue;
            }
            for client in self.clients.values_mut().filter(|client| client.groups & bit != 0) {
                client.output.event(&bytes);
            }
        }
    }
}
