//! Who watches packets pass: traces and logs, for those who listen to them ([`Watch`]).
//!
//! While a packet is at work its steps are noted; names are looked up when it has gone its way, in the same ruleset.

use std::sync::Arc;

use ironweir_engine::{
    ChainId, Engine, Observer, Scene, TraceConnection, TraceEvent, TraceStep, TraceVerdict,
};
use ironweir_expr::log::{Destination, Log};
use ironweir_netlink::nflog::HwAddress;
use ironweir_ruleset::netlink::{self, Trace, TraceType};
use ironweir_ruleset::{ChainRef, Ruleset, Verdict};
use ironweir_wire::{IfIndex, LinkType, Packet, ethernet};

use crate::log_line::{self, Lines};
use crate::server::flow;
use crate::watch::{Logged, Watch};

/// Steps of one packet that are told; a ruleset can make more only by many thousands of matching rules.
const MOST_STEPS: usize = 4096;
/// Bytes of the link, network and transport header that a trace tells (`NFT_TRACETYPE_*_HSIZE`).
const HEADERS: [usize; 3] = [20, 40, 20];

/// See the module.
#[derive(Debug, Default)]
pub struct Witness {
    watch: Arc<Watch>,
    steps: Vec<Step>,
    /// What the packet looked like in the base chain that it entered last, and was not told yet.
    looks: Option<Looks>,
    logs: Vec<Logged>,
    lines: Vec<Line>,
}

/// A line of `log` to be, once the interfaces' names are known.
#[derive(Debug)]
struct Line {
    level: u8,
    devices: [IfIndex; 2],
    of: Lines,
}

#[derive(Debug)]
struct Step {
    event: TraceEvent,
    mark: u32,
    looks: Option<Looks>,
}

#[derive(Clone, Debug, Default)]
struct Looks {
    devices: [IfIndex; 2],
    headers: [Box<[u8]>; 3],
}

impl Witness {
    /// For those who listen there.
    pub fn new(watch: Arc<Watch>) -> Witness {
        Witness { watch, ..Witness::default() }
    }

    /// A packet has gone its way: what was noted of it is told.
    pub fn settle(&mut self, engine: &Engine) {
        if self.steps.is_empty() && self.logs.is_empty() && self.lines.is_empty() {
            return;
        }
        let traces = self.steps.drain(..).filter_map(|step| told(step, engine));
        let name = |index: IfIndex| {
            engine.host().interface(index).map_or_else(Box::default, |interface| interface.name.clone())
        };
        let lines = self.lines.drain(..).map(|line| {
            let level = line.level;
            (level, Lines { devices: line.devices.map(name), ..line.of }.text())
        });
        self.watch.put(traces, self.logs.drain(..), lines);
    }
}

impl Observer for Witness {
    fn trace(&mut self, event: &TraceEvent, packet: &Packet<'_>) {
        if !self.watch.traces() || self.steps.len() >= MOST_STEPS {
            return;
        }
        if event.step == TraceStep::Packet {
            self.looks = Some(looks(packet));
            return;
        }
        self.steps.push(Step { event: *event, mark: packet.meta.mark, looks: self.looks.take() });
    }

    fn log(&mut self, log: &Log, scene: &Scene<'_>, packet: &Packet<'_>) {
        let (group, snaplen, queue_threshold) = match log.to {
            Destination::Group { group, snaplen, queue_threshold } => (group, snaplen, queue_threshold),
            Destination::Syslog { level, flags } => return self.line(log, level, flags, packet),
        };
        let Some(wanted) = self.watch.group(group) else { return };
        let from = if packet.meta.at_egress { 0 } else { packet.network() };
        let snaplen = snaplen.map_or(usize::MAX, |len| len as usize);
        let len = packet.len().saturating_sub(from).min(wanted.bytes).min(snaplen);
        let ethernet = packet.link() == LinkType::Ethernet && packet.meta.iif.is_some();
        let source = if ethernet { ethernet::source(packet) } else { None };
        let flow = wanted.connection.then_some(scene.connection).flatten();
        self.logs.push(Logged {
            group,
            threshold: queue_threshold,
            family: scene.family as u8,
            hook: scene.hook.number(scene.family).unwrap_or_default() as u8,
            protocol: packet.meta.protocol,
            prefix: log.prefix.clone(),
            devices: [packet.meta.iif.0, packet.meta.oif.0],
            mark: packet.meta.mark,
            hw_address: source.map(|source| HwAddress::new(&source)),
            link: if ethernet { bytes(packet, 0, ethernet::HEADER_LEN) } else { Vec::new() },
            at: scene.now,
            connection: flow.map(|(entry, info)| (Box::new(flow::attached(entry, scene.now)), info as u32)),
            payload: bytes(packet, from, len),
        });
    }
}

impl Witness {
    /// Notes a packet for a line of text. DIVERGES: whose socket sent it is not known (`flags skuid`), and nothing is told to
    /// an audit (`level audit`).
    fn line(&mut self, log: &Log, level: Option<u32>, flags: u32, packet: &Packet<'_>) {
        let level = level.unwrap_or(WARNING);
        if !self.watch.lines() || level > DEBUG || self.lines.len() >= MOST_STEPS {
            return;
        }
        let ethernet = packet.link() == LinkType::Ethernet && packet.meta.iif.is_some();
        self.lines.push(Line {
            level: level as u8,
            devices: [packet.meta.iif, packet.meta.oif],
            of: Lines {
                prefix: log.prefix.clone().unwrap_or_default(),
                flags,
                mark: packet.meta.mark,
                protocol: packet.meta.protocol,
                link: if ethernet { bytes(packet, 0, ethernet::HEADER_LEN) } else { Vec::new() },
                network: bytes(packet, packet.network(), log_line::BYTES),
                ..Lines::default()
            },
        });
    }
}

