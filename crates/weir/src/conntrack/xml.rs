//! Connections as XML.

use std::fmt::Write;

use ironweir_client::conntrack::EventKind;
use ironweir_netlink::ctnetlink::{Counters, Flow, Status, Tuple};

use super::clock::Clock;
use super::labels::LabelMap;
use super::output::{Happened, Output};
use super::protocol;
use super::text::{family_name, state};

/// Writes a connection without the line end. All that is written to a `String` arrives, so results are not looked at.
pub fn flow(
    out: &mut String,
    output: Output,
    family: u8,
    flow: &Flow,
    event: Option<Happened>,
    labels: &LabelMap,
    clock: &Clock,
) {
    opening(out, event.map(|event| event.kind));
    for ((direction, tuple), counters) in
        [("original", &flow.original), ("reply", &flow.reply)].into_iter().zip(flow.counters)
    {
        let Some(tuple) = tuple else { continue };
        let _ = write!(out, "<meta direction=\"{direction}\">");
        layer3(out, family, tuple);
        layer4(out, tuple);
        if let Some(zone) = tuple.zone {
            let _ = write!(out, "<zone>{zone}</zone>");
        }
        if let Some(Counters { packets, bytes }) = counters {
            let _ = write!(out, "<counters><packets>{packets}</packets><bytes>{bytes}</bytes></counters>");
        }
        out.push_str("</meta>");
    }
    out.push_str("<meta direction=\"independent\">");
    independent(out, output, flow, labels, clock);
    out.push_str("</meta>");
    if output.timestamp && event.is_some() {
        let now = clock.here(clock.now());
        let _ = write!(
            out,
            "<when><hour>{}</hour><min>{}</min><sec>{}</sec><wday>{}</wday><day>{}</day><month>{}</month><year>{}</year></when>",
            now.hour(),
            now.minute(),
            now.second(),
            now.weekday().to_sunday_one_offset(),
            now.day(),
            now.month(),
            now.year(),
        );
    }
    if let Some(help) = &flow.help {
        element(out, "helper", &help.name);
    }
    out.push_str("</flow>");
}

fn independent(out: &mut String, output: Output, flow: &Flow, labels: &LabelMap, clock: &Clock) {
    // DIVERGES: conntrack writes the states of SCTP and DCCP with TCP's names.
    if let Some(state) = flow.protoinfo.as_ref().and_then(state) {
        element(out, "state", state);
    }
    for (name, value) in [("timeout", flow.timeout), ("mark", flow.mark)] {
        if let Some(value) = value {
            let _ = write!(out, "<{name}>{value}</{name}>");
        }
    }
    if output.labels
        && let Some(set) = &flow.labels
    {
        let mut names = labels.names(set).peekable();
        if names.peek().is_some() {
            out.push_str("<labels>");
            names.for_each(|name| element(out, "label", name));
            out.push_str("</labels>");
        }
    }
    if let Some(name) = &flow.security_context {
        element(out, "secctx", name);
    }
    let numbers =
        [("secmark", flow.secmark), ("zone", flow.zone.map(u32::from)), ("use", flow.uses), ("id", flow.id)];
    for (name, value) in numbers {
        if let Some(value) = value {
            let _ = write!(out, "<{name}>{value}</{name}>");
        }
    }
    if let Some(status) = flow.status {
        if status.contains(Status::ASSURED) {
            out.push_str("<assured/>");
        }
        if !status.contains(Status::SEEN_REPLY) {
            out.push_str("<unreplied/>");
        }
    }
    if let Some(timestamp) = flow.timestamp
        && let Some(start) = timestamp.start
    {
        if output.ktimestamp {
            let _ = write!(out, "<timestamp><start>{start}</start>");
            if let Some(stop) = timestamp.stop {
                let _ = write!(out, "<stop>{stop}</stop>");
            }
            out.push_str("</timestamp>");
        }
        let _ = write!(out, "<deltatime>{}</deltatime>", clock.age(start, timestamp.stop));
    }
}

/// The element that holds a connection or an expectation.
pub fn opening(out: &mut String, event: Option<EventKind>) {
    out.push_str(match event {
        None => "<flow>",
        Some(EventKind::New) => "<flow type=\"new\">",
        Some(EventKind::Update) => "<flow type=\"update\">",
        Some(EventKind::Destroy) => "<flow type=\"destroy\">",
    });
}

fn layer3(out: &mut String, family: u8, tuple: &Tuple) {
    let _ = write!(out, "<layer3 protonum=\"{family}\" protoname=\"{}\">", family_name(family));
    addresses(out, tuple);
    out.push_str("</layer3>");
}

fn layer4(out: &mut String, tuple: &Tuple) {
    let number = tuple.protocol.unwrap_or_default();
    let _ = write!(out, "<layer4 protonum=\"{number}\" protoname=\"{}\">", protocol::name(number));
    ports(out, tuple);
    out.push_str("</layer4>");
}

/// Writes a tuple's addresses.
pub fn addresses(out: &mut String, tuple: &Tuple) {
    for (name, address) in [("src", tuple.source), ("dst", tuple.destination)] {
        if let Some(address) = address {
            let _ = write!(out, "<{name}>{address}</{name}>");
        }
    }
}

/// Writes a tuple's ports or keys; ICMP has none here.
pub fn ports(out: &mut String, tuple: &Tuple) {
    let ports = [tuple.source_port, tuple.destination_port];
    match tuple.protocol {
        Some(47) => {
            for (name, key) in ["srckey", "dstkey"].into_iter().zip(ports) {
                if let Some(key) = key {
                    let _ = write!(out, "<{name}>{key:#x}</{name}>");
                }
            }
        }
        protocol => {
            let none = protocol::has_ports(protocol).then_some(0);
            for (name, port) in ["sport", "dport"].into_iter().zip(ports) {
                if let Some(port) = port.or(none) {
                    let _ = write!(out, "<{name}>{port}</{name}>");
                }
            }
        }
    }
}

/// Writes an element whose text may need escapes.
pub fn element(out: &mut String, name: &str, text: &str) {
    let _ = write!(out, "<{name}>");
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            _ => out.push(character),
        }
    }
    let _ = write!(out, "</{name}>");
}
