//! Rulesets by chance: tables, sets and objects that rules may use, and rules of some matches, some statements and a verdict.
//!
//! What chance or time decides in the kernel as well stays out: full sets that elements were deleted from, random ports and
//! addresses of ranges, hashes without a seed, limits that fill up again while packets pass, `ct count` (which looks its list
//! over once a tick). `ct expectation` stays out as well: where a rule makes an expectation for a connection that gets more parts
//! behind it (NAT, a timeout, labels), Linux 6.18 moves the list that the expectation is in and writes to where it was: rulesets
//! by chance destroy the memory of the kernel they run on.

use std::fmt::Write as _;

use super::chance::Chance;
use super::world::{OWN, STATIONS};

/// A ruleset in parts that can be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Its tables.
    pub tables: Vec<Table>,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Family and name.
    pub id: String,
    /// Sets, maps and objects, a declaration each.
    pub items: Vec<String>,
    /// Chains, those that are jumped to first.
    pub chains: Vec<Chain>,
}

/// A chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// Hook and policy, empty for a regular one.
    pub head: String,
    /// Its rules.
    pub rules: Vec<String>,
}

impl Rules {
    /// In nft's language.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for table in &self.tables {
            let _ = writeln!(out, "table {} {{", table.id);
            for item in &table.items {
                let _ = writeln!(out, "\t{item}");
            }
            for chain in &table.chains {
                let _ = writeln!(out, "\tchain {} {{\n\t\t{}", chain.name, chain.head);
                for rule in &chain.rules {
                    let _ = writeln!(out, "\t\t{rule}");
                }
                out.push_str("\t}\n");
            }
            out.push_str("}\n");
        }
        out
    }
}

impl Rules {
    /// Takes away the rules on these lines of its text, counted from 1. Tells whether there were any.
    pub fn without(&mut self, lines: &[usize]) -> bool {
        let mut at = 0;
        let mut found = false;
        for table in &mut self.tables {
            at += 1 + table.items.len();
            for chain in &mut table.chains {
                at += 2;
                chain.rules.retain(|_| {
                    at += 1;
                    let refused = lines.contains(&at);
                    found |= refused;
                    !refused
                });
                at += 1;
            }
            at += 1;
        }
        found
    }
}

/// Where a rule stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Ingress,
    Egress,
    Raw,
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
    /// In a chain that several jump to.
    Sub,
}

/// A ruleset of a seed.
pub fn ruleset(chance: &mut Chance) -> Rules {
    let mut tables = Vec::new();
    let mut maker = Maker { chance, v6: false, family: Family::Inet };
    if maker.chance.percent(25) {
        maker.family = Family::Netdev;
        tables.push(maker.netdev());
    }
    maker.family = maker.chance.pick(&[Family::Inet, Family::Inet, Family::Inet, Family::Ip, Family::Ip6]);
    tables.push(maker.filter());
    for (percent, family) in [(55, Family::Ip), (30, Family::Ip6)] {
        if maker.chance.percent(percent) {
            maker.family = family;
            tables.push(maker.nat());
        }
    }
    Rules { tables }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Inet,
    Ip,
    Ip6,
    Netdev,
}

struct Maker<'c> {
    chance: &'c mut Chance,
    /// Whether the rule at work is about IPv6.
    v6: bool,
    family: Family,
}

