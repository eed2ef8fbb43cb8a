//! The TCP header and the options that connection tracking reads (RFC 9293, RFC 7323, RFC 2018).

use crate::packet::Packet;

/// Length without options.
pub const HEADER_LEN: usize = 20;
/// The longest header: a data offset of 15.
pub const MAX_HEADER_LEN: usize = 60;
/// Offset of the sequence number.
pub const SEQ_AT: usize = 4;
/// Offset of the acknowledgement number.
pub const ACK_AT: usize = 8;
/// The option that ends the list (RFC 9293 §3.1).
pub const OPTION_END: u8 = 0;
/// The option without data or length (RFC 9293 §3.1).
pub const OPTION_NOP: u8 = 1;
/// Offset of the checksum.
pub const CHECKSUM_AT: usize = 16;

/// Flags of byte 13.
pub mod flag {
    /// FIN.
    pub const FIN: u8 = 0x01;
    /// SYN.
    pub const SYN: u8 = 0x02;
    /// RST.
    pub const RST: u8 = 0x04;
    /// PSH.
    pub const PSH: u8 = 0x08;
    /// ACK.
    pub const ACK: u8 = 0x10;
    /// URG.
    pub const URG: u8 = 0x20;
    /// ECE.
    pub const ECE: u8 = 0x40;
    /// CWR.
    pub const CWR: u8 = 0x80;
}

/// The fixed part of a TCP header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Source port.
    pub src: u16,
    /// Destination port.
    pub dst: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Header length in bytes as the data offset says: 0 to 60.
    pub header_len: usize,
    /// The flags of byte 13: [`flag`].
    pub flags: u8,
    /// Window, not scaled.
    pub window: u16,
    /// Checksum.
    pub checksum: u16,
}

impl Header {
    /// Reads the fixed part at `offset`; checks nothing but that it is there.
    #[inline]
    pub fn read(packet: &Packet<'_>, offset: usize) -> Option<Header> {
        Some(Header::of(&packet.array(offset)?))
    }

    /// The fixed part that these bytes are.
    #[inline(always)]
    pub const fn of(b: &[u8; HEADER_LEN]) -> Header {
        Header {
            src: u16::from_be_bytes([b[0], b[1]]),
            dst: u16::from_be_bytes([b[2], b[3]]),
            seq: u32::from_be_bytes([b[4], b[5], b[6], b[7]]),
            ack: u32::from_be_bytes([b[8], b[9], b[10], b[11]]),
            header_len: (b[12] >> 4) as usize * 4,
            flags: b[13],
            window: u16::from_be_bytes([b[14], b[15]]),
            checksum: u16::from_be_bytes([b[16], b[17]]),
        }
    }

    /// Its twenty bytes without options; the checksum as it stands.
    pub fn emit(&self) -> [u8; HEADER_LEN] {
        let mut b = [0; HEADER_LEN];
        b[0..2].copy_from_slice(&self.src.to_be_bytes());
        b[2..4].copy_from_slice(&self.dst.to_be_bytes());
        b[4..8].copy_from_slice(&self.seq.to_be_bytes());
        b[8..12].copy_from_slice(&self.ack.to_be_bytes());
        b[12] = 0x50;
        b[13] = self.flags;
        b[14..16].copy_from_slice(&self.window.to_be_bytes());
        b[16..18].copy_from_slice(&self.checksum.to_be_bytes());
        b
    }

    /// Whether all of `flags` are set.
    pub const fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }
}

/// The options of one header, copied out of the packet.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    bytes: [u8; MAX_HEADER_LEN - HEADER_LEN],
    len: usize,
}

impl Options {
    /// The options of the header at `offset`, which says it is `header_len` bytes long; none when it is not there whole.
    pub fn read(packet: &Packet<'_>, offset: usize, header_len: usize) -> Options {
        let mut options = Options { bytes: [0; MAX_HEADER_LEN - HEADER_LEN], len: 0 };
        let len = header_len.saturating_sub(HEADER_LEN).min(options.bytes.len());
        let mut scratch = [0; MAX_HEADER_LEN - HEADER_LEN];
        if let Some(bytes) = packet.load(offset.saturating_add(HEADER_LEN), len, &mut scratch) {
            options.bytes[..len].copy_from_slice(bytes);
            options.len = len;
        }
        options
    }

    /// Whether the header has none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Each option as its kind and its data; ends at the end-of-list option and at the first that is malformed.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &[u8])> {
        let mut rest = &self.bytes[..self.len];
        std::iter::from_fn(move || {
            while let [kind, after @ ..] = rest {
                match kind {
                    0 => return None,
                    1 => rest = after,
                    _ => {
                        let length = usize::from(*after.first()?);
                        let data = rest.get(2..length)?;
                        rest = &rest[length..];
                        return Some((*kind, data));
                    }
                }
            }
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::LinkType;

    #[test]
    fn options_end_at_the_first_malformed_one() {
        let read = |options: &[u8]| -> Vec<(u8, Vec<u8>)> {
            let mut bytes = vec![0; 20];
            bytes.extend(options);
            let len = bytes.len();
            let packet = Packet::new(&mut bytes, 0, len, LinkType::None);
            Options::read(&packet, 0, len).iter().map(|(kind, data)| (kind, data.to_vec())).collect()
        };
        assert_eq!(read(&[2, 4, 5, 0xb4, 1, 3, 3, 7]), [(2, vec![5, 0xb4]), (3, vec![7])]);
        assert_eq!(read(&[3, 1, 2, 0]), [], "a length below two");
        assert_eq!(read(&[4, 2, 5, 20]), [(4, vec![])], "a length beyond the header");
        assert_eq!(read(&[0, 4, 2, 0]), []);
    }
}
