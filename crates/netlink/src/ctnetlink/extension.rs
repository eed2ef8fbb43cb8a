//! What a connection carries besides its tuples: counters, times, labels, adjustments, helper, NAT to set up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Unknown;
use super::tuple::put_address;
use crate::{Attribute, DecodeError, Writer};

/// `CTA_COUNTERS_ORIG`, `CTA_COUNTERS_REPLY`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets.
    pub packets: u64,
    /// Bytes, of the network layer.
    pub bytes: u64,
}

/// `CTA_TIMESTAMP`: nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timestamp {
    /// When it began.
    pub start: Option<u64>,
    /// When it ended; only connections that have ended have it.
    pub stop: Option<u64>,
}

/// `CTA_SEQ_ADJ_ORIG`, `CTA_SEQ_ADJ_REPLY`: how TCP sequence numbers are changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeqAdjust {
    /// Sequence number at which the offset changed.
    pub correction_position: u32,
    /// What is added before it.
    pub offset_before: u32,
    /// What is added behind it.
    pub offset_after: u32,
}

/// `CTA_SYNPROXY`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Synproxy {
    /// Initial sequence number.
    pub initial_seq: u32,
    /// Initial timestamp.
    pub initial_timestamp: u32,
    /// What is added to timestamps.
    pub timestamp_offset: u32,
}

/// `CTA_LABELS`: a set of up to 1016 bits, bit 0 first; Linux has 128.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Labels {
    bytes: [u8; Labels::MOST],
    len: u8,
}

/// `CTA_HELP`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Help {
    /// The helper's name: `ftp`.
    pub name: Box<str>,
    /// What a helper in user space keeps with the connection (`CTA_HELP_INFO`).
    pub private: Box<[u8]>,
}

/// `CTA_NAT_SRC`, `CTA_NAT_DST`: what a new connection is translated to (`net/netfilter/nf_nat_core.c,
/// nfnetlink_parse_nat`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nat {
    /// Lowest address.
    pub min: Option<IpAddr>,
    /// Highest address; `None` is the lowest.
    pub max: Option<IpAddr>,
    /// Lowest and highest port.
    pub ports: Option<(u16, u16)>,
    /// What a newer peer says besides.
    pub unknown: Unknown,
}

impl Counters {
    pub(super) fn decode(nest: &Attribute<'_>) -> Result<Counters, DecodeError> {
        let mut counters = Counters::default();
        for attribute in nest.nested() {
            let attribute = attribute?;
            match attribute.kind {
                1 => counters.packets = attribute.u64_be()?,
                2 => counters.bytes = attribute.u64_be()?,
                // CTA_COUNTERS32_PACKETS, CTA_COUNTERS32_BYTES: no kernel since 2.6.21 sends them. 5 is padding.
                _ => {}
            }
        }
        Ok(counters)
    }

    pub(super) fn encode(&self, kind: u16, w: &mut Writer<'_>) {
        w.nest(kind, |w| {
            w.put_u64_be(1, self.packets);
            w.put_u64_be(2, self.bytes);
        });
    }
}

impl Timestamp {
    pub(super) fn decode(nest: &Attribute<'_>) -> Result<Timestamp, DecodeError> {
        let mut timestamp = Timestamp::default();
        for attribute in nest.nested() {
            let attribute = attribute?;
            match attribute.kind {
                1 => timestamp.start = Some(attribute.u64_be()?),
                2 => timestamp.stop = Some(attribute.u64_be()?),
                _ => {}
            }
        }
        Ok(timestamp)
    }

    pub(super) fn encode(&self, kind: u16, w: &mut Writer<'_>) {
        w.nest(kind, |w| {
            for (kind, time) in [(1, self.start), (2, self.stop)] {
                if let Some(time) = time {
                    w.put_u64_be(kind, time);
                }
            }
        });
    }
}

/// A nest of three 32-bit numbers, of types 1, 2 and 3.
fn three(nest: &Attribute<'_>) -> Result<[u32; 3], DecodeError> {
    let mut values = [0; 3];
    for attribute in nest.nested() {
        let attribute = attribute?;
        if let Some(value) = usize::from(attribute.kind).checked_sub(1).and_then(|at| values.get_mut(at)) {
            *value = attribute.u32_be()?;
        }
    }
    Ok(values)
}

fn put_three(kind: u16, values: [u32; 3], w: &mut Writer<'_>) {
    w.nest(kind, |w| {
        for (kind, value) in (1..).zip(values) {
            w.put_u32_be(kind, value);
        }
    });
}

impl SeqAdjust {
    pub(super) fn decode(nest: &Attribute<'_>) -> Result<SeqAdjust, DecodeError> {
        let [correction_position, offset_before, offset_after] = three(nest)?;
        Ok(SeqAdjust { correction_position, offset_before, offset_after })
    }

    pub(super) fn encode(&self, kind: u16, w: &mut Writer<'_>) {
        put_three(kind, [self.correction_position, self.offset_before, self.offset_after], w);
    }
}

impl Synproxy {
    pub(super) fn decode(nest: &Attribute<'_>) -> Result<Synproxy, DecodeError> {
        let [initial_seq, initial_timestamp, timestamp_offset] = three(nest)?;
        Ok(Synproxy { initial_seq, initial_timestamp, timestamp_offset })
    }

