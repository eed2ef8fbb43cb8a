//! Finds a packet's headers: what nf_tables keeps in `struct nft_pktinfo`.

use thiserror::Error;

use crate::address::L3;
use crate::packet::{LinkType, Packet};
use crate::protocol::{ethertype, ipproto};
use crate::{ethernet, ipv4, ipv6, tcp};

/// What was learnt of a packet's headers. Offsets count as those of [`Packet`] do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketInfo {
    /// The network protocol.
    pub l3: L3,
    /// The transport protocol, `None` when it could not be told (`NFT_PKTINFO_L4PROTO` not set). In a later
    /// fragment it is known, but its header is not there.
    pub l4proto: Option<u8>,
    /// Where the network header begins.
    pub network: usize,
    /// Where the transport header would begin (`pkt->thoff`); meaningful only with `l4proto` and, to read it,
    /// `fragment_offset == 0`.
    pub transport: usize,
    /// The fragment offset (`pkt->fragoff`): units of 8 bytes in IPv4, bytes in IPv6; 0 in what is not a fragment
    /// and in a first fragment.
    pub fragment_offset: u16,
    /// More fragments follow this one.
    pub more_fragments: bool,
    /// Where the network packet ends by its own length field: what lies behind is link padding.
    pub end: usize,
}

impl PacketInfo {
    /// What is known of a packet whose headers could not be found (`nft_set_pktinfo_unspec`).
    pub fn unspecified(packet: &Packet<'_>) -> PacketInfo {
        PacketInfo { network: packet.network(), end: packet.len(), ..PacketInfo::default() }
    }

    /// Where the transport header can be read: there is one, and this is not a later fragment.
    #[inline]
    pub fn transport_header(&self) -> Option<(u8, usize)> {
        match self.l4proto {
            Some(protocol) if self.fragment_offset == 0 => Some((protocol, self.transport)),
            _ => None,
        }
    }

    /// Whether this is no later fragment: it begins with what its datagram begins with.
    #[inline]
    pub fn is_whole(&self) -> bool {
        self.fragment_offset == 0
    }

    /// Bytes from the transport header to the end of the network packet.
    #[inline]
    pub fn transport_len(&self) -> usize {
        self.end.saturating_sub(self.transport)
    }

    /// Whether this is a fragment, first or later.
    #[inline]
    pub fn is_fragment(&self) -> bool {
        self.more_fragments || self.fragment_offset != 0
    }

    /// Where what the transport header carries begins (`nft_payload_inner_offset`): behind TCP with its options, UDP,
    /// GRE version 0 with its optional fields; at the inner header of IPv4 in IP.
    pub fn inner_offset(&self, packet: &Packet<'_>) -> Option<usize> {
        let (protocol, at) = self.transport_header()?;
        match protocol {
            ipproto::UDP => Some(at + 8),
            ipproto::TCP => Some(at + tcp::Header::read(packet, at)?.header_len),
            ipproto::GRE => {
                let flags = packet.be16(at)?;
                let optional = [0x8000, 0x2000, 0x1000].iter().filter(|flag| flags & **flag != 0).count();
                (flags & 0x7 == 0).then_some(at + 4 + 4 * optional)
            }
            ipproto::IPIP => Some(at),
            _ => None,
        }
    }
}

/// Why a packet's headers cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// Not even a link header.
    #[error("the link header is cut short")]
    Link,
    /// No whole network header.
    #[error("the network header is cut short")]
    Network,
    /// The version field is not what the EtherType says.
    #[error("the IP version is {0}")]
    Version(u8),
    /// An IPv4 header length below 20 bytes.
    #[error("the IPv4 header length is {0} bytes")]
    HeaderLength(usize),
    /// The length field says less than the header alone has.
    #[error("the length field is too small: {0} bytes")]
    TotalLength(usize),
    /// The packet has fewer bytes than its length field says.
    #[error("{have} bytes of {want} are there")]
    Truncated {
        /// Bytes the length field promises, network header included.
        want: usize,
        /// Bytes there are.
        have: usize,
    },
    /// The IPv6 extension headers lead nowhere.
    #[error("an IPv6 extension header is cut short or misplaced")]
    Extension,
    /// A wrong IPv4 header checksum; found by [`receive`] alone.
    #[error("the IPv4 header checksum is wrong")]
    Checksum,
}

