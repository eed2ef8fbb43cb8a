//! Connections as lines of text, the form that `/proc/net/nf_conntrack` began.

use std::net::IpAddr;

use ironweir_client::conntrack::EventKind;
use ironweir_netlink::ctnetlink::{Counters, Flow, ProtoInfo, Status, Tuple};

use super::clock::{Clock, put_ctime};
use super::labels::LabelMap;
use super::output::Output;
use super::protocol::{self, DCCP_STATES, SCTP_STATES, TCP_STATES};

/// Writes a connection without the line end.
pub fn flow(
    out: &mut String,
    output: Output,
    family: u8,
    flow: &Flow,
    event: Option<EventKind>,
    labels: &LabelMap,
    clock: &Clock,
) {
    if let Some(event) = event {
        out.push_str(event_mark(event));
    }
    if output.extended {
        padded(out, family_name(family));
        number(out, family.into());
        out.push(' ');
    }
    let empty = Tuple::default();
    let original = flow.original.as_ref().unwrap_or(&empty);
    let reply = flow.reply.as_ref().unwrap_or(&empty);
    let number_of = original.protocol.or(reply.protocol).unwrap_or_default();
    padded(out, protocol::name(number_of));
    number(out, number_of.into());
    out.push(' ');
    if let Some(timeout) = flow.timeout {
        number(out, timeout.into());
        out.push(' ');
    }
    if let Some(state) = flow.protoinfo.as_ref().and_then(state) {
        out.push_str(state);
        out.push(' ');
    }
    tuple(out, original, "zone-orig=");
    counters(out, flow.counters[0]);
    if flow.status.is_some_and(|status| !status.contains(Status::SEEN_REPLY)) {
        out.push_str("[UNREPLIED] ");
    }
    tuple(out, reply, "zone-reply=");
    counters(out, flow.counters[1]);
    if let Some(status) = flow.status {
        out.push_str(status_mark(status));
    }
    trailer(out, output, flow, labels, clock);
    if out.ends_with(' ') {
        out.pop();
    }
}

/// What stands behind the tuples.
fn trailer(out: &mut String, output: Output, flow: &Flow, labels: &LabelMap, clock: &Clock) {
    field(out, "mark=", flow.mark);
    field(out, "secmark=", flow.secmark);
    if let Some(name) = &flow.security_context {
        out.push_str("secctx=");
        out.push_str(name);
        out.push(' ');
    }
    field(out, "zone=", flow.zone.map(u32::from));
    if let Some(timestamp) = flow.timestamp
        && let Some(start) = timestamp.start
    {
        out.push_str("delta-time=");
        number(out, clock.age(start, timestamp.stop));
        out.push(' ');
        if output.ktimestamp {
            for (name, time) in [("[start=", Some(start)), ("[stop=", timestamp.stop)] {
                if let Some(time) = time {
                    out.push_str(name);
                    put_ctime(out, &clock.here(time));
                    out.push_str("] ");
                }
            }
        }
    }
    if let Some(help) = &flow.help {
        out.push_str("helper=");
        out.push_str(&help.name);
        out.push(' ');
    }
    field(out, "use=", flow.uses);
    if output.id {
        field(out, "id=", flow.id);
    }
    if output.labels
        && let Some(set) = &flow.labels
    {
        let mut separator = "labels=";
        for name in labels.names(set) {
            out.push_str(separator);
            out.push_str(name);
            separator = ",";
        }
        if separator == "," {
            out.push(' ');
        }
    }
}

/// Writes addresses, ports and zone of a direction, each with a space behind.
pub fn tuple(out: &mut String, tuple: &Tuple, zone: &str) {
    for (name, of) in [("src=", tuple.source), ("dst=", tuple.destination)] {
        if let Some(of) = of {
            out.push_str(name);
            address(out, of);
            out.push(' ');
        }
    }
    ports(out, tuple);
    field(out, zone, tuple.zone.map(u32::from));
}

