//! Segments a synproxy makes: a bare IP header, a TCP header and options (`synproxy_build_ip`, `synproxy_send_tcp`).

use ironweir_wire::checksum::Sum;
use ironweir_wire::protocol::ipproto;
use ironweir_wire::tcp::{self, CHECKSUM_AT, HEADER_LEN, Header};
use ironweir_wire::{L3, ipv4, ipv6};

use super::cookie::Ends;
use super::options::Seen;

/// Time to live and hop limit (`net.ipv4.ip_default_ttl`, `net.ipv6.conf.all.hop_limit`).
const TTL: u8 = 64;

/// The bytes of a segment from its network header on, between the ends of `ends`. Its ports are theirs; `header` gives the
/// rest.
pub(super) fn segment(ends: &Ends, header: &Header, options: &Seen) -> Vec<u8> {
    let mut body = [0u8; tcp::MAX_HEADER_LEN];
    let header = Header { src: ends.sport, dst: ends.dport, checksum: 0, ..*header };
    let mut bytes = Vec::with_capacity(ipv6::HEADER_LEN + 2 * HEADER_LEN);
    let mut rest = Vec::with_capacity(HEADER_LEN);
    options.write(&mut rest);
    let length = HEADER_LEN + rest.len();
    body[..HEADER_LEN].copy_from_slice(&header.emit());
    body[HEADER_LEN..length].copy_from_slice(&rest);
    body[12] = ((length / 4) as u8) << 4;
    let sum = Sum::ZERO.pseudo(ends.l3, &ends.src, &ends.dst, length, ipproto::TCP).bytes(&body[..length]);
    body[CHECKSUM_AT..CHECKSUM_AT + 2].copy_from_slice(&sum.finish().to_be_bytes());
    match ends.l3 {
        L3::V6 => {
            let network = ipv6::Header {
                version: 6,
                traffic_class: 0,
                flow_label: 0,
                payload_length: length as u16,
                next_header: ipproto::TCP,
                hop_limit: TTL,
                src: ends.src,
                dst: ends.dst,
            };
            bytes.extend(network.emit());
        }
        _ => {
            let network = ipv4::Header {
                header_len: ipv4::HEADER_LEN,
                version: 4,
                tos: 0,
                total_length: (ipv4::HEADER_LEN + length) as u16,
                id: 0,
                flags_offset: ipv4::FLAG_DONT_FRAGMENT,
                ttl: TTL,
                protocol: ipproto::TCP,
                checksum: 0,
                src: ends.src,
                dst: ends.dst,
            };
            bytes.extend(network.emit());
        }
    }
    bytes.extend(&body[..length]);
    bytes
}
