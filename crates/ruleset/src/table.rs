//! Tables.

use crate::{Family, Userdata};

/// Which table: a name is unique within its family.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId {
    /// Its family.
    pub family: Family,
    /// Its name.
    pub name: Box<str>,
}

impl TableId {
    /// By family and name.
    pub fn new(family: Family, name: impl Into<Box<str>>) -> TableId {
        TableId { family, name: name.into() }
    }
}

impl std::fmt::Display for TableId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.family, self.name)
    }
}

/// A table's own attributes (`NFTA_TABLE_*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Family and name.
    pub id: TableId,
    /// Flags.
    pub flags: TableFlags,
    /// The comment.
    pub userdata: Userdata,
    /// Attributes of a newer peer, which it gets back.
    pub unknown: crate::netlink::Unknown,
}

bitflags::bitflags! {
    /// `enum nft_table_flags`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct TableFlags: u32 {
        /// Its base chains see no packets (`NFT_TABLE_F_DORMANT`).
        const DORMANT = 1;
        /// Only the program that made it may change it, and it goes with that program (`NFT_TABLE_F_OWNER`).
        const OWNER = 2;
        /// It stays when its owner goes (`NFT_TABLE_F_PERSIST`).
        const PERSIST = 4;
    }
}
