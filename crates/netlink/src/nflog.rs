//! nfnetlink_log: packets that `log group N` tells of, and what a listener says of how it wants them, in both directions
//! (`linux/netfilter/nfnetlink_log.h`, `net/netfilter/nfnetlink_log.c`).
//!
//! The group stands in the resource field of the message's [`crate::GenMsg`], the packet's family (`NFPROTO_*`) in its
//! family field. What a newer peer says besides is passed over.

use crate::ctnetlink::Flow;
use crate::{Attribute, Attributes, DecodeError, Writer};

/// Messages of subsystem [`crate::subsystem::ULOG`] (`enum nfulnl_msg_types`).
pub mod message {
    /// A packet (`NFULNL_MSG_PACKET`).
    pub const PACKET: u8 = 0;
    /// What a listener wants (`NFULNL_MSG_CONFIG`).
    pub const CONFIG: u8 = 1;
}

/// Commands of a listener (`enum nfulnl_msg_config_cmds`).
pub mod command {
    /// The group is mine (`NFULNL_CFG_CMD_BIND`).
    pub const BIND: u8 = 1;
    /// No more (`NFULNL_CFG_CMD_UNBIND`).
    pub const UNBIND: u8 = 2;
    /// Logs of a family go to listeners (`NFULNL_CFG_CMD_PF_BIND`): obsolete, they do anyway.
    pub const PF_BIND: u8 = 3;
    /// No more (`NFULNL_CFG_CMD_PF_UNBIND`).
    pub const PF_UNBIND: u8 = 4;
}

/// How much of a packet is wanted (`NFULNL_COPY_*`, `NFQNL_COPY_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyMode {
    /// No packets at all (0).
    #[default]
    None,
    /// What is known of it (1).
    Meta,
    /// Its bytes besides (2).
    Packet,
}

impl CopyMode {
    /// The number on the wire.
    pub const fn number(self) -> u8 {
        match self {
            CopyMode::None => 0,
            CopyMode::Meta => 1,
            CopyMode::Packet => 2,
        }
    }

    /// Of the number on the wire; `None` where it means nothing.
    pub const fn from_number(number: u8) -> Option<CopyMode> {
        match number {
            0 => Some(CopyMode::None),
            1 => Some(CopyMode::Meta),
            2 => Some(CopyMode::Packet),
            _ => None,
        }
    }
}

/// Flags of a listener (`NFULNL_CFG_F_*`).
pub mod flag {
    /// Packets of the group have numbers (`NFULNL_CFG_F_SEQ`).
    pub const SEQ: u16 = 1;
    /// Packets of all groups have numbers (`NFULNL_CFG_F_SEQ_GLOBAL`).
    pub const SEQ_GLOBAL: u16 = 2;
    /// Their connections are told (`NFULNL_CFG_F_CONNTRACK`).
    pub const CONNTRACK: u16 = 4;
}

/// A packet (`NFULNL_MSG_PACKET`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Packet<'a> {
    /// EtherType of its network header, host order.
    pub protocol: u16,
    /// `NF_INET_*` number of the hook.
    pub hook: u8,
    /// What the rule's line begins with (`NFULA_PREFIX`).
    pub prefix: &'a str,
    /// Index of the interface it came in by (`NFULA_IFINDEX_INDEV`).
    pub indev: Option<u32>,
    /// Index of the interface it leaves by (`NFULA_IFINDEX_OUTDEV`).
    pub outdev: Option<u32>,
    /// Its mark, told if it is not 0 (`NFULA_MARK`).
    pub mark: u32,
    /// Who sent it on the link, up to 8 bytes (`NFULA_HWADDR`).
    pub hw_address: Option<HwAddress>,
    /// Its link header with `ARPHRD_*` of its interface (`NFULA_HWTYPE`, `NFULA_HWLEN`, `NFULA_HWHEADER`).
    pub hw_header: Option<(u16, &'a [u8])>,
    /// When: seconds since the epoch and microseconds (`NFULA_TIMESTAMP`).
    pub timestamp: Option<(u64, u64)>,
    /// Number within the group (`NFULA_SEQ`).
    pub seq: Option<u32>,
    /// Number among all groups (`NFULA_SEQ_GLOBAL`).
    pub seq_global: Option<u32>,
    /// Its connection (`NFULA_CT`), and what it is to it (`enum ip_conntrack_info`, `NFULA_CT_INFO`).
    pub connection: Option<(Box<Flow>, u32)>,
    /// Its bytes from the network header on (`NFULA_PAYLOAD`).
    pub payload: Option<&'a [u8]>,
}

