//! Where a packet's network and transport header are, and the tuple they hold.

use crate::address::L3;
use crate::dissect::PacketInfo;
use crate::packet::Packet;
use crate::protocol::ipproto;
use crate::tuple::Tuple;
use crate::{icmp, ipv4, ipv6};

/// Where the headers of a packet, or of one quoted in an error, are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers {
    /// IPv4 or IPv6.
    pub l3: L3,
    /// Where the network header begins.
    pub network: usize,
    /// IP protocol number.
    pub l4: u8,
    /// Where the transport header begins; its first bytes may yet be missing.
    pub transport: usize,
    /// Where the network packet ends; for a quoted one, where the quote ends.
    pub end: usize,
}

impl Headers {
    /// Those of a packet that was dissected; `None` without a transport header to read (`get_l4proto`).
    #[inline]
    pub fn of(info: &PacketInfo) -> Option<Headers> {
        if !matches!(info.l3, L3::V4 | L3::V6) {
            return None;
        }
        let (l4, transport) = info.transport_header()?;
        if info.l3 == L3::V6 && l4 == ipproto::NONE {
            return None;
        }
        Some(Headers { l3: info.l3, network: info.network, l4, transport, end: info.end })
    }

    /// Those of the packet quoted at `network`. Its length field is not believed: errors quote the beginning alone.
    pub fn quoted(packet: &Packet<'_>, l3: L3, network: usize, end: usize) -> Option<Headers> {
        match l3 {
            L3::V4 => {
                let header = ipv4::Header::read(packet, network)?;
                let sound = header.version == 4
                    && header.header_len >= ipv4::HEADER_LEN
                    && header.fragment_offset() == 0;
                let transport = network + header.header_len;
                (sound && transport <= end).then_some(Headers {
                    l3,
                    network,
                    l4: header.protocol,
                    transport,
                    end,
                })
            }
            L3::V6 => {
                let header = ipv6::Header::read(packet, network)?;
                let upper = ipv6::find_upper(packet, network)?;
                let transport = upper.offset?;
                let sound = header.version == 6 && upper.protocol != ipproto::NONE && transport <= end;
                sound.then_some(Headers { l3, network, l4: upper.protocol, transport, end })
            }
            L3::Arp | L3::Other => None,
        }
    }

    /// The tuple, zone 0 (`nf_ct_get_tuple`). `None` when a header is cut short.
    #[inline]
    pub fn tuple(&self, packet: &Packet<'_>) -> Option<Tuple> {
        let (src, dst) = match self.l3 {
            L3::V4 => ipv4::Header::read(packet, self.network).map(|header| (header.src, header.dst))?,
            L3::V6 => ipv6::Header::read(packet, self.network).map(|header| (header.src, header.dst))?,
            L3::Arp | L3::Other => return None,
        };
        let (src_id, dst_id) = self.ids(packet)?;
        Some(Tuple { src, dst, src_id, dst_id, zone: 0, l3: self.l3, l4: self.l4 })
    }

    #[inline]
    fn ids(&self, packet: &Packet<'_>) -> Option<(u16, u16)> {
        match self.l4 {
            // DCCP's ports tell nothing apart since Linux 6.16, which tracks it as any unknown protocol.
            ipproto::TCP | ipproto::UDP | ipproto::UDPLITE | ipproto::SCTP => {
                Some((packet.be16(self.transport)?, packet.be16(self.transport + 2)?))
            }
            ipproto::ICMP if self.l3 == L3::V4 => self.icmp_ids(packet),
            ipproto::ICMPV6 if self.l3 == L3::V6 => self.icmp_ids(packet),
            ipproto::GRE => {
                // Version 1 (PPTP) has a call id at offset 6 and carries PPP or is invalid; version 0 and all others have nothing
                // to tell apart. What is cut short counts as 0 (`gre_pkt_to_tuple`).
                let [version, kind, _, call] =
                    [0, 2, 4, 6].map(|at| packet.be16(self.transport.saturating_add(at)));
                match (version.unwrap_or(0) & 7, call) {
                    (1, Some(call)) => (kind == Some(GRE_PPP)).then_some((0, call)),
                    _ => Some((0, 0)),
                }
            }
            _ => Some((0, 0)),
        }
    }

    fn icmp_ids(&self, packet: &Packet<'_>) -> Option<(u16, u16)> {
        let header = icmp::Header::read(packet, self.transport)?;
        Some((header.id(), u16::from_be_bytes([header.kind, header.code])))
    }
}
/// What PPTP's GRE carries (`GRE_PROTO_PPP`, `net/gre.h`).
const GRE_PPP: u16 = 0x880b;
