//! The pcapng format (draft-ietf-opsawg-pcapng): sections of blocks, each with its length at both ends.

use ironweir_wire::Instant;

use super::bytes::Bytes;
use super::error::{CaptureError, Corruption};
use super::frame::{Direction, Frame, MAX_PACKET};
use super::{Interface, LinkNumber};

/// Section Header Block, the same in both byte orders.
pub(super) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

const OPTION_END: u16 = 0;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const IF_FCSLEN: u16 = 13;
const IF_TSOFFSET: u16 = 14;
const EPB_FLAGS: u16 = 2;

/// How many interfaces a section may describe.
pub const MAX_INTERFACES: usize = 1 << 16;
/// How long a block may be that is kept in memory: a packet with its options, or an interface.
const MAX_KEPT: usize = MAX_PACKET + (1 << 16);

/// What an Interface Description Block says.
struct Described {
    interface: Interface,
    snap_len: u32,
    /// Units of a timestamp in a second.
    units: u128,
    /// Added to every timestamp, in seconds.
    offset: i64,
    fcs: usize,
}

/// A pcapng file.
#[derive(Default)]
pub(super) struct Pcapng {
    big_endian: bool,
    interfaces: Vec<Described>,
}

impl Pcapng {
    pub(super) fn interface(&self, index: usize) -> Option<&Interface> {
        self.interfaces.get(index).map(|described| &described.interface)
    }

    pub(super) fn read(&mut self, bytes: &mut Bytes, frame: &mut Frame) -> Result<bool, CaptureError> {
        loop {
            let mut head = [[0; 4]; 2];
            if !bytes.exact_or_end(head.as_flattened_mut(), "a block header")? {
                return Ok(false);
            }
            if u32::from_be_bytes(head[0]) == SECTION_HEADER {
                self.section(bytes, head[1])?;
                continue;
            }
            let [kind, length] = head.map(|field| self.u32(field));
            if length < 12 || !length.is_multiple_of(4) {
                return Err(bytes.corrupt(Corruption::BlockLength(length)));
            }
            let body = length - 12;
            let found = match kind {
                INTERFACE_DESCRIPTION => {
                    let kept = kept(bytes, frame, length, body)?;
                    let described = self.describe(bytes, kept)?;
                    if self.interfaces.len() == MAX_INTERFACES {
                        return Err(bytes.corrupt(Corruption::TooManyInterfaces));
                    }
                    self.interfaces.push(described);
                    false
                }
                PACKET | SIMPLE_PACKET | ENHANCED_PACKET => {
                    kept(bytes, frame, length, body)?;
                    self.packet(bytes, frame, kind, length)?;
                    true
                }
                _ => {
                    bytes.skip(body.into(), "a block")?;
                    false
                }
            };
            self.trailer(bytes, length)?;
            if found {
                bytes.packet += 1;
                return Ok(true);
            }
        }
    }

    /// A section begins: its byte order holds and interfaces are counted anew.
    fn section(&mut self, bytes: &mut Bytes, length: [u8; 4]) -> Result<(), CaptureError> {
        let mut fixed = [[0; 4]; 2];
        bytes.exact(fixed.as_flattened_mut(), "a section header")?;
        self.big_endian = match u32::from_be_bytes(fixed[0]) {
            0x1a2b_3c4d => true,
            0x4d3c_2b1a => false,
            other => return Err(bytes.corrupt(Corruption::ByteOrder(other))),
        };
        let (major, minor) = (self.u16([fixed[1][0], fixed[1][1]]), self.u16([fixed[1][2], fixed[1][3]]));
        if major != 1 {
            return Err(bytes.corrupt(Corruption::Version(major, minor)));
        }
        let length = self.u32(length);
        if length < 28 || !length.is_multiple_of(4) {
            return Err(bytes.corrupt(Corruption::BlockLength(length)));
        }
        self.interfaces.clear();
        bytes.skip(u64::from(length) - 20, "a section header")?;
        self.trailer(bytes, length)
    }

    fn trailer(&self, bytes: &mut Bytes, length: u32) -> Result<(), CaptureError> {
        let mut trailer = [0; 4];
        bytes.exact(&mut trailer, "a block")?;
        let trailer = self.u32(trailer);
        if trailer != length {
            return Err(bytes.corrupt(Corruption::BlockTrailer(length, trailer)));
        }
        Ok(())
    }