/// `LOGLEVEL_WARNING`, which a rule means that says none.
const WARNING: u32 = 4;
/// `LOGLEVEL_DEBUG`.
const DEBUG: u32 = 7;

/// Bytes of a packet, as far as it has them.
fn bytes(packet: &Packet<'_>, from: usize, len: usize) -> Vec<u8> {
    let len = len.min(packet.len().saturating_sub(from));
    let mut scratch = vec![0; len];
    packet.load(from, len, &mut scratch).map(<[u8]>::to_vec).unwrap_or_default()
}

/// What the first step of a packet in a base chain tells of it (`nf_trace_fill_pkt_info`, `nf_trace_fill_dev_info`).
fn looks(packet: &Packet<'_>) -> Looks {
    let [link, network, transport] = HEADERS;
    let at = packet.network();
    let (network, transport) = match packet.transport() {
        Some(upper) => (network.min(upper.saturating_sub(at)), bytes(packet, upper, transport)),
        None => (network, Vec::new()),
    };
    // What a program of this host sends has no link header yet.
    let link = if packet.meta.iif.is_some() { link_header(packet, link) } else { Vec::new() };
    Looks {
        devices: [packet.meta.iif, packet.meta.oif],
        headers: [link.into(), bytes(packet, at, network).into(), transport.into()],
    }
}

/// The link header, with a tag that was taken off it (`nf_trace_fill_ll_header`).
fn link_header(packet: &Packet<'_>, most: usize) -> Vec<u8> {
    let mut header = bytes(packet, 0, packet.network().min(most));
    if let Some(tag) = packet.meta.vlan
        && header.len() >= 12
    {
        let ([a, b], [c, d]) = (tag.protocol.to_be_bytes(), tag.tci.to_be_bytes());
        header.splice(12..12, [a, b, c, d]);
    }
    header
}

/// A step as it is told (`nft_trace_notify`).
fn told(step: Step, engine: &Engine) -> Option<Trace> {
    let ruleset = engine.ruleset();
    let event = step.event;
    // Steps inside a chain that was jumped to name that chain; a policy is the base chain's.
    let chain = match event.step {
        TraceStep::Rule(rule, _) => rule.chain,
        TraceStep::Policy(_) | TraceStep::Packet => event.base,
    };
    let (table, chain) = chain.resolve(ruleset)?;
    let kind = match event.step {
        TraceStep::Rule(..) => TraceType::Rule,
        TraceStep::Policy(_) | TraceStep::Packet => TraceType::Policy,
    };
    let mut trace = Trace::new(table.table.id.clone(), event.id, kind);
    trace.chain = Some(chain.chain.name.clone());
    match event.step {
        TraceStep::Rule(rule, verdict) => {
            trace.rule = Some(rule.handle);
            trace.verdict = Some(verdict_of(verdict, ruleset));
        }
        TraceStep::Policy(policy) => trace.policy = Some(policy),
        TraceStep::Packet => {}
    }
    trace.nfproto = Some(u32::from(event.protocol_family as u8));
    trace.mark = Some(step.mark).filter(|mark| *mark != 0);
    trace.connection = event.connection.map(connection_of);
    if let Some(looks) = step.looks {
        let device = |index: IfIndex| {
            index.is_some().then(|| (index.0, engine.host().interface(index).map(|one| one.kind)))
        };
        let [iif, oif] = looks.devices;
        (trace.iif, trace.oif) = (device(iif), device(oif));
        [trace.link, trace.network, trace.transport] = looks.headers;
    }
    Some(trace)
}

fn connection_of(connection: TraceConnection) -> netlink::TraceConnection {
    let flow = connection.flow;
    netlink::TraceConnection {
        id: flow.map(|(id, _, _)| id),
        direction: flow.map(|(_, direction, _)| direction),
        status: flow.map(|(_, _, status)| status).filter(|status| *status != 0),
        state: Some(connection.state),
    }
}

fn verdict_of(verdict: TraceVerdict, ruleset: &Ruleset) -> Verdict {
    let name =
        |chain: ChainId| ChainRef::new(chain.resolve(ruleset).map_or("", |(_, chain)| &*chain.chain.name));
    match verdict {
        TraceVerdict::Accept => Verdict::Accept,
        TraceVerdict::Drop => Verdict::Drop,
        TraceVerdict::Stolen => Verdict::Stolen,
        TraceVerdict::Queue(number) => Verdict::Queue { number, bypass: false },
        TraceVerdict::Repeat => Verdict::Repeat,
        TraceVerdict::Continue => Verdict::Continue,
        TraceVerdict::Return => Verdict::Return,
        TraceVerdict::Jump(chain) => Verdict::Jump(name(chain)),
        TraceVerdict::Goto(chain) => Verdict::Goto(name(chain)),
    }
}