/// Writes what a protocol has in its tuples, each with a space behind.
pub fn ports(out: &mut String, tuple: &Tuple) {
    match tuple.protocol {
        Some(47) => {
            for (name, key) in [("srckey=0x", tuple.source_port), ("dstkey=0x", tuple.destination_port)] {
                if let Some(key) = key {
                    // A String takes all that is written to it.
                    let _ = std::fmt::Write::write_fmt(out, format_args!("{name}{key:x} "));
                }
            }
        }
        Some(1 | 58) => {
            field(out, "type=", tuple.icmp_type.map(u32::from));
            field(out, "code=", tuple.icmp_code.map(u32::from));
            field(out, "id=", tuple.icmp_id.map(u32::from));
        }
        protocol => {
            // A kernel without a tracker for such a protocol tells no ports; they are shown all the same.
            let none = protocol::has_ports(protocol).then_some(0);
            field(out, "sport=", tuple.source_port.map(u32::from).or(none));
            field(out, "dport=", tuple.destination_port.map(u32::from).or(none));
        }
    }
}

fn counters(out: &mut String, counters: Option<Counters>) {
    let Some(Counters { packets, bytes }) = counters else { return };
    for (name, value) in [("packets=", packets), ("bytes=", bytes)] {
        out.push_str(name);
        number(out, value);
        out.push(' ');
    }
}

/// Writes a name and a number with a space behind, if there is one.
pub fn field(out: &mut String, name: &str, value: Option<u32>) {
    if let Some(value) = value {
        out.push_str(name);
        number(out, value.into());
        out.push(' ');
    }
}

/// Writes a word in at least eight columns, and a space.
fn padded(out: &mut String, word: &str) {
    out.push_str(word);
    for _ in word.len()..9 {
        out.push(' ');
    }
}

/// Writes a number. By hand: a listing of a million connections has some thirty million of them, and `fmt` takes three
/// times as long.
pub fn number(out: &mut String, mut value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend(digits[at..].iter().map(|digit| char::from(*digit)));
}

/// Writes an address.
pub fn address(out: &mut String, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (at, octet) in address.octets().into_iter().enumerate() {
                if at > 0 {
                    out.push('.');
                }
                number(out, octet.into());
            }
        }
        IpAddr::V6(address) => {
            // A String takes all that is written to it.
            let _ = std::fmt::Write::write_fmt(out, format_args!("{address}"));
        }
    }
}

/// What stands before an event.
pub fn event_mark(event: EventKind) -> &'static str {
    match event {
        EventKind::New => "    [NEW] ",
        EventKind::Update => " [UPDATE] ",
        EventKind::Destroy => "[DESTROY] ",
    }
}

fn status_mark(status: Status) -> &'static str {
    if status.contains(Status::HW_OFFLOAD) {
        "[HW_OFFLOAD] "
    } else if status.contains(Status::OFFLOAD) {
        "[OFFLOAD] "
    } else if status.contains(Status::ASSURED) {
        "[ASSURED] "
    } else {
        ""
    }
}

/// The name of a family: `ipv4` for `AF_INET`.
pub fn family_name(family: u8) -> &'static str {
    match family {
        2 => "ipv4",
        10 => "ipv6",
        _ => "unknown",
    }
}

