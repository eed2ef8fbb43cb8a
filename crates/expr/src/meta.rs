//! `meta`: what is known beside the packet's bytes (`nft_meta.c`).

use crate::Register;

/// Loads a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Get {
    /// What is loaded.
    pub key: Key,
    /// Where it goes.
    pub destination: Register,
}

/// Writes a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set {
    /// What is written: mark, priority, nftrace, pkttype, secmark, broute.
    pub key: Key,
    /// Where the new value lies.
    pub source: Register,
}

/// `enum nft_meta_keys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[allow(missing_docs)] // the words are the kernel's
pub enum Key {
    Len = 0,
    Protocol = 1,
    Priority = 2,
    Mark = 3,
    Iif = 4,
    Oif = 5,
    Iifname = 6,
    Oifname = 7,
    Iiftype = 8,
    Oiftype = 9,
    Skuid = 10,
    Skgid = 11,
    Nftrace = 12,
    Rtclassid = 13,
    Secmark = 14,
    Nfproto = 15,
    L4proto = 16,
    BriIifname = 17,
    BriOifname = 18,
    Pkttype = 19,
    Cpu = 20,
    Iifgroup = 21,
    Oifgroup = 22,
    Cgroup = 23,
    Prandom = 24,
    Secpath = 25,
    Iifkind = 26,
    Oifkind = 27,
    BriIifpvid = 28,
    BriIifvproto = 29,
    TimeNs = 30,
    TimeDay = 31,
    TimeHour = 32,
    Sdif = 33,
    Sdifname = 34,
    BriBroute = 35,
    BriIifhwaddr = 37,
}

impl Key {
    /// Every key, in the order of their numbers.
    pub const ALL: [Key; 37] = {
        use Key::*;
        [
            Len,
            Protocol,
            Priority,
            Mark,
            Iif,
            Oif,
            Iifname,
            Oifname,
            Iiftype,
            Oiftype,
            Skuid,
            Skgid,
            Nftrace,
            Rtclassid,
            Secmark,
            Nfproto,
            L4proto,
            BriIifname,
            BriOifname,
            Pkttype,
            Cpu,
            Iifgroup,
            Oifgroup,
            Cgroup,
            Prandom,
            Secpath,
            Iifkind,
            Oifkind,
            BriIifpvid,
            BriIifvproto,
            TimeNs,
            TimeDay,
            TimeHour,
            Sdif,
            Sdifname,
            BriBroute,
            BriIifhwaddr,
        ]
    };

    /// From its number on the wire.
    pub fn from_number(number: u32) -> Option<Key> {
        Key::ALL.into_iter().find(|key| *key as u32 == number)
    }
}
