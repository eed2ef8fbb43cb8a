//! `ct`: what connection tracking knows of the packet (`nft_ct.c`).

use crate::Register;

/// Loads a key of the packet's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Get {
    /// What is loaded.
    pub key: Key,
    /// Of which direction, for keys that have two (`NFTA_CT_DIRECTION`).
    pub direction: Option<Direction>,
    /// Where it goes.
    pub destination: Register,
}

/// Writes a key of the packet's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set {
    /// What is written: mark, zone, label, event mask, secmark.
    pub key: Key,
    /// Of which direction, for zones.
    pub direction: Option<Direction>,
    /// Where the new value lies.
    pub source: Register,
}

/// `enum ip_conntrack_dir`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Direction {
    /// As the connection was opened (`IP_CT_DIR_ORIGINAL`).
    Original = 0,
    /// The way back (`IP_CT_DIR_REPLY`).
    Reply = 1,
}

/// `enum nft_ct_keys`: name in the text form, width in bytes and byte order are in [`Key::name`] and `language`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[allow(missing_docs)] // the words are the kernel's
pub enum Key {
    State = 0,
    Direction = 1,
    Status = 2,
    Mark = 3,
    Secmark = 4,
    Expiration = 5,
    Helper = 6,
    L3Protocol = 7,
    /// Address of one direction, width by family (before `SrcIp` and `SrcIp6`).
    Src = 8,
    Dst = 9,
    Protocol = 10,
    ProtoSrc = 11,
    ProtoDst = 12,
    Labels = 13,
    Packets = 14,
    Bytes = 15,
    AvgPkt = 16,
    Zone = 17,
    EventMask = 18,
    SrcIp = 19,
    DstIp = 20,
    SrcIp6 = 21,
    DstIp6 = 22,
    Id = 23,
}

impl Key {
    /// Every key, in the order of their numbers.
    pub const ALL: [Key; 24] = {
        use Key::*;
        [
            State, Direction, Status, Mark, Secmark, Expiration, Helper, L3Protocol, Src, Dst, Protocol,
            ProtoSrc, ProtoDst, Labels, Packets, Bytes, AvgPkt, Zone, EventMask, SrcIp, DstIp, SrcIp6,
            DstIp6, Id,
        ]
    };

    /// From its number on the wire.
    pub fn from_number(number: u32) -> Option<Key> {
        Key::ALL.get(number as usize).copied()
    }
}
