//! What became of a packet, as a value.

use std::fmt;

use ironweir_ruleset::{Handle, Ruleset};
use ironweir_wire::IfIndex;

/// A chain by slot numbers: table of the ruleset, chain of the table. No allocation; see [`ChainId::resolve`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId {
    /// Slot of the table.
    pub table: u32,
    /// Slot of the chain in its table.
    pub chain: u32,
}

impl ChainId {
    /// The chain's table and itself, as long as they live.
    pub fn resolve(
        self,
        ruleset: &Ruleset,
    ) -> Option<(&ironweir_ruleset::store::TableState, &ironweir_ruleset::store::ChainState)> {
        let table = ruleset.table_at(self.table)?;
        Some((table, table.chain_at(self.chain)?))
    }
}

/// A rule by its chain and handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId {
    /// Its chain.
    pub chain: ChainId,
    /// Its handle.
    pub handle: Handle,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// It left by another interface than it came from.
    Forwarded {
        /// The interface it left by.
        oif: IfIndex,
        /// It took the fast path of a flowtable.
        offloaded: bool,
    },
    /// It was for this host and may be received.
    Local,
    /// It came from this host and left.
    Sent {
        /// The interface it left by.
        oif: IfIndex,
    },
    /// It ended.
    Dropped(DropReason),
    /// It waits for a program's verdict.
    Queued {
        /// The queue's number.
        number: u16,
    },
    /// An expression took it: `fwd`, `synproxy` and the like.
    Stolen,
}

/// Why a packet ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// A rule's verdict.
    Rule(RuleId),
    /// The policy of a base chain.
    Policy(ChainId),
    /// It is no packet a host would accept.
    Malformed(Malformed),
    /// No route leads to its destination.
    NoRoute,
    /// Its TTL or hop limit is used up.
    TtlExceeded,
    /// The host does not forward packets of this family.
    ForwardingOff,
    /// Its source or destination may not be on the wire.
    Martian,
    /// It is for another host's Ethernet address.
    OtherHost,
    /// The connection table is full.
    TableFull,
    /// No address or port was left for NAT.
    NatFull,
    /// Another packet made the same connection first.
    Clash,
    /// Its masqueraded connection would leave by another interface now, and ended.
    Rerouted,
    /// It is larger than the next link carries and must not be fragmented.
    TooBig,
    /// No host here speaks its protocol.
    UnknownProtocol,
    /// A synproxy was to answer it and could not: its header is not whole, or it brought back no cookie.
    Synproxy,
    /// Its connection's helper could not understand it, or not change it as NAT demands.
    Helper,
    /// It waits for the rest of its fragments, or was one that was put together with others.
    Fragment,
    /// No program took it from its queue, or one said that it ends.
    Queue,
}

/// In which way a packet is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the words are plain
pub enum Malformed {
    Link,
    Ipv4,
    Ipv4Checksum,
    Ipv6,
    Arp,
    Tcp,
}

impl DropReason {
    /// All that [`DropReason::name`] says, by [`DropReason::number`].
    pub const NAMES: [&'static str; 18] = [
        "rule",
        "policy",
        "malformed",
        "no-route",
        "ttl-exceeded",
        "forwarding-off",
        "martian",
        "other-host",
        "table-full",
        "nat-full",
        "clash",
        "rerouted",
        "helper",
        "too-big",
        "unknown-protocol",
        "fragment",
        "synproxy",
        "queue",
    ];

    /// A number for its name, without gaps from 0.
    pub const fn number(self) -> usize {
        match self {
            DropReason::Rule(_) => 0,
            DropReason::Policy(_) => 1,
            DropReason::Malformed(_) => 2,
            DropReason::NoRoute => 3,
            DropReason::TtlExceeded => 4,
            DropReason::ForwardingOff => 5,
            DropReason::Martian => 6,
            DropReason::OtherHost => 7,
            DropReason::TableFull => 8,
            DropReason::NatFull => 9,
            DropReason::Clash => 10,
            DropReason::Rerouted => 11,
            DropReason::Helper => 12,
            DropReason::TooBig => 13,
            DropReason::UnknownProtocol => 14,
            DropReason::Fragment => 15,
            DropReason::Synproxy => 16,
            DropReason::Queue => 17,
        }
    }

