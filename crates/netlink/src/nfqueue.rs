//! nfnetlink_queue: packets that wait for a program's verdict, in both directions (`linux/netfilter/nfnetlink_queue.h`,
//! `net/netfilter/nfnetlink_queue.c`).
//!
//! The queue's number stands in the resource field of the message's [`crate::GenMsg`], the packet's family (`NFPROTO_*`)
//! in its family field. What a newer peer says besides is passed over.

use crate::ctnetlink::Flow;
use crate::nflog::{HwAddress, put_timestamp, timestamp};
use crate::{Attributes, DecodeError, Writer};

pub use crate::nflog::{CopyMode, command};

/// Messages of subsystem [`crate::subsystem::QUEUE`] (`enum nfqnl_msg_types`).
pub mod message {
    /// A packet (`NFQNL_MSG_PACKET`).
    pub const PACKET: u8 = 0;
    /// What becomes of one (`NFQNL_MSG_VERDICT`).
    pub const VERDICT: u8 = 1;
    /// What a listener wants (`NFQNL_MSG_CONFIG`).
    pub const CONFIG: u8 = 2;
    /// What becomes of all up to one (`NFQNL_MSG_VERDICT_BATCH`).
    pub const VERDICT_BATCH: u8 = 3;
}

/// Flags of a listener (`NFQA_CFG_F_*`).
pub mod flag {
    /// What finds no place passes (`NFQA_CFG_F_FAIL_OPEN`).
    pub const FAIL_OPEN: u32 = 1;
    /// Packets' connections are told (`NFQA_CFG_F_CONNTRACK`).
    pub const CONNTRACK: u32 = 2;
    /// Packets may be larger than a link's (`NFQA_CFG_F_GSO`).
    pub const GSO: u32 = 4;
    /// Whose socket sent them is told (`NFQA_CFG_F_UID_GID`).
    pub const UID_GID: u32 = 8;
    /// Their security context is told (`NFQA_CFG_F_SECCTX`).
    pub const SECCTX: u32 = 16;
    /// The first bit that means nothing (`NFQA_CFG_F_MAX`).
    pub const MAX: u32 = 32;
}

/// `NFQA_SKB_CSUM_NOTVERIFIED` of [`Packet::info`]: nobody has looked at the checksums.
pub const NOT_VERIFIED: u32 = 4;

/// A packet (`NFQNL_MSG_PACKET`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Packet<'a> {
    /// Its number in the queue, by which a verdict names it.
    pub id: u32,
    /// EtherType of its network header, host order.
    pub protocol: u16,
    /// `NF_INET_*` number of the hook.
    pub hook: u8,
    /// Index of the interface it came in by (`NFQA_IFINDEX_INDEV`).
    pub indev: Option<u32>,
    /// Index of the interface it leaves by (`NFQA_IFINDEX_OUTDEV`).
    pub outdev: Option<u32>,
    /// Its mark, told if it is not 0 (`NFQA_MARK`).
    pub mark: u32,
    /// Its priority, told if it is not 0 (`NFQA_PRIORITY`).
    pub priority: u32,
    /// Who sent it on the link (`NFQA_HWADDR`).
    pub hw_address: Option<HwAddress>,
    /// When: seconds since the epoch and microseconds (`NFQA_TIMESTAMP`).
    pub timestamp: Option<(u64, u64)>,
    /// Its connection (`NFQA_CT`), and what it is to it (`enum ip_conntrack_info`, `NFQA_CT_INFO`).
    pub connection: Option<(Box<Flow>, u32)>,
    /// How many bytes it has, where not all are told (`NFQA_CAP_LEN`).
    pub whole: Option<u32>,
    /// Bits of its checksums and its size (`NFQA_SKB_INFO`), told if there are any.
    pub info: u32,
    /// Its bytes from the network header on (`NFQA_PAYLOAD`).
    pub payload: Option<&'a [u8]>,
}

