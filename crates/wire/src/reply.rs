//! Packets made in answer to another: TCP resets and ICMP errors, as the `reject` statement and a router send them.
//!
//! Each function writes a network packet without link header into `out`, and returns false, with `out` empty, when
//! there is no answer to that packet: errors are not answered with errors, nor groups and, but for errors of an IPv6 host, later fragments at all.
//!
//! DIVERGES: the kernel answers only a packet whose transport checksum is right; here that is asked apart
//! ([`checksum_allows`]), because a capture may hold checksums the network card was yet to fill in.

use crate::address::{Address, L3};
use crate::checksum::Sum;
use crate::dissect::PacketInfo;
use crate::packet::Packet;
use crate::protocol::ipproto;
use crate::tcp::flag;
use crate::{icmp, ipv4, ipv6, tcp};

/// Time to live and hop limit of packets made here (`net.ipv4.ip_default_ttl`, `net.ipv6.conf.*.hop_limit`).
const TTL: u8 = 64;
/// The longest ICMP error for IPv4 (RFC 1812 §4.3.2.3).
const ICMP_LEN_MAX: usize = 576;
/// The longest ICMPv6 error: the least MTU (RFC 4443 §2.4 c).
const ICMPV6_LEN_MAX: usize = 1280;
/// What an unreachable of a bridge or netdev table quotes at most, IPv4 and IPv6.
const FRAME_QUOTE_V4: usize = 536;
const FRAME_QUOTE_V6: usize = 1220;
/// "Internetwork control", the precedence of ICMP errors (`IPTOS_PREC_INTERNETCONTROL`).
const INTERNET_CONTROL: u8 = 0xc0;
/// The bits of the type of service an error copies (`IPTOS_TOS_MASK`).
const TOS_MASK: u8 = 0x1e;

/// Whether the packet's transport checksum is right, as far as the kernel wants it of what `reject` answers
/// (`nf_reject_verify_csum`, `nf_ip_checksum`, `reject6_csum_ok`): protocols with other means, and UDP and GRE without a
/// checksum, are not asked; of all others the sum over header and data must be right.
pub fn checksum_allows(packet: &Packet<'_>, info: &PacketInfo) -> bool {
    let Some((protocol, at)) = info.transport_header() else { return info.l3 == L3::V4 };
    let length = info.transport_len();
    if length == 0 && info.l3 == L3::V6 {
        return false;
    }
    let optional = match protocol {
        ipproto::UDP => packet.be16(at + 6) == Some(0),
        // One without a header is not asked either.
        ipproto::GRE => packet.array::<4>(at).is_none_or(|[flags, ..]| flags & 0x80 == 0),
        ipproto::AH | ipproto::ESP | ipproto::SCTP | ipproto::UDPLITE => true,
        _ => false,
    };
    if optional {
        return true;
    }
    // The sum is over all of an IPv4 packet: while options were written and its header's checksum was not yet, it is wrong.
    if info.l3 == L3::V4 && !ipv4::checksum_is_valid(packet, info.network) {
        return false;
    }
    let sum = match info.l3 {
        // The sum begins with the network header, which itself sums up to -0: so no data at all is right.
        L3::V4 if !matches!(protocol, ipproto::TCP | ipproto::UDP) => Some(Sum::ZERO.word(0xffff)),
        L3::V4 => ipv4::Header::read(packet, info.network)
            .map(|header| Sum::ZERO.pseudo(L3::V4, &header.src, &header.dst, length, protocol)),
        L3::V6 => ipv6::Header::read(packet, info.network)
            .map(|header| Sum::ZERO.pseudo(L3::V6, &header.src, &header.dst, length, protocol)),
        L3::Arp | L3::Other => None,
    };
    sum.and_then(|sum| sum.packet(packet, at, length)).is_some_and(Sum::is_valid)
}

/// The TCP reset that refuses the packet (`nf_reject_ip_tcphdr_get` and `_put`, `nf_reject_ip6_tcphdr_put`), from
/// its destination to its source.
pub fn tcp_reset(packet: &Packet<'_>, info: &PacketInfo, out: &mut Vec<u8>) -> bool {
    out.clear();
    reset(packet, info, out).is_some()
}

