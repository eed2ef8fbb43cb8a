//! Named objects in listings.

use std::fmt::Write as _;

use ironweir_expr::limit::{Kind, Limit};
use ironweir_expr::objref::ObjectType;
use ironweir_expr::quota::Quota;
use ironweir_expr::synproxy::Synproxy;
use ironweir_ruleset::object::{
    CtExpectation, CtHelper, CtTimeout, Erspan, ObjectKind, Tunnel, TunnelOptions,
};
use ironweir_ruleset::store::ObjectState;
use ironweir_ruleset::userdata::COMMENT;

use super::Lister;
use crate::print::time;

/// States of a connection as `ct timeout` names them, by protocol and the protocol's own numbers
/// (`CTA_TIMEOUT_TCP_*`, `CTA_TIMEOUT_UDP_*`), with the kernel's defaults in seconds.
pub const CT_TIMEOUT_STATES: &[(u8, &[(u16, &str, u32)])] = &[
    (
        6,
        &[
            (1, "syn_sent", 120),
            (2, "syn_recv", 60),
            (3, "established", 432_000),
            (4, "fin_wait", 120),
            (5, "close_wait", 60),
            (6, "last_ack", 30),
            (7, "time_wait", 120),
            (8, "close", 10),
            (10, "retrans", 300),
            (11, "unack", 300),
        ],
    ),
    (17, &[(1, "unreplied", 30), (2, "replied", 120)]),
];

impl Lister<'_> {
    /// An object.
    pub(super) fn object_block(&self, state: &ObjectState, out: &mut String) {
        let object = &state.object;
        let kind = object.object_type();
        let _ = write!(out, "\t{} {} {{", kind.name(), object.name);
        self.handle(state.handle, out);
        out.push('\n');
        super::comment(object.userdata.get_str(COMMENT), out);
        for line in self.object_lines(&object.kind) {
            let _ = writeln!(out, "\t\t{line}");
        }
        debug_assert_ne!(kind, ObjectType::Connlimit, "nft has no word for it");
        out.push_str("\t}\n");
    }

    fn object_lines(&self, kind: &ObjectKind) -> Vec<String> {
        match kind {
            ObjectKind::Counter(_) if self.options.stateless => Vec::new(),
            ObjectKind::Counter(counter) => {
                let (packets, bytes) = counter.totals();
                vec![format!("packets {packets} bytes {bytes}")]
            }
            ObjectKind::Quota(quota) => vec![self.quota(quota)],
            ObjectKind::Limit(limit) => vec![limit_text(limit)],
            ObjectKind::Connlimit(connlimit) => {
                vec![format!("{}{}", if connlimit.over { "over " } else { "" }, connlimit.count)]
            }
            ObjectKind::Synproxy(synproxy) => synproxy_lines(synproxy),
            ObjectKind::CtHelper(helper) => self.helper(helper),
            ObjectKind::CtTimeout(timeout) => self.timeout(timeout),
            ObjectKind::CtExpectation(expectation) => self.expectation(expectation),
            ObjectKind::Secmark(secmark) => vec![format!("\"{}\"", secmark.context)],
            ObjectKind::Tunnel(tunnel) => tunnel_lines(tunnel),
        }
    }

    fn quota(&self, quota: &Quota) -> String {
        let mut text = format!("{}{}", if quota.over { "over " } else { "" }, amount(quota.bytes));
        let used = quota.consumed();
        if used > 0 && !self.options.stateless {
            let _ = write!(text, " used {}", amount(used));
        }
        text
    }

    fn helper(&self, helper: &CtHelper) -> Vec<String> {
        vec![
            format!("type \"{}\" protocol {}", helper.helper, self.protocol(helper.l4proto)),
            format!("l3proto {}", l3proto(helper.l3proto)),
        ]
    }

    fn timeout(&self, timeout: &CtTimeout) -> Vec<String> {
        let known = CT_TIMEOUT_STATES.iter().find(|(protocol, _)| *protocol == timeout.l4proto);
        let states = known.map_or(&[][..], |(_, states)| states);
        let policy: Vec<String> = states
            .iter()
            .filter_map(|(number, name, default)| {
                let (_, seconds) = timeout.timeouts.iter().find(|(state, _)| state == number)?;
                (seconds != default).then(|| format!("{name} : {}", time(u64::from(*seconds) * 1000)))
            })
            .collect();
        vec![
            format!("protocol {}", self.protocol(timeout.l4proto)),
            format!("l3proto {}", l3proto(timeout.l3proto)),
            format!("policy = {{ {} }}", policy.join(", ")),
        ]
    }

    fn expectation(&self, expectation: &CtExpectation) -> Vec<String> {
        vec![
            format!("protocol {}", self.protocol(expectation.l4proto)),
            format!("dport {}", expectation.dport),
            format!("timeout {}", time(expectation.timeout.into())),
            format!("size {}", expectation.size),
            format!("l3proto {}", l3proto(expectation.l3proto)),
        ]
    }

    fn protocol(&self, number: u8) -> String {
        match self.names.protocols.name(number.into()) {
            Some(name) if !self.options.protocol_numbers() => name.into(),
            _ => number.to_string(),
        }
    }
}