impl<'a> Packet<'a> {
    /// Puts its attributes, in the order of `nfqnl_build_packet_message`.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        let ([a, b, c, d], [high, low]) = (self.id.to_be_bytes(), self.protocol.to_be_bytes());
        writer.put(PACKET_HDR, &[a, b, c, d, high, low, self.hook]);
        for (kind, index) in [(INDEV, self.indev), (OUTDEV, self.outdev)] {
            index.iter().for_each(|index| writer.put_u32_be(kind, *index));
        }
        for (kind, number) in [(MARK, self.mark), (PRIORITY, self.priority)] {
            if number != 0 {
                writer.put_u32_be(kind, number);
            }
        }
        self.hw_address.iter().for_each(|address| writer.put(HWADDR, &address.encode()));
        self.timestamp.iter().for_each(|at| put_timestamp(writer, TIMESTAMP, *at));
        if let Some((flow, info)) = &self.connection {
            writer.nest(CT, |writer| flow.encode(writer));
            writer.put_u32_be(CT_INFO, *info);
        }
        self.whole.iter().for_each(|len| writer.put_u32_be(CAP_LEN, *len));
        if self.info != 0 {
            writer.put_u32_be(SKB_INFO, self.info);
        }
        self.payload.iter().for_each(|payload| writer.put(PAYLOAD, payload));
    }

    /// Reads a packet's attributes.
    ///
    /// # Errors
    /// An attribute is cut off, or is not what it should be.
    pub fn decode(attributes: Attributes<'a>) -> Result<Packet<'a>, DecodeError> {
        let mut packet = Packet::default();
        let (mut flow, mut info) = (None, 0);
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                PACKET_HDR => {
                    let [a, b, c, d, high, low, hook] = attribute.array::<7>()?;
                    packet.id = u32::from_be_bytes([a, b, c, d]);
                    packet.protocol = u16::from_be_bytes([high, low]);
                    packet.hook = hook;
                }
                INDEV => packet.indev = Some(attribute.u32_be()?),
                OUTDEV => packet.outdev = Some(attribute.u32_be()?),
                MARK => packet.mark = attribute.u32_be()?,
                PRIORITY => packet.priority = attribute.u32_be()?,
                HWADDR => packet.hw_address = Some(HwAddress::decode(&attribute)?),
                TIMESTAMP => packet.timestamp = Some(timestamp(&attribute)?),
                CT => flow = Some(Box::new(Flow::decode(attribute.nested())?)),
                CT_INFO => info = attribute.u32_be()?,
                CAP_LEN => packet.whole = Some(attribute.u32_be()?),
                SKB_INFO => packet.info = attribute.u32_be()?,
                PAYLOAD => packet.payload = Some(attribute.value),
                _ => {}
            }
        }
        packet.connection = flow.map(|flow| (flow, info));
        Ok(packet)
    }
}

/// What becomes of a packet, or of all up to one (`NFQNL_MSG_VERDICT`, `NFQNL_MSG_VERDICT_BATCH`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict<'a> {
    /// `NF_*` of `linux/netfilter.h`: 0 drop, 1 accept, 3 queue, 4 repeat, 5 stop; of a queue, its number in the high 16
    /// bits, and bit 15 for one that may be without a listener.
    pub verdict: u32,
    /// The packet's number.
    pub id: u32,
    /// A mark for it (`NFQA_MARK`).
    pub mark: Option<u32>,
    /// Other bytes in place of its own, from the network header on (`NFQA_PAYLOAD`).
    pub payload: Option<&'a [u8]>,
    /// What changes of its connection (`NFQA_CT`).
    pub connection: Option<Box<Flow>>,
}