impl Maker<'_> {
    fn netdev(&mut self) -> Table {
        let device = self.chance.pick(&["lan0", "wan0", "dmz0"]);
        let mut chains = Vec::new();
        for (name, hook, at, percent) in
            [("in", "ingress", At::Ingress, 80), ("out", "egress", At::Egress, 50)]
        {
            if self.chance.percent(percent) {
                let head = format!("type filter hook {hook} device {device} priority 0; policy accept;");
                chains.push(Chain { name: name.into(), head, rules: self.rules(at, 5) });
            }
        }
        Table { id: "netdev dev".into(), items: self.items(), chains }
    }

    fn filter(&mut self) -> Table {
        let family = match self.family {
            Family::Ip => "ip",
            Family::Ip6 => "ip6",
            _ => "inet",
        };
        let mut chains = Vec::new();
        for name in ["sub1", "sub2"] {
            chains.push(Chain { name: name.into(), head: String::new(), rules: self.rules(At::Sub, 3) });
        }
        if family == "inet" && self.chance.percent(15) {
            let device = self.chance.pick(&["lan0", "wan0", "dmz0"]);
            let head = format!("type filter hook ingress device {device} priority 0; policy accept;");
            chains.push(Chain { name: "in".into(), head, rules: self.rules(At::Ingress, 4) });
        }
        let bases = [
            ("raw", "prerouting", -300, At::Raw, 40),
            ("mangle", "prerouting", -150, At::Prerouting, 40),
            ("input", "input", 0, At::Input, 60),
            ("forward", "forward", 0, At::Forward, 85),
            ("output", "output", 0, At::Output, 30),
            ("post", "postrouting", 150, At::Postrouting, 40),
        ];
        for (name, hook, priority, at, percent) in bases {
            if self.chance.percent(percent) {
                let kind = if name == "output" && self.chance.percent(30) { "route" } else { "filter" };
                let policy = if self.chance.percent(15) { "drop" } else { "accept" };
                let head = format!("type {kind} hook {hook} priority {priority}; policy {policy};");
                chains.push(Chain { name: name.into(), head, rules: self.rules(at, 7) });
            }
        }
        Table { id: format!("{family} filter"), items: self.items(), chains }
    }

    fn items(&mut self) -> Vec<String> {
        let mut items: Vec<String> = [
            "set nets { type ipv4_addr; flags interval; elements = { 10.0.1.0-10.0.1.11, 198.18.0.0/16 }; }",
            "set hosts { type ipv4_addr; elements = { 10.0.1.10 counter, 198.18.0.7 counter, 10.0.3.10 }; }",
            "set hosts6 { type ipv6_addr; elements = { 2001:db8:1::10, 2001:db8:18::7 }; }",
            "set ports { type inet_service; flags interval; elements = { 22, 53, 400-500, 8080 }; }",
            "set pairs { type ipv4_addr . inet_service; elements = { 10.0.3.10 . 80, 10.0.3.11 . 53 }; }",
            "set ranges { type ipv4_addr . inet_service; flags interval; \
             elements = { 10.0.3.0/28 . 1-100, 198.18.0.0-198.18.5.5 . 443 }; }",
            "set seen { type ipv4_addr; size 512; flags dynamic; }",
            "set seen6 { type ipv6_addr; size 16; flags dynamic,timeout; timeout 1h; }",
            "set flows { type ipv4_addr . inet_service; size 32; flags dynamic,timeout; timeout 2h; }",
            "map marks { type inet_service : mark; elements = { 22 : 0x16, 80 : 0x50, 443 : 0x1bb }; }",
            "map learned { type ipv4_addr : mark; size 16; flags dynamic; }",
            "set small { type inet_proto; elements = { tcp, icmp, 132 }; }",
            "set timed { type inet_service; flags timeout; timeout 2h; elements = { 22, 80 timeout 3h, 53 }; }",
            "set counted { type inet_service; flags interval; counter; elements = { 1-100, 443, 20000-30000 }; }",
            "set wide { type ipv4_addr . inet_proto . inet_service; flags interval; \
             elements = { 10.0.0.0/8 . tcp . 1-1000, 0.0.0.0/0 . udp . 53, * }; }",
            "set merged { type ipv4_addr; flags interval; auto-merge; elements = { 10.0.1.0/24, 10.0.1.10-10.0.3.10 }; }",
            "set marked { typeof ct mark; elements = { 0x1, 0x5 }; }",
            "map verdicts { type inet_service : verdict; flags interval; \
             elements = { 22 : accept, 80-90 : continue, * : continue }; }",
            "map ways { type ipv4_addr : mark; flags interval; elements = { 10.0.1.0/24 : 0x11, 198.18.0.0/15 : 0x22 }; }",
            "map counts { type inet_service : counter; elements = { 22 : \"hits\", 53 : \"more\" }; }",
            "counter more { }",
            "limit bytes { rate over 500 bytes/day burst 900 bytes }",
            "counter hits { }",
            "quota some { over 3000 bytes }",
            "quota few { 900 bytes }",
            "limit slow { rate 5/hour burst 3 packets }",
        ]
        .map(str::to_owned)
        .into();
        // A map of objects comes behind its objects.
        items.sort_by_key(|item| item.starts_with("map counts"));
        if self.family != Family::Netdev {
            let l3 = if self.family == Family::Ip6 { "ip6" } else { "ip" };
            items.extend([
                format!("ct timeout quick {{ protocol tcp; l3proto {l3}; policy = {{ established: 500, close: 77, syn_sent: 60 }}; }}"),
                format!("ct timeout slow {{ protocol udp; l3proto {l3}; policy = {{ unreplied: 300, replied: 900 }}; }}"),
                format!("ct helper files {{ type \"ftp\" protocol tcp; l3proto {l3}; }}"),
                format!("ct helper trivial {{ type \"tftp\" protocol udp; l3proto {l3}; }}"),
            ]);
        }
        if self.family == Family::Ip6 || self.family == Family::Ip {
            // Elsewhere all are good for something.
            items.retain(|item| !item.contains("hosts6") || self.family == Family::Ip6);
        }
        items
    }

    fn nat(&mut self) -> Table {
        self.v6 = self.family == Family::Ip6;
        let mut chains = Vec::new();
        for (name, hook, priority, percent) in [
            ("pre", "prerouting", -100, 100),
            ("post", "postrouting", 100, 100),
            ("in", "input", 100, 15),
            ("out", "output", -100, 15),
        ] {
            if !self.chance.percent(percent) {
                continue;
            }
            let mut rules = Vec::new();
            for _ in 0..1 + self.chance.below(4) {
                rules.push(match name {
                    "pre" | "out" => self.dnat(name == "out"),
                    _ => self.snat(name == "in"),
                });
            }
            let head = format!("type nat hook {hook} priority {priority}; policy accept;");
            chains.push(Chain { name: name.into(), head, rules });
        }
        let family = match (self.chance.percent(20), self.v6) {
            (true, _) => "inet",
            (_, true) => "ip6",
            _ => "ip",
        };
        if family == "inet" {
            // Addresses say which family is meant.
            let l3 = if self.v6 { "ip6" } else { "ip" };
            let named = |rule: &String| {
                rule.replace("dnat to", &format!("dnat {l3} to")).replace("snat to", &format!("snat {l3} to"))
            };
            for chain in &mut chains {
                chain.rules = chain.rules.iter().map(named).collect();
            }
        }
        Table { id: format!("{family} nat"), items: Vec::new(), chains }
    }

    fn dnat(&mut self, own: bool) -> String {
        let protocol = self.chance.pick(&["tcp", "udp", "meta l4proto { tcp, udp } th", "sctp"]);
        let port = self.chance.pick(&["22", "80", "53", "443", "{ 80, 8080 }", "5000"]);
        let interface = if own { "" } else { self.chance.pick(&["", "iifname wan0 ", "iifname lan0 "]) };
        let to = self.target();
        let action = match self.chance.below(if self.v6 { 6 } else { 9 }) {
            0 => format!("dnat to {to}"),
            1 => "redirect".into(),
            2 => "redirect to :8080".into(),
            3 => "return".into(),
            6 => "dnat ip prefix to ip daddr map { 203.0.113.0/24 : 10.0.3.0/24, 198.18.0.0/24 : 10.0.1.0/24 }".into(),
            7 => "dnat to ip daddr map { 203.0.113.2 : 10.0.3.10, 198.18.0.7 : 10.0.3.11 }".into(),
            8 => "dnat to ip daddr . th dport map { 203.0.113.2 . 80 : 10.0.3.10 . 8080, 10.0.3.1 . 53 : 10.0.1.10 . 53 }".into(),
            _ => {
                let to = if self.v6 { format!("[{to}]") } else { to };
                format!("dnat to {to}:{}", self.chance.pick(&["80", "53", "2222"]))
            }
        };
        format!("{interface}{protocol} dport {port} counter {action}")
    }

    fn snat(&mut self, own: bool) -> String {
        let interface =
            if own { "" } else { self.chance.pick(&["oifname wan0 ", "oifname dmz0 ", "", "iifname lan0 "]) };
        let action: &str = match (self.chance.below(6), self.v6) {
            (0 | 1, _) if !own => "masquerade",
            (4, false) => "snat to ip saddr map { 10.0.1.10 : 203.0.113.70, 10.0.1.11 : 203.0.113.71 }",
            (2, false) => "snat to 203.0.113.77",
            (2, true) => "snat to 2001:db8:2::77",
            (3, _) => "return",
            (_, false) => "snat ip prefix to ip saddr map { 10.0.1.0/24 : 203.0.113.0/24 }",
            (_, true) => "snat to 2001:db8:2::78",
        };
        let protocol = self.chance.pick(&["", "", "meta l4proto tcp ", "meta l4proto udp "]);
        format!("{interface}{protocol}counter {action}")
    }

    fn target(&mut self) -> String {
        let station = self.chance.pick(&STATIONS);
        station.address(self.v6).to_string()
    }

    fn rules(&mut self, at: At, most: usize) -> Vec<String> {
        (0..self.chance.below(most + 1)).map(|_| self.rule(at)).collect()
    }

    fn rule(&mut self, at: At) -> String {
        self.v6 = match self.family {
            Family::Ip => false,
            Family::Ip6 => true,
            _ => self.chance.percent(30),
        };
        let mut words = Vec::new();
        for _ in 0..self.chance.pick(&[0, 1, 1, 1, 2, 2, 3]) {
            words.push(self.match_(at));
        }
        if self.chance.percent(80) {
            words.push("counter".into());
        }
        for _ in 0..self.chance.pick(&[0, 0, 1, 1, 2]) {
            words.push(self.statement(at));
        }
        if let Some(verdict) = self.verdict(at) {
            words.push(verdict);
        }
        if words.is_empty() {
            words.push("counter".into());
        }
        words.join(" ")
    }

    fn match_(&mut self, at: At) -> String {
        let tracked = !matches!(at, At::Ingress | At::Egress | At::Raw);
        loop {
            let found = match self.chance.below(16) {
                0..4 => Some(self.of_network()),
                4..8 => Some(self.of_transport()),
                8..12 if tracked => Some(self.of_connection()),
                12..15 => Some(self.of_packet(at)),
                15 if matches!(at, At::Raw | At::Prerouting | At::Input | At::Forward) => Some(self.fib(at)),
                _ => None,
            };
            if let Some(found) = found {
                return found;
            }
        }
    }

    fn of_network(&mut self) -> String {
        let side = self.chance.pick(&["saddr", "daddr"]);
        let station = self.chance.pick(&STATIONS).address(self.v6);
        let (own4, own6) = self.chance.pick(&OWN);
        let own = super::world::address(own4, own6, self.v6);
        if self.v6 {
            return match self.chance.below(8) {
                0 => format!("ip6 {side} {station}"),
                1 => format!("ip6 {side} != {{ {station}, {own} }}"),
                2 => format!("ip6 {side} 2001:db8:1::/64"),
                3 => "ip6 hoplimit > 10".into(),
                4 => "ip6 nexthdr { tcp, udp, ipv6-icmp }".into(),
                5 => "ip6 dscp cs2".into(),
                6 => {
                    self.chance.pick(&["exthdr frag exists", "exthdr hbh missing", "ip6 length < 100"]).into()
                }
                _ => format!("ip6 {side} {own}"),
            };
        }
        match self.chance.below(14) {
            0 => format!("ip {side} {station}"),
            1 => format!("ip {side} != {station}"),
            2 => format!("ip {side} @hosts"),
            3 => format!("ip {side} @nets"),
            4 => format!("ip {side} {{ 10.0.1.0/24, {own}, 198.18.0.0-198.18.3.255 }}"),
            5 => format!("ip {side} & 255.255.0.255 == 10.0.0.11"),
            6 => "ip daddr . tcp dport @pairs".into(),
            7 => "ip daddr . th dport @ranges".into(),
            8 => self.chance.pick(&["ip ttl < 64", "ip ttl 64", "ip ttl { 1, 63, 64 }"]).into(),
            9 => self.chance.pick(&["ip dscp cs2", "ip ecn ce", "ip length 20-60", "ip hdrlength 5"]).into(),
            10 => self.chance.pick(&["ip frag-off & 0x1fff != 0", "ip frag-off 0", "ip id 7"]).into(),
            11 => self
                .chance
                .pick(&["ip protocol udp", "ip protocol != { tcp, icmp }", "ip checksum != 0"])
                .into(),
            12 => self.chance.pick(&["ip option rr exists", "ip option ra exists", "@nh,64,8 0x40"]).into(),
            _ => format!("ip {side} {own}"),
        }
    }

    fn of_transport(&mut self) -> String {
        let port = self.chance.pick(&[
            "22",
            "80",
            "443",
            "{ 53, 80, 5060 }",
            "1-1024",
            "!= 22",
            "@ports",
            "> 20500",
        ]);
        match self.chance.below(13) {
            0 | 1 => format!("tcp dport {port}"),
            2 => format!("udp dport {port}"),
            3 => format!("tcp sport {port}"),
            4 => format!("meta l4proto {{ tcp, udp }} th dport {port}"),
            5 => self
                .chance
                .pick(&[
                    "tcp flags syn",
                    "tcp flags & (fin|syn|rst|ack) == syn",
                    "tcp flags fin,rst",
                    "tcp flags != 0",
                ])
                .into(),
            6 => self
                .chance
                .pick(&[
                    "tcp option maxseg exists",
                    "tcp option maxseg size > 1000",
                    "tcp option timestamp exists",
                    "tcp option sack-perm missing",
                    "tcp option window count > 5",
                ])
                .into(),
            7 => self
                .chance
                .pick(&["tcp window < 2000", "tcp sequence > 1000", "tcp doff 5", "tcp ackseq 0"])
                .into(),
            8 if self.v6 => self.chance.pick(&["icmpv6 type echo-request", "icmpv6 code 0"]).into(),
            8 => self
                .chance
                .pick(&[
                    "icmp type echo-request",
                    "icmp type { echo-reply, destination-unreachable }",
                    "icmp code 0",
                    "icmp sequence 1",
                ])
                .into(),
            9 => self.chance.pick(&["udp length > 20", "udp checksum 0", "udp sport > 20300"]).into(),
            10 => self
                .chance
                .pick(&["sctp dport 80", "sctp vtag 0", "sctp chunk init exists", "sctp chunk data missing"])
                .into(),
            11 => self.chance.pick(&["@th,0,16 > 20300", "@th,16,16 80", "@ih,0,8 0"]).into(),
            _ => "meta l4proto { icmp, ipv6-icmp, sctp }".into(),
        }
    }

    fn of_connection(&mut self) -> String {
        self.chance
            .pick(&[
                "ct helper \"ftp\"",
                "ct status expected",
                "ct state related",
                "ct expiration > 1000",
                "ct expiration 70-80",
                "ct mark @marked",
                "ct status confirmed",
                "ct protocol udp",
                "ct original zone 0",
                "ct reply proto-dst > 20300",
                "ct eventmask 0",
                "ct state new",
                "ct state established",
                "ct state established,related",
                "ct state invalid",
                "ct state untracked",
                "ct state != new",
                "ct direction reply",
                "ct direction original",
                "ct status assured",
                "ct status seen-reply",
                "ct status dnat",
                "ct status snat",
                "ct mark 0x1",
                "ct mark != 0",
                "ct original protocol tcp",
                "ct original proto-dst 80",
                "ct reply proto-src 53",
                "ct original packets > 2",
                "ct reply bytes < 200",
                "ct avgpkt > 100",
                "ct original bytes > 150",
                "ct l3proto ipv4",
                "ct original ip saddr 10.0.1.10",
                "ct reply ip saddr 10.0.3.10",
                "ct label 3",
                "ct zone 0",
                "ct id != 0",
            ])
            .into()
    }

    fn of_packet(&mut self, at: At) -> String {
        let mut some = vec![
            "meta length > 100",
            "meta length 40-84",
            "meta l4proto tcp",
            "meta mark 0x1",
            "meta mark & 0x2 == 0x2",
            "meta pkttype host",
            "limit rate 5/hour burst 3 packets",
            "limit rate over 5/hour burst 2 packets",
            "limit rate 300 bytes/day burst 600 bytes",
            "quota 500 bytes",
            "quota over 400 bytes",
            "limit name \"slow\"",
            "quota name \"some\"",
            "quota name \"few\"",
            "numgen inc mod 3 0",
            "numgen inc mod 4 < 2",
            "meta protocol ip",
            "meta protocol { ip, ip6 }",
            "limit name \"bytes\"",
            "meta l4proto @small",
            "tcp dport @timed",
            "th dport @counted",
            "ip saddr . meta l4proto . th dport @wide",
            "ip daddr @merged",
            "meta iifgroup 0",
            "meta nfproto ipv6",
            "tcp dport vmap @verdicts",
            "tcp flags & (syn|ack) == syn tcp option maxseg size 1-1460",
            "numgen inc mod 2 vmap { 0 : continue, 1 : continue }",
        ];
        if !matches!(at, At::Output | At::Sub) {
            some.extend(["iifname lan0", "iifname { lan0, wan0 }", "iif wan0", "iif != 0"]);
            some.extend(["iifname \"l*\"", "meta iiftype ether"]);
        }
        if !matches!(at, At::Egress | At::Output | At::Postrouting | At::Sub) {
            some.extend(["ether saddr 02:00:00:00:aa:10", "ether type ip"]);
        }
        if matches!(at, At::Forward | At::Output | At::Postrouting) {
            some.extend(["oifname wan0", "oif dmz0", "oifname != lan0"]);
            some.push(if self.v6 { "rt ip6 nexthop 2001:db8:2::1" } else { "rt ip nexthop 203.0.113.1" });
        }
        if at == At::Forward {
            some.extend([
                "iifname . oifname { lan0 . wan0, wan0 . dmz0 }",
                "iifname . meta l4proto { lan0 . tcp }",
            ]);
        }
        if !self.v6 {
            some.extend([
                "meta mark set ip saddr map @ways",
                "ip daddr set 10.0.3.11",
                "ip saddr set 10.0.1.12",
                "icmp code set 1",
                "jhash ip saddr mod 2 seed 0x1 0",
                "jhash ip saddr . ip daddr mod 8 seed 0xdeadbeef < 4",
                "ip saddr . ip daddr { 10.0.1.10 . 198.18.0.7, 10.0.1.11 . 10.0.3.10 }",
            ]);
        }
        self.chance.pick(&some).into()
    }

    fn fib(&mut self, at: At) -> String {
        let mut some = vec![
            "fib daddr type local",
            "fib saddr type != unicast",
            "fib daddr type { unicast, broadcast }",
        ];
        if at != At::Forward {
            some.extend([
                "fib saddr . iif oif missing",
                "fib saddr . iif oif exists",
                "fib saddr oifname wan0",
            ]);
        }
        self.chance.pick(&some).into()
    }

    fn statement(&mut self, at: At) -> String {
        let tracked = !matches!(at, At::Ingress | At::Egress | At::Raw | At::Sub);
        let mut some = vec![
            "meta mark set 0x1",
            "meta mark set meta mark | 0x2",
            "counter name \"hits\"",
            "meta priority set 1:2",
            "tcp option maxseg size set 1200",
            "meta mark set tcp dport map @marks",
            "reset tcp option sack-perm",
            "meta nftrace set 0",
            "last",
            "log prefix \"x \"",
            "tcp dport set 80",
            "udp dport set 53",
            "tcp flags set ack",
            "tcp window set 5",
            "tcp option timestamp tsval set 7",
            "reset tcp option timestamp",
            "counter name tcp dport map @counts",
            "counter name \"more\"",
            "meta l4proto { tcp, udp } @th,16,16 set 0x50",
            "meta pkttype set other",
        ];
        if self.v6 {
            some.push("ip6 daddr set 2001:db8:3::11");
            some.extend([
                "ip6 hoplimit set 9",
                "ip6 dscp set cs1",
                "add @seen6 { ip6 saddr }",
                "ip6 flowlabel set 3",
            ]);
        } else {
            some.extend([
                "ip ttl set 9",
                "ip dscp set cs1",
                "ip ecn set ce",
                "ip id set 7",
                "add @seen { ip saddr }",
                "add @seen { ip saddr counter }",
                "update @seen { ip daddr limit rate 5/hour burst 2 packets }",
                "update @flows { ip saddr . th dport counter }",
                "update @flows { ip saddr . tcp dport timeout 3h }",
                "delete @seen { ip daddr }",
                "add @learned { ip saddr : 0x9 }",
                "meta mark set ip saddr map { 10.0.1.10 : 0x1, 198.18.0.7 : 0x2 }",
                "meta mark set ip daddr map @learned",
            ]);
        }
        if tracked && at != At::Sub {
            some.extend([
                "ct timeout set \"quick\"",
                "ct timeout set \"slow\"",
                "ct helper set \"files\"",
                "ct helper set \"trivial\"",
            ]);
        }
        if matches!(at, At::Prerouting | At::Forward | At::Postrouting) {
            some.push(if self.v6 {
                "dup to 2001:db8:3::11 device \"dmz0\""
            } else {
                "dup to 10.0.3.11 device \"dmz0\""
            });
        }
        if matches!(at, At::Forward | At::Output | At::Postrouting) {
            some.push("tcp option maxseg size set rt mtu");
        }
        if tracked {
            some.extend([
                "ct mark set ct mark & 0xff | 0x10",
                "ct mark set ct mark ^ 0x3",
                "ct label set 5",
                "add @flows { ip saddr . th dport timeout 1h quota over 500 bytes }",
                "update @seen { ip saddr limit rate over 3/hour burst 1 packets } counter",
                "ct mark set 0x1",
                "ct mark set meta mark",
                "ct label set 3",
                "meta mark set ct mark",
            ]);
            some.extend(["ct mark set ct mark | 0x4", "ct mark set ip dscp"]);
        }
        if at == At::Raw {
            some.extend(["notrack", "ct zone set 1", "ct zone set 2"]);
        }
        if matches!(at, At::Ingress | At::Egress) {
            // Connections and families of their own are not known there.
            some.retain(|word| !word.starts_with("ct "));
        }
        let found = self.chance.pick(&some);
        if self.v6 { found.replace("ip dscp", "ip6 dscp") } else { found.into() }
    }

    fn verdict(&mut self, at: At) -> Option<String> {
        let some: &[&str] = match at {
            At::Ingress => &["accept", "drop", "", "fwd to \"dmz0\"", "dup to \"dmz0\""],
            At::Egress => &["accept", "drop", "", "fwd to \"dmz0\"", "dup to \"dmz0\""],
            At::Sub => &["accept", "drop", "return", "", "", "continue"],
            At::Raw => &["accept", "drop", "jump sub1", "", "", "queue flags bypass to 3"],
            At::Postrouting => &["accept", "drop", "jump sub2", "", ""],
            At::Prerouting => &["accept", "drop", "jump sub1", "goto sub2", "", ""],
            At::Input | At::Forward | At::Output => &[
                "accept",
                "accept",
                "drop",
                "jump sub1",
                "goto sub2",
                "",
                "",
                "return",
                "reject",
                "reject with tcp reset",
                "reject with icmpx admin-prohibited",
                "queue flags bypass to 1-3",
                "queue to 4",
                "tcp dport vmap @verdicts",
                "tcp dport vmap { 22 : accept, 80 : jump sub1, 443 : drop }",
                "ct state vmap { established : accept, new : jump sub2, invalid : drop }",
                "meta l4proto vmap { tcp : jump sub1, udp : goto sub2, icmp : accept }",
            ],
        };
        match self.chance.pick(some) {
            "" => None,
            "reject with tcp reset" => Some("meta l4proto tcp reject with tcp reset".into()),
            verdict => Some(verdict.into()),
        }
    }
}
