//! Which connections a request is about: what the kernel is asked to leave out, and what is left out here.

use std::net::IpAddr;

use ironweir_netlink::ctnetlink::{Flow, ProtoInfo, Status, Tuple, TupleFilter};

use super::address::{Family, NatAddress, within};
use super::options::{Command, Opt, Table};
use super::parse::Request;

/// What the kernel can compare itself, so that it need not send the rest. Kernels that do not know an attribute ignore
/// it, so [`matches`] looks at all of it again.
pub fn for_kernel(request: &Request) -> Flow {
    let mut filter = Flow::default();
    with_zone(request, &mut filter);
    if !compares_values(request) {
        return filter;
    }
    if request.given.has(Opt::Mark) {
        filter.mark = Some(request.mark.0);
        filter.mark_mask = Some(request.mark.1);
    }
    if request.given.has(Opt::Status) {
        filter.status = Some(request.status);
        filter.status_mask = Some(request.status);
    }
    filter
}

/// Adds the zone (Linux 6.8). Zone 0 is compared here: connections that have another zone in one direction only are in it.
fn with_zone(request: &Request, filter: &mut Flow) {
    if request.given.has(Opt::Zone) && request.zone != 0 {
        filter.zone = Some(request.zone);
    }
}

/// Adds the fields of the tuples (Linux 5.8, `ctnetlink_parse_tuple_filter`). For IPv4 only: with IPv6 addresses Linux 6.18
/// leaves out what is the same and sends the rest (`ctnetlink_filter_match_tuple`), and it wants to know the family.
pub fn with_tuples(request: &Request, mut filter: Flow) -> Option<Flow> {
    request.family.filter(|family| *family == Family::Ipv4)?;
    let masked = [request.mask.source.is_some(), request.mask.destination.is_some()];
    let fields = |tuple: &Tuple, masked: [bool; 2]| {
        [
            (TupleFilter::SOURCE, tuple.source.is_some() && !masked[0]),
            (TupleFilter::DESTINATION, tuple.destination.is_some() && !masked[1]),
            (TupleFilter::PROTOCOL, tuple.protocol.is_some()),
            (TupleFilter::SOURCE_PORT, tuple.source_port.is_some()),
            (TupleFilter::DESTINATION_PORT, tuple.destination_port.is_some()),
        ]
        .into_iter()
        .filter(|(_, compared)| *compared)
        .fold(0, |flags, (flag, _)| flags | flag)
    };
    let plain = |tuple: &Tuple, masked: [bool; 2]| Tuple {
        source: tuple.source.filter(|_| !masked[0]),
        destination: tuple.destination.filter(|_| !masked[1]),
        protocol: tuple.protocol,
        source_port: tuple.source_port,
        destination_port: tuple.destination_port,
        ..Tuple::default()
    };
    let mut reply = request.reply.clone();
    if reply.source_port.or(reply.destination_port).is_some() {
        // Ports are read together with their protocol.
        reply.protocol = request.original.protocol;
    }
    let [original_flags, reply_flags] = [fields(&request.original, masked), fields(&reply, [false; 2])];
    if original_flags | reply_flags == 0 {
        return None;
    }
    if original_flags != 0 {
        filter.original = Some(plain(&request.original, masked));
    }
    if reply_flags != 0 {
        filter.reply = Some(plain(&reply, [false; 2]));
    }
    filter.filter = Some(TupleFilter {
        original: (original_flags != 0).then_some(original_flags),
        reply: (reply_flags != 0).then_some(reply_flags),
    });
    Some(filter)
}

/// Whether `-m`, `-u` and `--state` say what to look for, rather than what to set.
fn compares_values(request: &Request) -> bool {
    !matches!(request.command, Some(Command::Update | Command::Create | Command::Add))
}

/// Whether a request is about a connection.
pub fn matches(request: &Request, family: u8, flow: &Flow) -> bool {
    let empty = Tuple::default();
    let original = flow.original.as_ref().unwrap_or(&empty);
    let reply = flow.reply.as_ref().unwrap_or(&empty);
    request.family.is_none_or(|wanted| wanted.number() == family)
        && addresses(request, original)
        && same(request.reply.source, reply.source)
        && same(request.reply.destination, reply.destination)
        && ports(&request.original, original)
        && ports(&request.reply, reply)
        && zones(request, flow, original, reply)
        && values(request, flow)
        && nat(request, flow, original, reply)
        && request.labels.is_none_or(|wanted| {
            flow.labels.is_some_and(|labels| wanted.bits().all(|bit| labels.contains(bit)))
        })
}

