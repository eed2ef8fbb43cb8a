//! What may follow in a rule.

use ironweir_ruleset::store::TableState;

use super::Offer;
use crate::datatype::{Type, symbols};
use crate::expr::ct::CT_KEYS;
use crate::expr::meta::{META_KEYS, UNQUALIFIED};
use crate::proto::{Proto, exthdr_by_name};

/// Words that statements begin with.
const STATEMENTS: &[&str] = &[
    "accept",
    "drop",
    "continue",
    "return",
    "jump",
    "goto",
    "counter",
    "quota",
    "limit",
    "last",
    "log",
    "reject",
    "masquerade",
    "snat",
    "dnat",
    "redirect",
    "tproxy",
    "dup",
    "fwd",
    "notrack",
    "synproxy",
    "queue",
    "flow",
    "add",
    "update",
    "delete",
    "reset",
    "comment",
    "vmap",
];

/// Words that expressions begin with, headers and `meta` keys aside.
const EXPRESSIONS: &[&str] =
    &["meta", "ct", "fib", "rt", "socket", "ipsec", "tunnel", "osf", "numgen", "jhash", "symhash", "exthdr"];

/// What may follow a word whatever stands before it.
const FOLLOWING: &[(&str, &[&str])] = &[
    ("counter", &["name", "packets"]),
    ("limit", &["rate", "name"]),
    ("rate", &["over"]),
    ("quota", &["over", "until", "name"]),
    ("log", &["prefix", "level", "group", "flags", "snaplen", "queue-threshold"]),
    ("level", &["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit"]),
    ("reject", &["with"]),
    ("with", &["icmp", "icmpv6", "icmpx", "tcp"]),
    ("snat", &["to", "ip", "ip6", "prefix"]),
    ("dnat", &["to", "ip", "ip6", "prefix"]),
    ("redirect", &["to"]),
    ("masquerade", &["to", "random", "fully-random", "persistent"]),
    ("tproxy", &["to", "ip", "ip6"]),
    ("dup", &["to"]),
    ("fwd", &["to", "ip", "ip6"]),
    ("queue", &["num", "to", "flags"]),
    ("flow", &["add", "offload"]),
    ("fib", &["saddr", "daddr", "mark", "iif", "oif"]),
    ("rt", &["classid", "nexthop", "mtu", "ipsec", "ip", "ip6"]),
    ("socket", &["transparent", "mark", "wildcard", "cgroupv2"]),
    ("ipsec", &["in", "out"]),
    ("osf", &["name", "ttl", "version"]),
    ("numgen", &["inc", "random"]),
    ("icmpx", &["port-unreachable", "no-route", "host-unreachable", "admin-prohibited"]),
];

/// Transport protocols, as `/etc/protocols` has them.
const PROTOCOLS: &[&str] =
    &["tcp", "udp", "icmp", "ipv6-icmp", "igmp", "sctp", "dccp", "udplite", "gre", "esp", "ah", "comp"];

impl Offer<'_> {
    /// What may follow the words of a rule in a table.
    pub(super) fn rule(&mut self, table: Option<&TableState>, words: &[&str], begun: &str) {
        if begun.starts_with('@') {
            let sets = table.into_iter().flat_map(TableState::sets).filter(|set| !set.is_anonymous());
            return self.words(sets.map(|set| format!("@{}", set.set.name)));
        }
        let last = words.last().copied().unwrap_or_default();
        let before = words.iter().rev().nth(1).copied().unwrap_or_default();
        match last {
            "jump" | "goto" => {
                if let Some(table) = table {
                    self.names(table, "chain");
                }
                return;
            }
            "name" => {
                if let Some(table) = table {
                    self.names(table, before);
                }
                return;
            }
            "meta" => return self.words(META_KEYS.iter().map(|(word, _)| *word)),
            "ct" => {
                self.words(CT_KEYS.iter().map(|(word, _)| *word).filter(|word| !word.contains(' ')));
                return self.words(["original", "reply", "count"]);
            }
            "original" | "reply" if before == "ct" => {
                return self.words(CT_KEYS.iter().map(|(word, _)| *word).filter(|word| !word.contains(' ')));
            }
            _ => {}
        }
        // A protocol's name behind a field is a value: `ip protocol tcp`.
        let value = datatype(words);
        let header = fields(last);
        if value.is_none() && !header.is_empty() {
            return self.words(header);
        }
        if let Some((_, words)) = FOLLOWING.iter().find(|(word, _)| *word == last) {
            self.words(words.iter().copied());
        }
        let of = value.or_else(|| datatype(words.get(..words.len().saturating_sub(1)).unwrap_or_default()));
        let mut datatype = of;
        while let Some(known) = datatype {
            self.words(symbols(known).iter().map(|(word, _)| *word));
            datatype = known.base();
        }
        if of == Some(Type::InetProto) {
            self.words(PROTOCOLS.iter().copied());
        }
        if value.is_some() {
            return self.words(["{", "vmap", "set", "!=", "=="]);
        }
        self.words(STATEMENTS.iter().chain(EXPRESSIONS).chain(UNQUALIFIED).copied());
        self.words(Proto::ALL.map(Proto::name).into_iter().filter(|name| !name.is_empty()));
        self.words(["hbh", "rt", "rt0", "rt2", "rt4", "frag", "dst", "mh", "srh", "{"]);
    }
}

/// The fields of a header or an extension header.
fn fields(name: &str) -> Vec<&'static str> {
    let header = Proto::from_name(name).map(|proto| proto.header().fields);
    let fields = header.or_else(|| exthdr_by_name(name).map(|exthdr| exthdr.fields));
    fields.into_iter().flatten().map(|field| field.name).collect()
}

/// The type of the field or key that words end with.
fn datatype(words: &[&str]) -> Option<Type> {
    let last = *words.last()?;
    let before = words.iter().rev().nth(1).copied().unwrap_or_default();
    if let Some(field) = Proto::from_name(before).and_then(|proto| proto.field(last)) {
        return Some(field.datatype);
    }
    Some(match (before, last) {
        ("ct", "state") => Type::CtState,
        ("ct", "status") => Type::CtStatus,
        ("ct", "direction") => Type::CtDir,
        ("ct", "event") => Type::CtEvent,
        ("meta", "l4proto") | ("ct" | "original" | "reply", "protocol") => Type::InetProto,
        ("meta", "nfproto") | ("ct" | "original" | "reply", "l3proto") => Type::Nfproto,
        ("meta", "protocol") => Type::EtherType,
        (_, "pkttype") => Type::PktType,
        (_, "iiftype" | "oiftype") => Type::IfaceType,
        _ => return None,
    })
}