/// The ICMP or ICMPv6 error of type `kind` and `code` about the packet, from `source` to the packet's source. `rest` are
/// the four bytes behind the checksum (the next hop's MTU, a pointer; zeros else). It quotes as much of the packet
/// as it may. `options` are IPv4 options of the error itself, a multiple of four bytes, 40 at most.
#[allow(clippy::too_many_arguments)]
pub fn icmp_error(
    packet: &Packet<'_>,
    info: &PacketInfo,
    source: Address,
    kind: u8,
    code: u8,
    rest: [u8; 4],
    options: &[u8],
    out: &mut Vec<u8>,
) -> bool {
    out.clear();
    let error = Error { source, kind, code, rest };
    let made = match info.l3 {
        L3::V4 => error.v4(packet, info, options, out),
        L3::V6 => error.v6(packet, info, out),
        L3::Arp | L3::Other => None,
    };
    if made.is_none() {
        out.clear();
    }
    made.is_some()
}

/// The unreachable that `reject` sends in bridge and netdev tables, made by itself and not by the host's ICMP: from the
/// packet's destination to its source, with other lengths, don't-fragment and no traffic class
/// (`nf_reject_skb_v4_unreach`, `nf_reject_skb_v6_unreach`). An unreachable is not answered; other errors are.
pub fn frame_unreachable(
    packet: &Packet<'_>,
    info: &PacketInfo,
    kind: u8,
    code: u8,
    out: &mut Vec<u8>,
) -> bool {
    out.clear();
    let made = match info.l3 {
        L3::V4 => unreachable_v4(packet, info, kind, code, out),
        L3::V6 => unreachable_v6(packet, info, kind, code, out),
        L3::Arp | L3::Other => None,
    };
    if made.is_none() {
        out.clear();
    }
    made.is_some()
}

fn unreachable_v4(
    packet: &Packet<'_>,
    info: &PacketInfo,
    kind: u8,
    code: u8,
    out: &mut Vec<u8>,
) -> Option<()> {
    let network = ipv4::Header::read(packet, info.network)?;
    let answers_one = network.protocol == ipproto::ICMP
        && packet.byte(info.transport).is_none_or(|kind| kind == icmp::v4::UNREACHABLE);
    if info.fragment_offset != 0 || answers_one {
        return None;
    }
    let quoted = info.end.saturating_sub(info.network).min(FRAME_QUOTE_V4);
    let header = v4_header(network.dst, network.src, 0, icmp::HEADER_LEN + quoted, ipproto::ICMP);
    out.extend(ipv4::Header { flags_offset: ipv4::FLAG_DONT_FRAGMENT, ..header }.emit());
    let error = Error { source: network.dst, kind, code, rest: [0; 4] };
    error.message(packet, info.network, quoted, Sum::ZERO, out)
}

fn unreachable_v6(
    packet: &Packet<'_>,
    info: &PacketInfo,
    kind: u8,
    code: u8,
    out: &mut Vec<u8>,
) -> Option<()> {
    let network = ipv6::Header::read(packet, info.network)?;
    let answers_one = info.l4proto == Some(ipproto::ICMPV6)
        && packet.byte(info.transport).is_none_or(|kind| kind == icmp::v6::UNREACHABLE);
    if info.fragment_offset != 0 || answers_one {
        return None;
    }
    let quoted = info.end.saturating_sub(info.network).min(FRAME_QUOTE_V6);
    let length = icmp::HEADER_LEN + quoted;
    out.extend(v6_header(network.dst, network.src, length, ipproto::ICMPV6).emit());
    let pseudo = Sum::ZERO.pseudo(L3::V6, &network.dst, &network.src, length, ipproto::ICMPV6);
    let error = Error { source: network.dst, kind, code, rest: [0; 4] };
    error.message(packet, info.network, quoted, pseudo, out)
}

fn reset(packet: &Packet<'_>, info: &PacketInfo, out: &mut Vec<u8>) -> Option<()> {
    let (ipproto::TCP, at) = info.transport_header()? else { return None };
    let refused = tcp::Header::read(packet, at)?;
    if refused.has(flag::RST) {
        return None;
    }
    let data = info.transport_len().saturating_sub(refused.header_len) as u32;
    let counted = u32::from(refused.has(flag::SYN)) + u32::from(refused.has(flag::FIN));
    let (seq, ack, flags) = if refused.has(flag::ACK) {
        (refused.ack, 0, flag::RST)
    } else {
        (0, refused.seq.wrapping_add(data).wrapping_add(counted), flag::RST | flag::ACK)
    };
    let mut answer =
        tcp::Header { src: refused.dst, dst: refused.src, seq, ack, flags, ..tcp::Header::default() };
    let (src, dst) = match info.l3 {
        L3::V4 => {
            let network = ipv4::Header::read(packet, info.network)?;
            let header = v4_header(network.dst, network.src, 0, tcp::HEADER_LEN, ipproto::TCP);
            out.extend(ipv4::Header { flags_offset: ipv4::FLAG_DONT_FRAGMENT, ..header }.emit());
            (network.dst, network.src)
        }
        L3::V6 => {
            let network = ipv6::Header::read(packet, info.network)?;
            if !is_unicast_v6(&network.src) || !is_unicast_v6(&network.dst) {
                return None;
            }
            out.extend(v6_header(network.dst, network.src, tcp::HEADER_LEN, ipproto::TCP).emit());
            (network.dst, network.src)
        }
        L3::Arp | L3::Other => return None,
    };
    answer.checksum =
        Sum::ZERO.pseudo(info.l3, &src, &dst, tcp::HEADER_LEN, ipproto::TCP).bytes(&answer.emit()).finish();
    out.extend(answer.emit());
    Some(())
}

