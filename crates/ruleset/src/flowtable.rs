//! Flowtables.

use crate::{Hook, Priority};

/// A flowtable's own attributes (`NFTA_FLOWTABLE_*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flowtable {
    /// Its name.
    pub name: Box<str>,
    /// Where packets look it up: ingress. `None` where a change (more devices) does not say.
    pub hook: Option<Hook>,
    /// When, among what is called there.
    pub priority: Priority,
    /// On which devices.
    pub devices: Vec<Box<str>>,
    /// `flags offload` (`NFT_FLOWTABLE_HW_OFFLOAD`).
    pub hw_offload: bool,
    /// `counter`: offloaded packets count for their connections (`NFT_FLOWTABLE_COUNTER`).
    pub counter: bool,
    /// Attributes of a newer peer, which it gets back.
    pub unknown: crate::netlink::Unknown,
}
