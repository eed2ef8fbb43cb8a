//! The messages by which connections and expectations are made and changed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ironweir_netlink::ctnetlink::{
    DccpInfo, Expectation, Flow, Labels, Nat, ProtoInfo, SctpInfo, Status, TcpFlags, TcpInfo, Tuple,
};

use super::address::NatAddress;
use super::options::Opt;
use super::parse::Request;
use super::protocol::Protocol;

/// The connection that `-I`, `-A` and `-G` name: what one direction does not say is the other's, turned.
pub fn tuples(request: &Request) -> [Option<Tuple>; 2] {
    let mut original = request.original.clone();
    let mut reply = request.reply.clone();
    let original_is_whole = original.source.is_some() && original.destination.is_some();
    if original_is_whole {
        let turned = turn(&original);
        // Where NAT says the address, the kernel works it out.
        if reply.source.is_none() && reply.destination.is_none() {
            reply = Tuple { zone: reply.zone, ..turned };
        } else {
            let nat = |option| request.given.has(option);
            let unknown = turned.source.map(unspecified);
            let fill = |of: &mut Option<IpAddr>, with, translated| {
                if of.is_none() {
                    *of = if translated { unknown } else { with };
                }
            };
            fill(&mut reply.source, turned.source, nat(Opt::DestinationNat));
            fill(&mut reply.destination, turned.destination, nat(Opt::SourceNat));
            fill_transport(&mut reply, &turned);
        }
    } else {
        let protocol = original.protocol.take();
        reply.protocol = protocol;
        let turned = Tuple { zone: original.zone, ..turn(&reply) };
        fill_transport(&mut original, &turned);
        original.source = original.source.or(turned.source);
        original.destination = original.destination.or(turned.destination);
    }
    [Some(original), Some(reply)]
}

/// Takes protocol, ports and ICMP fields that are not there from another tuple.
fn fill_transport(tuple: &mut Tuple, from: &Tuple) {
    tuple.protocol = tuple.protocol.or(from.protocol);
    tuple.source_port = tuple.source_port.or(from.source_port);
    tuple.destination_port = tuple.destination_port.or(from.destination_port);
    tuple.icmp_type = tuple.icmp_type.or(from.icmp_type);
    tuple.icmp_code = tuple.icmp_code.or(from.icmp_code);
    tuple.icmp_id = tuple.icmp_id.or(from.icmp_id);
}

/// The tuple of the answers. ICMP queries have answers of another type (`net/netfilter/nf_conntrack_proto_icmp.c` and
/// `_icmpv6.c`, `invmap`).
fn turn(tuple: &Tuple) -> Tuple {
    let icmp_type = tuple.icmp_type.map(|kind| match (tuple.protocol, kind) {
        (Some(1), 8) => 0,
        (Some(1), 0) => 8,
        (Some(1), 13 | 15 | 17) => kind + 1,
        (Some(1), 14 | 16 | 18) => kind - 1,
        (Some(58), 128 | 139) => kind + 1,
        (Some(58), 129 | 140) => kind - 1,
        _ => kind,
    });
    let is_icmp = matches!(tuple.protocol, Some(1 | 58));
    Tuple {
        source: tuple.destination,
        destination: tuple.source,
        protocol: tuple.protocol,
        source_port: tuple.destination_port,
        destination_port: tuple.source_port,
        icmp_type,
        icmp_code: tuple.icmp_code,
        // Without one, the query's is 0.
        icmp_id: tuple.icmp_id.or(is_icmp.then_some(0)),
        ..Tuple::default()
    }
}

/// A connection to make.
pub fn new_flow(request: &Request) -> Flow {
    let [mut original, reply] = tuples(request);
    // `-o save` writes translated ports as the reply's only; without this they would be lost.
    let to = |to: NatAddress, translated: Option<u16>, before: Option<u16>| {
        nat(NatAddress { port: to.port.or(translated.filter(|port| Some(*port) != before)), ..to })
    };
    let (given_original, given_reply) = (&request.original, &request.reply);
    let nat_source =
        request.nat[0].map(|nat| to(nat, given_reply.destination_port, given_original.source_port));
    let nat_destination =
        request.nat[1].map(|nat| to(nat, given_reply.source_port, given_original.destination_port));
    if let Some(original) = &mut original
        && matches!(original.protocol, Some(1 | 58))
    {
        original.icmp_id.get_or_insert(0);
    }
    let given = |option| request.given.has(option);
    Flow {
        original,
        reply,
        timeout: Some(request.timeout),
        status: given(Opt::Status).then_some(request.status | Status::CONFIRMED),
        mark: given(Opt::Mark).then_some(request.mark.0),
        zone: given(Opt::Zone).then_some(request.zone),
        protoinfo: protoinfo(request),
        nat_source,
        nat_destination,
        labels: request.label_add,
        ..Flow::default()
    }
}