struct Error {
    source: Address,
    kind: u8,
    code: u8,
    rest: [u8; 4],
}

impl Error {
    /// `icmp_send`.
    fn v4(&self, packet: &Packet<'_>, info: &PacketInfo, options: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let network = ipv4::Header::read(packet, info.network)?;
        let refused = info.fragment_offset != 0
            || !is_unicast_v4(&network.src)
            || is_group_v4(&network.dst)
            || (network.protocol == ipproto::ICMP && is_error_v4(packet, info));
        if refused {
            return None;
        }
        let room = (ICMP_LEN_MAX - ipv4::HEADER_LEN - icmp::HEADER_LEN).checked_sub(options.len())?;
        let quoted = info.end.saturating_sub(info.network).min(room);
        let tos = network.tos & TOS_MASK | INTERNET_CONTROL;
        let length = options.len() + icmp::HEADER_LEN + quoted;
        out.extend(v4_header(self.source, network.src, tos, length, ipproto::ICMP).emit());
        if !options.is_empty() {
            *out.first_mut()? = 0x40 | u8::try_from((ipv4::HEADER_LEN + options.len()) / 4).ok()?;
            out.extend(options);
            ipv4::set_checksum(out)?;
        }
        self.message(packet, info.network, quoted, Sum::ZERO, out)
    }

    /// `icmp6_send`.
    fn v6(&self, packet: &Packet<'_>, info: &PacketInfo, out: &mut Vec<u8>) -> Option<()> {
        let network = ipv6::Header::read(packet, info.network)?;
        let to_group_allowed = self.kind == icmp::v6::PACKET_TOO_BIG;
        // Of a later fragment nobody can say that it is part of an error (`is_ineligible`).
        let first = info.fragment_offset == 0;
        let refused = !is_unicast_v6(&network.src)
            || (network.dst.0[0] == 0xff && !to_group_allowed)
            || (first && info.l4proto == Some(ipproto::ICMPV6) && is_error_v6(packet, info));
        if refused {
            return None;
        }
        let room = ICMPV6_LEN_MAX - ipv6::HEADER_LEN - icmp::HEADER_LEN;
        let quoted = info.end.saturating_sub(info.network).min(room);
        let length = icmp::HEADER_LEN + quoted;
        out.extend(v6_header(self.source, network.src, length, ipproto::ICMPV6).emit());
        let pseudo = Sum::ZERO.pseudo(L3::V6, &self.source, &network.src, length, ipproto::ICMPV6);
        self.message(packet, info.network, quoted, pseudo, out)
    }

    fn message(
        &self,
        packet: &Packet<'_>,
        from: usize,
        quoted: usize,
        sum: Sum,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let message = out.len();
        out.extend([self.kind, self.code, 0, 0]);
        out.extend(self.rest);
        let mut scratch = [0; ICMPV6_LEN_MAX];
        out.extend(packet.load(from, quoted, &mut scratch)?);
        let checksum = sum.bytes(out.get(message..)?).finish();
        out.get_mut(message + icmp::CHECKSUM_AT..message + icmp::CHECKSUM_AT + 2)?
            .copy_from_slice(&checksum.to_be_bytes());
        Some(())
    }
}

fn v4_header(src: Address, dst: Address, tos: u8, payload: usize, protocol: u8) -> ipv4::Header {
    ipv4::Header {
        header_len: ipv4::HEADER_LEN,
        version: 4,
        tos,
        total_length: (ipv4::HEADER_LEN + payload) as u16,
        id: 0,
        flags_offset: 0,
        ttl: TTL,
        protocol,
        checksum: 0,
        src,
        dst,
    }
}

