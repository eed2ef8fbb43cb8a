//! The report as data: what `--json` prints, and what the human report and the page are made of.

use ironweir_language::list::priority_text;
use ironweir_ruleset::{Family, Hook, Priority};
use serde::Serialize;

/// What became of a replay's packets, and why. Bytes count from the network header on.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Packets by fate.
    pub packets: Packets,
    /// Dropped packets by reason, most first.
    pub drops: Vec<Drop>,
    /// Malformed packets by reason, most first.
    pub malformed: Vec<Drop>,
    /// Every rule in the order of the ruleset.
    pub rules: Vec<Rule>,
    /// Every chain in the order of the ruleset.
    pub chains: Vec<Chain>,
    /// Named objects with their state.
    pub objects: Vec<Object>,
    /// Named sets and maps.
    pub sets: Vec<Set>,
    /// Connections.
    pub conntrack: Conntrack,
    /// Flowtables.
    pub flowtable: Vec<Flowtable>,
    /// The ruleset afterwards, as `nft list ruleset` prints it (`--list`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ruleset: Option<String>,
    /// Files that were read.
    pub captures: Vec<Capture>,
    /// Time it took, in seconds.
    pub elapsed_s: f64,
    /// Packets per second of that time.
    pub packets_per_s: f64,
}

/// Packets by fate; `read` is the sum of the five that follow it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Packets {
    /// All.
    pub read: u64,
    /// Left the host or were received by it.
    pub passed: u64,
    /// Ended by a rule, a policy or the packet path.
    pub dropped: u64,
    /// Went to a queue.
    pub queued: u64,
    /// Were taken by an expression.
    pub stolen: u64,
    /// Were no packets that a host accepts.
    pub malformed: u64,
    /// Of `passed`: those that a flowtable forwarded.
    pub offloaded: u64,
    /// Of `passed`: those for the host itself.
    pub local: u64,
    /// Of `passed`: those from the host itself.
    pub sent: u64,
    /// Of `read`: those of which the capture holds only a part.
    pub cut: u64,
    /// Packets the engine made besides: answers of `reject`, copies.
    pub made: u64,
}

/// Packets that ended for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Drop {
    /// One word: `rule`, `policy`, `no-route` ...
    pub reason: String,
    /// The reason in words.
    #[serde(skip)]
    pub words: String,
    /// Of the rule or chain.
    pub family: Option<&'static str>,
    /// Of the rule or chain.
    pub table: Option<String>,
    /// The chain.
    pub chain: Option<String>,
    /// The rule.
    pub handle: Option<u64>,
    /// How many.
    pub packets: u64,
    /// How many.
    pub bytes: u64,
}

/// A rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Of its table.
    pub family: &'static str,
    /// Its table.
    pub table: String,
    /// Its chain.
    pub chain: String,
    /// Its handle.
    pub handle: u64,
    /// As nft lists it, without state.
    pub rule: String,
    /// The source file.
    pub file: Option<String>,
    /// Line of the source file, from 1.
    pub line: Option<usize>,
    /// Packets for which every match held.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A chain; hook, priority and policy are those of a base chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Chain {
    /// Of its table.
    pub family: &'static str,
    /// Its table.
    pub table: String,
    /// Its name.
    pub chain: String,
    /// `filter`, `nat` or `route`.
    #[serde(rename = "type")]
    pub kind: Option<&'static str>,
    /// Where it is called.
    pub hook: Option<&'static str>,
    /// Among the chains of that hook.
    pub priority: Option<i32>,
    /// `accept` or `drop`.
    pub policy: Option<&'static str>,
    /// Packets that no rule decided on.
    pub policy_packets: Option<u64>,
    /// Their bytes.
    pub policy_bytes: Option<u64>,
    /// Devices of an ingress or egress chain.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
}

impl Chain {
    /// How nft names its priority: `filter`, `dstnat + 10`.
    pub fn priority_text(&self) -> Option<String> {
        let family = Family::from_name(self.family)?;
        let hook = Hook::from_name(self.hook?)?;
        Some(priority_text(family, hook, Priority(self.priority?), false))
    }

    /// How it is called: `filter hook forward priority filter + 10`; empty for a chain that no hook calls.
    pub fn called(&self) -> String {
        match (self.kind, self.hook, self.priority_text()) {
            (Some(kind), Some(hook), Some(priority)) => format!("{kind} hook {hook} priority {priority}"),
            _ => String::new(),
        }
    }
}

/// A named object.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Object {
    /// Of its table.
    pub family: &'static str,
    /// Its table.
    pub table: String,
    /// `counter`, `quota`, `limit` ...
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its handle.
    pub handle: u64,
    /// A counter's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packets: Option<u64>,
    /// A counter's; a quota's amount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Bytes of a quota that are used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<u64>,
    /// Whether a quota matches beyond its amount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over: Option<bool>,
    /// Its state is another than before.
    pub changed: bool,
}

/// A named set or map.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Set {
    /// Of its table.
    pub family: &'static str,
    /// Its table.
    pub table: String,
    /// `set` or `map`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its handle.
    pub handle: u64,
    /// Elements it holds now.
    pub elements: usize,
    /// Elements that packets added.
    pub added: u64,
}

/// Connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Conntrack {
    /// Made in all.
    pub created: u64,
    /// Made, by transport protocol.
    pub by_protocol: std::collections::BTreeMap<String, u64>,
    /// There at the end.
    pub now: u64,
}

/// A flowtable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Flowtable {
    /// Of its table.
    pub family: &'static str,
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// Its handle.
    pub handle: u64,
    /// Devices it forwards between.
    pub devices: Vec<String>,
    /// Connections given to it.
    pub offloaded: u64,
    /// Connections it holds at the end.
    pub now: u64,
    /// Packets it forwarded.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Connections that went back to the classic path: FIN or RST, a route that changed, a packet too large.
    pub torn_down: u64,
    /// Connections that were idle for too long.
    pub expired: u64,
}

/// A file that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Capture {
    /// Its path.
    pub file: String,
    /// Packets read.
    pub packets: u64,
}

/// Name of a transport protocol as nft and `/etc/protocols` have it; the number where there is none.
pub fn protocol_name(number: u8) -> String {
    let name = match number {
        1 => "icmp",
        2 => "igmp",
        6 => "tcp",
        17 => "udp",
        33 => "dccp",
        47 => "gre",
        50 => "esp",
        51 => "ah",
        58 => "icmpv6",
        132 => "sctp",
        136 => "udplite",
        _ => return number.to_string(),
    };
    name.to_owned()
}