/// An address on the link: `struct nfulnl_msg_packet_hw`, 12 bytes - length (2, network order), padding (2), address (8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HwAddress {
    len: u8,
    bytes: [u8; 8],
}

impl HwAddress {
    /// Of at most 8 bytes; what is behind them is left out.
    pub fn new(address: &[u8]) -> HwAddress {
        let len = address.len().min(8);
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(address) {
            *to = *from;
        }
        HwAddress { len: len as u8, bytes }
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// As it lies on the wire.
    pub fn encode(&self) -> [u8; 12] {
        let mut out = [0; 12];
        out[1] = self.len;
        out[4..].copy_from_slice(&self.bytes);
        out
    }

    /// Reads one.
    ///
    /// # Errors
    /// It has not its 12 bytes.
    pub fn decode(attribute: &Attribute<'_>) -> Result<HwAddress, DecodeError> {
        let [_, len, _, _, bytes @ ..] = attribute.array::<12>()?;
        Ok(HwAddress { len: len.min(8), bytes })
    }
}

/// A time as both subsystems tell it: two numbers of 8 bytes in network order.
pub(crate) fn put_timestamp(writer: &mut Writer<'_>, kind: u16, (secs, micros): (u64, u64)) {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&secs.to_be_bytes());
    bytes[8..].copy_from_slice(&micros.to_be_bytes());
    writer.put(kind, &bytes);
}

pub(crate) fn timestamp(attribute: &Attribute<'_>) -> Result<(u64, u64), DecodeError> {
    let both = u128::from_be_bytes(attribute.array::<16>()?);
    Ok(((both >> 64) as u64, both as u64))
}

impl<'a> Packet<'a> {
    /// Puts its attributes, in the order of `__build_packet_message`.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        let [high, low] = self.protocol.to_be_bytes();
        writer.put(PACKET_HDR, &[high, low, self.hook, 0]);
        writer.put_str(PREFIX, self.prefix);
        for (kind, index) in [(INDEV, self.indev), (OUTDEV, self.outdev)] {
            index.iter().for_each(|index| writer.put_u32_be(kind, *index));
        }
        if self.mark != 0 {
            writer.put_u32_be(MARK, self.mark);
        }
        self.hw_address.iter().for_each(|address| writer.put(HWADDR, &address.encode()));
        if let Some((kind, header)) = self.hw_header {
            writer.put_u16_be(HWTYPE, kind);
            writer.put_u16_be(HWLEN, header.len() as u16);
            writer.put(HWHEADER, header);
        }
        self.timestamp.iter().for_each(|at| put_timestamp(writer, TIMESTAMP, *at));
        for (kind, number) in [(SEQ, self.seq), (SEQ_GLOBAL, self.seq_global)] {
            number.iter().for_each(|number| writer.put_u32_be(kind, *number));
        }
        if let Some((flow, info)) = &self.connection {
            writer.nest(CT, |writer| flow.encode(writer));
            writer.put_u32_be(CT_INFO, *info);
        }
        self.payload.iter().for_each(|payload| writer.put(PAYLOAD, payload));
    }

