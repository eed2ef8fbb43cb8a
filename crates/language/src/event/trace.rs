//! Steps of a traced packet as text, as `nft monitor trace` prints them (also with `-j`: nft 1.0.6 has no JSON for them).

use std::fmt::Write as _;

use ironweir_ruleset::netlink::{Trace, TraceType};
use ironweir_ruleset::{Family, Handle, Policy, Verdict};

use super::headers;
use crate::datatype::{Datum, Type, print_datum};
use crate::list::Lister;
use crate::raise::print_options;

/// Appends the lines of a step: its rule, verdict or policy, and first the packet, where the step has its headers.
pub(super) fn line(lister: &Lister<'_>, trace: &Trace, out: &mut String) {
    let headers = !(trace.link.is_empty() && trace.network.is_empty() && trace.transport.is_empty());
    if headers || trace.iif.is_some() || trace.oif.is_some() {
        head(trace, out);
        packet(lister, trace, out);
    }
    match trace.kind {
        TraceType::Rule => {
            if let Some(handle) = trace.rule {
                head(trace, out);
                rule(lister, trace, handle, out);
            }
        }
        TraceType::Policy => {
            head(trace, out);
            let policy = trace.policy.unwrap_or(Policy::Accept);
            let _ = write!(out, "policy {} ", policy.name());
            mark(lister, trace, out);
            out.push('\n');
        }
        TraceType::Return => {
            head(trace, out);
            out.push_str("verdict ");
            verdict(trace, out);
            out.push(' ');
            mark(lister, trace, out);
            out.push('\n');
        }
        TraceType::Other(_) => {}
    }
}

/// `trace id 5f0e1a2b inet t c `.
fn head(trace: &Trace, out: &mut String) {
    let _ = write!(out, "trace id {:08x} {} ", trace.id, trace.table);
    if let Some(chain) = &trace.chain {
        let _ = write!(out, "{chain} ");
    }
}

fn rule(lister: &Lister<'_>, trace: &Trace, handle: Handle, out: &mut String) {
    let table = lister.ruleset.table(&trace.table);
    let known = table.and_then(|table| {
        let chain = table.chain(trace.chain.as_deref()?)?;
        Some((table, chain.rule(handle)?))
    });
    match known {
        Some((table, known)) => {
            let _ = write!(out, "rule {}", lister.rule_line(table, &known.rule));
            lister.handle(handle, out);
        }
        None => {
            let _ = write!(out, "unknown rule handle {handle}");
        }
    }
    out.push_str(" (verdict ");
    verdict(trace, out);
    out.push_str(")\n");
}

fn verdict(trace: &Trace, out: &mut String) {
    let _ = match &trace.verdict {
        None => write!(out, "continue"),
        Some(Verdict::Accept) => write!(out, "accept"),
        Some(Verdict::Drop) => write!(out, "drop"),
        Some(Verdict::Continue) => write!(out, "continue"),
        Some(Verdict::Break) => write!(out, "break"),
        Some(Verdict::Return) => write!(out, "return"),
        Some(Verdict::Jump(chain)) => write!(out, "jump {}", chain.name),
        Some(Verdict::Goto(chain)) => write!(out, "goto {}", chain.name),
        Some(other) => write!(out, "{other}"),
    };
}

fn mark(lister: &Lister<'_>, trace: &Trace, out: &mut String) {
    if let Some(mark) = trace.mark {
        let options = print_options(&lister.options);
        let text = print_datum(Type::Mark, &Datum::Number(mark.into()), 32, false, lister.names, &options);
        let _ = write!(out, "meta mark {text} ");
    }
}

fn packet(lister: &Lister<'_>, trace: &Trace, out: &mut String) {
    out.push_str("packet: ");
    let options = print_options(&lister.options);
    for (word, device) in [("iif", trace.iif), ("oif", trace.oif)] {
        if let Some((index, _)) = device {
            let number = Datum::Number(index.into());
            let text = print_datum(Type::IfaceIndex, &number, 32, false, lister.names, &options);
            let _ = write!(out, "{word} {text} ");
        }
    }
    mark(lister, trace, out);
    let network = network_of(trace);
    headers::print(lister, trace, network, out);
    out.push('\n');
}

/// `NFPROTO_IPV4`, `NFPROTO_IPV6`, `NFPROTO_ARP` of the packet, where they are known.
fn network_of(trace: &Trace) -> Option<Family> {
    match trace.table.family {
        family @ (Family::Ip | Family::Ip6 | Family::Arp) => Some(family),
        _ => u8::try_from(trace.nfproto?).ok().and_then(Family::from_number),
    }
}
