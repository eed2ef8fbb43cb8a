//! The pcap format (draft-ietf-opsawg-pcap): a header of 24 bytes, then for each packet 16 bytes and its data.

use ironweir_wire::Instant;

use super::bytes::Bytes;
use super::error::{CaptureError, Corruption};
use super::frame::{Frame, MAX_PACKET};
use super::{Interface, LinkNumber};

/// What the magic number tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Magic {
    big_endian: bool,
    /// Nanoseconds per unit of the fraction.
    unit: u64,
    /// Bytes that follow the header of a packet before its data: 8 in the format of Kuznetzov's patched libpcap.
    extra: u64,
}

impl Magic {
    /// From the first four bytes, read as big-endian.
    pub(super) fn from_number(number: u32) -> Option<Magic> {
        let known = |number| match number {
            0xa1b2_c3d4 => Some((1000, 0)),
            0xa1b2_3c4d => Some((1, 0)),
            0xa1b2_cd34 => Some((1000, 8)),
            _ => None,
        };
        let (big_endian, (unit, extra)) = match known(number) {
            Some(found) => (true, found),
            None => (false, known(number.swap_bytes())?),
        };
        Some(Magic { big_endian, unit, extra })
    }

    fn u32(self, bytes: &[u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(*bytes) } else { u32::from_le_bytes(*bytes) }
    }
}

/// A pcap file behind its header.
pub(super) struct Pcap {
    magic: Magic,
    pub(super) interface: Interface,
    /// Bytes of frame check sequence at the end of each packet.
    fcs: usize,
}

impl Pcap {
    pub(super) fn new(magic: Magic, bytes: &mut Bytes) -> Result<Pcap, CaptureError> {
        let mut header = [[0; 4]; 6];
        bytes.exact(header.as_flattened_mut(), "the file header")?;
        let version = magic.u32(&header[1]);
        let (major, minor) = match magic.big_endian {
            true => ((version >> 16) as u16, version as u16),
            false => (version as u16, (version >> 16) as u16),
        };
        if major != 2 {
            return Err(bytes.corrupt(Corruption::Version(major, minor)));
        }
        let network = magic.u32(&header[5]);
        // Bit 26 says that the top four bits are the length of the frame check sequence, in 16-bit units.
        let fcs = if network & 0x0400_0000 != 0 { (network >> 28) as usize * 2 } else { 0 };
        let link = LinkNumber(network as u16);
        if !link.is_known() {
            return Err(bytes.unknown_link(link));
        }
        Ok(Pcap { magic, interface: Interface { name: None, link }, fcs })
    }

    pub(super) fn read(&mut self, bytes: &mut Bytes, frame: &mut Frame) -> Result<bool, CaptureError> {
        let mut header = [[0; 4]; 4];
        if !bytes.exact_or_end(header.as_flattened_mut(), "a packet header")? {
            return Ok(false);
        }
        let [seconds, fraction, captured, original] = header.map(|field| self.magic.u32(&field));
        if captured as usize > MAX_PACKET {
            return Err(bytes.corrupt(Corruption::PacketLength(captured)));
        }
        bytes.skip(self.magic.extra, "a packet header")?;
        bytes.exact(frame.begin(captured as usize), "a packet")?;
        frame.number = bytes.packet;
        // Fractions beyond a second occur in the wild; they carry over.
        frame.time = Instant::from_nanos(
            u64::from(seconds).saturating_mul(1_000_000_000) + u64::from(fraction) * self.magic.unit,
        );
        frame.interface = 0;
        frame.direction = None;
        frame.original_len = original.max(captured);
        if captured == original {
            frame.cut(self.fcs);
        }
        frame.set_link(self.interface.link, self.magic.big_endian);
        bytes.packet += 1;
        Ok(true)
    }
}