fn nat(to: NatAddress) -> Nat {
    Nat { min: Some(to.address), ports: to.port.map(|port| (port, port)), ..Nat::default() }
}

/// The state to set.
fn protoinfo(request: &Request) -> Option<ProtoInfo> {
    match request.protocol.map(|Protocol { number, .. }| number)? {
        6 => request.state.map(|state| {
            // IP_CT_TCP_FLAG_BE_LIBERAL and _SACK_PERM: the windows of a connection that was not seen from its first
            // packet are not known.
            let flags = Some(TcpFlags { flags: 10, mask: 10 });
            ProtoInfo::Tcp(TcpInfo { state: Some(state), flags: [flags, flags], ..TcpInfo::default() })
        }),
        132 if request.state.is_some() || request.vtags != [None; 2] => Some(ProtoInfo::Sctp(SctpInfo {
            state: request.state,
            vtags: request.vtags,
            ..SctpInfo::default()
        })),
        33 => request.state.map(|state| {
            ProtoInfo::Dccp(DccpInfo { state: Some(state), role: request.role, ..DccpInfo::default() })
        }),
        _ => None,
    }
}

/// Bytes of the labels that Linux keeps.
const LABELS: usize = 16;

/// What changes a connection as `-U` asks; `None` if that is how it is.
pub fn update(request: &Request, flow: &Flow) -> Option<Flow> {
    let given = |option| request.given.has(option);
    let mut change = Flow { original: flow.original.clone(), zone: flow.zone, ..Flow::default() };
    if given(Opt::Mark) {
        let before = flow.mark.unwrap_or(0);
        let (value, mask) = request.mark;
        change.mark = Some((before & !mask) ^ value).filter(|mark| *mark != before);
    }
    if given(Opt::Status) {
        let before = flow.status.unwrap_or_default();
        change.status = Some(before | request.status).filter(|status| *status != before);
    }
    if given(Opt::Timeout) {
        change.timeout = Some(request.timeout);
    }
    change.protoinfo = protoinfo(request).map(|info| complete(info, flow.protoinfo.as_ref()));
    change.protoinfo.take_if(|info| says(flow.protoinfo.as_ref(), info));
    change.labels = labels(request, flow);
    let is_change = change.mark.is_some()
        || change.status.is_some()
        || change.timeout.is_some()
        || change.protoinfo.is_some()
        || change.labels.is_some();
    is_change.then_some(change)
}

/// What a change leaves open stays as it is: SCTP's state and tags can only be set together
/// (`net/netfilter/nf_conntrack_proto_sctp.c, nlattr_to_sctp`).
fn complete(wanted: ProtoInfo, there: Option<&ProtoInfo>) -> ProtoInfo {
    match (wanted, there) {
        (ProtoInfo::Sctp(wanted), Some(ProtoInfo::Sctp(there))) => {
            let [original, reply] = wanted.vtags;
            ProtoInfo::Sctp(SctpInfo {
                state: wanted.state.or(there.state),
                vtags: [original.or(there.vtags[0]), reply.or(there.vtags[1])],
                ..wanted
            })
        }
        (wanted, _) => wanted,
    }
}

/// Whether a connection's state is what a change would make it.
fn says(there: Option<&ProtoInfo>, wanted: &ProtoInfo) -> bool {
    match (there, wanted) {
        (Some(ProtoInfo::Tcp(there)), ProtoInfo::Tcp(wanted)) => there.state == wanted.state,
        (Some(ProtoInfo::Sctp(there)), ProtoInfo::Sctp(wanted)) => {
            there.state == wanted.state && there.vtags == wanted.vtags
        }
        _ => false,
    }
}

/// The labels after `--label-add` and `--label-del`; `None` if they stay.
fn labels(request: &Request, flow: &Flow) -> Option<Labels> {
    let before = flow.labels.unwrap_or(Labels::empty(LABELS));
    let mut after = Labels::empty(LABELS);
    let cleared = match request.label_delete {
        Some(None) => return (!before.is_empty()).then_some(after),
        Some(Some(labels)) => labels,
        None => Labels::empty(0),
    };
    before.bits().filter(|bit| !cleared.contains(*bit)).for_each(|bit| {
        after.insert(bit);
    });
    for bit in request.label_add.iter().flat_map(Labels::bits) {
        after.insert(bit);
    }
    (!after.bits().eq(before.bits())).then_some(after)
}

