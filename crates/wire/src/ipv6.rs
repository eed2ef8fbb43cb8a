//! The IPv6 header and the walk over its extension headers (RFC 8200).

use crate::address::Address;
use crate::packet::Packet;
use crate::protocol::ipproto;

/// Length of the fixed header.
pub const HEADER_LEN: usize = 40;
/// Offset of the payload length.
pub const PAYLOAD_LENGTH_AT: usize = 4;
/// Offset of the hop limit.
pub const HOP_LIMIT_AT: usize = 7;
/// Offset of the source address.
pub const SRC_AT: usize = 8;
/// Offset of the destination address.
pub const DST_AT: usize = 24;
/// Length of a fragment header.
pub const FRAGMENT_LEN: usize = 8;

/// The fixed IPv6 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The version field.
    pub version: u8,
    /// Traffic class.
    pub traffic_class: u8,
    /// Flow label, 20 bits.
    pub flow_label: u32,
    /// Bytes behind the fixed header.
    pub payload_length: u16,
    /// The first next-header number.
    pub next_header: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// Source address.
    pub src: Address,
    /// Destination address.
    pub dst: Address,
}

impl Header {
    /// Reads the header at `offset`; checks nothing but that it is there.
    pub fn read(packet: &Packet<'_>, offset: usize) -> Option<Header> {
        packet.array::<HEADER_LEN>(offset).map(|bytes| Header::from_bytes(&bytes))
    }

    /// From its forty bytes.
    pub fn from_bytes(b: &[u8; HEADER_LEN]) -> Header {
        let first = u32::from_be_bytes([b[0], b[1], b[2], b[3]]);
        let mut src = Address::default();
        let mut dst = Address::default();
        src.0.copy_from_slice(&b[SRC_AT..DST_AT]);
        dst.0.copy_from_slice(&b[DST_AT..]);
        Header {
            version: (first >> 28) as u8,
            traffic_class: (first >> 20) as u8,
            flow_label: first & 0xf_ffff,
            payload_length: u16::from_be_bytes([b[4], b[5]]),
            next_header: b[6],
            hop_limit: b[7],
            src,
            dst,
        }
    }

    /// Its forty bytes.
    pub fn emit(&self) -> [u8; HEADER_LEN] {
        let mut b = [0; HEADER_LEN];
        let first = 6 << 28 | u32::from(self.traffic_class) << 20 | self.flow_label & 0xf_ffff;
        b[..4].copy_from_slice(&first.to_be_bytes());
        b[4..6].copy_from_slice(&self.payload_length.to_be_bytes());
        b[6] = self.next_header;
        b[7] = self.hop_limit;
        b[SRC_AT..DST_AT].copy_from_slice(&self.src.0);
        b[DST_AT..].copy_from_slice(&self.dst.0);
        b
    }
}

/// Where the walk over extension headers ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upper {
    /// The protocol found; 59 (nothing follows) included.
    pub protocol: u8,
    /// Where its header begins; `None` in a later fragment, where it is not known.
    pub offset: Option<usize>,
    /// The fragment offset in bytes, a multiple of 8; 0 without a fragment header.
    pub fragment_offset: u16,
    /// More fragments follow.
    pub more_fragments: bool,
    /// Where the fragment header lies.
    pub fragment_at: Option<usize>,
}

/// Walks the extension headers of the IPv6 header at `network` to the first that is none, as
/// `ipv6_find_hdr` with target -1 and `IP6_FH_F_AUTH` does: ESP and authentication headers end the walk.
///
/// DIVERGES: connection tracking in the kernel walks by `ipv6_skip_exthdr`, which steps over authentication headers; here
/// it sees what rules see, and tracks such packets by addresses alone.
///
/// `None` when a header is cut short, or when a later fragment says that an extension header follows. Each
/// step goes at least 8 bytes further, so the packet's length bounds the walk.
pub fn find_upper(packet: &Packet<'_>, network: usize) -> Option<Upper> {
    let mut protocol = packet.byte(network.checked_add(6)?)?;
    let mut at = network.checked_add(HEADER_LEN)?;
    let mut found =
        Upper { protocol, offset: None, fragment_offset: 0, more_fragments: false, fragment_at: None };
    while is_extension(protocol) && protocol != ipproto::NONE {
        let [next, length] = packet.array(at)?;
        let step = match protocol {
            ipproto::AH => break,
            ipproto::FRAGMENT => {
                let word = packet.be16(at + 2)?;
                found.fragment_at = Some(at);
                found.more_fragments = word & 1 == 1;
                if word & !7 != 0 {
                    found.fragment_offset = word & !7;
                    found.protocol = next;
                    return (!is_extension(next) || next == ipproto::NONE).then_some(found);
                }
                FRAGMENT_LEN
            }
            _ => (usize::from(length) + 1) * 8,
        };
        protocol = next;
        at += step;
    }
    found.protocol = protocol;
    found.offset = Some(at);
    Some(found)
}

/// A fragment header and what names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentHeader {
    /// Where it begins.
    pub at: usize,
    /// Where the next-header byte that names it lies.
    pub named_at: usize,
    /// What follows it.
    pub next: u8,
    /// The fragment's offset in bytes, a multiple of 8.
    pub offset: u16,
    /// More fragments follow.
    pub more: bool,
    /// Identification.
    pub id: u32,
}

/// The first fragment header of the packet whose IPv6 header is at `network` (`find_prev_fhdr` of
/// `nf_conntrack_reasm.c`); `None` when there is none, or a header before it is cut short.
pub fn find_fragment(packet: &Packet<'_>, network: usize) -> Option<FragmentHeader> {
    let mut named_at = network.checked_add(6)?;
    let mut at = network.checked_add(HEADER_LEN)?;
    loop {
        let step = match packet.byte(named_at)? {
            ipproto::FRAGMENT => {
                let [next, _, o0, o1, id @ ..] = packet.array::<FRAGMENT_LEN>(at)?;
                let word = u16::from_be_bytes([o0, o1]);
                let id = u32::from_be_bytes(id);
                return Some(FragmentHeader {
                    at,
                    named_at,
                    next,
                    offset: word & !7,
                    more: word & 1 == 1,
                    id,
                });
            }
            ipproto::AH => (usize::from(packet.byte(at + 1)?) + 2) * 4,
            ipproto::NONE => return None,
            protocol if is_extension(protocol) => (usize::from(packet.byte(at + 1)?) + 1) * 8,
            _ => return None,
        };
        named_at = at;
        at += step;
    }
}

/// Whether a next-header number names an extension header that is stepped over (`ipv6_ext_hdr`).
pub const fn is_extension(protocol: u8) -> bool {
    matches!(
        protocol,
        ipproto::HOPOPTS
            | ipproto::ROUTING
            | ipproto::FRAGMENT
            | ipproto::AH
            | ipproto::NONE
            | ipproto::DSTOPTS
    )
}