    /// Reads a packet's attributes.
    ///
    /// # Errors
    /// An attribute is cut off, or is not what it should be.
    pub fn decode(attributes: Attributes<'a>) -> Result<Packet<'a>, DecodeError> {
        let mut packet = Packet::default();
        let (mut hw_type, mut header) = (None, None);
        let (mut flow, mut info) = (None, 0);
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                PACKET_HDR => {
                    let [high, low, hook, _] = attribute.array::<4>()?;
                    packet.protocol = u16::from_be_bytes([high, low]);
                    packet.hook = hook;
                }
                PREFIX => packet.prefix = attribute.str()?,
                INDEV => packet.indev = Some(attribute.u32_be()?),
                OUTDEV => packet.outdev = Some(attribute.u32_be()?),
                MARK => packet.mark = attribute.u32_be()?,
                HWADDR => packet.hw_address = Some(HwAddress::decode(&attribute)?),
                HWTYPE => hw_type = Some(attribute.u16_be()?),
                HWHEADER => header = Some(attribute.value),
                TIMESTAMP => packet.timestamp = Some(timestamp(&attribute)?),
                SEQ => packet.seq = Some(attribute.u32_be()?),
                SEQ_GLOBAL => packet.seq_global = Some(attribute.u32_be()?),
                CT => flow = Some(Box::new(Flow::decode(attribute.nested())?)),
                CT_INFO => info = attribute.u32_be()?,
                PAYLOAD => packet.payload = Some(attribute.value),
                _ => {}
            }
        }
        packet.hw_header = hw_type.zip(header);
        packet.connection = flow.map(|flow| (flow, info));
        Ok(packet)
    }
}

/// What a listener wants (`NFULNL_MSG_CONFIG`); what is not there stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// A [`command`] (`NFULA_CFG_CMD`).
    pub command: Option<u8>,
    /// How much of each packet, and at most how many of its bytes (`NFULA_CFG_MODE`).
    pub mode: Option<(u32, u8)>,
    /// Bytes that are gathered at most (`NFULA_CFG_NLBUFSIZ`).
    pub buffer: Option<u32>,
    /// How long packets are gathered, in hundredths of a second (`NFULA_CFG_TIMEOUT`).
    pub timeout: Option<u32>,
    /// How many packets are gathered (`NFULA_CFG_QTHRESH`).
    pub threshold: Option<u32>,
    /// [`flag`]s (`NFULA_CFG_FLAGS`).
    pub flags: Option<u16>,
}

impl Config {
    /// Puts what is there.
    pub fn encode(&self, writer: &mut Writer<'_>) {
        self.command.iter().for_each(|command| writer.put_u8(CFG_CMD, *command));
        if let Some((range, mode)) = self.mode {
            let [a, b, c, d] = range.to_be_bytes();
            writer.put(CFG_MODE, &[a, b, c, d, mode, 0]);
        }
        for (kind, number) in
            [(CFG_NLBUFSIZ, self.buffer), (CFG_TIMEOUT, self.timeout), (CFG_QTHRESH, self.threshold)]
        {
            number.iter().for_each(|number| writer.put_u32_be(kind, *number));
        }
        self.flags.iter().for_each(|flags| writer.put_u16_be(CFG_FLAGS, *flags));
    }

    /// Reads a request.
    ///
    /// # Errors
    /// An attribute is cut off, or has not its length.
    pub fn decode(attributes: Attributes<'_>) -> Result<Config, DecodeError> {
        let mut config = Config::default();
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                CFG_CMD => config.command = Some(attribute.u8()?),
                CFG_MODE => {
                    let [a, b, c, d, mode, _] = attribute.array::<6>()?;
                    config.mode = Some((u32::from_be_bytes([a, b, c, d]), mode));
                }
                CFG_NLBUFSIZ => config.buffer = Some(attribute.u32_be()?),
                CFG_TIMEOUT => config.timeout = Some(attribute.u32_be()?),
                CFG_QTHRESH => config.threshold = Some(attribute.u32_be()?),
                CFG_FLAGS => config.flags = Some(attribute.u16_be()?),
                _ => {}
            }
        }
        Ok(config)
    }
}

