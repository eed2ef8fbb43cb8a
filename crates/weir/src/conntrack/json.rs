//! Connections and expectations as JSON: an object on each line, so that a listing of any length can be read as it comes.
//! Keys are those of the text, times are nanoseconds since 1970.
//!
//! Written by hand: through `serde_json`'s values a listing of 250,000 connections took a second more.

use ironweir_client::conntrack::EventKind;
use ironweir_netlink::ctnetlink::{Expectation, Flow, Labels, ProtoInfo, Status, Tuple, flag};

use super::clock::Clock;
use super::labels::LabelMap;
use super::output::Happened;
use super::text::{self, family_name, state};
use super::{protocol, text::number};

/// Status bits and their names.
const STATUS: [(u32, &str); 12] = [
    (Status::EXPECTED.0, "expected"),
    (Status::SEEN_REPLY.0, "seen-reply"),
    (Status::ASSURED.0, "assured"),
    (Status::CONFIRMED.0, "confirmed"),
    (Status::SRC_NAT.0, "snat"),
    (Status::DST_NAT.0, "dnat"),
    (Status::SEQ_ADJUST.0, "seq-adjust"),
    (Status::DYING.0, "dying"),
    (Status::FIXED_TIMEOUT.0, "fixed-timeout"),
    (Status::HELPER.0, "helper"),
    (Status::OFFLOAD.0, "offload"),
    (Status::HW_OFFLOAD.0, "hw-offload"),
];

/// Flags of expectations and their names.
const FLAGS: [(u32, &str); 3] =
    [(flag::PERMANENT, "permanent"), (flag::INACTIVE, "inactive"), (flag::USERSPACE, "userspace")];

/// An object that is being written.
struct Object<'a> {
    out: &'a mut String,
    empty: bool,
}

impl Object<'_> {
    fn begin(out: &mut String) -> Object<'_> {
        out.push('{');
        Object { out, empty: true }
    }

    fn end(self) {
        self.out.push('}');
    }

    /// Keys are ours and need no escapes.
    fn key(&mut self, key: &str) -> &mut String {
        if !std::mem::take(&mut self.empty) {
            self.out.push(',');
        }
        self.out.push('"');
        self.out.push_str(key);
        self.out.push_str("\":");
        self.out
    }

    fn number(&mut self, key: &str, value: Option<impl Into<u64>>) {
        if let Some(value) = value {
            number(self.key(key), value.into());
        }
    }

    fn text(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            string(self.key(key), value);
        }
    }

    /// The names of the bits that are set.
    fn names(&mut self, key: &str, bits: u32, names: &[(u32, &str)]) {
        let names = names.iter().filter(|(bit, _)| bits & bit != 0);
        list(self.key(key), names, |out, (_, name)| string(out, name));
    }

    fn tuple(&mut self, key: &str, tuple: Option<&Tuple>, more: impl FnOnce(&mut Object<'_>)) {
        let Some(tuple) = tuple else { return };
        let mut object = Object::begin(self.key(key));
        for (key, address) in [("src", tuple.source), ("dst", tuple.destination)] {
            if let Some(address) = address {
                let out = object.key(key);
                out.push('"');
                text::address(out, address);
                out.push('"');
            }
        }
        match tuple.protocol.map(|number| (number, protocol::name(number))) {
            Some((number, "unknown")) => object.number("protocol", Some(number)),
            named => object.text("protocol", named.map(|(_, name)| name)),
        }
        let [source, destination] = match tuple.protocol {
            Some(47) => ["srckey", "dstkey"],
            _ => ["sport", "dport"],
        };
        object.number(source, tuple.source_port);
        object.number(destination, tuple.destination_port);
        object.number("type", tuple.icmp_type);
        object.number("code", tuple.icmp_code);
        object.number("id", tuple.icmp_id);
        object.number("zone", tuple.zone);
        more(&mut object);
        object.end();
    }
}

/// A string with its quotes. Names of helpers and labels are anything that the kernel or a file says.
fn string(out: &mut String, value: &str) {
    if value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
        out.push('"');
        out.push_str(value);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(value).to_string());
    }
}