    pub(super) fn encode(&self, kind: u16, w: &mut Writer<'_>) {
        put_three(kind, [self.initial_seq, self.initial_timestamp, self.timestamp_offset], w);
    }
}

impl Labels {
    /// Bytes at most.
    pub const MOST: usize = 127;

    /// None, in this many bytes (a multiple of 4 where Linux is to take them).
    pub fn empty(len: usize) -> Labels {
        Labels { bytes: [0; Labels::MOST], len: len.min(Labels::MOST) as u8 }
    }

    /// Of bytes as they lie on the wire. `None` if there are more than [`Labels::MOST`].
    pub fn new(bytes: &[u8]) -> Option<Labels> {
        let mut labels = Labels::empty(bytes.len());
        labels.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(labels)
    }

    /// As they lie on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Whether a bit is set.
    pub fn contains(&self, bit: u16) -> bool {
        self.as_bytes().get(usize::from(bit / 8)).is_some_and(|byte| byte & place(bit) != 0)
    }

    /// Sets a bit; returns whether there is room for it. Grows by words of 4 bytes, as Linux wants them.
    pub fn insert(&mut self, bit: u16) -> bool {
        let at = usize::from(bit / 8);
        let needed = (at + 1).next_multiple_of(4);
        if needed > Labels::MOST {
            return false;
        }
        self.len = self.len.max(needed as u8);
        let Some(byte) = self.bytes.get_mut(at) else { return false };
        *byte |= place(bit);
        true
    }

    /// Clears a bit.
    pub fn remove(&mut self, bit: u16) {
        if let Some(byte) = self.bytes.get_mut(usize::from(bit / 8)) {
            *byte &= !place(bit);
        }
    }

    /// The bits that are set, in order.
    pub fn bits(&self) -> impl Iterator<Item = u16> + '_ {
        (0..u16::from(self.len) * 8).filter(|bit| self.contains(*bit))
    }

    /// Whether no bit is set.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().iter().all(|byte| *byte == 0)
    }
}

/// A bit in its byte, of machines that put the low byte first; Linux has the labels in machine words
/// (`net/netfilter/nf_conntrack_labels.c`).
fn place(bit: u16) -> u8 {
    1 << (bit % 8)
}

impl std::fmt::Debug for Labels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Labels")?;
        f.debug_set().entries(self.bits()).finish()
    }
}

impl Help {
    pub(super) fn decode(nest: &Attribute<'_>) -> Result<Help, DecodeError> {
        let mut help = Help::default();
        for attribute in nest.nested() {
            let attribute = attribute?;
            match attribute.kind {
                1 => help.name = attribute.str()?.into(),
                2 => help.private = attribute.value.into(),
                _ => {}
            }
        }
        Ok(help)
    }

    pub(super) fn encode(&self, kind: u16, w: &mut Writer<'_>) {
        w.nest(kind, |w| {
            w.put_str(1, &self.name);
            if !self.private.is_empty() {
                w.put(2, &self.private);
            }
        });
    }
}

impl Nat {
    pub(super) fn decode(nest: &Attribute<'_>) -> Result<Nat, DecodeError> {
        let mut nat = Nat::default();
        for attribute in nest.nested() {
            let attribute = attribute?;
            let four = || attribute.array::<4>().map(|bytes| Some(IpAddr::V4(Ipv4Addr::from(bytes))));
            let six = || attribute.array::<16>().map(|bytes| Some(IpAddr::V6(Ipv6Addr::from(bytes))));
            match attribute.kind {
                1 => nat.min = four()?,
                2 => nat.max = four()?,
                3 => nat.ports = Nat::ports(&attribute)?,
                4 => nat.min = six()?,
                5 => nat.max = six()?,
                _ => nat.unknown.keep(&attribute)?,
            }
        }
        Ok(nat)
    }

    /// `CTA_NAT_PROTO`.
    fn ports(nest: &Attribute<'_>) -> Result<Option<(u16, u16)>, DecodeError> {
        let mut ports = None;
        for attribute in nest.nested() {
            let attribute = attribute?;
            let port = || attribute.u16_be();
            match attribute.kind {
                1 => ports = Some((port()?, ports.map_or(port()?, |(_, max)| max))),
                2 => ports = Some((ports.map_or(port()?, |(min, _)| min), port()?)),
                _ => {}
            }
        }
        Ok(ports)
    }

    pub(super) fn encode(&self, kind: u16, w: &mut Writer<'_>) {
        w.nest(kind, |w| {
            put_address(w, [1, 4], self.min);
            put_address(w, [2, 5], self.max);
            if let Some((min, max)) = self.ports {
                w.nest(3, |w| {
                    w.put_u16_be(1, min);
                    w.put_u16_be(2, max);
                });
            }
            self.unknown.encode(w);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_bits_from_the_first_byte_on() {
        let mut labels = Labels::empty(0);
        assert!(labels.insert(1) && labels.insert(64));
        // What conntrack 1.4.7 sends for label 1: four bytes, 02 00 00 00.
        assert_eq!(labels.as_bytes(), [2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!(labels.bits().collect::<Vec<_>>(), [1, 64]);
        labels.remove(64);
        assert!(!labels.contains(64) && !labels.is_empty());
        assert!(!labels.insert(2000));
    }
}