/// Finds the link, network and transport headers, and writes offsets and protocol into the packet.
///
/// Takes no VLAN tag off: see [`ethernet::take_vlan_tag`]. The checks are those of `nft_set_pktinfo_ipv4_validate`
/// and `nft_set_pktinfo_ipv6_validate`; nothing is cut off. On an error, the packet's network offset and
/// protocol are set, its transport offset is `None`, and [`PacketInfo::unspecified`] is what rules at
/// ingress see.
pub fn dissect(packet: &mut Packet<'_>) -> Result<PacketInfo, Malformed> {
    find_network(packet)?;
    dissect_network(packet)
}

/// Finds the headers again from the network header on, after a rewrite or for a packet without link header.
/// [`Meta::protocol`](crate::Meta::protocol) says what the network header is.
pub fn dissect_network(packet: &mut Packet<'_>) -> Result<PacketInfo, Malformed> {
    packet.set_transport(None);
    let info = match packet.meta.protocol {
        ethertype::IPV4 => dissect_ipv4(packet)?,
        ethertype::IPV6 => dissect_ipv6(packet)?,
        ethertype::ARP => PacketInfo { l3: L3::Arp, ..PacketInfo::unspecified(packet) },
        _ => PacketInfo::unspecified(packet),
    };
    packet.set_transport(info.transport_header().map(|(_, at)| at));
    Ok(info)
}

/// What `ip_rcv` and `ipv6_rcv` do before the first hook: checks the IPv4 header checksum and cuts link padding
/// off. Call it with what [`dissect`] gave. A segmented packet keeps its padding.
pub fn receive(packet: &mut Packet<'_>, info: &PacketInfo) -> Result<(), Malformed> {
    if info.l3 == L3::V4 && !ipv4::checksum_is_valid(packet, info.network) {
        return Err(Malformed::Checksum);
    }
    if matches!(info.l3, L3::V4 | L3::V6) && info.end < packet.len() {
        let _ = packet.truncate(info.end);
    }
    Ok(())
}

fn find_network(packet: &mut Packet<'_>) -> Result<(), Malformed> {
    match packet.link() {
        LinkType::Ethernet => {
            packet.set_network(ethernet::HEADER_LEN.min(packet.len()));
            packet.set_transport(None);
            packet.meta.protocol = ethernet::protocol(packet).ok_or(Malformed::Link)?;
        }
        LinkType::None => {
            packet.set_network(0);
            packet.set_transport(None);
            if packet.meta.protocol == 0 {
                packet.meta.protocol = match packet.byte(0).ok_or(Malformed::Network)? >> 4 {
                    4 => ethertype::IPV4,
                    6 => ethertype::IPV6,
                    version => return Err(Malformed::Version(version)),
                };
            }
        }
    }
    Ok(())
}

fn dissect_ipv4(packet: &Packet<'_>) -> Result<PacketInfo, Malformed> {
    let network = packet.network();
    let header = ipv4::Header::read(packet, network).ok_or(Malformed::Network)?;
    if header.version != 4 {
        return Err(Malformed::Version(header.version));
    }
    if header.header_len < ipv4::HEADER_LEN {
        return Err(Malformed::HeaderLength(header.header_len));
    }
    let (want, have) = (usize::from(header.total_length), packet.network_len());
    if have < want {
        return Err(Malformed::Truncated { want, have });
    }
    if want < header.header_len {
        return Err(Malformed::TotalLength(want));
    }
    Ok(PacketInfo {
        l3: L3::V4,
        l4proto: Some(header.protocol),
        network,
        transport: network + header.header_len,
        fragment_offset: header.fragment_offset(),
        more_fragments: header.flags_offset & ipv4::FLAG_MORE != 0,
        end: network + want,
    })
}

