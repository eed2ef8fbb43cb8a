//! Connections and expectations as JSON: an object on each line, so that a listing of any length can be read as it comes.
//! Keys are those of the text, times are nanoseconds since 1970.

use ironweir_client::conntrack::EventKind;
use ironweir_netlink::ctnetlink::{Expectation, Flow, ProtoInfo, Status, Tuple, flag};
use serde_json::{Map, Value, json};

use super::clock::Clock;
use super::labels::LabelMap;
use super::output::Happened;
use super::protocol;
use super::text::{family_name, state};

/// Status bits and their names.
const STATUS: [(Status, &str); 12] = [
    (Status::EXPECTED, "expected"),
    (Status::SEEN_REPLY, "seen-reply"),
    (Status::ASSURED, "assured"),
    (Status::CONFIRMED, "confirmed"),
    (Status::SRC_NAT, "snat"),
    (Status::DST_NAT, "dnat"),
    (Status::SEQ_ADJUST, "seq-adjust"),
    (Status::DYING, "dying"),
    (Status::FIXED_TIMEOUT, "fixed-timeout"),
    (Status::HELPER, "helper"),
    (Status::OFFLOAD, "offload"),
    (Status::HW_OFFLOAD, "hw-offload"),
];

/// Writes a connection without the line end.
pub fn flow(
    out: &mut String,
    family: u8,
    flow: &Flow,
    event: Option<Happened>,
    labels: &LabelMap,
    clock: &Clock,
) {
    let mut object = opening(family, event, clock);
    for ((name, tuple), counters) in
        [("original", &flow.original), ("reply", &flow.reply)].into_iter().zip(flow.counters)
    {
        let Some(tuple) = tuple else { continue };
        let mut of = self::tuple(tuple);
        if let Some(counters) = counters {
            of.insert("packets".into(), counters.packets.into());
            of.insert("bytes".into(), counters.bytes.into());
        }
        object.insert(name.into(), of.into());
    }
    if let Some(master) = &flow.master {
        object.insert("master".into(), tuple(master).into());
    }
    if let Some(state) = flow.protoinfo.as_ref().and_then(state) {
        object.insert("state".into(), state.into());
    }
    match &flow.protoinfo {
        Some(ProtoInfo::Sctp(sctp)) => {
            put(&mut object, "orig-vtag", sctp.vtags[0]);
            put(&mut object, "reply-vtag", sctp.vtags[1]);
        }
        Some(ProtoInfo::Dccp(dccp)) => {
            put(&mut object, "role", dccp.role.map(|role| if role == 0 { "client" } else { "server" }));
        }
        _ => {}
    }
    put(&mut object, "timeout", flow.timeout);
    if let Some(status) = flow.status {
        let names: Vec<_> =
            STATUS.iter().filter(|(bit, _)| status.contains(*bit)).map(|(_, name)| *name).collect();
        object.insert("status".into(), names.into());
    }
    put(&mut object, "mark", flow.mark);
    put(&mut object, "secctx", flow.security_context.as_deref());
    put(&mut object, "zone", flow.zone);
    put(&mut object, "helper", flow.help.as_ref().map(|help| &*help.name));
    if let Some(set) = flow.labels.as_ref().filter(|set| !set.is_empty()) {
        let name = |bit: u16| {
            let mut one = ironweir_netlink::ctnetlink::Labels::empty(0);
            one.insert(bit);
            labels.names(&one).next().map_or(Value::from(bit), Value::from)
        };
        object.insert("labels".into(), set.bits().map(name).collect());
    }
    if let Some(timestamp) = flow.timestamp {
        put(&mut object, "start", timestamp.start);
        put(&mut object, "stop", timestamp.stop);
    }
    put(&mut object, "use", flow.uses);
    put(&mut object, "id", flow.id);
    out.push_str(&Value::from(object).to_string());
}

/// Writes an expectation without the line end.
pub fn expectation(out: &mut String, family: u8, of: &Expectation, event: Option<Happened>, clock: &Clock) {
    let mut object = opening(family, event, clock);
    for (name, tuple) in [("expected", &of.tuple), ("mask", &of.mask), ("master", &of.master)] {
        if let Some(tuple) = tuple {
            object.insert(name.into(), self::tuple(tuple).into());
        }
    }
    put(&mut object, "timeout", of.timeout);
    put(&mut object, "helper", of.helper.as_deref());
    put(&mut object, "zone", of.zone);
    put(&mut object, "class", of.class);
    let flags = of.flags.unwrap_or_default();
    let names =
        [(flag::PERMANENT, "permanent"), (flag::INACTIVE, "inactive"), (flag::USERSPACE, "userspace")];
    let names: Vec<_> = names.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name).collect();
    object.insert("flags".into(), names.into());
    put(&mut object, "id", of.id);
    out.push_str(&Value::from(object).to_string());
}

fn opening(family: u8, event: Option<Happened>, clock: &Clock) -> Map<String, Value> {
    let mut object = Map::new();
    if let Some(Happened { kind, port }) = event {
        let name = match kind {
            EventKind::New => "new",
            EventKind::Update => "update",
            EventKind::Destroy => "destroy",
        };
        object.insert("event".into(), name.into());
        object.insert("time".into(), clock.now().into());
        if port != 0 {
            object.insert("port".into(), port.into());
        }
    }
    object.insert("family".into(), family_name(family).into());
    object
}

fn tuple(tuple: &Tuple) -> Map<String, Value> {
    let mut object = Map::new();
    put(&mut object, "src", tuple.source.map(|address| address.to_string()));
    put(&mut object, "dst", tuple.destination.map(|address| address.to_string()));
    if let Some(number) = tuple.protocol {
        let name = protocol::name(number);
        let value = if name == "unknown" { json!(number) } else { json!(name) };
        object.insert("protocol".into(), value);
    }
    let [source, destination] = match tuple.protocol {
        Some(47) => ["srckey", "dstkey"],
        _ => ["sport", "dport"],
    };
    put(&mut object, source, tuple.source_port);
    put(&mut object, destination, tuple.destination_port);
    put(&mut object, "type", tuple.icmp_type);
    put(&mut object, "code", tuple.icmp_code);
    put(&mut object, "id", tuple.icmp_id);
    put(&mut object, "zone", tuple.zone);
    object
}

fn put(object: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object.insert(name.into(), value.into());
    }
}
