//! Packets as bytes.

use std::net::IpAddr;

use ironweir_wire::checksum::Sum;
use ironweir_wire::protocol::{ethertype, ipproto};
use ironweir_wire::{Address, L3, ipv4, ipv6, tcp};

/// What a transport header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp {
        /// Source and destination port.
        ports: [u16; 2],
        /// Sequence number.
        seq: u32,
        /// Acknowledgement number.
        ack: u32,
        /// Flags of byte 13.
        flags: u8,
        /// Window, not scaled.
        window: u16,
        /// Options, a multiple of four bytes.
        options: Vec<u8>,
        /// Bytes of data.
        len: usize,
    },
    /// UDP.
    Udp {
        /// Source and destination port.
        ports: [u16; 2],
        /// Bytes of data.
        len: usize,
        /// With a checksum.
        checksum: bool,
    },
    /// An ICMP or ICMPv6 query.
    Icmp {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// Identifier.
        id: u16,
        /// Sequence number.
        seq: u16,
        /// Bytes of data.
        len: usize,
    },
    /// An ICMP or ICMPv6 error about a packet.
    Error {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// The four bytes behind the checksum.
        rest: u32,
        /// The packet it quotes, from its network header on.
        quoted: Vec<u8>,
    },
    /// SCTP.
    Sctp {
        /// Source and destination port.
        ports: [u16; 2],
        /// Verification tag.
        tag: u32,
        /// Chunks.
        chunks: Vec<u8>,
    },
    /// Another protocol, with bytes that mean nothing.
    Other {
        /// Its number.
        protocol: u8,
        /// Bytes.
        len: usize,
    },
}

/// What a network header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Source.
    pub from: IpAddr,
    /// Destination.
    pub to: IpAddr,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Type of service or traffic class.
    pub tos: u8,
    /// Identification, also of fragments.
    pub id: u32,
    /// Don't fragment.
    pub df: bool,
}

impl Transport {
    /// Its number.
    pub fn protocol(&self, v6: bool) -> u8 {
        match self {
            Transport::Tcp { .. } => ipproto::TCP,
            Transport::Udp { .. } => ipproto::UDP,
            Transport::Icmp { .. } | Transport::Error { .. } if v6 => ipproto::ICMPV6,
            Transport::Icmp { .. } | Transport::Error { .. } => ipproto::ICMP,
            Transport::Sctp { .. } => ipproto::SCTP,
            Transport::Other { protocol, .. } => *protocol,
        }
    }

    /// Header and data, checksum computed.
    pub fn bytes(&self, from: IpAddr, to: IpAddr) -> Vec<u8> {
        let data = |len: usize| (0..len).map(|at| at as u8);
        let v6 = from.is_ipv6();
        let mut bytes = Vec::new();
        let mut sum_at = None;
        match self {
            Transport::Tcp { ports, seq, ack, flags, window, options, len } => {
                let header = tcp::Header {
                    src: ports[0],
                    dst: ports[1],
                    seq: *seq,
                    ack: *ack,
                    flags: *flags,
                    window: *window,
                    ..tcp::Header::default()
                };
                bytes.extend(header.emit());
                bytes[12] = (((20 + options.len()) / 4) << 4) as u8;
                bytes.extend(options);
                bytes.extend(data(*len));
                sum_at = Some(16);
            }
            Transport::Udp { ports, len, checksum } => {
                bytes.extend(ports[0].to_be_bytes());
                bytes.extend(ports[1].to_be_bytes());
                bytes.extend(((8 + len) as u16).to_be_bytes());
                bytes.extend([0, 0]);
                bytes.extend(data(*len));
                sum_at = checksum.then_some(6);
            }
            Transport::Icmp { kind, code, id, seq, len } => {
                bytes.extend([*kind, *code, 0, 0]);
                bytes.extend(id.to_be_bytes());
                bytes.extend(seq.to_be_bytes());
                bytes.extend(data(*len));
                sum_at = Some(2);
            }
            Transport::Error { kind, code, rest, quoted } => {
                bytes.extend([*kind, *code, 0, 0]);
                bytes.extend(rest.to_be_bytes());
                bytes.extend(quoted);
                sum_at = Some(2);
            }
            Transport::Sctp { ports, tag, chunks } => {
                bytes.extend(ports[0].to_be_bytes());
                bytes.extend(ports[1].to_be_bytes());
                bytes.extend(tag.to_be_bytes());
                bytes.extend([0; 4]);
                bytes.extend(chunks);
                let crc = ironweir_wire::crc32c::Crc32c::default().bytes(&bytes).finish();
                bytes[8..12].copy_from_slice(&crc);
            }
            Transport::Other { len, .. } => bytes.extend(data(*len)),
        }
        if let Some(at) = sum_at {
            let protocol = self.protocol(v6);
            let sum = match protocol {
                ipproto::ICMP => Sum::ZERO,
                _ => Sum::ZERO.pseudo(
                    if v6 { L3::V6 } else { L3::V4 },
                    &Address::from(from),
                    &Address::from(to),
                    bytes.len(),
                    protocol,
                ),
            };
            let sum = match sum.bytes(&bytes).finish() {
                0 if protocol == ipproto::UDP => 0xffff,
                sum => sum,
            };
            bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        }
        bytes
    }
}

