//! Events: what a message tells, and what was done to it.

use ironweir_netlink::{DecodeError, Flags, Message};

use super::Told;

/// What was done (`netlink_msg2cmd` of nft names it after the header's flags).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Made, or changed where it was there.
    Add,
    /// Made, and it was not there (`NLM_F_EXCL`).
    Create,
    /// A rule was put before another, or first.
    Insert,
    /// Something went.
    Delete,
}

impl Verb {
    /// nft's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Add => "add",
            Verb::Create => "create",
            Verb::Insert => "insert",
            Verb::Delete => "delete",
        }
    }
}

/// A message of the groups `NFNLGRP_NFTABLES` and `NFNLGRP_NFTRACE`, or an echo.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What it tells.
    pub told: Told,
    /// What was done.
    pub verb: Verb,
}

impl Event {
    /// Reads a message.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn decode(message: &Message<'_>) -> Result<Event, DecodeError> {
        let told = Told::decode(message)?;
        let has = |flag| message.header.flags.contains(flag);
        // The kernel tells a replacement as a deletion and a new rule, which has the flags of the request.
        let verb = match &told {
            Told::Gone(_) => Verb::Delete,
            Told::Rule(_) if has(Flags::APPEND) || has(Flags::REPLACE) => Verb::Add,
            Told::Rule(_) => Verb::Insert,
            _ if has(Flags::EXCL) => Verb::Create,
            _ => Verb::Add,
        };
        Ok(Event { told, verb })
    }
}
