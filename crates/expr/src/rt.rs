//! `rt`: what routing decided (`nft_rt.c`).

use std::fmt;

use crate::validate::{ExprError, IP, ValidateCtx, register};
use crate::{Hook, Register};

/// Loads a key of the packet's route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rt {
    /// What is loaded.
    pub key: Key,
    /// Where it goes.
    pub destination: Register,
}

/// `enum nft_rt_keys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[allow(missing_docs)] // the words are the kernel's
pub enum Key {
    Classid = 0,
    Nexthop4 = 1,
    Nexthop6 = 2,
    Tcpmss = 3,
    Xfrm = 4,
}

impl Key {
    /// Every key, in the order of their numbers.
    pub const ALL: [Key; 5] = [Key::Classid, Key::Nexthop4, Key::Nexthop6, Key::Tcpmss, Key::Xfrm];
}

impl fmt::Display for Rt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = match self.key {
            Key::Classid => "classid",
            Key::Nexthop4 => "nexthop4",
            Key::Nexthop6 => "nexthop6",
            Key::Tcpmss => "tcpmss",
            Key::Xfrm => "ipsec",
        };
        write!(f, "rt load {key} => reg {}", self.destination)
    }
}

impl Rt {
    /// `nft_rt_get_init`, `nft_rt_validate`.
    pub(crate) fn validate(&self, ctx: &ValidateCtx) -> Result<(), ExprError> {
        ctx.families("rt", IP)?;
        let len = match self.key {
            Key::Classid | Key::Nexthop4 => 4,
            Key::Nexthop6 => 16,
            Key::Tcpmss => {
                ctx.hooks("rt mtu", &[Hook::Forward, Hook::Output, Hook::Postrouting])?;
                2
            }
            Key::Xfrm => 1,
        };
        register(self.destination, len)
    }
}
