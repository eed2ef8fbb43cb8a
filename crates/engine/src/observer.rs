//! What the engine tells while packets pass. Reports, hits and traces are made of it outside.

use ironweir_conntrack::{CtInfo, Entry};
use ironweir_ruleset::{Family, Hook, Policy};
use ironweir_wire::{Instant, Packet};

use crate::{ChainId, RuleId};

/// A verdict without its chain reference's name, for traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the words are nft's
pub enum TraceVerdict {
    Accept,
    Drop,
    Stolen,
    Queue(u16),
    Repeat,
    Continue,
    Return,
    Jump(ChainId),
    Goto(ChainId),
}

/// What `nft monitor trace` prints a line of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceStep {
    /// The packet enters a base chain, with what it carries (the `packet:` line comes with the first).
    Packet,
    /// A rule matched, with this verdict.
    Rule(RuleId, TraceVerdict),
    /// A base chain's policy.
    Policy(Policy),
}

/// A step of a traced packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceEvent {
    /// Number of the packet's trace, the same for its whole way (`trace id`).
    pub id: u32,
    /// When.
    pub now: Instant,
    /// The base chain that is evaluated.
    pub base: ChainId,
    /// Its family.
    pub family: Family,
    /// Its hook.
    pub hook: Hook,
    /// The packet's family at that hook.
    pub protocol_family: Family,
    /// Its connection, where it has one or none on purpose.
    pub connection: Option<TraceConnection>,
    /// What happened.
    pub step: TraceStep,
}

/// What a trace tells of a packet's connection (`nf_trace_fill_ct_info`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceConnection {
    /// Bit of the packet's state, as `ct state` compares it.
    pub state: u32,
    /// Of one that is tracked: number, direction (0 original, 1 reply), status bits.
    pub flow: Option<(u32, u8, u32)>,
}

/// Where a packet is, and what is known of it beside its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// When.
    pub now: Instant,
    /// Its family at the hook.
    pub family: Family,
    /// The hook.
    pub hook: Hook,
    /// Its connection, and what it is to it.
    pub connection: Option<(&'a Entry, CtInfo)>,
}

/// Told of what happens. Every method does nothing unless implemented.
pub trait Observer {
    /// Every match of a rule held, and it ran to its end or to its verdict. `len` counts bytes as `counter` does.
    fn rule_matched(&mut self, rule: RuleId, len: usize) {
        let _ = (rule, len);
    }

    /// No rule of a base chain decided, so its policy did.
    fn policy(&mut self, chain: ChainId, policy: Policy, len: usize) {
        let _ = (chain, policy, len);
    }

    /// A step of a traced packet; the packet is as it is at that moment.
    fn trace(&mut self, event: &TraceEvent, packet: &Packet<'_>) {
        let _ = (event, packet);
    }

    /// A `log` statement was reached.
    fn log(&mut self, log: &ironweir_expr::log::Log, scene: &Scene<'_>, packet: &Packet<'_>) {
        let _ = (log, scene, packet);
    }

    /// A connection was confirmed: it is in the table now.
    fn connection_new(&mut self, l4proto: u8) {
        let _ = l4proto;
    }

    /// An element was added to a set from the packet path.
    fn element_added(&mut self, table: u32, set: u32) {
        let _ = (table, set);
    }

    /// A connection was given to a flowtable.
    fn flow_offloaded(&mut self, table: u32, flowtable: u32) {
        let _ = (table, flowtable);
    }
}

/// Nobody listens.
impl Observer for () {}