impl Network {
    /// A whole packet; `options` are IPv4 options or an IPv6 hop-by-hop header's (a multiple of eight bytes less two).
    pub fn packet(&self, protocol: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.from.is_ipv6() {
            let extension = if options.is_empty() { 0 } else { options.len() + 2 };
            bytes.extend(self.v6(if extension > 0 { 0 } else { protocol }, extension + payload.len()).emit());
            if extension > 0 {
                bytes.extend([protocol, (extension / 8 - 1) as u8]);
                bytes.extend(options);
            }
        } else {
            let flags = if self.df { ipv4::FLAG_DONT_FRAGMENT } else { 0 };
            bytes.extend(self.v4(protocol, flags, options.len() + payload.len()).emit());
            if !options.is_empty() {
                bytes[0] = 0x40 | (5 + options.len() / 4) as u8;
                bytes.extend(options);
                bytes[10..12].fill(0);
                let sum = Sum::ZERO.bytes(&bytes).finish();
                bytes[10..12].copy_from_slice(&sum.to_be_bytes());
            }
        }
        bytes.extend(payload);
        bytes
    }

    /// The packet in fragments of so many bytes of payload, a multiple of eight.
    pub fn fragments(&self, protocol: u8, payload: &[u8], size: usize) -> Vec<Vec<u8>> {
        let chunks = payload.chunks(size.max(8));
        let count = chunks.len();
        let mut packets = Vec::new();
        for (at, chunk) in chunks.enumerate() {
            let (offset, more) = (at * size.max(8), at + 1 < count);
            let mut bytes = Vec::new();
            if self.from.is_ipv6() {
                bytes.extend(self.v6(ipproto::FRAGMENT, 8 + chunk.len()).emit());
                bytes.extend([protocol, 0]);
                bytes.extend((offset as u16 | u16::from(more)).to_be_bytes());
                bytes.extend(self.id.to_be_bytes());
            } else {
                let flags = (offset / 8) as u16 | if more { ipv4::FLAG_MORE } else { 0 };
                bytes.extend(self.v4(protocol, flags, chunk.len()).emit());
            }
            bytes.extend(chunk);
            packets.push(bytes);
        }
        packets
    }

    fn v4(&self, protocol: u8, flags_offset: u16, len: usize) -> ipv4::Header {
        ipv4::Header {
            header_len: 20,
            version: 4,
            tos: self.tos,
            total_length: (20 + len) as u16,
            id: self.id as u16,
            flags_offset,
            ttl: self.ttl,
            protocol,
            checksum: 0,
            src: self.from.into(),
            dst: self.to.into(),
        }
    }

    fn v6(&self, next_header: u8, len: usize) -> ipv6::Header {
        ipv6::Header {
            version: 6,
            traffic_class: self.tos,
            flow_label: self.id & 0xfffff,
            payload_length: len as u16,
            next_header,
            hop_limit: self.ttl,
            src: self.from.into(),
            dst: self.to.into(),
        }
    }
}

/// A frame around a packet.
pub fn frame(to: [u8; 6], from: [u8; 6], packet: &[u8]) -> Vec<u8> {
    let kind = match packet.first().map(|first| first >> 4) {
        Some(6) => ethertype::IPV6,
        _ => ethertype::IPV4,
    };
    let mut bytes = Vec::with_capacity(14 + packet.len());
    bytes.extend(to);
    bytes.extend(from);
    bytes.extend(kind.to_be_bytes());
    bytes.extend(packet);
    bytes
}