impl<'a> Verdict<'a> {
    /// Puts its attributes.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        let mut header = [0; 8];
        header[..4].copy_from_slice(&self.verdict.to_be_bytes());
        header[4..].copy_from_slice(&self.id.to_be_bytes());
        writer.put(VERDICT_HDR, &header);
        self.mark.iter().for_each(|mark| writer.put_u32_be(MARK, *mark));
        self.payload.iter().for_each(|payload| writer.put(PAYLOAD, payload));
        self.connection.iter().for_each(|flow| writer.nest(CT, |writer| flow.encode(writer)));
    }

    /// Reads one.
    ///
    /// # Errors
    /// It says no verdict, or an attribute is cut off.
    pub fn decode(attributes: Attributes<'a>) -> Result<Verdict<'a>, DecodeError> {
        let missing = attributes.missing(VERDICT_HDR);
        let (mut verdict, mut there) = (Verdict::default(), false);
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                VERDICT_HDR => {
                    let both = u64::from_be_bytes(attribute.array::<8>()?);
                    (verdict.verdict, verdict.id, there) = ((both >> 32) as u32, both as u32, true);
                }
                MARK => verdict.mark = Some(attribute.u32_be()?),
                PAYLOAD => verdict.payload = Some(attribute.value),
                CT => verdict.connection = Some(Box::new(Flow::decode(attribute.nested())?)),
                _ => {}
            }
        }
        if there { Ok(verdict) } else { Err(missing) }
    }
}

/// What a listener wants (`NFQNL_MSG_CONFIG`); what is not there stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// A [`command`] with the family of obsolete ones, host order (`NFQA_CFG_CMD`).
    pub command: Option<(u8, u16)>,
    /// At most how many bytes of each packet, and how much of it (`NFQA_CFG_PARAMS`).
    pub mode: Option<(u32, u8)>,
    /// How many packets may wait (`NFQA_CFG_QUEUE_MAXLEN`).
    pub most: Option<u32>,
    /// Which flags change, and what they are then (`NFQA_CFG_MASK`, `NFQA_CFG_FLAGS`).
    pub flags: Option<(u32, u32)>,
}

impl Config {
    /// Puts what is there.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        if let Some((command, family)) = self.command {
            let [high, low] = family.to_be_bytes();
            writer.put(CFG_CMD, &[command, 0, high, low]);
        }
        if let Some((range, mode)) = self.mode {
            let [a, b, c, d] = range.to_be_bytes();
            writer.put(CFG_PARAMS, &[a, b, c, d, mode]);
        }
        self.most.iter().for_each(|most| writer.put_u32_be(CFG_QUEUE_MAXLEN, *most));
        if let Some((mask, flags)) = self.flags {
            writer.put_u32_be(CFG_MASK, mask);
            writer.put_u32_be(CFG_FLAGS, flags);
        }
    }

    /// Reads a request. Flags without a mask, or a mask without flags, are an error, as in the kernel.
    ///
    /// # Errors
    /// An attribute is cut off, has not its length, or lacks the other.
    pub fn decode(attributes: Attributes<'_>) -> Result<Config, DecodeError> {
        let (no_mask, no_flags) = (attributes.missing(CFG_MASK), attributes.missing(CFG_FLAGS));
        let mut config = Config::default();
        let (mut mask, mut flags) = (None, None);
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                CFG_CMD => {
                    let [command, _, high, low] = attribute.array::<4>()?;
                    config.command = Some((command, u16::from_be_bytes([high, low])));
                }
                CFG_PARAMS => {
                    let [a, b, c, d, mode] = attribute.array::<5>()?;
                    config.mode = Some((u32::from_be_bytes([a, b, c, d]), mode));
                }
                CFG_QUEUE_MAXLEN => config.most = Some(attribute.u32_be()?),
                CFG_MASK => mask = Some(attribute.u32_be()?),
                CFG_FLAGS => flags = Some(attribute.u32_be()?),
                _ => {}
            }
        }
        config.flags = match (mask, flags) {
            (Some(mask), Some(flags)) => Some((mask, flags)),
            (None, None) => None,
            (None, Some(_)) => return Err(no_mask),
            (Some(_), None) => return Err(no_flags),
        };
        Ok(config)
    }
}

