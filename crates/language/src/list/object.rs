//! Named objects in listings.

use super::json::head;
use ironweir_ruleset::store::TableState;
use serde_json::{Value, json};
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
use crate::decl::ct_object::timeout_states;

impl Lister<'_> {
    /// An object.
    pub(crate) fn object_block(&self, state: &ObjectState, out: &mut String) {
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
        let policy: Vec<String> = changed_timeouts(timeout)
            .map(|(name, seconds)| format!("{name} : {}", self.options.time(u64::from(seconds) * 1000)))
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
            format!("timeout {}", self.options.time(expectation.timeout.into())),
            format!("size {}", expectation.size),
            format!("l3proto {}", l3proto(expectation.l3proto)),
        ]
    }

    fn protocol(&self, number: u8) -> String {
        match self.names.protocols.name(number.into()) {
            Some(name) => name.into(),
            None => number.to_string(),
        }
    }
}

/// Bytes in the largest unit that leaves no rest, as nft prints quotas and rates.
fn amount(bytes: u64) -> String {
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

/// Timeouts of a policy that are not the kernel's own.
fn changed_timeouts(timeout: &CtTimeout) -> impl Iterator<Item = (&'static str, u32)> {
    timeout_states(timeout.l4proto).iter().filter_map(|state| {
        let (_, seconds) = timeout.timeouts.iter().find(|(number, _)| *number == state.number)?;
        (*seconds != state.default).then_some((state.name, *seconds))
    })
}

fn unit_name(seconds: u64) -> &'static str {
    match seconds {
        1 => "second",
        60 => "minute",
        3600 => "hour",
        86_400 => "day",
        604_800 => "week",
        _ => "error",
    }
}

fn limit_text(limit: &Limit) -> String {
    let over = if limit.over { "over " } else { "" };
    let unit = unit_name(limit.unit);
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

impl Lister<'_> {
    /// An object as JSON.
    pub(crate) fn object_json(&self, table: &TableState, state: &ObjectState) -> Value {
        let object = &state.object;
        let mut out = head(table, &object.name);
        out["handle"] = json!(state.handle.told());
        if let Some(comment) = object.userdata.get_str(COMMENT) {
            out["comment"] = json!(comment);
        }
        if let (Some(out), Value::Object(members)) = (out.as_object_mut(), self.object_members(&object.kind))
        {
            out.extend(members);
        }
        crate::json::tagged(object.object_type().name(), out)
    }

    fn object_members(&self, kind: &ObjectKind) -> Value {
        match kind {
            ObjectKind::Counter(_) if self.options.stateless => json!({}),
            ObjectKind::Counter(counter) => {
                let (packets, bytes) = counter.totals();
                json!({ "packets": packets, "bytes": bytes })
            }
            ObjectKind::Quota(quota) => {
                let used = if self.options.stateless { 0 } else { quota.consumed() };
                json!({ "bytes": quota.bytes, "used": used, "inv": quota.over })
            }
            ObjectKind::Limit(limit) => limit_json(limit),
            ObjectKind::Connlimit(connlimit) => json!({ "val": connlimit.count, "inv": connlimit.over }),
            ObjectKind::Synproxy(synproxy) => synproxy_json(synproxy),
            ObjectKind::CtHelper(helper) => json!({
                "type": helper.helper,
                "protocol": self.protocol_json(helper.l4proto),
                "l3proto": l3proto(helper.l3proto),
            }),
            ObjectKind::CtTimeout(timeout) => {
                let policy: serde_json::Map<String, Value> = changed_timeouts(timeout)
                    .map(|(name, seconds)| (name.to_owned(), json!(seconds)))
                    .collect();
                json!({
                    "protocol": self.protocol_json(timeout.l4proto),
                    "l3proto": l3proto(timeout.l3proto),
                    "policy": policy,
                })
            }
            ObjectKind::CtExpectation(expectation) => json!({
                "protocol": self.protocol_json(expectation.l4proto),
                "dport": expectation.dport,
                "timeout": expectation.timeout,
                "size": expectation.size,
                "l3proto": l3proto(expectation.l3proto),
            }),
            ObjectKind::Secmark(secmark) => json!({ "context": secmark.context }),
            ObjectKind::Tunnel(tunnel) => tunnel_json(tunnel),
        }
    }

    /// The name, where there is one.
    fn protocol_json(&self, number: u8) -> Value {
        match self.names.protocols.name(number.into()) {
            Some(name) => json!(name),
            None => json!(number),
        }
    }
}

fn limit_json(limit: &Limit) -> Value {
    let bytes = limit.kind == Kind::Bytes;
    let (rate, rate_unit) = if bytes { in_units(limit.rate) } else { (limit.rate, "packets") };
    let (burst, burst_unit) = match bytes {
        true => in_units(limit.burst.into()),
        false => (limit.burst.into(), "packets"),
    };
    let mut out = json!({ "rate": rate, "per": unit_name(limit.unit), "burst": burst });
    if limit.over {
        out["inv"] = json!(true);
    }
    if bytes {
        out["rate_unit"] = json!(rate_unit);
        out["burst_unit"] = json!(burst_unit);
    }
    out
}

fn synproxy_json(synproxy: &Synproxy) -> Value {
    let mut out = json!({});
    if let Some(mss) = synproxy.mss {
        out["mss"] = json!(mss);
    }
    if let Some(wscale) = synproxy.wscale {
        out["wscale"] = json!(wscale);
    }
    let flags: Vec<&str> = [(synproxy.timestamp, "timestamp"), (synproxy.sack_perm, "sack-perm")]
        .into_iter()
        .filter(|(set, _)| *set)
        .map(|(_, word)| word)
        .collect();
    if !flags.is_empty() {
        out["flags"] = json!(flags);
    }
    out
}

fn tunnel_json(tunnel: &Tunnel) -> Value {
    let mut out = json!({ "id": tunnel.id });
    for (address, word) in [(tunnel.src, "src"), (tunnel.dst, "dst")] {
        if let Some(address) = address {
            out[format!("{word}-{}", if address.is_ipv4() { "ipv4" } else { "ipv6" })] = json!(address);
        }
    }
    for (port, word) in [(tunnel.sport, "sport"), (tunnel.dport, "dport")] {
        if let Some(port) = port {
            out[word] = json!(port);
        }
    }
    for (number, word) in [(tunnel.tos, "tos"), (tunnel.ttl, "ttl")] {
        if let Some(number) = number {
            out[word] = json!(number);
        }
    }
    let (kind, options) = match &tunnel.options {
        TunnelOptions::None => return out,
        TunnelOptions::Vxlan { gbp } => ("vxlan", json!({ "gbp": gbp })),
        TunnelOptions::Erspan(Erspan::V1 { index }) => ("erspan", json!({ "version": 1, "index": index })),
        TunnelOptions::Erspan(Erspan::V2 { direction, hwid }) => {
            let direction = if *direction == 0 { "ingress" } else { "egress" };
            ("erspan", json!({ "version": 2, "dir": direction, "hwid": hwid }))
        }
        TunnelOptions::Geneve(options) => {
            let option = |option: &ironweir_ruleset::object::GeneveOption| {
                let data: String = option.data.iter().map(|byte| format!("{byte:02x}")).collect();
                json!({ "class": option.class, "opt-type": option.kind, "data": format!("0x{data}") })
            };
            ("geneve", options.iter().map(option).collect())
        }
    };
    out["type"] = json!(kind);
    out["tunnel"] = options;
    out
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
