//! What two routers may do differently because chance or time decides: it is taken out of both before they are compared.

use ironweir_engine::Host;
use ironweir_wire::IfIndex;
use ironweir_wire::protocol::{ethertype, ipproto};

use super::rig::Leaving;

/// Masks frames that left, and puts them in order of interface and bytes: which of two interfaces sends first is nobody's
/// promise.
pub fn frames(host: &Host, left: &mut [Leaving]) {
    for frame in left.iter_mut() {
        mask(host, frame);
    }
    left.sort();
}

fn mask(host: &Host, frame: &mut Leaving) {
    let bytes = &mut frame.bytes;
    if let Some(to) = destination(bytes)
        && !to.is_multicast()
        && !host.is_broadcast(to)
    {
        let hop = host.route(to).and_then(|route| route.gateway).unwrap_or(to);
        if host.neighbour(frame.oif, hop).is_none() {
            // A next hop that the host file has no neighbour for: the engine leaves the address that the frame came with,
            // and the kernel, where interfaces do without ARP, writes the interface's own.
            zero(bytes, 0..6);
        }
    }
    match bytes.get(12..14) {
        Some(kind) if kind == ethertype::IPV4.to_be_bytes() => ipv4(bytes),
        Some(kind) if kind == ethertype::IPV6.to_be_bytes() => ipv6(bytes),
        _ => {}
    }
}

fn destination(bytes: &[u8]) -> Option<std::net::IpAddr> {
    match bytes.get(12..14)? {
        kind if kind == ethertype::IPV4.to_be_bytes() => {
            Some(<[u8; 4]>::try_from(bytes.get(30..34)?).ok()?.into())
        }
        kind if kind == ethertype::IPV6.to_be_bytes() => {
            Some(<[u8; 16]>::try_from(bytes.get(38..54)?).ok()?.into())
        }
        _ => None,
    }
}

fn ipv4(bytes: &mut [u8]) {
    let Some(header) = bytes.get(14..34) else { return };
    let (header_len, protocol) = (usize::from(header[0] & 15) * 4, header[9]);
    if times(bytes, 14) {
        zero(bytes, 24..26);
    }
    let is_error = protocol == ipproto::ICMP
        && bytes.get(14 + header_len).is_some_and(|kind| matches!(kind, 3 | 4 | 5 | 11 | 12));
    if is_error {
        // The identification of packets that the router makes comes from a keyed counter (`__ip_select_ident`); with it the
        // header's checksum. Rules may have changed what else could tell them from those that pass.
        zero(bytes, 18..20);
        zero(bytes, 24..26);
        let message = 14 + header_len;
        if times(bytes, message + 8) {
            zero(bytes, message + 2..message + 4);
        }
    }
}

/// Timestamps among the options of an IPv4 header, which routers write: the two do not read their clocks in the same moment.
/// Tells whether there are any.
fn times(bytes: &mut [u8], at: usize) -> bool {
    let Some(len) = bytes.get(at).map(|first| usize::from(first & 15) * 4) else { return false };
    let Some(header) = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..len)) else { return false };
    let mut at = 20;
    while let Some(kind) = header.get(at) {
        let len = match (kind, header.get(at + 1)) {
            (0, _) => return false,
            (1, _) => 1,
            (_, Some(len @ 2..)) => usize::from(*len),
            _ => return false,
        };
        if *kind == 68 {
            let each = if header.get(at + 3).is_some_and(|flags| flags & 15 == 0) { 4 } else { 8 };
            let option = header.get_mut(at..).and_then(|rest| rest.get_mut(..len));
            for entry in
                option.and_then(|option| option.get_mut(4..)).into_iter().flat_map(|all| all.chunks_mut(each))
            {
                let from = entry.len().saturating_sub(4);
                entry.get_mut(from..).into_iter().for_each(|time| time.fill(0));
            }
            return true;
        }
        at += len;
    }
    false
}

fn ipv6(bytes: &mut [u8]) {
    if bytes.get(20) == Some(&ipproto::FRAGMENT) {
        // A datagram that is cut again gets an identification by chance (`ipv6_select_ident`, `ip6_frag_next`).
        zero(bytes, 58..62);
    }
}

fn zero(bytes: &mut [u8], range: std::ops::Range<usize>) {
    if let Some(range) = bytes.get_mut(range) {
        range.fill(0);
    }
}

/// Frames that no packet caused: the router's own, which it sends of itself.
pub fn is_own(host: &Host, oif: IfIndex, bytes: &[u8]) -> bool {
    let mac = host.interface(oif).map(|interface| interface.mac);
    if bytes.get(6..12) != mac.as_ref().map(|mac| &mac[..]) {
        return false;
    }
    match bytes.get(12..14) {
        // Nobody answers for addresses here, and who asks is the kernel alone.
        Some(kind) if kind == ethertype::ARP.to_be_bytes() => true,
        Some(kind) if kind == ethertype::IPV4.to_be_bytes() => {
            bytes.get(23) == Some(&ipproto::IGMP)
                && bytes.get(26..30).is_some_and(|from| is_local(host, <[u8; 4]>::try_from(from).ok()))
        }
        Some(kind) if kind == ethertype::IPV6.to_be_bytes() => {
            // Reports of groups (MLD), solicitations, redirects (which are limited by time, and no switch turns them off),
            // from an own or no address.
            let from = bytes.get(22..38).and_then(|from| <[u8; 16]>::try_from(from).ok());
            let own = from == Some([0; 16]) || is_local(host, from);
            let (next, after) = match (bytes.get(20), bytes.get(54), bytes.get(62)) {
                (Some(&ipproto::HOPOPTS), Some(next), kind) => (Some(*next), kind.copied()),
                (next, kind, _) => (next.copied(), kind.copied()),
            };
            own && next == Some(ipproto::ICMPV6)
                && after.is_some_and(|kind| (130..=137).contains(&kind) || kind == 143)
        }
        _ => false,
    }
}

fn is_local<A: Into<std::net::IpAddr>>(host: &Host, address: Option<A>) -> bool {
    address.is_some_and(|address| host.local_interface(address.into()).is_some())
}