/// `NFULA_PACKET_HDR`: EtherType (2, network order), hook (1), padding (1).
const PACKET_HDR: u16 = 1;
/// `NFULA_MARK`.
const MARK: u16 = 2;
/// `NFULA_TIMESTAMP`.
const TIMESTAMP: u16 = 3;
/// `NFULA_IFINDEX_INDEV`.
const INDEV: u16 = 4;
/// `NFULA_IFINDEX_OUTDEV`.
const OUTDEV: u16 = 5;
/// `NFULA_HWADDR`.
const HWADDR: u16 = 8;
/// `NFULA_PAYLOAD`.
const PAYLOAD: u16 = 9;
/// `NFULA_PREFIX`.
const PREFIX: u16 = 10;
/// `NFULA_SEQ`.
const SEQ: u16 = 12;
/// `NFULA_SEQ_GLOBAL`.
const SEQ_GLOBAL: u16 = 13;
/// `NFULA_HWTYPE`.
const HWTYPE: u16 = 15;
/// `NFULA_HWHEADER`.
const HWHEADER: u16 = 16;
/// `NFULA_HWLEN`.
const HWLEN: u16 = 17;
/// `NFULA_CT`.
const CT: u16 = 18;
/// `NFULA_CT_INFO`.
const CT_INFO: u16 = 19;

/// `NFULA_CFG_CMD`.
const CFG_CMD: u16 = 1;
/// `NFULA_CFG_MODE`: range (4, network order), mode (1), padding (1).
const CFG_MODE: u16 = 2;
/// `NFULA_CFG_NLBUFSIZ`.
const CFG_NLBUFSIZ: u16 = 3;
/// `NFULA_CFG_TIMEOUT`.
const CFG_TIMEOUT: u16 = 4;
/// `NFULA_CFG_QTHRESH`.
const CFG_QTHRESH: u16 = 5;
/// `NFULA_CFG_FLAGS`.
const CFG_FLAGS: u16 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_written_and_read_alike() {
        let packet = Packet {
            protocol: 0x0800,
            hook: 2,
            prefix: "seen: ",
            indev: Some(2),
            outdev: Some(3),
            mark: 7,
            hw_address: Some(HwAddress::new(&[2, 0, 0, 0, 1, 2])),
            hw_header: Some((1, &[1; 14])),
            timestamp: Some((1_700_000_000, 999_999)),
            seq: Some(1),
            seq_global: Some(9),
            connection: Some((Box::new(Flow { mark: Some(4), ..Flow::default() }), 2)),
            payload: Some(b"packet"),
        };
        let mut bytes = Vec::new();
        packet.encode(&mut Writer::new(&mut bytes));
        assert_eq!(Packet::decode(Attributes::new(&bytes)), Ok(packet));
        for end in 0..bytes.len() {
            let _ = Packet::decode(Attributes::new(&bytes[..end]));
        }
    }

    /// What tcpdump 4.99.3 sends for `-i nflog:5`, taken with strace, headers left out: bind (BIND), then the mode.
    #[test]
    fn requests_of_the_stock_tool_are_read() {
        let bind = b"\x05\x00\x01\x00\x01\x00\x00\x00";
        let config = Config { command: Some(command::BIND), ..Config::default() };
        assert_eq!(Config::decode(Attributes::new(bind)), Ok(config));
        let mode = b"\x0a\x00\x02\x00\x00\x04\x00\x00\x02\x00\x00\x00";
        let config = Config { mode: Some((0x40000, 2)), ..Config::default() };
        assert_eq!(Config::decode(Attributes::new(mode)), Ok(config));
        let mut bytes = Vec::new();
        config.encode(&mut Writer::new(&mut bytes));
        assert_eq!(bytes, mode);
    }
}
