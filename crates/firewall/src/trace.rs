//! Traces in the form of `nft monitor trace`.
//!
//! While a packet passes, its steps are noted; names are looked up and lines written when it has passed.

use std::fmt::Write;

use ironweir_engine::{ChainId, Engine, TraceEvent, TraceStep, TraceVerdict};
use ironweir_language::datatype::{Datum, Names, PrintOptions, print_datum};
use ironweir_language::proto::{Field, Proto};
use ironweir_wire::{IfIndex, LinkType, Packet};

use crate::listing;

/// Steps of a packet that are kept; a ruleset can make more only by many thousands of matching rules.
const MAX_STEPS: usize = 1 << 16;

/// The steps of the packet that passes now.
#[derive(Debug, Default)]
pub struct Tracer {
    steps: Vec<Step>,
    lost: usize,
}

#[derive(Debug)]
struct Step {
    event: TraceEvent,
    /// What the packet line says.
    packet: Option<Described>,
}

#[derive(Debug)]
struct Described {
    iif: IfIndex,
    oif: IfIndex,
    mark: u32,
    headers: String,
}

impl Tracer {
    /// Notes a step.
    pub fn event(&mut self, event: &TraceEvent, packet: &Packet<'_>) {
        if self.steps.len() == MAX_STEPS {
            self.lost += 1;
            return;
        }
        let described = matches!(event.step, TraceStep::Packet).then(|| Described {
            iif: packet.meta.iif,
            oif: packet.meta.oif,
            mark: packet.meta.mark,
            headers: headers(packet),
        });
        self.steps.push(Step { event: *event, packet: described });
    }

    /// Writes what was noted of the packet that has passed, without the steps in tables that `hidden` names.
    pub fn take(&mut self, engine: &Engine, names: &Names, hidden: impl Fn(ChainId) -> bool) -> String {
        let mut out = String::new();
        for step in self.steps.drain(..).filter(|step| !hidden(step.event.base)) {
            line(&mut out, &step, engine, names);
        }
        if self.lost > 0 {
            let _ = writeln!(out, "# {} more steps of this packet", self.lost);
            self.lost = 0;
        }
        out
    }
}

fn line(out: &mut String, step: &Step, engine: &Engine, names: &Names) {
    let ruleset = engine.ruleset();
    let event = &step.event;
    // Steps inside a chain that was jumped to name that chain; the rest name the base chain.
    let chain = match event.step {
        TraceStep::Rule(rule, _) => rule.chain,
        _ => event.base,
    };
    let (table, chain) = match chain.resolve(ruleset) {
        Some((table, chain)) => (&*table.table.id.name, &*chain.chain.name),
        None => ("?", "?"),
    };
    let _ = write!(out, "trace id {:08x} {} {table} {chain} ", event.id, event.family);
    match event.step {
        TraceStep::Packet => {
            out.push_str("packet:");
            if let Some(described) = &step.packet {
                for (word, index) in [("iif", described.iif), ("oif", described.oif)] {
                    match engine.host().interface(index) {
                        Some(interface) => {
                            let _ = write!(out, " {word} \"{}\"", interface.name);
                        }
                        None if index.is_some() => {
                            let _ = write!(out, " {word} {index}");
                        }
                        None => {}
                    }
                }
                if described.mark != 0 {
                    let _ = write!(out, " meta mark {:#010x}", described.mark);
                }
                out.push_str(&described.headers);
            }
            out.push('\n');
        }
        TraceStep::Rule(rule, verdict) => {
            let text = rule.chain.resolve(ruleset).and_then(|(table, chain)| {
                Some(listing::rule(engine, names, table, chain.rule(rule.handle)?, true))
            });
            let text = text.unwrap_or_else(|| format!("handle {}", rule.handle));
            let _ = writeln!(out, "rule {text} (verdict {})", verdict_text(verdict, engine));
        }
        TraceStep::Policy(policy) => {
            let _ = writeln!(out, "policy {}", policy.name());
        }
    }
}

fn verdict_text(verdict: TraceVerdict, engine: &Engine) -> String {
    let name = |chain: ChainId| match chain.resolve(engine.ruleset()) {
        Some((_, chain)) => chain.chain.name.to_string(),
        None => "?".to_owned(),
    };
    match verdict {
        TraceVerdict::Accept => "accept".into(),
        TraceVerdict::Drop => "drop".into(),
        TraceVerdict::Stolen => "stolen".into(),
        TraceVerdict::Queue(number) => format!("queue to {number}"),
        TraceVerdict::Repeat => "repeat".into(),
        TraceVerdict::Continue => "continue".into(),
        TraceVerdict::Return => "return".into(),
        TraceVerdict::Jump(chain) => format!("jump {}", name(chain)),
        TraceVerdict::Goto(chain) => format!("goto {}", name(chain)),
    }
}