/// Whether nothing is wanted, or the same.
fn same<T: PartialEq>(wanted: Option<T>, there: Option<T>) -> bool {
    wanted.is_none() || wanted == there
}

fn addresses(request: &Request, original: &Tuple) -> bool {
    let pairs = [
        (request.original.source, original.source, request.mask.source),
        (request.original.destination, original.destination, request.mask.destination),
    ];
    pairs.into_iter().all(|(wanted, there, mask)| match (wanted, there, mask) {
        (Some(wanted), Some(there), Some(mask)) => within(wanted, there, mask),
        (wanted, there, _) => same(wanted, there),
    })
}

fn ports(wanted: &Tuple, there: &Tuple) -> bool {
    same(wanted.protocol, there.protocol)
        && same(wanted.source_port, there.source_port)
        && same(wanted.destination_port, there.destination_port)
        && same(wanted.icmp_type, there.icmp_type)
        && same(wanted.icmp_code, there.icmp_code)
        && same(wanted.icmp_id, there.icmp_id)
}

/// A connection that names no zone is in zone 0.
fn zones(request: &Request, flow: &Flow, original: &Tuple, reply: &Tuple) -> bool {
    (!request.given.has(Opt::Zone) || flow.zone.unwrap_or(0) == request.zone)
        && request.original.zone.is_none_or(|zone| zone == original.zone.unwrap_or(0))
        && request.reply.zone.is_none_or(|zone| zone == reply.zone.unwrap_or(0))
}

fn values(request: &Request, flow: &Flow) -> bool {
    let given = |option| request.given.has(option);
    if given(Opt::Id) && flow.id != Some(request.id) {
        return false;
    }
    if given(Opt::Secmark) && flow.secmark.is_some_and(|mark| mark != request.secmark) {
        return false;
    }
    if !compares_values(request) {
        return true;
    }
    let (mark, mask) = request.mark;
    (!given(Opt::Mark) || flow.mark.is_some_and(|there| there & mask == mark))
        && (!given(Opt::Status) || flow.status.is_some_and(|status| status.contains(request.status)))
        && request.state.is_none_or(|wanted| match &flow.protoinfo {
            Some(ProtoInfo::Tcp(tcp)) => tcp.state == Some(wanted),
            Some(ProtoInfo::Sctp(sctp)) => sctp.state == Some(wanted),
            Some(ProtoInfo::Dccp(dccp)) => dccp.state == Some(wanted),
            _ => false,
        })
}

/// Whether NAT changes source or destination. Where an address is wanted, the address must be changed and be that one; a
/// port that is changed alone does not count then.
fn nat(request: &Request, flow: &Flow, original: &Tuple, reply: &Tuple) -> bool {
    let status = flow.status.unwrap_or(Status::SRC_NAT_DONE | Status::DST_NAT_DONE);
    let side = |done,
                [was, is]: [Option<IpAddr>; 2],
                [was_port, port]: [Option<u16>; 2],
                wanted: Option<NatAddress>| {
        let done = status.contains(done);
        match wanted {
            None => done && (is != was || port != was_port),
            Some(wanted) => {
                let right_port = wanted.port.is_none() || wanted.port == port;
                done && is != was && is == Some(wanted.address) && right_port
            }
        }
    };
    let source = |wanted| {
        let addresses = [original.source, reply.destination];
        side(Status::SRC_NAT_DONE, addresses, [original.source_port, reply.destination_port], wanted)
    };
    let destination = |wanted| {
        let addresses = [original.destination, reply.source];
        side(Status::DST_NAT_DONE, addresses, [original.destination_port, reply.source_port], wanted)
    };
    let [wanted_source, wanted_destination, wanted_any] = request.nat;
    let given = |option| request.given.has(option) && request.table != Table::Expect;
    (!given(Opt::SourceNat) || source(wanted_source))
        && (!given(Opt::DestinationNat) || destination(wanted_destination))
        && (!given(Opt::AnyNat) || source(wanted_any) || destination(wanted_any))
}