/// `NFQA_PACKET_HDR`: number (4, network order), EtherType (2, network order), hook (1).
const PACKET_HDR: u16 = 1;
/// `NFQA_VERDICT_HDR`: verdict (4, network order), number (4, network order).
const VERDICT_HDR: u16 = 2;
/// `NFQA_MARK`.
const MARK: u16 = 3;
/// `NFQA_TIMESTAMP`.
const TIMESTAMP: u16 = 4;
/// `NFQA_IFINDEX_INDEV`.
const INDEV: u16 = 5;
/// `NFQA_IFINDEX_OUTDEV`.
const OUTDEV: u16 = 6;
/// `NFQA_HWADDR`.
const HWADDR: u16 = 9;
/// `NFQA_PAYLOAD`.
const PAYLOAD: u16 = 10;
/// `NFQA_CT`.
const CT: u16 = 11;
/// `NFQA_CT_INFO`.
const CT_INFO: u16 = 12;
/// `NFQA_CAP_LEN`.
const CAP_LEN: u16 = 13;
/// `NFQA_SKB_INFO`.
const SKB_INFO: u16 = 14;
/// `NFQA_PRIORITY`.
const PRIORITY: u16 = 21;

/// `NFQA_CFG_CMD`: command (1), padding (1), family (2, network order).
const CFG_CMD: u16 = 1;
/// `NFQA_CFG_PARAMS`: range (4, network order), mode (1).
const CFG_PARAMS: u16 = 2;
/// `NFQA_CFG_QUEUE_MAXLEN`.
const CFG_QUEUE_MAXLEN: u16 = 3;
/// `NFQA_CFG_MASK`.
const CFG_MASK: u16 = 4;
/// `NFQA_CFG_FLAGS`.
const CFG_FLAGS: u16 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_and_verdicts_are_written_and_read_alike() {
        let packet = Packet {
            id: 0x0102_0304,
            protocol: 0x86dd,
            hook: 1,
            indev: Some(2),
            outdev: None,
            mark: 1,
            priority: 0x10002,
            hw_address: Some(HwAddress::new(&[2, 0, 0, 0, 1, 2])),
            timestamp: Some((5, 6)),
            connection: Some((Box::new(Flow { id: Some(4), ..Flow::default() }), 0)),
            whole: Some(1500),
            info: NOT_VERIFIED,
            payload: Some(&[0x60; 40]),
        };
        let mut bytes = Vec::new();
        packet.encode(&mut Writer::new(&mut bytes));
        // The header has 7 bytes and one of padding.
        assert_eq!(bytes[..12], [11, 0, 1, 0, 1, 2, 3, 4, 0x86, 0xdd, 1, 0]);
        assert_eq!(Packet::decode(Attributes::new(&bytes)), Ok(packet));
        let verdict = Verdict {
            verdict: 1,
            id: 9,
            mark: Some(3),
            payload: Some(b"other"),
            connection: Some(Box::new(Flow { mark: Some(8), ..Flow::default() })),
        };
        let mut bytes = Vec::new();
        verdict.encode(&mut Writer::new(&mut bytes));
        assert_eq!(Verdict::decode(Attributes::new(&bytes)), Ok(verdict));
        for end in 0..bytes.len() {
            let _ = Verdict::decode(Attributes::new(&bytes[..end]));
            let _ = Packet::decode(Attributes::new(&bytes[..end]));
        }
    }

    /// Bytes of `nfq_set_mode`, `nfq_set_queue_maxlen`, `nfq_set_queue_flags` of libnetfilter_queue, by the structures of
    /// `linux/netfilter/nfnetlink_queue.h`.
    #[test]
    fn requests_are_as_the_header_lays_them_out() {
        let config = Config {
            command: Some((command::BIND, 2)),
            mode: Some((0xffff, 2)),
            most: Some(1024),
            flags: Some((flag::FAIL_OPEN, flag::FAIL_OPEN)),
        };
        let mut bytes = Vec::new();
        config.encode(&mut Writer::new(&mut bytes));
        let expected = b"\x08\x00\x01\x00\x01\x00\x00\x02\x09\x00\x02\x00\x00\x00\xff\xff\x02\x00\x00\x00\
            \x08\x00\x03\x00\x00\x00\x04\x00\x08\x00\x04\x00\x00\x00\x00\x01\x08\x00\x05\x00\x00\x00\x00\x01";
        assert_eq!(bytes, expected);
        assert_eq!(Config::decode(Attributes::new(&bytes)), Ok(config));
        // Flags without a mask.
        assert!(Config::decode(Attributes::new(&expected[expected.len() - 8..])).is_err());
        assert!(Verdict::decode(Attributes::new(&[])).is_err());
    }
}
