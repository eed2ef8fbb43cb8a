//! What rules may ask and do while they look at a packet: the engine's side of [`ironweir_expr::Env`].

mod connection;
mod nat;
mod objects;
mod output;
mod routing;
mod sets;

pub(crate) use output::{error_source, header_sum, icmp_error};
pub(crate) use routing::LOOPBACK;

use std::net::IpAddr;

use ironweir_conntrack::{InvalidReason, Tracking};
use ironweir_expr::connlimit::Connlimit;
use ironweir_expr::dynset::Dynset;
use ironweir_expr::env::{self, Found, Interface, NatRange, RouteQuery, Update};
use ironweir_expr::log::Log;
use ironweir_expr::objref::ObjectType;
use ironweir_expr::osf::Osf;
use ironweir_expr::reject::Reject;
use ironweir_expr::synproxy::Synproxy;
use ironweir_expr::{Decision, Env, Outcome, SetRef, Value, ct, rt};
use ironweir_ruleset::{Family, Hook};
use ironweir_wire::{IfIndex, Instant, Packet, PacketInfo};

use crate::fingerprint::Ttl;
use crate::flight::{Flight, World};
use crate::generation::Generation;
use crate::path::send_now;
use crate::{ChainId, DropReason, Observer, Scene, TraceConnection, TraceEvent, TraceStep};

/// One base chain's evaluation for one packet.
pub(crate) struct Context<'a, O> {
    pub(crate) world: &'a mut World,
    pub(crate) observer: &'a mut O,
    pub(crate) flight: &'a mut Flight,
    pub(crate) generation: &'a Generation,
    /// How many packets this one was made for, one for the other.
    pub(crate) depth: u8,
    /// The base chain.
    pub(crate) base: ChainId,
    /// Its table's family.
    pub(crate) family: Family,
    /// The packet's family at this hook.
    pub(crate) protocol_family: Family,
    pub(crate) hook: Hook,
    /// Whether the packet itself was told to the observer in this chain.
    pub(crate) packet_traced: bool,
    /// Why an expression lets the packet end, when it is not its rule's verdict.
    pub(crate) failure: Option<DropReason>,
}

impl<O: Observer> Context<'_, O> {
    /// Tells the observer, if the packet is traced.
    pub(crate) fn trace(&mut self, step: TraceStep, packet: &Packet<'_>) {
        if !packet.meta.nftrace {
            return;
        }
        if self.flight.trace == 0 {
            self.flight.trace = self.world.random().max(1);
        }
        let connection = self.traced_connection();
        let mut event = TraceEvent {
            id: self.flight.trace,
            now: self.world.now,
            base: self.base,
            family: self.family,
            hook: self.hook,
            protocol_family: self.protocol_family,
            connection,
            step: TraceStep::Packet,
        };
        if !self.packet_traced {
            self.packet_traced = true;
            self.observer.trace(&event, packet);
        }
        event.step = step;
        self.observer.trace(&event, packet);
    }

    /// What a trace tells of the packet's connection: nothing of one that was not looked up, or is invalid.
    fn traced_connection(&self) -> Option<TraceConnection> {
        let tracking = self.flight.tracking;
        let state = tracking.state_bit();
        let (ct, info) = match tracking {
            Tracking::Invalid(_) => return None,
            Tracking::Untracked => return Some(TraceConnection { state, flow: None }),
            Tracking::Flow(ct, info) => (ct, info),
        };
        let entry = self.world.conntrack.entry(ct)?;
        Some(TraceConnection {
            state,
            flow: Some((entry.id(), info.direction() as u8, entry.status().bits())),
        })
    }
}