/// What deletes this connection and no other that has its tuple by then.
pub fn delete(flow: &Flow) -> Flow {
    Flow { original: flow.original.clone(), zone: flow.zone, id: flow.id, ..Flow::default() }
}

/// The connection that `-G` asks for.
pub fn key(request: &Request) -> Flow {
    let given = |option| request.given.has(option);
    let [original, reply] = tuples(request);
    let original_is_given = given(Opt::Source) && given(Opt::Destination);
    match original_is_given {
        true => Flow { original, ..Flow::default() },
        false => Flow { reply, ..Flow::default() },
    }
}

/// The expectation that `-I expect` makes.
pub fn new_expectation(request: &Request) -> Expectation {
    let protocol = request.original.protocol;
    Expectation {
        master: Some(request.original.clone()),
        tuple: Some(Tuple { protocol, ..request.expected.clone() }),
        mask: Some(Tuple {
            source: request.mask.source,
            destination: request.mask.destination,
            protocol,
            source_port: request.mask_ports[0],
            destination_port: request.mask_ports[1],
            ..Tuple::default()
        }),
        timeout: Some(request.timeout),
        ..Expectation::default()
    }
}

/// The expectation that `-G expect` and `-D expect` name by its tuple.
pub fn expectation_key(request: &Request) -> Expectation {
    Expectation { tuple: Some(request.original.clone()), ..Expectation::default() }
}

fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::*;

    fn of(line: &str) -> Request {
        parse(&line.split_ascii_whitespace().collect::<Vec<_>>(), |_| {}).unwrap()
    }

    fn ports(tuple: &Option<Tuple>) -> [Option<u16>; 2] {
        tuple.as_ref().map_or([None; 2], |tuple| [tuple.source_port, tuple.destination_port])
    }

    #[test]
    fn a_direction_that_is_not_said_is_the_other_one_turned() {
        let flow = new_flow(&of("-I -t 100 -s 1.1.1.1 -d 1.1.1.2 -p udp --sport 1 --dport 2"));
        assert_eq!(ports(&flow.reply), [Some(2), Some(1)]);
        let flow =
            new_flow(&of("-I -t 100 -r 1.1.1.2 -q 1.1.1.1 -p udp --reply-port-src 2 --reply-port-dst 1"));
        assert_eq!(ports(&flow.original), [Some(1), Some(2)]);
        assert_eq!(flow.original.unwrap().source, "1.1.1.1".parse().ok());
        let ping =
            new_flow(&of("-I -t 9 -s 1.1.1.1 -d 1.1.1.2 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 77"))
                .reply
                .unwrap();
        assert_eq!((ping.icmp_type, ping.icmp_id), (Some(0), Some(77)));
    }

    #[test]
    fn translated_ports_of_a_saved_connection_come_back() {
        let line = "-A -t 98 -u UNSET -s 1.1.1.1 -d 1.1.1.2 -g 5.5.5.5 -n 6.6.6.6 -p udp --sport 1 --dport 7 \
                    --reply-port-src 99 --reply-port-dst 1000";
        let flow = new_flow(&of(line));
        assert_eq!(flow.nat_source.unwrap().ports, Some((1000, 1000)));
        assert_eq!(flow.nat_destination.unwrap().ports, Some((99, 99)));
        // IPS_CONFIRMED, as conntrack 1.4.7 sends it with every status.
        assert_eq!(flow.status, Some(Status(8)));
    }

    #[test]
    fn an_update_changes_the_bits_of_the_mask_and_nothing_that_is_so_already() {
        let flow = Flow { mark: Some(255), status: Some(Status(8)), ..Flow::default() };
        // As conntrack 1.4.7 does: (255 & !15) ^ 16.
        assert_eq!(update(&of("-U -m 16/15"), &flow).unwrap().mark, Some(224));
        assert_eq!(update(&of("-U -m 255"), &flow), None);
        assert_eq!(update(&of("-U -u UNSET"), &flow), None);
        assert_eq!(update(&of("-U -u ASSURED"), &flow).unwrap().status, Some(Status(12)));
        assert_eq!(update(&of("-U --label-del"), &flow), None);
    }
}
