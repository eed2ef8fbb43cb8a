//! Link types (`LINKTYPE_*`, <https://www.tcpdump.org/linktypes.html>) and how their headers come off.

use std::fmt;

use ironweir_wire::{PacketType, VlanTag};

/// A link type by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkNumber(pub u16);

/// What the message about an unknown link type proposes.
pub(super) const KNOWN: &str =
    "Ethernet, raw IP, Linux cooked (v1, v2), null/loopback, PPP, frame relay and NFLOG";

const ETHERTYPE_IP: u16 = 0x0800;
const ETHERTYPE_IP6: u16 = 0x86dd;
/// TLV of an NFLOG header with the packet (`NFULA_PAYLOAD`).
const NFULA_PAYLOAD: u16 = 9;
/// TLV with the protocol and hook (`NFULA_PACKET_HDR`).
const NFULA_PACKET_HDR: u16 = 1;
/// TLV with `skb->mark` (`NFULA_MARK`).
const NFULA_MARK: u16 = 2;

/// What the header of a captured packet told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stripped {
    /// Bytes before the packet.
    pub(super) header: usize,
    /// Bytes of the packet, where the link header says so.
    pub(super) len: Option<usize>,
    /// Whether the packet begins with an Ethernet header.
    pub(super) ethernet: bool,
    /// EtherType of the network header; 0 when unknown.
    pub(super) protocol: u16,
    pub(super) packet_type: PacketType,
    pub(super) mark: u32,
    pub(super) vlan: Option<VlanTag>,
    /// The header is cut off or contradicts itself.
    pub(super) malformed: bool,
}

impl Stripped {
    pub(super) fn ethernet() -> Stripped {
        Stripped { ethernet: true, ..Stripped::default() }
    }
}

impl LinkNumber {
    /// BSD loopback: 4 bytes of address family in the byte order of the capturing machine.
    pub const NULL: LinkNumber = LinkNumber(0);
    /// Ethernet.
    pub const ETHERNET: LinkNumber = LinkNumber(1);
    /// PPP, with or without address and control bytes (RFC 1662).
    pub const PPP: LinkNumber = LinkNumber(9);
    /// Raw IPv4 or IPv6.
    pub const RAW: LinkNumber = LinkNumber(101);
    /// Frame relay: an address of 2 to 4 bytes, control, protocol (RFC 2427), or address and EtherType (Cisco).
    pub const FRELAY: LinkNumber = LinkNumber(107);
    /// OpenBSD loopback: as [`LinkNumber::NULL`], in network order.
    pub const LOOP: LinkNumber = LinkNumber(108);
    /// Linux cooked capture: 16 bytes.
    pub const LINUX_SLL: LinkNumber = LinkNumber(113);
    /// Raw IPv4.
    pub const IPV4: LinkNumber = LinkNumber(228);
    /// Raw IPv6.
    pub const IPV6: LinkNumber = LinkNumber(229);
    /// Packets from the kernel's log: a header and attributes, of which one is the packet.
    pub const NFLOG: LinkNumber = LinkNumber(239);
    /// Linux cooked capture version 2: 20 bytes.
    pub const LINUX_SLL2: LinkNumber = LinkNumber(276);

    /// Whether packets of this link type can be read.
    pub fn is_known(self) -> bool {
        // 12 and 14 are what DLT_RAW is on some systems; such files exist.
        matches!(self.0, 0 | 1 | 9 | 12 | 14 | 101 | 107 | 108 | 113 | 228 | 229 | 239 | 276)
    }

