//! What was counted until now, over one socket: connections, rules, drops.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::ops::ControlFlow;

use ironweir_client::connection::Connection;
use ironweir_client::conntrack::{Conntrack, Listing};
use ironweir_client::kernel::Kernel;
use ironweir_client::statistics::statistics;
use ironweir_expr::Expr;
use ironweir_io::Endpoint;
use ironweir_language::datatype::Names;
use ironweir_language::list::Lister;
use ironweir_language::print::Options as PrintOptions;
use ironweir_netlink::ctnetlink::{Flow, Status, Tuple};
use ironweir_netlink::daemon::Statistic;
use ironweir_ruleset::{Family, Part, What, Within};
use ironweir_wire::Instant;

use super::TopError;
use crate::conntrack::protocol;
use crate::machine;

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// A connection, by what does not change of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowSeen {
    /// Both directions together.
    pub count: Count,
    /// Protocol, addresses, ports.
    pub text: String,
}

/// A rule with a counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSeen {
    /// What it counted.
    pub count: Count,
    /// Family, table and chain, and the rule itself.
    pub text: String,
}

/// What was counted at a moment.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// When.
    pub at: Instant,
    /// Connections by their numbers.
    pub flows: HashMap<u32, FlowSeen>,
    /// Rules by table, chain and handle.
    pub rules: BTreeMap<(u8, String, String, u64), RuleSeen>,
    /// Packets that ended, by why; nothing of a kernel.
    pub drops: BTreeMap<String, u64>,
    /// Connections, and the most; nothing of a kernel.
    pub connections: Option<(u64, u64)>,
    /// The ruleset's generation.
    pub generation: u32,
}

/// Where samples come from.
#[derive(Debug)]
pub struct Source {
    conntrack: Conntrack,
    kernel: Kernel,
    connection: Connection,
    names: Names,
}

impl Source {
    /// Of a daemon or the kernel.
    ///
    /// # Errors
    /// It cannot be spoken to.
    pub fn open(endpoint: &Endpoint) -> Result<Source, TopError> {
        let names = Names { interfaces: machine::interfaces(), ..Names::default() };
        Ok(Source {
            conntrack: Conntrack::open_at(endpoint)?,
            kernel: Kernel::open_at(endpoint)?,
            connection: Connection::open_at(endpoint)?,
            names,
        })
    }

    /// What was counted until now.
    ///
    /// # Errors
    /// [`TopError`].
    pub fn sample(&mut self) -> Result<Sample, TopError> {
        let mut sample = Sample { at: machine::now(), ..Sample::default() };
        self.conntrack.list(Listing::Table, 0, &Flow::default(), |_, flow| {
            if let (Some(id), Some(tuple)) = (flow.id, &flow.original) {
                let mut count = Count::default();
                for counters in flow.counters.iter().flatten() {
                    count.packets = count.packets.saturating_add(counters.packets);
                    count.bytes = count.bytes.saturating_add(counters.bytes);
                }
                sample.flows.insert(id, FlowSeen { count, text: flow_text(&flow, tuple) });
            }
            ControlFlow::Continue(())
        })?;
        self.rules(&mut sample)?;
        for statistic in statistics(&mut self.connection)?.unwrap_or_default() {
            match statistic {
                Statistic::Drops { reason, packets } => {
                    sample.drops.insert(reason.into(), packets);
                }
                Statistic::Policy { family, table, chain, drops: true, packets, .. } => {
                    let family = Family::from_number(family).map_or("?", Family::name);
                    sample.drops.insert(format!("policy of {family} {table} {chain}"), packets);
                }
                Statistic::Policy { .. } => {}
                Statistic::Connections { now, most } => sample.connections = Some((now, most)),
            }
        }
        sample.generation = self.kernel.ask_generation()?;
        Ok(sample)
    }

    fn rules(&mut self, sample: &mut Sample) -> Result<(), TopError> {
        let what = [What::Tables, What::Chains, What::Sets, What::AnonymousElements, What::Rules];
        let parts: Vec<Part> = what.into_iter().map(|what| Part::new(what, Within::All)).collect();
        self.kernel.fetch(&parts, sample.at)?;
        let ruleset = self.kernel.ruleset();
        let options = PrintOptions { stateless: true, ..PrintOptions::default() };
        let lister = Lister { ruleset, options, names: &self.names, now: sample.at };
        for table in ruleset.tables() {
            let id = &table.table.id;
            for chain in table.chains() {
                for rule in chain.rules() {
                    let Some((packets, bytes)) = counted(&rule.rule.exprs) else { continue };
                    let text = lister.rule_text(table, &rule.rule);
                    let words: Vec<&str> = text.split_whitespace().collect();
                    let text = format!("{id} {}: {}", chain.chain.name, words.join(" "));
                    let key =
                        (id.family as u8, id.name.to_string(), chain.chain.name.to_string(), rule.handle.0);
                    sample.rules.insert(key, RuleSeen { count: Count { packets, bytes }, text });
                }
            }
        }
        Ok(())
    }
}

fn counted(exprs: &[Expr]) -> Option<(u64, u64)> {
    exprs.iter().find_map(|expr| match expr.known() {
        Expr::Counter(counter) => Some(counter.totals()),
        _ => None,
    })
}

/// A connection in words: `tcp 192.0.2.1:4000 > 198.51.100.2:80`.
fn flow_text(flow: &Flow, tuple: &Tuple) -> String {
    let end = |address: Option<IpAddr>, port: Option<u16>| {
        let address = address.map_or("?".to_owned(), |address| match address {
            IpAddr::V6(v6) if port.is_some() => format!("[{v6}]"),
            address => address.to_string(),
        });
        port.map_or(address.clone(), |port| format!("{address}:{port}"))
    };
    let from = end(tuple.source, tuple.source_port);
    let to = end(tuple.destination, tuple.destination_port);
    let mut text = format!("{} {from} > {to}", protocol::name(tuple.protocol.unwrap_or(0)));
    if let Some(id) = tuple.icmp_id {
        text += &format!(" id {id}");
    }
    // Translated: who answers whom.
    if let Some(reply) = &flow.reply {
        if reply.destination != tuple.source {
            text += &format!(" as {}", end(reply.destination, reply.destination_port));
        }
        if reply.source != tuple.destination {
            text += &format!(" to {}", end(reply.source, reply.source_port));
        }
    }
    let status = flow.status.unwrap_or_default();
    if status.contains(Status::OFFLOAD) {
        text += " [OFFLOAD]";
    } else if !status.contains(Status::SEEN_REPLY) {
        text += " [UNREPLIED]";
    }
    text
}
