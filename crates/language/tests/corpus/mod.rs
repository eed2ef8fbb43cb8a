//! Conformance data of the nftables test-suite: reading it, driving this crate with it, comparing, recording levels.

#![allow(dead_code)] // each test uses a part of it

pub(crate) mod compare;
pub(crate) mod levels;
pub(crate) mod place;
pub(crate) mod units;
pub(crate) mod world;