    /// Reads the link header at the beginning of `bytes`.
    pub(super) fn strip(self, bytes: &[u8], big_endian: bool) -> Stripped {
        let stripped = match self {
            LinkNumber::ETHERNET => Some(Stripped::ethernet()),
            LinkNumber::IPV4 => Some(Stripped { protocol: ETHERTYPE_IP, ..Stripped::default() }),
            LinkNumber::IPV6 => Some(Stripped { protocol: ETHERTYPE_IP6, ..Stripped::default() }),
            LinkNumber::NULL | LinkNumber::LOOP => null(bytes),
            LinkNumber::PPP => ppp(bytes),
            LinkNumber::FRELAY => frame_relay(bytes),
            LinkNumber::LINUX_SLL => cooked(bytes),
            LinkNumber::LINUX_SLL2 => cooked2(bytes),
            LinkNumber::NFLOG => nflog(bytes, big_endian),
            _ => Some(Stripped { protocol: by_version(bytes), ..Stripped::default() }),
        };
        stripped.unwrap_or(Stripped { malformed: true, ..Stripped::default() })
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// The EtherType that the first byte of an IP header tells.
fn by_version(bytes: &[u8]) -> u16 {
    match bytes.first().map(|byte| byte >> 4) {
        Some(4) => ETHERTYPE_IP,
        Some(6) => ETHERTYPE_IP6,
        _ => 0,
    }
}

fn null(bytes: &[u8]) -> Option<Stripped> {
    let family: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
    // Files of either byte order are read on machines of either; families are below 256, so one order shows.
    let family = u32::from_be_bytes(family).min(u32::from_le_bytes(family));
    let protocol = match family {
        2 => ETHERTYPE_IP,
        // AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, macOS.
        10 | 24 | 28 | 30 => ETHERTYPE_IP6,
        _ => 0,
    };
    Some(Stripped { header: 4, protocol, ..Stripped::default() })
}

/// Protocol numbers of RFC 3818 and its registry; a number whose first byte is odd was sent as that byte alone.
fn ppp(bytes: &[u8]) -> Option<Stripped> {
    let mut header = if bytes.starts_with(&[0xff, 0x03]) { 2 } else { 0 };
    let first = *bytes.get(header)?;
    let number = if first & 1 == 1 {
        header += 1;
        u16::from(first)
    } else {
        header += 2;
        be16(bytes, header - 2)?
    };
    let protocol = match number {
        0x0021 => ETHERTYPE_IP,
        0x0057 => ETHERTYPE_IP6,
        0x0281 => 0x8847,
        0x0283 => 0x8848,
        _ => 0,
    };
    Some(Stripped { header, protocol, ..Stripped::default() })
}

fn frame_relay(bytes: &[u8]) -> Option<Stripped> {
    // The last byte of the address has its lowest bit set.
    let address = bytes.iter().take(4).position(|byte| byte & 1 == 1)? + 1;
    let control = *bytes.get(address)?;
    // Cisco's framing has an EtherType where others have control and protocol; unnumbered information is 0x03.
    let cisco = be16(bytes, address)?;
    if control != 0x03 && cisco >= 0x0600 {
        return Some(Stripped { header: address + 2, protocol: cisco, ..Stripped::default() });
    }
    let (at, nlpid) = match bytes.get(address + 1)? {
        // A byte of padding stands before some protocols.
        0 => (address + 2, *bytes.get(address + 2)?),
        nlpid => (address + 1, *nlpid),
    };
    let (header, protocol) = match nlpid {
        0xcc => (at + 1, ETHERTYPE_IP),
        0x8e => (at + 1, ETHERTYPE_IP6),
        // SNAP: organisation (0 for EtherTypes) and protocol.
        0x80 if bytes.get(at + 1..at + 4)? == [0; 3] => (at + 6, be16(bytes, at + 4)?),
        _ => (at + 1, 0),
    };
    // Only unnumbered information carries packets.
    let protocol = if control == 0x03 { protocol } else { 0 };
    Some(Stripped { header, protocol, ..Stripped::default() })
}

fn packet_type(number: u16) -> PacketType {
    match number {
        1 => PacketType::Broadcast,
        2 => PacketType::Multicast,
        3 => PacketType::OtherHost,
        4 => PacketType::Outgoing,
        _ => PacketType::Host,
    }
}

/// Packet type, ARPHRD type, address length, address (8), protocol.
fn cooked(bytes: &[u8]) -> Option<Stripped> {
    let stripped = Stripped {
        header: 16,
        protocol: be16(bytes, 14)?,
        packet_type: packet_type(be16(bytes, 0)?),
        ..Stripped::default()
    };
    Some(untag(stripped, bytes))
}

/// Protocol, reserved (2), interface index (4), ARPHRD type (2), packet type, address length, address (8).
fn cooked2(bytes: &[u8]) -> Option<Stripped> {
    bytes.get(..20)?;
    let stripped = Stripped {
        header: 20,
        protocol: be16(bytes, 0)?,
        packet_type: packet_type(u16::from(*bytes.get(10)?)),
        ..Stripped::default()
    };
    Some(untag(stripped, bytes))
}

/// A cooked capture keeps a VLAN tag behind its header; Linux takes it off.
fn untag(mut stripped: Stripped, bytes: &[u8]) -> Stripped {
    if !matches!(stripped.protocol, 0x8100 | 0x88a8) {
        return stripped;
    }
    let (Some(tci), Some(inner)) = (be16(bytes, stripped.header), be16(bytes, stripped.header + 2)) else {
        return stripped;
    };
    stripped.vlan = Some(VlanTag { protocol: stripped.protocol, tci });
    stripped.header += 4;
    stripped.protocol = inner;
    stripped
}

/// Family, version, resource id (2), then attributes: length and type in the capturing machine's order, padded to 4.
fn nflog(bytes: &[u8], big_endian: bool) -> Option<Stripped> {
    let host16 = |at: usize| {
        let field: [u8; 2] = bytes.get(at..at + 2)?.try_into().ok()?;
        Some(if big_endian { u16::from_be_bytes(field) } else { u16::from_le_bytes(field) })
    };
    let family = *bytes.first()?;
    let mut found = Stripped::default();
    let mut at = 4;
    let mut payload = None;
    while let (Some(length), Some(kind)) = (host16(at), host16(at + 2)) {
        let length = usize::from(length);
        if length < 4 {
            break;
        }
        match kind & 0x7fff {
            NFULA_PAYLOAD => payload = Some((at + 4, length - 4)),
            NFULA_PACKET_HDR if length >= 6 => found.protocol = be16(bytes, at + 4)?,
            NFULA_MARK if length >= 8 => {
                found.mark = u32::from_be_bytes(bytes.get(at + 4..at + 8)?.try_into().ok()?);
            }
            _ => {}
        }
        at += length.next_multiple_of(4);
    }
    let (header, len) = payload?;
    let packet = bytes.get(header..)?;
    found.header = header;
    found.len = Some(len);
    // The header's protocol is that of the hook's family; a bridge's or device's log carries whatever it saw.
    if found.protocol == 0 {
        found.protocol = match family {
            2 => ETHERTYPE_IP,
            10 => ETHERTYPE_IP6,
            _ => by_version(packet),
        };
    }
    Some(found)
}

/// Name of a link type.
#[derive(Clone, Copy, Debug)]
pub struct Name(pub LinkNumber);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.0 {
            0 => "NULL",
            1 => "ETHERNET",
            6 => "IEEE802_5",
            8 => "SLIP",
            9 => "PPP",
            10 => "FDDI",
            12 | 14 | 101 => "RAW",
            50 => "PPP_HDLC",
            51 => "PPP_ETHER",
            100 => "ATM_RFC1483",
            104 => "C_HDLC",
            105 => "IEEE802_11",
            107 => "FRELAY",
            108 => "LOOP",
            113 => "LINUX_SLL",
            117 => "PFLOG",
            119 => "IEEE802_11_PRISM",
            122 => "IP_OVER_FC",
            127 => "IEEE802_11_RADIOTAP",
            129 => "LINUX_LAPD",
            144 => "LINUX_IRDA",
            147..=162 => "USER",
            187 => "BLUETOOTH_HCI_H4",
            189 | 220 => "USB_LINUX",
            192 => "PPI",
            195 => "IEEE802_15_4_WITHFCS",
            201 => "BLUETOOTH_HCI_H4_WITH_PHDR",
            227 => "CAN_SOCKETCAN",
            228 => "IPV4",
            229 => "IPV6",
            239 => "NFLOG",
            240 => "NETANALYZER",
            249 => "USBPCAP",
            253 => "NETLINK",
            271 => "VSOCK",
            276 => "LINUX_SLL2",
            _ => return write!(f, "unnamed"),
        })
    }
}

