//! The headers of a message: `struct nlmsghdr` and nfnetlink's `struct nfgenmsg`.

use crate::DecodeError;

/// Flags of a message (`NLM_F_*` of `linux/netlink.h`). Some bits mean one thing in requests that make, another in
/// requests that read, a third in acknowledgements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u16);

impl Flags {
    /// A request to the kernel (`NLM_F_REQUEST`).
    pub const REQUEST: Flags = Flags(0x1);
    /// One of several messages that [`kind::DONE`] ends (`NLM_F_MULTI`).
    pub const MULTI: Flags = Flags(0x2);
    /// An acknowledgement is wanted (`NLM_F_ACK`).
    pub const ACK: Flags = Flags(0x4);
    /// What was made shall be sent back (`NLM_F_ECHO`).
    pub const ECHO: Flags = Flags(0x8);
    /// What is dumped changed meanwhile: the dump must be repeated (`NLM_F_DUMP_INTR`).
    pub const DUMP_INTR: Flags = Flags(0x10);
    /// Everything that matches is asked for (`NLM_F_DUMP`: `NLM_F_ROOT | NLM_F_MATCH`).
    pub const DUMP: Flags = Flags(0x300);
    /// In the place of what exists (`NLM_F_REPLACE`).
    pub const REPLACE: Flags = Flags(0x100);
    /// It must not exist (`NLM_F_EXCL`).
    pub const EXCL: Flags = Flags(0x200);
    /// Made if it does not exist (`NLM_F_CREATE`).
    pub const CREATE: Flags = Flags(0x400);
    /// At the end (`NLM_F_APPEND`).
    pub const APPEND: Flags = Flags(0x800);
    /// In a delete request: without recursion, it must be empty (`NLM_F_NONREC`).
    pub const NONREC: Flags = Flags(0x100);
    /// In an acknowledgement: the request is not repeated behind its header (`NLM_F_CAPPED`).
    pub const CAPPED: Flags = Flags(0x100);
    /// In an acknowledgement: attributes follow (`NLM_F_ACK_TLVS`).
    pub const ACK_TLVS: Flags = Flags(0x200);

    /// No flag.
    pub const fn empty() -> Flags {
        Flags(0)
    }

    /// Whether every bit of `other` is set.
    pub const fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

impl std::ops::BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Flags) {
        self.0 |= other.0;
    }
}

/// Types of messages that every netlink family has (`NLMSG_*` of `linux/netlink.h`).
pub mod kind {
    /// Nothing (`NLMSG_NOOP`).
    pub const NOOP: u16 = 1;
    /// An error or, with error 0, an acknowledgement (`NLMSG_ERROR`).
    pub const ERROR: u16 = 2;
    /// The end of a dump (`NLMSG_DONE`).
    pub const DONE: u16 = 3;
    /// Data was lost (`NLMSG_OVERRUN`).
    pub const OVERRUN: u16 = 4;
}

/// Subsystems of nfnetlink (`NFNL_SUBSYS_*` of `linux/netfilter/nfnetlink.h`).
pub mod subsystem {
    /// None: batch begin and end (`NFNL_SUBSYS_NONE`).
    pub const NONE: u8 = 0;
    /// Connections (`NFNL_SUBSYS_CTNETLINK`).
    pub const CTNETLINK: u8 = 1;
    /// Expectations (`NFNL_SUBSYS_CTNETLINK_EXP`).
    pub const CTNETLINK_EXP: u8 = 2;
    /// Queues (`NFNL_SUBSYS_QUEUE`).
    pub const QUEUE: u8 = 3;
    /// Logs (`NFNL_SUBSYS_ULOG`).
    pub const ULOG: u8 = 4;
    /// Operating system fingerprints (`NFNL_SUBSYS_OSF`).
    pub const OSF: u8 = 5;
    /// Timeout policies (`NFNL_SUBSYS_CTNETLINK_TIMEOUT`).
    pub const CTNETLINK_TIMEOUT: u8 = 8;
    /// Helpers (`NFNL_SUBSYS_CTHELPER`).
    pub const CTHELPER: u8 = 9;
    /// nf_tables (`NFNL_SUBSYS_NFTABLES`).
    pub const NFTABLES: u8 = 10;
    /// What hangs at the hooks (`NFNL_SUBSYS_HOOK`).
    pub const HOOK: u8 = 12;
}

/// `struct nlmsghdr`: 16 bytes in host order - length of the message with this header (4), type (2), flags (2), sequence
/// number (4), port (4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the message, with this header and without padding behind it.
    pub len: u32,
    /// Type; in nfnetlink the subsystem in the high byte, the message in the low one.
    pub kind: u16,
    /// Flags.
    pub flags: Flags,
    /// Number by which answers are matched to requests.
    pub seq: u32,
    /// Port of the sender; 0 is the kernel.
    pub port: u32,
}

impl Header {
    /// Bytes of the header.
    pub const LEN: usize = 16;

    /// Reads the first 16 bytes.
    pub fn decode(bytes: &[u8]) -> Result<Header, DecodeError> {
        let Some(bytes) = bytes.first_chunk::<16>() else { return Err(DecodeError::Truncated { offset: 0 }) };
        let [l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, p0, p1, p2, p3] = *bytes;
        Ok(Header {
            len: u32::from_ne_bytes([l0, l1, l2, l3]),
            kind: u16::from_ne_bytes([k0, k1]),
            flags: Flags(u16::from_ne_bytes([f0, f1])),
            seq: u32::from_ne_bytes([s0, s1, s2, s3]),
            port: u32::from_ne_bytes([p0, p1, p2, p3]),
        })
    }

    /// As it lies on the wire.
    pub fn encode(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[0..4].copy_from_slice(&self.len.to_ne_bytes());
        bytes[4..6].copy_from_slice(&self.kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&self.flags.0.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.seq.to_ne_bytes());
        bytes[12..16].copy_from_slice(&self.port.to_ne_bytes());
        bytes
    }

    /// Subsystem of an nfnetlink message (`NFNL_SUBSYS_ID`).
    pub const fn subsystem(&self) -> u8 {
        (self.kind >> 8) as u8
    }

    /// Message within its subsystem (`NFNL_MSG_TYPE`).
    pub const fn message(&self) -> u8 {
        self.kind as u8
    }
}

/// `struct nfgenmsg`: 4 bytes that follow the header in every nfnetlink message - family (1), version (1), resource (2,
/// network order).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GenMsg {
    /// `NFPROTO_*`; 0 for all.
    pub family: u8,
    /// `NFNETLINK_V0`.
    pub version: u8,
    /// Queue number, low 16 bits of the generation, or a batch's subsystem.
    pub res_id: u16,
}

impl GenMsg {
    /// Bytes of the header.
    pub const LEN: usize = 4;

    /// Of a family, all else 0.
    pub const fn of(family: u8) -> GenMsg {
        GenMsg { family, version: 0, res_id: 0 }
    }

    /// As it lies on the wire.
    pub fn encode(&self) -> [u8; 4] {
        let [high, low] = self.res_id.to_be_bytes();
        [self.family, self.version, high, low]
    }
}