    /// One word for reports: `rule`, `policy`, `malformed`, `no-route` ...
    pub const fn name(self) -> &'static str {
        match self {
            DropReason::Rule(_) => "rule",
            DropReason::Policy(_) => "policy",
            DropReason::Malformed(_) => "malformed",
            DropReason::NoRoute => "no-route",
            DropReason::TtlExceeded => "ttl-exceeded",
            DropReason::ForwardingOff => "forwarding-off",
            DropReason::Martian => "martian",
            DropReason::OtherHost => "other-host",
            DropReason::TableFull => "table-full",
            DropReason::NatFull => "nat-full",
            DropReason::Clash => "clash",
            DropReason::Rerouted => "rerouted",
            DropReason::Helper => "helper",
            DropReason::TooBig => "too-big",
            DropReason::UnknownProtocol => "unknown-protocol",
            DropReason::Fragment => "fragment",
            DropReason::Synproxy => "synproxy",
            DropReason::Queue => "queue",
        }
    }

    /// The reason in words, with names from the ruleset.
    pub fn describe(self, ruleset: &Ruleset) -> impl fmt::Display {
        Described { reason: self, ruleset }
    }
}

struct Described<'a> {
    reason: DropReason,
    ruleset: &'a Ruleset,
}

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chain = |f: &mut fmt::Formatter<'_>, id: ChainId| match id.resolve(self.ruleset) {
            Some((table, chain)) => write!(f, "chain {} {}", table.table.id, chain.chain.name),
            None => f.write_str("a chain that is gone"),
        };
        match self.reason {
            DropReason::Rule(rule) => {
                write!(f, "rule {} of ", rule.handle)?;
                chain(f, rule.chain)
            }
            DropReason::Policy(id) => {
                f.write_str("policy of ")?;
                chain(f, id)
            }
            other => other.fmt(f),
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DropReason::Rule(rule) => return write!(f, "rule {}", rule.handle),
            DropReason::Policy(_) => "policy",
            DropReason::Malformed(Malformed::Link) => "malformed link header",
            DropReason::Malformed(Malformed::Ipv4) => "malformed IPv4 header",
            DropReason::Malformed(Malformed::Ipv4Checksum) => "wrong IPv4 header checksum",
            DropReason::Malformed(Malformed::Ipv6) => "malformed IPv6 header",
            DropReason::Malformed(Malformed::Arp) => "malformed ARP",
            DropReason::Malformed(Malformed::Tcp) => "malformed TCP header",
            DropReason::NoRoute => "no route to the destination",
            DropReason::TtlExceeded => "TTL or hop limit used up",
            DropReason::ForwardingOff => "forwarding is off",
            DropReason::Martian => "martian source or destination",
            DropReason::OtherHost => "for another host's Ethernet address",
            DropReason::TableFull => "connection table full",
            DropReason::NatFull => "no address or port left for NAT",
            DropReason::Clash => "connection clash",
            DropReason::Rerouted => "masqueraded connection would leave by another interface",
            DropReason::Helper => "not understood, or not to be changed, by the connection's helper",
            DropReason::TooBig => "too big for the next link",
            DropReason::UnknownProtocol => "protocol not spoken here",
            DropReason::Fragment => "fragment",
            DropReason::Synproxy => "synproxy",
            DropReason::Queue => "not taken from its queue, or refused there",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_for_names() {
        for reason in [
            DropReason::NoRoute,
            DropReason::Fragment,
            DropReason::Clash,
            DropReason::Helper,
            DropReason::Queue,
        ] {
            assert_eq!(DropReason::NAMES.get(reason.number()), Some(&reason.name()));
        }
    }
}