/// The fields that nft shows of each header, in its order (`src/proto.c`, `struct proto_desc.order` and `.filter`).
fn shown(proto: Proto) -> &'static [&'static str] {
    match proto {
        Proto::Ether => &["saddr", "daddr"],
        Proto::Arp => &["htype", "ptype", "hlen", "plen", "operation"],
        Proto::Ip => &["saddr", "daddr", "dscp", "ecn", "ttl", "id", "protocol", "length"],
        Proto::Ip6 => &["saddr", "daddr", "dscp", "ecn", "hoplimit", "flowlabel", "nexthdr", "length"],
        Proto::Tcp => &["sport", "dport", "flags", "window"],
        Proto::Udp => &["sport", "dport", "length"],
        Proto::Udplite => &["sport", "dport"],
        Proto::Sctp | Proto::Dccp => &["sport", "dport"],
        Proto::Icmp => &["type", "code", "id", "sequence"],
        Proto::Icmpv6 => &["type", "code"],
        _ => &[],
    }
}

/// Every shown field of the packet's headers, each with a space before it.
fn headers(packet: &Packet<'_>) -> String {
    let mut out = String::new();
    let names = Names::default();
    if packet.link() == LinkType::Ethernet {
        header(&mut out, packet, Proto::Ether, 0, None, &names);
    }
    if let Some(tag) = packet.meta.vlan {
        let _ = write!(out, " vlan id {} vlan pcp {}", tag.id(), tag.tci >> 13);
    }
    let network = match packet.meta.protocol {
        0x0800 => Proto::Ip,
        0x86dd => Proto::Ip6,
        0x0806 => Proto::Arp,
        protocol => {
            let _ = write!(out, " meta protocol {protocol:#06x}");
            return out;
        }
    };
    let upper = transport(packet, network);
    // What the transport header's name says is not said twice.
    let implied = upper.and(network.header().key);
    header(&mut out, packet, network, packet.network(), implied, &names);
    if let (Some(upper), Some(at)) = (upper, packet.transport()) {
        header(&mut out, packet, upper, at, None, &names);
    }
    out
}

/// Which of the transport headers that are shown a packet has.
fn transport(packet: &Packet<'_>, network: Proto) -> Option<Proto> {
    packet.transport()?;
    let number = match network {
        Proto::Ip => packet.byte(packet.network() + 9)?,
        Proto::Ip6 => ironweir_wire::ipv6::find_upper(packet, packet.network())?.protocol,
        _ => return None,
    };
    Proto::InetService.upper(number.into()).filter(|upper| !shown(*upper).is_empty())
}

fn header(
    out: &mut String,
    packet: &Packet<'_>,
    proto: Proto,
    at: usize,
    implied: Option<&str>,
    names: &Names,
) {
    let options = PrintOptions::default();
    for name in shown(proto).iter().filter(|name| Some(**name) != implied) {
        let Some(field) = proto.field(name) else { continue };
        let Some(value) = load(packet, at, field) else { return };
        let text = print_datum(field.datatype, &Datum::Number(value), field.bits, false, names, &options);
        let word = proto.name();
        let _ = match (proto, *name) {
            (Proto::Tcp, "flags") => write!(out, " {word} flags == {}", tcp_flags(value)),
            _ => write!(out, " {word} {name} {text}"),
        };
    }
}

fn tcp_flags(value: u128) -> String {
    let names = ["fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"];
    let set: Vec<&str> = (0..8).filter(|bit| value >> bit & 1 == 1).map(|bit| names[bit]).collect();
    match set.is_empty() {
        true => "0x0".to_owned(),
        false => set.join(" | "),
    }
}

/// A field's value. Fields have at most 128 bits and may begin and end inside bytes.
fn load(packet: &Packet<'_>, header: usize, field: &Field) -> Option<u128> {
    let (first, last) = (field.offset / 8, (field.offset + field.bits).div_ceil(8));
    let mut value = 0u128;
    for at in first..last {
        value = value << 8 | u128::from(packet.byte(header + at as usize)?);
    }
    value >>= last * 8 - (field.offset + field.bits);
    let mask = 1u128.checked_shl(field.bits).map_or(u128::MAX, |bit| bit - 1);
    Some(value & mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_line_shows_what_nft_shows() {
        // Ethernet, IPv4, TCP SYN from 192.168.1.10:40000 to 198.51.100.1:80, window 64240.
        let mut bytes = [
            2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 1, 0x10, 8, 0, //
            0x45, 0, 0, 40, 0x12, 0x34, 0x40, 0, 64, 6, 0, 0, 192, 168, 1, 10, 198, 51, 100, 1, //
            0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xfa, 0xf0, 0, 0, 0, 0,
        ];
        let len = bytes.len();
        let mut packet = Packet::new(&mut bytes, 0, len, LinkType::Ethernet);
        ironweir_wire::dissect(&mut packet).unwrap();
        assert_eq!(
            headers(&packet),
            " ether saddr 02:00:00:00:01:10 ether daddr 02:00:00:00:01:01 ip saddr 192.168.1.10 \
             ip daddr 198.51.100.1 ip dscp cs0 ip ecn not-ect ip ttl 64 ip id 4660 ip length 40 \
             tcp sport 40000 tcp dport 80 tcp flags == syn tcp window 64240"
        );
    }
}