    fn describe(&self, bytes: &Bytes, body: &[u8]) -> Result<Described, CaptureError> {
        let (Some(link), Some(snap_len)) = (self.u16_at(body, 0), self.u32_at(body, 4)) else {
            return Err(bytes.corrupt(Corruption::BlockLength(body.len() as u32 + 12)));
        };
        let mut described = Described {
            interface: Interface { name: None, link: LinkNumber(link) },
            snap_len,
            units: 1_000_000,
            offset: 0,
            fcs: 0,
        };
        for (code, value) in self.options(body, 8) {
            match (code, value) {
                (IF_NAME, name) => {
                    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
                    let name = String::from_utf8_lossy(name.get(..256).unwrap_or(name)).into_owned();
                    described.interface.name = (!name.is_empty()).then(|| name.into());
                }
                (IF_TSRESOL, [resolution, ..]) => {
                    let exponent = u32::from(resolution & 0x7f);
                    let base = if resolution & 0x80 != 0 { 2u128 } else { 10 };
                    // 2^64 units a second are more than a 64-bit timestamp can count of one.
                    described.units = base
                        .checked_pow(exponent)
                        .filter(|units| *units <= 1 << 64)
                        .ok_or_else(|| bytes.corrupt(Corruption::Resolution(*resolution)))?;
                }
                (IF_FCSLEN, [length, ..]) => described.fcs = (*length).into(),
                (IF_TSOFFSET, value) => {
                    if let Ok(value) = <[u8; 8]>::try_from(value) {
                        described.offset = if self.big_endian {
                            i64::from_be_bytes(value)
                        } else {
                            i64::from_le_bytes(value)
                        };
                    }
                }
                _ => {}
            }
        }
        Ok(described)
    }

    /// Finds the packet inside the block that lies in `frame`.
    fn packet(&self, bytes: &Bytes, frame: &mut Frame, kind: u32, length: u32) -> Result<(), CaptureError> {
        let body = frame.block();
        let short = || bytes.corrupt(Corruption::BlockLength(length));
        let field = |at| self.u32_at(body, at).ok_or_else(short);
        // Where the data begins, its interface, its timestamp and its lengths.
        let (data, interface, time, captured, original) = match kind {
            SIMPLE_PACKET => {
                let original = field(0)?;
                let first = self.interfaces.first().map_or(0, |described| described.snap_len);
                let limit = if first == 0 { u32::MAX } else { first };
                let room = u32::try_from(body.len() - 4).unwrap_or(u32::MAX);
                (4, 0, None, original.min(limit).min(room), original)
            }
            _ => {
                let interface = match kind {
                    ENHANCED_PACKET => field(0)?,
                    _ => self.u16_at(body, 0).ok_or_else(short)?.into(),
                };
                let time = u64::from(field(4)?) << 32 | u64::from(field(8)?);
                (20, interface, Some(time), field(12)?, field(16)?)
            }
        };
        if captured as usize > MAX_PACKET {
            return Err(bytes.corrupt(Corruption::PacketLength(captured)));
        }
        let end = data + captured as usize;
        if end > body.len() {
            return Err(bytes.corrupt(Corruption::PacketInBlock(captured, length)));
        }
        let Some(described) = self.interfaces.get(interface as usize) else {
            return Err(bytes.corrupt(Corruption::Interface(interface, self.interfaces.len())));
        };
        if !described.interface.link.is_known() {
            return Err(bytes.unknown_link(described.interface.link));
        }
        let mut direction = None;
        if kind != SIMPLE_PACKET {
            for (code, value) in self.options(body, end.next_multiple_of(4)) {
                if let (EPB_FLAGS, Ok(value)) = (code, <[u8; 4]>::try_from(value)) {
                    direction = match self.u32(value) & 3 {
                        1 => Some(Direction::Inbound),
                        2 => Some(Direction::Outbound),
                        _ => None,
                    };
                }
            }
        }
        frame.number = bytes.packet;
        if let Some(time) = time {
            let nanos = u128::from(time) * 1_000_000_000 / described.units;
            let nanos = i128::try_from(nanos).unwrap_or(i128::MAX);
            let nanos = nanos.saturating_add(i128::from(described.offset) * 1_000_000_000);
            frame.time = Instant::from_nanos(nanos.clamp(0, u64::MAX.into()) as u64);
        }
        frame.interface = interface as usize;
        frame.direction = direction;
        frame.original_len = original.max(captured);
        frame.keep(data, end);
        if captured == original {
            frame.cut(described.fcs);
        }
        frame.set_link(described.interface.link, self.big_endian);
        Ok(())
    }

    /// Options from `at` on; ends at the first that does not fit.
    fn options<'b>(&self, body: &'b [u8], mut at: usize) -> impl Iterator<Item = (u16, &'b [u8])> {
        std::iter::from_fn(move || {
            let code = self.u16_at(body, at)?;
            let length = usize::from(self.u16_at(body, at + 2)?);
            let value = body.get(at + 4..at + 4 + length)?;
            at += 4 + length.next_multiple_of(4);
            (code != OPTION_END).then_some((code, value))
        })
    }

    fn u16(&self, bytes: [u8; 2]) -> u16 {
        if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    fn u32(&self, bytes: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    fn u16_at(&self, body: &[u8], at: usize) -> Option<u16> {
        body.get(at..at + 2)?.try_into().ok().map(|bytes| self.u16(bytes))
    }

    fn u32_at(&self, body: &[u8], at: usize) -> Option<u32> {
        body.get(at..at + 4)?.try_into().ok().map(|bytes| self.u32(bytes))
    }
}

/// Reads a block's body into the frame's buffer.
fn kept<'f>(
    bytes: &mut Bytes,
    frame: &'f mut Frame,
    length: u32,
    body: u32,
) -> Result<&'f [u8], CaptureError> {
    if body as usize > MAX_KEPT {
        return Err(bytes.corrupt(Corruption::BlockLength(length)));
    }
    let out = frame.begin(body as usize);
    bytes.exact(out, "a block")?;
    Ok(out)
}