fn v6_header(src: Address, dst: Address, payload: usize, next_header: u8) -> ipv6::Header {
    ipv6::Header {
        version: 6,
        traffic_class: 0,
        flow_label: 0,
        payload_length: payload as u16,
        next_header,
        hop_limit: TTL,
        src,
        dst,
    }
}

fn is_error_v4(packet: &Packet<'_>, info: &PacketInfo) -> bool {
    packet.byte(info.transport).is_none_or(|kind| kind > icmp::v4::MAX || icmp::v4::is_error(kind))
}

fn is_error_v6(packet: &Packet<'_>, info: &PacketInfo) -> bool {
    packet.byte(info.transport).is_none_or(|kind| icmp::v6::is_error(kind) || kind == icmp::v6::REDIRECT)
}

fn is_unicast_v4(address: &Address) -> bool {
    address.0[0] != 0 && !is_group_v4(address)
}

/// Multicast, or the broadcast to all.
fn is_group_v4(address: &Address) -> bool {
    (224..240).contains(&address.0[0]) || address.as_v4() == [255; 4]
}

fn is_unicast_v6(address: &Address) -> bool {
    address.0[0] != 0xff && *address != Address::UNSPECIFIED
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LinkType, dissect, receive};

    fn syn() -> Vec<u8> {
        let mut bytes =
            v4_header(Address::v4([10, 0, 0, 1]), Address::v4([10, 0, 0, 2]), 0, 20, ipproto::TCP)
                .emit()
                .to_vec();
        let header = tcp::Header { src: 1234, dst: 80, seq: 99, flags: flag::SYN, ..tcp::Header::default() };
        bytes.extend(header.emit());
        bytes
    }

    fn answer(
        packet: &mut [u8],
        make: impl Fn(&Packet<'_>, &PacketInfo, &mut Vec<u8>) -> bool,
    ) -> Option<Vec<u8>> {
        let len = packet.len();
        let mut packet = Packet::new(packet, 0, len, LinkType::None);
        let info = dissect(&mut packet).unwrap();
        let mut out = vec![1, 2, 3];
        make(&packet, &info, &mut out).then_some(out)
    }

    #[test]
    fn a_reset_acknowledges_a_syn_and_is_not_answered_itself() {
        let mut reset = answer(&mut syn(), tcp_reset).unwrap();
        assert_eq!(answer(&mut reset, tcp_reset), None);
        let len = reset.len();
        let mut packet = Packet::new(&mut reset, 0, len, LinkType::None);
        let info = dissect(&mut packet).unwrap();
        assert_eq!(receive(&mut packet, &info), Ok(()));
        let header = tcp::Header::read(&packet, info.transport).unwrap();
        assert_eq!((header.src, header.dst, header.seq, header.ack), (80, 1234, 0, 100));
        assert_eq!(header.flags, flag::RST | flag::ACK);
        let (src, dst) = (Address::v4([10, 0, 0, 2]), Address::v4([10, 0, 0, 1]));
        assert!(Sum::ZERO.pseudo(L3::V4, &src, &dst, 20, 6).packet(&packet, 20, 20).unwrap().is_valid());
    }

    #[test]
    fn an_unreachable_quotes_the_packet_and_is_not_answered_itself() {
        let unreachable = |packet: &Packet<'_>, info: &PacketInfo, out: &mut Vec<u8>| {
            icmp_error(packet, info, Address::v4([10, 0, 0, 254]), 3, 3, [0; 4], &[], out)
        };
        let mut error = answer(&mut syn(), unreachable).unwrap();
        assert_eq!(error[28..], syn());
        assert_eq!(error[..2], [0x45, 0xc0]);
        assert!(Sum::ZERO.bytes(&error[20..]).is_valid());
        assert_eq!(answer(&mut error, unreachable), None);
        let mut group = syn();
        group[16] = 224;
        assert_eq!(answer(&mut group, unreachable), None);
    }

    #[test]
    fn an_icmpv6_error_fits_the_least_mtu() {
        let (src, dst) = (Address([0x20; 16]), Address([0x21; 16]));
        let mut bytes = v6_header(src, dst, 1400, ipproto::UDP).emit().to_vec();
        bytes.resize(1440, 0);
        let error = answer(&mut bytes, |packet, info, out| {
            icmp_error(packet, info, dst, icmp::v6::UNREACHABLE, 4, [0; 4], &[], out)
        })
        .unwrap();
        assert_eq!(error.len(), 1280);
        assert!(Sum::ZERO.pseudo(L3::V6, &dst, &src, 1240, ipproto::ICMPV6).bytes(&error[40..]).is_valid());
    }
}