impl<O: Observer> Env for Context<'_, O> {
    fn family(&self) -> Family {
        self.family
    }

    fn protocol_family(&self) -> Family {
        self.protocol_family
    }

    fn hook(&self) -> Hook {
        self.hook
    }

    fn info(&self) -> PacketInfo {
        self.flight.info
    }

    fn now(&self) -> Instant {
        self.world.now
    }

    fn random(&mut self) -> u32 {
        self.world.random()
    }

    fn utc_offset(&self) -> i32 {
        self.world.host.utc_offset
    }

    fn interface(&self, index: IfIndex) -> Option<Interface<'_>> {
        routing::interface(&self.world.host, index)
    }

    fn bridge_port(&self, index: IfIndex) -> Option<env::BridgePort<'_>> {
        routing::bridge_port(&self.world.host, index)
    }

    fn symmetric_hash(&mut self, packet: &Packet<'_>) -> u32 {
        connection::symmetric_hash(packet, &self.flight.info)
    }

    fn lookup(&mut self, set: &SetRef, key: &[u8], packet: &mut Packet<'_>) -> Found<'_> {
        sets::lookup(self.world, self.flight, self.base.table, set, key, packet)
    }

    fn update(&mut self, dynset: &Dynset, key: &[u8], data: &[u8], packet: &mut Packet<'_>) -> Update {
        sets::update(self, dynset, key, data, packet)
    }

    fn object(&mut self, kind: ObjectType, name: &str, packet: &mut Packet<'_>) -> Outcome {
        objects::named(self.world, self.flight, self.base.table, kind, name, packet)
    }

    fn mapped_object(&mut self, map: &SetRef, key: &[u8], packet: &mut Packet<'_>) -> Outcome {
        objects::mapped(self.world, self.flight, self.base.table, map, key, packet)
    }

    fn ct_state(&self) -> u32 {
        // `ct zone set` attaches a template as `IP_CT_NEW`, which conntrack takes off (nft_ct_set_zone_eval).
        match self.flight.tracking {
            Tracking::Invalid(InvalidReason::Unseen) if self.flight.zoned => 8,
            tracking => tracking.state_bit(),
        }
    }

    fn ct_get(&mut self, key: ct::Key, direction: Option<ct::Direction>) -> Option<Value> {
        connection::get(self.world, self.flight, key, direction)
    }

    fn ct_set(&mut self, key: ct::Key, direction: Option<ct::Direction>, value: &[u8]) {
        connection::set(self.world, self.flight, key, direction, value);
    }

    fn notrack(&mut self) {
        if !self.flight.zoned && matches!(self.flight.tracking, ironweir_conntrack::Tracking::Invalid(_)) {
            self.flight.tracking = ironweir_conntrack::Tracking::Untracked;
        }
    }

    fn connections(&mut self, connlimit: &Connlimit, _packet: &Packet<'_>) -> Option<u32> {
        let World { connections, conntrack, now, .. } = &mut *self.world;
        connection::count(connections, conntrack, self.flight, connlimit, *now)
    }

    fn nat(&mut self, range: &NatRange, packet: &mut Packet<'_>) -> Outcome {
        nat::set_up(self, range, packet)
    }

    fn flow_offload(&mut self, flowtable: &str, packet: &Packet<'_>) -> Outcome {
        crate::flowtable::offload(self, flowtable, packet)
    }

    fn route(&mut self, query: &RouteQuery) -> Option<env::Route> {
        routing::route(&self.world.host, query)
    }

    fn rt(&self, key: rt::Key, packet: &Packet<'_>) -> Option<Value> {
        routing::rt(&self.world.host, self.flight, (self.protocol_family, key), packet)
    }

    fn reject(&mut self, reject: &Reject, packet: &Packet<'_>) {
        output::reject(self.world, self.flight, (self.family, self.hook), reject, packet);
    }

    fn log(&mut self, log: &Log, packet: &Packet<'_>) {
        let connection =
            self.flight.tracking.flow().and_then(|(ct, info)| Some((self.world.conntrack.entry(ct)?, info)));
        let scene = Scene { now: self.world.now, family: self.protocol_family, hook: self.hook, connection };
        self.observer.log(log, &scene, packet);
    }

    fn dup(&mut self, gateway: Option<IpAddr>, device: IfIndex, packet: &Packet<'_>) {
        output::dup(self.world, self.flight, (self.family, self.hook), gateway, device, packet);
        send_now(self.generation, self.world, self.observer, self.depth, packet);
    }

    fn fwd(&mut self, device: IfIndex, neighbour: Option<IpAddr>, packet: &mut Packet<'_>) -> Outcome {
        let outcome = output::fwd(self.world, self.flight, device, neighbour, packet);
        send_now(self.generation, self.world, self.observer, self.depth, packet);
        outcome
    }

    fn osf(&self, osf: &Osf, packet: &Packet<'_>) -> Option<Value> {
        let ttl = match osf.ttl {
            0 => Ttl::Exact,
            1 => Ttl::Less,
            _ => Ttl::Ignored,
        };
        let (system, version) = self.world.host.fingerprints.find(packet, &self.flight.info, ttl)?;
        let name = if osf.version { format!("{system}:{version}") } else { system.to_owned() };
        Some(Value::new(name.as_bytes().get(..16).unwrap_or(name.as_bytes())))
    }

    fn synproxy(&mut self, synproxy: &Synproxy, packet: &mut Packet<'_>) -> Outcome {
        let verdict = output::synproxy(self.world, self.flight, &objects::server_offer(synproxy), packet);
        if verdict == Some(Decision::Drop) {
            self.failure = Some(DropReason::Synproxy);
        }
        verdict.map_or(Outcome::Next, decide)
    }
}

/// A verdict as an outcome.
fn decide(decision: Decision) -> Outcome {
    Outcome::Verdict(decision)
}