impl fmt::Display for LinkNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0, Name(*self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_headers_of_both_byte_orders_are_read() {
        for (bytes, protocol) in [
            ([2, 0, 0, 0], ETHERTYPE_IP),
            ([0, 0, 0, 2], ETHERTYPE_IP),
            ([30, 0, 0, 0], ETHERTYPE_IP6),
            ([0, 0, 0, 24], ETHERTYPE_IP6),
            ([7, 0, 0, 0], 0),
        ] {
            assert_eq!(LinkNumber::NULL.strip(&bytes, false).protocol, protocol, "{bytes:?}");
        }
    }

    #[test]
    fn a_cooked_header_gives_type_protocol_and_tag() {
        let mut bytes =
            vec![0, 4, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 0x81, 0x00, 0x00, 0x2a, 0x08, 0x00, 0x45];
        let stripped = LinkNumber::LINUX_SLL.strip(&bytes, false);
        assert_eq!((stripped.header, stripped.protocol), (20, ETHERTYPE_IP));
        assert_eq!(stripped.packet_type, PacketType::Outgoing);
        assert_eq!(stripped.vlan.map(VlanTag::id), Some(42));
        bytes.truncate(15);
        assert!(LinkNumber::LINUX_SLL.strip(&bytes, false).malformed);
    }

    #[test]
    fn ppp_and_frame_relay_headers_of_every_length_are_read() {
        for (link, bytes, header, protocol) in [
            (LinkNumber::PPP, [0xff, 0x03, 0x00, 0x21, 0x45, 0, 0, 0].as_slice(), 4, ETHERTYPE_IP),
            (LinkNumber::PPP, &[0x00, 0x57, 0x60, 0], 2, ETHERTYPE_IP6),
            (LinkNumber::PPP, &[0x21, 0x45], 1, ETHERTYPE_IP),
            (LinkNumber::FRELAY, &[0x18, 0x41, 0x03, 0xcc, 0x45], 4, ETHERTYPE_IP),
            (LinkNumber::FRELAY, &[0x80, 0xea, 0x9d, 0x08, 0x00, 0x47], 5, ETHERTYPE_IP),
            (
                LinkNumber::FRELAY,
                &[0x18, 0x41, 0x03, 0x00, 0x80, 0, 0, 0, 0x86, 0xdd, 0x60],
                10,
                ETHERTYPE_IP6,
            ),
        ] {
            let stripped = link.strip(bytes, false);
            assert_eq!((stripped.header, stripped.protocol), (header, protocol), "{bytes:02x?}");
        }
    }

    #[test]
    fn an_nflog_packet_is_the_payload_attribute() {
        let bytes = [
            2, 0, 0, 5, // IPv4, version 0, group 5
            8, 0, 1, 0, 0x08, 0x00, 1, 0, // packet header: IPv4, hook 1
            8, 0, 2, 0, 0, 0, 0, 7, // mark 7
            6, 0, 9, 0, 0x45, 0x00, 0, 0, // payload of 2 bytes
        ];
        let stripped = LinkNumber::NFLOG.strip(&bytes, false);
        assert_eq!((stripped.header, stripped.len), (24, Some(2)));
        assert_eq!((stripped.protocol, stripped.mark), (ETHERTYPE_IP, 7));
    }
}
