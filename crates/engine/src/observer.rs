//! What the engine tells while packets pass. Reports, hits and traces are made of it outside.

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
    /// A chain ended without a verdict: at its end (`continue`) or by `return`.
    Return(ChainId, TraceVerdict),
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
    /// What happened.
    pub step: TraceStep,
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
    fn log(&mut self, log: &ironweir_expr::log::Log, packet: &Packet<'_>) {
        let _ = (log, packet);
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
