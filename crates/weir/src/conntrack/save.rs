//! Connections as the options that make them again.

use ironweir_client::conntrack::EventKind;
use ironweir_netlink::ctnetlink::{Flow, ProtoInfo, Status, Tuple};

use super::protocol::PROTOCOLS;
use super::text::{address, number, state};

/// Status bits that an option can set, in the order of the bits.
const STATUS: [(Status, &str); 6] = [
    (Status::EXPECTED, "EXPECTED"),
    (Status::SEEN_REPLY, "SEEN_REPLY"),
    (Status::ASSURED, "ASSURED"),
    (Status::FIXED_TIMEOUT, "FIXED_TIMEOUT"),
    (Status::OFFLOAD, "OFFLOAD"),
    (Status::HW_OFFLOAD, "HW_OFFLOAD"),
];

/// Writes a connection without the line end.
pub fn flow(out: &mut String, flow: &Flow, event: Option<EventKind>) {
    out.push_str(match event {
        None | Some(EventKind::New) => "-A ",
        Some(EventKind::Update) => "-U ",
        Some(EventKind::Destroy) => "-D ",
    });
    option(out, "-t", flow.timeout);
    status(out, flow.status.unwrap_or_default());
    option(out, "-w", flow.zone.map(u32::from));
    let empty = Tuple::default();
    let original = flow.original.as_ref().unwrap_or(&empty);
    let reply = flow.reply.as_ref().unwrap_or(&empty);
    option(out, "--orig-zone", original.zone.map(u32::from));
    option(out, "--reply-zone", reply.zone.map(u32::from));
    let [source_nat, destination_nat] = nat(flow, original, reply);
    let addresses = [
        ("-s", original.source),
        ("-d", original.destination),
        (if destination_nat { "-g" } else { "-r" }, reply.source),
        (if source_nat { "-n" } else { "-q" }, reply.destination),
    ];
    for (name, of) in addresses {
        if let Some(of) = of {
            out.push_str(name);
            out.push(' ');
            address(out, of);
            out.push(' ');
        }
    }
    protocol(out, original, reply);
    let known = flow.protoinfo.as_ref();
    if let Some(state) = known.and_then(state) {
        out.push_str("--state ");
        out.push_str(state);
        out.push(' ');
    }
    match known {
        Some(ProtoInfo::Sctp(sctp)) => {
            let [original, reply] = sctp.vtags.map(|vtag| vtag.map(vtag_as_written));
            option(out, "--orig-vtag", original);
            option(out, "--reply-vtag", reply);
        }
        Some(ProtoInfo::Dccp(dccp)) => match dccp.role {
            Some(0) => out.push_str("--role client "),
            Some(1) => out.push_str("--role server "),
            _ => {}
        },
        _ => {}
    }
    if out.ends_with(' ') {
        out.pop();
    }
}

/// A verification tag as options write it: conntrack reads the tag's bytes in the order of the machine, not of the network,
/// and what one program saves the other must load.
pub fn vtag_as_written(vtag: u32) -> u32 {
    vtag.to_be()
}

/// Whether source and destination are translated to other addresses.
fn nat(flow: &Flow, original: &Tuple, reply: &Tuple) -> [bool; 2] {
    let status = flow.status.unwrap_or_default();
    [
        status.contains(Status::SRC_NAT) && reply.destination != original.source,
        status.contains(Status::DST_NAT) && reply.source != original.destination,
    ]
}

fn status(out: &mut String, status: Status) {
    out.push_str("-u ");
    let before = out.len();
    for (bit, name) in STATUS {
        if status.contains(bit) {
            if out.len() > before {
                out.push(',');
            }
            out.push_str(name);
        }
    }
    if out.len() == before {
        out.push_str("UNSET");
    }
    out.push(' ');
}

fn protocol(out: &mut String, original: &Tuple, reply: &Tuple) {
    let number_of = original.protocol.unwrap_or_default();
    out.push_str("-p ");
    match PROTOCOLS.iter().find(|protocol| protocol.number == number_of) {
        Some(protocol) => out.push_str(protocol.name),
        None => number(out, number_of.into()),
    }
    out.push(' ');
    let [icmp_type, icmp_code, icmp_id] = match number_of {
        58 => ["--icmpv6-type", "--icmpv6-code", "--icmpv6-id"],
        _ => ["--icmp-type", "--icmp-code", "--icmp-id"],
    };
    let ports = match number_of {
        47 => ["--srckey", "--dstkey", "--reply-key-src", "--reply-key-dst"],
        _ => ["--sport", "--dport", "--reply-port-src", "--reply-port-dst"],
    };
    let values = [original.source_port, original.destination_port, reply.source_port, reply.destination_port];
    for (name, value) in ports.into_iter().zip(values) {
        option(out, name, value.map(u32::from));
    }
    option(out, icmp_type, original.icmp_type.map(u32::from));
    option(out, icmp_code, original.icmp_code.map(u32::from));
    option(out, icmp_id, original.icmp_id.map(u32::from));
}

fn option(out: &mut String, name: &str, value: Option<u32>) {
    if let Some(value) = value {
        out.push_str(name);
        out.push(' ');
        number(out, value.into());
        out.push(' ');
    }
}

#[cfg(test)]
mod tests {
    use ironweir_netlink::ctnetlink::SctpInfo;

    use super::*;

    /// The line is that of conntrack 1.4.7 for the same connection.
    #[test]
    fn an_address_that_nat_changes_is_saved_as_nat() {
        let tuple = |addresses: [&str; 2], ports: [u16; 2]| {
            let [source, destination] = addresses.map(|address| address.parse().ok());
            let [source_port, destination_port] = ports.map(Some);
            Some(Tuple {
                source,
                destination,
                protocol: Some(132),
                source_port,
                destination_port,
                ..Tuple::default()
            })
        };
        let of = Flow {
            original: tuple(["1.1.1.1", "1.1.1.2"], [1, 5]),
            reply: tuple(["1.1.1.2", "5.5.5.5"], [5, 1]),
            status: Some(Status::ASSURED | Status::CONFIRMED | Status::SRC_NAT | Status::SRC_NAT_DONE),
            timeout: Some(98),
            // As the machine's memory has 5 and 6, read in the network's order.
            protoinfo: Some(ProtoInfo::Sctp(SctpInfo {
                state: Some(2),
                vtags: [Some(vtag_as_written(5)), Some(vtag_as_written(6))],
                ..SctpInfo::default()
            })),
            ..Flow::default()
        };
        let mut out = String::new();
        flow(&mut out, &of, None);
        assert_eq!(
            out,
            "-A -t 98 -u ASSURED -s 1.1.1.1 -d 1.1.1.2 -r 1.1.1.2 -n 5.5.5.5 -p sctp --sport 1 --dport 5 \
             --reply-port-src 5 --reply-port-dst 1 --state COOKIE_WAIT --orig-vtag 5 --reply-vtag 6"
        );
    }
}
