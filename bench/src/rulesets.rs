//! The large rulesets.

use std::fmt::Write as _;

/// One of them.
#[derive(Clone, Copy)]
pub enum Case {
    /// 100,000 rules in one chain.
    Rules,
    /// A set of 1,000,000 addresses.
    Addresses,
    /// A set of 500,000 prefixes, none next to another.
    Prefixes,
    /// 5,000 services of 3 endpoints each, as kube-proxy writes them.
    Services,
    /// 10,000 rules in 1,000 chains.
    Chains,
}

impl Case {
    pub const ALL: [Case; 5] = [Case::Rules, Case::Addresses, Case::Prefixes, Case::Services, Case::Chains];

    pub const fn name(self) -> &'static str {
        match self {
            Case::Rules => "rules",
            Case::Addresses => "addresses",
            Case::Prefixes => "prefixes",
            Case::Services => "services",
            Case::Chains => "chains",
        }
    }

    pub fn text(self) -> String {
        match self {
            Case::Rules => rules(),
            Case::Addresses => addresses(),
            Case::Prefixes => prefixes(),
            Case::Services => services(),
            Case::Chains => chains(),
        }
    }
}

fn ip(number: u32) -> std::net::Ipv4Addr {
    number.into()
}

/// The `n`th of distinct numbers from `first` to below `end`, in no order that a program could profit from.
fn scattered(n: u32, first: u32, end: u32) -> u32 {
    // A prime that divides none of the lengths used here, so that multiplying permutes them.
    const STEP: u64 = 2_654_435_761;
    first + (u64::from(n) * STEP % u64::from(end - first)) as u32
}

fn protocol(n: u32) -> &'static str {
    if n % 2 == 1 { "tcp" } else { "udp" }
}

fn rules() -> String {
    let mut text =
        "table ip t {\n chain f { type filter hook forward priority 0; policy accept;\n".to_owned();
    for n in 0..100_000 {
        let source = ip(0xc612_0000 + n);
        let _ = writeln!(text, "  ip saddr {source} {} dport {} drop", protocol(n), 1000 + n % 60_000);
    }
    text + " }\n}\n"
}

fn addresses() -> String {
    let all: Vec<String> =
        (0..1_000_000).map(|n| ip(scattered(n, 0x0b00_0000, 0xdf00_0000)).to_string()).collect();
    format!("table ip t {{\n set s {{ type ipv4_addr; elements = {{ {} }} }}\n}}\n", all.join(",\n"))
}

fn prefixes() -> String {
    // One inside each of as many /24, so that no two touch.
    let prefix = |n| format!("{}/{}", ip((scattered(n, 0x000b_0000, 0x00df_0000) << 8) + 64), 26 + n % 3);
    let all: Vec<String> = (0..500_000).map(prefix).collect();
    format!(
        "table ip t {{\n set s {{ type ipv4_addr; flags interval; elements = {{ {} }} }}\n}}\n",
        all.join(",\n")
    )
}

fn services() -> String {
    let (mut text, mut map) = ("table ip kp {\n".to_owned(), Vec::new());
    for service in 0..5000 {
        let mut targets = Vec::new();
        for endpoint in 0..3 {
            let address = ip(0x0a40_0000 + service * 3 + endpoint);
            let _ = writeln!(
                text,
                " chain ep-{service}-{endpoint} {{\n  ip saddr {address} meta mark set meta mark or 0x4000\n  \
                 meta l4proto tcp dnat to {address}:8080\n }}"
            );
            targets.push(format!("{endpoint} : goto ep-{service}-{endpoint}"));
        }
        let address = ip(0xac1e_0000 + service);
        let _ = writeln!(
            text,
            " chain svc-{service} {{\n  ip daddr {address} tcp dport 80 ip saddr != 10.64.0.0/12 meta mark set \
             meta mark or 0x4000\n  numgen random mod 3 vmap {{ {} }}\n }}",
            targets.join(", ")
        );
        map.push(format!("{address} . tcp . 80 : goto svc-{service}"));
    }
    let _ = writeln!(
        text,
        " map service-ips {{ type ipv4_addr . inet_proto . inet_service : verdict; elements = {{ {} }} }}\n \
         chain services {{ ip daddr . meta l4proto . th dport vmap @service-ips; }}\n \
         chain pre {{ type nat hook prerouting priority -100; jump services; }}\n \
         chain out {{ type nat hook output priority -100; jump services; }}\n \
         chain post {{ type nat hook postrouting priority 100; meta mark & 0x4000 == 0x4000 masquerade; }}\n}}",
        map.join(",\n")
    );
    text
}

fn chains() -> String {
    let mut text = "table ip t {\n".to_owned();
    let octets = |chain: u32| format!("10.{}.{}", chain >> 8, chain & 255);
    for chain in 0..1000 {
        let _ = writeln!(text, " chain c{chain} {{");
        for rule in 0..9 {
            let (protocol, port) = (protocol(rule), 1000 + rule);
            let _ =
                writeln!(text, "  ip saddr {}.{} {protocol} dport {port} accept", octets(chain), rule + 1);
        }
        text.push_str(" }\n");
    }
    text.push_str(" chain f { type filter hook forward priority 0; policy accept;\n");
    for chain in 0..1000 {
        let _ = writeln!(text, "  ip saddr {}.0/24 jump c{chain}", octets(chain));
    }
    text + " }\n}\n"
}