/// The name of a protocol's state. One that has no name here is a newer kernel's.
pub fn state(info: &ProtoInfo) -> Option<&'static str> {
    let (states, state) = match info {
        ProtoInfo::Tcp(tcp) => (TCP_STATES, tcp.state?),
        ProtoInfo::Sctp(sctp) => (SCTP_STATES, sctp.state?),
        ProtoInfo::Dccp(dccp) => (DCCP_STATES, dccp.state?),
        ProtoInfo::Other(_) => return None,
    };
    Some(states.get(usize::from(state)).copied().unwrap_or("UNKNOWN"))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use ironweir_netlink::ctnetlink::{Help, Labels, SctpInfo, TcpInfo};

    use super::*;

    fn tuple(addresses: [&str; 2], protocol: u8, ports: Option<[u16; 2]>) -> Option<Tuple> {
        let [source, destination] = addresses.map(|address| address.parse::<IpAddr>().ok());
        let [source_port, destination_port] = [0, 1].map(|at| ports.map(|ports| ports[at]));
        Some(Tuple {
            source,
            destination,
            protocol: Some(protocol),
            source_port,
            destination_port,
            ..Tuple::default()
        })
    }

    fn line(output: Output, of: &Flow, event: Option<EventKind>) -> String {
        let mut out = String::new();
        flow(&mut out, output, 2, of, event, &LabelMap::of("1 one\n64 far"), &Clock::system());
        out
    }

    /// The lines are those of conntrack 1.4.7 for the same connections.
    #[test]
    fn lines_are_those_of_the_stock_tool() {
        let zero = Some(Counters::default());
        let mut labels = Labels::empty(16);
        labels.insert(1);
        labels.insert(64);
        let tcp = Flow {
            original: tuple(["1.1.1.1", "1.1.1.2"], 6, Some([1, 2])),
            reply: tuple(["1.1.1.2", "1.1.1.1"], 6, Some([2, 1])),
            protoinfo: Some(ProtoInfo::Tcp(TcpInfo { state: Some(3), ..TcpInfo::default() })),
            status: Some(Status::SEEN_REPLY | Status::ASSURED | Status::CONFIRMED),
            counters: [zero, zero],
            timeout: Some(98),
            mark: Some(77),
            uses: Some(1),
            id: Some(3_706_846_878),
            labels: Some(labels),
            help: Some(Help { name: "ftp".into(), ..Help::default() }),
            ..Flow::default()
        };
        let plain = "tcp      6 98 ESTABLISHED src=1.1.1.1 dst=1.1.1.2 sport=1 dport=2 packets=0 bytes=0 src=1.1.1.2 \
                     dst=1.1.1.1 sport=2 dport=1 packets=0 bytes=0 [ASSURED] mark=77 helper=ftp use=1";
        assert_eq!(line(Output::default(), &tcp, None), plain);
        let output = Output { extended: true, id: true, labels: true, ..Output::default() };
        assert_eq!(line(output, &tcp, None), format!("ipv4     2 {plain} id=3706846878 labels=one,far"));
        assert_eq!(line(Output::default(), &tcp, Some(EventKind::New)), format!("    [NEW] {plain}"));

        let sctp = Flow {
            original: tuple(["1.1.1.1", "1.1.1.2"], 132, Some([1, 2])),
            reply: tuple(["1.1.1.2", "1.1.1.1"], 132, Some([2, 1])),
            protoinfo: Some(ProtoInfo::Sctp(SctpInfo { state: Some(4), ..SctpInfo::default() })),
            status: Some(Status::CONFIRMED),
            timeout: Some(98),
            ..Flow::default()
        };
        assert_eq!(
            line(Output::default(), &sctp, Some(EventKind::Destroy)),
            "[DESTROY] sctp     132 98 ESTABLISHED src=1.1.1.1 dst=1.1.1.2 sport=1 dport=2 [UNREPLIED] src=1.1.1.2 \
             dst=1.1.1.1 sport=2 dport=1"
        );
        let gre = Flow {
            original: tuple(["1.1.1.1", "1.1.1.2"], 47, Some([16, 17])),
            reply: tuple(["1.1.1.2", "1.1.1.1"], 47, Some([17, 16])),
            ..Flow::default()
        };
        assert_eq!(
            line(Output::default(), &gre, None),
            "gre      47 src=1.1.1.1 dst=1.1.1.2 srckey=0x10 dstkey=0x11 src=1.1.1.2 dst=1.1.1.1 srckey=0x11 dstkey=0x10"
        );
        let esp = Flow {
            original: tuple(["fe80::1", "fe80::2"], 50, None),
            reply: tuple(["fe80::2", "fe80::1"], 50, None),
            zone: Some(7),
            mark: Some(0),
            ..Flow::default()
        };
        assert_eq!(
            line(Output::default(), &esp, None),
            "unknown  50 src=fe80::1 dst=fe80::2 src=fe80::2 dst=fe80::1 mark=0 zone=7"
        );
    }

    #[test]
    fn numbers_of_any_size_are_written() {
        for value in [0, 7, 10, 99_999, u64::MAX] {
            let mut out = String::new();
            number(&mut out, value);
            assert_eq!(out, value.to_string());
        }
    }
}