fn dissect_ipv6(packet: &Packet<'_>) -> Result<PacketInfo, Malformed> {
    let network = packet.network();
    let header = ipv6::Header::read(packet, network).ok_or(Malformed::Network)?;
    if header.version != 6 {
        return Err(Malformed::Version(header.version));
    }
    let (want, have) = (usize::from(header.payload_length) + ipv6::HEADER_LEN, packet.network_len());
    if have < want {
        return Err(Malformed::Truncated { want, have });
    }
    // A payload length of 0 before hop-by-hop options is a jumbogram: its length is that of the packet.
    let jumbo = header.payload_length == 0 && header.next_header == ipproto::HOPOPTS;
    let upper = ipv6::find_upper(packet, network).ok_or(Malformed::Extension)?;
    let transport = upper.offset.unwrap_or(0);
    if transport > usize::from(u16::MAX) {
        return Err(Malformed::Extension);
    }
    Ok(PacketInfo {
        l3: L3::V6,
        l4proto: Some(upper.protocol),
        network,
        transport,
        fragment_offset: upper.fragment_offset,
        more_fragments: upper.more_fragments,
        end: if jumbo { packet.len() } else { network + want },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(protocol: u16, network: &[u8]) -> Result<PacketInfo, Malformed> {
        let mut frame = vec![0; 12];
        frame.extend(protocol.to_be_bytes());
        frame.extend(network);
        let len = frame.len();
        let mut packet = Packet::new(&mut frame, 0, len, LinkType::Ethernet);
        let info = dissect(&mut packet);
        assert_eq!(packet.network(), 14);
        assert_eq!(packet.transport(), info.ok().and_then(|info| info.transport_header()).map(|(_, at)| at));
        info
    }

    fn v4(total: u16, flags: u16) -> Vec<u8> {
        let header = ipv4::Header {
            header_len: 20,
            version: 4,
            tos: 0,
            total_length: total,
            id: 1,
            flags_offset: flags,
            ttl: 64,
            protocol: 17,
            checksum: 0,
            src: Default::default(),
            dst: Default::default(),
        };
        let mut bytes = header.emit().to_vec();
        bytes.resize(46, 0);
        bytes
    }

    fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 40];
        bytes[0] = 0x60;
        bytes[5] = payload.len() as u8;
        bytes[6] = next;
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn ipv4_headers_are_found_and_checked() {
        let info = run(0x0800, &v4(30, 0)).unwrap();
        assert_eq!((info.transport_header(), info.end), (Some((17, 34)), 44));
        assert_eq!(run(0x0800, &v4(47, 0)), Err(Malformed::Truncated { want: 47, have: 46 }));
        assert_eq!(run(0x0800, &v4(19, 0)), Err(Malformed::TotalLength(19)));
        assert_eq!(run(0x0800, &[0x44; 20]), Err(Malformed::HeaderLength(16)));
        assert_eq!(run(0x0800, &[0x65; 20]), Err(Malformed::Version(6)));
        assert_eq!(run(0x0800, &[0x45; 19]), Err(Malformed::Network));
    }

    #[test]
    fn a_later_fragment_has_a_protocol_but_no_header() {
        let info = run(0x0800, &v4(30, 0x2003)).unwrap();
        assert_eq!((info.l4proto, info.fragment_offset, info.more_fragments), (Some(17), 3, true));
        assert_eq!(info.transport_header(), None);
        let info = run(0x86dd, &v6(44, &[6, 0, 0, 0x10, 0, 0, 0, 1, 9, 9])).unwrap();
        assert_eq!((info.l4proto, info.fragment_offset, info.more_fragments), (Some(6), 16, false));
        assert_eq!(run(0x86dd, &v6(44, &[60, 0, 0, 0x10, 0, 0, 0, 1])), Err(Malformed::Extension));
    }

    #[test]
    fn ipv6_extension_headers_are_stepped_over() {
        let mut chain = vec![60, 0, 0, 0, 0, 0, 0, 0]; // hop-by-hop
        chain.extend([51, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // destination options, 16 bytes
        chain.extend([58, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // authentication, 12 bytes
        chain.extend([128, 0]);
        // Authentication headers end the walk, as nf_tables has it (seen on Linux 6.18.44: `ah spi` counts them).
        let info = run(0x86dd, &v6(0, &chain)).unwrap();
        assert_eq!(info.transport_header(), Some((51, 14 + 40 + 24)));
        assert_eq!(run(0x86dd, &v6(0, &chain[..20])).unwrap_err(), Malformed::Extension);
        assert_eq!(run(0x86dd, &v6(59, &[])).unwrap().l4proto, Some(59));
    }

    #[test]
    fn padding_goes_and_a_wrong_checksum_is_found() {
        let mut frame = vec![0; 12];
        frame.extend([0x08, 0x00]);
        frame.extend(v4(30, 0));
        let len = frame.len();
        let mut packet = Packet::new(&mut frame, 0, len, LinkType::Ethernet);
        let info = dissect(&mut packet).unwrap();
        assert_eq!(receive(&mut packet, &info), Ok(()));
        assert_eq!(packet.len(), 44);
        assert!(packet.store(14 + 8, &[63]));
        assert_eq!(receive(&mut packet, &info), Err(Malformed::Checksum));
    }
}
