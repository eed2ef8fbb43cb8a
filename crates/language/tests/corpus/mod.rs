//! Conformance data of the nftables test-suite: reading it, driving this crate with it, comparing, recording levels.

pub mod compare;
pub mod levels;
pub mod place;
pub mod units;
pub mod world;