fn list<T>(out: &mut String, items: impl Iterator<Item = T>, mut write: impl FnMut(&mut String, T)) {
    out.push('[');
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

/// Writes a connection without the line end.
pub fn flow(
    out: &mut String,
    family: u8,
    flow: &Flow,
    event: Option<Happened>,
    labels: &LabelMap,
    clock: &Clock,
) {
    let mut object = Object::begin(out);
    opening(&mut object, family, event, clock);
    for ((name, tuple), counters) in
        [("original", &flow.original), ("reply", &flow.reply)].into_iter().zip(flow.counters)
    {
        object.tuple(name, tuple.as_ref(), |object| {
            object.number("packets", counters.map(|counters| counters.packets));
            object.number("bytes", counters.map(|counters| counters.bytes));
        });
    }
    object.tuple("master", flow.master.as_ref(), |_| {});
    object.text("state", flow.protoinfo.as_ref().and_then(state));
    match &flow.protoinfo {
        Some(ProtoInfo::Sctp(sctp)) => {
            object.number("orig-vtag", sctp.vtags[0]);
            object.number("reply-vtag", sctp.vtags[1]);
        }
        Some(ProtoInfo::Dccp(dccp)) => {
            object.text("role", dccp.role.map(|role| if role == 0 { "client" } else { "server" }));
        }
        _ => {}
    }
    object.number("timeout", flow.timeout);
    if let Some(status) = flow.status {
        object.names("status", status.0, &STATUS);
    }
    object.number("mark", flow.mark);
    object.text("secctx", flow.security_context.as_deref());
    object.number("zone", flow.zone);
    object.text("helper", flow.help.as_ref().map(|help| &*help.name));
    if let Some(set) = flow.labels.as_ref().filter(|set| !set.is_empty()) {
        list(object.key("labels"), set.bits(), |out, bit| label(out, bit, labels));
    }
    if let Some(timestamp) = flow.timestamp {
        object.number("start", timestamp.start);
        object.number("stop", timestamp.stop);
    }
    object.number("use", flow.uses);
    object.number("id", flow.id);
    object.end();
}

/// A label's name, or its bit where it has none.
fn label(out: &mut String, bit: u16, labels: &LabelMap) {
    let mut one = Labels::empty(0);
    one.insert(bit);
    match labels.names(&one).next() {
        Some(name) => string(out, name),
        None => number(out, bit.into()),
    }
}

/// Writes an expectation without the line end.
pub fn expectation(out: &mut String, family: u8, of: &Expectation, event: Option<Happened>, clock: &Clock) {
    let mut object = Object::begin(out);
    opening(&mut object, family, event, clock);
    for (name, tuple) in [("expected", &of.tuple), ("mask", &of.mask), ("master", &of.master)] {
        object.tuple(name, tuple.as_ref(), |_| {});
    }
    object.number("timeout", of.timeout);
    object.text("helper", of.helper.as_deref());
    object.number("zone", of.zone);
    object.number("class", of.class);
    object.names("flags", of.flags.unwrap_or_default(), &FLAGS);
    object.number("id", of.id);
    object.end();
}

fn opening(object: &mut Object<'_>, family: u8, event: Option<Happened>, clock: &Clock) {
    if let Some(Happened { kind, port }) = event {
        let name = match kind {
            EventKind::New => "new",
            EventKind::Update => "update",
            EventKind::Destroy => "destroy",
        };
        object.text("event", Some(name));
        object.number("time", Some(clock.now()));
        object.number("port", Some(port).filter(|port| *port != 0));
    }
    object.text("family", Some(family_name(family)));
}

#[cfg(test)]
mod tests {
    use ironweir_netlink::ctnetlink::{Counters, Help, Timestamp};

    use super::*;

    #[test]
    fn a_line_is_json_and_says_what_is_there() {
        let tuple = |source: &str| {
            Some(Tuple {
                source: source.parse().ok(),
                protocol: Some(6),
                source_port: Some(1),
                ..Tuple::default()
            })
        };
        let mut labels = Labels::empty(16);
        labels.insert(1);
        labels.insert(9);
        let of = Flow {
            original: tuple("1.1.1.1"),
            reply: tuple("fe80::1"),
            counters: [Some(Counters { packets: 1, bytes: u64::MAX }), None],
            status: Some(Status::ASSURED | Status::CONFIRMED),
            help: Some(Help { name: "a\"\\\n\u{7}é".into(), ..Help::default() }),
            labels: Some(labels),
            timestamp: Some(Timestamp { start: Some(5), stop: None }),
            ..Flow::default()
        };
        let mut out = String::new();
        let event = Some(Happened { kind: EventKind::Update, port: 0 });
        flow(&mut out, 2, &of, event, &LabelMap::of("1 one"), &Clock::system());
        let mut read: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert!(read["time"].take().is_u64());
        let expected = serde_json::json!({
            "event": "update", "time": null, "family": "ipv4",
            "original": {"src": "1.1.1.1", "protocol": "tcp", "sport": 1, "packets": 1, "bytes": u64::MAX},
            "reply": {"src": "fe80::1", "protocol": "tcp", "sport": 1},
            "status": ["assured", "confirmed"], "helper": "a\"\\\n\u{7}é", "labels": ["one", 9], "start": 5,
        });
        assert_eq!(read, expected);
        assert!(!out.contains('\n'));
    }
}
