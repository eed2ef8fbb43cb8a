//! Expectations as text and as XML.

use std::fmt::Write;

use ironweir_client::conntrack::EventKind;
use ironweir_netlink::ctnetlink::{Expectation, Tuple, flag};

use super::protocol;
use super::text::{address, event_mark, family_name, field, number, ports};
use super::xml::{self, element, opening};

/// Writes an expectation without the line end.
pub fn text(out: &mut String, of: &Expectation, event: Option<EventKind>) {
    if let Some(event) = event {
        out.push_str(event_mark(event));
    }
    if let Some(timeout) = of.timeout {
        number(out, timeout.into());
        out.push(' ');
    }
    let empty = Tuple::default();
    let [expected, mask, master] = [&of.tuple, &of.mask, &of.master].map(|t| t.as_ref().unwrap_or(&empty));
    out.push_str("proto=");
    number(out, expected.protocol.unwrap_or_default().into());
    out.push(' ');
    for (names, tuple) in [
        (["src=", "dst="], expected),
        (["mask-src=", "mask-dst="], mask),
        (["master-src=", "master-dst="], master),
    ] {
        for (name, of) in names.into_iter().zip([tuple.source, tuple.destination]) {
            if let Some(of) = of {
                out.push_str(name);
                address(out, of);
                out.push(' ');
            }
        }
        ports(out, tuple);
    }
    field(out, "zone=", of.zone.map(u32::from));
    let flags = of.flags.unwrap_or_default();
    let mut separator = "";
    for (bit, name) in
        [(flag::PERMANENT, "PERMANENT"), (flag::INACTIVE, "INACTIVE"), (flag::USERSPACE, "USERSPACE")]
    {
        if flags & bit != 0 {
            out.push_str(separator);
            out.push_str(name);
            separator = ",";
        }
    }
    if !separator.is_empty() {
        out.push(' ');
    }
    field(out, "class=", of.class);
    if let Some(helper) = &of.helper {
        out.push_str("helper=");
        out.push_str(helper);
        out.push(' ');
    }
    if out.ends_with(' ') {
        out.pop();
    }
}

/// Writes an expectation as XML without the line end. All that is written to a `String` arrives.
pub fn xml(out: &mut String, family: u8, of: &Expectation, event: Option<EventKind>) {
    let empty = Tuple::default();
    let tuples = [("expected", &of.tuple), ("mask", &of.mask), ("master", &of.master)]
        .map(|(name, tuple)| (name, tuple.as_ref().unwrap_or(&empty)));
    opening(out, event);
    let _ = write!(out, "<layer3 protonum=\"{family}\" protoname=\"{}\">", family_name(family));
    for (name, tuple) in tuples {
        let _ = write!(out, "<{name}>");
        xml::addresses(out, tuple);
        let _ = write!(out, "</{name}>");
    }
    let protocol = tuples[0].1.protocol.unwrap_or_default();
    let _ =
        write!(out, "</layer3><layer4 protonum=\"{protocol}\" protoname=\"{}\">", protocol::name(protocol));
    for (name, tuple) in tuples {
        let _ = write!(out, "<{name}>");
        xml::ports(out, tuple);
        let _ = write!(out, "</{name}>");
    }
    out.push_str("</layer4><meta>");
    if let Some(helper) = &of.helper {
        element(out, "helper-name", helper);
    }
    let numbers = [("timeout", of.timeout), ("zone", of.zone.map(u32::from)), ("class", of.class)];
    for (name, value) in numbers {
        if let Some(value) = value {
            let _ = write!(out, "<{name}>{value}</{name}>");
        }
    }
    out.push_str("</meta></flow>");
}