/// Bytes in the largest unit that leaves no rest, as nft prints quotas and rates.
pub fn amount(bytes: u64) -> String {
    let (number, unit) = in_units(bytes);
    format!("{number} {unit}")
}

fn in_units(bytes: u64) -> (u64, &'static str) {
    match bytes {
        0 => (0, "bytes"),
        n if n % (1 << 20) == 0 => (n >> 20, "mbytes"),
        n if n % (1 << 10) == 0 => (n >> 10, "kbytes"),
        n => (n, "bytes"),
    }
}

fn limit_text(limit: &Limit) -> String {
    let over = if limit.over { "over " } else { "" };
    let unit = match limit.unit {
        1 => "second",
        60 => "minute",
        3600 => "hour",
        86_400 => "day",
        604_800 => "week",
        _ => "error",
    };
    match limit.kind {
        Kind::Packets => {
            let mut text = format!("rate {over}{}/{unit}", limit.rate);
            if limit.burst > 0 && limit.burst != 5 {
                let _ = write!(text, " burst {} packets", limit.burst);
            }
            text
        }
        Kind::Bytes => {
            let mut text = format!("rate {over}{}/{unit}", amount(limit.rate));
            if limit.burst > 0 {
                let _ = write!(text, " burst {}", amount(limit.burst.into()));
            }
            text
        }
    }
}

fn synproxy_lines(synproxy: &Synproxy) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(synproxy.mss.map(|mss| format!("mss {mss}")));
    lines.extend(synproxy.wscale.map(|wscale| format!("wscale {wscale}")));
    let flags: Vec<&str> = [(synproxy.timestamp, "timestamp"), (synproxy.sack_perm, "sack-perm")]
        .into_iter()
        .filter(|(set, _)| *set)
        .map(|(_, word)| word)
        .collect();
    if !flags.is_empty() {
        lines.push(flags.join(" "));
    }
    lines
}

fn l3proto(number: u16) -> &'static str {
    match number {
        0x0800 | 2 => "ip",
        0x86dd | 10 => "ip6",
        _ => "inet",
    }
}

fn tunnel_lines(tunnel: &Tunnel) -> Vec<String> {
    let mut lines = vec![format!("id {}", tunnel.id)];
    for (address, word) in [(tunnel.src, "saddr"), (tunnel.dst, "daddr")] {
        lines.extend(address.map(|address| {
            let family = if address.is_ipv4() { "ip" } else { "ip6" };
            format!("{family} {word} {address}")
        }));
    }
    lines.extend(tunnel.sport.map(|port| format!("sport {port}")));
    lines.extend(tunnel.dport.map(|port| format!("dport {port}")));
    lines.extend(tunnel.tos.map(|tos| format!("tos {tos}")));
    lines.extend(tunnel.ttl.map(|ttl| format!("ttl {ttl}")));
    match &tunnel.options {
        TunnelOptions::None => {}
        TunnelOptions::Vxlan { gbp } => {
            lines.extend(["vxlan {".into(), format!("\tgbp {gbp}"), "}".into()]);
        }
        TunnelOptions::Erspan(erspan) => {
            lines.push("erspan {".into());
            match erspan {
                Erspan::V1 { index } => lines.extend(["\tversion 1".into(), format!("\tindex {index}")]),
                Erspan::V2 { direction, hwid } => {
                    let direction = if *direction == 0 { "ingress" } else { "egress" };
                    lines.extend(["\tversion 2".into(), format!("\tdirection {direction}")]);
                    lines.push(format!("\tid {hwid}"));
                }
            }
            lines.push("}".into());
        }
        TunnelOptions::Geneve(options) => {
            lines.push("geneve {".into());
            for option in options {
                let data: String = option.data.iter().map(|byte| format!("{byte:02x}")).collect();
                lines.push(format!(
                    "\tclass 0x{:x} opt-type 0x{:x} data \"0x{data}\"",
                    option.class, option.kind
                ));
            }
            lines.push("}".into());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_take_the_largest_unit_without_a_rest() {
        assert_eq!(amount(25 << 20), "25 mbytes");
        assert_eq!(amount(2 << 30), "2048 mbytes");
        assert_eq!(amount(1536), "1536 bytes");
        assert_eq!(amount(2048), "2 kbytes");
        assert_eq!(amount(0), "0 bytes");
    }

    #[test]
    fn a_named_limit_leaves_the_usual_burst_out() {
        assert_eq!(limit_text(&Limit::new(400, 3600, 5, Kind::Packets, false)), "rate 400/hour");
        assert_eq!(
            limit_text(&Limit::new(10 << 20, 1, 3072, Kind::Bytes, true)),
            "rate over 10 mbytes/second burst 3 kbytes"
        );
    }
}
