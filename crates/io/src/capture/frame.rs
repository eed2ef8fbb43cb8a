//! One packet of a capture, in a buffer that is used again for the next.

use ironweir_wire::{Instant, LinkType, Meta, Packet, Segments};

use super::link::{LinkNumber, Stripped};

/// The longest packet that is read. libpcap stops at 262144 bytes; BIG TCP packets may be longer.
pub const MAX_PACKET: usize = 1 << 20;

/// Bytes free before each packet, for headers that are put on.
pub const HEADROOM: usize = 128;
/// Bytes free behind each packet, for an answer built in its place.
const TAILROOM: usize = 256;

/// The end of a packet that the capture cut off: its length is known, its bytes are not, so loads from it fail.
#[derive(Debug)]
struct Missing(usize);

impl Segments for Missing {
    fn len(&self) -> usize {
        self.0
    }

    fn read(&self, _: usize, out: &mut [u8]) -> bool {
        out.is_empty()
    }

    fn write(&mut self, _: usize, bytes: &[u8]) -> bool {
        bytes.is_empty()
    }
}

/// Which way a packet went, seen from the capturing host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// It was received.
    Inbound,
    /// It was sent.
    Outbound,
}

/// A packet of a capture with what the capture says about it.
#[derive(Debug)]
pub struct Frame {
    buffer: Vec<u8>,
    /// The captured bytes, link header included.
    start: usize,
    end: usize,
    /// Room taken by the last [`begin`](Frame::begin).
    block: usize,
    link: LinkNumber,
    stripped: Stripped,
    missing: Missing,
    /// Its place in the capture, from 1.
    pub number: u64,
    /// When it was captured.
    pub time: Instant,
    /// Which of the capture's interfaces saw it.
    pub interface: usize,
    /// Which way it went, where the capture says so.
    pub direction: Option<Direction>,
    /// Bytes it had on the wire; more than [`Frame::bytes`] where the capture cut it.
    pub original_len: u32,
}

impl Default for Frame {
    fn default() -> Frame {
        Frame {
            buffer: vec![0; HEADROOM + TAILROOM],
            start: HEADROOM,
            end: HEADROOM,
            block: 0,
            link: LinkNumber::ETHERNET,
            stripped: Stripped::ethernet(),
            missing: Missing(0),
            number: 0,
            time: Instant::ZERO,
            interface: 0,
            direction: None,
            original_len: 0,
        }
    }
}

impl Frame {
    /// The captured bytes, link header included. They change when [`Frame::packet`] is rewritten.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// The link header that [`Frame::packet`] lacks (Linux cooked, null): put before the packet's bytes it makes the
    /// capture's link type again.
    pub fn link_header(&self) -> &[u8] {
        &self.buffer[self.start..self.start + self.stripped.header.min(self.end - self.start)]
    }

    /// Link type of the captured bytes.
    pub fn link(&self) -> LinkNumber {
        self.link
    }

    /// Link type of [`Frame::link_header`] and the packet's bytes together.
    pub fn output_link(&self) -> LinkNumber {
        if self.link == LinkNumber::NFLOG { LinkNumber::RAW } else { self.link }
    }

    /// Bytes that were on the wire and that the capture does not hold.
    pub fn missing(&self) -> usize {
        (self.original_len as usize).saturating_sub(self.end - self.start)
    }

    /// Whether the link header says more bytes than there are.
    pub fn is_malformed(&self) -> bool {
        self.stripped.malformed
    }

    /// The packet as an engine takes it: Ethernet frames whole, of everything else the network header on, with its
    /// EtherType in [`Meta::protocol`]. What the capture cut off belongs to its length, but cannot be loaded.
    pub fn packet(&mut self) -> Packet<'_> {
        let header = self.stripped.header.min(self.end - self.start);
        self.missing.0 = self.missing();
        let end = match self.stripped.len {
            Some(len) => (self.start + header + len).min(self.end),
            None => self.end,
        };
        let link = if self.stripped.ethernet { LinkType::Ethernet } else { LinkType::None };
        let mut packet = Packet::new(&mut self.buffer, self.start + header, end, link);
        packet.meta = Meta {
            protocol: self.stripped.protocol,
            packet_type: self.stripped.packet_type,
            mark: self.stripped.mark,
            vlan: self.stripped.vlan,
            ..Meta::default()
        };
        if self.missing.0 > 0 { packet.with_tail(&mut self.missing) } else { packet }
    }

    /// Makes this frame a packet that came from elsewhere than a capture.
    pub fn set(&mut self, link: LinkNumber, bytes: &[u8]) {
        self.begin(bytes.len()).copy_from_slice(bytes);
        self.original_len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.set_link(link, true);
    }

    /// Room for `len` bytes, which become the packet.
    pub(super) fn begin(&mut self, len: usize) -> &mut [u8] {
        let need = HEADROOM + len + TAILROOM;
        if self.buffer.len() < need {
            self.buffer.resize(need, 0);
        }
        (self.start, self.end, self.block) = (HEADROOM, HEADROOM + len, len);
        &mut self.buffer[HEADROOM..HEADROOM + len]
    }

    /// What was read into the last [`begin`](Frame::begin).
    pub(super) fn block(&self) -> &[u8] {
        &self.buffer[HEADROOM..HEADROOM + self.block]
    }

    /// Says that the packet is only a part of [`block`](Frame::block).
    pub(super) fn keep(&mut self, start: usize, end: usize) {
        let end = end.min(self.block);
        (self.start, self.end) = (HEADROOM + start.min(end), HEADROOM + end);
    }

    /// Cuts a frame check sequence off.
    pub(super) fn cut(&mut self, count: usize) {
        if count > 0 && count <= self.end - self.start {
            self.end -= count;
            self.original_len = (self.end - self.start) as u32;
        }
    }

    /// Says what link header the bytes begin with; `big_endian` is the byte order of the machine that captured.
    pub(super) fn set_link(&mut self, link: LinkNumber, big_endian: bool) {
        self.link = link;
        self.stripped = link.strip(self.bytes(), big_endian);
    }
}
